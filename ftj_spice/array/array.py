"""An array by itself: conductances in, column currents out."""

import math
from dataclasses import replace
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.arrays import ArrayReader, ReadResult
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.engines.readers import READERS, open_reader
from ftj_spice.netlist.benches import read_bench
from ftj_spice.netlist.circuit import TOPOLOGIES, ArrayCircuit, Cells, Drive, End, Line, Transistor

LEAST_REACH = 1e-4
"""Part of a driver's voltage that must be left at the far end of the worst line."""


class Array:
    """A programmed array of junctions; `ftj_spice.netlist.circuit` tells how each topology is wired.

    Args:
        conductance: G in siemens at the card's V_VMM (`I(V_VMM) = G * V_VMM`), shape `(rows, columns)`.
        card: Device card or its name; `"linear"` is the ohmic cell.
        topology: One of `TOPOLOGIES`.
        line_resistance: Of every wire segment, in ohm.
        driver_resistance: Output resistance of the drivers, in ohm.
        driven_line_resistance: Of the segments of driven lines (word or source lines), where it differs.
        sensed_line_resistance: Of the segments of sensed lines (bit lines), where it differs.
        sense_resistance: Input resistance of the sense amplifiers, in ohm.
        drive: Ends at which driven lines are driven: `first`, `last` or `both`.
        sense: Ends at which sensed lines are held, likewise.
        transistor: The select transistor; by default a 5 V device.
        window: Refuses conductances outside the card's window of states; by default any conductance can be studied.
        line_capacitance: Of every wire segment to ground, in F; reads are steady states, so only netlists show it.

    Raises:
        DataError: The conductances are not a finite, non-negative matrix, or leave the card's window.
        SettingsError: Unknown card, topology or end, negative resistance, or lines so resistive that nothing reaches
            their far end.
    """

    def __init__(
        self,
        conductance: ArrayLike,
        card: str | Path | Card = "hzo_mfis_nominal",
        topology: str = "crossbar",
        line_resistance: float = 0.0,
        driver_resistance: float = 0.0,
        *,
        driven_line_resistance: float | None = None,
        sensed_line_resistance: float | None = None,
        sense_resistance: float = 0.0,
        drive: End = "first",
        sense: End = "last",
        transistor: Transistor | None = None,
        window: bool = False,
        line_capacitance: float = 0.0,
    ) -> None:
        matrix = _numbers(conductance, "conductance must be a matrix of numbers, in siemens")
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise DataError(f"conductance must have shape (rows, columns), not {matrix.shape}")
        if not np.isfinite(matrix).all() or (matrix < 0).any():
            raise DataError("conductance must be finite and not negative, in siemens")
        if topology not in TOPOLOGIES:
            raise SettingsError(f"unknown topology {topology!r}; known: {', '.join(TOPOLOGIES)}")
        given = {
            "line_resistance": line_resistance,
            "driver_resistance": driver_resistance,
            "driven_line_resistance": line_resistance if driven_line_resistance is None else driven_line_resistance,
            "sensed_line_resistance": line_resistance if sensed_line_resistance is None else sensed_line_resistance,
            "sense_resistance": sense_resistance,
        }
        for name, value in given.items():
            if not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
                raise SettingsError(f"{name} must be a finite number of ohms, not negative, got {value!r}")
        if not (isinstance(line_capacitance, Real) and math.isfinite(line_capacitance) and line_capacitance >= 0):
            raise SettingsError(
                f"line_capacitance must be a finite number of farads, not negative, got {line_capacitance!r}"
            )
        if not isinstance(card, str | Path | Card):
            raise SettingsError(f"card must be a device card, its name or its file, not {card!r}")
        matrix.flags.writeable = False
        self.conductance = matrix
        self.card = load_card(card)
        self.topology = topology
        self.line_resistance = float(line_resistance)
        self.driver_resistance = float(driver_resistance)
        if window:
            _check_window(matrix, self.card)
        self._circuit = ArrayCircuit(
            Cells.of(self.card, matrix),
            topology,
            Line(float(given["driven_line_resistance"]), float(line_capacitance)),
            Line(float(given["sensed_line_resistance"]), float(line_capacitance)),
            drive,
            sense,
            float(driver_resistance),
            float(sense_resistance),
            transistor or Transistor(),
        )
        _check_reach(self._circuit, matrix)

    @property
    def circuit(self) -> ArrayCircuit:
        """The array as a circuit, for every engine."""
        return self._circuit

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._circuit.shape

    def drive(
        self,
        voltages: ArrayLike,
        *,
        floating_rows: ArrayLike | None = None,
        column_voltages: ArrayLike | None = None,
        floating_columns: ArrayLike | None = None,
    ) -> Drive:
        """Returns what a batch of reads holds the terminations at; arguments as in `read`.

        Raises:
            DataError: An argument does not fit.
        """
        inputs, _ = self._inputs(voltages)
        rows, columns = self.shape
        drive = self._circuit.drive_rows(inputs)
        lines = None
        if floating_rows is not None:
            if self._circuit.wiring.along != "rows":
                raise DataError(f"topology {self.topology!r} has no driven lines along its rows that could float")
            lines = _mask(floating_rows, rows, "floating_rows")
        held = None
        if column_voltages is not None:
            held = _numbers(column_voltages, "column_voltages must be numbers, in volts")
            if held.shape != (columns,) or not np.isfinite(held).all():
                raise DataError(f"column_voltages must be {columns} finite numbers, in volts")
        loose = None if floating_columns is None else _mask(floating_columns, columns, "floating_columns")
        return replace(drive, sense=held, floating_lines=lines, floating_columns=loose)

    def netlist(self, voltages: ArrayLike | None = None, **unselected: ArrayLike | None) -> str:
        """Returns a self-contained netlist that reads the array; plain `ngspice -b` runs it.

        Args:
            voltages: Row voltages in V, shape `(batch, rows)` or `(rows,)`; without them all rows at V_VMM.
            **unselected: `floating_rows`, `column_voltages` and `floating_columns` as in `read`.

        Raises:
            DataError: The voltages don't fit.
        """
        inputs = np.full((1, self.shape[0]), self.card.vmm_voltage) if voltages is None else voltages
        return read_bench(self._circuit, self.drive(inputs, **unselected))

    def read(
        self,
        voltages: ArrayLike,
        engine: "str | NgspiceEngine | ArrayReader" = "ngspice",
        *,
        floating_rows: ArrayLike | None = None,
        column_voltages: ArrayLike | None = None,
        floating_columns: ArrayLike | None = None,
    ) -> ReadResult:
        """Reads the array.

        Args:
            voltages: Row voltages in V, shape `(batch, rows)`; `(rows,)` gives currents of shape `(columns,)`.
            engine: `"ngspice"`, `"fast"` or `"vacask"`, a reader, or a running ngspice to use its workers.
            floating_rows: Rows without a driver: their numbers, or a mask of shape `(rows,)`.
            column_voltages: Voltage at which each column is held, in V; 0 by default.
            floating_columns: Columns that nothing holds (their current is 0): their numbers, or a mask.

        Raises:
            DataError: An argument does not fit.
            SettingsError: Unknown engine, or the reads are out of its reach.
            EngineError: The simulation failed.
        """
        _, single = self._inputs(voltages)
        drive = self.drive(
            voltages,
            floating_rows=floating_rows,
            column_voltages=column_voltages,
            floating_columns=floating_columns,
        )
        if isinstance(engine, NgspiceEngine):
            result = NgspiceReader(engine).read(self._circuit, drive)
        elif isinstance(engine, str):
            with open_reader(engine) as reader:
                result = reader.read(self._circuit, drive)
        elif hasattr(engine, "read"):
            result = engine.read(self._circuit, drive)
        else:
            raise SettingsError(f"unknown engine {engine!r}; known: {', '.join(READERS)}")
        return replace(result, currents=result.currents[0]) if single else result

    def _inputs(self, voltages: ArrayLike) -> tuple[NDArray[np.float64], bool]:
        inputs = _numbers(voltages, "voltages must be numbers, in volts")
        rows, _ = self.shape
        single = inputs.ndim == 1
        if single:
            inputs = inputs[np.newaxis]
        if inputs.ndim != 2 or inputs.shape[1] != rows or len(inputs) == 0:
            raise DataError(f"voltages must have shape (batch, {rows}), not {np.shape(voltages)}")
        if not np.isfinite(inputs).all():
            raise DataError("voltages must be finite, in volts")
        return inputs, single


