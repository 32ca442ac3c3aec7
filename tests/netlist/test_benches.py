"""The benches: against golden files, in plain ngspice, and against what their circuits must do."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.array.array import Array
from ftj_spice.device.card import load_card
from ftj_spice.device.traps import TrapHistory
from ftj_spice.netlist.benches import (
    SAMPLE_POINT,
    SampleArray,
    TrapSource,
    cell_bench,
    comparator_bench,
    integrate_bench,
    integrator_bench,
)
from ftj_spice.netlist.circuit import TOPOLOGIES, Cells, Line

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
MADE = runpy.run_path(str(GOLDEN / "make.py"))["netlists"]()
PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
CARDS = ["hzo_mfis_nominal", "linear"]


def test_the_golden_folder_holds_these_netlists_only():
    assert sorted(path.name for path in GOLDEN.glob("*.cir")) == sorted(MADE)


@pytest.mark.parametrize("name", sorted(MADE))
def test_netlists_are_the_golden_ones(name):
    assert MADE[name] == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(name for name, text in MADE.items() if "external" not in text))
def test_plain_ngspice_runs_them_without_a_complaint(name, plain):
    _, printed = plain(MADE[name])
    assert not re.search(r"warning|error|singular|gmin|fail", printed, re.IGNORECASE), printed


@pytest.mark.parametrize("name", sorted(MADE))
def test_netlists_are_self_contained(name):
    text = MADE[name]
    assert text.startswith("* ftj-spice: ") and text.endswith("\n.end\n") and "\n\n" not in text
    commands = {line.split()[0] for line in text.splitlines() if line.startswith(".")}
    assert commands <= {
        ".options", ".save", ".dc", ".tran", ".print", ".meas", ".model", ".subckt", ".ends", ".end",
    }  # fmt: skip
    assert max(len(line) for line in text.splitlines()) < 1000


@pytest.mark.parametrize(
    ("topology", "law"), [("crossbar", "linear"), *((name, "hzo_mfis_nominal") for name in TOPOLOGIES)]
)
def test_a_large_array_has_all_its_elements(topology, law):
    text = Array(np.full((128, 128), 1e-10), law, topology, line_resistance=2.0).netlist()
    names = [line.split()[0] for line in text.splitlines() if line[0] not in "*.+"]
    assert len(names) == len(set(names))
    count = {kind: sum(bool(re.fullmatch(kind + r"\d+_\d+", name)) for name in names) for kind in ("rw", "rb", "[br]c")}
    assert count == {"rw": 128 * 128, "rb": 128 * 128, "[br]c": 128 * 128}
    assert sum(name.startswith("vsense") for name in names) == 128
    assert sum(name.startswith(("vrow", "vsource")) for name in names) == 128
    transistors = 128 if TOPOLOGIES[topology].transistor else 0
    assert sum(name.startswith("vgate") for name in names) == transistors
    assert sum(bool(re.fullmatch(r"xt\d+_\d+", name)) for name in names) == 128 * transistors


def test_a_large_array_runs_in_plain_ngspice(plain):
    conductance = np.random.default_rng(3).uniform(1e-11, 1e-10, (128, 128))
    vectors, _ = plain(Array(conductance, "hzo_mfis_nominal").netlist())
    currents = np.array([vectors[f"i(vsense{j})"][0] for j in range(128)])
    np.testing.assert_allclose(currents, 0.5 * conductance.sum(axis=0), rtol=1e-6)


@pytest.mark.parametrize("name", CARDS)
def test_cells_follow_the_card_from_minus_2_to_2_volts(name, plain):
    card = load_card(name)
    conductance = np.array([[card.on_conductance], [card.off_conductance], [0.0]])
    vectors, _ = plain(cell_bench(Cells.of(card, conductance)))
    bias = np.linspace(-2, 2, 81)
    np.testing.assert_allclose(vectors["v(top)"], bias, atol=1e-9)
    for k, g in enumerate(conductance[:, 0]):
        np.testing.assert_allclose(vectors[f"i(vsense{k})"], card.conduction.current(g, bias), rtol=1e-6, atol=1e-18)


@pytest.mark.parametrize("resistance", [0.0, 2e6])
@pytest.mark.parametrize("name", CARDS)
def test_a_read_as_a_transient_collects_the_current_of_the_read_in_dc(name, resistance, plain):
    card = load_card(name)
    rng = np.random.default_rng(5)
    conductance = rng.uniform(card.off_conductance, card.on_conductance, (5, 3))
    voltages = card.vmm_voltage * np.array([1.0, 0.0, 1.0, 1.0, 0.3])
    window, capacitance = 10e-6, 100e-15
    vectors, _ = plain(
        integrate_bench(
            Cells.of(card, conductance), voltages, line_resistance=resistance, window=window, capacitance=capacitance
        )
    )
    dc, _ = plain(Array(conductance, card, line_resistance=resistance).netlist(voltages))
    for j in range(3):
        charge = vectors[f"v(out{j})"][-1] * capacitance
        # The pulse's edges last 1e-3 of the window, half of it outside: a nonlinear cell loses a part of that.
        assert charge == pytest.approx(dc[f"i(vsense{j})"][0] * window, rel=2e-5 if name == "linear" else 1e-3)


def _noisy(rows, columns, word=0.0, bit=0.0, driver=0.0):
    card = load_card("hzo_mfis_nominal")
    rng = np.random.default_rng(rows)
    conductance = card.off_conductance * rng.uniform(0.5, 2.0, (rows, columns))
    amplitude = rng.uniform(0.05, 0.3, (rows, columns))
    empty = card.conduction.current(conductance, 1.5)
    cells = Cells.of(card, conductance, amplitude)
    return SampleArray(cells, 0, Line(word, 1e-16), Line(bit, 1e-16), driver), empty, amplitude


@pytest.mark.parametrize(
    ("word", "bit", "driver"), [(0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.0, 3.0, 1e3), (2.0, 2.0, 1e3)]
)
def test_the_integrator_bench_integrates_every_window(word, bit, driver, plain):
    array, empty, amplitude = _noisy(3, 2, word, bit, driver)
    states = np.array([[0, 1], [1, 1], [0, 0]])
    reference = np.array([3e-10, 0.0])
    text = integrator_bench(
        array, traps=TrapSource("frozen", states=states.T.ravel().tolist()), voltage=1.5, reference=reference,
        capacitance=2e-13, window=1e-3, reset_time=1e-5, samples=3, step=5e-5,
    )  # fmt: skip
    vectors, _ = plain(text)
    expected = (empty * (1 - amplitude * states)).sum(axis=0) - reference
    for j in range(2):
        ends = np.interp(1.01e-3 * np.arange(1, 4), vectors["time"], vectors[f"v(out{j})"])
        np.testing.assert_allclose(ends * 2e-13 / 1e-3, expected[j], rtol=5e-5)


def test_the_comparator_bench_reads_one_row_after_another(plain):
    array, empty, amplitude = _noisy(3, 2, 2.0, 2.0, 1e3)
    states = np.array([[0, 1], [1, 1], [0, 0]])
    swing = empty * amplitude
    bits = {}
    for shift in (
        -0.6,
        0.0,
        0.6,
    ):  # offset in parts of the smallest swing: beyond 1/2, its bit is stuck
        text = comparator_bench(
            array, traps=TrapSource("frozen", states=states.T.ravel().tolist()), voltage=1.5,
            threshold=empty - swing / 2, sensitivity=swing.min() / 40, offset=np.full(2, shift) * swing.min(),
            slot=1e-3, samples=2, step=1e-4,
        )  # fmt: skip
        vectors, _ = plain(text)
        instants = 1e-3 * (np.arange(6) + SAMPLE_POINT)
        bits[shift] = np.stack([np.interp(instants, vectors["time"], vectors[f"v(out{j})"]) for j in range(2)], axis=1)
    np.testing.assert_allclose(bits[0.0], np.tile(1 - states, (2, 1)), atol=1e-3)
    smallest = np.unravel_index(np.argmin(swing), swing.shape)
    for shift, stuck in ((-0.6, 1.0), (0.6, 0.0)):
        assert bits[shift][smallest] == pytest.approx(stuck, abs=1e-3)


def test_nodes_are_those_of_the_netlist():
    for word, bit in ((0.0, 0.0), (2.0, 0.0), (0.0, 2.0), (2.0, 2.0)):
        array, _, _ = _noisy(3, 2, word, bit)
        text = integrator_bench(
            array, traps=TrapSource(), voltage=1.5, reference=np.zeros(2), capacitance=1e-12, window=1e-3,
            reset_time=1e-5, samples=1, step=1e-4,
        )  # fmt: skip
        cells = {
            (int(i), int(j)): (plus, minus, int(trap))
            for i, j, plus, minus, trap in re.findall(r"(?m)^bc(\d+)_(\d+) (\w+) (\w+) .*v\(t(\d+)\)\)$", text)
        }
        plus, minus = array.nodes()
        assert [cells[i, j] for j in range(2) for i in range(3)] == list(zip(plus, minus, range(6), strict=True))


HISTORIES = st.lists(st.integers(1, 10**9), min_size=0, max_size=30, unique=True).map(sorted)


@PROPERTY
@given(HISTORIES, st.integers(0, 1), st.booleans(), st.integers(1, 10**5))
def test_a_replayed_history_ascends_and_keeps_its_charge(ticks, initial, centred, edge_ticks):
    tick = 5e-8  # a run of up to 50 s, edges from 50 ns
    times, edge = tick * np.array(ticks, float), tick * edge_ticks
    states = (initial + 1 + np.arange(len(ticks))) % 2
    history = TrapHistory(np.array([initial]), times, np.zeros(len(ticks), np.int64), states, 51.0)
    source = TrapSource.replay(history, edge, centred=centred)
    (line,) = source.histories
    card = load_card("hzo_mfis_nominal")
    array = SampleArray(Cells.of(card, np.full((1, 1), 1e-12), np.full((1, 1), 0.1)))
    text = integrator_bench(
        array, traps=source, voltage=1.5, reference=np.zeros(1), capacitance=1e-12, window=1.0, reset_time=0.01,
        samples=1, step=0.1,
    )  # fmt: skip
    written = text.split("pwl(")[1].split(")")[0].replace("+", " ").split()
    corners = np.array(written, float).reshape(-1, 2)
    assert (np.diff(corners[:, 0]) > 0).all()
    assert set(corners[:, 1]) <= {0.0, 1.0}
    assert corners[0].tolist() == [0.0, initial]
    assert corners[-1, 1] == (states[-1] if len(ticks) else initial)
    np.testing.assert_allclose(corners.ravel(), line, rtol=1e-14)
    if centred and len(ticks) and times[0] > edge and (np.diff(times) > 1.01 * edge).all():
        end = times[-1] + 2 * edge
        xs = np.append(corners[:, 0], end)
        charge = np.trapezoid(np.append(corners[:, 1], corners[-1, 1]), xs)
        assert charge == pytest.approx(history.averages(0, np.array([0.0, end]))[0] * end, rel=1e-9, abs=1e-12)
