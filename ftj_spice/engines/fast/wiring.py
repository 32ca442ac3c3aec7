"""An array's lines as the fast engine sees them: terminations as conductances, floating groups found and pinned.

Both kinds of line are treated alike. A line's cells hang on a chain of wire segments; a termination at one or both of
its ends joins it to a source. Without wire resistance the line is one node (lumped); when its termination has no
resistance either, that node's voltage is given (fixed).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ftj_spice.common.errors import DataError
from ftj_spice.netlist.circuit import ArrayCircuit, Drive, End

PIN = 1.0
"""Conductance in S that ties a floating group nothing anchors to 0 V; no current flows through it."""
LEAK = 1e-18
"""Conductance in S that ties every other floating line of an array with transistors to 0 V: what holds it otherwise
may be transistors that are off, whose 1e-20 S leave its voltage to rounding. Against cells of 1 nS it moves it by 1e-9
parts."""


@dataclass(frozen=True)
class Lines:
    """All lines of one kind.

    Attributes:
        count: How many.
        length: Cells on each.
        segment: Conductance of a wire segment in S; infinite for lumped lines.
        first: Conductance in S from each line's source to its first cell, shape `(count,)`; infinite where fixed.
            Lumped lines have all of their termination here.
        last: The same at the last cell.
        resistance: Resistances in ohm of both terminations and the segment, as `(first, segment, last)`; negative where
            an end has no termination.
        floating: Lines without a source, shape `(count,)`.
    """

    count: int
    length: int
    segment: float
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    resistance: tuple[float, float, float]
    floating: NDArray[np.bool_]

    @property
    def lumped(self) -> bool:
        """Whether each line is one node."""
        return not np.isfinite(self.segment)

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Lines whose voltage is given, shape `(count,)`."""
        return np.isinf(self.first)


@dataclass(frozen=True)
class Wiring:
    """An array's lines and sources for one batch of reads.

    Attributes:
        circuit: The array.
        drive: What it is driven with.
        driven: Its driven lines.
        sensed: Its sensed lines.
        along_rows: Whether driven lines run along the rows.
        sources: Voltages of the driven lines' sources in V, shape `(batch, driven lines)`; 0 at floating lines.
        holds: Voltages of the sensed lines' sources in V, shape `(columns,)`; 0 at floating columns.
        gates: Gate voltages in V, shape `(batch, rows)`; none without transistors.
    """

    circuit: ArrayCircuit
    drive: Drive
    driven: Lines
    sensed: Lines
    along_rows: bool
    sources: NDArray[np.float64]
    holds: NDArray[np.float64]
    gates: NDArray[np.float64] | None

    @classmethod
    def of(cls, circuit: ArrayCircuit, drive: Drive) -> "Wiring":
        """Returns the wiring of an array under a drive.

        Raises:
            DataError: The drive does not fit the array, or something is not finite.
        """
        rows, columns = circuit.shape
        along_rows = circuit.wiring.along == "rows"
        count = circuit.driven_lines
        strength = circuit.cells.strength
        if not np.isfinite(strength).all() or (strength < 0).any():
            raise DataError("the cells' strengths must be finite and not negative")
        sources = _checked(drive.lines, (len(drive.lines), count), "driver voltages (batch, driven lines)")
        if len(sources) == 0:
            raise DataError("a drive needs at least one read")
        holds = (
            np.zeros(columns) if drive.sense is None else _checked(drive.sense, (columns,), "sense voltages (columns)")
        )
        gates = None
        if circuit.wiring.transistor:
            if drive.gates is None:
                raise DataError(f"topology {circuit.topology!r} needs gate voltages")
            gates = _checked(drive.gates, (len(sources), rows), "gate voltages (batch, rows)")
        floating = (
            _mask(drive.floating_lines, count, "floating lines"),
            _mask(drive.floating_columns, columns, "floating columns"),
        )
        sources = np.where(floating[0], 0.0, sources) if floating[0].any() else sources
        holds = np.where(floating[1], 0.0, holds)
        pins = _unanchored(strength if along_rows else strength.T, floating, along_rows)
        length = columns if along_rows else rows
        leak = LEAK if circuit.wiring.transistor else 0.0
        ties = [np.where(mask, np.where(pin, PIN, leak), 0.0) for mask, pin in zip(floating, pins, strict=True)]
        driven = _lines(
            count,
            length,
            circuit.driven_line.resistance,
            circuit.driver_resistance,
            circuit.drive,
            floating[0],
            ties[0],
        )
        sensed = _lines(
            columns, rows, circuit.sensed_line.resistance, circuit.sense_resistance, circuit.sense, floating[1], ties[1]
        )
        return cls(circuit, drive, driven, sensed, along_rows, sources, holds, gates)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.circuit.shape

    def take(self, reads: NDArray[np.int64]) -> "Wiring":
        """Returns the wiring of some of the reads."""
        gates = None if self.gates is None else self.gates[reads]
        return replace(self, drive=self.drive.take(reads), sources=self.sources[reads], gates=gates)

    def spread(self, lines: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns values of the driven lines at their cells: `(..., lines)` to `(..., rows, columns)`."""
        expanded = lines[..., :, None] if self.along_rows else lines[..., None, :]
        return np.broadcast_to(expanded, (*lines.shape[:-1], *self.shape))


def _checked(values: NDArray[np.float64], shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    array = np.ascontiguousarray(values, float)
    if array.shape != shape:
        raise DataError(f"{what} must have shape {shape}, not {array.shape}")
    if not np.isfinite(array).all():
        raise DataError(f"{what} must be finite, in volts")
    return array


def _mask(mask: NDArray[np.bool_] | None, count: int, what: str) -> NDArray[np.bool_]:
    if mask is None:
        return np.zeros(count, bool)
    array = np.asarray(mask, bool)
    if array.shape != (count,):
        raise DataError(f"{what} must be a mask of {count}, not of shape {array.shape}")
    return array


def _lines(
    count: int,
    length: int,
    wire: float,
    terminal: float,
    ends: End,
    floating: NDArray[np.bool_],
    tie: NDArray[np.float64],
) -> Lines:
    there = [1.0 if ends in (end, "both") else 0.0 for end in ("first", "last")]
    at = wire + terminal
    resistance = (at if there[0] else -1.0, wire, at if there[1] else -1.0)
    if wire > 0:
        first, last = np.full(count, there[0] / at), np.full(count, there[1] / at)
        segment = 1.0 / wire
    else:
        first, last = np.full(count, sum(there) / at if at > 0 else np.inf), np.zeros(count)
        segment = np.inf
    first = np.where(floating, tie, first)
    return Lines(count, length, segment, first, np.where(floating, 0.0, last), resistance, floating)


def _unanchored(
    strength: NDArray[np.float64], floating: tuple[NDArray[np.bool_], NDArray[np.bool_]], along_rows: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns which lines and columns to pin: all of each floating group that no cell joins to a source."""
    lines, columns = floating
    if not (lines.any() or columns.any()):
        return lines, columns
    count = len(lines)
    conducts = (strength if along_rows else strength.T) > 0
    if along_rows:
        line, column = np.nonzero(conducts)
    else:  # each driven line runs beside its own column
        line = column = np.flatnonzero(conducts.any(axis=0))
    total = count + len(columns)
    graph = coo_array((np.ones(len(line)), (line, count + column)), shape=(total, total))
    _, group = connected_components(graph, directed=False)
    held = ~np.concatenate([lines, columns])
    anchored = np.zeros(group.max() + 1, bool)
    anchored[group[held]] = True
    loose = ~anchored[group]
    return loose[:count], loose[count:]
