"""Event rules: a digitiser without its circuit, followed exactly from trap transition to trap transition.

Between two transitions everything a rule knows has a closed form. In units of the nominal current swing, with s the
trap's state (0 empty, 1 filled) the signal is

    u = high - drop s - reference,

where the reference is a constant, the running average (a pole of time constant `average`: a high-pass filter, so that
an RC differentiator is the same rule with a short average), or the current of a second cell. The comparator decides
whether u lies above its level, and its output follows with one pole of time constant `lag`; the bit's edges are where
that output crosses one half, so that dwells much shorter than the lag are missed, as they are in the circuit. With
hysteresis the level depends on the output.

The same compiled code draws its dwells from the traps' random streams, or takes them from a recorded history.
"""

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.streams import exponential
from ftj_spice.device.traps import TrapHistory
from ftj_spice.sampling.trng.variant import Rule

# Columns of a cell's numbers.
_HIGH, _DROP, _CAPTURE, _EMISSION, _OCCUPANCY = range(5)
# Integers of a digitiser: the comparator's output, the parity of its edges since power-up and their number in the
# intervals, and each cell's state and place in its dwells.
_OUT, _PARITY, _EDGE_COUNT, _FILLED, _PLACE = 0, 1, 2, 3, 5
_INTEGERS = 7
# Clocks of a digitiser: the comparator's pole, the running average, and the time each cell stays as it is.
_POLE, _AVERAGE, _LEFT = 0, 1, 2
_CLOCKS = 4
# Codes of a rule, and its numbers.
_READ, _REFERENCE, _OUTPUT, _RISING = range(4)
_LAG, _LEVEL, _HYSTERESIS, _TIME, _RESET, _CONSTANT, _LSB, _HALF = range(8)
_STATE, _MEAN, _EDGES = range(3)
_FIXED, _RUNNING, _PARTNER = range(3)
_LEVELLED, _ANY, _PARITIES, _TOGGLE = range(4)

_READS = {"state": _STATE, "mean": _MEAN, "edges": _EDGES}
_REFERENCES = {"mid": _FIXED, "mean": _FIXED, "running": _RUNNING, "partner": _PARTNER}
_OUTPUTS = {"level": _LEVELLED, "any": _ANY, "parity": _PARITIES, "toggle": _TOGGLE}

_FORGOTTEN = 50.0  # time constants after which a pole has settled to the last bit


@numba.njit(cache=CACHE, nogil=True, error_model="numpy", inline="always")
def _signal(cells, integers):  # pragma: no cover - compiled
    value = cells[0, _HIGH] - cells[0, _DROP] * integers[_FILLED]
    if len(cells) == 2:
        value -= cells[1, _HIGH] - cells[1, _DROP] * integers[_FILLED + 1]
    return value


@numba.njit(cache=CACHE, nogil=True, error_model="numpy", inline="always")
def _change(cell, cells, words, dwells, integers):  # pragma: no cover - compiled
    """Turns a cell's state over; returns how long it stays: recorded, or drawn where nothing was recorded."""
    filled = 1 - integers[_FILLED + cell]
    integers[_FILLED + cell] = filled
    if dwells.shape[1] == 0:
        return exponential(words, cell) * cells[cell, _EMISSION if filled else _CAPTURE]
    place = integers[_PLACE + cell]
    integers[_PLACE + cell] = place + 1
    return dwells[cell, place] if place < dwells.shape[1] else np.inf


@numba.njit(cache=CACHE, nogil=True, error_model="numpy", inline="always")
def _follow(pole, out, target, span, lag):  # pragma: no cover - compiled
    """Lets the comparator's pole follow a constant decision for a while; returns it, and the output."""
    distance = abs(pole - target) * (np.exp(-span / lag) if span < _FORGOTTEN * lag else 0.0)
    return (1.0 - distance if target else distance), (target if distance < 0.5 else out)


