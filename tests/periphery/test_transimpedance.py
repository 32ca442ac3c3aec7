"""Current-input amplifiers at transistor level do their job in both processes, and say what they can't."""

import numpy as np
import pytest
from rig_support import PROCESSES, measure, rig_of

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.levels import Stand


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", ["tia_two_stage", "tia_folded_cascode", "tia_fast", "conveyor"])
def test_the_gain_is_what_the_design_aims_at(ngspice, name, process):
    found = measure(rig_of(ngspice, name, process))
    assert not found.failures
    assert abs(found.figures["gain_error"]) < 0.05
    assert abs(found.figures["ground_error"]) < 8e-3
    full_scale = Stand(rig_of(ngspice, name, process)).full_scale
    assert abs(found.figures["offset_current"]) < 0.02 * full_scale


def test_everything_at_once(ngspice):
    one = rig_of(ngspice, "tia_fast")
    found = measure(one, bench("transimpedance", "here").figures)
    assert not found.failures
    figures = found.figures
    assert figures["nonlinearity"] < 0.01
    assert figures["range_high"] > 6.5e-6 > 0 > figures["range_low"]
    assert 30e-9 < figures["settling_time"] < 1e-6
    assert figures["energy"] == pytest.approx(figures["static_power"] * figures["settling_time"], rel=0.5)
    assert figures["energy_ibias"] == pytest.approx(1e-6 * 1.8 * figures["settling_time"])
    assert figures["energy"] == pytest.approx(figures["energy_vdd"] + figures["energy_ibias"])
    # The feedback resistor alone makes sqrt(4kT/R) over the bandwidth; no amplifier is quieter than that.
    floor = np.sqrt(4 * 1.38e-23 * 300 / 1e5 * figures["bandwidth"])
    assert floor < figures["noise_current"] < 20 * floor
    assert found.operation is not None
    assert set(found.curves) >= {"Transfer", "Deviation from the straight line", "Virtual ground", "Output noise"}


def test_mismatch_moves_the_offset_and_the_same_draw_gives_the_same(ngspice):
    draws = [measure(rig_of(ngspice, "tia_fast", mismatch=(1, k))).figures for k in (0, 1, 0)]
    assert draws[0] == draws[2]
    assert draws[0]["offset_current"] != draws[1]["offset_current"]
    # With no current the bit line stands off by the OTA's offset, which the output shows, too.
    assert draws[0]["offset_current"] * draws[0]["gain"] == pytest.approx(draws[0]["ground_error"], abs=2e-3)


def test_clipping_is_told_with_its_level(ngspice):
    found = measure(rig_of(ngspice, "tia_fast", changes={"r_f": 300e3}))
    assert "clips at" in found.failures["gain"]
    assert "gain" not in found.figures


def test_cells_of_another_size_are_told(ngspice):
    """The nA amplifier in front of cells a thousand times larger."""
    found = measure(rig_of(ngspice, "tia_two_stage", card="high_current"), ["gain", "settling_time"])
    assert "clips" in found.failures["gain"]
    assert "it clips, or is not done" in found.failures["settling_time"]


def test_what_never_settles_is_told(ngspice):
    found = measure(rig_of(ngspice, "tia_fast", changes={"c_f": 100e-12}), ["gain", "settling_time"])
    assert "not settled" in found.failures["gain"]
    assert "settling_time" in found.failures


def test_settings_are_strict(ngspice):
    with pytest.raises(SettingsError, match="variant 'tia_fast', settings"):
        measure(rig_of(ngspice, "tia_fast", settings={"window": "4 V"}))
    with pytest.raises(SettingsError, match="nominal_gain"):
        measure(rig_of(ngspice, "tia_fast", settings={"nominal_gian": "1 Mohm"}))


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", ["ota_two_stage", "ota_folded_cascode"])
def test_amplifiers_are_stable_and_have_gain(ngspice, name, process):
    wanted = ("voltage_gain", "unity_gain_frequency", "phase_margin", "offset", "static_power")
    found = measure(rig_of(ngspice, name, process), wanted)
    assert not found.failures
    assert found.figures["voltage_gain"] > 2000
    assert 3e6 < found.figures["unity_gain_frequency"] < 30e6
    assert 55 < found.figures["phase_margin"] < 95
    assert abs(found.figures["offset"]) < 1e-3
    assert found.figures["static_power"] < 25e-6


def test_an_amplifiers_follower_and_range(ngspice):
    found = measure(rig_of(ngspice, "ota_folded_cascode"), bench("amplifier", "here").figures)
    assert not found.failures
    assert found.figures["output_low"] < 0.3 < 1.4 < found.figures["output_high"]
    # All of the tail's 2 uA charge the load of 0.5 pF and the 0.1 pF within at most.
    assert 0.2e6 < found.figures["slew_rate"] < 2.1e-6 / 0.6e-12
    assert 1e-5 < found.figures["noise"] < 1e-3
