"""Every voltage and current of one read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.fast.laws import cell_state
from ftj_spice.engines.fast.wiring import Lines, Wiring


@dataclass(frozen=True)
class Solution:
    """Node voltages and branch currents of a batch of reads.

    Attributes:
        driven: Voltage of the driven line at each cell in V, shape `(batch, rows, columns)`.
        sensed: The same of the sensed line.
        junction: The same of the node between junction and transistor; the sensed line's without transistors.
        cells: Currents of the cells in A, from driven to sensed line, shape `(batch, rows, columns)`.
        driven_wires: Currents along the driven lines, shape `(batch, driven lines, cells + 1)`: entry k flows from cell
            k - 1 to cell k; the first entry comes from the driver at the first cell, the last one goes to the driver at
            the last.
        sensed_wires: Currents along the sensed lines towards the last cell, shape `(batch, columns, rows + 1)`.
        method: What solved each read: `relaxation` or `direct`.
    """

    driven: NDArray[np.float64]
    sensed: NDArray[np.float64]
    junction: NDArray[np.float64]
    cells: NDArray[np.float64]
    driven_wires: NDArray[np.float64]
    sensed_wires: NDArray[np.float64]
    method: tuple[str, ...]

    @property
    def currents(self) -> NDArray[np.float64]:
        """Currents of the sensed lines, positive out of the array, shape `(batch, columns)`."""
        return self.cells.sum(axis=1)


def complete(wiring: Wiring, reads: list[tuple[NDArray[np.float64], NDArray[np.float64], str]]) -> Solution:
    """Returns the solution that belongs to line voltages, one `(driven, sensed, method)` per read of the wiring."""
    circuit = wiring.circuit
    transistor = circuit.transistor if circuit.wiring.transistor else None
    states = []
    for number, (driven, sensed, _) in enumerate(reads):
        gate = None if wiring.gates is None else np.broadcast_to(wiring.gates[number][:, None], wiring.shape)
        states.append(cell_state(circuit.cells, transistor, gate, driven, sensed))
    cells = np.stack([state.current for state in states])
    by_column = cells.transpose(0, 2, 1)
    return Solution(
        np.stack([driven for driven, _, _ in reads]),
        np.stack([sensed for _, sensed, _ in reads]),
        np.stack([state.junction for state in states]),
        cells,
        wire_currents(wiring.driven, cells if wiring.along_rows else by_column),
        wire_currents(wiring.sensed, -by_column),
        tuple(method for _, _, method in reads),
    )


def wire_currents(lines: Lines, taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the currents along lines from the currents that their cells take out of them, `(batch, lines, length)`.

    Sums only, no differences of nearly equal voltages. Where both ends are held, at one voltage, the drops around the
    line add up to zero, which fixes how they share; without any resistance they share alike.
    """
    sums = np.zeros((*taken.shape[:-1], taken.shape[-1] + 1))
    np.cumsum(taken, axis=-1, out=sums[..., 1:])
    first, segment, last = lines.resistance
    if first >= 0 and last >= 0:
        weight = np.array([first, *[segment] * (lines.length - 1), last])
        into = sums @ weight / weight.sum() if weight.sum() > 0 else 0.5 * sums[..., -1]
    elif first >= 0:
        into = sums[..., -1]
    else:
        into = np.zeros(sums.shape[:-1])
    into = np.where(lines.floating, 0.0, into)
    wires = into[..., None] - sums
    if first >= 0 > last:  # the far end carries nothing, but for rounding: sum from there instead
        tail = np.zeros_like(sums)
        tail[..., :-1] = np.cumsum(taken[..., ::-1], axis=-1)[..., ::-1]
        wires = np.where(lines.floating[:, None], wires, tail)
    return wires