@numba.njit(cache=CACHE, nogil=True, error_model="numpy", inline="always")
def _advance(codes, numbers, cells, words, dwells, integers, clocks, span):  # pragma: no cover - compiled
    """Follows one digitiser for `span` seconds; returns the edges counted, and the signal's mean after the reset."""
    reads_mean, running, rising = codes[_READ] == _MEAN, codes[_REFERENCE] == _RUNNING, codes[_RISING] == 1
    lag, time, level, hysteresis = numbers[_LAG], numbers[_TIME], numbers[_LEVEL], numbers[_HYSTERESIS]
    # Scalars, since the compiler would write arrays back at every step.
    out, pole, average = integers[_OUT] == 1, clocks[_POLE], clocks[_AVERAGE]
    first, second = clocks[_LEFT], clocks[_LEFT + 1]
    now, edges, integral = 0.0, 0, 0.0
    while True:
        step = min(first, second, span - now)
        signal = _signal(cells, integers)
        if reads_mean:
            integral += signal * max(step - max(numbers[_RESET] - now, 0.0), 0.0)
        else:
            before, rest = out, step
            above = signal - average
            target = above > (level - hysteresis if out else level + hysteresis)
            if running:
                # The signal over its average decays to 0, and on its way passes the level where that lies between.
                passed = level - hysteresis if target else level + hysteresis
                if (above > passed > 0.0) or (above < passed < 0.0):
                    crossing = time * np.log(above / passed)
                    if crossing < step:
                        pole, out = _follow(pole, out, target, crossing, lag)
                        edges += out != before and out == rising
                        before, target, rest = out, not target, step - crossing
                average = signal - above * (np.exp(-step / time) if step < _FORGOTTEN * time else 0.0)
            pole, out = _follow(pole, out, target, rest, lag)
            edges += out != before and out == rising
        first, second = first - step, second - step
        if first <= 0.0:
            first = _change(0, cells, words, dwells, integers)
        elif second <= 0.0:
            second = _change(1, cells, words, dwells, integers)
        else:
            break
        now += step
    integers[_OUT], clocks[_POLE], clocks[_AVERAGE] = out, pole, average
    clocks[_LEFT], clocks[_LEFT + 1] = first, second
    return edges, integral / max(span - numbers[_RESET], 1e-300)


@numba.njit(cache=CACHE, nogil=True, error_model="numpy")
def _power_up(codes, numbers, cells, words, dwells, initial, integers, clocks, settling):  # pragma: no cover - compiled
    """Starts one digitiser: traps as given or drawn, outputs and averages at rest; then lets it settle."""
    integers[:] = 0
    clocks[:] = np.inf
    for cell in range(len(cells)):
        if initial[cell] >= 0:
            filled = initial[cell]
        else:  # exp(-x) of a unit exponential x is uniform on (0, 1)
            filled = np.int64(np.exp(-exponential(words, cell)) < cells[cell, _OCCUPANCY])
        integers[_FILLED + cell] = 1 - filled
        clocks[_LEFT + cell] = _change(cell, cells, words, dwells, integers)
    signal = _signal(cells, integers)
    clocks[_AVERAGE] = signal if codes[_REFERENCE] == _RUNNING else numbers[_CONSTANT]
    integers[_OUT] = signal - clocks[_AVERAGE] > numbers[_LEVEL] + numbers[_HYSTERESIS]
    clocks[_POLE] = integers[_OUT]
    edges, _ = _advance(codes, numbers, cells, words, dwells, integers, clocks, settling)
    integers[_PARITY] = edges & 1


@numba.njit(cache=CACHE, nogil=True, error_model="numpy")
def _read(codes, numbers, cells, words, dwells, integers, clocks, interval, out):  # pragma: no cover - compiled
    """XORs the next bits of one digitiser into `out`."""
    kind, output, half = codes[_READ], codes[_OUTPUT], numbers[_HALF]
    for k in range(len(out)):
        edges, mean = _advance(codes, numbers, cells, words, dwells, integers, clocks, interval)
        integers[_EDGE_COUNT] += edges
        integers[_PARITY] ^= edges & 1
        if kind == _STATE:
            bit = integers[_OUT]
        elif output == _TOGGLE:
            bit = integers[_PARITY]
        elif kind == _EDGES:
            bit = edges & 1 if output == _PARITIES else np.int64(edges > 0)
        else:
            value = mean - numbers[_CONSTANT] - numbers[_LEVEL]
            if output == _LEVELLED:
                bit = np.int64(value > 0.0)
            else:
                bit = np.int64(min(max(np.floor(value / numbers[_LSB]), -half), half - 1.0)) & 1
        out[k] ^= np.uint8(bit)


