"""The t-tuple and the longest repeated substring (LRS) estimates (SP 800-90B, sections 6.3.5 and 6.3.6)."""

import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.randomness.sp800_90b.estimate import (
    Z_ALPHA,
    Estimate,
    checked,
    dense,
    entropy_of,
    not_applicable,
    too_short,
    upper_bound,
)
from ftj_spice.randomness.sp800_90b.repeats import Repeats, repeats_of

T_TUPLE, LRS = "t_tuple", "longest_repeated_substring"
CUTOFF = 35
"""Occurrences from which a tuple counts for the t-tuple estimate; LRS takes the longer ones."""


def t_tuple(symbols: ArrayLike, cutoff: int = CUTOFF, z: float = Z_ALPHA, repeats: Repeats | None = None) -> Estimate:
    """Estimates the min-entropy from the most common tuple of each length that occurs `cutoff` times or more.

    Args:
        symbols: Shape `(n,)`, 0 to 255.
        cutoff: Smallest count of the most common tuple.
        z: Point of the normal distribution that makes the bound.
        repeats: Of the symbols, where the caller has them already.
    """
    n = len(checked(symbols))
    if n < max(2, cutoff):
        return too_short(T_TUPLE, max(2, cutoff), n)
    counts = (repeats or _repeats(symbols)).most[1:]
    t = int(np.count_nonzero(counts >= cutoff))
    if t == 0:
        most = int(counts[0]) if len(counts) else 1
        return not_applicable(T_TUPLE, f"needs a symbol that occurs {cutoff} times, got {most}")
    length = np.arange(1, t + 1)
    p_max = float(np.exp(np.log(counts[:t] / (n - length + 1)) / length).max())
    p_u = upper_bound(p_max, n, z)
    return Estimate(T_TUPLE, entropy_of(p_u), {"t": t, "p_max": p_max, "p_u": p_u})


def longest_repeated_substring(
    symbols: ArrayLike, cutoff: int = CUTOFF, z: float = Z_ALPHA, repeats: Repeats | None = None
) -> Estimate:
    """Estimates the collision entropy, and so the min-entropy, from the repeats of tuples too rare for `t_tuple`.

    Args:
        symbols: Shape `(n,)`, 0 to 255.
        cutoff: Count that the most common tuple stays below.
        z: Point of the normal distribution that makes the bound.
        repeats: Of the symbols, where the caller has them already.
    """
    n = len(checked(symbols))
    if n < 2:
        return too_short(LRS, 2, n)
    repeats = repeats or _repeats(symbols)
    u, v = 1 + int(np.count_nonzero(repeats.most[1:] >= cutoff)), repeats.longest
    if v < u:
        return not_applicable(LRS, f"needs a repeated tuple of {u} symbols or more; the longest repeat has {v}")
    length = np.arange(u, v + 1)
    collisions = repeats.pairs[u:] / ((n - length) * (n - length + 1) / 2)
    p_max = float(np.exp(np.log(collisions) / length).max())
    p_u = upper_bound(p_max, n, z)
    return Estimate(LRS, entropy_of(p_u), {"u": u, "v": v, "p_max": p_max, "p_u": p_u})


def _repeats(symbols: ArrayLike) -> Repeats:
    return repeats_of(*dense(symbols))
