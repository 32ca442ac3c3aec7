import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig_support import PROCESSES, measure, rig_of

from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.charge_noise import doubly_sampled
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.stimulus import pulses, steps


@pytest.mark.parametrize("process", PROCESSES)
def test_a_column_of_nanoamperes_becomes_a_volt(ngspice, process):
    figures = measure(rig_of(ngspice, "integrator_cds", process)).figures
    # 6.5 nA for 10 us on 130 fF, twice: parasitics may take 3 %.
    assert figures["gain"] == pytest.approx(2 * 10e-6 / 130e-15, rel=0.03)
    assert abs(figures["offset_current"]) < 51e-12  # half a cell
    assert figures["offset_charge"] == pytest.approx(10e-6 * figures["offset_current"])
    assert 0 < figures["ground_error"] < 2.2e-3
    assert set(figures) == {"gain", "gain_error", "offset_current", "offset_charge", "ground_error"}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_column_of_microamperes_takes_a_microsecond(ngspice, process):
    figures = measure(rig_of(ngspice, "integrator_cds_fast", process, card="high_current")).figures
    assert figures["gain"] == pytest.approx(2 * 1e-6 / 13e-12, rel=0.04)
    assert abs(figures["offset_current"]) < 51e-9
    assert 0 < figures["ground_error"] < 4.4e-3


def test_offsets_of_the_amplifiers_are_subtracted(ngspice):
    # Pairs of 20 um^2: sigma of some 3 mV each, which would move the bit line by as much and the output by 0.3 LSB.
    nominal = measure(rig_of(ngspice, "integrator_cds")).figures
    for draw in range(3):
        drawn = measure(rig_of(ngspice, "integrator_cds", mismatch=(3, draw))).figures
        assert drawn["offset_current"] != nominal["offset_current"]
        assert abs(drawn["offset_current"] - nominal["offset_current"]) < 20e-12
        assert abs(drawn["ground_error"] - nominal["ground_error"]) < 0.5e-3
        assert drawn["gain"] == pytest.approx(nominal["gain"], rel=0.01)


@pytest.mark.parametrize("process", PROCESSES)
def test_an_amplifier_that_is_reset_reads_current_without_its_offset(ngspice, process):
    figures = measure(rig_of(ngspice, "tia_reset", process)).figures
    # 75 Mohm, twice; after six time constants 0.2 % are missing.
    assert figures["gain"] == pytest.approx(150e6, rel=0.01)
    assert 0 < figures["ground_error"] < 2.2e-3
    drawn = measure(rig_of(ngspice, "tia_reset", process, mismatch=(3, 0))).figures
    # Unlike here, the T network of tia_two_stage makes 100 pA and more of every millivolt of offset.
    assert 0 < abs(drawn["offset_current"] - figures["offset_current"]) < 10e-12
    assert abs(drawn["ground_error"] - figures["ground_error"]) < 0.1e-3


def test_everything_is_measured(ngspice):
    judge = bench("integrator", "test")
    found = measure(rig_of(ngspice, "integrator_cds"), judge.figures)
    figures = found.figures
    assert set(figures) == {*judge.figures, "energy_vdd", "energy_ibias"}
    assert figures["energy_ibias"] == pytest.approx(2e-6 * 1.8 * 13e-6)
    assert figures["energy"] == pytest.approx(figures["energy_vdd"] + figures["energy_ibias"])
    assert not found.failures
    assert figures["nonlinearity"] < 0.004
    assert figures["range_low"] < 0 and figures["range_high"] >= 6.5e-9
    # The white noise of a picofarad is 64 uV; on the integration capacitor, ten times by the line's capacitance.
    assert 2e-17 < figures["noise_charge"] < 1e-15
    assert figures["settling_time"] < 1e-6
    assert figures["energy"] == pytest.approx(figures["static_power"] * 13e-6, rel=0.1)
    assert figures["area"] > 1.43e-12 / 1e-3  # the capacitors alone
    assert found.operation is not None
    assert {"Output (V)", "Clocks (V)"} <= set(found.operation.panels)
    assert found.operation.time[-1] == pytest.approx(13e-6, rel=0.02)
    assert {"Transfer", "Virtual ground"} <= set(found.curves)
    assert "noise_charge" in found.notes


def test_an_output_that_stands_still_is_no_measurement(ngspice):
    with pytest.raises(MeasurementError, match="the output moves by"):
        measure(rig_of(ngspice, "integrator_cds", changes={"c_int": 130e-12}))


def test_white_noise_is_sampled_twice():
    frequency = np.geomspace(1.0, 1e9, 2000)
    assert doubly_sampled(frequency, np.full(2000, 1e-8), 1e-5) == pytest.approx(1e-8 * np.sqrt(2e9), rel=1e-3)


def test_slow_noise_is_subtracted():
    frequency = np.geomspace(1.0, 1e3, 2000)  # far below 1 / 10 us
    dense = np.linspace(1.0, 1e3, 200_000)
    expected = np.sqrt(np.trapezoid(1e-16 * 4.0 * np.sin(np.pi * dense * 1e-5) ** 2, dense))
    assert doubly_sampled(frequency, np.full(2000, 1e-8), 1e-5) == pytest.approx(expected, rel=1e-2)


@given(st.lists(st.sampled_from([0.9, 1.4]), min_size=1, max_size=30))
def test_a_row_has_corners_only_where_it_changes(values):
    corners = np.array(steps(np.array(values), 1e-5, 5e-9, 1e-8))
    changes = np.count_nonzero(np.diff(values))
    assert len(corners) == 1 + 2 * changes
    assert np.all(np.diff(corners[:, 0]) > 0)
    middles = (np.arange(len(values)) + 0.5) * 1e-5
    assert np.allclose(np.interp(middles, *corners.T), values)


@given(st.sampled_from([0.0, 1e-6]), st.integers(1, 5), st.integers(1, 5))
def test_a_clock_pulses_in_every_read(begin, count, reads):
    corners = np.array(pulses(begin, begin + 1e-7, count, 2e-7, reads, 1e-5, 1.8, 1e-9))
    assert np.all(np.diff(corners[:, 0]) > 0)
    time = np.linspace(0.0, reads * 1e-5, 20_000 * reads)
    high = np.interp(time, *corners.T, right=0.0) > 0.9
    share = np.mean(high)
    assert share == pytest.approx(count * 1e-7 / 1e-5, rel=0.05)
    assert high[0] == (begin == 0.0)
