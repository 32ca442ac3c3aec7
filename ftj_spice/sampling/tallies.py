"""Many columns sampled by events at a constant voltage, of which only sums are kept.

The traps follow `ftj_spice.device.dwells`: alternating exponential dwells, one stream of random numbers per trap. No
history and no sample is kept, so that millions of samples per second and core go into the sums; `fast` samples
(`ftj_spice.sampling.events`), which ngspice audits, keep theirs. A unit is one column, sampled once from a stationary
begin; units are independent, and the sums of each are kept apart, for standard errors.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.streams import exponential, normal

LAGS = (1, 2, 4, 8, 16)
"""Distances, in samples, at which products of samples are summed."""
FEWEST_SAMPLES = 2 * LAGS[-1]
"""Samples of a unit at least, so that every lag has pairs."""
BINS = 160
"""Bins of the histogram of standardised values."""
REACH = 8.0
"""The histogram covers this many standard deviations on each side; what lies beyond counts in the outermost bins."""
OCTILES = np.array([-1.1503493803760079, -0.67448975019608174, -0.31863936396437509, 0.0,
                    0.31863936396437509, 0.67448975019608174, 1.1503493803760079])  # fmt: skip
"""Bounds of eight equally probable parts of the standard normal law."""
CELLS = len(OCTILES) + 1

# What is summed of each sample z, standardised; FILLED comes once per unit, the products of LAGS follow it.
FIRST, SECOND, THIRD, FOURTH, LATENT, LATENT_SQUARED, BELOW, LATENT_BELOW, SURPRISAL, MODAL, FILLED = range(11)
SUMS = 11 + len(LAGS)


@dataclass(frozen=True)
class ColumnTable:
    """What the sampled columns are; arrays of shape `(columns,)` where not said otherwise.

    Attributes:
        occupancy: Of each trap, shape `(columns, rows)`.
        capture: Capture time of each trap in s, same shape.
        emission: Emission time of each in s, same shape.
        weight: Change of the standardised value by each trap's state, same shape.
        period: Time from sample to sample in s.
        pause: Time at its begin that does not count, in s.
        thresholds: Standardised values at which one code gives way to the next, shape `(columns, 2 * half - 1)`.
        noise: Of the read-out, in standard deviations.
        half: Codes go from `-half` to `half - 1`.
        latent_gain: Latent per converter step.
        latent_offset: Latent of code 0.
        place: Standardised value up to which samples are counted.
        last: Code up to which latents are counted.
        surprisal: `-log2` of each code's probability, shape `(columns, 2 * half)`.
        modal: First and last of the codes about the most probable one, counted from `-half`; shape `(columns, 2)`.
    """

    occupancy: NDArray[np.float64]
    capture: NDArray[np.float64]
    emission: NDArray[np.float64]
    weight: NDArray[np.float64]
    period: float
    pause: float
    thresholds: NDArray[np.float64]
    noise: NDArray[np.float64]
    half: int
    latent_gain: NDArray[np.float64]
    latent_offset: NDArray[np.float64]
    place: NDArray[np.float64]
    last: NDArray[np.int64]
    surprisal: NDArray[np.float64]
    modal: NDArray[np.int64]


@dataclass(frozen=True)
class Tally:
    """Sums over the samples of some units.

    Attributes:
        means: Of each unit and quantity, shape `(units, SUMS)`.
        histogram: Standardised values of all units in `BINS` bins, shape `(BINS,)`.
        pairs: Successive samples of each unit by octile of the normal law, shape `(units, CELLS, CELLS)`.
        samples: Of each unit.
    """

    means: NDArray[np.float64]
    histogram: NDArray[np.int64]
    pairs: NDArray[np.int64]
    samples: int


@numba.njit(cache=CACHE, nogil=True)
def _read(words, occupancy, capture, emission, weight, period, pause, out):  # pragma: no cover - compiled
    """Adds up the weighted mean states of one column's traps; returns the same over the whole time."""
    window = period - pause
    filled_weight = 0.0
    out[:] = 0.0
    for row in range(len(words)):
        p, factor = occupancy[row], weight[row]
        state = 1 if np.exp(-exponential(words, row)) < p else 0
        mean0, mean1 = capture[row], emission[row]
        left = exponential(words, row) * (mean0 if state == 0 else mean1)  # from the period's begin
        whole = 0.0
        for n in range(len(out)):
            if left >= period:  # no transition: exactly 0 or 1
                if state == 1:
                    whole += period
                    out[n] += factor * (1.0 - p)
                else:
                    out[n] -= factor * p
                left -= period
                continue
            since, filled = 0.0, 0.0
            while left < period:
                if state == 1:
                    whole += left - since
                    if left > pause:
                        filled += left - max(since, pause)
                    since = left
                    state = 0
                    left += exponential(words, row) * mean0
                else:
                    since = left
                    state = 1
                    left += exponential(words, row) * mean1
            if state == 1:
                whole += period - since
                filled += period - max(since, pause)
            out[n] += factor * (filled / window - p)
            left -= period
        filled_weight += factor * (whole / (len(out) * period) - p)
    return filled_weight


