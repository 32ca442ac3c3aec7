import math

import numpy as np
import pytest
from rig_support import CARD, PROCESSES, measure, rig_of

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.benches.pulse import Pulse
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.straight import straight_line


@pytest.mark.parametrize("process", PROCESSES)
def test_the_word_line_reaches_all_its_levels(ngspice, process):
    wanted = ["settling_time", "level_error", "edge_time", "overshoot", "energy", "input_low", "input_high"]
    found = measure(rig_of(ngspice, "word_line", process), wanted)
    assert not found.failures
    values = found.figures
    assert values["edge_time"] < values["settling_time"] < 1e-8
    assert values["level_error"] < 1e-3
    assert 0 < values["overshoot"] < 0.1
    assert values["input_low"] == 0.0
    assert 2.4 < values["input_high"] < 5.0
    # The row's charge comes from the V_VMM level: 64 cells and their wire, and little else.
    row = 64 * (CARD.capacitance + 2.3e-15)
    assert 1.0 < values["energy_level_vmm"] / (1.4 * 0.5 * row) < 1.2
    assert values["energy_vddh"] > values["energy_vdd"] > 0


def test_a_level_beyond_the_gates_reach_is_told_by_name(ngspice):
    found = measure(rig_of(ngspice, "word_line", biases={"level_rtn": "4.9 V"}), ["settling_time", "level_error"])
    assert "never reaches 4.9 V" in found.failures["settling_time"]
    assert found.figures["level_error"] > 0.5


@pytest.mark.parametrize("process", PROCESSES)
def test_the_ladder_follows_its_code(ngspice, process):
    wanted = ["inl", "dnl", "gain_error", "offset", "output_resistance", "glitch"]
    found = measure(rig_of(ngspice, "r2r_dac", process), wanted)
    assert not found.failures
    values = found.figures
    assert 0 < values["inl"] < 0.1
    assert 0 < values["dnl"] < 0.1
    assert abs(values["gain_error"]) < 0.01
    assert abs(values["offset"]) < 1e-4
    assert math.isclose(values["output_resistance"], 50e3, rel_tol=0.03)  # that of an R-2R ladder is R
    assert values["glitch"] < 1e-12
    assert found.curves["levels"].y == pytest.approx(0.9 + 0.5 * np.arange(16) / 16, abs=2e-3)


def test_cells_of_more_current_load_the_bare_ladder_and_not_the_buffered_one(ngspice):
    errors = [
        measure(rig_of(ngspice, name, card="high_current"), ["gain_error"]).figures["gain_error"]
        for name in ("r2r_dac", "r2r_dac_buffered")
    ]
    assert errors[0] < -0.1
    assert abs(errors[1]) < 0.03


@pytest.mark.parametrize("process", PROCESSES)
def test_the_pulse_grows_with_its_code(ngspice, process):
    wanted = ["pulse_step", "pulse_offset", "gain_error", "inl", "dnl"]
    found = measure(rig_of(ngspice, "pulse_width", process), wanted)
    assert not found.failures
    values = found.figures
    assert math.isclose(values["pulse_step"], 625e-9, rel_tol=0.2)  # C V / I, but for the mirrors' finite resistance
    assert math.isclose(values["gain_error"], values["pulse_step"] / 625e-9 - 1.0)
    assert abs(values["pulse_offset"]) < 100e-9
    assert 0 < values["inl"] < 0.1
    assert 0 < values["dnl"] < 0.1
    assert np.all(np.diff(found.curves["pulse width"].y) > 0)


def test_a_pulse_that_does_not_end_is_told_by_name(ngspice):
    found = measure(rig_of(ngspice, "pulse_width", biases={"ibias": "10 nA"}), ["inl", "area"])
    assert "instead of twice" in found.failures["inl"] or "never" in found.failures["inl"]
    assert set(found.figures) == {"area"}


def test_settings_are_checked(ngspice):
    with pytest.raises(SettingsError, match=r"variant 'word_line', settings: 'hold'"):
        measure(rig_of(ngspice, "word_line", settings={"hold": "1 V"}), ["area"])


def test_widths_of_pulses():
    time = np.linspace(0.0, 10.0, 11)

    def pulse(*high):
        return Pulse(time, np.isin(np.arange(11), high).astype(float), {})

    assert pulse().width(0.5) == 0.0
    assert pulse(3, 4).width(0.5) == pytest.approx(2.0)
    for high in ((10,), (0, 1), (3, 5)):
        with pytest.raises(MeasurementError):
            pulse(*high).width(0.5)


def test_the_best_straight_line():
    codes = np.arange(4.0)
    line = straight_line(codes, 3.0 + 2.0 * codes + np.array([1.0, -1.0, -1.0, 1.0]))
    assert (line.slope, line.intercept) == pytest.approx((2.0, 3.0))
    assert line.deviations == pytest.approx([0.5, -0.5, -0.5, 0.5])


def test_a_failed_attempt_names_its_figures_and_stops_nothing():
    findings = Findings(frozenset(["inl", "energy", "area"]))

    def fails():
        raise MeasurementError("it never settles")

    findings.attempt(("inl", "dnl"), fails)
    findings.attempt(("energy",), lambda: {"energy": 1.0, "energy_vdd": 1.0, "static_power": 2.0})
    findings.attempt(("static_power",), lambda: pytest.fail("nobody asked"))
    assert findings.failures == {"inl": "it never settles"}
    assert findings.figures == {"energy": 1.0, "energy_vdd": 1.0}
