"""Column currents of the sample phase by events: exact charge between trap transitions, no time steps.

At constant row voltages a column's current only changes where a trap does, and its charge over a window is the sum of
the traps' filled times (`ftj_spice.engines.fast.events`). What the wires and drivers add is solved once: the operating
point with every trap at its mean occupancy, and the derivative of each column's current by each trap's state there.
What is left out is of second order in `wire resistance x cell conductance x amplitude`, and the settling of the lines.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, cg

from ftj_spice.engines.errors import EngineError
from ftj_spice.netlist.circuit import Cells

NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-13
"""Of the largest cell current."""


@dataclass(frozen=True)
class OperatingPoint:
    """A NOR-type array whose traps stand at their mean occupancy, linearised in the traps' states.

    Attributes:
        bias: Voltage of each cell in V, shape `(rows, columns)`.
        current: Column currents in A, shape `(columns,)`.
        slope: Derivative of each column's current by each trap's state in A, shape `(columns, rows, columns)`: first
            the column whose current it is, then the trap's place.
        occupancy: State of each trap at the operating point, shape `(rows, columns)`.
    """

    bias: NDArray[np.float64]
    current: NDArray[np.float64]
    slope: NDArray[np.float64]
    occupancy: NDArray[np.float64]

    def columns(self, filled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns column currents in A, shape `(n, columns)`, for mean trap states of shape `(n, rows, columns)`."""
        flat = (filled - self.occupancy).reshape(len(filled), -1)
        return self.current + flat @ self.slope.reshape(len(self.slope), -1).T


@np.errstate(over="ignore", invalid="ignore")  # a step that runs away ends as an EngineError
def operating_point(
    cells: Cells,
    occupancy: NDArray[np.float64],
    voltage: float | NDArray[np.float64],
    *,
    word_resistance: float = 0.0,
    bit_resistance: float = 0.0,
    driver_resistance: float = 0.0,
    lead: int = 0,
) -> OperatingPoint:
    """Solves a NOR-type array that is driven at the first column and held at 0 V behind its last row.

    Lines are chains, so a cell's bias is `V - I R_w - R_b I`: `R_w[j, k]` is the part of the word line that the
    currents of columns j and k share, `R_b[i, k]` that of the bit line. Newton's method on the currents; its matrix
    `1 + G K` is symmetric and positive definite once scaled by the root of the cells' slopes, for conjugate gradients.

    Args:
        cells: The noisy cells.
        occupancy: Mean state of each trap, shape `(rows, columns)`.
        voltage: Of all rows, in V; or, with trims, that between row driver and virtual ground of each cell, shape
            `(rows, columns)`.
        word_resistance: Of the word lines, per segment, in ohm.
        bit_resistance: Of the bit lines, per segment, in ohm.
        driver_resistance: Output resistance of the row drivers in ohm.
        lead: Word-line segments before the first column.

    Raises:
        EngineError: Newton's method does not converge.
    """
    rows, columns = cells.shape
    j, i = np.arange(columns), np.arange(rows)
    word = driver_resistance + word_resistance * (lead + 1 + np.minimum.outer(j, j))
    bit = bit_resistance * (rows - np.maximum.outer(i, i))
    amplitude = np.zeros(cells.shape) if cells.amplitude is None else cells.amplitude
    quiet = 1.0 - amplitude * occupancy

    def drop(current: NDArray[np.float64]) -> NDArray[np.float64]:
        return current @ word + bit @ current

    def solve(root: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Solves `(1 + root K root) y = right`."""

        def apply(flat: NDArray[np.float64]) -> NDArray[np.float64]:
            y = flat.reshape(cells.shape)
            return (y + root * drop(root * y)).ravel()

        matrix = LinearOperator((rows * columns,) * 2, matvec=apply, dtype=float)
        found, failed = cg(matrix, right.ravel(), rtol=1e-13, atol=0.0, maxiter=10000)
        if failed or not np.isfinite(found).all():
            raise EngineError(f"fast: the operating point of a {rows} x {columns} sampling array can't be solved")
        return found.reshape(cells.shape)

    bias = np.broadcast_to(np.asarray(voltage, float), cells.shape)
    current = quiet * cells.current(bias)
    for _ in range(NEWTON_STEPS):
        bias = voltage - drop(current)
        residual = quiet * cells.current(bias) - current
        root = np.sqrt(quiet * _slope(cells, bias))
        if np.max(np.abs(residual)) <= NEWTON_TOLERANCE * np.max(np.abs(current)):
            break
        current = current + root * solve(root, residual / root)
    else:
        raise EngineError(f"fast: the operating point of a {rows} x {columns} sampling array can't be solved")
    # Column j's current is sum_i I_ij; its adjoint solves (1 + K G) x = 1 in column j.
    forcing = -amplitude * cells.current(bias)
    slope = np.zeros((columns, rows, columns))
    for k in range(columns):
        chosen = np.zeros(cells.shape)
        chosen[:, k] = 1.0
        slope[k] = solve(root, root * chosen) / root * forcing
    return OperatingPoint(bias, current.sum(axis=0), slope, np.asarray(occupancy, float))


def _slope(cells: Cells, voltage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns dI/dV in S, by a central difference: what it is used for is a correction itself."""
    step = 1e-5
    return (cells.current(voltage + step) - cells.current(voltage - step)) / (2.0 * step)
