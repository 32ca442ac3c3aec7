"""All traps of cells: their statistics, their streams, and how they enter the current."""

import numpy as np
import pytest
from scipy import stats

from ftj_spice.device.card import load_card
from ftj_spice.device.celltraps import LARGEST_DROP, draw_cell_traps
from ftj_spice.device.current import static_current
from ftj_spice.device.dwells import simulate_constant
from ftj_spice.device.moments import summed_moments, window_moments
from ftj_spice.device.traps import draw_candidates, simulate, temperature_factor
from ftj_spice.device.variability import draw_population

NOMINAL = load_card("hzo_mfis_nominal")


def test_one_dominant_trap_each_and_the_minor_ones_beside_it():
    cells = draw_cell_traps(NOMINAL, 500, 1)
    assert len(cells) == 500
    assert np.all(np.diff(cells.cell) >= 0)
    assert np.all(cells.weight[cells.dominant] == 1.0)
    assert [cells.streams[k] for k in cells.dominant] == [(c, 0) for c in range(500)]
    assert len(set(cells.streams)) == len(cells.traps) == len(cells.weight) == len(cells.cell)
    counts = np.bincount(cells.cell) - 1
    np.testing.assert_array_equal(counts, draw_population(NOMINAL, 500, 1).minor_traps)


def test_spreads_are_lognormal_with_the_cards_sigma():
    """20,000 cells: Kolmogorov-Smirnov at 1e-4 for times and amplitudes, dominant and minor: false alarm 4e-4."""
    card = NOMINAL.with_values(rtn_amplitude_off=0.001, rtn_amplitude_on=0.001)  # far from the cap
    cells = draw_cell_traps(card, 20_000, 2)
    minor = np.ones(len(cells.cell), bool)
    minor[cells.dominant] = False
    time = np.log(cells.traps.capture_time / card.capture_time) / card.time_constant_spread
    amplitude = np.log(cells.amplitude_factor) / card.rtn_amplitude_spread
    weak = np.log(cells.weight[minor] / card.minor_amplitude) / card.rtn_amplitude_spread
    for sample in (time[~minor], time[minor], amplitude, weak):
        assert stats.kstest(sample, "norm").pvalue > 1e-4
    np.testing.assert_allclose(
        cells.traps.emission_time / card.emission_time, cells.traps.capture_time / card.capture_time
    )


def test_a_smaller_set_begins_the_larger_one():
    many, few = draw_cell_traps(NOMINAL, 50, 3, (2,)), draw_cell_traps(NOMINAL, 20, 3, (2,))
    n = len(few.cell)
    np.testing.assert_array_equal(many.weight[:n], few.weight)
    np.testing.assert_array_equal(many.traps.capture_time[:n], few.traps.capture_time)
    np.testing.assert_array_equal(many.amplitude_factor[:20], few.amplitude_factor)
    assert many.streams[:n] == few.streams
    assert few.streams[0] == (2, 0, 0)


def test_the_dominant_traps_follow_the_population():
    population = draw_population(NOMINAL, 30, 4)
    cells = draw_cell_traps(NOMINAL, 30, 4)
    given = draw_cell_traps(NOMINAL, 30, 4, population=population)
    np.testing.assert_array_equal(given.weight, cells.weight)
    np.testing.assert_allclose(
        cells.traps.capture_time[cells.dominant], NOMINAL.capture_time * population.time_constant_factor
    )


def test_no_cell_loses_more_than_the_cap():
    wild = NOMINAL.with_values(rtn_amplitude_off=0.6, rtn_amplitude_on=0.7, rtn_amplitude_spread=1.5, minor_traps=5.0)
    cells = draw_cell_traps(wild, 2000, 1)
    x = cells.load(np.ones(len(cells.cell)))
    assert x.max() * 0.7 == pytest.approx(LARGEST_DROP)
    assert (x * 0.7 <= LARGEST_DROP * (1 + 1e-12)).all()
    for s in (-1.0, 0.0, 1.0):
        assert np.all(static_current(wild, 0.5, s, trap=x) > 0)
    # cells below the cap keep their amplitude
    free = x * 0.7 < 0.9 * LARGEST_DROP
    np.testing.assert_allclose(cells.amplitude_factor[free], draw_population(wild, 2000, 1).rtn_amplitude_factor[free])


def test_no_minor_traps():
    cells = draw_cell_traps(NOMINAL.with_values(minor_traps=0.0), 7, 1)
    assert cells.weight.tolist() == [1.0] * 7
    assert cells.dominant.tolist() == list(range(7))


def test_temperature_reaches_every_trap():
    cold, warm = (draw_cell_traps(NOMINAL, 5, 1, temperature=t) for t in (300.0, 340.0))
    ratio = warm.traps.capture_time / cold.traps.capture_time
    np.testing.assert_allclose(ratio, temperature_factor(NOMINAL, 340.0))
    assert ratio[0] < 0.2


def test_they_fit_both_simulators_and_the_moments():
    """Window averages of x over 3,000 like cells: mean and variance within 4.5 sigma of the summed cumulants.

    No spread of times, so that all cells but for their weights are alike; false alarm 3e-5.
    """
    card = NOMINAL.with_values(time_constant_spread=0.0, rtn_amplitude_spread=0.0, minor_traps=1.5)
    n, window = 3000, 3e-3
    cells = draw_cell_traps(card, n, 6)
    one = window_moments(np.full(len(cells.cell), 0.5), cells.traps.relaxation_time(1.5), window)
    model = summed_moments(one, cells.weight, cells.cell, n)
    edges = np.array([0.0, window])
    direct = simulate_constant(cells.traps, 1.5, window, 1, cells.streams)
    thinned = simulate(draw_candidates(cells.traps, window, (0.0, 1.5), 1, cells.streams, 1.5), [0.0], [1.5])
    for history in (direct, thinned):
        x = cells.load([history.averages(k, edges)[0] for k in range(len(cells.cell))])
        assert abs(np.sum(x - model.mean)) < 4.5 * np.sqrt(np.sum(model.variance))
        y = (x - model.mean) ** 2 - model.variance
        assert abs(y.sum()) < 4.5 * np.sqrt(np.sum(model.fourth - model.variance**2))
