"""How an array's lines end and what hangs on them: the part of an `ArrayCircuit` that templates take as data."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Drive, End, Line, Transistor

Ends = list[list[str | None]]
"""Nodes at the first and the last end of each line; none where nothing is connected."""


def cell_values(cells: Cells) -> dict[str, Any]:
    """Returns the variables of the cell templates."""
    return {
        "law": cells.law,
        "scale": cells.scale,
        "strength": cells.strength,
        "capacitance": cells.capacitance,
        "share": cells.share,
        "physical": None if cells.physical is None else vars(cells.physical),
    }


def wire_values(
    along: str,
    driven: Line,
    sensed: Line,
    driven_ends: Ends,
    sensed_ends: Ends,
    transistor: Transistor | None = None,
    live: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
) -> dict[str, Any]:
    """Returns the variable `wiring` of the array templates; see `netlists/arrays/array.cir.j2`."""
    live_driven, live_sensed = live or (np.ones(len(driven_ends), bool), np.ones(len(sensed_ends), bool))
    return {
        "along": along,
        "transistor": None if transistor is None else vars(transistor),
        "driven": vars(driven),
        "sensed": vars(sensed),
        "driven_ends": driven_ends,
        "sensed_ends": sensed_ends,
        "live_driven": live_driven,
        "live_sensed": live_sensed,
    }


def array_values(circuit: ArrayCircuit, drive: Drive) -> dict[str, Any]:
    """Returns the variables of the read templates: cells, wires, drivers and sense amplifiers.

    Args:
        circuit: The array.
        drive: What its terminations are held at.

    Returns:
        `rows`, `columns`, `cells`, `wiring`, and
        `drivers`: for each `name`, `voltages` (one where all reads agree), `source` and `taps` (the node behind the
        output resistance, and the nodes it feeds),
        `gates`: the voltages of each row, likewise,
        `senses`: for each held column `name`, `voltage`, `source` and `taps`, in the same way.
    """
    rows, columns = circuit.shape
    lines = circuit.driven_lines
    joint = "row" if circuit.wiring.along == "rows" else "source"
    held_lines = _held(drive.floating_lines, lines)
    held_columns = _held(drive.floating_columns, columns)
    live = _live(circuit, held_lines, held_columns)
    levels = np.zeros(columns) if drive.sense is None else drive.sense
    driven_ends, drivers = [], []
    for k in range(lines):
        ends, taps = _ends(
            f"{joint}{k}", f"{joint}far{k}", circuit.drive, circuit.driven_line, circuit.driver_resistance
        )
        driven_ends.append(ends if held_lines[k] else [None, None])
        if held_lines[k]:
            source = f"drive{k}" if circuit.driver_resistance > 0 else f"{joint}{k}"
            drivers.append(
                {
                    "name": f"{joint}{k}",
                    "number": k,
                    "voltages": _steps(drive.lines[:, k]),
                    "source": source,
                    "taps": taps,
                }
            )
    sensed_ends, senses = [], []
    for j in range(columns):
        ends, taps = _ends(f"sense{j}", f"sensefar{j}", circuit.sense, circuit.sensed_line, circuit.sense_resistance)
        sensed_ends.append(ends if held_columns[j] else [None, None])
        if held_columns[j]:
            source = f"hold{j}" if circuit.sense_resistance > 0 else f"sense{j}"
            senses.append({"number": j, "voltage": float(levels[j]), "source": source, "taps": taps})
    transistor = circuit.transistor if circuit.wiring.transistor else None
    # No direct current flows through capacitances: the cells' are worth their lines only beside those of the wires.
    charged = circuit.driven_line.capacitance > 0 or circuit.sensed_line.capacitance > 0
    cells = circuit.cells if charged else replace(circuit.cells, capacitance=0.0)
    gates = [] if transistor is None or drive.gates is None else [_steps(drive.gates[:, i]) for i in range(rows)]
    return {
        "rows": rows,
        "columns": columns,
        "cells": cell_values(cells),
        "wiring": wire_values(
            circuit.wiring.along, circuit.driven_line, circuit.sensed_line, driven_ends, sensed_ends, transistor, live
        ),
        "drivers": drivers,
        "driver_resistance": circuit.driver_resistance,
        "gates": gates,
        "senses": senses,
        "sense_resistance": circuit.sense_resistance,
    }


def _held(floating: NDArray[np.bool_] | None, count: int) -> NDArray[np.bool_]:
    return np.ones(count, bool) if floating is None else ~np.asarray(floating, bool)


def _ends(near: str, far: str, ends: End, line: Line, resistance: float) -> tuple[list[str | None], list[str]]:
    """Returns the nodes at both ends of a held line, and those that its source feeds through its resistance."""
    if ends == "first":
        return [near, None], [near]
    if ends == "last":
        return [None, near], [near]
    if resistance == 0 or line.resistance == 0:  # both ends are one node
        return [near, near], [near, near]
    return [near, far], [near, far]


def _steps(voltages: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the voltages of all reads, or the one that they share."""
    return voltages[:1] if (voltages == voltages[0]).all() else voltages


def _live(
    circuit: ArrayCircuit, held_lines: NDArray[np.bool_], held_columns: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns which driven and sensed lines hang on any source; the others would make the circuit singular."""
    if held_lines.all() and held_columns.all():
        return held_lines, held_columns
    lines, columns = len(held_lines), len(held_columns)
    row, column = np.nonzero(circuit.cells.strength)
    line = row if circuit.wiring.along == "rows" else column
    graph = coo_array((np.ones(len(line)), (line, lines + column)), shape=(lines + columns,) * 2)
    _, part = connected_components(graph, directed=False)
    held = np.concatenate([held_lines, held_columns])
    live = np.isin(part, part[held])
    return live[:lines], live[lines:]
