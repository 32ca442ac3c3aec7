"""Calibration of converters and compensation of line drops, through the fast engine."""

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.array.calibration import compensate, fit_correction, shares
from ftj_spice.array.layer import forward
from ftj_spice.array.mapping import map_weights
from ftj_spice.array.programming import window
from ftj_spice.array.settings import ReadSettings

CARD = ftj.load_card("hzo_mfis_nominal")
IDEAL = {"levels": 0, "verify_tolerance": 0.0, "clip_percentile": 100.0, "line_resistance": 0.0,
         "driver_resistance": 0.0, "adc_bits": 0, "noise": False, "input_bits": 6}  # fmt: skip
DROPS = {"line_resistance": 1e6, "driver_resistance": 1e8}
"""Lines that take a fifth of the currents of a 16 x 16 array of these cells."""


def _problem(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-31, 32, (40, 15)) / 8, rng.normal(size=(15, 8)) / 2, rng.normal(size=8) / 2


def test_a_fit_finds_gain_and_offset():
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(200, 3)) * 1e-10
    wanted[:, 2] = 0.0
    gain, offset = np.array([0.7, 1.3, 1.0]), np.array([1e-12, -2e-12, 3e-12])
    found = fit_correction(wanted, wanted * gain + offset)
    np.testing.assert_allclose(found.gain, gain, rtol=1e-12)
    np.testing.assert_allclose(found.offset, offset, rtol=1e-9)
    # Sums of conversions with weights 1, 2 and -1: the offset is in them twice.
    sums = (wanted[0] * 5 * gain + 2 * offset)[np.newaxis]
    np.testing.assert_allclose(found.apply(sums, 2.0), 5 * wanted[:1], rtol=1e-9, atol=1e-24)


def test_an_inverted_column_is_left_alone():
    wanted = np.linspace(-1, 1, 50)[:, np.newaxis]
    assert fit_correction(wanted, -wanted).gain[0] == 1.0


def test_calibration_takes_out_gains_and_offsets(perfect):
    x, w, b = _problem()
    flawed = IDEAL | {"adc_bits": 10, "adc_offset": 20.0, "adc_gain_spread": 0.05}
    before = forward(x, w, b, CARD, ReadSettings(**flawed), seed=0, reader=perfect)
    after = forward(x, w, b, CARD, ReadSettings(**flawed, calibration="linear"), seed=0, reader=perfect)
    good = forward(x, w, b, CARD, ReadSettings(**IDEAL | {"adc_bits": 10}), seed=0, reader=perfect)
    assert before.error > 10 * good.error
    assert after.error < 1.5 * good.error
    assert after.reads - before.reads == ReadSettings().calibration_vectors * 10
    # Exact converters, exact cells: calibration finds nothing to do.
    idle = forward(x, w, b, CARD, ReadSettings(**IDEAL, calibration="linear"), seed=0, reader=perfect)
    np.testing.assert_allclose(idle.outputs, x @ w + b, atol=1e-11)
    np.testing.assert_allclose(idle.corrections[0].gain, 1.0, rtol=1e-10)


@pytest.mark.parametrize("scheme", ["differential", "offset"])
def test_calibration_and_compensation_take_out_line_drops(scheme, fast):
    x, w, b = _problem()
    wired = IDEAL | DROPS | {"scheme": scheme}
    errors = {}
    for name, change in {
        "as it is": {},
        "calibrated": {"calibration": "linear"},
        "compensated": {"ir_drop": "compensate"},
        "both": {"calibration": "linear", "ir_drop": "compensate"},
    }.items():
        errors[name] = forward(x, w, b, CARD, ReadSettings(**wired | change), seed=0, reader=fast).error
    assert errors["calibrated"] < 0.5 * errors["as it is"]
    assert errors["compensated"] < 0.25 * errors["as it is"]
    assert errors["both"] < 0.25 * errors["as it is"]


def test_compensation_asks_for_what_the_window_has(fast):
    _, w, _ = _problem()
    read = ReadSettings(**IDEAL | DROPS)
    layer = map_weights(w, CARD, read)
    fixed = compensate(layer, CARD, read, 0, 0, fast)
    (before,), (after,) = layer.tiles, fixed.tiles
    np.testing.assert_array_equal(after.target, before.target)
    low, high = window(CARD, read)
    assert after.conductance.min() >= low and after.conductance.max() <= high * (1 + 1e-12)
    assert (after.gain < 1).all() and (after.gain > 0.3).all()
    # What a cell counts for is now the same share of its target, but for cells that can't be lowered any more.
    pattern = np.random.default_rng(3).random(15) < 0.5
    counts = shares(after.conductance, pattern, CARD, read, fast) * after.conductance
    ratio = counts / (after.target * np.repeat(after.gain, 2))
    free = after.conductance > 1.5 * low
    raw = shares(before.target, pattern, CARD, read, fast)
    assert np.std(ratio[free]) < 0.3 * np.std(raw[free])


def test_perfect_wires_need_no_compensation(perfect):
    _, w, _ = _problem()
    read = ReadSettings(**IDEAL)
    fixed = compensate(map_weights(w, CARD, read), CARD, read, 0, 0, perfect)
    np.testing.assert_allclose(fixed.tiles[0].conductance, fixed.tiles[0].target, rtol=1e-9)
    np.testing.assert_allclose(fixed.tiles[0].gain, 1.0, rtol=1e-9)