@dataclass(frozen=True)
class CellNumbers:
    """The cells of one digitiser; arrays of shape `(cells,)`.

    Attributes:
        high: Current with the trap empty, in units of the nominal swing.
        drop: What a filled trap takes from it, in the same unit.
        capture: tau_c at the bias, in s.
        emission: tau_e at the bias, in s.
        occupancy: Probability of a filled trap at power-up.
    """

    high: NDArray[np.float64]
    drop: NDArray[np.float64]
    capture: NDArray[np.float64]
    emission: NDArray[np.float64]
    occupancy: NDArray[np.float64]

    @property
    def table(self) -> NDArray[np.float64]:
        """All numbers, shape `(cells, 5)`."""
        return np.ascontiguousarray(
            np.stack([self.high, self.drop, self.capture, self.emission, self.occupancy], axis=1)
        )


class Digitiser:
    """One digitiser on its cells, followed by events.

    Args:
        rule: Its event rule.
        cells: Its cells.
        numbers: The rule's parameters: times in s, levels in nominal swings, `adc_bits`; `offset` of the comparator.
        interval: Time from bit to bit in s.
        settling: Time before the first interval, in s.
        words: State of the cells' random streams, shape `(cells,)`; none with a history.
        history: What the traps did, instead of random streams.
    """

    def __init__(
        self,
        rule: Rule,
        cells: CellNumbers,
        numbers: dict[str, float],
        interval: float,
        settling: float,
        *,
        words: NDArray[np.uint64] | None = None,
        history: TrapHistory | None = None,
    ) -> None:
        count = len(cells.high)
        self._codes = np.array(
            [_READS[rule.read], _REFERENCES[rule.reference], _OUTPUTS[rule.output], rule.edge != "falling"], np.int64
        )
        self._numbers = rule_numbers(rule, cells, numbers)
        self._cells = cells.table
        self._interval = float(interval)
        self._words = np.zeros(count, np.uint64) if words is None else words.copy()
        self._dwells, initial = np.empty((count, 0)), np.full(count, -1, np.int64)
        if history is not None:
            self._dwells, initial = _recorded(history), history.initial.astype(np.int64)
        self._integers, self._clocks = np.zeros(_INTEGERS, np.int64), np.zeros(_CLOCKS)
        _power_up(
            self._codes, self._numbers, self._cells, self._words, self._dwells, initial, self._integers, self._clocks,
            float(settling),
        )  # fmt: skip

    @property
    def edges(self) -> int:
        """Edges that it has counted in its intervals so far."""
        return int(self._integers[_EDGE_COUNT])

    def read(self, out: NDArray[np.uint8]) -> None:
        """XORs its next `len(out)` bits into `out`."""
        _read(
            self._codes, self._numbers, self._cells, self._words, self._dwells, self._integers, self._clocks,
            self._interval, out,
        )  # fmt: skip


def rule_numbers(rule: Rule, cells: CellNumbers, numbers: dict[str, float]) -> NDArray[np.float64]:
    """Returns the numbers of a rule as the compiled code takes them."""
    half = 2.0 ** (numbers.get("adc_bits", 1.0) - 1.0)
    return np.array(
        [
            max(numbers.get("lag", 0.0), 1e-300),
            numbers.get("threshold", 0.0) + numbers.get("offset", 0.0),
            numbers.get("hysteresis", 0.0),
            numbers.get("average", 1.0),
            numbers.get("reset", 0.0),
            reference_level(rule.reference, cells),
            numbers.get("range", 1.0) / (2.0 * half),
            half,
        ]
    )


def reference_level(reference: Literal["mid", "mean", "running", "partner"], cells: CellNumbers) -> float:
    """Returns the constant reference of a rule, calibrated for its cell, in nominal swings; 0 where it is none."""
    if reference == "mid":
        return float(cells.high[0] - cells.drop[0] / 2.0)
    if reference == "mean":
        filled = cells.emission[0] / (cells.capture[0] + cells.emission[0])
        return float(cells.high[0] - cells.drop[0] * filled)
    return 0.0


def _recorded(history: TrapHistory) -> NDArray[np.float64]:
    """Returns the dwells of a history, shape `(traps, transitions of the liveliest)`, infinite after the last."""
    dwells = [np.diff(history.of(trap)[0], prepend=0.0) for trap in range(len(history.initial))]
    table = np.full((len(dwells), max(1, *(len(d) for d in dwells))), np.inf)
    for row, own in zip(table, dwells, strict=True):
        row[: len(own)] = own
    return table
