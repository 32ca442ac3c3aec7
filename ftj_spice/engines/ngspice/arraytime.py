"""About how long ngspice takes to read an array, told before it starts.

Measured on one core; read as a factor, not as digits. ngspice 39 solves by Sparse 1.3, later versions by KLU where they
were built with it. Without line resistance there is no node per cell, and the time goes with the number of cells.
"""

import numpy as np

from ftj_spice.netlist.circuit import ArrayCircuit

CELLS = np.array([64.0, 256.0, 1024.0, 2304.0, 4096.0, 16384.0])
"""Cells of an array, nonlinear and with line resistance, for which times were taken."""
SPARSE_FIRST = np.array([0.01, 0.03, 0.2, 1.6, 6.0, 120.0])
"""Seconds to load such an array and find its first operating point, Sparse 1.3."""
SPARSE_EACH = np.array([1e-3, 3e-3, 3e-2, 0.15, 0.6, 15.0])
"""Seconds of each further read, Sparse 1.3."""
KLU_FIRST = np.array([0.01, 0.03, 0.1, 0.2, 0.4, 2.5])
"""The same by KLU."""
KLU_EACH = np.array([1e-3, 2.5e-3, 1.2e-2, 3e-2, 6e-2, 0.4])
"""The same by KLU."""
LUMPED_CELL = 1e-4
"""Seconds per cell to load an array without line resistance."""
LUMPED_READ = 1e-5
"""Seconds per cell and read of one."""
TRANSISTOR = 3.0
"""Factor of a transistor in each cell."""


def sweep_seconds(circuit: ArrayCircuit, klu: bool) -> tuple[float, float]:
    """Returns about how many seconds the first read of a netlist takes, with loading, and each one after it.

    Args:
        circuit: The array.
        klu: Whether ngspice solves by KLU.
    """
    cells = float(circuit.cells.strength.size)
    factor = TRANSISTOR if circuit.wiring.transistor else 1.0
    if circuit.driven_line.resistance == 0 and circuit.sensed_line.resistance == 0:
        return factor * LUMPED_CELL * cells, factor * LUMPED_READ * cells
    first, each = (KLU_FIRST, KLU_EACH) if klu else (SPARSE_FIRST, SPARSE_EACH)
    return factor * _between(cells, first), factor * _between(cells, each)


def _between(cells: float, seconds: np.ndarray) -> float:
    """Returns the time of an array by lines through the logarithms, the outer ones drawn on."""
    x, y = np.log(CELLS), np.log(seconds)
    k = int(np.clip(np.searchsorted(x, np.log(cells)), 1, len(x) - 1))
    slope = (y[k] - y[k - 1]) / (x[k] - x[k - 1])
    return float(np.exp(y[k] + slope * (np.log(cells) - x[k])))
