"""Cell currents and their derivatives in numpy, for the direct solver: junctions alone or with a select transistor."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ftj_spice.netlist.circuit import Cells, Transistor

Values = NDArray[np.float64]
_STEEPEST = 600.0  # argument at which sinh is continued as a straight line, far beyond any card
_HALVINGS = 200


class CellState(NamedTuple):
    """What the cells carry.

    Attributes:
        current: From driven to sensed line in A.
        driven: Its derivative by the driven line's voltage, in S.
        sensed: Minus its derivative by the sensed line's voltage, in S.
        junction: Voltage of the node between junction and transistor in V; the sensed line's without a transistor.
    """

    current: Values
    driven: Values
    sensed: Values
    junction: Values


def junction_current(cells: Cells, voltage: Values) -> tuple[Values, Values]:
    """Returns current (A) and slope (S) of junctions at a voltage of shape `(rows, columns)` or broadcast to it."""
    if cells.law == "linear":
        return cells.strength * voltage, np.broadcast_to(
            cells.strength, np.broadcast_shapes(cells.shape, voltage.shape)
        )
    if cells.law == "physical":
        assert cells.physical is not None and cells.share is not None
        return (
            cells.strength * cells.physical.mixed(cells.share, voltage),
            cells.strength * cells.physical.mixed_slope(cells.share, voltage),
        )
    scaled = voltage / cells.scale
    inside = np.clip(scaled, -_STEEPEST, _STEEPEST)
    slope = cells.strength * np.cosh(inside) / cells.scale
    return cells.strength * np.sinh(inside) + slope * cells.scale * (scaled - inside), slope


def transistor_current(
    device: Transistor, gate: Values, drain: Values, source: Values
) -> tuple[Values, Values, Values]:
    """Returns the current (A) and its derivatives by drain and minus source voltage (S)."""
    pinch_off = (gate - device.threshold) / device.slope_factor
    double = 2.0 * device.thermal_voltage

    def forward(channel: Values) -> tuple[Values, Values]:
        u = (pinch_off - channel) / double
        soft = np.logaddexp(0.0, u)
        return soft**2, 2.0 * soft * expit(u) / double

    at_source, slope_source = forward(source)
    at_drain, slope_drain = forward(drain)
    scale = device.specific_current
    return scale * (at_source - at_drain), scale * slope_drain, scale * slope_source


def cell_state(
    cells: Cells, transistor: Transistor | None, gate: Values | None, driven: Values, sensed: Values
) -> CellState:
    """Returns currents and derivatives of all cells of one read.

    The node between junction and transistor is found by Newton's method, halving where a step leaves the bracket.

    Args:
        cells: The cells.
        transistor: The select transistor, if there is one.
        gate: Gate voltages, shape `(rows, columns)`, if there is one.
        driven: Voltage of the driven line at each cell, shape `(rows, columns)`.
        sensed: Voltage of the sensed line at each cell.
    """
    if transistor is None or gate is None:
        current, slope = junction_current(cells, driven - sensed)
        return CellState(current, slope, slope, sensed)
    low, high = np.minimum(driven, sensed), np.maximum(driven, sensed)
    middle = 0.5 * (low + high)
    for _ in range(_HALVINGS):
        upper, steep = junction_current(cells, driven - middle)
        lower, drain, _ = transistor_current(transistor, gate, middle, sensed)
        excess = upper - lower
        low, high = np.where(excess > 0, middle, low), np.where(excess < 0, middle, high)
        total = steep + drain
        with np.errstate(over="ignore"):
            step = np.divide(excess, total, out=np.zeros_like(excess), where=total > 0)
        proposed = middle + step
        outside = (proposed < low) | (proposed > high) | ((total <= 0) & (excess != 0))
        proposed = np.where(outside, 0.5 * (low + high), proposed)
        moved = np.abs(proposed - middle)
        middle = proposed
        if np.all(moved <= 4e-16 * (1.0 + np.abs(middle))):
            break
    upper, steep = junction_current(cells, driven - middle)
    lower, drain, source = transistor_current(transistor, gate, middle, sensed)
    current = np.where(steep <= drain, upper, lower)  # the one less sensitive to the node's rounding
    total = steep + drain
    share = np.divide(steep, total, out=np.zeros_like(total), where=total > 0)
    return CellState(current, share * drain, share * source, middle)
