"""The column multiplexer and the reference, at transistor level in both processes."""

from dataclasses import replace

import pytest
from rig_support import PROCESSES, measure, rig_of

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.benches import bench


@pytest.mark.parametrize("process", PROCESSES)
def test_multiplexer_passes_one_line_and_keeps_the_others_out(ngspice, process):
    found = measure(rig_of(ngspice, "column_mux", process), ("on_resistance", "leakage", "settling_time", "energy"))
    assert not found.failures
    assert found.figures["on_resistance"] < 20e3
    assert found.figures["leakage"] < 1e-12  # of cells that carry 2 pA at least
    assert found.figures["settling_time"] < 200e-9
    assert 1e-15 < found.figures["energy"] < 1e-12


def test_multiplexer_disturbs_little(ngspice):
    found = measure(rig_of(ngspice, "column_mux"), ("injected_charge", "crosstalk"))
    assert not found.failures
    assert 0 < found.figures["injected_charge"] < 5e-15
    assert 0 < found.figures["crosstalk"] < 0.01


def test_wider_switches_conduct_better(ngspice):
    narrow, wide = (
        measure(rig_of(ngspice, "column_mux", changes={"w_switch": width}), ("on_resistance",)).figures["on_resistance"]
        for width in (0.5e-6, 4e-6)
    )
    assert wide < 0.25 * narrow


def test_multiplexers_channels_are_a_power_of_two(ngspice):
    one = rig_of(ngspice, "column_mux")
    odd = replace(one, variant=one.variant.model_copy(update={"settings": {"channels": 6}}))
    with pytest.raises(SettingsError, match="power of two"):
        measure(odd)


@pytest.mark.parametrize("process", PROCESSES)
def test_reference_starts_and_hardly_feels_temperature_and_supply(ngspice, process):
    found = measure(rig_of(ngspice, "reference", process), bench("reference", "here").figures)
    assert not found.failures
    assert abs(found.figures["value_error"]) < 0.03
    assert found.figures["reference_current"] == pytest.approx(1e-6, rel=0.1)
    assert found.figures["temperature_coefficient"] < 3e-4
    assert found.figures["line_sensitivity"] < 0.05
    assert found.figures["startup_time"] < 50e-6
    assert 1e-5 < found.figures["noise"] < 1e-3


@pytest.mark.parametrize("corner", ["ss", "ff", "sf", "fs"])
def test_reference_starts_in_every_corner(ngspice, corner):
    found = measure(rig_of(ngspice, "reference", corner=corner), ("value", "reference_current"))
    assert not found.failures
    assert found.figures["value"] == pytest.approx(0.75, abs=0.1)


def test_a_reference_that_never_stands_is_told(ngspice):
    """With branches alike there is nothing that sets the current."""
    found = measure(rig_of(ngspice, "reference", changes={"ratio": 1}), ("value", "startup_time", "static_power"))
    assert "still moves" in found.failures["value"]
    assert "startup_time" in found.failures


def test_a_reference_far_off_its_aim_is_told(ngspice):
    found = measure(rig_of(ngspice, "reference", changes={"nominal": 3.0}), ("value",))
    assert "does not start" in found.failures["value"]
