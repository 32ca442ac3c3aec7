"""The direct solver against closed forms and ngspice."""

import numpy as np
import pytest
from fast_support import CARD, TOPOLOGIES, cells, crossbar, random_array
from scipy.optimize import brentq

from ftj_spice.engines.fast import FastReader
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Drive, Line, Transistor

READERS = [FastReader(jobs=1), FastReader(method="direct")]


@pytest.mark.parametrize("reader", READERS)
def test_one_linear_cell_is_a_divider(reader):
    circuit = ArrayCircuit(
        Cells("linear", 1.0, np.array([[1e-4]])), driven_line=Line(30.0), sensed_line=Line(50.0),
        driver_resistance=100.0, sense_resistance=20.0, drive="both",
    )  # fmt: skip
    current = reader.read(circuit, circuit.drive_rows(np.array([[0.5]]))).currents
    assert current[0, 0] == pytest.approx(0.5 / (130.0 / 2 + 1e4 + 70.0), rel=1e-9)


@pytest.mark.parametrize("reader", READERS)
def test_one_sinh_cell_behind_a_resistor(reader):
    circuit = ArrayCircuit(cells("sinh", [[1e-5]]), sense_resistance=1e5)
    current = reader.read(circuit, circuit.drive_rows(np.array([[1.5]]))).currents[0, 0]
    law = CARD.conduction
    expected = brentq(lambda i: float(law.current(1e-5, 1.5 - 1e5 * i)) - i, 0, 1.5e-5, xtol=1e-18)
    assert current == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("reader", READERS)
def test_a_ladder_of_equal_cells(reader):
    """One row, columns held: the discrete line, v_k ~ cosh(q (n - k + 1/2)) with 2 cosh q = 2 + r G."""
    n, ohm, g = 40, 10.0, 1e-4
    circuit = ArrayCircuit(Cells("linear", 1.0, np.full((1, n), g)), driven_line=Line(ohm))
    found = reader.solve(circuit, circuit.drive_rows(np.array([[0.5]])))
    q = np.arccosh(1.0 + 0.5 * ohm * g)
    k = np.arange(1, n + 1)
    expected = 0.5 * np.cosh(q * (n - k + 0.5)) / np.cosh(q * (n + 0.5))
    np.testing.assert_allclose(found.driven[0, 0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("voltage", [1.2, -0.9])
def test_one_cell_and_its_transistor(reader, voltage):
    circuit = ArrayCircuit(cells("linear", [[1e-3]]), "1t1f")
    current = reader.read(circuit, circuit.drive_rows(np.array([[voltage]]))).currents[0, 0]
    device = Transistor()
    junction = brentq(
        lambda x: 1e-3 * (voltage - x) - float(device.current(5.0, x, 0.0)), *sorted([0.0, voltage]), xtol=1e-16
    )
    assert current == pytest.approx(1e-3 * (voltage - junction), rel=1e-9)


def test_rows_that_are_off_leak_nothing_worth_mentioning():
    circuit, drive = crossbar(4, 1e-6, 1e-5, topology="nor1t", reads=1)
    off = Drive(np.full_like(drive.lines, 0.5), np.zeros_like(drive.gates))
    assert np.abs(READERS[1].read(circuit, off).currents).max() < 1e-13


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("law", ["linear", "sinh"])
def test_ngspice_finds_the_same(engine, topology, law):
    for seed in (1, 2):
        circuit, drive = random_array(seed, topology, law, size=6, floating=False, scale=1e-4)
        with NgspiceReader(engine) as ngspice:
            theirs = ngspice.read(circuit, drive).currents
        for reader in READERS:
            ours = reader.read(circuit, drive).currents
            assert np.abs(ours - theirs).max() <= 1e-6 * np.abs(theirs).max()


def test_ngspice_finds_the_same_with_floating_lines(engine):
    circuit, drive = crossbar(6, 1e-6, 1e-4, 10.0, reads=3)
    some = np.arange(6) % 3 == 0
    loose = Drive(drive.lines, None, np.linspace(-0.1, 0.1, 6), some, some[::-1])
    with NgspiceReader(engine) as ngspice:
        theirs = ngspice.read(circuit, loose).currents
    for reader in READERS:
        ours = reader.read(circuit, loose).currents
        assert np.abs(ours - theirs).max() <= 1e-6 * np.abs(theirs).max()
