"""Column read-out of the read phase: charge integrators and converters, as a model with declared noise.

Each column integrates its current for T on a capacitor C; a unit (a pair of columns, or one) is converted once per
conversion. Noise of a conversion's charge: the shot noise of the cells, `q sum |I| T`, kT/C of each capacitor, `k T C`
in coulomb^2, and the converter's own, in its steps. The converter is a mid-tread quantiser that has a code for no
current, so that a silent read gives exactly 0. Its gain and offset may be off.

Compiled, because a decoder's layers make some 1e9 conversions; each output is summed in one order, whatever the number
of threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.array.mapping import Layout
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.compiling import CACHE
from ftj_spice.common.cores import cores

FloatArray = NDArray[np.float64]

_THREADS = cores()
_WORTH_A_THREAD = 200_000  # conversions, some milliseconds


class Readout(ABC):
    """Reads the columns of a tile."""

    @property
    @abstractmethod
    def _kernel(self) -> Callable[..., None]:
        """What `accumulate` does, compiled, with `_arguments` before the sums."""

    @abstractmethod
    def _arguments(self) -> tuple[object, ...]: ...

    def accumulate(
        self,
        currents: FloatArray,
        shares: FloatArray,
        weights: FloatArray,
        normals: NDArray[np.float32],
        sums: FloatArray,
    ) -> None:
        """Adds converted currents in A, weighted per conversion, to `sums` of shape `(batch, units)`.

        On several threads where that is worth it. Each vector is summed by one thread in one order: how many there are
        does not matter.

        Args:
            currents: Column currents in A, shape `(batch * conversions * slots, columns)`.
            shares: Each slot's share of the integration time, shape `(slots,)`.
            weights: Of each conversion, shape `(conversions,)`.
            normals: From `draw`.
            sums: Changed in place.
        """
        whole, conversions, batch = np.ascontiguousarray(currents), len(weights), len(sums)
        threads = min(_THREADS, max(1, sums.size * conversions // _WORTH_A_THREAD))
        share = max(1, -(-batch // threads))

        def part(first: int) -> None:
            vectors = slice(first, first + share)
            own = slice(first * conversions, (first + share) * conversions)
            reads = slice(own.start * len(shares), own.stop * len(shares))
            self._kernel(whole[reads], shares, weights, normals[own], *self._arguments(), sums[vectors])

        if threads == 1:
            part(0)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, range(0, batch, share)))


@dataclass(frozen=True)
class Converter(Readout):
    """Converts the units of a tile.

    Attributes:
        plus: Column of each unit that counts positive, shape `(units,)`.
        minus: Column that counts negative; -1 for none.
        step: Current of one code in A, shape `(units,)`.
        zero: Current of code 0 in A, shape `(units,)`; a whole number of steps.
        top: Largest code; the smallest is its negative. 0: currents are passed on as they are.
        gain: True gain, 1 where it is right, shape `(units,)`.
        offset: True offset in codes, shape `(units,)`.
        noise: Noise at the converter's input in codes, rms.
        shot: Variance of the current per ampere of current, `q / T`, in A; 0 without noise.
        thermal: Variance of the current per capacitor, `k T C / T^2`, in A^2; 0 without noise.
    """

    plus: NDArray[np.int64]
    minus: NDArray[np.int64]
    step: FloatArray
    zero: FloatArray
    top: int
    gain: FloatArray
    offset: FloatArray
    noise: float
    shot: float
    thermal: float

    @classmethod
    def ranged(cls, settings: ReadSettings, layout: Layout, currents: FloatArray) -> "Converter":
        """Returns converters whose ranges come from known currents.

        The range holds 0 and, of each conversion, the mean and `adc_sigmas` standard deviations to both sides; it is
        symmetric for pairs. Conversions are taken apart because most are silent most of the time: together, a row that
        is always on in one of them, as the bias is, would hardly show in their standard deviation.

        Args:
            settings: Settings of the read phase.
            layout: How outputs lie on columns.
            currents: Mean column current of each conversion in A, shape `(vectors, conversions, columns)`.
        """
        plus, minus = layout.plus(currents.shape[-1]), layout.minus(currents.shape[-1])
        pairs = layout.scheme == "differential"
        units = currents[..., plus] - currents[..., minus] if pairs else currents
        mean, spread = units.mean(axis=0), settings.adc_sigmas * units.std(axis=0)
        low, high = np.minimum((mean - spread).min(axis=0), 0.0), np.maximum((mean + spread).max(axis=0), 0.0)
        if not pairs and units.min() >= 0.0:
            low = np.zeros_like(high)  # no current flows backwards
        # A silent unit: one electron.
        silent = elementary_charge / settings.integration_time
        if pairs:
            high = np.maximum(np.maximum(high, -low), silent)
            low = -high
        else:
            high = np.maximum(high, low + silent)
        count = len(plus)
        top = 2 ** (settings.adc_bits - 1) - 1 if settings.adc_bits else 0
        step = (high - low) / (2 * top) if top else np.zeros(count)
        middle = 0.5 * (high + low)
        zero = step * np.rint(middle / step) if top else np.zeros(count)
        return cls(
            plus=plus,
            minus=minus,
            step=step,
            zero=zero,
            top=top,
            gain=np.ones(count),
            offset=np.zeros(count),
            noise=settings.adc_noise,
            shot=elementary_charge / settings.integration_time if settings.noise else 0.0,
            thermal=Boltzmann * settings.temperature * settings.integration_capacitance / settings.integration_time**2
            if settings.noise
            else 0.0,
        )

    def with_flaws(self, settings: ReadSettings, rng: np.random.Generator) -> "Converter":
        """Returns the converters with gains and offsets of their own."""
        count = len(self.plus)
        gains, offsets = rng.standard_normal(count), rng.standard_normal(count)
        return replace(
            self, gain=1.0 + settings.adc_gain_spread * gains, offset=self.offset + settings.adc_offset * offsets
        )

    def with_noise(self, shot: float) -> "Converter":
        """Returns the converters behind other integrators: with their shot noise, and without kT/C noise."""
        return replace(self, shot=shot, thermal=0.0)

    @property
    def noisy(self) -> bool:
        """Whether conversions need random numbers."""
        return self.shot > 0 or self.thermal > 0 or (self.noise > 0 and self.top > 0)

    @property
    def full_scale(self) -> FloatArray:
        """Half the range in A, shape `(units,)`; 0 for exact converters."""
        return self.step * self.top

    def draw(self, conversions: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Returns the random numbers of conversions; drawn in parts from one stream they are the same.

        Shape `(conversions, units)`, or `(0, units)` where there is no noise.
        """
        return rng.standard_normal((conversions if self.noisy else 0, len(self.plus)), np.float32)

    def convert(
        self, currents: FloatArray, shares: FloatArray, normals: NDArray[np.float32]
    ) -> tuple[FloatArray, FloatArray]:
        """Returns codes and currents of conversions, both of shape `(conversions, units)`.

        Args:
            currents: Column currents in A, shape `(conversions * slots, columns)`.
            shares: Each slot's share of the integration time, shape `(slots,)`.
            normals: From `draw`.
        """
        count = len(currents) // len(shares)
        codes = np.empty((count, len(self.plus)))
        _convert(np.ascontiguousarray(currents), shares, normals, *self._arguments(), codes)
        return codes, (codes * self.step + self.zero if self.top else codes)

    @property
    def _kernel(self) -> Callable[..., None]:
        return _accumulate

    def _arguments(self) -> tuple[object, ...]:
        return (
            self.plus, self.minus, self.step, self.zero, self.top, self.gain, self.offset, self.noise, self.shot,
            self.thermal,
        )  # fmt: skip


