"""Test benches as netlist text: array, drivers, read-out and analysis in one self-contained file.

Every bench runs with a plain `ngspice -b FILE`. Arrays have shape `(rows, columns)`, SI units throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.traps import TrapHistory
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Drive, Line
from ftj_spice.netlist.render import RenderError, render
from ftj_spice.netlist.wiring import array_values, cell_values, wire_values

READ_TOLERANCE = 1e-9
"""`reltol` of the read bench: the change at which Newton's iteration ends, so that errors are far smaller."""
SMALLEST_CURRENT = 1e-18
"""`abstol` of the read bench in A, where rounding leaves no more."""
SMALLEST_VOLTAGE = 1e-11
"""`vntol` of the read bench in V."""
LOOSEST_TOLERANCE = 1e-3
SAFETY = 64.0
"""Last bits of a number that rounding may cost."""


def read_bench(circuit: ArrayCircuit, drive: Drive) -> str:
    """Returns the bench that reads an array once per entry of the drive's batch, as one DC sweep of `vindex`.

    Column j's current is `i(vsense{j})`, positive out of the array; floating columns have none. Where a line is held at
    both ends, this is the sum of both.

    Args:
        circuit: The array.
        drive: What its terminations are held at.

    Raises:
        RenderError: A value is not fit for a netlist, or circuit and drive don't fit.
    """
    check_drive(circuit, drive)
    values = array_values(circuit, drive)
    return render(
        "benches/read.cir.j2",
        points=len(drive),
        vntol=SMALLEST_VOLTAGE,
        **_tolerances(circuit, drive),
        **values,
    )


def _tolerances(circuit: ArrayCircuit, drive: Drive) -> dict[str, float]:
    """Returns `reltol` and `abstol` of a read: as tight as rounding lets them be.

    A node at V volts between wires of R ohm knows its currents to some V / R times the last bit of a number, and the
    voltage of a floating line is known no better than its cells' conductance against 1 / R. Where ngspice were asked
    for more, it would never see its iteration end, and step its sources and gmin in vain.
    """
    levels = [drive.lines] + ([] if drive.sense is None else [drive.sense])
    volts = max(float(np.abs(level).max()) for level in levels)
    resistances = (
        circuit.driven_line.resistance,
        circuit.sensed_line.resistance,
        circuit.driver_resistance,
        circuit.sense_resistance,
    )
    largest = 1.0 / min([r for r in resistances if r > 0], default=np.inf)
    flow = volts * largest
    if circuit.wiring.transistor and drive.gates is not None:
        t = circuit.transistor
        gate = max(float(drive.gates.max()), 0.0) / (2.0 * t.slope_factor * t.thermal_voltage)
        flow = max(flow, t.specific_current * gate**2)
    last_bits = SAFETY * float(np.finfo(float).eps)
    weakest = min(_floating_conductances(circuit, drive), default=np.inf)
    return {
        "reltol": min(max(READ_TOLERANCE, last_bits * largest / weakest), LOOSEST_TOLERANCE),
        "abstol": max(SMALLEST_CURRENT, last_bits * flow),
    }


def _floating_conductances(circuit: ArrayCircuit, drive: Drive) -> list[float]:
    """Returns about the conductance of all cells on each floating line that has any, in S."""
    strength = circuit.cells.strength / circuit.cells.scale
    along = 1 if circuit.wiring.along == "rows" else 0
    found = []
    for floating, axis in ((drive.floating_lines, along), (drive.floating_columns, 0)):
        if floating is not None:
            found += strength.sum(axis=axis)[np.asarray(floating, bool)].tolist()
    return [total for total in found if total > 0]


def check_drive(circuit: ArrayCircuit, drive: Drive) -> None:
    """Checks that a drive has the shapes that its circuit asks for.

    Raises:
        RenderError: It has not.
    """
    rows, columns = circuit.shape
    shapes = {
        "lines": (drive.lines, (len(drive), circuit.driven_lines)),
        "gates": (drive.gates, (len(drive), rows)),
        "sense": (drive.sense, (columns,)),
        "floating_lines": (drive.floating_lines, (circuit.driven_lines,)),
        "floating_columns": (drive.floating_columns, (columns,)),
    }
    if drive.lines.ndim != 2 or len(drive) == 0:
        raise RenderError(f"the drive's lines must have shape (reads, {circuit.driven_lines}), not {drive.lines.shape}")
    for name, (values, shape) in shapes.items():
        if values is not None and np.shape(values) != shape:
            raise RenderError(f"the drive's {name} must have shape {shape}, not {np.shape(values)}")
    if circuit.wiring.transistor != (drive.gates is not None):
        verb = "needs" if circuit.wiring.transistor else "has no"
        raise RenderError(f"topology {circuit.topology!r} {verb} gate voltages")


