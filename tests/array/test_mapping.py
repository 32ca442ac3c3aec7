"""Weights on conductances and back."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import chi2, kstest

import ftj_spice as ftj
from ftj_spice.array.mapping import map_weights, program
from ftj_spice.array.programming import level_step, window
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.variability import cycle_sigma

PROPERTY = settings(deadline=None, derandomize=True, max_examples=80)
CARD = ftj.load_card("hzo_mfis_nominal")
LINEAR = ftj.load_card("linear")
UNVERIFIED = {"verify_tolerance": "none", "cycle_spread": 0.0}

WEIGHTS = hnp.arrays(
    float, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(-1e3, 1e3).map(lambda w: round(w, 6))
)
LAYOUTS = st.fixed_dictionaries(
    {
        "scheme": st.sampled_from(["differential", "reference", "offset"]),
        "slices": st.integers(1, 3),
        "tile_rows": st.integers(1, 10),
        "tile_columns": st.integers(6, 14),
    }
)


@PROPERTY
@given(WEIGHTS, LAYOUTS, st.sampled_from([CARD, LINEAR]))
def test_weights_come_back_to_rounding_without_levels(weights, layout, card):
    read = ReadSettings(levels=0, verify_tolerance=0.0, clip_percentile=100.0, **layout)
    layer = program(weights, card, read, seed=0)
    largest = np.abs(weights).max(axis=0)
    assert (np.abs(layer.weights() - weights) <= 1e-13 * largest + 1e-300).all()


@PROPERTY
@given(WEIGHTS, LAYOUTS, st.integers(2, 17))
def test_without_rounding_digits_stay_and_weights_come_back(weights, layout, levels):
    read = ReadSettings(levels=levels, verify_tolerance=0.0, clip_percentile=100.0, **layout)
    exact = map_weights(weights, CARD, read.model_copy(update={"rounded": False}))
    rounded = map_weights(weights, CARD, read)
    largest = np.abs(weights).max(axis=0)
    assert (np.abs(exact.weights() - weights) <= 1e-12 * largest + 1e-300).all()
    np.testing.assert_array_equal(exact.layout.factors, rounded.layout.factors)
    low, high = window(CARD, read)
    for one, other in zip(exact.tiles, rounded.tiles, strict=True):
        assert one.conductance.min() >= low and one.conductance.max() <= high * (1 + 1e-12)
        assert np.abs(one.conductance - other.conductance).max() <= 0.5 * level_step(CARD, read) * (1 + 1e-9)


@PROPERTY
@given(st.data(), LAYOUTS, st.integers(2, 17))
def test_weights_on_levels_come_back_to_rounding(data, layout, levels):
    whole = levels ** layout["slices"] - 1
    # Columns hold their largest code, so that the scale is a whole number of steps.
    symmetric = layout["scheme"] == "differential"
    low = -whole if symmetric else 0
    codes = data.draw(hnp.arrays(np.int64, (5, 3), elements=st.integers(low, whole)))
    codes[0] = whole
    weights = 0.37 * (codes / whole if symmetric else 2 * codes / whole - 1)
    layer = map_weights(weights, CARD, ReadSettings(levels=levels, clip_percentile=100.0, **layout))
    np.testing.assert_allclose(layer.weights(), weights, atol=1e-13)


@PROPERTY
@given(WEIGHTS, LAYOUTS, st.integers(2, 64), st.sampled_from([CARD, LINEAR]))
def test_conductances_stand_for_the_weights_to_half_a_step(weights, layout, levels, card):
    read = ReadSettings(levels=levels, verify_tolerance=0.0, clip_percentile=100.0, **layout)
    layer = program(weights, card, read, seed=0)
    steps = (levels ** layout["slices"] - 1) * (1 if layout["scheme"] == "differential" else 0.5)
    half = np.abs(weights).max(axis=0) / steps / 2
    assert (np.abs(layer.weights() - weights) <= half * (1 + 1e-6) + 1e-300).all()
    covered = np.zeros(weights.shape, int)
    low, high = window(card, read)
    grid = (high - low) / (levels - 1)
    for tile in layer.tiles:
        rows, columns = tile.shape
        assert rows <= read.tile_rows and columns <= read.tile_columns
        outputs = tile.outputs.stop - tile.outputs.start
        assert columns == outputs * read.columns_per_output + read.columns_per_tile
        covered[tile.rows, tile.outputs] += 1
        assert tile.conductance.min() >= low * (1 - 1e-12)
        assert tile.conductance.max() <= high * (1 + 1e-12)
        steps_up = (tile.conductance[:, : outputs * read.columns_per_output] - low) / grid
        np.testing.assert_allclose(steps_up, np.rint(steps_up), atol=1e-9)
    assert (covered == 1).all() and layer.cells == sum(tile.conductance.size for tile in layer.tiles)


def test_slices_are_digits():
    weights = np.array([[1.0], [37 / 63], [-5 / 63]])
    layer = map_weights(weights, CARD, ReadSettings(levels=4, slices=3, clip_percentile=100.0))
    low, _ = window(CARD, ReadSettings())
    digits = (layer.tiles[0].conductance - low) / level_step(CARD, ReadSettings(levels=4))
    np.testing.assert_allclose(
        digits,  # least significant first, a pair of columns each
        [[3, 0, 3, 0, 3, 0], [1, 0, 1, 0, 2, 0], [0, 1, 0, 1, 0, 0]],
        atol=1e-9,
    )


def test_weights_beyond_the_percentile_are_clipped_and_the_rest_keep_their_scale():
    weights = np.linspace(-1, 1, 101)[:, np.newaxis]
    layer = program(weights, CARD, ReadSettings(verify_tolerance=0.0, clip_percentile=90.0, levels=4096), seed=0)
    assert layer.scale[0] == pytest.approx(0.9)
    np.testing.assert_allclose(layer.weights(), np.clip(weights, -0.9, 0.9), atol=0.9 / 4095)


def test_a_column_of_mostly_zeros_is_scaled_by_its_largest_weight():
    weights = np.zeros((10, 2))
    weights[3, 0] = -0.25
    layer = program(weights, CARD, ReadSettings(verify_tolerance=0.0, clip_percentile=51.0), seed=0)
    np.testing.assert_allclose(layer.weights(), weights, atol=1e-12)


def test_a_part_of_the_window_can_be_used():
    weights = np.array([[1.0, -0.5], [-1.0, 0.25]])
    read = ReadSettings(levels=0, verify_tolerance=0.0, clip_percentile=100.0, low=0.25, high=0.5)
    layer = program(weights, CARD, read, seed=0)
    np.testing.assert_allclose(layer.weights(), weights, rtol=1e-12)
    g = layer.tiles[0].conductance
    swing = CARD.on_conductance - CARD.off_conductance
    assert g.min() == pytest.approx(CARD.off_conductance + 0.25 * swing)
    assert g.max() == pytest.approx(CARD.off_conductance + 0.5 * swing)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"high": 1.5}, "less than or equal to 1"),
        ({"low": -0.1}, "greater than or equal to 0"),
        ({"low": 0.5, "high": 0.3}, "'low' must lie below 'high' (0.3), got 0.5"),
    ],
)
def test_conductances_that_the_card_does_not_have_are_one_sentence(change, sentence):
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        ReadSettings.parse(change, "settings")


@pytest.mark.parametrize("weights", [np.ones(3), np.ones((0, 2)), np.ones((2, 0)), [[np.nan]], [[np.inf]]], ids=str)
def test_bad_weights_are_one_sentence(weights):
    with pytest.raises(DataError, match=r"^weights must be a finite matrix, got shape "):
        program(np.asarray(weights), CARD, ReadSettings(), seed=0)


# Errors of programming.


def test_verified_cells_lie_within_the_tolerance_of_their_level():
    # 80,000 cells. False alarm of the distribution test: 1e-6.
    read = ReadSettings(verify_tolerance=0.25, levels=8)
    weights = np.random.default_rng(0).uniform(-1, 1, (200, 200))
    layer = program(weights, CARD, read, seed=3)
    deviation = np.concatenate([(tile.conductance - tile.target).ravel() for tile in layer.tiles])
    deviation /= level_step(CARD, read)
    assert len(deviation) == 80_000 and np.abs(deviation).max() <= 0.25
    inside = np.concatenate([(tile.target > 2 * CARD.off_conductance).ravel() for tile in layer.tiles])
    assert kstest(deviation[inside] / 0.5 + 0.5, "uniform").pvalue > 1e-6
    loose = program(np.zeros((50, 50)), CARD, ReadSettings(verify_tolerance=1.0, levels=2), seed=3)
    assert min(tile.conductance.min() for tile in loose.tiles) == 0.0  # no conductance below nothing
    np.testing.assert_array_equal(layer.weights(ideal=True), map_weights(weights, CARD, read).weights())


def test_the_spread_is_lognormal_and_larger_for_the_high_resistance_state():
    # 40,000 cells per state. False alarms: two-sided 1e-6 on each of two means and two variances.
    shape = (200, 200)
    read = ReadSettings(levels=2, low=0.0, high=1.0, **UNVERIFIED)
    layer = program(np.ones(shape), CARD, read, seed=3)
    cells = np.concatenate([tile.conductance.reshape(-1, 2) for tile in layer.tiles])
    for column, ideal, sigma in ((0, CARD.on_conductance, CARD.on_spread), (1, CARD.off_conductance, CARD.off_spread)):
        logs = np.log(cells[:, column] / ideal)
        n = len(logs)
        assert n == 40_000
        assert abs(logs.mean()) < 4.9 * sigma / math.sqrt(n)
        low, high = chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
        assert low < logs.var(ddof=1) / sigma**2 < high
    again = program(np.ones(shape), CARD, read, seed=3)
    assert (again.tiles[0].conductance == layer.tiles[0].conductance).all()
    other = program(np.ones(shape), CARD, read, seed=3, layer=1)
    assert (other.tiles[0].conductance != layer.tiles[0].conductance).all()


def test_the_cycle_error_is_the_cards():
    # 40,000 cells at mid range. False alarm 1e-6 on the variance, two-sided.
    read = ReadSettings(levels=3, low=0.0, high=1.0, spread=0.0, verify_tolerance="none", scheme="offset",
                        clip_percentile=100.0)  # fmt: skip
    weights = np.zeros((200, 200))
    weights[0] = 1.0
    layer = program(weights, CARD, read, seed=4)
    part = np.concatenate(
        [((tile.conductance - CARD.off_conductance) / layer.swing)[np.abs(tile.target / layer.layout.middle - 1) < 1e-9]
         for tile in layer.tiles]
    )  # fmt: skip
    n = len(part)
    assert n == 199 * 200
    low, high = chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
    assert low < part.var(ddof=1) / float(cycle_sigma(CARD, 0.5)) ** 2 < high


def test_stuck_cells_stay_at_either_end():
    read = ReadSettings(stuck=0.2, verify_tolerance=0.0, levels=3, low=0.0, high=1.0, scheme="offset",
                        clip_percentile=100.0)  # fmt: skip
    weights = np.zeros((100, 100))
    weights[0] = 1.0
    g = np.concatenate([tile.conductance[1:].ravel() if tile.rows.start == 0 else tile.conductance.ravel()
                        for tile in program(weights, CARD, read, seed=5).tiles])  # fmt: skip
    low, high = (g < 1.01 * CARD.off_conductance).sum(), (g > 0.99 * CARD.on_conductance).sum()
    # 9,900 cells, a tenth each: standard deviation 30; five of them on both, false alarm 1.2e-6.
    assert abs(low - 990) < 150 and abs(high - 990) < 150
    assert low + high + (np.abs(g / (CARD.off_conductance + CARD.on_conductance) - 0.5) < 1e-9).sum() == len(g)


@pytest.mark.parametrize("change", [{}, UNVERIFIED, {"stuck": 0.3}, {"scheme": "offset"}], ids=str)
def test_tiles_do_not_change_the_errors(change):
    weights = np.random.default_rng(0).normal(size=(10, 7))
    whole = program(weights, CARD, ReadSettings(**change), seed=1).weights()
    parts = program(weights, CARD, ReadSettings(tile_rows=3, tile_columns=4, **change), seed=1).weights()
    assert (whole == parts).all()


def test_every_tile_has_its_own_reference():
    weights = np.random.default_rng(0).normal(size=(12, 7))
    read = ReadSettings(scheme="reference", tile_rows=6, tile_columns=4, **UNVERIFIED)
    tiles = program(weights, CARD, read, seed=1).tiles
    references = [tile.conductance[:, -1] for tile in tiles]
    assert len(tiles) == 6 and len(np.unique(np.concatenate(references))) == 36
    assert all(np.allclose(tile.target[:, -1], sum(window(CARD, read)) / 2) for tile in tiles)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"adc_bits": 1}, "'adc_bits' must be 0 (ideal) or at least 2"),
        ({"input_bits": 1}, "'input_bits'"),
        ({"tile_columns": 1}, "a tile of 1 columns holds no output: scheme 'differential' with 1 slices takes 2"),
        ({"tile_columns": 3, "scheme": "reference", "slices": 3}, "a tile of 3 columns holds no output"),
        ({"tile_columns": 0}, "'tile_columns'"),
        ({"tile_rows": 0}, "'tile_rows'"),
        ({"tile_rows": 1025}, "'tile_rows'"),
        ({"clip_percentile": 50}, "'clip_percentile'"),
        ({"line_resistance": math.nan}, "'line_resistance'"),
        ({"line_resistance": -1.0}, "'line_resistance'"),
        ({"line_resistance": 1e7}, "'line_resistance'"),
        ({"levels": 1}, "'levels' must be 0 (any conductance) or at least 2"),
        ({"verify_tolerance": -0.1}, "'verify_tolerance"),
        ({"topology": "nand"}, "'topology'"),
        ({"coding": "amplitude", "topology": "and"}, "topology 'and' turns rows on and off by their gates"),
        ({"adc_bit": 6}, "unknown setting 'adc_bit', did you mean 'adc_bits'?"),
    ],
    ids=str,
)
def test_bad_read_settings_are_one_sentence(change, sentence):
    with pytest.raises(SettingsError) as caught:
        ReadSettings.parse(change, "here")
    assert str(caught.value).startswith("here: " + sentence) and "\n" not in str(caught.value)
