"""What an estimator returns, the symbols it takes, and the confidence bound that most of them share."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError

Z_ALPHA = 2.5758293035489008
"""The 99.5 % point of the normal distribution. SP 800-90B prints 2.576; the reference tool takes all its digits."""


@dataclass(frozen=True)
class Estimate:
    """The outcome of one estimator on one sequence.

    Attributes:
        estimator: Its name, a key of `ESTIMATORS`.
        entropy: Min-entropy per symbol in bits; NaN where the estimator does not apply.
        statistics: Its intermediate results under the names of the publication.
        applicable: Whether the sequence is long enough, and varied enough, for it.
        reason: Why it does not apply, with the minimum; empty where it does.
    """

    estimator: str
    entropy: float
    statistics: dict[str, float] = field(default_factory=dict)
    applicable: bool = True
    reason: str = ""


def not_applicable(estimator: str, reason: str) -> Estimate:
    """Returns the outcome of an estimator that cannot be computed."""
    return Estimate(estimator, math.nan, {}, False, reason)


def too_short(estimator: str, minimum: int, length: int) -> Estimate:
    """Returns the outcome of an estimator that was given fewer symbols than it needs."""
    return not_applicable(estimator, f"needs at least {minimum:,} symbols, got {length:,}")


def upper_bound(proportion: float, trials: int, z: float = Z_ALPHA) -> float:
    """Returns the upper end of the 99 % confidence interval of a proportion, at most 1 (SP 800-90B, section 6.3.1)."""
    return min(1.0, proportion + z * math.sqrt(proportion * (1.0 - proportion) / (trials - 1)))


def entropy_of(probability: float) -> float:
    """Returns -log2 of a probability, and 0 (never -0) of 1."""
    return max(0.0, -math.log2(probability))


def checked(symbols: ArrayLike, bits_per_symbol: int = 8) -> NDArray[np.uint8]:
    """Returns `symbols` as bytes.

    Args:
        symbols: Shape `(n,)`, whole numbers from 0 to 2^bits_per_symbol - 1.
        bits_per_symbol: 1 to 8.

    Raises:
        DataError: The array is empty, not one-dimensional, not of whole numbers, or holds a symbol out of range.
    """
    values = np.asarray(symbols)
    if values.ndim != 1 or not len(values):
        raise DataError(f"the entropy estimators take a sequence of symbols, not an array of shape {values.shape}")
    if values.dtype != np.bool_ and not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"the entropy estimators take whole numbers as symbols, not {values.dtype}")
    low, high, top = int(values.min()), int(values.max()), 2**bits_per_symbol - 1
    if low < 0 or high > top:
        raise DataError(f"symbols of {bits_per_symbol} bits lie between 0 and {top}, found {low if low < 0 else high}")
    return np.ascontiguousarray(values, np.uint8)


def dense(symbols: ArrayLike) -> tuple[NDArray[np.uint8], int]:
    """Returns the symbols renamed to 0, 1, ..., k-1 in their order, and k, the number of symbols that occur.

    Counting the symbols that occur, not those that could, is what the reference tool does: a symbol never seen tells
    nothing, and the bound 1/k of the predictors is the looser with fewer.
    """
    values = checked(symbols)
    present = np.bincount(values, minlength=256) > 0
    return (np.cumsum(present) - 1).astype(np.uint8)[values], int(present.sum())
