"""Traps followed from event to event, exactly and with bounded memory: what the fast sample phase reads off them.

Each trap's candidate events come from its own seed stream, the same as in the co-simulation, and are accepted at the
bias of its cell. Time is taken in periods (one sample each), and periods in stretches: only one stretch is held at a
time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.candidates import CandidateStream
from ftj_spice.device.traps import BOUND_RATE, Candidates, TrapHistory, Traps, accepts


@dataclass(frozen=True)
class Windows:
    """Rows that stand at one voltage; a trap gives its mean state over the end of each period.

    Attributes:
        period: Length of a period in s.
        pause: Time at its begin that does not count, in s.
        bias: Voltage of each cell in V, shape `(rows, columns)`.
    """

    period: float
    pause: float
    bias: NDArray[np.float64]


@dataclass(frozen=True)
class Slots:
    """Rows that are raised one after another, each for its slot of the period; a trap gives its state in its slot.

    Attributes:
        slot: Length of a slot in s; a period has one for each row.
        edge: Rise and fall time at a slot's begin and end, in s.
        instant: When a trap's state counts, in s from its slot's begin.
        voltage: Of a raised row, in V.
        shape: Rows and columns.
    """

    slot: float
    edge: float
    instant: float
    voltage: float
    shape: tuple[int, int]

    @property
    def period(self) -> float:
        """Length of a period in s."""
        return self.slot * self.shape[0]


@dataclass(frozen=True)
class Bank:
    """The traps of some columns and where their random numbers come from.

    Attributes:
        traps: Their times, column by column.
        voltages: Lowest and highest bias that candidates are drawn for, in V.
        initial_voltage: The traps start in the stationary distribution of this bias.
        seed: The run's seed.
        streams: Index of each trap's stream.
    """

    traps: Traps
    voltages: tuple[float, float]
    initial_voltage: float
    seed: int
    streams: list[tuple[int, ...]]


@numba.njit(cache=CACHE, nogil=True)
def _windows(times, draws, table, state, voltage, begin, period, pause, out, toggles):  # pragma: no cover - compiled
    """Runs one trap over `len(out)` periods.

    The filled share of each window goes into `out`, the numbers of the accepted candidates into `toggles`; returns the
    last state and the number of transitions.
    """
    window = period - pause
    count = len(out)
    out[:] = 0.0
    since = begin
    transitions = 0
    for k in range(len(times) + 1):
        if k < len(times):
            if not accepts(table, 0, state, draws[k], voltage):
                continue
            until = times[k]
        else:
            until = begin + count * period
        if state == 1:
            first = max(int((since - begin) / period), 0)
            last = min(int((until - begin) / period), count - 1)
            for n in range(first, last + 1):
                end = begin + (n + 1) * period
                low = max(since, end - window)
                high = min(until, end)
                if high > low:
                    out[n] += (high - low) / window
        if k < len(times):
            toggles[transitions] = k
            transitions += 1
            state = 1 - state
            since = until
    return state, transitions


@numba.njit(cache=CACHE, nogil=True)
def _slots(
    times, draws, table, state, voltage, begin, slot, edge, instant, rows, row, out, toggles
):  # pragma: no cover - compiled
    """Runs one trap whose row is raised in slot `row` of every period; its state at each instant goes into `out`."""
    period = slot * rows
    transitions = 0
    n = 0
    for k in range(len(times) + 1):
        while n < len(out) and (k == len(times) or begin + n * period + row * slot + instant < times[k]):
            out[n] = state
            n += 1
        if k == len(times):
            break
        within = (times[k] - begin) % period - row * slot
        bias = 0.0
        if 0.0 <= within <= slot:
            bias = voltage * min(1.0, min(within, slot - within) / edge)
        if accepts(table, 0, state, draws[k], bias):
            toggles[transitions] = k
            transitions += 1
            state = 1 - state
    return state, transitions


@dataclass(frozen=True)
class Stretch:
    """What the traps of some columns did over some periods.

    Attributes:
        first: Number of its first period.
        period: Length of a period in s.
        states: Mean state of each trap over each window, or its state in its slot; shape `(periods, rows, columns)`.
        initial: State of each trap at the stretch's begin, shape `(traps,)`.
        candidates: Times and acceptance draws of each trap's candidates.
        toggles: Which of its candidates each trap accepted.
        table: Parameter table of the traps.
        voltages: Bias range of the candidates in V.
    """

    first: int
    period: float
    states: NDArray[np.float64]
    initial: NDArray[np.int64]
    candidates: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
    toggles: list[NDArray[np.int64]]
    table: NDArray[np.float64]
    voltages: tuple[float, float]

    def cut(self, first: int, periods: int) -> tuple[Candidates, TrapHistory]:
        """Returns some periods of it, as a co-simulation needs them: in their own time, states handed over."""
        span = (first * self.period, (first + periods) * self.period)
        initial = self.initial.copy()
        times, draws, own_times, own_traps, own_states = [], [], [], [], []
        for trap, ((when, draw), which) in enumerate(zip(self.candidates, self.toggles, strict=True)):
            low, high = np.searchsorted(when, span, side="right")
            times.append(when[low:high] - span[0])
            draws.append(draw[low:high])
            before = int(np.searchsorted(which, low))
            inside = which[before : int(np.searchsorted(which, high))]
            initial[trap] ^= before & 1
            own_times.append(when[inside] - span[0])
            own_traps.append(np.full(len(inside), trap))
            own_states.append(initial[trap] ^ (1 + np.arange(len(inside))) & 1)
        lengths = np.cumsum([0, *(len(t) for t in times)]).astype(np.int64)
        duration = span[1] - span[0]
        candidates = Candidates(
            np.concatenate(times), np.concatenate(draws), lengths, initial, self.table, duration, self.voltages
        )
        moments = np.concatenate(own_times)
        order = np.argsort(moments, kind="stable")
        history = TrapHistory(
            initial.copy(),
            moments[order],
            np.concatenate(own_traps).astype(np.int64)[order],
            np.concatenate(own_states).astype(np.int64)[order],
            duration,
        )
        return candidates, history


def follow(bank: Bank, reading: Windows | Slots, periods: int, stretch: int) -> Iterator[Stretch]:
    """Follows traps through all periods, a stretch at a time.

    The histories are those of `draw_candidates` and `simulate` at the same bias, bit for bit.

    Args:
        bank: The traps.
        reading: What is read off them.
        periods: How many periods there are.
        stretch: Periods per stretch, at most.
    """
    rows, columns = reading.bias.shape if isinstance(reading, Windows) else reading.shape
    table = bank.traps.table(*bank.voltages)
    occupancy = bank.traps.occupancy(bank.initial_voltage)
    sources = [
        CandidateStream(bank.seed, index, float(table[k, BOUND_RATE]), float(occupancy[k]))
        for k, index in enumerate(bank.streams)
    ]
    period = reading.period
    for first in range(0, periods, stretch):
        count = min(stretch, periods - first)
        states = np.empty((len(sources), count))
        initial = np.array([source.state for source in sources], np.int64)
        candidates, toggles = [], []
        for k, source in enumerate(sources):
            times, draws = source.until((first + count) * period)
            which = np.empty(len(times), np.int64)
            column, row = divmod(k, rows)
            begin, own = first * period, table[k : k + 1]
            if isinstance(reading, Windows):
                bias = float(reading.bias[row, column])
                source.state, n = _windows(
                    times, draws, own, source.state, bias, begin, period, reading.pause, states[k], which
                )
            else:
                source.state, n = _slots(
                    times, draws, own, source.state, reading.voltage, begin, reading.slot, reading.edge,
                    reading.instant, rows, row, states[k], which,
                )  # fmt: skip
            candidates.append((times, draws))
            toggles.append(which[:n])
        grid = states.reshape(columns, rows, count).transpose(2, 1, 0)
        yield Stretch(first, period, grid, initial, candidates, toggles, table, bank.voltages)
