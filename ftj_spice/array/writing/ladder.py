"""One row of an array with its wires: what its cells see, and what its columns carry.

The selected row is a resistive ladder; each of its cells goes on through the wires of its column to the end that holds
it. The cells of the other rows, which stand at small voltages, load the columns in second order only and are left out
here; `ftj_spice.array.writing.check` measures what that costs against the whole array.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.common.compiling import CACHE
from ftj_spice.common.errors import DataError
from ftj_spice.device.conduction import ConductionLaw, LinearLaw, SinhLaw
from ftj_spice.netlist.circuit import TOPOLOGIES, ArrayCircuit, Cells, Line, Transistor

NEGLIGIBLE = 1e-7
"""Voltage drops below this, in V, are not followed."""
_CLOSE = 1e-8  # V; largest last step of the solution, whose error is about its square
_SWEEPS = 60


def array_circuit(cells: Cells, settings: ProgramSettings) -> ArrayCircuit:
    """Returns the array as every engine takes it, for reads of the programmed array."""
    line = Line(settings.line_resistance)
    return ArrayCircuit(
        cells, settings.topology, line, line, settings.drive, settings.sense, settings.driver_resistance,
        settings.sense_resistance,
    )  # fmt: skip


@dataclass(frozen=True)
class RowLadder:
    """The wires that one row's cells see.

    Attributes:
        law: Conduction law, by the conductance at V_VMM.
        segment: Resistance of a segment of the row in ohm; 0 where each column has a driven line of its own.
        first: Resistance from the driver to cell 0's node in ohm; infinite without one at that end.
        last: The same to the last cell's node.
        series: Resistance in series with each cell, to its column's end, in ohm.
    """

    law: ConductionLaw
    segment: float
    first: float
    last: float
    series: float

    @classmethod
    def of(cls, law: ConductionLaw, settings: ProgramSettings, row: int, rows: int) -> "RowLadder":
        """Returns the wires of a row of an array with `rows` rows."""
        wire, topology = settings.line_resistance, TOPOLOGIES[settings.topology]
        series = _to_end(settings.sense, row, rows, wire, settings.sense_resistance)
        if topology.transistor:
            series += on_resistance(Transistor())
        if topology.along == "columns":
            return cls(
                law, 0.0, 0.0, np.inf, series + _to_end(settings.drive, row, rows, wire, settings.driver_resistance)
            )
        end = wire + settings.driver_resistance
        first = end if settings.drive in ("first", "both") else np.inf
        last = end if settings.drive in ("last", "both") else np.inf
        return cls(law, wire, first, last, series)

    def solve(
        self,
        conductance: NDArray[np.float64],
        row: float,
        columns: NDArray[np.float64],
        guess: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the voltage across each cell in V and its current in A, shape `(columns,)` both.

        Newton's method; each step is one tridiagonal solve.

        Args:
            conductance: Of the cells in S at V_VMM, shape `(columns,)`.
            row: Voltage of the row's driver in V.
            columns: Voltage at each column's end in V, shape `(columns,)`.
            guess: Voltages across the cells to start from; those without any wires by default.

        Raises:
            DataError: The wires are so resistive that no solution was found.
        """
        ends = [r for r in (self.first, self.last) if r < np.inf]
        wires = self.series + min(ends) + len(columns) * self.segment
        if isinstance(self.law, SinhLaw | LinearLaw):
            sinh = isinstance(self.law, SinhLaw)
            strength = self.law.prefactor(conductance) if sinh else conductance
            scale = self.law.voltage_scale if sinh else 0.0
            across, current, sweeps = _solve(
                strength, scale, columns if guess is None else guess, guess is None, row, columns, wires,
                self.segment, self.first, self.last, self.series,
            )  # fmt: skip
            if sweeps < _SWEEPS:
                return across, current
        ideal, low, high = _bounds(row, columns)
        current = np.asarray(self.law.current(conductance, ideal))
        if wires * np.abs(current).sum() < NEGLIGIBLE:
            return ideal, current
        across = ideal if guess is None else np.clip(guess, low, high)
        for _ in range(_SWEEPS):  # the same for other laws, one step at a time
            current = np.asarray(self.law.current(conductance, across))
            slope = np.asarray(self.law.slope(conductance, across))
            found, step = _newton(
                current, slope, across, low, high, row, columns, self.segment, self.first, self.last, self.series
            )
            across = found
            if step < _CLOSE:
                return across, np.asarray(self.law.current(conductance, across))
        raise DataError(
            f"the voltages along a row could not be solved: its cells draw {np.abs(current).sum():.3g} A through "
            f"wires of {wires:.3g} ohm; lower line_resistance, driver_resistance or the conductances"
        )


