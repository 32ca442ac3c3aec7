"""Spreads: their distributions, their streams, and what the area does."""

import numpy as np
import pytest
from scipy import stats

from ftj_spice.device.card import load_card
from ftj_spice.device.variability import Population, cycle_sigma, cycle_to_cycle, draw_population

NOMINAL = load_card("hzo_mfis_nominal")
FIELDS = list(Population.__dataclass_fields__)


def arrays(population):
    return {name: getattr(population, name) for name in FIELDS}


def test_distributions():
    """20,000 cells, Kolmogorov-Smirnov at 1e-4 for six quantities, chi-squared at 1e-4 for the seventh: 7e-4."""
    n = 20_000
    drawn = draw_population(NOMINAL, n, 1)
    assert len(drawn) == n
    for name, sigma in (
        ("on_factor", NOMINAL.on_spread),
        ("off_factor", NOMINAL.off_spread),
        ("rtn_amplitude_factor", NOMINAL.rtn_amplitude_spread),
        ("time_constant_factor", NOMINAL.time_constant_spread),
    ):
        assert stats.kstest(np.log(getattr(drawn, name)) / sigma, "norm").pvalue > 1e-4, name
    for name, sigma in (("activation_scale", 0.05), ("remanent_scale", 0.05)):
        assert stats.kstest((getattr(drawn, name) - 1) / sigma, "norm").pvalue > 1e-4, name
    counts = np.bincount(np.minimum(drawn.minor_traps, 7), minlength=8)
    expected = n * np.append(stats.poisson.pmf(np.arange(7), 2.0), stats.poisson.sf(6, 2.0))
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_quantities_are_independent():
    """21 pairs of 20,000 within 4.5 sigma: false alarm 1.4e-4."""
    drawn = arrays(draw_population(NOMINAL, 20_000, 2))
    ranks = stats.spearmanr(np.stack([drawn[name] for name in FIELDS], axis=1)).statistic
    assert np.abs(ranks - np.eye(len(FIELDS))).max() < 4.5 / np.sqrt(20_000)


def test_a_larger_population_begins_with_the_smaller_one():
    many, few = (arrays(draw_population(NOMINAL, n, 3, (1, 2))) for n in (100, 30))
    for name in FIELDS:
        np.testing.assert_array_equal(many[name][:30], few[name])
    for other in (draw_population(NOMINAL, 30, 4, (1, 2)), draw_population(NOMINAL, 30, 3, (1,))):
        assert not np.array_equal(other.on_factor, few["on_factor"])


def test_a_quantitys_draws_do_not_depend_on_the_others_spread():
    plain = draw_population(NOMINAL, 50, 3)
    changed = draw_population(NOMINAL.with_values(on_spread=0.0, minor_traps=0.0, coercive_spread=0.0), 50, 3)
    assert np.all(changed.on_factor == 1)
    assert np.all(changed.activation_scale == 1)
    assert np.all(changed.minor_traps == 0)
    for name in ("off_factor", "remanent_scale", "rtn_amplitude_factor", "time_constant_factor"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(changed, name))


def test_currents_spread_with_one_over_the_root_of_the_area():
    plain, large = (draw_population(NOMINAL.with_values(area=a), 50, 3) for a in (1e-12, 16e-12))
    for name in ("on_factor", "off_factor"):
        np.testing.assert_allclose(np.log(getattr(large, name)), np.log(getattr(plain, name)) / 4, rtol=1e-9)
    for name in ("activation_scale", "remanent_scale", "rtn_amplitude_factor"):
        np.testing.assert_array_equal(getattr(large, name), getattr(plain, name))


@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.5])
def test_fields_and_polarizations_are_cut(sigma):
    card = NOMINAL.with_values(coercive_spread=sigma, remanent_spread=sigma)
    drawn = draw_population(card, 200_000, 5)
    for factor in (drawn.activation_scale, drawn.remanent_scale):
        assert np.abs(factor - 1).max() <= min(4 * sigma, 0.95)
        assert factor.min() >= 0.05
        assert factor.mean() == pytest.approx(1.0, abs=5 * sigma / np.sqrt(200_000))


def test_minor_traps_rise_with_their_mean():
    few, many = (draw_population(NOMINAL.with_values(minor_traps=m), 2000, 1).minor_traps for m in (2.0, 40.0))
    assert np.all(many > few)
    assert many.mean() == pytest.approx(40.0, abs=5 * np.sqrt(40 / 2000))


def test_cycle_sigma_depends_on_the_state():
    x = np.linspace(0, 1, 301)
    sigma = cycle_sigma(NOMINAL, x)
    assert sigma[0] == sigma[-1] == NOMINAL.cycle_spread
    assert sigma.max() == pytest.approx(1.5 * NOMINAL.cycle_spread)
    assert x[sigma.argmax()] == pytest.approx(1 / 3)
    assert cycle_sigma(NOMINAL, 0.5) > 1.4 * NOMINAL.cycle_spread


def test_cycles_spread_states_within_the_range():
    """20,000 draws per state: sigma within 4.5 standard errors (2.3 %), false alarm 2e-5."""
    states = np.repeat([0.0, 0.3, 0.5, 0.8, 1.0], 20_000).reshape(5, -1)
    got = cycle_to_cycle(NOMINAL, states, 1)
    assert got.shape == states.shape
    assert (got.min(), got.max()) == (0.0, 1.0)
    for row, x in zip(got[1:4], (0.3, 0.5, 0.8), strict=True):
        sigma = float(cycle_sigma(NOMINAL, x))
        assert row.std() == pytest.approx(sigma, rel=4.5 / np.sqrt(2 * 20_000))
        assert row.mean() == pytest.approx(x, abs=4.5 * sigma / np.sqrt(20_000))
    assert (got[0] == 0).mean() == pytest.approx(0.5, abs=0.02)  # clipped
    np.testing.assert_array_equal(got, cycle_to_cycle(NOMINAL, states, 1))
    assert not np.array_equal(got, cycle_to_cycle(NOMINAL, states, 1, (1,)))
    np.testing.assert_array_equal(cycle_to_cycle(NOMINAL.with_values(cycle_spread=0.0), states, 1), states)


@pytest.mark.parametrize("state", [-0.1, 1.1])
def test_states_outside_the_range_are_refused(state):
    with pytest.raises(ValueError, match="from 0 to 1"):
        cycle_to_cycle(NOMINAL, [0.5, state], 1)