@numba.njit(cache=CACHE, inline="always")
def _code(thresholds, value):  # pragma: no cover - compiled
    """The number of thresholds that a value has reached; they are nearly even, so that a first guess is near."""
    last = len(thresholds) - 1
    width = thresholds[last] - thresholds[0]
    guess = (value - thresholds[0]) * (last / width) + 1.0 if width > 0.0 else 0.0
    code = np.int64(min(max(guess, 0.0), last + 1.0))
    while code > 0 and value < thresholds[code - 1]:
        code -= 1
    while code <= last and value >= thresholds[code]:
        code += 1
    return code


@numba.njit(cache=CACHE, nogil=True)
def _tally(
    words, noise_words, first, columns, samples, occupancy, capture, emission, weight, period, pause, thresholds, noise,
    half, latent_gain, latent_offset, place, last, surprisal, modal, lags, octiles, reach, means, histogram, pairs,
):  # fmt: skip  # pragma: no cover - compiled
    """Samples unit after unit; see `tally`."""
    z = np.empty(samples)
    scale = len(histogram) / (2.0 * reach)
    for unit in range(len(words)):
        j = (first + unit) % columns
        means[unit, FILLED] = _read(
            words[unit], occupancy[j], capture[j], emission[j], weight[j], period, pause, z
        )  # fmt: skip
        s1, s2, s3, s4, l1, l2, surprise = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        below, latents_below, modes = 0, 0, 0
        before = -1
        for n in range(samples):
            x = z[n]
            square = x * x
            s1 += x
            s2 += square
            s3 += square * x
            s4 += square * square
            below += x <= place[j]
            seen = x + noise[j] * normal(noise_words, unit) if noise[j] > 0.0 else x
            code = _code(thresholds[j], seen)
            latent = latent_offset[j] + latent_gain[j] * (code - half)
            l1 += latent
            l2 += latent * latent
            latents_below += code - half <= last[j]
            surprise += surprisal[j, code]
            modes += modal[j, 0] <= code <= modal[j, 1]
            histogram[min(max(np.int64((x + reach) * scale), 0), len(histogram) - 1)] += 1
            part = 0
            for bound in octiles:
                part += x >= bound
            if before >= 0:
                pairs[unit, before, part] += 1
            before = part
        means[unit, FIRST] = s1 / samples
        means[unit, SECOND] = s2 / samples
        means[unit, THIRD] = s3 / samples
        means[unit, FOURTH] = s4 / samples
        means[unit, LATENT] = l1 / samples
        means[unit, LATENT_SQUARED] = l2 / samples
        means[unit, BELOW] = below / samples
        means[unit, LATENT_BELOW] = latents_below / samples
        means[unit, SURPRISAL] = surprise / samples
        means[unit, MODAL] = modes / samples
        for k in range(len(lags)):
            total = 0.0
            for n in range(samples - lags[k]):
                total += z[n] * z[n + lags[k]]
            means[unit, FILLED + 1 + k] = total / (samples - lags[k])


def tally(
    words: NDArray[np.uint64],
    first: int,
    table: ColumnTable,
    samples: int,
    noise_words: NDArray[np.uint64] | None = None,
) -> Tally:
    """Samples some units; releases Python's lock, so that blocks of units run side by side.

    Args:
        words: Random stream of each trap, shape `(units, rows)`; used up.
        first: Number of the first unit: unit u stands for column `u % columns`.
        table: The columns.
        samples: Of each unit, at least `FEWEST_SAMPLES`.
        noise_words: Stream of each unit's read-out noise, shape `(units,)`, where the table has noise; used up.
    """
    if noise_words is None:
        if np.any(table.noise > 0):
            raise ValueError("a read-out with noise needs streams for it")
        noise_words = np.zeros(len(words), np.uint64)
    if samples < FEWEST_SAMPLES:
        raise ValueError(f"a unit needs at least {FEWEST_SAMPLES} samples, not {samples}")
    means = np.zeros((len(words), SUMS))
    histogram = np.zeros(BINS, np.int64)
    pairs = np.zeros((len(words), CELLS, CELLS), np.int64)
    t = table
    _tally(
        words, noise_words, first, len(t.noise), samples, t.occupancy, t.capture, t.emission, t.weight, t.period,
        t.pause, t.thresholds, t.noise, t.half, t.latent_gain, t.latent_offset, t.place, t.last, t.surprisal, t.modal,
        np.array(LAGS), OCTILES, REACH, means, histogram, pairs,
    )  # fmt: skip
    return Tally(means, histogram, pairs, samples)


def join(tallies: list[Tally]) -> Tally:
    """Returns the tally of successive blocks of units."""
    return Tally(
        np.concatenate([t.means for t in tallies]),
        np.sum([t.histogram for t in tallies], axis=0),
        np.concatenate([t.pairs for t in tallies]),
        tallies[0].samples,
    )
