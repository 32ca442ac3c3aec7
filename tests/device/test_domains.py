"""The stochastic model against the closed form, and what its draws may depend on."""

import numpy as np
import pytest
from scipy import stats

from ftj_spice.device.card import load_card
from ftj_spice.device.domains import DomainSwitching
from ftj_spice.device.switching import MeanSwitching, switched_fraction
from ftj_spice.device.waveform import Waveform

NOMINAL = load_card("hzo_mfis_nominal")
SET_A = load_card("switching_set_a")
SET_D = load_card("switching_set_d")

TRAIN = Waveform.pulses([3.2, -2.8, 3.0, -3.5], 1e-6, 1e-7, 1e-7)


def test_set_a_table():
    """2e5 domains: sigma of a fraction at most 1.1e-3, so 0.01 is 9 sigma."""
    expected = [[0.010, 0.071, 0.180], [0.225, 0.735, 0.890], [0.704, 0.967, 0.987], [0.919, 0.994, 0.998]]
    for k, field in enumerate([1.0e8, 1.5e8, 2.0e8, 2.5e8]):
        cell, done = DomainSwitching(SET_A, seed=k, domains=200_000), 0.0
        for time, fraction in zip((1e-6, 1e-5, 1e-4), expected[k], strict=True):
            cell.step(time - done, field * SET_A.ferroelectric_thickness)
            done = time
            assert 0.5 * (1 + cell.normalised[0]) == pytest.approx(fraction, abs=0.01)


def test_fluctuations_are_binomial():
    """Up domains of 2000 cells of 100, against the binomial: mean within 4 sigma, variance in chi2's 1e-4 tails.

    The mean over the activation fields of one cell is drawn with it, so each domain is an independent trial.
    """
    cells = 2000
    population = DomainSwitching(NOMINAL, cells, seed=5)
    assert population.domains == 100
    population.step(1e-6, 3.0)
    p = float(switched_fraction(NOMINAL, NOMINAL.electrostatics.field(3.0), 1e-6, 100_000))
    counts = 50 * (1 + population.normalised)
    assert abs(counts.mean() - 100 * p) < 4 * np.sqrt(100 * p * (1 - p) / cells)
    spread = counts.var(ddof=1) / (100 * p * (1 - p))
    assert 1e-4 < stats.chi2.cdf(spread * (cells - 1), cells - 1) < 1 - 1e-4


@pytest.mark.parametrize("card", [NOMINAL, SET_D], ids=["nominal", "offsets"])
def test_a_cell_depends_on_seed_and_number_alone(card):
    many, few = (DomainSwitching(card, n, seed=7, index=(3,)) for n in (6, 2))
    np.testing.assert_array_equal(many.apply(TRAIN)[:, :2], few.apply(TRAIN))
    for other in (DomainSwitching(card, 2, seed=8, index=(3,)), DomainSwitching(card, 2, seed=7, index=(4,))):
        assert not np.array_equal(other.apply(TRAIN), few.apply(TRAIN))


@pytest.mark.parametrize("voltage", [3.0, -3.0])
@pytest.mark.parametrize("card", [NOMINAL, SET_D], ids=["nominal", "offsets"])
def test_a_constant_field_in_parts_is_the_field(card, voltage):
    """The budget is used up at the same clock: the same domains flip, unless one lies within a rounding error of it.

    With offset fields some domains flip more than once; their draws then come in another order, so only a single
    direction is asked of the first card.
    """
    whole, split = (DomainSwitching(card, 4, seed=2, up=0.5, domains=500) for _ in range(2))
    whole.step(1e-6, voltage)
    for _ in range(10):
        split.step(1e-7, voltage)
    np.testing.assert_array_equal(whole.normalised, split.normalised)


def test_runs_down_and_resets():
    """An opposite pulse takes back a history: of two like pulses, one in between, the second does less."""
    plain, wiped = (DomainSwitching(NOMINAL, seed=1, domains=20_000) for _ in range(2))
    plain.step(3e-8, 3.5)
    plain.step(3e-8, 3.5)
    wiped.step(3e-8, 3.5)
    first = wiped.normalised[0]
    wiped.step(1e-5, -4.0)
    assert wiped.normalised[0] == pytest.approx(-1.0, abs=0.01)
    wiped.step(3e-8, 3.5)
    assert wiped.normalised[0] == pytest.approx(first, abs=0.03)
    assert wiped.normalised[0] < plain.normalised[0] - 0.1


def test_depolarization_follows_the_mean_model():
    """Within 0.015 of the fraction, closure and sampling together."""
    card = NOMINAL.with_values(interface_compensation=0.95)
    domains = DomainSwitching(card, seed=1, domains=20_000).apply(TRAIN, TRAIN.times)[:, 0]
    mean = MeanSwitching(card).apply(TRAIN, TRAIN.times)[:, 0]
    assert np.abs(domains - mean).max() / 2 < 0.015


def test_nothing_happens_without_a_field_or_towards_saturation():
    cell = DomainSwitching(NOMINAL, seed=1, domains=1000)
    for voltage in (0.0, -4.0):
        cell.step(1.0, voltage)
        assert cell.normalised[0] == -1.0


def test_start_and_scales():
    cells = DomainSwitching(
        NOMINAL, 3, seed=1, domains=10_000, up=0.3,
        activation_scale=np.array([0.8, 1.0, 1.2]), remanent_scale=np.array([1.0, 0.5, 2.0]),
    )  # fmt: skip
    np.testing.assert_allclose(cells.normalised, -0.4, atol=0.05)  # 4 sigma: 0.037
    np.testing.assert_allclose(cells.polarization / cells.normalised, 0.2 * np.array([1.0, 0.5, 2.0]))
    cells.step(1e-6, 2.7)
    assert np.all(np.diff(cells.normalised) < -0.1)  # higher barriers, less switched


def test_domains_go_with_the_area():
    assert DomainSwitching(NOMINAL.with_values(area=4e-12)).domains == 400
    assert DomainSwitching(NOMINAL.with_values(area=1e-15)).domains == 1


def test_apply_gives_the_times_asked_for():
    cell = DomainSwitching(NOMINAL, 2, seed=1)
    times = np.array([0.0, 1e-6, TRAIN.duration])
    out = cell.apply(TRAIN, times)
    assert out.shape == (3, 2)
    np.testing.assert_array_equal(out[-1], cell.normalised)
    np.testing.assert_array_equal(out[0], [-1.0, -1.0])


def test_a_cell_with_depolarization_does_not_see_its_neighbours():
    card = NOMINAL.with_values(interface_compensation=0.95)
    together, alone = DomainSwitching(card, 4, seed=5), DomainSwitching(card, 1, seed=5)
    for cells in (together, alone):
        cells.step(1e-7, 3.5)
    assert together.normalised[0] == alone.normalised[0]
