"""How often substrings occur: the counts that the t-tuple and the longest repeated substring estimates need.

A suffix array (Manber and Myers, SIAM J. Comput. 22 (1993) 935: prefix doubling, here with counting sorts), its
longest common prefixes (Kasai et al., CPM 2001) and one pass over the intervals of suffixes with a common prefix
(Abouelhoda et al., J. Discrete Algorithms 2 (2004) 53). An interval of c suffixes with a longest common prefix of l,
inside one of l' < l, stands for one substring of each length l' + 1 ... l, which occurs c times. Time is n log n at
worst, as for a sequence of zeros.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE


@dataclass(frozen=True)
class Repeats:
    """Counts of repeated substrings, by their length.

    Attributes:
        most: Occurrences of the most common substring of each length 0, 1, ..., v, shape `(v + 1,)`.
        pairs: Pairs of equal substrings of each length, the sum of C(c, 2) over the distinct ones, shape `(v + 1,)`.
    """

    most: NDArray[np.int64]
    pairs: NDArray[np.int64]

    @property
    def longest(self) -> int:
        """Length v of the longest substring that occurs twice."""
        return len(self.most) - 1


@numba.njit(cache=CACHE, nogil=True)
def _prefix_codes(text, symbols):  # pragma: no cover - compiled
    """Codes of the first few symbols of each suffix, their bound, and how many symbols they are; 0 marks the end."""
    length, bound = 1, symbols + 1
    while bound * (symbols + 1) <= 65536:
        bound *= symbols + 1
        length += 1
    codes = np.empty(len(text), np.int32)
    code = 0
    for i in range(len(text) - 1, -1, -1):
        code = (text[i] + 1) * (bound // (symbols + 1)) + code // (symbols + 1)
        codes[i] = code
    return codes, bound, length


@numba.njit(cache=CACHE, nogil=True)
def _sort(places, keys, bound, count, order):  # pragma: no cover - compiled
    """Sorts `places` by their keys below `bound` into `order`; equal ones keep their order."""
    count[: bound + 1] = 0
    for i in places:
        count[keys[i] + 1] += 1
    for k in range(bound):
        count[k + 1] += count[k]
    for i in places:
        order[count[keys[i]]] = i
        count[keys[i]] += 1


@numba.njit(cache=CACHE, nogil=True)
def _rank(order, keys, step, rank):  # pragma: no cover - compiled
    """Ranks the suffixes in `order` by their own key and that of the one `step` further on; returns how many differ."""
    n = len(order)
    rank[order[0]] = 0
    for k in range(1, n):
        i, j = order[k], order[k - 1]
        same = keys[i] == keys[j] and (i + step < n) == (j + step < n)
        if same and i + step < n:
            same = keys[i + step] == keys[j + step]
        rank[i] = rank[j] + (not same)
    return rank[order[n - 1]] + 1


@numba.njit(cache=CACHE, nogil=True)
def _suffix_array(text, symbols):  # pragma: no cover - compiled
    """Suffixes in their order, and the rank of each; a suffix that ends sorts before those that go on."""
    n = len(text)
    keys, bound, step = _prefix_codes(text, symbols)
    count = np.empty(max(bound, n) + 1, np.int32)
    places, order, rank = np.arange(n).astype(np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    _sort(places, keys, bound, count, order)
    different = _rank(order, keys, n, rank)
    while different < n:
        # by their second half: those without one, then as the suffixes `step` further on stand already
        k = 0
        for i in range(max(0, n - step), n):
            places[k] = i
            k += 1
        for i in order:
            if i >= step:
                places[k] = i - step
                k += 1
        keys, rank = rank, keys
        _sort(places, keys, different, count, order)  # and by the first
        different = _rank(order, keys, step, rank)
        step *= 2
    return order, rank


@numba.njit(cache=CACHE, nogil=True)
def _common_prefixes(text, order, rank):  # pragma: no cover - compiled
    """Length of the prefix that each suffix, in their order, shares with the one before; 0 at both ends."""
    n = len(text)
    common = np.zeros(n + 1, np.int32)
    length = 0
    for i in range(n):
        if rank[i] == 0:
            length = 0
            continue
        j = order[rank[i] - 1]
        while i + length < n and j + length < n and text[i + length] == text[j + length]:
            length += 1
        common[rank[i]] = length
        if length > 0:
            length -= 1
    return common


@numba.njit(cache=CACHE, nogil=True)
def _counts(common, longest):  # pragma: no cover - compiled
    """Largest count and number of pairs for each length, from the intervals of suffixes with a common prefix."""
    most = np.zeros(longest + 1, np.int64)
    steps = np.zeros(longest + 2, np.int64)  # differences of the number of pairs
    lengths = np.empty(longest + 2, np.int64)
    begins = np.empty(longest + 2, np.int64)
    top = 0
    lengths[0] = begins[0] = 0
    for k in range(1, len(common)):
        begin = k - 1
        while common[k] < lengths[top]:
            length, begin = lengths[top], begins[top]
            top -= 1
            outer = max(lengths[top], common[k])
            count = k - begin
            most[length] = max(most[length], count)
            pairs = count * (count - 1) // 2
            steps[outer + 1] += pairs
            steps[length + 1] -= pairs
        if common[k] > lengths[top]:
            top += 1
            lengths[top], begins[top] = common[k], begin
    pairs_of = np.zeros(longest + 1, np.int64)
    for length in range(1, longest + 1):
        pairs_of[length] = pairs_of[length - 1] + steps[length]
    for length in range(longest - 1, 0, -1):
        most[length] = max(most[length], most[length + 1])
    return most, pairs_of


def repeats_of(symbols: NDArray[np.uint8], alphabet: int) -> Repeats:
    """Counts the repeated substrings of every length.

    Args:
        symbols: Shape `(n,)`, 0 to `alphabet` - 1; fewer than 2^31 of them.
        alphabet: Number of symbols.
    """
    order, rank = _suffix_array(symbols, alphabet)
    common = _common_prefixes(symbols, order, rank)
    most, pairs = _counts(common, int(common.max()))
    most[0] = len(symbols)
    return Repeats(most, pairs)
