"""An array by itself: conductances in, column currents out."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.engines.protocol import Sweep
from ftj_spice.netlist.benches import TOPOLOGIES, Cells, Line, read_bench

READS_PER_NETLIST = 256


@dataclass(frozen=True)
class ReadResult:
    """What a read gives.

    Attributes:
        currents: Column currents in A, positive out of the array, shape `(batch, columns)`.
        engine: Simulator and version.
        netlist_hashes: SHA-256 of the netlists that were run.
        status: `ok`, or the rungs of the convergence ladder that were needed.
    """

    currents: NDArray[np.float64]
    engine: str
    netlist_hashes: tuple[str, ...]
    status: str


class Array:
    """A programmed array of junctions.

    Rows are driven at the left end, columns held at 0 V at the bottom; one wire segment lies before each cell of a row,
    one between the cells of a column, and one between the last row and the sense node.

    Args:
        conductance: G in siemens at the card's V_VMM (`I(V_VMM) = G * V_VMM`), shape `(rows, columns)`.
        card: Device card or its name; `"linear"` is the ohmic cell.
        topology: `crossbar` or `nor`.
        line_resistance: Of every wire segment, in ohm.
        driver_resistance: Output resistance of the row drivers, in ohm.

    Raises:
        DataError: The conductances are not a finite, non-negative matrix.
        SettingsError: Unknown card or topology, negative resistance.
    """

    def __init__(
        self,
        conductance: ArrayLike,
        card: str | Path | Card = "hzo_mfis_nominal",
        topology: str = "crossbar",
        line_resistance: float = 0.0,
        driver_resistance: float = 0.0,
    ) -> None:
        matrix = _numbers(conductance, "conductance must be a matrix of numbers, in siemens")
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise DataError(f"conductance must have shape (rows, columns), not {matrix.shape}")
        if not np.isfinite(matrix).all() or (matrix < 0).any():
            raise DataError("conductance must be finite and not negative, in siemens")
        if topology not in TOPOLOGIES:
            raise SettingsError(f"unknown topology {topology!r}; known: {', '.join(TOPOLOGIES)}")
        for name, value in (("line_resistance", line_resistance), ("driver_resistance", driver_resistance)):
            if not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
                raise SettingsError(f"{name} must be a finite number of ohms, not negative, got {value!r}")
        if not isinstance(card, str | Path | Card):
            raise SettingsError(f"card must be a device card, its name or its file, not {card!r}")
        matrix.flags.writeable = False
        self.conductance = matrix
        self.card = load_card(card)
        self.topology = topology
        self.line_resistance = float(line_resistance)
        self.driver_resistance = float(driver_resistance)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.conductance.shape
        return rows, columns

    def netlist(self, voltages: ArrayLike | None = None) -> str:
        """Returns a self-contained netlist that reads the array; plain `ngspice -b` runs it.

        Args:
            voltages: Row voltages in V, shape `(batch, rows)` or `(rows,)`; without them all rows at V_VMM.

        Raises:
            DataError: The voltages don't fit.
        """
        rows, _ = self.shape
        inputs = np.full((1, rows), self.card.vmm_voltage) if voltages is None else self._inputs(voltages)[0]
        line = Line(self.line_resistance)
        return read_bench(
            Cells.of(self.card, self.conductance),
            inputs,
            topology=self.topology,
            word_line=line,
            bit_line=line,
            driver_resistance=self.driver_resistance,
        )

    def read(self, voltages: ArrayLike, engine: str | NgspiceEngine = "ngspice") -> ReadResult:
        """Reads the array.

        Args:
            voltages: Row voltages in V, shape `(batch, rows)`; `(rows,)` gives currents of shape `(columns,)`.
            engine: `"ngspice"`, or a running engine to use its workers.

        Raises:
            DataError: The voltages don't fit.
            SettingsError: Unknown engine.
            EngineError: The simulation failed.
        """
        inputs, single = self._inputs(voltages)
        if isinstance(engine, NgspiceEngine):
            return self._read(inputs, engine, single)
        if engine != "ngspice":
            raise SettingsError(f"unknown engine {engine!r}; known: ngspice")
        with NgspiceEngine() as own:
            return self._read(inputs, own, single)

    def _read(self, inputs: NDArray[np.float64], engine: NgspiceEngine, single: bool) -> ReadResult:
        def run(open_netlist: Open, chunk: NDArray[np.float64]) -> ReadResult:
            return sweep(open_netlist, self.netlist(chunk), self.shape[1], chunk)

        chunks = [inputs[k : k + READS_PER_NETLIST] for k in range(0, len(inputs), READS_PER_NETLIST)]
        parts = engine.map(run, chunks)
        currents = np.concatenate([part.currents for part in parts])
        return ReadResult(
            currents[0] if single else currents,
            parts[0].engine,
            tuple(h for part in parts for h in part.netlist_hashes),
            overall_status(parts),
        )

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


def overall_status(reads: Iterable[ReadResult]) -> str:
    """Returns `ok`, or the rungs of the convergence ladder that any of the reads needed."""
    rungs = sorted({read.status for read in reads} - {"ok"})
    return ", ".join(rungs) or "ok"


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


def sweep(open_netlist: Open, netlist: str, columns: int, inputs: NDArray[np.float64]) -> ReadResult:
    """Runs a read bench and returns the currents of all its reads.

    Args:
        open_netlist: Opens a session.
        netlist: From `read_bench`.
        columns: Columns of the array.
        inputs: The reads' row voltages, shape `(reads, rows)`.

    Raises:
        EngineError: The simulation failed.
    """
    names = [f"i(vsense{j})" for j in range(columns)]
    with open_netlist(netlist) as session:
        result = session.run(Sweep("vindex", max(len(inputs), 2)), names)
    currents = np.stack([result[name] for name in names], axis=1)[: len(inputs)]
    return ReadResult(currents, result.engine, (result.netlist_hash,), result.status)
