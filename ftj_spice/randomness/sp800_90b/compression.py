"""The compression estimate (SP 800-90B, section 6.3.4), for bits."""

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, checked, entropy_of, too_short

NAME = "compression"
BLOCK = 6
"""Bits of a block, b of the publication."""
_SYMBOLS = 2**BLOCK
_CORRECTION = 0.5907  # step 5: between the standard deviation of independent distances and that of these


@numba.njit(cache=CACHE, nogil=True)
def _distances(blocks, dictionary):  # pragma: no cover - compiled
    """Distance of each block behind the first `dictionary` ones to the last equal one, or to the beginning."""
    last = np.zeros(_SYMBOLS, np.int64)
    for i in range(dictionary):
        last[blocks[i]] = i + 1
    distances = np.empty(len(blocks) - dictionary, np.int64)
    for i in range(dictionary, len(blocks)):
        distances[i - dictionary] = i + 1 - last[blocks[i]]
        last[blocks[i]] = i + 1
    return distances


class _Expectation:
    """Expected mean of log2 of the distances, where one block has probability p and the others share the rest.

    The double sum of step 7, G(z) = 1/v sum over t from d+1 to n, u from 1 to t of log2(u) F(z, t, u), is taken over t
    first: a distance u < t comes n - max(u, d) times with z^2 (1-z)^(u-1), and one u = t > d with z (1-z)^(u-1).
    The publication's upper limit of the sum over t, L, is a slip for n = L/b, the number of blocks; so has the tool.
    """

    def __init__(self, blocks: int, dictionary: int) -> None:
        u = np.arange(2, blocks + 1)
        logs = np.log2(u) / (blocks - dictionary)
        self._power = u - 1.0
        self._inside: NDArray[np.float64] = logs * (blocks - np.maximum(u, dictionary))
        self._first: NDArray[np.float64] = logs * (u > dictionary)

    def _g(self, z: float) -> float:
        if z in (0.0, 1.0):
            return 0.0
        weight = np.exp(self._power * math.log1p(-z))
        return z * (z * float(weight @ self._inside) + float(weight @ self._first))

    def __call__(self, p: float) -> float:
        return self._g(p) + (_SYMBOLS - 1) * self._g((1.0 - p) / (_SYMBOLS - 1))


def compression(bits: ArrayLike, dictionary: int = 1000, z: float = Z_ALPHA) -> Estimate:
    """Estimates the min-entropy from how far apart equal blocks of six bits lie: Maurer's universal statistic.

    Args:
        bits: Shape `(n,)`, 0 or 1.
        dictionary: Blocks that only fill the dictionary, d of the publication.
        z: Point of the normal distribution that makes the bound.
    """
    values = checked(bits, 1)
    minimum = BLOCK * (dictionary + 2)
    if len(values) < minimum:
        return too_short(NAME, minimum, len(values))
    n = len(values) // BLOCK
    blocks = values[: n * BLOCK].reshape(n, BLOCK) @ (1 << np.arange(BLOCK - 1, -1, -1)).astype(np.uint8)
    logs = np.log2(_distances(blocks, dictionary))
    v = n - dictionary
    mean = float(logs.mean())
    deviation = _CORRECTION * math.sqrt(max(0.0, float(logs @ logs) / (v - 1) - mean**2))
    bound = mean - z * deviation / math.sqrt(v)
    expected = _Expectation(n, dictionary)
    statistics = {"v": v, "mean": mean, "deviation": deviation, "mean_bound": bound}
    if expected(1.0 / _SYMBOLS) <= bound:  # step 8: no solution
        return Estimate(NAME, 1.0, statistics | {"p": 1.0 / _SYMBOLS})
    p = brentq(lambda p: expected(p) - bound, 1.0 / _SYMBOLS, 1.0, xtol=1e-15) if bound > 0.0 else 1.0
    return Estimate(NAME, entropy_of(p) / BLOCK, statistics | {"p": p})
