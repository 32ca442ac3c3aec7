"""The exact law of a column: against its moments, the binomial of still traps, and random sums."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from ftj_spice.device.moments import WindowMoments, window_moments
from ftj_spice.device.occupation import WindowLaw
from ftj_spice.sampling.array import ColumnMoments
from ftj_spice.sampling.distribution import BESIDE, ColumnLaw, min_entropy, shannon_entropy


def standardised(weight, occupancy, relaxation, window):
    moments = window_moments(occupancy, relaxation, window)
    return np.asarray(weight) / np.sqrt(np.sum(np.asarray(weight) ** 2 * moments.variance))


def column(rows=16, occupancy=0.5, windows=10.0, weight=-1.0):
    p, tau = np.full(rows, occupancy), np.ones(rows)
    return ColumnLaw.of(standardised(np.full(rows, weight), p, tau, windows), p, tau, windows)


UNEQUAL = (np.array([-1.0, 0.4, -2.2, 0.7, -0.1]), np.array([0.3, 0.6, 0.15, 0.9, 0.5]),
           np.array([0.2, 1.0, 5.0, 0.03, 2.0]))  # fmt: skip


@pytest.mark.parametrize("window", [0.01, 0.5, 20.0])
def test_moments_are_those_of_the_cells(window):
    weight, p, tau = UNEQUAL
    weight = standardised(weight, p, tau, window)
    law = ColumnLaw.of(weight, p, tau, window)
    cells = window_moments(p, tau, window)
    turned = WindowMoments(*(getattr(cells, name)[:, None] for name in WindowMoments.__dataclass_fields__))
    closed = ColumnMoments.of_sum(np.zeros(1), weight[:, None], turned)
    mass, x = law.atoms + law.spread, law.nodes
    assert mass.sum() == pytest.approx(1.0, abs=1e-9)
    assert np.sum(mass * x) == pytest.approx(0.0, abs=1e-7)
    assert law.sigma == pytest.approx(1.0, abs=2e-5)
    assert np.sum(mass * x**3) == pytest.approx(closed.skewness[0], abs=1e-4)
    assert np.sum(mass * x**4) - 3.0 == pytest.approx(closed.kurtosis[0], abs=3e-4)


def test_still_traps_are_binomial():
    rows, p = 16, 0.3
    law = column(rows, p, 1e-6, weight=2.0)
    filled = np.arange(rows + 1)
    value = (filled - rows * p) / np.sqrt(rows * p * (1 - p))
    np.testing.assert_allclose(law.cdf(value + 1e-4), binom.cdf(filled, rows, p), atol=2e-5)
    np.testing.assert_allclose(law.cdf(value - 1e-4, below=True), binom.cdf(filled - 1, rows, p), atol=2e-5)
    assert law.atoms.sum() == pytest.approx(1.0, abs=1e-4)
    jumps = np.stack([binom.cdf(filled, rows, p), binom.cdf(filled - 1, rows, p)]) - norm.cdf(value)
    far = law.farthest()
    assert far.distance == pytest.approx(np.abs(jumps).max(), abs=1e-4)
    assert np.min(np.abs(value - far.value)) == pytest.approx(BESIDE, rel=0.1)  # beside an atom, not on it


def test_distribution_function_is_that_of_random_sums():
    """A million sums of draws of each cell's own law; 4.5 sigma at 25 places."""
    weight, p, tau = UNEQUAL
    window, count = 0.8, 1_000_000
    weight = standardised(weight, p, tau, window)
    rng = np.random.default_rng(5)
    total = np.zeros(count)
    for w, occupancy, time in zip(weight, p, tau, strict=True):
        cell = WindowLaw.of(occupancy, time, window)
        first, masses = cell.masses(1e-4)
        total += w * (1e-4 * rng.choice(first + np.arange(len(masses)), count, p=masses / masses.sum()) - occupancy)
    law = ColumnLaw.of(weight, p, tau, window)
    # Half-way between any two sums of still cells, where nothing jumps.
    still = np.unique(np.round([weight @ (np.array(s) - p) for s in np.ndindex(*[2] * 5)], 9))
    gaps = np.argsort(np.diff(still))[-25:]
    places = 0.5 * (still[gaps] + still[gaps + 1])
    exact = law.cdf(places)
    found = np.array([np.mean(total <= x) for x in places])
    assert np.all(np.abs(found - exact) < 4.5 * np.sqrt(exact * (1 - exact) / count) + 1e-4)


def test_many_fast_cells_are_nearly_normal_and_skewness_says_how_far():
    """Edgeworth's first term: distance about |skewness| / 6 times the largest |x^2 - 1| of the density, at 0."""
    law = column(16, 0.8, 400.0)
    mass, x = law.atoms + law.spread, law.nodes
    skewness = float(np.sum(mass * x**3))
    far = law.farthest()
    assert far.distance == pytest.approx(abs(skewness) / 6 / np.sqrt(2 * np.pi), rel=0.03)
    assert abs(far.value) < 0.1 and far.sign == (1 if skewness > 0 else -1)
    assert column(16, 0.5, 400.0).farthest().distance < 0.1 * far.distance  # no skewness at half filling


def test_codes_of_a_normal_value_have_the_entropy_of_a_normal():
    law = column(16, 0.5, 400.0)
    thresholds = np.arange(-127, 128) / 32.0
    codes = law.codes(thresholds)
    assert codes.shape == (256,) and codes.sum() == pytest.approx(1.0)
    assert shannon_entropy(codes) == pytest.approx(np.log2(32 * np.sqrt(2 * np.pi * np.e)), abs=2e-3)
    assert min_entropy(codes) == pytest.approx(-np.log2(norm.pdf(0) / 32), abs=2e-3)
    assert shannon_entropy(np.array([0.5, 0.0, 0.5])) == 1.0


def test_a_value_at_a_threshold_has_the_code_above_it():
    law = column(4, 0.5, 1e-9, weight=1.0)
    assert law.codes(np.array([0.0])) == pytest.approx([5 / 16, 11 / 16], abs=1e-4)


def test_a_single_cell_far_from_half_filling_keeps_its_far_atom():
    law = column(1, 1e-4, 1e-3)
    assert law.atoms.sum() == pytest.approx(1.0, abs=1e-3)
    assert law.cdf(-50.0) == pytest.approx(1e-4, rel=1e-2)  # filled, a hundred standard deviations away
