"""The LZ78Y prediction estimate (SP 800-90B, section 6.3.10)."""

from itertools import pairwise

import numba
import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_90b.contexts import count_pair, numbered
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, dense, too_short
from ftj_spice.randomness.sp800_90b.prediction import predictor_estimate

NAME = "lz78y"
LONGEST = 16
"""Symbols of the longest context, B of the publication."""
SIZE = 65_536
"""Contexts that the dictionary keeps."""


@numba.njit(cache=CACHE, nogil=True)
def _mark_new(j, contexts, context_count, longest, fresh):  # pragma: no cover - compiled
    """Sets bit `j` of `fresh` at each step that meets a context of `j` symbols for the first time."""
    seen = np.zeros(context_count, np.bool_)
    for step in range(len(fresh)):
        context = contexts[step + longest - j]
        if not seen[context]:
            seen[context] = True
            fresh[step] |= np.uint64(1) << np.uint64(j)


@numba.njit(cache=CACHE, nogil=True)
def _admit(fresh, longest, size):  # pragma: no cover - compiled
    """Clears the bits of the contexts that come when the dictionary is full; at one step the longest comes first."""
    held = 0
    for step in range(len(fresh)):
        for j in range(longest, 0, -1):
            bit = np.uint64(1) << np.uint64(j)
            if fresh[step] & bit:
                if held < size:
                    held += 1
                else:
                    fresh[step] &= ~bit


@numba.njit(cache=CACHE, nogil=True)
def _order(
    j, symbols, contexts, context_count, pairs, pair_count, longest, admitted, most, prediction
):  # pragma: no cover - compiled
    """Lets the contexts of `j` symbols predict where they were more often right to than what stands there."""
    counts = np.zeros(pair_count, np.int32)
    best = np.zeros(context_count, np.int32)
    likely = np.full(context_count, -1, np.int16)
    held = np.zeros(context_count, np.bool_)
    bit = np.uint64(1) << np.uint64(j)
    for step in range(len(most)):
        begin = step + longest - j
        context = contexts[begin]
        if admitted[step] & bit:
            held[context] = True
        if held[context]:
            count_pair(pairs[begin], context, symbols[step + longest], counts, best, likely)
        following = contexts[begin + 1]
        # orders come from the shortest on, and the longest of equal counts is to win
        if best[following] > 0 and best[following] >= most[step]:
            most[step] = best[following]
            prediction[step] = likely[following]


def lz78y(symbols: ArrayLike, longest: int = LONGEST, size: int = SIZE, z: float = Z_ALPHA) -> Estimate:
    """Predicts each symbol by the context of up to `longest` symbols whose successor was seen most often.

    The contexts come from a dictionary like that of the compressor LZ78, which stops to grow at `size`. Of successors
    that followed a context equally often, the largest symbol is predicted, as in the reference tool.

    Args:
        symbols: Shape `(n,)`, 0 to 255.
        longest: Symbols of the longest context, at most 63.
        size: Contexts that the dictionary keeps.
        z: Point of the normal distribution that makes the bound.
    """
    values, alphabet = dense(symbols)
    steps = len(values) - longest - 1
    if steps < 2:
        return too_short(NAME, longest + 3, len(values))
    admitted = np.zeros(steps, np.uint64)
    for j, (contexts, context_count) in enumerate(numbered(values, alphabet, longest), 1):
        _mark_new(j, contexts, context_count, longest, admitted)
    _admit(admitted, longest, size)
    most, prediction = np.zeros(steps, np.int32), np.full(steps, -1, np.int16)
    tuples = numbered(values, alphabet, longest + 1)
    for j, ((contexts, context_count), (pairs, pair_count)) in enumerate(pairwise(tuples), 1):
        _order(j, values, contexts, context_count, pairs, pair_count, longest, admitted, most, prediction)
    return predictor_estimate(NAME, prediction == values[longest + 1 :], alphabet, z)
