"""The lag prediction estimate (SP 800-90B, section 6.3.8)."""

import numba
import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, dense, too_short
from ftj_spice.randomness.sp800_90b.prediction import predictor_estimate

NAME = "lag"
DEPTH = 128


@numba.njit(cache=CACHE, nogil=True)
def _predict(symbols, depth):  # pragma: no cover - compiled
    """Whether the symbol at the leading lag was the next one, for each symbol but the first."""
    scores = np.zeros(depth + 1, np.int64)
    winner = 1
    correct = np.zeros(len(symbols) - 1, np.bool_)
    for i in range(1, len(symbols)):
        correct[i - 1] = winner <= i and symbols[i - winner] == symbols[i]
        for d in range(1, min(depth, i) + 1):
            if symbols[i - d] == symbols[i]:
                scores[d] += 1
                if scores[d] >= scores[winner]:
                    winner = d
    return correct


def lag(symbols: ArrayLike, depth: int = DEPTH, z: float = Z_ALPHA) -> Estimate:
    """Predicts each symbol as the one d before, with the d up to `depth` that did best so far.

    Args:
        symbols: Shape `(n,)`, 0 to 255.
        depth: Largest lag.
        z: Point of the normal distribution that makes the bound.
    """
    values, alphabet = dense(symbols)
    if len(values) < 3:
        return too_short(NAME, 3, len(values))
    return predictor_estimate(NAME, _predict(values, depth), alphabet, z)