@numba.njit(cache=CACHE)
def _bounds(row, columns):  # pragma: no cover - compiled
    """Voltages across the cells without any wires, and the range in which the solution must lie."""
    ideal = row - columns
    # Currents of both signs may push a node beyond its own ideal voltage, by little: the inhibited cells' share.
    spare = np.abs(ideal).max()
    return ideal, np.minimum(ideal, 0.0) - spare, np.maximum(ideal, 0.0) + spare


@numba.njit(cache=CACHE)
def _flow(strength, scale, across):  # pragma: no cover - compiled
    """Current and slope of the sinh law, or of the linear law where `scale` is 0."""
    if scale == 0.0:
        return strength * across, strength
    current, slope = np.empty(len(across)), np.empty(len(across))
    for k in range(len(across)):
        rising = np.exp(across[k] / scale)
        current[k] = 0.5 * strength[k] * (rising - 1.0 / rising)
        slope[k] = 0.5 * strength[k] * (rising + 1.0 / rising) / scale
    return current, slope


@numba.njit(cache=CACHE)
def _solve(
    strength, scale, guess, fresh, row, columns, wires, segment, first, last, series
):  # pragma: no cover - compiled
    """Newton's method for the sinh and linear laws; voltages, currents and number of steps. No guess if `fresh`."""
    across, low, high = _bounds(row, columns)
    current, slope = _flow(strength, scale, across)
    if wires * np.abs(current).sum() < NEGLIGIBLE:
        return across, current, 0
    if not fresh:
        across = np.minimum(np.maximum(guess, low), high)
        current, slope = _flow(strength, scale, across)
    for sweep in range(_SWEEPS):
        across, step = _newton(current, slope, across, low, high, row, columns, segment, first, last, series)
        current, slope = _flow(strength, scale, across)
        if step < _CLOSE:
            return across, current, sweep
    return across, current, _SWEEPS


@numba.njit(cache=CACHE)
def _newton(
    current, slope, across, low, high, row, columns, segment, first, last, series
):  # pragma: no cover - compiled
    """One step of Newton's method: new voltages across the cells, and the largest change."""
    share = 1.0 / (1.0 + slope * series)
    leak = slope * share  # into the column, by the voltage of the row's node
    rest = (current - slope * (across + columns)) * share
    node = _nodes(leak, rest, row, segment, first, last)
    step = node - columns - series * (leak * node + rest) - across
    return np.minimum(np.maximum(across + step, low), high), np.abs(step).max()


@numba.njit(cache=CACHE)
def _nodes(leak, rest, row, segment, first, last):  # pragma: no cover - compiled
    """Voltages of the row's nodes when each cell takes `leak * v + rest`: one tridiagonal solve."""
    count = len(leak)
    if segment == 0.0:
        if first == 0.0 or last == 0.0:
            return np.full(count, row)
        feed = 1.0 / first + 1.0 / last
        return np.full(count, (feed * row - rest.sum()) / (feed + leak.sum()))
    wire = 1.0 / segment
    diagonal, load = np.empty(count), np.empty(count)
    for k in range(count):
        diagonal[k] = leak[k] + (wire if k > 0 else 1.0 / first) + (wire if k < count - 1 else 1.0 / last)
        load[k] = -rest[k]
    load[0] += row / first
    load[count - 1] += row / last
    for k in range(1, count):
        part = wire / diagonal[k - 1]
        diagonal[k] -= part * wire
        load[k] += part * load[k - 1]
    found = np.empty(count)
    found[count - 1] = load[count - 1] / diagonal[count - 1]
    for k in range(count - 2, -1, -1):
        found[k] = (load[k] + wire * found[k + 1]) / diagonal[k]
    return found


def on_resistance(transistor: Transistor) -> float:
    """Returns the resistance of a select transistor that is on, near 0 V between drain and source, in ohm."""
    small = 1e-3
    return small / float(transistor.current(transistor.on_voltage, small, 0.0))


def _to_end(end: str, row: int, rows: int, wire: float, last: float) -> float:
    """Returns the resistance from a row's node of a column to the end that holds it."""
    ways = {"first": (row + 1) * wire + last, "last": (rows - row) * wire + last}
    if end != "both":
        return ways[end]
    a, b = ways["first"], ways["last"]
    return a * b / (a + b) if a + b > 0 else 0.0
