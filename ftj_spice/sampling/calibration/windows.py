r"""Charges of columns window by window, for traps of any speed at a constant bias: compiled, one stream per trap.

A trap with few transitions per window is followed exactly, by alternating exponential dwells. One with more than
`MANY` transitions per window, each of them far shorter than it, would cost time for nothing: its filled share is drawn
from its own cumulants instead. With `x = window / tau_eff` and the states `s0`, `s1` at the window's two ends,

    share = p + ((s0 - p) + (s1 - p)) / x + residual.

The first two terms are the conditional mean (each end relaxes with tau_eff; what is left out is of the order e^-x), so
that two successive windows have the covariance of `ftj_spice.device.moments.window_moments`. The residual has the
second to fourth cumulants that are missing from the share's closed ones, by the expansion of Cornish and Fisher (Rev.
Int. Stat. Inst. 5, 307 (1938)) of a normal draw. Its error is of the order of the skewness cubed; measured against the
exact simulation, the Kolmogorov distance of the two laws stays below `LARGEST_ERROR`.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.moments import window_moments
from ftj_spice.device.streams import exponential, normal

MANY = 24.0
"""Mean number of transitions per window beyond which the share is drawn from its cumulants."""
LONG = 20.0
"""Relaxation times per window that this asks for, too."""
LARGEST_ERROR = 1e-3
"""Kolmogorov distance between the law that is drawn and the exact one, at most."""

# Columns of the table of trap parameters handed to the compiled kernels.
CAPTURE, EMISSION, WEIGHT, FAST, OCCUPANCY, RECALL, PULL, SIGMA, SKEWNESS, KURTOSIS = range(10)
PARAMETERS = 10


@dataclass(frozen=True)
class Timing:
    """When charge is collected.

    Attributes:
        window: Integration time in s.
        pause: Time before each window in which traps go on and no charge counts, in s.
    """

    window: float
    pause: float

    @property
    def period(self) -> float:
        """Time from sample to sample in s."""
        return self.window + self.pause


def trap_table(
    capture: NDArray[np.float64], emission: NDArray[np.float64], weight: NDArray[np.float64], timing: Timing
) -> NDArray[np.float64]:
    """Returns the kernels' parameter table, shape `(*traps, PARAMETERS)`.

    Args:
        capture: Mean dwell in the empty state in s, any shape.
        emission: Mean dwell in the filled state in s, same shape.
        weight: What a filled trap adds to the column's value, same shape.
        timing: When charge is collected.
    """
    p = emission / (capture + emission)
    tau = capture * emission / (capture + emission)
    x = timing.window / tau
    v, m = p * (1.0 - p), 1.0 - 2.0 * p
    whole = window_moments(p, tau, timing.window)
    # Cumulants of the two ends, each a state over x, are taken off those of the share.
    second = np.maximum(whole.variance - 2.0 * v / x**2, 0.0)
    third = whole.third - 2.0 * v * m / x**3
    fourth = whole.fourth - 3.0 * whole.variance**2 - 2.0 * v * (1.0 - 6.0 * v) / x**4
    safe = np.where(second > 0, second, 1.0)
    fast = (2.0 * timing.window / (capture + emission) > MANY) & (x > LONG)
    table = np.empty((*p.shape, PARAMETERS))
    values = (
        capture, emission, weight, fast, p, np.exp(-timing.pause / tau), 1.0 / x, np.sqrt(second),
        third / safe**1.5, fourth / safe**2,
    )  # fmt: skip
    for column, value in enumerate(values):
        table[..., column] = value
    return table


@numba.njit(cache=CACHE, inline="always")
def _happens(words, stream, chance):  # pragma: no cover - compiled
    """Whether something of this probability happens: exp(-x) of a unit exponential x is uniform on (0, 1)."""
    return np.exp(-exponential(words, stream)) < chance


@numba.njit(cache=CACHE)
def _exact(words, stream, state, row, window, pause, out):  # pragma: no cover - compiled
    """Follows one trap from dwell to dwell; adds its weighted filled share of each window to `out`."""
    period, count = window + pause, len(out)
    stop = period * count
    since = 0.0
    scale = row[WEIGHT] / window
    while True:
        until = since + exponential(words, stream) * (row[CAPTURE] if state == 0 else row[EMISSION])
        if state == 1:
            end = min(until, stop)
            n = int(since / period)
            while n < count and n * period < end:
                overlap = min(end, (n + 1) * period) - max(since, n * period + pause)
                if overlap > 0.0:
                    out[n] += scale * overlap
                n += 1
        if until >= stop:
            return state
        state = 1 - state
        since = until


@numba.njit(cache=CACHE)
def _drawn(words, stream, state, row, out):  # pragma: no cover - compiled
    """Draws one fast trap's filled share of each window from its cumulants; adds it, weighted, to `out`."""
    p, g, k = row[OCCUPANCY], row[SKEWNESS], row[KURTOSIS]
    for n in range(len(out)):
        first = _happens(words, stream, p + (state - p) * row[RECALL])
        last = _happens(words, stream, p)
        z = normal(words, stream)
        y = z + g / 6.0 * (z * z - 1.0) + k / 24.0 * (z * z * z - 3.0 * z) - g * g / 36.0 * (2.0 * z * z * z - 5.0 * z)
        share = p + (first + last - 2.0 * p) * row[PULL] + row[SIGMA] * y
        out[n] += row[WEIGHT] * min(max(share, 0.0), 1.0)
        state = np.int64(last)
    return state


@numba.njit(cache=CACHE, nogil=True)
def collect(table, states, words, chosen, window, pause, noise, noise_words, out):  # pragma: no cover - compiled
    """Adds the charges of some columns over `out.shape[1]` windows to `out`, and read noise.

    Args:
        table: Of `trap_table`, shape `(columns, cells, PARAMETERS)`.
        states: State of every trap of the array, shape `(columns, rows)`; changed in place.
        words: Stream of every trap, same shape; changed in place.
        chosen: Row of each cell of the table, shape `(columns, cells)`.
        window: Integration time in s.
        pause: Time between windows in s.
        noise: Standard deviation of the read noise of each column, shape `(columns,)`.
        noise_words: Stream of each column's read noise; changed in place.
        out: Shape `(columns, windows)`.
    """
    for j in range(out.shape[0]):
        for c in range(chosen.shape[1]):
            i = chosen[j, c]
            if table[j, c, FAST] > 0.0:
                states[j, i] = _drawn(words[j], i, states[j, i], table[j, c], out[j])
            else:
                states[j, i] = _exact(words[j], i, states[j, i], table[j, c], window, pause, out[j])
        if noise[j] > 0.0:
            for n in range(out.shape[1]):
                out[j, n] += noise[j] * normal(noise_words, j)
