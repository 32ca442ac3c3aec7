"""Array readers by name, and what they all promise."""

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.arrays import read_all
from ftj_spice.engines.chunks import assemble, split
from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.engines.ngspice.arraytime import sweep_seconds
from ftj_spice.engines.readers import READERS, open_reader
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Drive, Line

CIRCUIT = ArrayCircuit(
    Cells("sinh", 0.22, np.random.default_rng(3).uniform(1e-8, 1e-7, (5, 3))), "1t1f", Line(100.0), Line(50.0), "both"
)
DRIVE = CIRCUIT.drive_rows(np.random.default_rng(4).uniform(0.0, 0.5, (5, 5)))


def _open(name, **settings):
    try:
        return open_reader(name, **settings)
    except EngineNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", READERS)
def test_readers_agree_and_report_what_they_did(name):
    steps = []
    with _open(name, jobs=2) as reader, NgspiceReader() as reference:
        assert reader.name == name
        result = reader.read(CIRCUIT, DRIVE, lambda done, count: steps.append((done, count)))
        expected = reference.read(CIRCUIT, DRIVE).currents
    np.testing.assert_allclose(result.currents, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
    assert result.engine.startswith(name) and sum(result.methods.values()) == len(DRIVE)
    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize("name", READERS)
def test_floating_columns_carry_nothing(name):
    loose = np.array([False, True, False])
    drive = Drive(DRIVE.lines, DRIVE.gates, None, None, loose)
    with _open(name) as reader:
        currents = reader.read(CIRCUIT, drive).currents
        assert (currents[:, 1] == 0).all() and (currents[:, [0, 2]] > 0).all()
        several = read_all(reader, [(CIRCUIT, drive), (CIRCUIT, DRIVE)])
    assert (several[0].currents == currents).all() and several[1].currents[0, 1] > 0


def test_an_unknown_reader_is_one_sentence():
    with pytest.raises(SettingsError, match=r"^unknown engine 'spectre'; known: fast, ngspice, vacask$"):
        open_reader("spectre")


def test_a_reader_leaves_a_given_engine_open(engine):
    with NgspiceReader(engine) as reader:
        first = reader.read(CIRCUIT, DRIVE).currents
    with engine.open(NgspiceReader(engine).netlist(CIRCUIT, DRIVE)) as session:
        assert session.engine.startswith("ngspice-")
    assert (NgspiceReader(engine, reads_per_netlist=len(DRIVE)).read(CIRCUIT, DRIVE).currents == first).all()


@pytest.mark.parametrize("size", [1, 2, 4, 5, 100])
def test_batches_are_cut_and_put_together_in_order(size, engine):
    tasks = [(CIRCUIT, DRIVE), (CIRCUIT, DRIVE.take(slice(0, 2)))]
    chunks = split(tasks, size)
    assert max(len(chunk.drive) for chunk in chunks) <= size
    reader = NgspiceReader(engine)
    parts = assemble(chunks, [reader.read(chunk.circuit, chunk.drive) for chunk in chunks])
    for (_, drive), part in zip(tasks, parts, strict=True):
        assert part.currents.shape == (len(drive), 3)
        np.testing.assert_allclose(part.currents, reader.read(CIRCUIT, drive).currents, rtol=1e-10)


def test_the_estimate_grows_with_the_array_and_klu_is_the_faster_one():
    def circuit(n, wire, topology="crossbar"):
        return ArrayCircuit(Cells("linear", 1.0, np.ones((n, n))), topology, Line(wire), Line(wire))

    for klu in (False, True):
        for wire in (0.0, 1.0):
            times = np.array([sweep_seconds(circuit(n, wire), klu) for n in (2, 8, 20, 64, 100, 128, 500)])
            assert (np.diff(times, axis=0) > 0).all() and (times[:, 0] > times[:, 1]).all()
    slow, quick = sweep_seconds(circuit(64, 1.0), False), sweep_seconds(circuit(64, 1.0), True)
    assert slow[0] > quick[0] and slow[1] > quick[1]
    assert sweep_seconds(circuit(8, 1.0, "and"), False)[0] > sweep_seconds(circuit(8, 1.0), False)[0]


def test_long_batches_become_more_netlists(monkeypatch, engine):
    monkeypatch.setattr("ftj_spice.engines.ngspice.arrays.sweep_seconds", lambda circuit, klu: (1.0, 1.0))
    reader = NgspiceReader(engine, time_limit=6.0)  # half of it is three reads
    result = reader.read(CIRCUIT, DRIVE)
    assert len(result.netlist_hashes) == 2
    with pytest.raises(
        SettingsError, match=r"^5 reads of arrays of up to 5 x 3 cells would take ngspice about 5 s, more"
    ):
        NgspiceReader(engine, longest=4.0).read(CIRCUIT, DRIVE)
