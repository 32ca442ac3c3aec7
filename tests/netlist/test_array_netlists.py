"""Netlists of whole arrays in ngspice, against nodal analysis that shares no code with the templates."""

from itertools import product

import numpy as np
import pytest
from array_reference import solve

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.netlist.benches import read_bench
from ftj_spice.netlist.circuit import ENDS, TOPOLOGIES, ArrayCircuit, Cells, Drive, Line, Transistor
from ftj_spice.netlist.render import RenderError

CARDS = {
    "linear": load_card("linear"),
    "sinh": load_card("hzo_mfis_nominal"),
    "physical": load_card("hzo_mfis_nominal").with_values(law="physical"),
    "parallel": load_card("hzo_mfis_nominal").with_values(law="physical", mixing="parallel"),
}
TRANSISTORS = sorted(name for name, topology in TOPOLOGIES.items() if topology.transistor)


@pytest.fixture(scope="module")
def reader():
    with NgspiceReader(time_limit=60.0) as one:
        yield one


def circuit_of(law, topology, conductance=1e-5, seed=0, shape=(4, 3), **wires):
    """An array whose first cell is open and whose lines differ in all that can differ."""
    card, rng = CARDS[law], np.random.default_rng(seed)
    low, high = 0.1 * conductance, conductance
    if law in ("physical", "parallel"):
        low, high = card.off_conductance, card.on_conductance
    g = rng.uniform(low, high, shape)
    g[0, 0] = 0.0
    return ArrayCircuit(Cells.of(card, g), topology, **wires)


def inputs_of(circuit, seed=0):
    on = np.random.default_rng(seed).integers(0, 2, (2, circuit.shape[0]))
    on[0, 1] = on[1, 2] = 1
    return circuit.drive_rows(0.5 * on)


