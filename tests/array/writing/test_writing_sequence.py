"""Program-and-verify: what it reaches, what it lists, and that nothing sticks silently."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from writing_support import problem, write

from ftj_spice.array.writing import outcome
from ftj_spice.array.writing.devices import draw_devices
from ftj_spice.array.writing.outcome import Failure, failures_csv
from ftj_spice.array.writing.sequence import program
from ftj_spice.array.writing.settings import LARGEST_PULSES, ProgramSettings, Staircase
from ftj_spice.array.writing.targets import level_conductances, read_targets
from ftj_spice.array.writing.vector import VectorChip
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import load_card

NOMINAL = load_card("hzo_mfis_nominal")


def test_sixteen_levels_within_the_tolerance():
    result, *_ = write((16, 16))
    assert result.status == "ok"
    assert result.failures == ()
    assert np.max(np.abs(result.error)) <= 0.25 + 1e-3  # the read's wires are within the thousandth
    assert np.ptp(result.target) / result.step == pytest.approx(15)
    assert 10 < result.pulses.mean() < 40
    assert np.all(result.energy > 0)


def test_energy_of_an_erased_cell_is_that_of_its_parts():
    card, settings, targets, devices = problem((1, 1), spread=0.0, initial=1.0)
    chip = VectorChip(card, devices, settings)
    chip.erase()
    charge = 2.0 * card.remanent_polarization * card.area  # all domains turned
    floor = settings.erase_voltage * charge + card.capacitance * settings.erase_voltage**2
    current = float(card.conduction.current(card.on_conductance, settings.erase_voltage))
    assert floor < chip.energy[0, 0] < floor + settings.erase_voltage * current * 1.1 * settings.erase_time
    assert targets.conductance.shape == chip.energy.shape


def test_stuck_devices_are_listed_and_no_others():
    result, _, targets, stuck = write((20, 20), seed=4, stuck=0.05)
    failed = result.failed
    held = (stuck != 0) & (np.abs(result.error) <= result.tolerance)
    assert np.array_equal(failed, (stuck != 0) & ~held)
    assert failed.sum() >= 15
    assert {f.reason for f in result.failures} == {outcome.STUCK}
    for f in result.failures:
        assert f.target == targets.conductance[f.row, f.column]
        assert f.reached == result.conductance[f.row, f.column]


def test_a_stuck_device_that_already_has_its_level_is_no_failure():
    card, settings, _, devices = problem((1, 2), devices_stuck=np.array([[1, 0]], np.int8), high=1.0, spread=0.0)
    targets = read_targets(np.array([[15, 3]]), card, settings)
    result = program(VectorChip(card, devices, settings), targets, settings)
    assert result.status == "ok"
    assert result.pulses[0, 0] == 0


def test_levels_beyond_a_cells_own_window_are_out_of_reach():
    card, settings, _, devices = problem((2, 12), seed=1, high=1.0)
    targets = read_targets(np.full((2, 12), 15), card, settings)
    weak = devices.on_factor < 0.9
    assert weak.any()
    result = program(VectorChip(card, devices, settings), targets, settings, 1)
    reasons = {(f.row, f.column): f.reason for f in result.failures}
    for cell in np.argwhere(weak):
        assert reasons[tuple(cell)] == outcome.OUT_OF_REACH


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"max_pulses": 3}, {outcome.EXHAUSTED}),
        ({"set": {"start": 1.0, "step": 0.1, "limit": 1.2}}, {outcome.STUCK, outcome.OUT_OF_REACH}),
        ({"reversals": 0, "set": {"start": 1.6, "step": 0.8, "limit": 4.8}}, {outcome.OVERSHOOT, outcome.OUT_OF_REACH}),
    ],
)
def test_settings_that_no_sequence_reaches_end_with_a_list(changes, reasons):
    result, *_ = write((4, 6), seed=2, **changes)
    assert result.failures
    assert {f.reason for f in result.failures} <= reasons
    assert result.status == f"{len(result.failures)} of 24 cells failed"
    assert np.all(result.pulses <= changes.get("max_pulses", 300))
    good = ~result.failed
    assert np.all(np.abs(result.error[good]) <= result.tolerance + 1e-3)


def test_cells_that_neighbours_disturb_are_corrected_in_a_further_pass():
    once, *_ = write((12, 12), scheme="v2", passes=1)
    again, *_ = write((12, 12), scheme="v2", passes=4)
    assert {f.reason for f in once.failures} == {outcome.DISTURBED}
    assert len(again.failures) < len(once.failures) / 4
    assert 1 < again.passes <= 4


def test_two_thirds_less_voltage_disturbs_less():
    half, third, none = (
        write((10, 10), scheme=scheme, topology=topology, passes=1)[0]
        for scheme, topology in (("v2", "crossbar"), ("v3", "crossbar"), ("inhibit", "1t1f"))
    )
    rms = [float(np.sqrt(np.mean(r.disturb**2))) for r in (half, third, none)]
    assert rms[0] > 5 * rms[1]
    assert rms[2] < 1e-9


def test_the_stochastic_model_reaches_levels_too():
    result, *_ = write((6, 6), model="domains", levels=8, tolerance=0.4)
    assert len(result.failures) <= 2
    assert np.max(np.abs(result.error[~result.failed])) <= 0.4 + 1e-3


def test_traces_and_repeatability():
    card, settings, targets, devices = problem((3, 4))
    runs = [program(VectorChip(card, devices, settings), targets, settings, 5, ((1, 2),)) for _ in range(2)]
    assert runs[0].conductance.tobytes() == runs[1].conductance.tobytes()
    (trace,) = runs[0].traces
    assert (trace.row, trace.column) == (1, 2)
    assert int(trace.applied.sum()) == runs[0].pulses[1, 2]
    other = program(VectorChip(card, devices, settings), targets, settings, 6)
    assert not np.array_equal(other.conductance, runs[0].conductance)


def test_units_of_targets():
    s = ProgramSettings()
    levels = level_conductances(NOMINAL, s)
    integers = read_targets(np.array([[0, 15]]), NOMINAL, s)
    assert integers.unit == "level"
    np.testing.assert_allclose(integers.conductance[0], levels[[0, 15]])
    parts = read_targets(np.array([[0.0, 1.0], [0.34, 0.5]]), NOMINAL, s, "fraction")
    np.testing.assert_array_equal(parts.level, [[0, 15], [5, 8]])
    siemens = read_targets(np.array([[1e-11, 2e-11]]), NOMINAL, s)
    assert siemens.unit == "siemens"
    np.testing.assert_array_equal(siemens.conductance, [[1e-11, 2e-11]])


@pytest.mark.parametrize(
    ("matrix", "unit", "word"),
    [
        (np.zeros((0, 3)), "auto", "shape"),
        (np.zeros(4), "auto", "shape"),
        (np.array([[1e-11, np.nan]]), "auto", "finite"),
        (np.array([[np.inf]]), "siemens", "finite"),
        (np.array([[1e-11, 1.0]]), "siemens", "window"),
        (np.array([[0.0]]), "siemens", "window"),
        (np.array([[16]]), "level", "0 to 15"),
        (np.array([[-1]]), "auto", "0 to 15"),
        (np.array([[0.5]]), "level", "whole numbers"),
        (np.array([[1.5]]), "fraction", "0 to 1"),
        (np.array([[True]]), "auto", "real numbers"),
        (np.array([[1j]]), "auto", "real numbers"),
        (np.array([["a"]]), "auto", "real numbers"),
    ],
)
def test_targets_that_make_no_sense_are_refused(matrix, unit, word):
    with pytest.raises(DataError, match=word):
        read_targets(matrix, NOMINAL, ProgramSettings(), unit)


def test_unknown_unit():
    with pytest.raises(SettingsError, match="unit must be one of"):
        read_targets(np.array([[1]]), NOMINAL, ProgramSettings(), "volts")


def test_clipped_targets_are_listed():
    card, settings, _, devices = problem((1, 3), clip=True, spread=0.0)
    targets = read_targets(np.array([[1.0, 5e-11, 1e-15]]), card, settings)
    np.testing.assert_array_equal(targets.clipped, [[True, False, True]])
    result = program(VectorChip(card, devices, settings), targets, settings)
    assert [(f.column, f.reason) for f in result.failures] == [(0, outcome.OUTSIDE), (2, outcome.OUTSIDE)]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"set": {"start": 2.0, "step": 0.1, "limit": 1.0}}, "limit"),
        ({"set": {"start": 1.0, "step": 1e-9, "limit": 4.0}}, "too small"),
        ({"low": 0.8, "high": 0.5}, "low"),
        ({"topology": "ring"}, "topology"),
        ({"tolerance": 0}, "tolerance"),
        ({"width": float("nan")}, "width"),
        ({"line_resistance": -1}, "line_resistance"),
        ({"tolerence": 0.1}, "tolerance"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, word):
    with pytest.raises(SettingsError, match=word):
        ProgramSettings.parse(changes, "settings")


@limits(max_examples=60, deadline=None)
@given(start=st.floats(0.1, 3), step=st.floats(0.01, 1), rise=st.floats(0, 3), factor=st.floats(0.1, 1))
def test_staircases_rise_to_their_limit(start, step, rise, factor):
    stairs = Staircase(start=start, step=step, limit=start + rise)
    volts = stairs.amplitudes(factor)
    assert volts[0] == start
    assert volts[-1] <= stairs.limit + 1e-9
    assert stairs.limit - volts[-1] < step * factor + 1e-6 or len(volts) == LARGEST_PULSES + 1
    np.testing.assert_allclose(np.diff(volts), step * factor)


def test_the_list_of_failures_as_csv():
    text = failures_csv([Failure(1, 2, 3e-11, 4e-12, outcome.STUCK)])
    assert text == "row,column,target_S,reached_S,reason\n1,2,3e-11,4e-12,stuck\n"


def test_cells_stuck_high_are_called_stuck_whatever_the_array_starts_from():
    for initial in (0.0, 1.0):
        settings = ProgramSettings(initial=initial, stuck=0.1, stuck_on=1.0)
        target = np.random.default_rng(0).integers(0, 8, (12, 8))
        card = load_card(settings.card)
        targets = read_targets(target, card, settings)
        devices = draw_devices(card, target.shape, settings, 3)
        with VectorChip(card, devices, settings, 3) as chip:
            result = program(chip, targets, settings, 3)
        stuck = {(int(i), int(j)) for i, j in np.argwhere(devices.stuck != 0)}
        assert stuck and {(f.row, f.column) for f in result.failures if f.reason == "stuck"} == stuck
