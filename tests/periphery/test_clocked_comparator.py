import re
from dataclasses import replace

import numpy as np
import pytest
from rig_support import PROCESSES, rig_of
from scipy import constants

from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.aperture import input_noise, window_noise
from ftj_spice.periphery.benches.clocked_comparator import BENCH
from ftj_spice.periphery.clocked import sampling_aperture
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.mismatch import Bias, gate_spread
from ftj_spice.periphery.probe import device_path
from ftj_spice.periphery.rig import Netlist

LATCHES = ["strongarm", "double_tail"]


def planted(netlist, device, **normals):
    """The netlist with standard normal numbers at one transistor."""
    extra = " ".join(f"{name}={value}" for name, value in normals.items())
    text, count = re.subn(rf"(?m)^(x{device} .*)$", rf"\1 {extra}", netlist.text)
    assert count == 1
    return Netlist(text, netlist.deck)


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("variant", LATCHES)
def test_latches_decide(ngspice, variant, process):
    rig = rig_of(ngspice, variant, process)
    found = BENCH.measure(rig, ["offset", "decision_time", "energy", "static_power", "area"])
    assert not found.failures
    figures = found.figures
    assert abs(figures["offset"]) < 3e-5  # equal halves
    assert 0.05e-9 < figures["decision_time"] < 1e-9
    assert figures["energy"] == pytest.approx(figures["energy_vdd"] + figures["energy_clk"])
    assert 50e-15 < figures["energy"] < 1e-12
    assert figures["static_power"] < 1e-8
    times = found.curves["decision time"].y
    assert np.all(np.diff(times) < 0)
    assert set(found.operation.panels["outputs (V)"]) == {"outp", "outn"}


@pytest.mark.parametrize(
    ("process", "parameter"), [("generic", "vth"), pytest.param("sky130", "vth0", marks=PROCESSES[1].marks)]
)
def test_planted_mismatch_comes_back_as_the_single_transistors_shift(ngspice, process, parameter):
    rig = rig_of(ngspice, "strongarm", process)
    netlist = BENCH.netlist(rig)
    values = rig.values
    with rig.open(planted(netlist, "m_inp", **{f"z{parameter}": 2.0})) as session:
        offset = BENCH.circuit(rig, session).threshold()
    # A pair in strong inversion: tail some tenths of a volt, drains near the supply.
    one = gate_spread(
        rig.condition.process, "tt", "nmos", values["w_in"], values["l_in"], Bias(0.9, 1.55, 0.15), ngspice
    )
    assert offset == pytest.approx(2.0 * one.shifts[parameter], rel=0.12)
    assert offset > 2e-3


def test_draws_are_chips_of_their_own(ngspice):
    def offset(draw):
        return BENCH.measure(rig_of(ngspice, "strongarm", mismatch=(7, draw)), ["offset"]).figures["offset"]

    first, again, second = offset(0), offset(0), offset(1)
    assert first == again
    assert abs(first - second) > 2e-5


def test_corner_temperature_and_supply_count(ngspice):
    def figures(**condition):
        return BENCH.measure(rig_of(ngspice, "strongarm", **condition), ["decision_time", "energy"]).figures

    typical = figures()
    assert figures(corner="ss")["decision_time"] > 1.05 * typical["decision_time"]
    assert figures(temperature=360.0)["decision_time"] != pytest.approx(typical["decision_time"], rel=0.01)
    # C V^2 for the most part; at a fixed common mode the speed hardly changes.
    assert figures(supply=0.9)["energy"] / typical["energy"] == pytest.approx(0.81, abs=0.06)


def test_never_deciding_is_told_by_name(ngspice):
    rig = rig_of(ngspice, "strongarm", settings={"period": "0.2 ns", "edge": "10 ps"})
    found = BENCH.measure(rig, ["offset", "area"])
    assert "'strongarm' never decides" in found.failures["offset"]
    assert set(found.figures) == {"area"}


