"""The chip's read-out against closed forms, and each tool against the truth that it can't see."""

from dataclasses import replace

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.moments import window_moments
from ftj_spice.periphery.macromodel import ConvertModel, Macromodel, SenseModel
from ftj_spice.sampling.calibration.chip import Chip, Controls, Design, draw_cells
from ftj_spice.sampling.calibration.procedure import Judgement, calibrate_chip, deliver
from ftj_spice.sampling.calibration.settings import CalibrateSettings
from ftj_spice.sampling.calibration.state import draw_circuits
from ftj_spice.sampling.calibration.tools import find_range, probe_cells, select_cells, to_step, trim_grid, trim_rows

CARD = ftj.load_card("hzo_mfis_nominal")
SLOPE = 0.5 * (CARD.capture_slope + CARD.emission_slope)
SPREAD = {"time_constant_spread": 1.0, "amplitude_spread": 1.0, "current_spread": 1.0}


def make(cells, pool=1, arrays=2, jobs=1, purpose="test", sample=None, **changes):
    values = {"latents": 12, "spare": 0, "arrays": arrays, "pool": pool} | changes
    settings = CalibrateSettings(sample={**SPREAD, **(sample or {})}, **values)
    rows = cells * pool
    chip = Chip(draw_cells(CARD, settings, rows, arrays), Design.of(CARD, settings, cells), settings, purpose, jobs)
    return chip, Controls.nominal(chip.design, arrays, settings.columns, rows), settings


def ratios(chip, controls):
    _, _, _, capture, emission = chip.cells(controls)
    return controls.timing.window * (1 / capture + 1 / emission)


def test_codes_have_the_closed_forms_moments_at_trimmed_voltages():
    """Mean and variance of every column; false-alarm rate 1e-4 for all, by batches."""
    chip, controls, settings = make(3, adc_offset=0.0, sample={"time_constant_spread": 0.3})
    row = np.tile([0.05, 0.0, -0.03], (2, 1))
    controls = replace(controls, row=row, column=np.linspace(-0.1, 0.2, 24))
    controls = find_range(chip, controls, settings)
    codes = chip.read(controls, 16_384)
    bias, empty, amplitude, capture, emission = chip.cells(controls)
    np.testing.assert_allclose(bias, 1.5 + row[0] + controls.column[:, np.newaxis])
    cells = window_moments(
        emission / (capture + emission), 1 / (1 / capture + 1 / emission), controls.timing.window, controls.timing.pause
    )
    swing = empty * amplitude
    current = np.sum(empty - swing * cells.mean, axis=1)
    lsb = controls.lsb(8)
    mean = (current - controls.reference) / lsb
    noise = controls.read_noise(current)
    variance = (np.sum(swing**2 * cells.variance, axis=1) + noise**2) / lsb**2 + 1 / 12
    y = codes + 0.5 - mean[:, np.newaxis]
    for values, wanted in ((y, 0.0), (y**2, variance)):
        batches = values.reshape(24, 64, -1).mean(axis=2)
        assert (np.abs(values.mean(axis=1) - wanted) < 4.9 * batches.std(axis=1, ddof=1) / 8).all()
    assert (noise / lsb > 0.05).any()


def test_codes_do_not_depend_on_threads_and_go_on_from_read_to_read():
    one, controls, _ = make(4, arrays=3)
    two = make(4, arrays=3, jobs=2)[0]
    first = one.read(controls, 3000)
    np.testing.assert_array_equal(first, two.read(controls, 3000))
    assert (one.read(controls, 3000) != first).any()
    assert one.conversions == 6000 * 36 and one.seconds == pytest.approx(6000 * 5.05e-3)
    other = make(4, arrays=3, purpose="another")[0]
    assert (other.read(controls, 3000) != first).any()


def test_arrays_more_do_not_change_the_first():
    few, controls, _ = make(4, arrays=1)
    many, more, _ = make(4, arrays=3)
    np.testing.assert_array_equal(few.read(controls, 300), many.read(more, 300)[:12])


