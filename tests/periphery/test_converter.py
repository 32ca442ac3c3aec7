import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig_support import PROCESSES, rig_of

from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue.body import parse_body
from ftj_spice.netlist.render import RenderError
from ftj_spice.periphery.benches.converter import BENCH, Conversions
from ftj_spice.periphery.figures import MeasurementError, figure
from ftj_spice.periphery.linearity import linearity, superposed_codes, superposed_levels
from ftj_spice.periphery.transitions import TransitionSearch

CONVERTERS = ["sar6", "single_slope", "flash4"]
LOW, STEP, TOP = 0.4, 1.0 / 64, 63
errors = st.lists(st.floats(-0.45, 0.45), min_size=TOP, max_size=TOP)


def converter(levels):
    """A converter with given transition levels: the code is the number of levels that the input has reached."""
    return lambda inputs: np.searchsorted(np.asarray(levels), inputs, side="right")


def search(levels, resolution=0.125):
    return TransitionSearch(converter(levels), LOW, STEP, TOP, resolution * STEP, 4 * STEP)


@given(st.floats(-2.0, 2.0), st.floats(-0.03, 0.03), errors)
@settings(max_examples=50, deadline=None)
def test_every_level_of_a_monotonic_converter_is_found_within_half_the_resolution(offset, gain, deviations):
    levels = LOW + STEP * (offset + (1 + gain) * np.arange(1, TOP + 1) + np.array(deviations))
    found = search(levels).levels(range(1, TOP + 1))
    assert np.all(np.abs(found - levels) <= 0.5 * 0.126 * STEP)


def test_a_straight_converter_takes_few_conversions():
    levels = LOW + STEP * (0.3 + 1.004 * np.arange(1, TOP + 1))
    one = search(levels)
    one.levels(range(1, TOP + 1))
    assert len(one.inputs) < 160
    assert np.all(one.codes == converter(levels)(one.inputs))


def test_codes_out_of_reach_have_no_level():
    levels = LOW + STEP * np.arange(1.0, TOP + 1)
    levels[40:] = np.inf
    found = search(levels).levels(range(1, TOP + 1))
    assert np.isfinite(found[:40]).all() and np.isnan(found[40:]).all()
    assert np.isnan(search(np.full(TOP, -np.inf)).levels([1, 32, 63])).all()


def test_a_code_that_is_left_out_shares_its_neighbour_s_level():
    levels = LOW + STEP * np.arange(1.0, TOP + 1)
    levels[20] = levels[21]
    one = search(levels)
    found = one.levels(range(1, TOP + 1))
    assert 21 not in one.codes
    assert found[20] == found[21]
    assert linearity(found, LOW, LOW + 1.0).worst_dnl == pytest.approx(1.0, abs=0.07)


@given(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_a_straight_line_has_offset_and_gain_error_alone(offset, gain):
    step = STEP / (1.0 + gain)
    line = linearity(LOW + offset + step * np.arange(1, TOP + 1), LOW, LOW + 1.0)
    assert line.offset == pytest.approx(offset, abs=1e-9)
    assert line.gain_error == pytest.approx(gain, abs=1e-9)
    assert line.worst_inl < 1e-6 and line.worst_dnl < 1e-6
    assert (line.low, line.high) == pytest.approx((LOW + offset, LOW + offset + 64 * step))
    assert line.effective_bits() == pytest.approx(6.0)


@given(st.integers(1, TOP - 2), st.floats(-0.9, 3.0))
def test_one_wide_code_shows_in_dnl(code, excess):
    levels = LOW + STEP * np.arange(1.0, TOP + 1)
    levels[code:] += excess * STEP
    line = linearity(levels, LOW, LOW + 1.0)
    step = (line.high - line.low) / 64
    assert line.dnl[code - 1] == pytest.approx((1.0 + excess) * STEP / step - 1.0)
    assert np.argmax(np.abs(line.dnl - np.median(line.dnl))) == code - 1 or abs(excess) < 1e-9


def test_noise_and_inl_cost_bits_as_the_mean_square_says():
    levels = LOW + STEP * np.arange(1.0, TOP + 1)
    assert linearity(levels, LOW, LOW + 1.0).effective_bits(np.sqrt(0.25)) == pytest.approx(5.0)


@given(st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=6), st.floats(-0.03, 0.03))
def test_levels_of_added_weights_follow_from_a_few(deviations, offset):
    weights = STEP * (2.0 ** np.arange(6) + np.array(deviations))
    codes = np.arange(1, 64)
    levels = LOW + offset + ((codes[:, np.newaxis] >> np.arange(6)) & 1) @ weights
    few = [levels[code - 1] for code in superposed_codes(6)]
    assert superposed_levels(few, 6) == pytest.approx(levels)


