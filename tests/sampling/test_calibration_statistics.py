"""Running statistics and distances to the normal against numpy, scipy and exact values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from ftj_spice.sampling.calibration.statistics import Figures, Running, expected_distance, kolmogorov

RNG = np.random.default_rng(5)


def test_figures_are_numpys_and_scipys():
    values = RNG.gamma(3.0, size=(3, 500))
    f = Figures.of(values)
    np.testing.assert_allclose(f.mean, values.mean(axis=1))
    np.testing.assert_allclose(f.sigma, values.std(axis=1))
    np.testing.assert_allclose(f.skewness, stats.skew(values, axis=1))
    np.testing.assert_allclose(f.kurtosis, stats.kurtosis(values, axis=1))
    y = values - values.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(f.autocorrelation, (y[:, 1:] * y[:, :-1]).mean(axis=1) / values.var(axis=1))


def test_a_column_that_does_not_move_counts_as_fully_correlated():
    f = Figures.of(np.full((1, 50), 7, np.int16))
    assert f.autocorrelation == 1.0 and f.sigma == 0.0 and f.skewness == 0.0 and f.kurtosis == 0.0


def test_kolmogorov_distance_is_scipys():
    z = RNG.normal(0.1, 1.2, (4, 300))
    expected = [stats.kstest(row, "norm").statistic for row in z]
    np.testing.assert_allclose(kolmogorov(z), expected, rtol=1e-12)
    assert kolmogorov(np.zeros((1, 10)))[0] == pytest.approx(0.5)  # one step at 0
    assert kolmogorov(np.full((1, 10), 9.0))[0] == pytest.approx(1.0)


def test_expected_distance_is_that_of_weakly_skewed_laws():
    """A gamma law of shape a has skewness 2/sqrt(a) and excess kurtosis 6/a."""
    for shape in (60.0, 250.0):
        u = np.linspace(-4, 4, 8001)
        exact = np.max(np.abs(stats.gamma.cdf(shape + np.sqrt(shape) * u, shape) - special.ndtr(u)))
        one = np.ones(1)
        found = expected_distance(Figures(one, one, one, one * 2 / np.sqrt(shape), one * 6 / shape))
        assert found[0] == pytest.approx(exact, rel=0.03)


@given(
    st.lists(st.integers(-128, 127), min_size=1, max_size=60),
    st.integers(0, 60),
)
def test_statistics_that_never_forget_are_those_of_all_samples_however_they_come(codes, cut):
    values = np.array([codes], np.int16)
    _, whole = Running.start(1).follow(values, 0)
    assert whole.count == len(codes)
    np.testing.assert_allclose(whole.mean, values.mean(), atol=1e-9)
    np.testing.assert_allclose(whole.variance, values.var(), atol=1e-7)
    first, running = Running.start(1).follow(values[:, :cut], 0)
    second, running = running.follow(values[:, cut:], 0)
    np.testing.assert_allclose(running.mean, whole.mean)
    latents, _ = Running.start(1).follow(values, 0)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), latents)


def test_forgetting_statistics_are_exponentially_weighted():
    values = RNG.integers(-50, 50, (1, 400)).astype(np.int16)
    memory, start = 20, Running(np.array([3.0]), np.array([9.0]), 1000)
    latents, after = start.follow(values, memory)
    mean, variance = 3.0, 9.0
    for k, x in enumerate(values[0].tolist()):
        assert latents[0, k] == pytest.approx((x - mean) / np.sqrt(variance))
        new = mean + (x - mean) / memory
        variance = (1 - 1 / memory) * (variance + (x - mean) ** 2 / memory)
        mean = new
    assert after.mean[0] == pytest.approx(mean) and after.variance[0] == pytest.approx(variance)


def test_fixed_statistics_stay():
    values = RNG.integers(-50, 50, (2, 30)).astype(np.int16)
    start = Running(np.array([1.0, 2.0]), np.array([4.0, 0.0]), 7)
    latents, after = start.follow(values, 5, adapt=False)
    np.testing.assert_allclose(latents[0], (values[0] - 1.0) / 2.0)
    assert (latents[1] == 0.0).all()  # nothing is known of its spread
    assert after.count == 7 and (after.mean == start.mean).all() and (after.variance == start.variance).all()
