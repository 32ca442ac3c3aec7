"""Incremental-step-pulse program-and-verify: one sequence for every chip, vectorised or in ngspice.

The array is erased as a whole. Then row by row, all columns of a row side by side: SET pulses of rising amplitude, a
verify read after each; a cell that has reached its target's tolerance is inhibited from then on. Cells beyond the
tolerance get RESET pulses of rising amplitude, which flip the weakest domains first and so move in small steps; those
that fall short go back to SET with a finer step, and so on up to the allowed number of reversals. A cell that the
largest amplitude does not bring there is given up, with a reason. When all rows are done every cell is read again, and
those that left the tolerance since, by their neighbours' pulses, are corrected in a further pass.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing import outcome
from ftj_spice.array.writing.chip import Chip
from ftj_spice.array.writing.outcome import ProgramResult, Trace, failures_of
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.array.writing.targets import Targets
from ftj_spice.common.seeds import generator

Progress = Callable[[int, int], None]
"""Called with finished and all rows."""

_STILL = 0.5  # level steps that a cell must have moved, or it counts as stuck
_SURE = 4.0  # standard deviations of the verify noise that count as no movement


class _Recorder:
    """Ways of the cells that are traced."""

    def __init__(self, cells: tuple[tuple[int, int], ...]) -> None:
        self._events: dict[tuple[int, int], list[tuple[float, bool, float]]] = {cell: [] for cell in cells}

    def note(self, row: int, amplitude: float, written: NDArray[np.bool_], seen: NDArray[np.float64]) -> None:
        for (i, j), events in self._events.items():
            if i == row:
                events.append((amplitude, bool(written[j]), float(seen[j])))

    def traces(self) -> tuple[Trace, ...]:
        return tuple(
            Trace(
                i,
                j,
                np.array([e[0] for e in events]),
                np.array([e[1] for e in events], bool),
                np.array([e[2] for e in events]),
            )
            for (i, j), events in self._events.items()
        )


class _Cells:
    """What the sequence knows of every cell; arrays of shape `(rows, columns)`."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.lowest = np.full(shape, np.inf)
        self.highest = np.full(shape, -np.inf)
        self.pulses = np.zeros(shape, np.int64)
        self.gave_up = np.zeros(shape, np.int8)  # the direction whose largest pulse was not enough
        self.good = np.zeros(shape, bool)
        self.last = np.zeros(shape)

    def see(self, row: int, seen: NDArray[np.float64]) -> None:
        np.minimum(self.lowest[row], seen, out=self.lowest[row])
        np.maximum(self.highest[row], seen, out=self.highest[row])
        self.last[row] = seen


