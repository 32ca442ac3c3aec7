"""Half-select exposures of the rows that are not written, gathered by column until they are applied.

Within one phase of a row (all pulses of one sign) a column is first written, then inhibited: the other rows' cells
see one sign first, then the other, whatever the number of pulses. Their clocks add up and are gathered as tables of
the clock over the barrier and applied when a phase ends with more than `BOUND` on the clock of a weak group, when a row
is about to be written, and after `ROWS` rows. Below the bound, signs of several phases change places: an error of
second order in the clock.

Drops along the wires are left out for these cells: they stand at small voltages and carry little.
"""

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.kernels import FRESH, LARGEST_BARRIER, gather

BOUND = 0.5
"""Largest clock of a weak group that waits."""
ROWS = 16
"""Rows whose exposures are gathered at most."""
NODES = 160
"""Nodes of the tables over the barrier."""


class Pending:
    """Clocks by direction, column, kind of group and barrier.

    Attributes:
        clocks: What waits, shape `(2, columns, kinds, NODES)`.
        seen: What the marked rows have seen of it, shape `(ROWS, 2, columns, kinds, NODES)`.
        slots: Where that stands for each row, or `FRESH`, shape `(rows,)`.
        empty: Whether nothing waits.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        weakest: Smallest activation field of any cell's group, in V/m.
        typical: Activation field of a weak group, by which the bound is judged.
        reference: Largest half-select field that occurs, in V/m.
        offset: Offset fields in V/m: all 0, or one per group.
        alpha: Exponent of the field dependence.
        tau0: Attempt time in s.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        weakest: float,
        typical: float,
        reference: float,
        offset: NDArray[np.float64],
        alpha: float,
        tau0: float,
    ) -> None:
        self._offset = offset if np.any(offset != 0.0) else np.zeros(1)
        self.reference = reference + float(np.max(np.abs(self._offset)))
        self._alpha, self._tau0 = alpha, tau0
        self.lowest = (weakest / self.reference) ** alpha
        self._barrier = self.lowest + np.linspace(0.0, LARGEST_BARRIER - 20.0, NODES)
        self.spacing = float(self._barrier[1] - self._barrier[0])
        place = ((typical / self.reference) ** alpha - self.lowest) / self.spacing
        self._judge = min(max(int(place), 0), NODES - 1)
        self.clocks = np.zeros((2, columns, len(self._offset), NODES))
        self.seen = np.zeros((ROWS, *self.clocks.shape))
        self.slots = np.full(rows, FRESH)
        self.empty = True
        self._marked = 0
        self._fields: list[tuple[float, float]] = []
        self._written = np.zeros(columns, np.int64)
        self._lasting: Lasting | None = None

    def add(self, fields: tuple[float, float], written: NDArray[np.bool_], lasting: "Lasting") -> None:
        """Adds one pulse of a phase; what a column carries may change once in a phase, from written to inhibited.

        Args:
            fields: Field in the cells of a written and of an inhibited column, in V/m.
            written: Which columns are written, shape `(columns,)`.
            lasting: Gives the length of a flat pulse that acts like the real one, by the barrier at its top.
        """
        self._fields.append(fields)
        self._written += written
        self._lasting = lasting

    def end_phase(self) -> None:
        """Turns the phase's pulses into clocks."""
        if not self._fields:
            return
        assert self._lasting is not None
        fields = np.array(self._fields)
        for kind, offset in enumerate(self._offset):
            for place in (0, 1):
                e = fields[:, place] + offset
                strength = np.maximum(np.abs(e), 1.0)
                top = self._barrier * ((self.reference / strength) ** self._alpha)[:, None]
                clock = np.exp(-np.minimum(top, 700.0)) * self._lasting(top) / self._tau0
                clock[np.abs(e) < 1.0] = 0.0
                for side in (0, 1):
                    mine = np.where((e > 0) == bool(side), 1.0, 0.0)[:, None] * clock
                    if not mine.any():
                        continue
                    sums = np.concatenate([np.zeros((1, NODES)), np.cumsum(mine, axis=0)])
                    gather(self.clocks, sums, self._written, side, kind, place == 1)
                    self.empty = False
        self._fields.clear()
        self._written[:] = 0

    @property
    def largest(self) -> float:
        """Largest clock of a weak group that waits."""
        return float(self.clocks[..., self._judge].max())

    @property
    def full(self) -> bool:
        """Whether enough rows were written to apply what waits."""
        return self._marked >= ROWS

    def mark(self, row: int) -> None:
        """Notes that a row has seen all that waits so far: it was just written, or just exposed."""
        if self.empty:
            return
        if self.slots[row] == FRESH:
            self.slots[row] = self._marked
            self._marked += 1
        self.seen[self.slots[row]] = self.clocks

    def clear(self) -> None:
        """Forgets everything: it was applied."""
        self.clocks[:] = 0.0
        self.slots[:] = FRESH
        self.empty, self._marked = True, 0


class Lasting:
    """Length of a flat pulse that acts like a trapezoidal one, by the barrier at its top.

    Args:
        width: At full amplitude, in s.
        edge: Rise and fall time in s.
        table: Of `ftj_spice.array.writing.kernels.edge_table`.
    """

    def __init__(self, width: float, edge: float, table: NDArray[np.float64]) -> None:
        self._width, self._edge, self._table = width, edge, table
        self._barrier = np.linspace(0.0, LARGEST_BARRIER, len(table))

    def __call__(self, barrier: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the length in s."""
        return self._width + 2.0 * self._edge / np.interp(barrier, self._barrier, self._table)
