"""The Markov estimate (SP 800-90B, section 6.3.3), for bits."""

import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.randomness.sp800_90b.estimate import Estimate, checked, too_short

NAME = "markov"
LENGTH = 128
"""Length of the most probable sequence that the estimate looks for."""


def markov(bits: ArrayLike) -> Estimate:
    """Estimates the min-entropy per bit of the most probable sequence of 128 bits of a first-order Markov chain.

    Six sequences can be the most probable one: 00..., 0101..., 011..., 100..., 1010... and 11....

    Args:
        bits: Shape `(n,)`, 0 or 1.
    """
    values = checked(bits, 1)
    if len(values) < 2:
        return too_short(NAME, 2, len(values))
    pairs = np.bincount(2 * values[:-1] + values[1:], minlength=4).reshape(2, 2)
    leaving = pairs.sum(axis=1, keepdims=True)
    chain = pairs / np.maximum(leaving, 1)
    one = int(np.count_nonzero(values)) / len(values)
    with np.errstate(divide="ignore"):
        start = -np.log2([1.0 - one, one])
        (to_00, to_01), (to_10, to_11) = -np.log2(chain)
    half = LENGTH // 2
    bits_of = np.array(
        [
            start[0] + (LENGTH - 1) * to_00,
            start[0] + half * to_01 + (half - 1) * to_10,
            start[0] + to_01 + (LENGTH - 2) * to_11,
            start[1] + to_10 + (LENGTH - 2) * to_00,
            start[1] + half * to_10 + (half - 1) * to_01,
            start[1] + (LENGTH - 1) * to_11,
        ]
    )
    least = max(0.0, float(bits_of.min()))
    statistics = {
        "p_0": 1.0 - one,
        "p_1": one,
        "p_00": float(chain[0, 0]),
        "p_01": float(chain[0, 1]),
        "p_10": float(chain[1, 0]),
        "p_11": float(chain[1, 1]),
        "p_max": 2.0**-least,
    }
    return Estimate(NAME, min(1.0, least / LENGTH), statistics)
