"""Frequencies of all overlapping words: the serial test (section 2.11) and approximate entropy (2.12)."""

import math

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, xlogy

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied


def serial(bits: NDArray[np.uint8], length: int = 16) -> TestResult:
    """Serial test, section 2.11.4: first and second difference of psi^2 over the word lengths m, m - 1 and m - 2.

    Args:
        bits: Zeros and ones.
        length: m, at least 2.
    """
    counts = cyclic_word_counts(bits, length)
    psi = []
    for size in (length, length - 1, length - 2):
        psi.append(2.0**size / bits.size * float(np.sum(counts.astype(float) ** 2)) - bits.size)
        counts = _shorter(counts)
    first, second = psi[0] - psi[1], psi[0] - 2.0 * psi[1] + psi[2]
    # Rounding can leave a difference that is zero just below it.
    p_values = [
        gammaincc(2.0 ** (length - 2), 0.5 * max(first, 0.0)),
        gammaincc(2.0 ** (length - 3), 0.5 * max(second, 0.0)),
    ]
    statistics = {"psi2_m": psi[0], "psi2_m-1": psi[1], "psi2_m-2": psi[2], "del": first, "del2": second}
    return applied("serial", p_values, ["first difference", "second difference"], statistics)


def approximate_entropy(bits: NDArray[np.uint8], length: int = 10) -> TestResult:
    """Approximate entropy test, section 2.12.4: `chi2 = 2 n (ln 2 - ApEn)` on 2^m degrees of freedom.

    Args:
        bits: Zeros and ones.
        length: m; words of m and m + 1 bits are counted.
    """
    longer = cyclic_word_counts(bits, length + 1)
    phi = [float(np.sum(xlogy(share, share))) for share in (_shorter(longer) / bits.size, longer / bits.size)]
    entropy = phi[0] - phi[1]
    chi2 = 2.0 * bits.size * (math.log(2.0) - entropy)
    statistics = {"phi_m": phi[0], "phi_m+1": phi[1], "entropy": entropy, "chi2": chi2}
    return applied("approximate_entropy", [gammaincc(2.0 ** (length - 1), 0.5 * max(chi2, 0.0))], [""], statistics)


def _shorter(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the counts of words one bit shorter; on a ring each is begun by as many words as it occurs."""
    return counts.reshape(-1, 2).sum(axis=1) if counts.size > 1 else counts


@numba.njit(cache=CACHE, nogil=True)
def cyclic_word_counts(bits, length):  # pragma: no cover - compiled
    """How often each word of `length` bits stands in the stream closed to a ring, shape `(2**length,)`.

    Args:
        bits: Zeros and ones.
        length: Bits in a word.
    """
    counts = np.zeros(1 << length, np.int64)
    mask = (1 << length) - 1
    word = 0
    place = 0
    for i in range(bits.size + length - 1):
        word = ((word << 1) | bits[place]) & mask
        place += 1
        if place == bits.size:
            place = 0
        if i >= length - 1:
            counts[word] += 1
    return counts
