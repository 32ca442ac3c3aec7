"""The row ladder against the whole array: what leaving out the other rows' cells costs a verify read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.ladder import array_circuit
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.netlist.circuit import Cells

LIMIT = 0.1
"""Largest deviation allowed, in parts of the tolerance: more would decide which cells fail."""


@dataclass(frozen=True)
class LadderCheck:
    """Deviation of the ladder's reads from those of an engine that solves the whole array.

    Attributes:
        rows: How many rows were read.
        largest: Largest deviation of a cell's conductance, in parts of a level step.
        rms: Root mean square of them.
        engine: The engine.
        status: Its status.
        limit: Largest deviation allowed, in parts of a level step.
    """

    rows: int
    largest: float
    rms: float
    engine: str
    status: str
    limit: float

    @property
    def passes(self) -> bool:
        """Whether the ladder is good enough; a deviation that is not a number is not."""
        return self.largest <= self.limit

    @property
    def sentence(self) -> str:
        """What came out, in words."""
        return (
            f"verify reads against the whole array ({self.engine}, {self.rows} rows): largest deviation "
            f"{self.largest:.1e}, rms {self.rms:.1e} of a level step (allowed {self.limit:g})"
        )


def check_ladder(
    card: Card,
    settings: ProgramSettings,
    conductance: NDArray[np.float64],
    read: NDArray[np.float64],
    step: float,
    reader: ArrayReader,
    rows: int = 16,
) -> LadderCheck:
    """Reads some rows of a programmed array one by one with all cells and wires, and compares.

    Args:
        card: Device card.
        settings: Wires and topology.
        conductance: True conductances in S, shape `(rows, columns)`.
        read: What the ladder's verify reads showed, in S, same shape.
        step: Distance of two levels in S.
        reader: Engine for whole arrays.
        rows: How many rows, evenly spread, the first and the last among them.

    Raises:
        FtjSpiceError: The engine failed.
    """
    circuit = array_circuit(Cells.of(card, conductance), settings)
    count = len(conductance)
    chosen = np.unique(np.linspace(0, count - 1, min(rows, count)).round().astype(int))
    inputs = np.zeros((len(chosen), count))
    inputs[np.arange(len(chosen)), chosen] = card.vmm_voltage
    found = reader.read(circuit, circuit.drive_rows(inputs))
    deviation = (found.currents / card.vmm_voltage - read[chosen]) / step
    return LadderCheck(
        len(chosen), float(np.max(np.abs(deviation))), float(np.sqrt(np.mean(deviation**2))), found.engine,
        found.status, LIMIT * settings.tolerance,
    )  # fmt: skip
