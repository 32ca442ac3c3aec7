"""The column of FTJ cells that a current-reading circuit is measured with."""

from dataclasses import dataclass, replace

import numpy as np

from ftj_spice.device.card import Card
from ftj_spice.netlist.circuit import Cells


@dataclass(frozen=True)
class Column:
    """Cells of one bit line, all of them in the low-resistance state.

    Attributes:
        cells: As the netlist needs them, one column.
        full_scale: Current of all of them at V_VMM in A.
        conductance: Of all of them at V_VMM in S.
    """

    cells: Cells
    full_scale: float
    conductance: float

    @classmethod
    def of(cls, card: Card, rows: int, full_scale: float | None) -> "Column":
        """Returns the column of a card.

        Args:
            card: The device card.
            rows: Number of cells.
            full_scale: Current that the circuit is made for, in A: the cells' currents are scaled to it; none takes
                the card's own.
        """
        natural = rows * card.on_conductance * card.vmm_voltage
        full = full_scale or natural
        cells = Cells.of(card, np.full((rows, 1), card.on_conductance))
        return cls(replace(cells, strength=cells.strength * (full / natural)), full, full / card.vmm_voltage)
