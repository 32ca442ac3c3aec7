"""Which way the fast engine takes, and what it refuses."""

import numpy as np
import pytest
from fast_support import cells, crossbar

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.engines.errors import ConvergenceError, EngineError
from ftj_spice.engines.fast import FastReader, sizes
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Drive, Line

DIRECT = FastReader(method="direct")


def test_linear_cells_take_the_transfer_matrix():
    circuit, drive = crossbar(20, 1e-7, 1e-4, 10.0, law="linear", reads=100)
    biased = Drive(np.random.default_rng(1).uniform(-1, 1, drive.lines.shape), None, np.linspace(-0.1, 0.1, 20))
    for batch in (drive, biased):
        result = FastReader().read(circuit, batch)
        assert (result.methods, result.status) == ({"transfer": 100}, "ok")
        some = batch.take(slice(0, 100, 33))
        exact = DIRECT.read(circuit, some).currents
        np.testing.assert_allclose(result.currents[::33], exact, rtol=0, atol=1e-11 * np.abs(exact).max())


@pytest.mark.parametrize("law", ["sinh", "physical"])
@pytest.mark.parametrize("ends", ["first", "both"])
def test_bits_on_weak_cells_take_the_transfer_path(law, ends):
    rng = np.random.default_rng(3)
    card_cells = cells(law, rng.uniform(0.1, 1.0, (32, 16)) * 1e-9)
    ohm = 20.0 if law == "sinh" else 0.02  # the physical cells are that much stronger
    circuit = ArrayCircuit(
        card_cells, "nor", Line(ohm), Line(2 * ohm), ends, ends, driver_resistance=5 * ohm, sense_resistance=3 * ohm
    )
    drive = circuit.drive_rows(0.5 * rng.integers(0, 2, (600, 32)).astype(float))
    result = FastReader().read(circuit, drive)
    assert result.methods["transfer"] >= 0.8 * 600
    some = drive.take(slice(5, 600, 97))
    exact = DIRECT.read(circuit, some).currents
    assert np.abs(result.currents[5::97] - exact).max() <= 1e-7 * np.abs(exact).max()
    first_order = card_cells.current(some.lines[0][:, None]).sum(axis=0)
    assert np.abs(first_order - exact[0]).max() > 1e-7 * np.abs(exact).max()  # the wires were not nothing


