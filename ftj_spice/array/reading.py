"""A tile as a circuit, and what it would give through perfect wires."""

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.card import Card
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Line


def array_circuit(conductance: NDArray[np.float64], card: Card, settings: ReadSettings) -> ArrayCircuit:
    """Returns the circuit that reads conductances (S at V_VMM), as the settings wire it."""
    if settings.ohmic:
        cells = Cells("linear", 1.0, np.array(conductance, float), card.capacitance)
    else:
        cells = Cells.of(card, conductance)
    line = Line(settings.line_resistance)
    return ArrayCircuit(
        cells,
        settings.topology,
        line,
        line,
        settings.drive,
        settings.sense,
        settings.driver_resistance,
        settings.sense_resistance,
    )


def column_currents(
    conductance: NDArray[np.float64], parts: NDArray[np.float64], card: Card, settings: ReadSettings
) -> NDArray[np.float64]:
    """Returns column currents in A through perfect wires, without select transistors.

    Exact for rows at V_VMM or 0 V. For other voltages each cell follows the law of one at mid conductance, which is
    exact where the law is one function of the voltage times the conductance.

    Args:
        conductance: In S at V_VMM, shape `(rows, columns)`.
        parts: Row voltages in parts of V_VMM, shape `(reads, rows)`.
        card: Device card.
        settings: Settings of the read phase.
    """
    effective = parts if settings.ohmic or settings.coding != "amplitude" else _relative_current(parts, card)
    return card.vmm_voltage * (effective @ conductance)


def _relative_current(parts: NDArray[np.float64], card: Card) -> NDArray[np.float64]:
    """Returns the current of a cell at mid conductance in parts of that at V_VMM."""
    middle = 0.5 * (card.on_conductance + card.off_conductance)
    voltages = card.vmm_voltage * np.abs(parts)
    current = card.conduction.current(np.full_like(voltages, middle), voltages)
    return np.sign(parts) * current / (middle * card.vmm_voltage)
