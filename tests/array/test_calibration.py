"""Calibration of converters and compensation of line drops, through the fast engine."""

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.array.calibration import compensate, fit_correction, shares, typical_drive
from ftj_spice.array.coding import make_coding
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


@pytest.mark.parametrize("scheme", ["differential", "offset"])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    "drops",
    [{"sense_resistance": 1e5}, {"line_resistance": 1e3}, {"driver_resistance": 1e5}, {"sense_resistance": 1e7}],
    ids=str,
)
def test_compensation_fits_the_drops_among_typical_rows(drops, signed, scheme, fast):
    """Drops of a common line are quadratic in the rows' bits: what half of the rows take is far from the typical."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(100, 31)), rng.normal(size=(31, 16))
    x = x if signed else np.abs(x)

    def outputs(**change):
        read = ReadSettings(**IDEAL | {"scheme": scheme} | change)
        return forward(x, w, None, CARD, read, seed=1, reader=fast, signed=signed).outputs

    ideal = outputs()
    before, after = (np.sqrt(np.mean((outputs(**drops, ir_drop=way) - ideal) ** 2)) for way in ("none", "compensate"))
    assert after < before / 3


@pytest.mark.parametrize("coding", ["bit-serial", "pulse-width", "amplitude"])
def test_typical_drives(coding):
    read = ReadSettings(coding=coding, input_bits=5)
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal(size=(4000, 3))) * [1.0, 0.5, 0.0]
    values[:, 1] *= rng.choice([-1.0, 1.0], 4000)
    how = make_coding(read, CARD, True, 4.0)
    codes = how.quantise(values)
    drive, part = typical_drive(how, codes)
    # The weighted mean of the bits is the mean code, in two phases that each input is in one of.
    mean = np.abs(codes).mean(axis=0) / how.largest / 2
    if coding == "amplitude":
        assert drive == pytest.approx(codes.mean(axis=0) / how.largest)
        assert part == pytest.approx([0.5, 0.5, 1.0 - 0.5])
    else:
        assert drive == pytest.approx(mean)
        assert part == pytest.approx([0.5, 1.0, 0.5], abs=0.04)  # 4000 signs: five standard deviations


def test_compensation_asks_for_what_the_window_has(fast):
    x, w, _ = _problem()
    read = ReadSettings(**IDEAL | DROPS)
    layer = map_weights(w, CARD, read)
    how = make_coding(read, CARD, True, 4.0)
    codes = how.quantise(x)
    fixed = compensate(layer, how, codes, CARD, read, 0, 0, fast)
    (before,), (after,) = layer.tiles, fixed.tiles
    np.testing.assert_array_equal(after.target, before.target)
    low, high = window(CARD, read)
    assert after.conductance.min() >= CARD.off_conductance and after.conductance.max() <= high * (1 + 1e-12)
    assert after.conductance.min() < 0.99 * low  # below the lowest level, in the card's window all the same
    assert (after.gain < 1).all() and (after.gain > 0.3).all()
    # What a cell counts for is now the same share of its target, but for cells that can't be lowered any more.
    drive, part = typical_drive(how, codes)
    counts = shares(after.conductance, drive, part, 0.7, CARD, read, fast) * after.conductance
    ratio = counts / (after.target * np.repeat(after.gain, 2))
    free = after.conductance > 1.001 * CARD.off_conductance
    raw = shares(before.target, drive, part, 0.7, CARD, read, fast)
    assert free.mean() > 0.9 and np.std(ratio[free]) < 0.1 * np.std(raw[free])


def test_perfect_wires_need_no_compensation(perfect):
    x, w, _ = _problem()
    read = ReadSettings(**IDEAL)
    how = make_coding(read, CARD, True, 4.0)
    for codes in (how.quantise(x), np.zeros((2, 15), np.int32)):
        fixed = compensate(map_weights(w, CARD, read), how, codes, CARD, read, 0, 0, perfect)
        np.testing.assert_allclose(fixed.tiles[0].conductance, fixed.tiles[0].target, rtol=1e-9)
        np.testing.assert_allclose(fixed.tiles[0].gain, 1.0, rtol=1e-9)
