"""What the four predictors share: from correct predictions to an entropy (SP 800-90B, section 6.3.7, steps 4 to 8)."""

import math

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA, Estimate, entropy_of, upper_bound

_ROUNDS = 65  # at most, for x; the publication's ten do not converge where p is near r/(r+1)
_LOWEST = 1e-16


def log_chance_of_no_run(p: float, r: int, trials: int) -> float:
    """Returns the natural logarithm of the chance of no run of `r` successes in `trials` ones of probability `p`.

    Feller's approximation (An Introduction to Probability Theory, vol. 1, section XIII.7), the right-hand side of step
    6: (1 - p x) / ((r + 1 - r x) q) x^-(N+1) with x = 1 + q p^r x^(r+1). It is written in t = p^r x^(r+1), which stays
    exact where x is 1 but for rounding. x is iterated until it stands, as the reference tool does.
    """
    q, x, power = 1.0 - p, 1.0, p**r
    for _ in range(_ROUNDS):
        before, x = x, min(1.0 + q * power * x ** (r + 1), 1.0 / p)
        if x <= before:
            break
    t = power * x ** (r + 1)
    if p * t >= 1.0 or r * q * t >= 1.0:
        return -math.inf
    return math.log1p(-p * t) - math.log1p(-r * q * t) - (trials + 1) * math.log1p(q * t)


def predictor_estimate(name: str, correct: NDArray[np.bool_], alphabet: int, z: float = Z_ALPHA) -> Estimate:
    """Turns a record of predictions into an estimate: the larger of the global and the local success rate.

    The local rate is the one at which the longest run of correct predictions (its length + 1 is r) is too long with a
    chance of 1 %. A prediction that a predictor could not make counts as wrong, as in the publication; the reference
    tool's MultiMMC lets a run go on over one, which lowers its estimate in rare cases.

    Args:
        name: Of the estimator.
        correct: Whether each prediction was right, shape `(N,)`, N at least 2.
        alphabet: Number of symbols that occur; nobody predicts worse than by guessing.
        z: Point of the normal distribution that makes the bound.
    """
    trials = len(correct)
    right = int(np.count_nonzero(correct))
    r = int(_longest_run(correct)) + 1
    share = right / trials
    p_global = upper_bound(share, trials, z) if right else 1.0 - 0.01 ** (1.0 / trials)
    p_local = 1.0
    if right < trials:
        p_local = brentq(
            lambda p: max(log_chance_of_no_run(p, r, trials), -1e3) - math.log(0.99), _LOWEST, 1.0 - _LOWEST, xtol=1e-16
        )
    probability = max(p_global, p_local, 1.0 / alphabet)
    statistics = {
        "trials": trials,
        "correct": right,
        "r": r,
        "share": share,
        "p_global": p_global,
        "p_local": p_local,
    }
    return Estimate(name, entropy_of(probability), statistics)


@numba.njit(cache=CACHE, nogil=True)
def _longest_run(flags):  # pragma: no cover - compiled
    """Length of the longest run of true values."""
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest
