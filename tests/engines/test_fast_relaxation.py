"""The relaxation against the direct solver: every topology, law and termination."""

import numpy as np
import pytest
from fast_support import TOPOLOGIES, crossbar, random_array
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftj_spice.engines.fast import FastReader
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Drive, Line

FAST, DIRECT = FastReader(jobs=1), FastReader(method="direct")


def agree(circuit, drive):
    """Voltages to 1e-9 V, currents to 1e-8 of the largest.

    Where the leakage of transistors that are off is all there is, currents are known to 1e-9 V times the conductance of
    the junctions behind them: 0.1 fA here.
    """
    ours, reference = FAST.solve(circuit, drive), DIRECT.solve(circuit, drive)
    for name in ("driven", "sensed", "junction"):
        np.testing.assert_allclose(getattr(ours, name), getattr(reference, name), rtol=0, atol=2e-9)
    exact = DIRECT.read(circuit, drive).currents
    np.testing.assert_allclose(
        FAST.read(circuit, drive).currents, exact, rtol=0, atol=1e-8 * np.abs(exact).max() + 1e-16
    )


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("law", ["linear", "sinh", "physical"])
@settings(max_examples=8, deadline=None)
@example(seed=50920899)
@example(seed=428)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_small_array_is_solved_as_by_the_direct_solver(topology, law, seed):
    agree(*random_array(seed, topology, law))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_lanes_and_single_reads_and_blocks_agree(topology):
    circuit, drive = crossbar(21, 1e-7, 1e-5, 5.0, topology=topology, reads=45)
    blocks = FastReader(jobs=2, method="relaxation").read(circuit, drive).currents
    single = FastReader(jobs=1, method="relaxation").solve(circuit, drive).currents
    np.testing.assert_allclose(blocks, single, rtol=1e-7, atol=1e-9 * np.abs(single).max())


@pytest.mark.parametrize("voltage", [-3.5, 0.05, 1.5, 3.5])
def test_write_voltages_are_within_reach(voltage):
    circuit, drive = crossbar(16, 1e-8, 1e-6, voltage=voltage, reads=3)
    agree(circuit, drive)


def test_every_read_is_what_it_is_alone():
    circuit, drive = crossbar(12, 1e-6, 1e-4, 20.0, reads=19)
    together = FastReader(jobs=2, method="relaxation").read(circuit, drive).currents
    for read in range(0, 19, 6):
        alone = FastReader(jobs=1, method="relaxation").read(circuit, drive.take(slice(read, read + 1))).currents[0]
        np.testing.assert_allclose(together[read], alone, rtol=0, atol=1e-8 * np.abs(alone).max())


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_number_of_threads_changes_no_bit(topology):
    circuit, drive = crossbar(17, 1e-6, 1e-4, 50.0, reads=150, topology=topology)
    results = [FastReader(jobs=jobs, method="relaxation").read(circuit, drive).currents for jobs in (1, 2, 5)]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_large_reads_share_their_lines_among_threads_and_change_no_bit():
    circuit, drive = crossbar(264, 1e-6, 1e-5, 1.0, reads=1)
    results = [FastReader(jobs=jobs, method="relaxation").read(circuit, drive).currents for jobs in (1, 3)]
    assert np.array_equal(results[0], results[1])


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_kirchhoffs_law_holds_at_every_node(topology):
    circuit, drive = crossbar(14, 1e-6, 1e-4, 5.0, reads=3, topology=topology)
    found = FastReader(jobs=1, tolerance=1e-12).solve(circuit, drive)
    ohm = circuit.driven_line.resistance
    along = found.driven if circuit.wiring.along == "rows" else found.driven.transpose(0, 2, 1)
    taken = found.cells if circuit.wiring.along == "rows" else found.cells.transpose(0, 2, 1)
    largest = np.abs(found.cells).max()
    np.testing.assert_allclose(-np.diff(found.driven_wires, axis=-1), taken, rtol=0, atol=1e-12 * largest)
    ohms = -np.diff(along, axis=-1) / ohm
    np.testing.assert_allclose(found.driven_wires[..., 1:-1], ohms, rtol=0, atol=1e-12 / ohm + 1e-9 * largest)
    np.testing.assert_allclose(
        found.driven_wires[..., 0], (drive.lines - along[..., 0]) / ohm, rtol=0, atol=1e-12 / ohm + 1e-9 * largest
    )
    down = -np.diff(found.sensed, axis=1).transpose(0, 2, 1) / ohm
    np.testing.assert_allclose(found.sensed_wires[..., 1:-1], down, rtol=0, atol=1e-12 / ohm + 1e-9 * largest)
    np.testing.assert_allclose(found.sensed_wires[..., -1], found.currents, rtol=1e-12)


def test_a_group_that_nothing_holds_carries_nothing():
    circuit, drive = crossbar(6, 1e-6, 1e-5, reads=2)
    everything = Drive(drive.lines, None, None, np.ones(6, bool), np.ones(6, bool))
    found = FAST.solve(circuit, everything)
    assert np.array_equal(found.cells, np.zeros_like(found.cells))
    strength = circuit.cells.strength.copy()
    strength[2:, :3] = strength[:2, 3:] = 0.0  # two blocks that share no line
    apart = ArrayCircuit(Cells("sinh", circuit.cells.scale, strength), driven_line=Line(2.0), sensed_line=Line(2.0))
    loose = np.arange(6) < 2, np.arange(6) < 3
    found = FAST.solve(apart, Drive(np.full((1, 6), 0.5), None, None, *loose))
    assert np.abs(found.cells[0, :2, :3]).max() < 1e-18
    assert (found.cells[0, 2:, 3:] > 0).all()


def test_weak_floating_lines_on_strong_wires_keep_their_digits():
    """1 nS cells on floating lines of 10 S: a plain nodal matrix leaves 1e-7 V of rounding."""
    rng = np.random.default_rng(5)
    g = 1e-9 * rng.uniform(0.5, 1.5, (8, 8))
    circuit = ArrayCircuit(Cells("linear", 1.0, g), driven_line=Line(0.1), sensed_line=Line(0.0))
    floating = np.arange(8) % 2 == 0
    drive = Drive(np.full((1, 8), 0.5), None, rng.uniform(-0.1, 0.1, 8), floating)
    expected = (g * drive.sense).sum(axis=1) / g.sum(axis=1)
    for reader in (FAST, DIRECT):
        voltages = reader.solve(circuit, drive).driven[0, floating]
        np.testing.assert_allclose(voltages, np.broadcast_to(expected[floating, None], (4, 8)), rtol=0, atol=2e-9)