@pytest.mark.parametrize(("rows", "ohm"), [(32, 2.0), (128, 20.0), (256, 10.0)])
def test_rare_coherent_patterns_do_not_slip_through(rows, ohm):
    """All rows of one end on: what the response leaves out is up to 200 times what scattered rows show."""
    rng = np.random.default_rng(rows)
    circuit = ArrayCircuit(cells("sinh", rng.uniform(4e-12, 2e-10, (rows, 8))), "crossbar", Line(ohm), Line(ohm))
    bits = (rng.random((2000, rows)) < 0.3).astype(float)
    for read, on in ((7, slice(rows // 2)), (333, slice(rows // 2, None)), (1001, slice(-rows // 4, None))):
        bits[read] = 0.0
        bits[read, on] = 1.0
    drive = circuit.drive_rows(0.5 * bits)
    result = FastReader().read(circuit, drive)
    assert result.methods["transfer"] >= 1600
    exact = FastReader(method="relaxation", tolerance=1e-12).read(circuit, drive).currents
    error = np.abs(result.currents - exact).max(axis=1) / np.abs(exact).max(axis=1)
    assert error.max() <= 1e-7


def test_bits_on_strong_cells_do_not():
    circuit, drive = crossbar(16, 1e-6, 1e-5, reads=300)
    assert FastReader().read(circuit, drive).methods == {"relaxation": 300}
    with pytest.raises(SettingsError, match="transfer path does not hold"):
        FastReader(method="transfer").read(circuit, drive)
    graded = Drive(drive.lines * np.linspace(0.1, 1, 16))
    with pytest.raises(SettingsError, match="transfer path does not hold"):
        FastReader(method="transfer").read(circuit, graded)


def test_reads_that_stall_are_solved_directly_and_counted():
    """Floating lines on floating columns but for one: only weak cells couple them, and sweeps hardly contract."""
    circuit, drive = stalling()
    with pytest.raises(ConvergenceError, match=r"did not converge"):
        FastReader(method="relaxation").read(circuit, drive)
    result = FastReader().read(circuit, drive)
    assert result.methods["direct"] >= 1
    assert result.status == f"direct for {result.methods['direct']} of 3"
    exact = DIRECT.read(circuit, drive).currents
    np.testing.assert_allclose(result.currents, exact, rtol=0, atol=1e-9 * np.abs(exact).max())
    assert "direct" in FastReader().solve(circuit, drive).method


def stalling():
    rng = np.random.default_rng(0)
    g = rng.uniform(0.5, 1.0, (12, 12)) * 1e-6
    g[0, 1:] *= 1e-5
    g[1:, 0] *= 1e-5
    circuit = ArrayCircuit(cells("sinh", g), driven_line=Line(1.0), sensed_line=Line(1.0))
    some = np.arange(12) > 0
    return circuit, Drive(rng.uniform(0.1, 0.5, (3, 12)), None, None, some, some)


def test_what_is_out_of_reach_is_told_before(monkeypatch):
    circuit, drive = crossbar(16, 1e-6, 1e-5, reads=2)
    monkeypatch.setattr(sizes, "available_memory", lambda: 1e5)
    with pytest.raises(SettingsError, match=r"2 reads of a 16 x 16 array need about .* GB of memory, and 0\.0001 GB"):
        FastReader().read(circuit, drive)
    monkeypatch.undo()
    monkeypatch.setattr(sizes, "_LONGEST", 1e-6)
    with pytest.raises(SettingsError, match=r"would take about .* days"):
        FastReader().read(circuit, drive)


def test_direct_solves_beyond_reach_are_an_error_with_the_estimate(monkeypatch):
    circuit, drive = stalling()
    monkeypatch.setattr("ftj_spice.engines.fast.reader.available_memory", lambda: 1e5)
    with pytest.raises(EngineError, match=r"did not converge, and direct solves would take about .* GB"):
        FastReader().read(circuit, drive)


def test_the_estimate_grows_with_the_work():
    circuit, _ = crossbar(16, 1e-6, 1e-5, reads=1)
    small, large = FastReader(jobs=1).estimate(circuit, 10), FastReader(jobs=1).estimate(circuit, 1000)
    assert large[0] == pytest.approx(100 * small[0])
    assert large[1] > small[1] > 16 * 16 * 8


def test_reach_tells_what_arrives_at_the_far_end():
    short, _ = crossbar(8, 1e-8, 1e-7, 1.0)
    long, _ = crossbar(32, 1e-4, 1e-3, 1000.0)
    assert FastReader().reach(short, 0.5) > 0.999
    assert 0 <= FastReader().reach(long, 0.5) < 0.01
    with pytest.raises(SettingsError, match="voltage"):
        FastReader().reach(short, 0.0)


def test_progress_counts_reads():
    circuit, drive = crossbar(8, 1e-6, 1e-5, reads=70)
    seen = []
    FastReader(jobs=2).read(circuit, drive, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (70, 70)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lines": np.ones((2, 5))}, "driver voltages"),
        ({"lines": np.full((2, 6), np.nan)}, "must be finite"),
        ({"sense": np.zeros(3)}, "sense voltages"),
        ({"floating_lines": np.zeros(3, bool)}, "floating lines"),
        ({"lines": np.ones((0, 6))}, "at least one read"),
    ],
)
def test_drives_that_do_not_fit_are_refused(change, words):
    circuit, drive = crossbar(6, 1e-6, 1e-5, reads=2)
    values = {"lines": drive.lines} | change
    with pytest.raises(DataError, match=words):
        FastReader().read(circuit, Drive(**values))


def test_gates_and_strengths_are_checked():
    circuit, drive = crossbar(6, 1e-6, 1e-5, topology="1t1f", reads=2)
    with pytest.raises(DataError, match="needs gate voltages"):
        FastReader().read(circuit, Drive(drive.lines))
    bad = ArrayCircuit(Cells("linear", 1.0, np.array([[np.inf]])))
    with pytest.raises(DataError, match="finite and not negative"):
        FastReader().read(bad, Drive(np.ones((1, 1))))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"jobs": -1}, "jobs"), ({"method": "guess"}, "unknown method"), ({"tolerance": 0.0}, "tolerance")],
)
def test_settings_are_checked(arguments, words):
    with pytest.raises(SettingsError, match=words):
        FastReader(**arguments)