def _check_window(conductance: NDArray[np.float64], card: Card) -> None:
    """Refuses conductances outside the card's window; rounding in the last digits is none of its business."""
    low, high = card.off_conductance, card.on_conductance
    outside = (conductance < low * (1 - 1e-9)) | (conductance > high * (1 + 1e-9))
    if outside.any():
        i, j = (int(k) for k in np.argwhere(outside)[0])
        raise DataError(
            f"conductance of cell ({i}, {j}) is {conductance[i, j]:.3g} S, outside the window of card '{card.name}', "
            f"{low:.3g} to {high:.3g} S ({int(outside.sum())} of {outside.size} cells are)"
        )


def _check_reach(circuit: ArrayCircuit, conductance: NDArray[np.float64]) -> None:
    """Refuses lines at whose far end nothing is left of the voltage: ladders of the cells' conductance at V_VMM."""
    along_rows = circuit.wiring.along == "rows"
    per_cell = {
        "driven": (circuit.driven_line.resistance, conductance if along_rows else conductance.T, circuit.drive),
        "sensed": (circuit.sensed_line.resistance, conductance.T, circuit.sense),
    }
    for kind, (resistance, cells, ends) in per_cell.items():
        length = cells.shape[1] / (2 if ends == "both" else 1)  # the far end of a line held at both lies in its middle
        decay = np.arccosh(1.0 + 0.5 * resistance * cells.mean(axis=1))
        reach = float((1.0 / np.cosh(np.minimum(decay * length, 700.0))).min())
        if reach < LEAST_REACH:
            raise SettingsError(
                f"line_resistance of {resistance:g} ohm is too large: about {reach:.1e} of the voltage would reach the "
                f"far end of the worst {kind} line, and less than {LEAST_REACH:g} is refused"
            )


def _mask(values: ArrayLike, count: int, name: str) -> NDArray[np.bool_]:
    """Returns a mask from a mask or from numbers of lines.

    Raises:
        DataError: It is neither.
    """
    array = np.asarray(values)
    if array.dtype == bool and array.shape == (count,):
        return array.copy()
    if array.size == 0:
        return np.zeros(count, bool)
    if array.dtype.kind not in "iu" or array.ndim != 1 or array.min() < 0 or array.max() >= count:
        raise DataError(f"{name} must be a mask of {count} lines or numbers from 0 to {count - 1}")
    mask = np.zeros(count, bool)
    mask[array] = True
    return mask


def _numbers(values: ArrayLike, sentence: str) -> NDArray[np.float64]:
    """Returns a copy of an array of real numbers.

    Raises:
        DataError: It is none; the sentence says what it should be.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        raise DataError(sentence) from None
    if array.dtype.kind not in "fiub":
        raise DataError(sentence)
    return array.astype(float)
