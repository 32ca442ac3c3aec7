"""The read bench of an array in VACASK's dialect, around the models `ftj_static.va` and `select_transistor.va`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.netlist.benches import check_drive
from ftj_spice.netlist.circuit import ArrayCircuit, Drive
from ftj_spice.netlist.render import render
from ftj_spice.netlist.wiring import array_values

MODELS = {"array.osdi": "ftj_static.va", "select.osdi": "select_transistor.va"}
"""Files that the bench loads, and the models, below `models/`, that they are compiled from."""
ANALYSIS = "reads"
"""The bench's analysis."""

TOLERANCE = 1e-9
"""Relative change of an unknown at which Newton's iteration ends, so that errors are far smaller."""
SMALLEST_VOLTAGE = 1e-12
"""The same for small voltages, in V."""
SMALLEST_CURRENT = 1e-16
"""The same for small currents of sources, in A, or as far as rounding lets them settle."""
LAST_BITS = 4.0 * float(np.finfo(float).eps)

DEAD = 1e-12
"""Conductance in S below which the transistors of a cell count as off."""
HOLD = 1e-9
"""Conductance in S that holds a line on which all transistors are off."""


def array_bench(circuit: ArrayCircuit, drive: Drive, *, hold: bool = False) -> str:
    """Returns the bench that reads an array once per entry of the drive's batch, as one sweep of operating points.

    Column j's current is `vsense{j}:flow(br)`, positive out of the array, in the analysis `reads`; floating columns
    have none. Where a line is held at both ends, this is the sum of both.

    The level of a floating line on which all transistors are off may be less than rounding leaves: VACASK then finds no
    solution. With `hold` a weak conductance holds such a line, in such reads, at the mean level of the sensed columns.
    The currents of its cells, some 1e-15 A each, are then known no better than to their own size.

    Args:
        circuit: The array.
        drive: What its terminations are held at.
        hold: Whether such lines are held.

    Raises:
        RenderError: A value is not fit for a netlist, or circuit and drive don't fit.
    """
    check_drive(circuit, drive)
    values = array_values(circuit, drive)
    resistances = (
        circuit.driven_line.resistance,
        circuit.sensed_line.resistance,
        circuit.driver_resistance,
        circuit.sense_resistance,
    )
    smallest = min((r for r in resistances if r > 0), default=np.inf)
    levels = [drive.lines] if drive.sense is None else [drive.lines, drive.sense]
    volts = max(float(np.abs(level).max()) for level in levels)
    return render(
        "vacask/array.sim.j2",
        points=len(drive),
        reltol=TOLERANCE,
        abstol=max(SMALLEST_CURRENT, LAST_BITS * volts / smallest),
        vntol=SMALLEST_VOLTAGE,
        settled=1
        if drive.sense is None or not np.any(drive.sense)
        else 2,  # a column's current is then a small difference
        **_holds(circuit, drive, values["wiring"], hold),
        **values,
    )


def has_dead_lines(circuit: ArrayCircuit, drive: Drive) -> bool:
    """Returns whether `hold` makes a difference: in some read, all transistors on a floating line are off."""
    return bool(_holds(circuit, drive, array_values(circuit, drive)["wiring"], True)["holds"])


def _holds(circuit: ArrayCircuit, drive: Drive, wiring: dict[str, Any], hold: bool) -> dict[str, Any]:
    """Returns `holds`, for each line to hold its node and the conductance in each read, and `hold_level` in V."""
    columns = circuit.shape[1]
    held = np.ones(columns, bool) if drive.floating_columns is None else ~np.asarray(drive.floating_columns, bool)
    levels = np.zeros(columns) if drive.sense is None else drive.sense
    holds: list[dict[str, Any]] = []
    if hold and circuit.wiring.transistor and drive.gates is not None:
        t = circuit.transistor
        with np.errstate(over="ignore"):
            channel = np.exp((drive.gates - t.threshold) / (t.slope_factor * t.thermal_voltage))
            on = t.specific_current / t.thermal_voltage * channel > DEAD
        across = circuit.wiring.along == "rows"
        cells = circuit.cells.strength > 0
        along_columns = (on.astype(float) @ cells.astype(float)) > 0  # (reads, columns): any cell whose gate is on
        driven_on = on & cells.any(axis=1) if across else along_columns
        joint = "row" if across else "source"
        driven, sensed = circuit.driven_line.resistance, circuit.sensed_line.resistance
        for floating, live, connected, resistance, near, first in (
            (drive.floating_lines, wiring["live_driven"], driven_on, driven, joint, "w%d_0" if across else "w0_%d"),
            (drive.floating_columns, wiring["live_sensed"], along_columns, sensed, "sense", "b0_%d"),
        ):
            for k in np.flatnonzero(np.zeros(0) if floating is None else np.asarray(floating, bool) & live).tolist():
                if not connected[:, k].all():
                    node = first % k if resistance > 0 else f"{near}{k}"
                    holds.append({"node": node, "conductance": _once(np.where(connected[:, k], 0.0, HOLD))})
    return {"holds": holds, "hold_level": float(np.mean(levels[held])) if held.any() else 0.0}


def _once(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[:1] if (values == values[0]).all() else values
