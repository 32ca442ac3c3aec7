"""Maurer's universal statistical test (section 2.9): whether the stream can be compressed."""

import math

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied

MOMENTS = {
    2: (1.5374383, 1.338),
    6: (5.2177052, 2.954),
    7: (6.1962507, 3.125),
    8: (7.1836656, 3.238),
    9: (8.1764248, 3.311),
    10: (9.1723243, 3.356),
    11: (10.170032, 3.384),
    12: (11.168765, 3.401),
    13: (12.168070, 3.410),
    14: (13.167693, 3.416),
    15: (14.167488, 3.419),
    16: (15.167379, 3.421),
}
"""Mean and variance of `log2` of the distance for words of L bits (section 2.9.4; L = 2 for its example only)."""

SHORTEST = {
    6: 387_840,
    7: 904_960,
    8: 2_068_480,
    9: 4_654_080,
    10: 10_342_400,
    11: 22_753_280,
    12: 49_643_520,
    13: 107_560_960,
    14: 231_669_760,
    15: 496_435_200,
    16: 1_059_061_760,
}
"""Bits from which on words of L bits are taken (section 2.9.7)."""


def universal(bits: NDArray[np.uint8], length: int | None = None, initial: int | None = None) -> TestResult:
    """Returns the test of section 2.9.4: the mean `log2` distance between equal words.

    The standard deviation is `c sqrt(variance / K)` with `c = 0.7 - 0.8 / L + (4 + 32 / L) K^(-3/L) / 15`, for K words
    tested.

    Args:
        bits: Zeros and ones.
        length: L, bits in a word; none takes the longest that the stream allows.
        initial: Q, words that only fill the table; none takes `10 * 2**L`.
    """
    if length is None:
        length = max(size for size, shortest in SHORTEST.items() if bits.size >= shortest)
    initial = 10 * 2**length if initial is None else initial
    tested = bits.size // length - initial
    total = float(_log_distances(bits, length, initial, tested))
    mean, variance = MOMENTS[length]
    c = 0.7 - 0.8 / length + (4.0 + 32.0 / length) * tested ** (-3.0 / length) / 15.0
    sigma = c * math.sqrt(variance / tested)
    statistics = {"length": length, "initial": initial, "tested": tested, "sum": total, "f_n": total / tested}
    statistics |= {"c": c, "sigma": sigma}
    p_value = erfc(abs(total / tested - mean) / (math.sqrt(2.0) * sigma))
    return applied("universal", [p_value], [""], statistics)


@numba.njit(cache=CACHE, nogil=True)
def _log_distances(bits, length, initial, tested):  # pragma: no cover - compiled
    """Sum over the tested words of `log2` of the distance to the same word before; a new word counts from the start."""
    last = np.zeros(1 << length, np.int64)
    total = 0.0
    for i in range(1, initial + tested + 1):
        word = 0
        for j in range((i - 1) * length, i * length):
            word = (word << 1) | bits[j]
        if i > initial:
            total += math.log2(i - last[word])
        last[word] = i
    return total