@numba.njit(cache=CACHE, inline="always", error_model="numpy")
def _signal(
    currents, first, shares, plus, minus, normal, step, gain, noise, shot, thermal
):  # pragma: no cover - compiled
    """Mean current of a unit over a conversion's slots, with its noise."""
    value, total = 0.0, 0.0
    for s in range(len(shares)):
        positive = currents[first + s, plus]
        value += shares[s] * positive
        total += shares[s] * abs(positive)
        if minus >= 0:
            negative = currents[first + s, minus]
            value -= shares[s] * negative
            total += shares[s] * abs(negative)
    if normal != 0.0:
        capacitors = 2.0 if minus >= 0 else 1.0
        own = noise * step / gain
        value += normal * np.sqrt(shot * total + thermal * capacitors + own * own)
    return value


@numba.njit(cache=CACHE, inline="always", error_model="numpy")
def _code(value, step, zero, top, gain, offset):  # pragma: no cover - compiled
    """Code of a current; the current times the gain where nothing is quantised."""
    if top == 0:
        return value * gain
    return min(max(np.rint(gain * (value - zero) / step + offset), -float(top)), float(top))


@numba.njit(cache=CACHE, error_model="numpy")
def _convert(
    currents, shares, normals, plus, minus, step, zero, top, gain, offset, noise, shot, thermal, codes
):  # pragma: no cover - compiled
    noisy = len(normals) > 0
    slots = len(shares)
    for k in range(codes.shape[0]):
        for u in range(codes.shape[1]):
            normal = float(normals[k, u]) if noisy else 0.0
            value = _signal(
                currents, k * slots, shares, plus[u], minus[u], normal, step[u], gain[u], noise, shot, thermal
            )
            codes[k, u] = _code(value, step[u], zero[u], top, gain[u], offset[u])


@numba.njit(cache=CACHE, nogil=True, error_model="numpy")
def _accumulate(
    currents, shares, weights, normals, plus, minus, step, zero, top, gain, offset, noise, shot, thermal, sums
):  # pragma: no cover - compiled
    noisy = len(normals) > 0
    slots, conversions = len(shares), len(weights)
    for b in range(sums.shape[0]):
        for c in range(conversions):
            k = b * conversions + c
            for u in range(sums.shape[1]):
                normal = float(normals[k, u]) if noisy else 0.0
                value = _signal(
                    currents, k * slots, shares, plus[u], minus[u], normal, step[u], gain[u], noise, shot, thermal
                )
                code = _code(value, step[u], zero[u], top, gain[u], offset[u])
                sums[b, u] += weights[c] * (code * step[u] + zero[u] if top > 0 else code)
