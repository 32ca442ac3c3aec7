"""The whole junction as an ngspice subcircuit: rendering, convergence without special options, held states."""

import re

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.current import static_current
from ftj_spice.device.switching import MeanSwitching
from ftj_spice.device.waveform import Waveform
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.protocol import OperatingPoint, Sweep, Transient
from ftj_spice.netlist.dynamic import noise_bench, static_bench, transient_bench

NOMINAL = load_card("hzo_mfis_nominal")
PULSES = Waveform.pulses([4.0, -4.0, 4.0, -4.0], 1e-7, 1e-9, 1e-7)


@pytest.fixture(scope="module")
def engine():
    with NgspiceEngine(time_limit=60.0) as shared:
        yield shared


def without_options(netlist: str) -> str:
    """Returns a netlist with ngspice's own defaults, whatever the bench asks for."""
    return re.sub(r"(?m)^\.options.*\n", "", netlist)


@pytest.mark.parametrize("law", ["sinh", "linear", "physical"])
def test_write_pulses_converge_with_ngspices_defaults(engine, law):
    """+/-4 V, 100 ns, 1 ns edges, from DC: no convergence ladder, and the polarization of the numpy model."""
    card = NOMINAL.with_values(law=law)
    netlist = without_options(transient_bench(card, PULSES))
    with engine.open(netlist) as session:
        run = session.run(Transient(2e-9, PULSES.duration, 2e-9), ["time", "v(polarization)"])
    assert run.status == "ok"
    expected = MeanSwitching(card).apply(PULSES, run["time"])[:, 0]
    np.testing.assert_allclose(run["v(polarization)"], expected, rtol=0, atol=0.01)


def test_an_array_with_line_resistance_converges_with_ngspices_defaults(engine):
    """4 x 4 cells, 1 kohm per wire segment, half-select scheme: the selected cell switches, the others hardly."""
    cells = 4
    define = transient_bench(NOMINAL, PULSES)
    subcircuit = define[define.index(".subckt") : define.index(".ends") + 5]
    lines = ["array", subcircuit]
    for i in range(cells):
        level = 4.0 if i == 0 else 4.0 / 3.0
        lines.append(f"vw{i} w{i}_0 0 dc 0 pwl(0 0 100n 0 101n {level} 201n {level} 202n 0 300n 0)")
        low = 0.0 if i == 0 else 8.0 / 3.0
        lines.append(f"vb{i} b{i}_0 0 dc 0 pwl(0 0 100n 0 101n {low} 201n {low} 202n 0 300n 0)")
        for j in range(cells):
            lines += [f"rw{i}_{j} w{i}_{j} w{i}_{j + 1} 1k", f"rb{i}_{j} b{i}_{j} b{i}_{j + 1} 1k"]
            lines.append(f"xc{i}_{j} w{i}_{j + 1} b{j}_{i + 1} trap p{i}_{j} ftj")
    lines += ["vtrap trap 0 dc 0", ".end"]
    with engine.open("\n".join(lines)) as session:
        run = session.run(Transient(2e-9, 3e-7, 2e-9), [f"v(p{i}_{j})" for i in range(cells) for j in range(cells)])
    assert run.status == "ok"
    s = np.array([[run[f"v(p{i}_{j})"][-1] for j in range(cells)] for i in range(cells)])
    assert s[0, 0] > 0.05  # 0.18 without the wires
    others = s.copy()
    others[0, 0] = -1.0
    assert np.all(others < -0.98)


def test_steps_that_overshoot_on_a_slow_ramp_heal(engine):
    """With ngspice's default tolerances a 200 us ramp to 3 V overshoots; the state comes back to the numpy model's."""
    waveform = Waveform(np.array([0.0, 2e-4, 1e-2, 1.02e-2]), np.array([0.0, 3.0, 3.0, 0.0]))
    netlist = without_options(transient_bench(NOMINAL, waveform))
    step = waveform.duration / 400
    with engine.open(netlist) as session:
        run = session.run(Transient(step, waveform.duration, step), ["time", "v(polarization)"])
    assert run.status == "ok"
    assert np.max(run["v(polarization)"]) < 1.05
    expected = MeanSwitching(NOMINAL).apply(waveform)[-1, 0]
    assert run["v(polarization)"][-1] == pytest.approx(expected, abs=1e-3)


def test_static_analyses_hold_the_polarization_whatever_ran_before(engine):
    netlist = transient_bench(NOMINAL, PULSES, up=0.3)
    with engine.open(netlist) as session:
        for _ in range(2):
            assert session.run(OperatingPoint(), ["v(polarization)"])["v(polarization)"][0] == pytest.approx(-0.4)
            session.run(Transient(5e-9, PULSES.duration, 5e-9), ["v(polarization)"])
    with engine.open(netlist) as session:  # a sweep of the terminal's own voltage, as users do it
        run = session.run(Sweep("vdrive", 5), ["v(polarization)", "i(vsense)"])
    np.testing.assert_allclose(run["v(polarization)"], -0.4, rtol=1e-6)
    np.testing.assert_allclose(run["i(vsense)"], static_current(NOMINAL, np.arange(5.0), -0.4), rtol=2e-3, atol=1e-11)


def test_the_state_does_not_leak_between_pulses(engine):
    waveform = Waveform(np.array([0.0, 10.0]), np.zeros(2))
    with engine.open(transient_bench(NOMINAL, waveform, up=0.7)) as session:
        run = session.run(Transient(0.1, 10.0, 0.1), ["v(polarization)"])
    np.testing.assert_allclose(run["v(polarization)"], 0.4, atol=1e-6)


def test_noise_port_lowers_the_current_by_the_state_dependent_amplitude(engine):
    volts = np.array([0.5, 1.0, 1.5])
    s = np.array([-1.0, 0.0, 1.0])
    currents = []
    for trap in (0.0, 1.0, 1.4):
        with engine.open(static_bench(NOMINAL, volts, s, 300.0, trap)) as session:
            run = session.run(Sweep("vindex", 3), [f"i(vsense{k})" for k in range(3)])
        currents.append([run[f"i(vsense{k})"] for k in range(3)])
    expected = [static_current(NOMINAL, volts, s[:, None], trap=trap) for trap in (0.0, 1.0, 1.4)]
    np.testing.assert_allclose(currents, expected, rtol=1e-6)


def test_benches_hold_no_control_block_and_no_include():
    for text in (
        static_bench(NOMINAL, np.linspace(-1, 1, 5), np.array([0.0]), 300.0),
        transient_bench(NOMINAL, PULSES),
        noise_bench(NOMINAL, 1.5, 1e-3, 1e-5),
        transient_bench(NOMINAL, PULSES, model="verilog-a"),
    ):
        assert text.rstrip().endswith(".end")
        for word in (".control", ".include", ".lib", "pre_osdi", "shell"):
            assert word not in text.lower()


def test_unknown_model():
    with pytest.raises(SettingsError, match="unknown model 'spice'; known: subcircuit, verilog-a"):
        transient_bench(NOMINAL, PULSES, model="spice")
