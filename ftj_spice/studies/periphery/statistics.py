"""Statistics of Monte Carlo draws: spread with its error, yield with its interval, significance of differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ftj_spice.studies.periphery.limits import Bound

CONFIDENCE = 0.95
"""Of yields' intervals."""


@dataclass(frozen=True)
class Yield:
    """Share of draws that work and keep their limits.

    Attributes:
        good: Draws that do.
        count: Draws.
        limits: Limited figures that count; none of them: a draw is good where all its figures could be measured.
        interval: Clopper-Pearson interval of the share, `CONFIDENCE`.
    """

    good: int
    count: int
    limits: tuple[str, ...]
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """Good draws over all."""
        return self.good / self.count

    def as_data(self) -> dict[str, Any]:
        """Returns it as plain data."""
        return {
            "share": self.share, "good": self.good, "draws": self.count, "limits": list(self.limits),
            "interval": list(self.interval), "confidence": CONFIDENCE,
        }  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Whether two sets of draws differ.

    Attributes:
        mean: P value of equal means (Welch's t test); none where it can't be had.
        sigma: P value of equal spreads (Brown-Forsythe: Levene's test about the medians).
    """

    mean: float | None
    sigma: float | None


def sigma_of(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Returns the standard deviation of the draws that worked and its standard error `sigma / sqrt(2 (n - 1))`.

    The error is that of normal draws (Kenney and Keeping, Mathematics of Statistics 2, 1951, 7.8). None below two.
    """
    live = values[np.isfinite(values)]
    if len(live) < 2:
        return None
    sigma = float(np.std(live, ddof=1)) if np.ptp(live) > 0 else 0.0  # their mean's rounding is no spread
    return sigma, sigma / float(np.sqrt(2 * (len(live) - 1)))


def yield_of(draws: Mapping[str, NDArray[np.float64]], bounds: Mapping[str, Bound]) -> Yield | None:
    """Returns the yield; none without draws. A draw in which a figure could not be measured is a bad one.

    Args:
        draws: Values by figure, shape `(draws,)`, NaN where one failed.
        bounds: Limits by figure; those of figures that are not drawn don't count.
    """
    if not draws:
        return None
    count = len(next(iter(draws.values())))
    if not count:
        return None
    good = np.all([np.isfinite(values) for values in draws.values()], axis=0)
    limited = tuple(name for name in bounds if name in draws)
    for name in limited:
        good &= np.array([bounds[name].broken_by(name, float(value)) is None for value in draws[name]])
    test = stats.binomtest(int(good.sum()), count)
    interval = test.proportion_ci(CONFIDENCE, method="exact")
    return Yield(int(good.sum()), count, limited, (float(interval.low), float(interval.high)))


def difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Difference:
    """Returns the p values of equal means and equal spreads."""
    a, b = first[np.isfinite(first)], second[np.isfinite(second)]
    if min(len(a), len(b)) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Difference(None, None)
    mean = float(stats.ttest_ind(a, b, equal_var=False).pvalue)
    return Difference(mean, float(stats.levene(a, b, center="median").pvalue))