def test_no_line_without_levels():
    with pytest.raises(MeasurementError, match="1 of 3 codes"):
        linearity(np.array([np.nan, 0.5, np.nan]), 0.0, 1.0)
    with pytest.raises(MeasurementError, match="does not rise"):
        linearity(np.array([0.5, 0.4, 0.3]), 0.0, 1.0)


@pytest.mark.parametrize("model", ["filesource", "d_source", "d_state", "d_process", "d_cosim", "table2d", "nmos"])
def test_xspice_models_that_read_files_or_start_programs_are_refused_by_name(model):
    with pytest.raises(RenderError, match=r"\.model x .*is not allowed: a variant may define models"):
        parse_body(f".model x {model}(a=1)", "t", ["nmos"])


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", CONVERTERS)
def test_codes_follow_the_input(name, process, ngspice):
    one = rig_of(ngspice, name, process)
    conversions = Conversions(one, BENCH.parse(one))
    s = conversions.settings
    codes = np.array([s.top - 1, 2, s.top // 2, s.top // 2 + 1])  # falls as well as rises
    found = conversions.codes(s.low + s.step * (codes + 0.5))
    assert np.all(np.abs(found - codes) <= (0 if name == "sar6" else 1)), found


def test_energy_time_and_kickback_of_a_conversion(ngspice):
    wanted = {"energy", "conversion_time", "kickback", "static_power", "area", "held_error"}
    found = BENCH.measure(rig_of(ngspice, "sar6"), wanted)
    assert not found.failures
    values = dict(found.figures)
    assert 1e-12 < values["energy"] < 2e-11
    assert values["energy"] == pytest.approx(sum(v for name, v in values.items() if name.startswith("energy_")))
    # A reference that takes charge back saves nothing by that.
    assert min(v for name, v in values.items() if name.startswith("energy_")) >= 0.0
    assert 150e-9 < values["conversion_time"] < 165e-9  # from start's rise to the sixth fall of the clock
    assert 0.0 < values["kickback"] < 1.0
    assert 0.0 < values["held_error"] < 0.5
    assert all(figure(name) for name in values)
    assert found.operation is not None and found.operation.time[-1] <= 180e-9
    assert "estimate" in found.notes["energy"]


def test_a_converter_that_never_changes_its_code_is_told(ngspice):
    # Read while it samples, all bits are 0.
    found = BENCH.measure(rig_of(ngspice, "sar6", settings={"read": "20 ns"}), {"inl"})
    assert "inl" not in found.figures
    assert "63 of 63 codes looked for (the first is 1) begin nowhere" in found.failures["inl"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": "0.2 V"}, "high must be above low"),
        ({"read": "200 ns"}, "within the period"),
        ({"period": "190 ns"}, "whole number of clock periods"),
        ({"lo": "0.2 V"}, "unknown setting 'lo'"),
        ({"period": "180 mV"}, "period"),
    ],
)
def test_wrong_settings_are_told_by_name(change, message):
    with pytest.raises(SettingsError, match=message):
        BENCH.parse(rig_of(None, "sar6", settings=change))