def test_gain_and_offset_of_a_circuit_are_those_of_its_codes():
    model = Macromodel(
        name="m", title="m", kind="chain", process="generic", corner="tt", temperature=300.0, card=CARD.name,
        sense=SenseModel(integrates=True, time=1.3e-5, high=6.5e-9, gain_sigma=0.02, offset_sigma=1e-10),
        convert=ConvertModel(bits=6, gain_sigma=0.05, offset_sigma=0.5),
    )  # fmt: skip
    settings = CalibrateSettings(latents=4, spare=0, arrays=1, read_noise=False)
    design, circuits = Design.of(CARD, settings, 4, model), draw_circuits(model, settings, 1)
    cells = draw_cells(CARD, settings, 4, 1)
    still = replace(cells, amplitude=np.zeros_like(cells.amplitude))
    chip = Chip(still, design, settings, "test", circuits=circuits)
    controls = Controls.nominal(design, 1, 4, 4)
    current, lsb = chip.cells(controls)[1].sum(axis=1), controls.lsb(6)
    inputs = np.linspace(-20.0, 20.0, 161)
    codes = [chip.read(replace(controls, reference=current - steps * lsb), 1)[:, 0] for steps in inputs]
    slope, zero = np.polyfit(inputs, np.array(codes) + 0.5, 1)
    gain, shift = chip.straight(controls)
    # Inputs a quarter of a step apart place each transition within an eighth.
    assert slope == pytest.approx(gain, abs=6e-3)
    assert zero == pytest.approx(shift / lsb, abs=0.125) and np.abs(zero).max() > 0.5


def test_codes_are_clipped_and_noise_can_be_left_out():
    chip, controls, _ = make(2, read_noise=False, adc_offset=0.0, sample={"time_constant_spread": 0.0})
    codes = chip.read(replace(controls, reference=0.0 * controls.reference), 10)
    assert (codes == 127).all()
    assert (chip.read(replace(controls, reference=9.0 * controls.reference), 10) == -128).all()


def test_range_centres_and_fills_the_converter():
    chip, controls, settings = make(4, sample={"time_constant_spread": 0.2})
    found = find_range(chip, replace(controls, column=np.full(24, 0.2)), settings)
    codes = chip.read(found, 2000)
    assert np.mean(np.abs(codes.mean(axis=1)) < 40) == 1.0
    assert ((codes == 127) | (codes == -128)).mean() < 1e-3
    assert (codes.std(axis=1) > 10).all()
    unit = chip.design.mean * settings.reference_range / 2**settings.reference_bits
    np.testing.assert_allclose(found.reference / unit, np.rint(found.reference / unit), atol=1e-9)
    octave = np.log2(found.capacitance / chip.design.capacitance)
    np.testing.assert_allclose(octave, np.rint(octave), atol=1e-9)
    assert octave.min() >= settings.smallest_capacitor and octave.max() <= settings.largest_capacitor


def test_probed_speeds_are_the_true_ones_where_a_trap_shows():
    chip, controls, settings = make(4, pool=4, arrays=4)
    speeds = probe_cells(chip, controls, settings)
    truth = np.log(ratios(chip, replace(controls, chosen=np.tile(np.arange(16), (48, 1)))))
    middle = np.isfinite(speeds.log_ratio) & (truth > np.log(3)) & (truth < np.log(100))
    error = (speeds.log_ratio - truth)[middle]
    assert middle.sum() > 200 and np.median(np.abs(error)) < 0.15 and abs(np.median(error)) < 0.05
    unseen = ~np.isfinite(speeds.log_ratio)
    assert np.median(np.abs(truth[unseen] - np.log(16))) > 2.5  # far too slow or too fast


def test_selected_cells_lie_together():
    chip, controls, settings = make(4, pool=4, arrays=4)
    speeds = probe_cells(chip, controls, settings)
    near = select_cells(speeds, controls, settings, SLOPE, trimmed=False)
    cluster = select_cells(speeds, controls, settings, SLOPE, trimmed=True)
    assert (np.diff(near.chosen, axis=1) > 0).all() and near.chosen.max() < 16
    spread = {name: np.log(ratios(chip, c)) for name, c in (("all", controls), ("near", near), ("cluster", cluster))}
    assert np.median(np.abs(spread["near"] - np.log(settings.target))) < 0.6
    within = {name: np.median(values.std(axis=1)) for name, values in spread.items()}
    assert within["cluster"] <= within["near"] < 0.5 * within["all"]