@dataclass(frozen=True)
class TrapSource:
    """Where the trap states of a sampling bench come from.

    Attributes:
        kind: `external` (co-simulation), `replay` (recorded) or `frozen`.
        histories: For `replay`: times and states of each trap, one after another, as PWL corners.
        states: For `frozen`: each trap's state.
    """

    kind: str = "external"
    histories: list[list[float]] = field(default_factory=list)
    states: list[int] = field(default_factory=list)

    @classmethod
    def replay(cls, history: TrapHistory, edge: float, *, centred: bool) -> "TrapSource":
        """Returns the recorded history as piecewise-linear sources.

        Args:
            history: What the traps did.
            edge: Rise time of a transition in s.
            centred: Whether a transition happens in the middle of its edge (conserves charge) or at its begin.
        """
        shift = -edge / 2 if centred else 0.0
        corners = []
        for trap, initial in enumerate(history.initial.tolist()):
            times, states = history.of(trap)
            line = [0.0, float(initial)]
            for time, state in zip(times.tolist(), states.tolist(), strict=True):
                begin = max(time + shift, line[-2] + edge * 1e-3)  # corners must ascend, however close two events are
                line += [begin, 1.0 - float(state), begin + edge, float(state)]
            corners.append(line)
        return cls("replay", histories=corners)


@dataclass(frozen=True)
class SampleArray:
    """The part of a NOR-type array that one sampling netlist holds.

    Attributes:
        cells: Its noisy cells.
        lead: Word-line segments before the first of its columns.
        word_line: Wires along the rows.
        bit_line: Wires along the columns.
        driver_resistance: Output resistance of the row drivers in ohm.
    """

    cells: Cells
    lead: int = 0
    word_line: Line = field(default_factory=Line)
    bit_line: Line = field(default_factory=Line)
    driver_resistance: float = 0.0

    def nodes(self) -> tuple[list[str], list[str]]:
        """Returns the plus and minus node of every cell, column by column (the order of the traps)."""
        rows, columns = self.cells.shape
        cells = [(i, j) for j in range(columns) for i in range(rows)]
        plus = [f"w{i}_{j}" if self.word_line.resistance > 0 else f"row{i}" for i, j in cells]
        minus = [f"b{i}_{j}" if self.bit_line.resistance > 0 else f"sense{j}" for i, j in cells]
        return plus, minus

    def context(self) -> dict[str, object]:
        """Returns the variables of the sampling templates."""
        rows, columns = self.cells.shape
        return {
            "rows": rows,
            "columns": columns,
            "lead": self.lead,
            "wiring": _grid(rows, columns, self.word_line, self.bit_line),
            "driver_resistance": self.driver_resistance,
            "cells": cell_values(self.cells),
            "amplitude": self.cells.amplitude,
        }


def _grid(rows: int, columns: int, word_line: Line, bit_line: Line) -> dict[str, Any]:
    """Returns the wiring of an array that is driven at row{i} and sensed at sense{j}, below the last row."""
    driven = [[f"row{i}", None] for i in range(rows)]
    sensed = [[None, f"sense{j}"] for j in range(columns)]
    return wire_values("rows", word_line, bit_line, driven, sensed)