def deviation(reader, circuit, drive):
    """Returns the largest deviation of a column current, in parts of the largest one."""
    expected = np.array([solve(circuit, drive, k) for k in range(len(drive))])
    result = reader.read(circuit, drive)
    assert result.status == "ok"
    return np.abs(result.currents - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("law", ["linear", "sinh"])
def test_every_end_and_resistance_of_every_topology(topology, law, reader):
    for k, (drive, sense, wires, ends) in enumerate(product(ENDS, ENDS, (False, True), (False, True))):
        circuit = circuit_of(
            law, topology, seed=k, drive=drive, sense=sense,
            driven_line=Line(100.0 if wires else 0.0), sensed_line=Line(70.0 if wires else 0.0),
            driver_resistance=500.0 if ends else 0.0, sense_resistance=300.0 if ends else 0.0,
        )  # fmt: skip
        assert deviation(reader, circuit, inputs_of(circuit, k)) < 1e-8, (drive, sense, wires, ends)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("wires", [(50.0, 0.0), (0.0, 50.0)])
def test_one_kind_of_line_may_be_perfect(topology, wires, reader):
    circuit = circuit_of("sinh", topology, driven_line=Line(wires[0]), sensed_line=Line(wires[1]), sense="both")
    assert deviation(reader, circuit, inputs_of(circuit)) < 1e-8


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("law", ["physical", "parallel"])
def test_the_physical_law(topology, law, reader):
    circuit = circuit_of(
        law, topology, driven_line=Line(1e6), sensed_line=Line(1e6), sense="both", sense_resistance=2e5
    )
    assert deviation(reader, circuit, inputs_of(circuit)) < 1e-8


@pytest.mark.parametrize("law", ["linear", "sinh"])
@pytest.mark.parametrize(("conductance", "resistance"), list(product([1e-9, 1e-6, 1e-4], [0.1, 100.0])))
def test_weak_and_strong_cells_on_good_and_bad_wires(law, conductance, resistance, reader):
    for topology in ("crossbar", "1t1f"):
        circuit = circuit_of(law, topology, conductance, shape=(5, 4), driven_line=Line(resistance),
                             sensed_line=Line(resistance))  # fmt: skip
        assert deviation(reader, circuit, inputs_of(circuit)) < 1e-7


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_floating_and_biased_lines(topology, reader):
    for resistance in (0.0, 100.0):
        line = Line(resistance)
        circuit = circuit_of("sinh", topology, driven_line=line, sensed_line=line, driver_resistance=50.0)
        drive = inputs_of(circuit)
        loose_lines, loose_columns = np.zeros(circuit.driven_lines, bool), np.zeros(3, bool)
        loose_lines[1] = loose_columns[2] = True
        gates = None if drive.gates is None else np.full_like(drive.gates, 5.0)
        drive = Drive(drive.lines, gates, np.array([0.1, -0.05, 0.2]), loose_lines, loose_columns)
        assert deviation(reader, circuit, drive) < 1e-8
        assert (reader.read(circuit, drive).currents[:, 2] == 0).all()


def test_a_sneak_path_has_its_closed_form(reader):
    g = np.array([[1e-6, 2e-6], [3e-6, 5e-6]])
    circuit = ArrayCircuit(Cells("linear", 1.0, g))
    lines = np.array([[0.5, 0.0]])
    # Row 1 floats: column 1 is reached by cell (0, 1), and from column 0, held at 0.2 V, through row 1 as well.
    floating = np.array([False, True])
    result = reader.read(circuit, Drive(lines, sense=np.array([0.2, 0.0]), floating_lines=floating))
    series = g[1, 0] * g[1, 1] / (g[1, 0] + g[1, 1])
    sneak = 0.2 * series
    np.testing.assert_allclose(result.currents[0], [0.3 * g[0, 0] - sneak, 0.5 * g[0, 1] + sneak], rtol=1e-10)
    # Column 1 floats as well: cells (0, 1), (1, 1) and (1, 0) in series, beside cell (0, 0).
    loose = np.array([False, True])
    result = reader.read(circuit, Drive(lines, floating_lines=floating, floating_columns=loose))
    path = 1.0 / (1.0 / g[0, 1] + 1.0 / g[1, 1] + 1.0 / g[1, 0])
    np.testing.assert_allclose(result.currents[0], [0.5 * (g[0, 0] + path), 0.0], rtol=1e-10)


def test_what_hangs_on_no_source_is_left_out(reader):
    g = np.array([[1e-6, 0.0], [0.0, 2e-6]])
    circuit = ArrayCircuit(Cells("linear", 1.0, g), driven_line=Line(10.0), sensed_line=Line(10.0))
    island = Drive(np.array([[0.5, 0.5]]), None, None, np.array([False, True]), np.array([False, True]))
    text = read_bench(circuit, island)
    assert "w1_" not in text and "b0_1" not in text and "rc1_1" not in text
    np.testing.assert_allclose(reader.read(circuit, island).currents, [[0.5e-6, 0.0]], rtol=1e-4)
    everything = Drive(np.array([[0.5, 0.5]]), floating_columns=np.array([True, True]))
    assert (reader.read(circuit, everything).currents == 0).all()


@pytest.mark.parametrize("topology", TRANSISTORS)
def test_the_transistor_is_that_of_its_formula(topology, reader):
    """Cells of 1 S beside it: the transistor alone sets the current."""
    device = Transistor(slope_factor=1.3, threshold=0.5)
    drains = np.array([0.02, 0.5, 2.0])
    gates = np.array([[5.0, 0.45, 0.0], [1.0, 0.6, -2.0], [0.3, 100.0, 5.0]])
    for k, drain in enumerate(drains):
        circuit = ArrayCircuit(Cells("linear", 1.0, np.full((3, 1), 1e3)), topology, transistor=device)
        lines = np.full((1, circuit.driven_lines), drain)
        currents = reader.read(circuit, Drive(lines, gates[k : k + 1], np.array([0.01]))).currents
        expected = device.current(gates[k], drain, 0.01).sum()
        assert currents[0, 0] == pytest.approx(expected, rel=1e-4)


def test_gates_that_are_off_let_nothing_through(reader):
    circuit = circuit_of("sinh", "1t1f", 1e-6, driven_line=Line(1.0), sensed_line=Line(1.0))
    drive = circuit.drive_rows(np.full((2, 4), 0.5))
    gates = np.array([[0.0, 0.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0]])
    currents = reader.read(circuit, Drive(drive.lines, gates)).currents
    assert (np.abs(currents[0]) < 1e-14).all()
    conductance = CARDS["sinh"].conduction.current(1.0, 0.5) / CARDS["sinh"].conduction.prefactor(1.0)
    np.testing.assert_allclose(currents[1, 1:], conductance * circuit.cells.strength[0, 1:], rtol=0.01)


def test_lines_that_all_reads_share_are_plain_sources():
    circuit = circuit_of("sinh", "crossbar")
    lines = np.array([[0.5, 0.1, 0.0, 0.2], [0.5, 0.2, 0.0, 0.2]])
    text = read_bench(circuit, Drive(lines))
    assert [line.split()[0] for line in text.splitlines() if line.startswith(("vrow", "brow"))] == [
        "vrow0", "brow1", "vrow2", "vrow3",
    ]  # fmt: skip


def test_wires_bring_their_capacitance():
    circuit = circuit_of("sinh", "crossbar", driven_line=Line(1.0, 1e-16), sensed_line=Line(0.0, 2e-16))
    text = read_bench(circuit, inputs_of(circuit))
    assert "cw0_0 w0_0 0 1e-16\n" in text and "cb0_0 sense0 0 2e-16\n" in text
    assert "cc" not in read_bench(circuit_of("sinh", "crossbar"), inputs_of(circuit))


def test_a_bench_refuses_what_does_not_fit():
    plain, gated = circuit_of("linear", "crossbar"), circuit_of("linear", "1t1f")
    lines = np.ones((2, 4))
    for circuit, drive, sentence in (
        (plain, Drive(np.ones((2, 3))), r"the drive's lines must have shape \(2, 4\), not \(2, 3\)"),
        (plain, Drive(np.ones((0, 4))), r"the drive's lines must have shape \(reads, 4\), not \(0, 4\)"),
        (plain, Drive(lines, np.ones((2, 4))), "topology 'crossbar' has no gate voltages"),
        (gated, Drive(lines), "topology '1t1f' needs gate voltages"),
        (gated, Drive(lines, np.ones((2, 3))), r"the drive's gates must have shape \(2, 4\), not \(2, 3\)"),
        (plain, Drive(lines, sense=np.ones(2)), r"the drive's sense must have shape \(3,\), not \(2,\)"),
        (plain, Drive(lines, floating_lines=np.ones(3, bool)), r"the drive's floating_lines must have shape \(4,\)"),
        (plain, Drive(lines, sense=np.array([0.0, np.nan, 0.0])), "only finite numbers may enter a netlist"),
    ):
        with pytest.raises(RenderError, match=sentence):
            read_bench(circuit, drive)


def test_reads_beyond_reach_are_refused_with_the_estimate():
    with NgspiceReader() as quick:
        wide = ArrayCircuit(Cells("linear", 1.0, np.ones((1024, 1024))), driven_line=Line(1.0), sensed_line=Line(1.0))
        with pytest.raises(
            SettingsError, match=r"one read of arrays of up to 1024 x 1024 cells would take ngspice about"
        ):
            quick.read(wide, Drive(np.ones((1, 1024))))
        some = ArrayCircuit(Cells("linear", 1.0, np.ones((64, 64))), driven_line=Line(1.0), sensed_line=Line(1.0))
        with pytest.raises(SettingsError, match=r"2000000 reads of arrays .* take the fast engine, smaller tiles"):
            quick.read(some, Drive(np.broadcast_to(0.5, (2_000_000, 64))))


def test_several_arrays_in_one_call_are_those_one_by_one():
    circuits = [circuit_of("sinh", name, seed=k) for k, name in enumerate(("crossbar", "1t1f"))]
    tasks = [(circuit, inputs_of(circuit)) for circuit in circuits]
    seen = []
    with NgspiceReader(jobs=2, reads_per_netlist=1) as two:
        many = two.read_many(tasks, lambda done, count: seen.append((done, count)))
        for result, task in zip(many, tasks, strict=True):
            assert (result.currents == two.read(*task).currents).all()
            assert len(result.netlist_hashes) == 2 and result.methods == {"newton": 2}
            assert result.engine.startswith("ngspice-")
    assert sorted(seen) == [(k, 4) for k in range(1, 5)]
