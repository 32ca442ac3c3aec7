"""Contexts of every length, numbered: what the MultiMMC and LZ78Y predictors count in.

A predictor of order d asks which symbol followed the last d ones most often. The tuples of d symbols get numbers, and
so do those of d + 1 (context and successor), so that counts are arrays. Each order is worked off by itself: that
needs the memory of one.
"""

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE

_DIRECT = 2**18  # codes up to here number the tuples themselves; beyond it they are sorted and counted


def numbered(symbols: NDArray[np.uint8], alphabet: int, longest: int) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Yields, for the tuples of 1, 2, ..., `longest` symbols, the number of the one that starts at each place.

    Args:
        symbols: Shape `(n,)`, 0 to `alphabet` - 1.
        alphabet: Number of symbols.
        longest: Number of symbols of the longest tuple, at most n.

    Yields:
        Numbers of the tuples, shape `(n - length + 1,)`, and their count: every number lies below it.
    """
    codes, count = symbols.astype(np.int64), alphabet
    yield codes.astype(np.int32), count
    for length in range(2, longest + 1):
        codes = codes[:-1] * alphabet + symbols[length - 1 :]
        count *= alphabet
        if count > _DIRECT:
            kept, codes = np.unique(codes, return_inverse=True)
            count = len(kept)
        yield codes.astype(np.int32), count


@numba.njit(cache=CACHE, nogil=True, inline="always")
def count_pair(pair, context, symbol, counts, best, likely):  # pragma: no cover - compiled
    """Counts a context with its successor, and keeps the context's likeliest successor: of equal ones the largest."""
    counts[pair] += 1
    if counts[pair] > best[context] or (counts[pair] == best[context] and symbol > likely[context]):
        best[context] = counts[pair]
        likely[context] = symbol