def integrator_bench(
    array: SampleArray,
    *,
    traps: TrapSource,
    voltage: float | NDArray[np.float64],
    reference: NDArray[np.float64],
    capacitance: float,
    window: float,
    reset_time: float,
    samples: int,
    step: float,
    saved: Sequence[str] = (),
    ground: NDArray[np.float64] | None = None,
) -> str:
    """Returns the bench of the sample phase with charge integrators.

    Sample k (from 1) stands on `v(out{j})` at the time `k * (reset_time + window)`.

    Args:
        array: The cells and lines.
        traps: Where the trap states come from.
        voltage: V_RTN on all rows, or that of each row, shape `(rows,)`; in V.
        reference: Reference current of each column in A, shape `(columns,)`.
        capacitance: Of the integrators, in F.
        window: Integration time in s.
        reset_time: Time of the reset before each window, in s.
        samples: Number of windows.
        step: Largest time step in s.
        saved: Further nodes to save.
        ground: Voltage of each column's virtual ground in V, shape `(columns,)`; none: all at 0 V.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    period = reset_time + window
    rows, columns = array.cells.shape
    return render(
        "benches/sample_integrator.cir.j2",
        **array.context(),
        traps=traps.kind,
        histories=traps.histories,
        states=traps.states,
        voltage=[voltage] * rows if np.ndim(voltage) == 0 else voltage,
        ground=[0] * columns if ground is None else ground,
        reference=reference,
        capacitance=capacitance,
        reset_resistance=reset_time / (RESET_TIME_CONSTANTS * capacitance),
        reset_time=reset_time,
        edge=reset_time * RESET_EDGE,
        period=period,
        samples=samples,
        step=step,
        stop=samples * period,
        saved=list(saved),
    )


RESET_TIME_CONSTANTS = 3000.0
"""Time constants of the reset switch in one reset: so many that even a few backward Euler steps clear the capacitor."""
RESET_EDGE = 1e-3
"""Edges of the reset signal, in parts of the reset time."""


def comparator_bench(
    array: SampleArray,
    *,
    traps: TrapSource,
    voltage: float,
    threshold: NDArray[np.float64],
    sensitivity: float,
    offset: NDArray[np.float64],
    slot: float,
    samples: int,
    step: float,
    saved: Sequence[str] = (),
) -> str:
    """Returns the bench of the sample phase with comparators: one row at a time is raised to V_RTN for one slot.

    Bit i of sample k (both from 0) stands on `v(out{j})` near the end of slot `k * rows + i`.

    Args:
        array: The cells and lines.
        traps: Where the trap states come from.
        voltage: V_RTN on the selected row, in V.
        threshold: Reference current for each cell in A, shape `(rows, columns)`.
        sensitivity: Current difference in A that moves the comparator by one unit of its tanh.
        offset: Comparator offset per column in A, shape `(columns,)`.
        slot: Time per row in s.
        samples: Number of samples (of `rows` bits each).
        step: Largest time step in s.
        saved: Further nodes to save.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    return render(
        "benches/sample_comparator.cir.j2",
        **array.context(),
        traps=traps.kind,
        histories=traps.histories,
        states=traps.states,
        voltage=voltage,
        threshold=threshold,
        sensitivity=sensitivity,
        offset=offset,
        lag=slot * COMPARATOR_LAG,
        slot=slot,
        edge=slot * SLOT_EDGE,
        samples=samples,
        sample_point=SAMPLE_POINT,
        step=step,
        stop=samples * array.cells.shape[0] * slot,
        saved=list(saved),
    )


COMPARATOR_LAG = 2e-3
"""Time constant of the behavioural comparator, in parts of a slot."""
SAMPLE_POINT = 0.99
"""Where in its slot a bit is taken."""
SLOT_EDGE = 1e-3
"""Edges of the word-line pulses, in parts of a slot."""


def cell_bench(cells: Cells) -> str:
    """Returns the bench that sweeps single cells, one per row of `cells`, from -2 to 2 V.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    return render("benches/cell.cir.j2", cells=cell_values(cells))


def integrate_bench(
    cells: Cells,
    voltages: NDArray[np.float64],
    *,
    line_resistance: float = 0.0,
    window: float = 10e-6,
    capacitance: float = 100e-15,
) -> str:
    """Returns the bench of one read as a transient: rows pulsed for `window`, columns on charge integrators.

    `v(out{j})` ends at the column's charge over `capacitance`.

    Args:
        cells: The array.
        voltages: Row voltages in V, shape `(rows,)`.
        line_resistance: Per segment, in ohm.
        window: Length of the pulses in s (half-height).
        capacitance: Of the integrators, in F.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    rows, columns = cells.shape
    reset_time = window / 20
    return render(
        "benches/read_integrator.cir.j2",
        rows=rows,
        columns=columns,
        wiring=_grid(rows, columns, Line(line_resistance), Line(line_resistance)),
        cells=cell_values(cells) | {"capacitance": 0.0},
        voltages=voltages,
        window=window,
        reset_time=reset_time,
        reset_resistance=reset_time / (RESET_TIME_CONSTANTS * capacitance),
        edge=window * RESET_EDGE,
        capacitance=capacitance,
    )