def test_row_trims_follow_the_mean_of_their_row_and_the_steps():
    chip, controls, settings = make(4, arrays=2)
    speeds = probe_cells(chip, controls, settings)
    trimmed = trim_rows(speeds, controls, settings, SLOPE)
    truth = np.log(settings.target / ratios(chip, controls)).reshape(2, 12, 4).mean(axis=1) / SLOPE
    # Cells that show no trap, and are mostly slow, are missing in the measured mean.
    assert np.median(np.abs(trimmed.row - truth)) < 0.05 and np.abs(trimmed.row - truth).max() < 0.2
    np.testing.assert_allclose(trimmed.row / 0.01, np.rint(trimmed.row / 0.01), atol=1e-9)
    np.testing.assert_array_equal(trimmed.row_trims()[12:], np.tile(trimmed.row[1], (12, 1)))


def test_trims_are_whole_steps_within_their_range():
    settings = CalibrateSettings(trim_range=0.25, trim_step=0.02, scan_step=0.1)
    np.testing.assert_allclose(trim_grid(settings), [-0.2, -0.1, 0.0, 0.1, 0.2], atol=1e-12)
    np.testing.assert_allclose(to_step(np.array([-9.0, 0.011, 9.0]), settings), [-0.24, 0.02, 0.24])


def judged(cells, tools, arrays=3, **changes):
    pool = 4 if "select" in tools else 1
    chip, _, settings = make(cells, pool=pool, arrays=arrays, scan_windows=128, **changes)
    calibrated = calibrate_chip(chip, tools, settings, arrays)
    codes = chip.read(calibrated.controls, 2048)
    latents, _ = deliver(chip, calibrated, codes, settings.memory, adapt=True)
    return Judgement.of(chip, calibrated.controls, codes, latents, settings.limits), calibrated


def test_tools_make_columns_usable():
    """36 columns each; the shares of 240 columns were 0, 0.6, 0.9 and 1 for one cell, 0.03 and 0.97 for 16."""
    assert judged(1, ())[0].usable.mean() < 0.05
    bare, _ = judged(1, ("range", "standardise"))
    trimmed, calibrated = judged(1, ("range", "standardise", "columns"))
    both, cost = judged(1, ("range", "standardise", "columns", "select"))
    assert 0.3 < bare.usable.mean() < trimmed.usable.mean() > 0.75
    assert both.usable.mean() > 0.85
    assert len(np.unique(calibrated.controls.column)) > 3
    assert cost.seconds > calibrated.seconds * 0.9 and cost.energy > 0 and cost.conversions > 1000
    assert judged(16, ("range", "standardise"), 2)[0].usable.mean() < 0.25
    assert judged(16, ("range", "standardise", "select"), 2)[0].usable.mean() > 0.85


def test_without_spread_the_design_is_right():
    """One voltage and closed forms: what the designer knows is then all there is to know."""
    alike = dict.fromkeys(SPREAD, 0.0)
    result, calibrated = judged(16, (), sample=alike)
    assert calibrated.running is None and calibrated.seconds == 0.0
    assert result.usable.mean() > 0.95
    assert np.abs(result.mean).max() < 0.15 and np.abs(result.sigma - 1).max() < 0.1


def test_common_voltage_is_one_for_each_array():
    _, calibrated = judged(4, ("range", "standardise", "common"))
    by_array = calibrated.controls.column.reshape(3, 12)
    assert (by_array == by_array[:, :1]).all() and by_array.max() > 0


def test_failures_name_the_limits_that_are_missed():
    result, _ = judged(1, ("range", "standardise"))
    missed = result.failures(CalibrateSettings().limits)
    assert set(missed) == {"autocorrelation", "distance", "steps", "mean", "sigma"}
    assert missed["autocorrelation"] == pytest.approx(np.mean(np.abs(result.autocorrelation) > 0.1)) and (
        missed["autocorrelation"] > 0.15
    )
    assert 1 - result.usable.mean() <= sum(missed.values()) + 1e-12


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenarios": ["range+magic"]}, "names 'magic'; known tools: range"),
        ({"tools": ["common", "columns"]}, "can't be used together"),
        ({"redundancy": [256], "pool": 16}, "4096 cells on one column"),
        ({"scenarios": ["range+range"]}, "names a tool twice"),
        ({"scenarios": ["range+select", "select+range"]}, "same entry twice"),
        ({"redundancy": [4, 1, 4]}, "same entry twice"),
        ({"redundancy": []}, "at least one entry"),
        ({"sample": {"digitiser": "comparator"}}, "must be integrator"),
        ({"limits": {"distanze": 1}}, "did you mean 'limits.distance'"),
        ({"check_windows": 3}, "check_windows"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, words):
    with pytest.raises(SettingsError, match="test: ") as error:
        CalibrateSettings.parse(changes, "test")
    assert words in str(error.value)
