"""Sums over simulated columns: against trap histories, and against the closed forms of an array whose cells differ."""

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.common.seeds import seed_sequence
from ftj_spice.device.dwells import simulate_constant
from ftj_spice.device.streams import stream_words
from ftj_spice.device.traps import Traps
from ftj_spice.sampling import tallies
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.figures import (
    QUANTITIES,
    evaluate,
    gaussian_information,
    gaussian_pair_information,
    jackknife,
    pair_information,
)
from ftj_spice.sampling.point import make_point, solve_columns
from ftj_spice.sampling.settings import SampleSettings

CARD = ftj.load_card("hzo_mfis_nominal")


def point_of(columns=2, **values):
    settings = SampleSettings(**values)
    array = SamplingArray.draw(CARD, settings, columns, 3)
    return make_point(array, settings, solve_columns(array, settings))


def words_of(units, rows, seed=4):
    return seed_sequence(seed, "test-tally").generate_state(units * rows, np.uint64).reshape(units, rows)


def test_sums_are_those_of_the_dwells_histories():
    rows, samples = 5, 40
    point = point_of(1, rows=rows, voltage=1.45, time=2e-3, amplitude_spread=1.0)
    streams = [(k,) for k in range(rows)]
    traps = Traps.from_card(CARD, rows)
    history = simulate_constant(traps, 1.45, (samples + 2) * point.period, 9, streams)
    edges = np.arange(samples + 1) * point.period
    begins = np.sort(np.concatenate([edges[:-1] + point.table.pause, edges[1:]]))
    z = np.zeros(samples)
    filled = 0.0
    for k in range(rows):
        weight, p = point.table.weight[0, k], point.table.occupancy[0, k]
        z += weight * (history.averages(k, begins)[::2] - p)
        filled += weight * (history.averages(k, edges[[0, -1]])[0] - p)
    found = tallies.tally(stream_words(9, "dwell", streams)[None], 0, point.table, samples)
    means = found.means[0]
    assert means[:4] == pytest.approx([np.mean(z**n) for n in (1, 2, 3, 4)], rel=1e-9)
    assert means[tallies.FILLED] == pytest.approx(filled, rel=1e-9)
    for k, lag in enumerate(tallies.LAGS):
        assert means[tallies.FILLED + 1 + k] == pytest.approx(np.mean(z[:-lag] * z[lag:]), rel=1e-9)
    assert means[tallies.BELOW] == np.mean(z <= point.table.place[0])
    codes = np.searchsorted(point.table.thresholds[0], z, side="right") - 128
    assert means[tallies.SURPRISAL] == pytest.approx(np.mean(point.table.surprisal[0, codes + 128]), rel=1e-12)
    assert means[tallies.MODAL] == np.mean(
        (codes + 128 >= point.table.modal[0, 0]) & (codes + 128 <= point.table.modal[0, 1])
    )
    latents = point.table.latent_offset[0] + point.table.latent_gain[0] * codes
    assert means[tallies.LATENT] == pytest.approx(latents.mean(), rel=1e-9)
    assert found.histogram.sum() == samples and found.pairs.sum() == samples - 1
    octile = np.searchsorted(tallies.OCTILES, z, side="right")
    np.testing.assert_array_equal(found.pairs[0, octile[0], octile[1]] > 0, True)


def test_blocks_join_to_the_same_sums():
    point = point_of(3, rows=4, current_spread=1.0)
    whole = tallies.tally(words_of(9, 4), 0, point.table, 64)
    words = words_of(9, 4)
    joined = tallies.join([tallies.tally(words[a:b].copy(), a, point.table, 64) for a, b in ((0, 2), (2, 7), (7, 9))])
    np.testing.assert_array_equal(whole.means, joined.means)
    np.testing.assert_array_equal(whole.histogram, joined.histogram)
    np.testing.assert_array_equal(whole.pairs, joined.pairs)


