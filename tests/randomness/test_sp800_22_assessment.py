"""The criteria of section 4.2, on made-up p-values and on real streams, good and bad."""

import numpy as np
import pytest
from scipy import stats

from ftj_spice.randomness.sp800_22 import TESTS, TestResult, assess, run_tests
from ftj_spice.randomness.sp800_22.assessment import proportion_counts, uniformity_p_value


def streams(values, test="frequency", labels=("",)):
    """Results of one test: one stream per row of `values`."""
    return [[TestResult(test, np.atleast_1d(np.asarray(row, float)), labels)] for row in values]


def even(number):
    return (np.arange(number) + 0.5) / number


@pytest.mark.parametrize(
    ("number", "low", "high"), [(1, 1, 1), (2, 1, 2), (10, 8, 10), (55, 52, 55), (100, 96, 100), (1000, 980, 999)]
)
def test_limits_of_the_proportion(number, low, high):
    # 4.2.1: 0.99 -+ 3 sqrt(0.99 * 0.01 / 1000) = 0.9805607 ... 0.9994392; 96 of 100 is what NIST's program prints.
    assert proportion_counts(number, 0.01) == (low, high)


def test_proportion():
    good = np.linspace(0.011, 1.0, 96)
    row = assess(streams([*good, *[0.001] * 4])).rows[0]
    assert (row.streams, row.proportion, row.limits) == (100, 0.96, (0.96, 1.0))
    assert row.passes
    assert not assess(streams([*good[:95], *[0.001] * 5])).rows[0].passes
    assert assess(streams([0.01])).passes  # P at alpha passes
    assert not assess(streams([0.0099])).passes
    # A thousand of a thousand is too good, as 4.2.1 has it.
    assert not assess(streams(0.02 + 0.98 * even(1000))).rows[0].passes


def test_uniformity():
    assert uniformity_p_value(np.full(10, 10)) == pytest.approx(1.0)
    histogram = np.array([20, 10, 10, 10, 10, 10, 10, 10, 5, 5])
    expected = stats.chisquare(histogram).pvalue
    assert uniformity_p_value(histogram) == pytest.approx(expected)
    row = assess(streams([1.0, 0.0, 0.1, 0.95, *even(96)])).rows[0]
    assert row.histogram.sum() == 100
    assert row.histogram[9] == 12  # 1.0 belongs to the last bin
    assert row.uniformity == pytest.approx(uniformity_p_value(row.histogram))
    crowded = assess(streams(0.5 + 0.1 * even(100))).rows[0]
    assert crowded.proportion == 1.0
    assert crowded.uniformity < 1e-4
    assert not crowded.passes


def test_uniformity_needs_55_streams():
    assert assess(streams([0.5] * 54)).rows[0].uniformity is None
    assert assess(streams([0.5] * 54)).passes
    assert assess(streams([0.5] * 55)).rows[0].uniformity < 1e-4
    assert not assess(streams([0.5] * 55)).passes


def test_only_streams_that_the_test_applies_to_count():
    results = (
        streams(even(60)) + [[TestResult("frequency", np.empty(0), (), applicable=False, reason="too short")]] * 40
    )
    assessment = assess(results)
    assert assessment.streams == 100
    assert assessment.rows[0].streams == 60
    assert assessment.inapplicable == {}
    none = assess(results[60:])
    assert none.rows == ()
    assert none.inapplicable == {"frequency": "too short"}
    assert not none.passes
    assert not assess([]).passes


def test_a_family_may_have_some_failing_rows():
    labels = tuple(f"template {k}" for k in range(148))
    values = np.tile(even(100)[:, None], (1, 148))

    def family(failing):
        bad = values.copy()
        bad[:, :failing] = 0.0
        assessment = assess(streams(bad, "non_overlapping_template", labels))
        (row,) = assessment.by_test()
        assert row.passes == assessment.passes
        assert assessment.all_rows_pass == (failing == 0)
        return row

    row = family(0)
    chance = stats.binom.cdf(95, 100, 0.99) + 1e-4
    assert row.expected == pytest.approx(148 * chance)
    assert stats.binom.sf(row.allowed, 148, chance) <= 0.01 < stats.binom.sf(row.allowed - 1, 148, chance)
    assert (row.rows, row.streams, row.failing) == (148, 100, 0)
    assert family(row.allowed).passes
    assert not family(row.allowed + 1).passes
    assert family(1).proportion == 0.0


