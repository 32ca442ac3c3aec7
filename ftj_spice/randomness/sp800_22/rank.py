"""Binary matrix rank test (section 2.5): linear dependence between stretches of the stream."""

from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied

SIZE = 32
"""Rows and columns, M = Q of section 2.5.2."""


def rank(bits: NDArray[np.uint8], size: int = SIZE) -> TestResult:
    """Returns the test of section 2.5.4 on square matrices: full rank, one less, or lower.

    The probabilities are those of matrices of this size (section 3.5). The publication's small example takes the ones
    of large matrices, 0.2888, 0.5776 and 0.1336.

    Args:
        bits: Zeros and ones; they fill the matrices row by row.
        size: Rows and columns, at most 64.
    """
    matrices = bits.size // size**2
    ranks = _ranks(bits, size, matrices)
    full, less = int(np.sum(ranks == size)), int(np.sum(ranks == size - 1))
    counts = np.array([full, less, matrices - full - less])
    expected = matrices * np.array(rank_probabilities(size))
    chi2 = float(np.sum((counts - expected) ** 2 / expected))
    statistics = {"chi2": chi2, "matrices": matrices, "full": counts[0], "one_less": counts[1], "lower": counts[2]}
    return applied("rank", [gammaincc(1.0, 0.5 * chi2)], [""], statistics)


@lru_cache
def rank_probabilities(size: int) -> tuple[float, float, float]:
    """Returns the probabilities of full rank, one less, and lower, of a square matrix of fair bits (section 3.5)."""

    def probability(r: int) -> float:
        value = 2.0 ** (r * (2 * size - r) - size**2)
        for i in range(r):
            value *= (1.0 - 2.0 ** (i - size)) ** 2 / (1.0 - 2.0 ** (i - r))
        return value

    full, less = probability(size), probability(size - 1)
    return full, less, 1.0 - full - less


@numba.njit(cache=CACHE, nogil=True)
def _ranks(bits, size, matrices):  # pragma: no cover - compiled
    """Rank over GF(2) of each matrix; a row is one word, and columns are cleared from the highest bit down."""
    ranks = np.zeros(matrices, np.int64)
    rows = np.zeros(size, np.uint64)
    one = np.uint64(1)
    for matrix in range(matrices):
        place = matrix * size * size
        for i in range(size):
            row = np.uint64(0)
            for _ in range(size):
                row = (row << one) | np.uint64(bits[place])
                place += 1
            rows[i] = row
        found = 0
        for column in range(size):
            mask = one << np.uint64(size - 1 - column)
            pivot = found
            while pivot < size and not rows[pivot] & mask:
                pivot += 1
            if pivot == size:
                continue
            rows[found], rows[pivot] = rows[pivot], rows[found]
            for i in range(pivot + 1, size):
                if rows[i] & mask:
                    rows[i] ^= rows[found]
            found += 1
        ranks[matrix] = found
    return ranks
