"""Test benches as netlist text: array, drivers, read-out and analysis in one self-contained file.

Every bench runs with a plain `ngspice -b FILE`. Arrays have shape `(rows, columns)`, SI units throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.card import Card
from ftj_spice.device.conduction import SinhLaw
from ftj_spice.device.traps import TrapHistory
from ftj_spice.netlist.render import RenderError, render

TOPOLOGIES = ("crossbar", "nor")
"""How an array's cells are wired; see the templates in `netlists/arrays/`."""


@dataclass(frozen=True)
class Line:
    """One kind of wire.

    Attributes:
        resistance: Per segment, in ohm; 0 joins the cells directly.
        capacitance: Per segment to ground, in F.
    """

    resistance: float = 0.0
    capacitance: float = 0.0


@dataclass(frozen=True)
class Cells:
    """The cells of an array, as the templates need them.

    Attributes:
        law: `sinh` or `linear`.
        scale: V0 of the sinh law in V; 1 for the linear law.
        strength: Current before the sinh in A, or conductance in S; shape `(rows, columns)`.
        capacitance: Of one cell, in F.
        amplitude: Relative current drop when the trap is filled, shape `(rows, columns)`; none for quiet cells.
    """

    law: str
    scale: float
    strength: NDArray[np.float64]
    capacitance: float = 0.0
    amplitude: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, card: Card, conductance: NDArray[np.float64], amplitude: NDArray[np.float64] | None = None) -> "Cells":
        """Returns the cells of a card with conductances (S at V_VMM) and, for noisy cells, trap amplitudes."""
        law = card.conduction
        if isinstance(law, SinhLaw):
            return cls("sinh", law.voltage_scale, law.prefactor(conductance), card.capacitance, amplitude)
        return cls("linear", 1.0, np.asarray(conductance, float), card.capacitance, amplitude)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.strength.shape
        return rows, columns


def read_bench(
    cells: Cells,
    inputs: NDArray[np.float64],
    *,
    topology: str = "crossbar",
    word_line: Line = Line(),
    bit_line: Line = Line(),
    driver_resistance: float = 0.0,
) -> str:
    """Returns the bench that reads an array once per row of `inputs`, as one DC sweep of the source `vindex`.

    Args:
        cells: The array.
        inputs: Row voltages in V, shape `(reads, rows)`.
        topology: `crossbar` (one wire resistance, that of `word_line`, for both directions) or `nor`.
        word_line: Wires along the rows.
        bit_line: Wires along the columns.
        driver_resistance: Output resistance of the row drivers in ohm.

    Raises:
        RenderError: A value is not fit for a netlist, or the topology is unknown.
    """
    if topology not in TOPOLOGIES:
        raise RenderError(f"unknown topology {topology!r}; known: {', '.join(TOPOLOGIES)}")
    rows, columns = cells.shape
    if inputs.ndim != 2 or inputs.shape[1] != rows or len(inputs) == 0:
        raise RenderError(f"the inputs of {rows} rows must have shape (reads, {rows}), not {inputs.shape}")
    # A single read needs two points for ngspice's table to be a function.
    padded = inputs if len(inputs) > 1 else np.repeat(inputs, 2, axis=0)
    return render(
        "benches/read.cir.j2",
        rows=rows,
        columns=columns,
        topology=topology,
        word=vars(word_line),
        bit=vars(bit_line),
        driver_resistance=driver_resistance,
        cell_capacitance=cells.capacitance,
        law=cells.law,
        scale=cells.scale,
        strength=cells.strength,
        inputs=np.ascontiguousarray(padded.T),
        points=len(padded),
    )


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
    word_line: Line = Line()
    bit_line: Line = Line()
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
            "word": vars(self.word_line),
            "bit": vars(self.bit_line),
            "driver_resistance": self.driver_resistance,
            "cell_capacitance": self.cells.capacitance,
            "law": self.cells.law,
            "scale": self.cells.scale,
            "strength": self.cells.strength,
            "amplitude": self.cells.amplitude,
        }


def integrator_bench(
    array: SampleArray,
    *,
    traps: TrapSource,
    voltage: float,
    reference: NDArray[np.float64],
    capacitance: float,
    window: float,
    reset_time: float,
    samples: int,
    step: float,
    saved: Sequence[str] = (),
) -> str:
    """Returns the bench of the sample phase with charge integrators.

    Sample k (from 1) stands on `v(out{j})` at the time `k * (reset_time + window)`.

    Args:
        array: The cells and lines.
        traps: Where the trap states come from.
        voltage: V_RTN on all rows, in V.
        reference: Reference current of each column in A, shape `(columns,)`.
        capacitance: Of the integrators, in F.
        window: Integration time in s.
        reset_time: Time of the reset before each window, in s.
        samples: Number of windows.
        step: Largest time step in s.
        saved: Further nodes to save.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    period = reset_time + window
    return render(
        "benches/sample_integrator.cir.j2",
        **array.context(),
        traps=traps.kind,
        histories=traps.histories,
        states=traps.states,
        voltage=voltage,
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
    return render("benches/cell.cir.j2", law=cells.law, scale=cells.scale, strength=cells.strength)


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
        resistance=line_resistance,
        law=cells.law,
        scale=cells.scale,
        strength=cells.strength,
        voltages=voltages,
        window=window,
        reset_time=reset_time,
        reset_resistance=reset_time / (RESET_TIME_CONSTANTS * capacitance),
        edge=window * RESET_EDGE,
        capacitance=capacitance,
    )
