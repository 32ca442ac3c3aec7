"""Merged columns: fewer sweeps, the same voltages."""

import numpy as np
import pytest
from fast_support import cells, crossbar

from ftj_spice.engines.fast import FastReader, single
from ftj_spice.engines.fast.coarse import GROUP, merged, suits
from ftj_spice.engines.fast.problem import Problem
from ftj_spice.engines.fast.wiring import Wiring
from ftj_spice.netlist.circuit import ArrayCircuit, Drive, Line


@pytest.mark.parametrize("law", ["linear", "sinh", "physical"])
@pytest.mark.parametrize(
    ("drive", "sense", "columns"), [("first", "last", 128), ("both", "first", 133), ("last", "both", 171)]
)
def test_voltages_are_those_of_the_direct_solver(law, drive, sense, columns):
    rng = np.random.default_rng(columns)
    g = rng.uniform(0.1, 1.0, (21, columns)) * 2e-6
    circuit = ArrayCircuit(
        cells(law, g), "crossbar", Line(20.0), Line(40.0), drive, sense, driver_resistance=9.0, sense_resistance=7.0
    )
    inputs = Drive(rng.uniform(-0.5, 0.5, (2, 21)), None, rng.uniform(-0.1, 0.1, columns))
    assert suits(Problem.of(Wiring.of(circuit, inputs)))
    ours, exact = (FastReader(1, method).solve(circuit, inputs) for method in ("relaxation", "direct"))
    np.testing.assert_allclose(ours.driven, exact.driven, rtol=0, atol=2e-9)
    np.testing.assert_allclose(ours.sensed, exact.sensed, rtol=0, atol=2e-9)


def test_they_save_sweeps(monkeypatch):
    circuit, drive = crossbar(300, 1e-7, 2e-6, 20.0, reads=1)
    problem = Problem.of(Wiring.of(circuit, drive))
    with_them = single.relax_single(problem, 0, 1e-9, 150, None)
    monkeypatch.setattr(single, "suits", lambda _: False)
    without = single.relax_single(problem, 0, 1e-9, 150, None)
    assert with_them.sweeps < 0.7 * without.sweeps
    np.testing.assert_allclose(with_them.sensed, without.sensed, rtol=0, atol=2e-9)


def test_the_merged_array_keeps_all_conductance_and_fills_its_last_group():
    circuit, drive = crossbar(140, 1e-7, 2e-6, reads=1)
    small = merged(Problem.of(Wiring.of(circuit, drive)))
    strength = circuit.cells.strength
    assert small.strength.shape == (140, 5)
    np.testing.assert_allclose(small.strength[:, 1], strength[:, GROUP : 2 * GROUP].sum(axis=1), rtol=1e-14)
    np.testing.assert_allclose(small.strength[:, 4], strength[:, 4 * GROUP :].mean(axis=1) * GROUP, rtol=1e-14)


def test_large_reads_side_by_side_change_no_bit():
    circuit, drive = crossbar(200, 1e-7, 2e-6, 2.0, reads=3)
    results = [FastReader(jobs=jobs, method="relaxation").read(circuit, drive).currents for jobs in (1, 2, 5)]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