def test_a_unit_needs_pairs_at_every_lag():
    with pytest.raises(ValueError, match="at least 32 samples"):
        tallies.tally(words_of(1, 4), 0, point_of(1, rows=4).table, 31)


@pytest.mark.parametrize(
    "values",
    [
        {"rows": 16, "voltage": 1.2, "time": 1e-4},
        {"rows": 16, "voltage": 1.5, "time": 5e-4},
        {"rows": 4, "voltage": 1.65, "time": 5e-3, "adc_bits": 5, "reset_fraction": 0.3},
        {"rows": 16, "time": 2e-3, "adc_bits": 14},
        {"rows": 6, "time": 2e-3, "amplitude_spread": 1.0, "current_spread": 1.0, "time_constant_spread": 0.5},
    ],
    ids=str,
)
def test_figures_agree_with_their_closed_forms(values):
    """All figures of four points within 5 of their standard errors: a false alarm once in some ten thousand seeds."""
    point = point_of(4, **values)
    found = evaluate(point, tallies.tally(words_of(128, values["rows"], 8), 0, point.table, 1500))
    assert list(found) == list(QUANTITIES)
    for name, quantity in QUANTITIES.items():
        if quantity.tested:
            assert found[name].error > 0, name
            assert abs(found[name].deviation) < 5.0, (name, found[name])


def test_wrong_closed_forms_are_seen():
    """The same sums against the closed forms of a slightly longer time: the deviations say so."""
    table = point_of(4, rows=16, time=1e-3).table
    found = tallies.tally(words_of(128, 16), 0, table, 1500)
    deviations = evaluate(point_of(4, rows=16, time=1.1e-3), found)
    assert abs(deviations["autocorrelation_1"].deviation) > 6


def test_jackknife_gives_the_classical_errors_of_mean_and_variance():
    """For the mean its error is exactly s / sqrt(n); for the variance the bias of dividing by n goes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    means = np.stack([x, x**2], axis=1)
    pooled, without = means.mean(axis=0), (means.sum(axis=0) - means) / (len(x) - 1)
    value, error = jackknife(lambda m: {"mean": m[..., 0], "variance": m[..., 1] - m[..., 0] ** 2}, pooled, without)
    assert value["mean"] == pytest.approx(x.mean())
    assert error["mean"] == pytest.approx(x.std(ddof=1) / np.sqrt(len(x)))
    assert value["variance"] == pytest.approx(x.var(ddof=1), rel=1e-6)


def test_information_of_normal_pairs():
    assert gaussian_information(np.array([0.0, 0.6])) == pytest.approx([0.0, -np.log2(0.8)])
    assert gaussian_pair_information(0.0) == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < gaussian_pair_information(0.6) < gaussian_information(np.array(0.6))
    assert gaussian_pair_information(0.9999) == pytest.approx(3.0, abs=0.2)  # eight octiles hold three bits
    rng = np.random.default_rng(2)
    z = rng.normal(size=(60, 4000, 2))
    z[..., 1] = 0.6 * z[..., 0] + 0.8 * z[..., 1]
    octile = np.searchsorted(tallies.OCTILES, z)
    pairs = np.zeros((60, 8, 8), np.int64)
    for unit in range(60):
        np.add.at(pairs[unit], (octile[unit, :, 0], octile[unit, :, 1]), 1)
    value, error = pair_information(pairs)
    assert abs(value - gaussian_pair_information(0.6)) < 4 * error


def test_energy_is_split_between_cells_and_wires():
    ideal = point_of(1, rows=8, driver_resistance=0.0, word_line_resistance=0.0, bit_line_resistance=0.0)
    assert ideal.cell_power == pytest.approx(ideal.power, rel=1e-12)
    wired = point_of(1, rows=8, driver_resistance=1e5, bit_line_resistance=1e6)
    assert 0 < 1 - wired.cell_power / wired.power < 0.5
    assert wired.power < ideal.power
