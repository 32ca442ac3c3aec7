"""Column read-out of the read phase by circuits: each column through its own front end and converter, as macromodels.

Without a converter of its own a macromodel replaces the ideal integrators only: the columns' values go on to the
behavioural converter (`converters.Converter`), pairs subtracted before it. With one, every column is converted by
itself, as the circuit does, and pairs are subtracted as codes.

A column's virtual ground stands at an error e: rows that are on drive their cells with V_VMM - e, and those that are
off with -e. For cells that are read with V_VMM or nothing both are affine in the ideal current,

    I = slope I_ideal + leak,   slope = (sum I(V_VMM - e) - leak) / sum I(V_VMM),   leak = sum I(-e),

the sums over the column's cells: exact through perfect wires for laws that are one function of the voltage times the
conductance, with the wires' drops to first order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.constants import elementary_charge

from ftj_spice.array.converters import Converter, Readout
from ftj_spice.array.mapping import Layout
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.compiling import CACHE
from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.circuit import ArrayCircuit
from ftj_spice.periphery.macromodel import LEAST_GAIN_SCALE, Macromodel, SenseModel, chain_transitions

FloatArray = NDArray[np.float64]

LARGEST_SCALE = 4.0
"""A circuit's range is fitted to a tile's currents up to this factor of the range that it was measured with."""
LEAST_TIME_SCALE = 1e-3
"""Down to this one where it integrates: by a longer time; smaller currents leave a part of the range unused."""


@dataclass(frozen=True)
class CircuitReadout(Readout):
    """Reads the columns of a tile by circuits; takes the place of a `Converter`.

    Attributes:
        behaviour: The columns of each unit, and the converter where the circuit has none.
        gain: Of each column from its ideal current in A to the circuit's output, shape `(columns,)`: in A, or in steps.
        shift: Output without any current, same unit and shape.
        low: Lower end of the range in A.
        high: Upper end.
        curve: Static curve's deviation in A at points evenly spaced over the range; only without converter.
        places: Transitions of the codes in steps; only with converter.
        lsb: Current of a step in A; 0 without converter.
        offset: What all circuits add, taken out of the result, in A.
        noise: Variance of the circuit's noise, in the unit of the output squared.
        time: Of one conversion in s.
        scale: The circuit's range over the one it was measured with.
    """

    behaviour: Converter
    gain: FloatArray
    shift: FloatArray
    low: float
    high: float
    curve: FloatArray
    places: FloatArray
    lsb: float
    offset: float
    noise: float
    time: float
    scale: float

    @classmethod
    def make(
        cls,
        model: Macromodel,
        behaviour: Converter,
        circuit: ArrayCircuit,
        layout: Layout,
        currents: FloatArray,
        settings: ReadSettings,
        voltage: float,
        rng: np.random.Generator,
    ) -> "CircuitReadout":
        """Draws a tile's circuits and fits their range.

        Args:
            model: The macromodel.
            behaviour: The tile's behavioural converters.
            circuit: The tile.
            layout: How outputs lie on columns.
            currents: Mean column current of each conversion for known inputs in A, shape
                `(vectors, conversions, columns)`.
            settings: Settings of the read phase.
            voltage: V_VMM in V.
            rng: Stream of the tile's circuits.

        Raises:
            SettingsError: The columns' currents lie too far from what the circuit was measured with.
        """
        columns = currents.shape[-1]
        gains, grounds, offsets, codes, steps = rng.standard_normal((5, columns))
        largest = (currents.mean(axis=0) + settings.adc_sigmas * currents.std(axis=0)).max()
        sense = model.sense or SenseModel(integrates=True, time=settings.integration_time, high=max(largest, 1e-30))
        scale = _scale(model, sense, float(largest), settings)
        time = sense.time_at(scale)
        slope, leak = ground_error(circuit, voltage, sense.ground + sense.ground_sigma * grounds)
        gain = 1.0 + sense.gain_sigma * gains
        shift = gain * leak + scale * (sense.offset + sense.offset_sigma * offsets)
        gain = gain * slope
        low, high, noise = scale * sense.low, scale * sense.high, scale * sense.noise
        noisy = settings.noise
        own = {"behaviour": behaviour.with_noise(elementary_charge / sense.window_at(scale) if noisy else 0.0)}
        if model.convert is None:
            return cls(
                **own, gain=gain, shift=shift, low=low, high=high,
                curve=scale * sense.span * np.array(sense.deviation), places=np.empty(0), lsb=0.0,
                offset=scale * sense.offset, noise=noise**2 if noisy else 0.0, time=time, scale=scale,
            )  # fmt: skip
        convert = model.convert
        lsb = (high - low) / (2**convert.bits - 1)
        factor = (1.0 + convert.gain_sigma * codes) / lsb
        return cls(
            **own, gain=factor * gain, shift=factor * (shift - low) + convert.offset_sigma * steps, low=low, high=high,
            curve=np.empty(0), places=chain_transitions(sense, convert), lsb=lsb, offset=scale * sense.offset,
            noise=(noise / lsb) ** 2 + convert.noise**2 if noisy else 0.0, time=time + convert.time, scale=scale,
        )  # fmt: skip

    @property
    def plus(self) -> NDArray[np.int64]:
        """Column of each unit that counts positive."""
        return self.behaviour.plus

    @property
    def minus(self) -> NDArray[np.int64]:
        """Column that counts negative; -1 for none."""
        return self.behaviour.minus

    @property
    def converts(self) -> bool:
        """Whether the circuit has a converter of its own."""
        return self.lsb > 0

    @property
    def noisy(self) -> bool:
        """Whether conversions need random numbers."""
        return self.noise > 0 or self.behaviour.noisy

    def draw(self, conversions: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Returns the random numbers of conversions; drawn in parts from one stream they are the same.

        Shape `(conversions, units)`, or one for each column where every column is converted by itself.
        """
        count = len(self.gain) if self.converts else len(self.plus)
        return rng.standard_normal((conversions if self.noisy else 0, count), np.float32)

    def convert(
        self, currents: FloatArray, shares: FloatArray, normals: NDArray[np.float32]
    ) -> tuple[FloatArray, FloatArray]:
        """Returns codes (of pairs: their difference) and currents of conversions; see `Converter.convert`."""
        count = len(currents) // len(shares)
        values = np.zeros((count, len(self.plus)))
        self._kernel(np.ascontiguousarray(currents), shares, np.ones(1), normals, *self._arguments(), values)
        if self.converts:
            zero = np.where(self.minus >= 0, 0.0, self.low - self.offset)
            return np.rint((values - zero) / self.lsb), values
        b = self.behaviour
        return (np.rint((values - b.zero) / b.step) if b.top else values), values

    @property
    def _kernel(self) -> Callable[..., None]:
        return _read_codes if self.converts else _read

    def _arguments(self) -> tuple[object, ...]:
        b = self.behaviour
        common = (b.plus, b.minus, self.gain, self.shift, self.low, self.offset, self.noise, b.shot)
        if self.converts:
            return (*common, np.concatenate([[np.nan], self.places, [np.nan]]), self.lsb)
        return (*common, self.high, self.curve, b.step, b.zero, b.top, b.gain, b.offset, b.noise)