def test_swapped_outputs_are_told(ngspice):
    rig = rig_of(ngspice, "strongarm")
    ports = rig.variant.ports
    swapped = {name: ports[name] for name in ("inp", "inn", "clk", "outn", "outp", "vdd")}
    rig = replace(rig, variant=rig.variant.model_copy(update={"ports": swapped}))
    netlist = BENCH.netlist(rig)
    text = netlist.text.replace("xdut inp inn clk outn outp vdd", "xdut inp inn clk outp outn vdd")
    assert text != netlist.text
    with rig.open(Netlist(text, netlist.deck)) as session, pytest.raises(MeasurementError, match="against its input"):
        BENCH.circuit(rig, session).threshold()


def test_aperture_predicts_the_threshold_of_a_stepping_input(ngspice):
    rig = rig_of(ngspice, "strongarm")
    height = 4e-3
    with rig.open(BENCH.netlist(rig)) as session:
        circuit = BENCH.circuit(rig, session)
        steps, share = sampling_aperture(circuit)
        assert share[0] == pytest.approx(1.0, abs=0.02)
        assert share[-1] == pytest.approx(0.0, abs=0.02)
        middle = int(np.argmin(np.abs(share - 0.5)))
        low, high = -2.0 * height, height
        while high - low > 1e-5:
            base = 0.5 * (low + high)
            if circuit.stepped(base, height, float(steps[middle]), 2e-9)[1][-1] > 0:
                high = base
            else:
                low = base
    assert -base / height == pytest.approx(share[middle], abs=0.03)


def test_noise_of_a_flat_aperture_is_that_of_an_average():
    steps = np.linspace(0.0, 1e-9, 21)
    share = 1.0 - steps / 1e-9
    gm = np.array([1e-3, 2e-3])
    expected = np.sqrt(2 * constants.k * 300.0 * (1 / 1e-3 + 1 / 2e-3) / 1e-9)
    assert input_noise(steps, share, np.repeat(gm[:, None], 20, axis=1), 300.0, 1.0) == pytest.approx(expected)
    assert window_noise(gm, 1e-9, 300.0, 1.0) == pytest.approx(expected)


def test_noise_is_a_fraction_of_a_millivolt(ngspice):
    found = BENCH.measure(rig_of(ngspice, "strongarm"), ["noise"])
    assert 1e-4 < found.figures["noise"] < 1e-3
    assert "input pair" in found.notes["noise"]


def test_unknown_noisy_transistor_is_told(ngspice):
    rig = rig_of(ngspice, "strongarm", settings={"pair": ["m_first"]})
    assert "no transistor 'm_first'" in BENCH.measure(rig, ["noise"]).failures["noise"]


@pytest.mark.parametrize("process", PROCESSES)
def test_device_path_leads_to_a_transistor(ngspice, process):
    rig = rig_of(ngspice, "strongarm", process)
    path = device_path(BENCH.netlist(rig), rig.condition.process, "m_inp")
    assert path[:3] == ["m", "xdut", "xm_inp"]


def test_gate_spread_follows_the_law_of_area(ngspice):
    process = load_process("generic")
    small, big = (
        gate_spread(process, "tt", "nmos", side, side, Bias(0.9, 1.5, 0.0), ngspice).sigma for side in (1e-6, 4e-6)
    )
    assert small / big == pytest.approx(4.0, rel=0.05)
    with pytest.raises(MeasurementError, match="is off"):
        gate_spread(process, "tt", "nmos", 1e-6, 1e-6, Bias(-1.5, 1.5, 0.0), ngspice)


def test_input_range_and_kickback(ngspice):
    rig = rig_of(ngspice, "strongarm", settings={"common_step": "0.3 V"})
    found = BENCH.measure(rig, ["input_low", "input_high", "kickback"])
    assert 0.3 < found.figures["input_low"] < 1.0
    assert found.figures["input_high"] == pytest.approx(1.8)
    assert np.all(np.diff(found.curves["kickback"].y) > 0)
