"""What many streams say together: section 4.2 of the publication.

Two questions per p-value (4.2.1, 4.2.2): does the expected share of the streams pass, and are the p-values uniform.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaincc

from ftj_spice.randomness.sp800_22.result import TestResult

UNIFORMITY_STREAMS = 55
"""Streams from which on uniformity can be judged (section 4.2.2)."""
UNIFORMITY_LIMIT = 1e-4
"""P-value of the p-values below which they are not uniform (section 4.2.2)."""
FAMILY_ALARM = 0.01
"""Chance that an ideal source gets more failing rows in one test than are allowed to it; see `FamilyRow`."""
_BINS = 10


@dataclass(frozen=True)
class AssessmentRow:
    """One p-value of one test over all streams.

    Attributes:
        test: Name of the test.
        label: Which of its p-values.
        streams: Streams to which the test applied.
        proportion: Share of them with p at or above alpha.
        limits: Lowest and highest share that passes. `(1 - a) -+ 3 sqrt(a (1 - a) / s)`, taken to counts and rounded
            down as NIST's program does (96 of 100 pass), with one stream that must pass at least. The upper limit is
            above 1, so that it is no limit, below 891 streams.
        uniformity: P-value of the p-values' chi-square over ten bins; none below 55 streams.
        histogram: The bins, shape `(10,)`.
        passes: Whether proportion and, where there is one, uniformity are within their limits.
    """

    test: str
    label: str
    streams: int
    proportion: float
    limits: tuple[float, float]
    uniformity: float | None
    histogram: NDArray[np.int64]
    passes: bool


@dataclass(frozen=True)
class FamilyRow:
    """All rows of one test.

    A test with 148 p-values has failing rows for an ideal source too: about 0.5 at 100 streams. The allowance is the
    smallest number that independent rows of an ideal source exceed with a chance of `FAMILY_ALARM` at most; it is 0
    for tests with one or two p-values once there are a few streams.

    Attributes:
        test: Name of the test.
        rows: P-values that it gives.
        streams: Streams to which it applied.
        failing: Rows that don't pass.
        expected: Failing rows that an ideal source would have on average.
        allowed: Failing rows up to which the test passes.
        proportion: Lowest of the rows.
        uniformity: Lowest of the rows.
        passes: Whether no more rows fail than are allowed.
    """

    test: str
    rows: int
    streams: int
    failing: int
    expected: float
    allowed: int
    proportion: float
    uniformity: float | None
    passes: bool


@dataclass(frozen=True)
class Assessment:
    """What many streams say together.

    Attributes:
        alpha: Level of a single p-value.
        streams: Streams given.
        rows: One per test and label, in the tests' order.
        inapplicable: Tests that applied to no stream, each with the first stream's reason.
    """

    alpha: float
    streams: int
    rows: tuple[AssessmentRow, ...]
    inapplicable: dict[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether every test passes with its allowance, and there is one that applied."""
        return bool(self.rows) and all(row.passes for row in self.by_test())

    @property
    def all_rows_pass(self) -> bool:
        """Whether every row passes: the publication's word, which good sources miss about every second time."""
        return bool(self.rows) and all(row.passes for row in self.rows)

    def by_test(self) -> tuple[FamilyRow, ...]:
        """Returns one row per test that applied."""
        return tuple(_family(name, self.alpha, rows) for name, rows in _grouped(self.rows).items())


def assess(per_stream: Sequence[Sequence[TestResult]], alpha: float = 0.01) -> Assessment:
    """Judges the results of several streams together.

    Args:
        per_stream: What `run_tests` gave for each stream.
        alpha: Level of a single p-value.

    Returns:
        The judgement. A stream to which a test does not apply does not count in that test's sample.
    """
    values: dict[tuple[str, str], list[float]] = {}
    reasons: dict[str, str] = {}
    for results in per_stream:
        for result in results:
            if not result.applicable:
                reasons.setdefault(result.test, result.reason)
            for label, p_value in zip(result.labels, result.p_values, strict=True):
                values.setdefault((result.test, label), []).append(float(p_value))
    rows = tuple(_row(test, label, np.array(p_values), alpha) for (test, label), p_values in values.items())
    seen = {row.test for row in rows}
    missing = {test: reason for test, reason in reasons.items() if test not in seen}
    return Assessment(alpha, len(per_stream), rows, missing)


def proportion_counts(streams: int, alpha: float) -> tuple[int, int]:
    """Returns the lowest and the highest number of passing streams that is accepted; see `AssessmentRow`."""
    width = 3.0 * math.sqrt(alpha * (1.0 - alpha) / streams)
    lowest = max(1, math.floor((1.0 - alpha - width) * streams))
    return lowest, min(streams, math.floor((1.0 - alpha + width) * streams))


def uniformity_p_value(histogram: NDArray[np.int64]) -> float:
    """Returns `igamc(9/2, chi2/2)` of the ten bins (section 4.2.2)."""
    expected = histogram.sum() / _BINS
    return float(gammaincc(0.5 * (_BINS - 1), 0.5 * np.sum((histogram - expected) ** 2) / expected))


def _row(test: str, label: str, p_values: NDArray[np.float64], alpha: float) -> AssessmentRow:
    streams = p_values.size
    histogram = np.bincount(np.minimum((p_values * _BINS).astype(int), _BINS - 1), minlength=_BINS)
    passing = int(np.count_nonzero(p_values >= alpha))
    low, high = proportion_counts(streams, alpha)
    uniformity = uniformity_p_value(histogram) if streams >= UNIFORMITY_STREAMS else None
    passes = low <= passing <= high and (uniformity is None or uniformity >= UNIFORMITY_LIMIT)
    limits = (low / streams, high / streams)
    return AssessmentRow(test, label, streams, passing / streams, limits, uniformity, histogram, passes)


def _grouped(rows: Sequence[AssessmentRow]) -> dict[str, list[AssessmentRow]]:
    families: dict[str, list[AssessmentRow]] = {}
    for row in rows:
        families.setdefault(row.test, []).append(row)
    return families


def _family(test: str, alpha: float, rows: Sequence[AssessmentRow]) -> FamilyRow:
    streams = rows[0].streams
    failing = sum(not row.passes for row in rows)
    low, high = proportion_counts(streams, alpha)
    chance = stats.binom.cdf(low - 1, streams, 1.0 - alpha) + stats.binom.sf(high, streams, 1.0 - alpha)
    chance += UNIFORMITY_LIMIT if streams >= UNIFORMITY_STREAMS else 0.0
    # One row alone is judged by the publication's limits, whatever their chance is.
    level = max(FAMILY_ALARM, chance * (1.0 + 1e-9))
    allowed = int(stats.binom.isf(level, len(rows), chance))
    uniformity = None if rows[0].uniformity is None else min(row.uniformity or 0.0 for row in rows)
    return FamilyRow(
        test,
        len(rows),
        streams,
        failing,
        float(chance) * len(rows),
        allowed,
        min(row.proportion for row in rows),
        uniformity,
        failing <= allowed,
    )
