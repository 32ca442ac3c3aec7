"""Plain diagnostics of bits: bias, autocorrelation, dwell times, and the two-state Markov chain behind them.

A digitised telegraph signal is close to such a chain. Its bits depend on each other by rho = 1 - a - b alone, where a
and b are the chances to leave 0 and 1: the autocorrelation is rho^k and the runs are geometric. What departs from that
has another cause. SP 800-22 looks at neither directly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc
from scipy.stats import chi2

from ftj_spice.common.errors import DataError, SettingsError

LEAST_EXPECTED = 5.0
"""Runs expected in a class of the chi-square test at least, the usual rule."""


@dataclass(frozen=True)
class MarkovFit:
    """A two-state Markov chain fitted to bits by counting transitions: the maximum likelihood.

    Attributes:
        leave_zero: Chance a of a 1 after a 0; NaN if no 0 has a successor.
        leave_one: Chance b of a 0 after a 1; NaN if no 1 has a successor.
        leave_zero_error: Its standard error.
        leave_one_error: Its standard error.
    """

    leave_zero: float
    leave_one: float
    leave_zero_error: float
    leave_one_error: float

    @property
    def correlation(self) -> float:
        """The number rho = 1 - a - b, the autocorrelation of successive bits."""
        return 1.0 - self.leave_zero - self.leave_one

    @property
    def ones(self) -> float:
        """Share of ones in the long run, a/(a + b)."""
        return self.leave_zero / (self.leave_zero + self.leave_one)

    @property
    def min_entropy(self) -> float:
        """Min-entropy per bit of the chain, in bits; 0 for constant bits."""
        if math.isnan(self.correlation):
            return 0.0
        return chain_min_entropy(self.leave_zero, self.leave_one)


@dataclass(frozen=True)
class Bias:
    """The share of ones.

    Attributes:
        bits: Their number.
        ones: Share of ones.
        bias: `ones` - 1/2.
        standard_error: Of both for independent bits of that share.
        markov_error: The same for bits with the correlation found, larger by sqrt((1 + rho)/(1 - rho)); NaN for
            constant bits.
        p_value: Of a bias of 0 with independent bits, two-sided: erfc(|2 ones - 1| sqrt(n/2)).
    """

    bits: int
    ones: float
    bias: float
    standard_error: float
    markov_error: float
    p_value: float


@dataclass(frozen=True)
class Autocorrelation:
    """Correlation of bits that are some steps apart.

    Attributes:
        lags: Steps, shape `(k,)`.
        values: Correlation coefficients, shape `(k,)`; NaN for constant bits.
        standard_error: Of each for independent bits, 1/sqrt(n - lag), shape `(k,)`.
    """

    lags: NDArray[np.int64]
    values: NDArray[np.float64]
    standard_error: NDArray[np.float64]

    def limits(self, deviations: float = 3.0) -> NDArray[np.float64]:
        """Returns how far from 0 independent bits stay, in that many standard errors, shape `(k,)`."""
        return deviations * self.standard_error


@dataclass(frozen=True)
class DwellRuns:
    """Runs of equal bits against the geometric law; row 0 is of the runs of zeros, row 1 of those of ones.

    The first and the last run are left out: where they begin or end is not known.

    Attributes:
        lengths: Run lengths in bits, 1, 2, ..., the longest one met, shape `(m,)`.
        counts: Runs of each length, shape `(2, m)`.
        expected: Their number by the geometric law with the leaving chance fitted, shape `(2, m)`.
        leave: That chance, the number of runs over the bits in them, shape `(2,)`; NaN without runs.
        chi_square: Of the classes that expect 5 runs or more; what is longer is one class. Shape `(2,)`.
        degrees: Classes less two (their sum and the fitted chance), shape `(2,)`; 0 where nothing is left to test.
        p_value: Of both rows together; None where there is nothing to test.
    """

    lengths: NDArray[np.int64]
    counts: NDArray[np.int64]
    expected: NDArray[np.float64]
    leave: NDArray[np.float64]
    chi_square: NDArray[np.float64]
    degrees: NDArray[np.int64]
    p_value: float | None


def fit_markov(bits: ArrayLike) -> MarkovFit:
    """Fits a two-state Markov chain.

    Args:
        bits: Shape `(n,)`, n at least 2, 0 or 1.

    Raises:
        DataError: There are fewer than two bits, or other values.
    """
    values = _bits(bits)
    from_one = int(np.count_nonzero(values[:-1]))
    both = int(np.count_nonzero(values[:-1] & values[1:]))
    to_one = int(np.count_nonzero(values[1:])) - both
    chances, errors = [], []
    for leaving, tries in ((to_one, len(values) - 1 - from_one), (from_one - both, from_one)):
        chance = leaving / tries if tries else math.nan
        chances.append(chance)
        errors.append(math.sqrt(chance * (1.0 - chance) / tries) if tries else math.nan)
    return MarkovFit(*chances, *errors)


def bias(bits: ArrayLike) -> Bias:
    """Returns the bias of the bits with its standard errors.

    Args:
        bits: Shape `(n,)`, n at least 2, 0 or 1.

    Raises:
        DataError: There are fewer than two bits, or other values.
    """
    values = _bits(bits)
    n = len(values)
    ones = int(np.count_nonzero(values)) / n
    error = math.sqrt(ones * (1.0 - ones) / n)
    rho = fit_markov(values).correlation
    markov = error * math.sqrt((1.0 + rho) / (1.0 - rho)) if rho < 1.0 else math.nan
    return Bias(n, ones, ones - 0.5, error, markov, float(erfc(abs(2.0 * ones - 1.0) * math.sqrt(n / 2.0))))


def bit_autocorrelation(bits: ArrayLike, lags: int | Sequence[int] | NDArray[np.integer]) -> Autocorrelation:
    """Returns the correlation coefficients of bits some steps apart, by exact counts.

    Each is the covariance of the n - lag pairs, with the mean of all bits, over the variance of all bits.

    Args:
        bits: Shape `(n,)`, 0 or 1.
        lags: Steps, 1 to n - 1 each; a single number stands for all from 1 on up to it.

    Raises:
        DataError: There are fewer than two bits, or other values.
        SettingsError: A lag is not between 1 and n - 1.
    """
    values = _bits(bits)
    n = len(values)
    steps = np.arange(1, lags + 1) if isinstance(lags, int | np.integer) else np.asarray(lags, np.int64)
    if not len(steps) or steps.min() < 1 or steps.max() >= n:
        raise SettingsError(f"lags of {n} bits lie between 1 and {n - 1}, got {lags!r}")
    mean = int(np.count_nonzero(values)) / n
    variance = mean * (1.0 - mean)
    found = np.full(len(steps), math.nan)
    if variance > 0.0:
        for k, step in enumerate(steps):
            first, second = values[:-step], values[step:]
            both = int(np.count_nonzero(first & second))
            either = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
            pairs = n - int(step)
            found[k] = ((both - mean * either) / pairs + mean**2) / variance
    return Autocorrelation(steps.astype(np.int64), found, 1.0 / np.sqrt(n - steps))


def dwell_runs(bits: ArrayLike) -> DwellRuns:
    """Compares the lengths of the runs of zeros and of ones with geometric laws, as a two-state chain has them.

    The chance to leave is fitted to the run lengths themselves, not to the classes of the test, so that p-values are a
    little large at worst (Chernoff and Lehmann, Ann. Math. Statist. 25 (1954) 579).

    Args:
        bits: Shape `(n,)`, n at least 2, 0 or 1.

    Raises:
        DataError: There are fewer than two bits, or other values.
    """
    values = _bits(bits)
    ends = np.flatnonzero(values[1:] != values[:-1])
    runs, states = np.diff(ends), values[ends[1:]]
    longest = int(runs.max(initial=1))
    lengths = np.arange(1, longest + 1)
    counts = np.stack([np.bincount(runs[states == s], minlength=longest + 1)[1:] for s in (0, 1)])
    expected = np.zeros((2, longest))
    leave, statistic, degrees = np.full(2, math.nan), np.zeros(2), np.zeros(2, np.int64)
    for s in (0, 1):
        total = int(counts[s].sum())
        if total:
            leave[s] = total / int(counts[s] @ lengths)
            expected[s] = total * leave[s] * (1.0 - leave[s]) ** (lengths - 1)
            statistic[s], degrees[s] = _chi_square(counts[s], total, leave[s])
    freedom = int(degrees.sum())
    p_value = float(chi2.sf(statistic.sum(), freedom)) if freedom else None
    return DwellRuns(lengths, counts, expected, leave, statistic, degrees, p_value)


def markov_min_entropy(rho: ArrayLike) -> NDArray[np.float64] | float:
    """Returns the min-entropy per bit of an unbiased two-state chain, -log2((1 + |rho|)/2), in bits.

    Its most probable sequence stays in a state for rho > 0 and alternates for rho < 0.

    Args:
        rho: Correlation of successive bits, -1 to 1, any shape.

    Raises:
        SettingsError: It is not between -1 and 1.
    """
    size = np.abs(np.asarray(rho, float))
    if not np.all(size <= 1.0):
        raise SettingsError(f"a correlation lies between -1 and 1, got {rho!r}")
    entropy = 1.0 - np.log1p(size) / math.log(2.0)
    return float(entropy) if entropy.ndim == 0 else entropy


def chain_min_entropy(leave_zero: float, leave_one: float) -> float:
    """Returns the min-entropy per bit of a long sequence of a two-state Markov chain, in bits.

    The most probable sequence keeps to the cycle of the largest mean probability per step: it stays at 0 (1 - a), stays
    at 1 (1 - b), or alternates (sqrt(a b)). So the entropy is -log2 of the largest of these.

    Args:
        leave_zero: Chance a of a 1 after a 0.
        leave_one: Chance b of a 0 after a 1.

    Raises:
        SettingsError: One is not a probability.
    """
    if not (0.0 <= leave_zero <= 1.0 and 0.0 <= leave_one <= 1.0):
        raise SettingsError(f"chances to leave a state lie between 0 and 1, got {leave_zero!r} and {leave_one!r}")
    return max(0.0, -math.log2(max(1.0 - leave_zero, 1.0 - leave_one, math.sqrt(leave_zero * leave_one))))


def _chi_square(counts: NDArray[np.int64], total: int, leave: float) -> tuple[float, int]:
    """Chi-square of run lengths, with its degrees of freedom, from the classes 1, 2, ..., K - 1 and K or more."""
    beyond = total * (1.0 - leave) ** np.arange(len(counts) + 1)  # expected runs longer than 0, 1, ...
    each = -np.diff(beyond)
    # the last class begins where it, or the one before it, would expect too few runs
    classes = int(np.count_nonzero((each >= LEAST_EXPECTED) & (beyond[1:] >= LEAST_EXPECTED))) + 1
    if classes < 3:
        return 0.0, 0
    expected = np.append(each[: classes - 1], beyond[classes - 1])
    found = np.append(counts[: classes - 1], counts[classes - 1 :].sum())
    return float(((found - expected) ** 2 / expected).sum()), classes - 2


def _bits(bits: ArrayLike) -> NDArray[np.uint8]:
    values = np.asarray(bits)
    if values.ndim != 1 or len(values) < 2:
        raise DataError(f"the diagnostics take a sequence of two bits or more, not an array of shape {values.shape}")
    if values.dtype != np.bool_ and not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"the diagnostics take bits, 0 or 1, not {values.dtype}")
    if values.min() < 0 or values.max() > 1:
        raise DataError(f"the diagnostics take bits, 0 or 1, found values from {values.min()} to {values.max()}")
    return values.astype(np.uint8, copy=False)
