import numpy as np
import pytest

from ftj_spice.engines.arrays import ReadResult
from ftj_spice.engines.fast import FastReader
from ftj_spice.engines.ngspice import NgspiceEngine


@pytest.fixture(scope="session")
def engine():
    """One ngspice worker for all tests of this room."""
    with NgspiceEngine() as one:
        yield one


class PerfectWires:
    """Reads by one matrix product, exact where there are no wires and no transistors."""

    name = "perfect"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def read(self, circuit, drive, progress=None):
        assert circuit.driven_line.resistance == circuit.sensed_line.resistance == 0
        assert circuit.driver_resistance == circuit.sense_resistance == 0 and not circuit.wiring.transistor
        v = drive.lines
        parts = np.sinh(v / circuit.cells.scale) if circuit.cells.law == "sinh" else v
        return ReadResult(parts @ circuit.cells.strength, "perfect-1", (), "ok", {"product": len(v)})


@pytest.fixture(scope="session")
def perfect():
    """Reads arrays with perfect wires."""
    return PerfectWires()


@pytest.fixture(scope="session")
def fast():
    """The fast engine."""
    with FastReader() as one:
        yield one
