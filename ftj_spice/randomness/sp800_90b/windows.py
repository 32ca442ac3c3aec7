"""The multi most common in window (MultiMCW) prediction estimate (SP 800-90B, section 6.3.7)."""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, dense, too_short
from ftj_spice.randomness.sp800_90b.prediction import predictor_estimate

NAME = "multi_mcw"
WINDOWS = (63, 255, 1023, 4095)


@numba.njit(cache=CACHE, nogil=True)
def _predict(symbols, alphabet, windows):  # pragma: no cover - compiled
    """Whether the leading window's most common symbol was the next one, for each symbol behind the first window."""
    n, first, kinds = len(symbols), windows[0], len(windows)
    counts = np.zeros((kinds, alphabet), np.int64)
    last = np.full(alphabet, -1, np.int64)
    mode = np.zeros(kinds, np.int64)
    scores = np.zeros(kinds, np.int64)
    winner = 0
    correct = np.zeros(n - first, np.bool_)
    for i in range(1, n):
        new = symbols[i - 1]
        last[new] = i - 1
        for j in range(kinds):
            old = symbols[i - 1 - windows[j]] if i > windows[j] else -1
            counts[j, new] += 1
            if old >= 0:
                counts[j, old] -= 1
            if old == mode[j] and old != new:
                best = new
                for s in range(alphabet):
                    more = counts[j, s] - counts[j, best]
                    if more > 0 or (more == 0 and last[s] > last[best]):
                        best = s
                mode[j] = best
            elif counts[j, new] >= counts[j, mode[j]]:
                mode[j] = new  # of equally common ones the most recent
        if i < first:
            continue
        correct[i - first] = i >= windows[winner] and mode[winner] == symbols[i]
        for j in range(kinds):
            if i >= windows[j] and mode[j] == symbols[i]:
                scores[j] += 1
                if scores[j] >= scores[winner]:
                    winner = j
    return correct


def multi_mcw(symbols: ArrayLike, windows: Sequence[int] = WINDOWS, z: float = Z_ALPHA) -> Estimate:
    """Predicts each symbol as the most common one of the last 63, 255, 1023 or 4095, whichever did best so far.

    Args:
        symbols: Shape `(n,)`, 0 to 255.
        windows: Lengths, ascending.
        z: Point of the normal distribution that makes the bound.
    """
    values, alphabet = dense(symbols)
    minimum = windows[0] + 2
    if len(values) < minimum:
        return too_short(NAME, minimum, len(values))
    correct = _predict(values, alphabet, np.asarray(windows, np.int64))
    return predictor_estimate(NAME, correct, alphabet, z)
