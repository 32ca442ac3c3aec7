"""Linear complexity test (section 2.10): the shortest feedback register that makes each block."""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied, numbered

PROBABILITIES = (1 / 96, 1 / 32, 1 / 8, 1 / 2, 1 / 4, 1 / 16, 1 / 48)
"""Of T in the seven classes with the bounds -2.5, -1.5, ..., 2.5 (section 3.10; six digits of them in 2.10.4)."""


def linear_complexity(bits: NDArray[np.uint8], length: int = 500) -> TestResult:
    """Returns the test of section 2.10.4.

    With L the linear complexity of a block of M bits and mu its mean, `T = (-1)^M (L - mu) + 2/9`.

    Args:
        bits: Zeros and ones.
        length: M, bits in a block.
    """
    blocks = bits.size // length
    sign = -1.0 if length % 2 else 1.0
    mean = length / 2.0 + (9.0 - sign) / 36.0 - (length / 3.0 + 2.0 / 9.0) * 0.5**length
    t = sign * (linear_complexities(bits, length, blocks) - mean) + 2.0 / 9.0
    counts = np.bincount(np.searchsorted(np.arange(-2.5, 3.0), t), minlength=len(PROBABILITIES))
    expected = blocks * np.array(PROBABILITIES)
    chi2 = float(np.sum((counts - expected) ** 2 / expected))
    statistics = {"chi2": chi2, "blocks": blocks, "mean": mean, **numbered("nu", counts)}
    return applied("linear_complexity", [gammaincc(3.0, 0.5 * chi2)], [""], statistics)


@numba.njit(cache=CACHE, nogil=True)
def linear_complexities(bits, length, blocks):  # pragma: no cover - compiled
    """Linear complexity of each block by the Berlekamp-Massey algorithm over GF(2), polynomials in 64-bit words.

    Args:
        bits: Zeros and ones.
        length: Bits in a block.
        blocks: Their number.
    """
    found = np.zeros(blocks, np.int64)
    words = length // 64 + 1
    connection = np.zeros(words, np.uint64)  # C(x), its coefficient of x^i at bit i
    former = np.zeros(words, np.uint64)  # x^m B(x), shifted on at every bit
    past = np.zeros(words, np.uint64)  # the block up to now, the newest bit at bit 0
    one, top = np.uint64(1), np.uint64(63)
    for block in range(blocks):
        connection[:] = 0
        former[:] = 0
        past[:] = 0
        connection[0] = one
        former[0] = one
        complexity = 0
        for n in range(length):
            entering = np.uint64(bits[block * length + n])
            carried = np.uint64(0)
            discrepancy = np.uint64(0)
            for w in range(n // 64 + 1):
                word = past[w]
                past[w] = (word << one) | entering
                entering = word >> top
                word = former[w]
                former[w] = (word << one) | carried
                carried = word >> top
                discrepancy ^= past[w] & connection[w]
            if n // 64 + 1 < words:
                former[n // 64 + 1] |= carried
            for shift in (32, 16, 8, 4, 2, 1):
                discrepancy ^= discrepancy >> np.uint64(shift)
            if not discrepancy & one:
                continue
            longer = 2 * complexity <= n
            for w in range(words):
                word = connection[w]
                connection[w] = word ^ former[w]
                if longer:
                    former[w] = word
            if longer:
                complexity = n + 1 - complexity
        found[block] = complexity
    return found
