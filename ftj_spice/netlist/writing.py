"""Netlists that write small arrays: one pulse from all drivers, then a read of one row, states carried in and out.

The text is in `netlists/benches/write_array.cir.j2`. A state of a cell is its share of up domains and its two
histories, group by group; a bench starts from such states and saves them, so that the next pulse goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.current import REFERENCE_TEMPERATURE
from ftj_spice.netlist.circuit import End
from ftj_spice.netlist.render import render

STEPS = 160
"""Fewest steps of a pulse with its read."""


@dataclass(frozen=True)
class WritePulse:
    """What the drivers do in one bench.

    Attributes:
        rows: Voltage of each row's driver during the pulse in V, shape `(rows,)`.
        columns: The same of each column's, shape `(columns,)`.
        width: At full amplitude, in s; 0 only reads.
        edge: Rise and fall time in s.
        read_row: The row that is read afterwards.
        read_voltage: In V; 0 for no read.
        read_time: How long the read stands, in s.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    width: float
    edge: float
    read_row: int
    read_voltage: float
    read_time: float

    @property
    def times(self) -> NDArray[np.float64]:
        """Corners of all sources in s: pulse, a pause of ten edges, read."""
        pulse = [self.edge, self.width, self.edge] if self.width > 0 else []
        return np.cumsum([0.0, self.edge, *pulse, 10.0 * self.edge, self.edge, self.read_time])

    def voltages(self) -> tuple[list[list[float]], list[list[float]]]:
        """Returns the voltages of rows and columns at the corners, in V."""
        top = 2 if self.width > 0 else 0

        def corners(pulse: float, read: float) -> list[float]:
            return [0.0, 0.0, *([float(pulse)] * top), *([0.0] * (top // 2)), 0.0, read, read]

        reads = [self.read_voltage if i == self.read_row else 0.0 for i in range(len(self.rows))]
        rows = [corners(v, read) for v, read in zip(self.rows, reads, strict=True)]
        return rows, [corners(v, 0.0) for v in self.columns]


def write_bench(
    cells: Sequence[dict[str, Any]],
    pulse: WritePulse,
    *,
    line: float,
    capacitance: float,
    driver: float,
    sense: float,
    drive: End,
    sense_end: End,
    temperature: float = REFERENCE_TEMPERATURE,
    reltol: float = 1e-4,
    steps: int = STEPS,
) -> tuple[str, float, float]:
    """Returns the netlist, its largest time step in s and its end in s.

    Args:
        cells: Numbers of `dynamic_cell` of each junction, row by row; `initial`, `towards_up` and `towards_down` are
            its state at the start.
        pulse: What the drivers do.
        line: Resistance of a wire segment in ohm.
        capacitance: Of a wire segment to ground in F, at each cell. Without any, ngspice may fail where a line has
            resistance: switching is a current in proportion to the change of s, whatever the step.
        driver: Output resistance of the row drivers in ohm.
        sense: Resistance of the columns' drivers and sense amplifiers in ohm.
        drive: Ends at which rows are driven.
        sense_end: Ends at which columns are held.
        temperature: In K.
        reltol: Relative tolerance.
        steps: Fewest time steps.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    times, (row_voltages, column_voltages) = pulse.times, pulse.voltages()
    stop = float(times[-1])
    step = stop / steps
    text = render(
        "benches/write_array.cir.j2",
        cells=list(cells),
        groups=len(cells[0]["weight"]),
        rows=len(pulse.rows),
        columns=len(pulse.columns),
        line=line,
        capacitance=capacitance,
        row_end=line + driver,
        column_end=line + sense,
        row_ends=[drive in ("first", "both"), drive in ("last", "both")],
        column_ends=[sense_end in ("first", "both"), sense_end in ("last", "both")],
        times=times,
        row_voltages=row_voltages,
        column_voltages=column_voltages,
        row=pulse.read_row,
        celsius=temperature - 273.15,
        reltol=reltol,
        step=step,
        stop=stop,
    )
    return text, step, stop


def state_vectors(cell: int, groups: int) -> list[str]:
    """Returns the names of one cell's states: u, a, b of every group, in this order."""
    return [f"v(xcell{cell}.{state}{group})" for state in "uab" for group in range(groups)]
