"""The most common value estimate (SP 800-90B, section 6.3.1)."""

import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, checked, entropy_of, too_short, upper_bound

NAME = "most_common_value"


def most_common_value(symbols: ArrayLike, z: float = Z_ALPHA) -> Estimate:
    """Estimates the min-entropy from the share of the most common symbol, at the top of its confidence interval.

    Args:
        symbols: Shape `(n,)`, 0 to 255.
        z: Point of the normal distribution that makes the bound.
    """
    values = checked(symbols)
    if len(values) < 2:
        return too_short(NAME, 2, len(values))
    count = int(np.bincount(values).max())
    p_hat = count / len(values)
    p_u = upper_bound(p_hat, len(values), z)
    return Estimate(NAME, entropy_of(p_u), {"count": count, "p_hat": p_hat, "p_u": p_u})
