"""The multi Markov model with counting (MultiMMC) prediction estimate (SP 800-90B, section 6.3.9)."""

from itertools import pairwise

import numba
import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_90b.contexts import count_pair, numbered
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, dense, too_short
from ftj_spice.randomness.sp800_90b.prediction import predictor_estimate

NAME = "multi_mmc"
DEPTH = 16
ENTRIES = 100_000
"""Pairs of a context and its successor that a model keeps."""


@numba.njit(cache=CACHE, nogil=True)
def _order(d, symbols, contexts, context_count, pairs, pair_count, limit):  # pragma: no cover - compiled
    """Whether the model of order `d` predicts the third symbol and each one after it."""
    counts = np.zeros(pair_count, np.int32)
    best = np.zeros(context_count, np.int32)
    likely = np.full(context_count, -1, np.int16)
    right = np.zeros(len(symbols) - 2, np.bool_)
    entries = 0
    for i in range(max(2, d), len(symbols)):
        begin = i - 1 - d
        if begin >= 0:
            pair = pairs[begin]
            known = counts[pair] > 0
            if known or entries < limit:
                entries += not known
                count_pair(pair, contexts[begin], symbols[i - 1], counts, best, likely)
        right[i - 2] = likely[contexts[i - d]] == symbols[i]
    return right


@numba.njit(cache=CACHE, nogil=True)
def _lead(right):  # pragma: no cover - compiled
    """Whether the leading model was right; `right` has shape `(models, predictions)`."""
    scores = np.zeros(len(right), np.int64)
    winner = 0
    correct = np.zeros(right.shape[1], np.bool_)
    for i in range(right.shape[1]):
        correct[i] = right[winner, i]
        for d in range(len(right)):
            if right[d, i]:
                scores[d] += 1
                if scores[d] >= scores[winner]:
                    winner = d
    return correct


def multi_mmc(symbols: ArrayLike, depth: int = DEPTH, entries: int = ENTRIES, z: float = Z_ALPHA) -> Estimate:
    """Predicts each symbol by Markov models of order 1 to `depth`, with the one that did best so far.

    Of successors that followed a context equally often, the largest symbol is predicted, as in the reference tool.

    Args:
        symbols: Shape `(n,)`, 0 to 255.
        depth: Largest order.
        entries: Pairs that each model can keep.
        z: Point of the normal distribution that makes the bound.
    """
    values, alphabet = dense(symbols)
    n = len(values)
    if n < 4:
        return too_short(NAME, 4, n)
    orders = min(depth, n - 1)
    right = np.empty((orders, n - 2), np.bool_)
    tuples = numbered(values, alphabet, orders + 1)
    for d, ((contexts, context_count), (pairs, pair_count)) in enumerate(pairwise(tuples), 1):
        right[d - 1] = _order(d, values, contexts, context_count, pairs, pair_count, entries)
    return predictor_estimate(NAME, _lead(right), alphabet, z)