def _scale(model: Macromodel, sense: SenseModel, largest: float, settings: ReadSettings) -> float:
    """Returns by how much the circuit's range is scaled to the currents that a tile's columns carry."""
    if not settings.fitted_range or model.sense is None or largest <= 0.0:
        return 1.0
    scale = largest / sense.high
    if scale > LARGEST_SCALE:
        raise SettingsError(
            f"periphery '{model.name}' was measured with currents up to {sense.high:.3g} A; the columns carry up to "
            f"{largest:.3g} A, and a circuit is fitted to {LARGEST_SCALE:g} times its range at most: take one that was "
            f"made for such a card (this one: '{model.card}')"
        )
    return max(scale, LEAST_TIME_SCALE if sense.integrates else LEAST_GAIN_SCALE)


def ground_error(circuit: ArrayCircuit, voltage: float, error: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns what an error of the virtual grounds makes of column currents: factor and leak in A, `(columns,)` each.

    Args:
        circuit: The tile.
        voltage: V_VMM in V.
        error: Bit lines' voltages less the intended one in V, shape `(columns,)`.
    """
    if not np.any(error):
        return np.ones(len(error)), np.zeros(len(error))
    cells = circuit.cells
    whole = cells.current(np.full(cells.shape, voltage)).sum(axis=0)
    raised = cells.current(np.broadcast_to(voltage - error, cells.shape)).sum(axis=0)
    if circuit.wiring.gate_input:  # rows that are off are cut off
        return raised / whole, np.zeros(len(error))
    leak = cells.current(np.broadcast_to(-error, cells.shape)).sum(axis=0)
    return (raised - leak) / whole, leak


@numba.njit(cache=CACHE, inline="always", error_model="numpy")
def _mean(currents, first, shares, column):  # pragma: no cover - compiled
    """Mean current of a column over a conversion's slots, and that of its magnitude."""
    value, total = 0.0, 0.0
    for s in range(len(shares)):
        one = currents[first + s, column]
        value += shares[s] * one
        total += shares[s] * abs(one)
    return value, total


@numba.njit(cache=CACHE, error_model="numpy")
def _curved(value, low, high, curve):  # pragma: no cover - compiled
    """Output where the static curve is not straight; on its own, because inlined it slows straight circuits down."""
    place = min(max((value - low) / (high - low), 0.0), 1.0) * (len(curve) - 1)
    k = min(int(place), len(curve) - 2)
    value += curve[k] + (place - k) * (curve[k + 1] - curve[k])
    if value < low:
        return low
    return high if value > high else value


@numba.njit(cache=CACHE, inline="always", error_model="numpy")
def _bent(value, low, high, curve):  # pragma: no cover - compiled
    """Output of a front end: its static curve and its range."""
    if len(curve) > 0:
        return _curved(value, low, high, curve)
    if value < low:
        return low
    return high if value > high else value


@numba.njit(cache=CACHE, inline="always", error_model="numpy")
def _coded(value, places):  # pragma: no cover - compiled
    """Code of a value in steps, by the places of the transitions; a NaN before and behind them ends the search."""
    k = int(min(max(value + 0.5, 0.0), float(len(places) - 2)))
    while value >= places[k + 1]:
        k += 1
    while value < places[k]:
        k -= 1
    return k


@numba.njit(cache=CACHE, inline="always", error_model="numpy")
def _requantised(value, step, zero, top, gain, offset):  # pragma: no cover - compiled
    """What the behavioural converter makes of a current."""
    if top == 0:
        return value * gain
    code = np.rint(gain * (value - zero) / step + offset)
    return min(max(code, -float(top)), float(top)) * step + zero


@numba.njit(cache=CACHE, nogil=True, error_model="numpy")
def _read_codes(
    currents, shares, weights, normals, plus, minus, gain, shift, low, offset, noise, shot, places, lsb, sums
):  # pragma: no cover - compiled
    noisy, slots, conversions = len(normals) > 0, len(shares), len(weights)
    shots = shot * gain * gain
    column = np.empty(currents.shape[1])
    for b in range(sums.shape[0]):
        for c in range(conversions):
            k = b * conversions + c
            for j in range(len(column)):  # apart from the search below, so that it is vectorised
                value, total = _mean(currents, k * slots, shares, j)
                x = gain[j] * value + shift[j]
                if noisy:
                    x += normals[k, j] * np.sqrt(shots[j] * total + noise)
                column[j] = x
            for j in range(len(column)):
                column[j] = low + lsb * _coded(column[j], places) - offset
            for u in range(sums.shape[1]):
                result = column[plus[u]]
                if minus[u] >= 0:
                    result -= column[minus[u]]
                sums[b, u] += weights[c] * result


@numba.njit(cache=CACHE, nogil=True, error_model="numpy")
def _read(
    currents, shares, weights, normals, plus, minus, gain, shift, low, offset, noise, shot, high, curve,
    step, zero, top, own_gain, own_offset, own_noise, sums,
):  # pragma: no cover - compiled  # fmt: skip
    noisy, slots, conversions = len(normals) > 0, len(shares), len(weights)
    for b in range(sums.shape[0]):
        for c in range(conversions):
            k = b * conversions + c
            for u in range(sums.shape[1]):
                result, variance = 0.0, 0.0
                for side in range(1 if minus[u] < 0 else 2):
                    j = plus[u] if side == 0 else minus[u]
                    value, total = _mean(currents, k * slots, shares, j)
                    x = _bent(gain[j] * value + shift[j], low, high, curve)
                    variance += shot * total + noise
                    result = x - offset if side == 0 else result - (x - offset)
                if noisy:
                    own = own_noise * step[u] / own_gain[u]
                    result += normals[k, u] * np.sqrt(variance + own * own)
                result = _requantised(result, step[u], zero[u], top, own_gain[u], own_offset[u])
                sums[b, u] += weights[c] * result