def test_one_row_has_no_allowance():
    (row,) = assess(streams([0.0] * 100)).by_test()
    assert (row.allowed, row.failing, row.passes) == (0, 1, False)
    for number in (1, 2, 20, 100, 500):
        assert assess(streams(even(number))).by_test()[0].allowed == 0


@pytest.fixture(scope="module")
def calibration():
    """All tests on 200 streams of 1 Mbit from PCG64, fixed seed."""
    generator = np.random.default_rng(20100422)
    return assess([run_tests(generator.integers(0, 2, 1_000_000, dtype=np.uint8)) for _ in range(200)])


def test_p_values_of_a_good_generator_are_uniform(calibration):
    # 188 rows at 0.001/188 each: a false alarm in 1 of 1000 seeds, were the p-values continuous.
    assert len(calibration.rows) == 188
    worst = min(calibration.rows, key=lambda row: row.uniformity)
    assert worst.uniformity > 1e-3 / 188, worst
    assert calibration.passes  # family-wise: passes for about 9 of 10 seeds
    # The uniformities themselves, one row per test or family: 15 values, Kolmogorov-Smirnov at 0.001.
    first = {row.test: row.uniformity for row in reversed(calibration.rows)}
    assert len(first) == 15
    assert stats.kstest(list(first.values()), "uniform").pvalue > 1e-3


def test_templates_reject_a_good_generator_at_alpha(calibration):
    # 148 rows of 200 streams at alpha = 0.01, weakly dependent: 296 expected, 5 sigma of independent ones.
    rows = [row for row in calibration.rows if row.test == "non_overlapping_template"]
    failing = sum(round(row.streams * (1 - row.proportion)) for row in rows)
    assert abs(failing - 296) < 5 * np.sqrt(296)


def faulty(kind, generator, size=1_000_000):
    bits = generator.integers(0, 2, size, dtype=np.uint8)
    if kind == "bias":
        bits = (generator.random(size) < 0.51).astype(np.uint8)
    elif kind == "dwell":  # stays with probability 0.52
        bits = np.cumsum(generator.random(size) > 0.52).astype(np.uint8) % 2
    elif kind == "drift":  # the share of ones drifts, its mean does not
        bits = (generator.random(size) < 0.5 + 0.03 * np.sin(np.arange(size) * 6.28 / 2000)).astype(np.uint8)
    elif kind == "register":  # 31 stages
        stage = bits[:31].tolist()
        for _ in range(size):
            stage.append(stage[-31] ^ stage[-28])
        bits = np.array(stage[:size], np.uint8)
    elif kind == "short runs":  # ten ones are never followed by an eleventh
        run = np.lib.stride_tricks.sliding_window_view(bits, 11).all(axis=1)
        bits[10:][run] = 0
    elif kind == "repeats":
        bits = np.tile(bits[:4000], size // 4000)
    return bits


@pytest.mark.parametrize(
    ("kind", "sees"),
    [
        ("bias", {"frequency", "cumulative_sums", "runs", "approximate_entropy"}),
        ("dwell", {"runs", "serial", "approximate_entropy"}),
        ("drift", {"block_frequency"}),
        ("register", {"linear_complexity", "rank"}),
        ("short runs", {"longest_run", "overlapping_template"}),
        ("repeats", {"spectral", "universal", "serial", "non_overlapping_template"}),
    ],
)
def test_faulty_sources_fail_where_they_should(kind, sees):
    generator = np.random.default_rng(7)
    names = [name for name in TESTS if name in sees] + ["frequency"] * ("frequency" not in sees)
    assessment = assess([run_tests(faulty(kind, generator), names) for _ in range(4)])
    failing = {row.test for row in assessment.by_test() if not row.passes}
    assert sees <= failing
    assert not assessment.passes
