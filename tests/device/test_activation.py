"""Distributions of the activation field against their densities, and the groups against the whole distribution."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from ftj_spice.device.activation import GROUPS, SMALLEST_FIELD, activation_quantile, domain_groups
from ftj_spice.device.card import load_card

SETS = ["hzo_mfis_nominal"] + [f"switching_set_{s}" for s in "abcde"]


@pytest.mark.parametrize("name", ["switching_set_a", "switching_set_b", "switching_set_c", "switching_set_d"])
def test_gb2_quantiles_invert_the_published_density(name):
    card = load_card(name)
    a, b, p, q = card.gb2_a, card.activation_scale, card.gb2_p, card.gb2_q

    def density(y):  # y = x / b
        return a * y ** (a * p - 1) / (special.beta(p, q) * (1 + y**a) ** (p + q))

    for probability in (0.05, 0.5, 0.9):
        upper = float(activation_quantile(card, probability)) / b
        assert integrate.quad(density, 0, upper, epsabs=1e-10)[0] == pytest.approx(probability, abs=1e-7)


def test_normal_quantiles_and_their_floor():
    card = load_card("hzo_mfis_nominal")
    p = np.array([0.01, 0.5, 0.99])
    np.testing.assert_allclose(
        activation_quantile(card, p), stats.norm.ppf(p, card.activation_mean, card.activation_sigma), rtol=1e-12
    )
    wide = card.with_values(activation_sigma=1e9)
    assert activation_quantile(wide, 0.01) == SMALLEST_FIELD


@pytest.mark.parametrize("name", SETS)
def test_groups_stand_for_the_distribution(name):
    card = load_card(name)
    groups = domain_groups(card)
    assert len(groups) == GROUPS
    assert groups.weight.sum() == pytest.approx(1.0)
    assert np.all(np.diff(groups.activation_field) > 0)
    whole = activation_quantile(card, (np.arange(100_000) + 0.5) / 100_000)
    # the mean of the logarithm: the plain mean of a heavy-tailed set does not say how much switches
    assert np.sum(groups.weight * np.log(groups.activation_field)) == pytest.approx(np.log(whole).mean(), abs=0.02)


def test_offset_fields_have_the_cards_sigma_and_no_bias():
    card = load_card("switching_set_d")
    groups = domain_groups(card)
    assert np.sum(groups.weight * groups.offset_field) == pytest.approx(0.0, abs=1.0)
    sigma = np.sqrt(np.sum(groups.weight * groups.offset_field**2))
    assert sigma == pytest.approx(card.offset_field_spread, rel=1e-12)
    together = np.sum(groups.weight * groups.offset_field * (groups.activation_field - 2e8))
    apart = sigma * np.sqrt(np.sum(groups.weight * (groups.activation_field - 2e8) ** 2))
    assert abs(together / apart) < 0.2  # nearly independent of the activation field
    assert domain_groups(card, 1).offset_field.tolist() == [0.0]
    assert not domain_groups(load_card("switching_set_a")).offset_field.any()
