"""The collision estimate (SP 800-90B, section 6.3.2), for bits."""

import math

import numba
from numpy.typing import ArrayLike

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, checked, entropy_of, too_short

NAME = "collision"
_MINIMUM = 6  # two collisions, however late


@numba.njit(cache=CACHE, nogil=True)
def _collisions(bits):  # pragma: no cover - compiled
    """Number of collisions and the number of bits they took: two equal bits collide at once, else the third does."""
    i = collisions = 0
    while i < len(bits) - 1:
        step = 2 if bits[i] == bits[i + 1] else 3
        if i + step > len(bits):
            break
        collisions += 1
        i += step
    return collisions, i


def collision(bits: ArrayLike, z: float = Z_ALPHA) -> Estimate:
    """Estimates the min-entropy from the mean number of bits until two of them are equal.

    The mean of a source with P(1) = p is 2 + 2 p (1 - p): the right-hand side of step 7 of the publication with its
    incomplete gamma function written out, as the reference tool solves it. A mean below 2, which a confidence bound
    may give, counts as 2 (the tool's rule: no entropy), one of 2.5 or more as 1 bit.

    Args:
        bits: Shape `(n,)`, 0 or 1.
        z: Point of the normal distribution that makes the bound.
    """
    values = checked(bits, 1)
    if len(values) < _MINIMUM:
        return too_short(NAME, _MINIMUM, len(values))
    v, used = _collisions(values)
    mean = used / v
    squares = 4 * (3 * v - used) + 9 * (used - 2 * v)  # of the times: 3v - used of them are 2, the others 3
    deviation = math.sqrt(max(0.0, squares - used * mean) / (v - 1))
    bound = max(2.0, mean - z * deviation / math.sqrt(v))
    p = 0.5 + math.sqrt(1.25 - 0.5 * bound) if bound < 2.5 else 0.5
    statistics = {"v": v, "mean": mean, "deviation": deviation, "mean_bound": bound, "p": p}
    return Estimate(NAME, entropy_of(p), statistics)