class _Sequence:
    """One run of the sequence."""

    def __init__(
        self,
        chip: Chip,
        targets: Targets,
        settings: ProgramSettings,
        seed: int,
        trace: tuple[tuple[int, int], ...],
    ) -> None:
        self.chip, self.targets, self.settings = chip, targets, settings
        self.cells = _Cells(targets.conductance.shape)
        self.recorder = _Recorder(trace)
        self.row_pulses = np.zeros(len(targets.conductance), np.int64)
        self.noise = settings.verify_noise * targets.step
        self.tolerance = settings.tolerance * targets.step
        self._seed = seed

    def read(self, row: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Reads a row with the verify noise."""
        seen = self.chip.verify(row)
        return seen + self.noise * rng.standard_normal(len(seen))

    def row(self, row: int, active: NDArray[np.bool_], visit: int) -> None:
        """Programs the active cells of a row."""
        s, cells, target = self.settings, self.cells, self.targets.conductance[row]
        rng = generator(self._seed, "program", row, visit)
        seen = self.read(row, rng)
        cells.see(row, seen)
        self.recorder.note(row, 0.0, np.zeros(len(seen), bool), seen)
        open_ = active & ~self._holds(seen, target)  # a cell that one read has accepted is left alone from then on
        done = active & ~open_
        for phase in range(s.reversals + 1):
            sign = 1 if phase % 2 == 0 else -1
            if not open_.any():
                break
            todo = open_ & (sign * (target - seen) > 0.0)
            if not todo.any():
                continue
            staircase = s.set if sign > 0 else s.reset
            for amplitude in staircase.amplitudes(s.refine ** (phase // 2)):
                drawn = 1.0 + s.cycle_spread * rng.standard_normal(len(seen))
                strength = np.minimum(np.maximum(drawn, 0.5), 1.5)
                self.chip.pulse(row, sign * amplitude, todo, strength)
                cells.pulses[row] += todo
                self.row_pulses[row] += 1
                seen = self.read(row, rng)
                cells.see(row, np.where(open_, seen, cells.last[row]))
                self.recorder.note(row, sign * amplitude, todo, seen)
                accepted = todo & self._holds(seen, target)
                done |= accepted
                open_ &= ~accepted & (cells.pulses[row] < s.max_pulses)
                todo = todo & open_ & (sign * (target - seen) > 0.0)
                if not todo.any():
                    break
            cells.gave_up[row][todo] = sign
            open_ &= ~todo
            self.chip.end_phase()
        cells.good[row][active] = done[active]
        self.chip.end_row()

    def _holds(self, seen: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.abs(seen - target) <= self.settings.accepted * self.targets.step

    def reasons(self, final: NDArray[np.float64]) -> NDArray[np.object_]:
        """Returns why each cell fails, empty where it holds its target."""
        target, cells = self.targets.conductance, self.cells
        reasons = np.full(target.shape, "", object)
        off = np.abs(final - target) > self.tolerance
        missed = ~cells.good
        reasons[cells.good & off] = outcome.DISTURBED
        reasons[missed & (cells.last > target)] = outcome.OVERSHOOT
        reasons[missed & (cells.last < target)] = outcome.EXHAUSTED
        reasons[missed & (cells.gave_up != 0)] = outcome.OUT_OF_REACH
        moved = cells.highest - cells.lowest
        # A cell that starts low shows that it switches only by SET pulses, or by standing high after the erase pulse.
        tried = (self.settings.initial > 0.5) | (cells.gave_up > 0) | (cells.lowest > target + self.targets.step)
        still = moved < _STILL * self.targets.step + 2.0 * _SURE * self.noise
        reasons[missed & (cells.gave_up != 0) & tried & still] = outcome.STUCK
        reasons[self.targets.clipped] = outcome.OUTSIDE
        return reasons


def program(
    chip: Chip,
    targets: Targets,
    settings: ProgramSettings,
    seed: int = 0,
    trace: tuple[tuple[int, int], ...] = (),
    progress: Progress | None = None,
) -> ProgramResult:
    """Programs an array.

    Args:
        chip: The array.
        targets: Target conductances; their shape is the array's.
        settings: The sequence's settings.
        seed: Of the verify noise and the spread from pulse to pulse, row by row.
        trace: Cells (row, column) whose way is kept.
        progress: Called after each row.

    Raises:
        FtjSpiceError: The chip's simulation failed.
    """
    run = _Sequence(chip, targets, settings, seed, trace)
    shape = targets.conductance.shape
    for row in range(shape[0]):  # what the cells show before; a stuck one will still show it at the end
        run.cells.see(row, chip.verify(row))
    chip.end_row()
    chip.erase()
    erase_energy = chip.energy.copy()
    verified = np.zeros(shape)
    active, passes = np.ones(shape, bool), 0
    while passes < settings.passes and active.any():
        rows = np.flatnonzero(active.any(axis=1))
        for done, row in enumerate(rows):
            run.row(int(row), active[row], passes)
            verified[row] = np.where(active[row], chip.row_conductance(int(row)), verified[row])
            if progress:
                progress(done + 1, len(rows))
        passes += 1
        final = np.stack([chip.verify(row) for row in range(shape[0])])
        chip.end_row()
        active = run.cells.good & (np.abs(final - targets.conductance) > run.tolerance)
    conductance = chip.conductance
    return ProgramResult(
        conductance, targets.conductance, targets.step, final, verified, run.cells.pulses,
        chip.energy.copy(), erase_energy, failures_of(run.reasons(final), targets.conductance, conductance),
        settings.tolerance, run.recorder.traces(), chip.name, passes, run.row_pulses,
    )  # fmt: skip
