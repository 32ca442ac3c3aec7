"""Plots of pulsed switching: switched fraction, half-switching time, staircases."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ftj_spice.results.plots.device_loops import MV_PER_CM
from ftj_spice.results.plots.device_static import keys, log_ticks, shade
from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, styled
from ftj_spice.results.units import engineering, scale_for


@dataclass(frozen=True)
class SwitchedFraction:
    """Fraction of a saturated cell that one pulse switches.

    Attributes:
        amplitudes: In V, shape `(amplitudes,)`.
        fields: In the ferroelectric, in V/m, same shape.
        widths: In s, shape `(widths,)`.
        fraction: Simulated, shape `(amplitudes, widths)`; NaN beyond whole switching.
        closed: Closed form of the whole distribution there, same shape; NaN without one.
        grouped: Closed form of the mean model's groups, same shape; NaN without one.
        line_widths: In s, shape `(line,)`.
        lines: Closed form, shape `(amplitudes, line)`; NaN without one.
        half_times: Width that switches half, from the simulation, in s, shape `(amplitudes,)`; NaN where not reached.
        field_line: In V/m, shape `(fields,)`.
        half_line: Closed form of the half-switching time, in s, same shape; NaN without one.
        edge: Rise and fall time in parts of the width.
    """

    amplitudes: NDArray[np.float64]
    fields: NDArray[np.float64]
    widths: NDArray[np.float64]
    fraction: NDArray[np.float64]
    closed: NDArray[np.float64]
    grouped: NDArray[np.float64]
    line_widths: NDArray[np.float64]
    lines: NDArray[np.float64]
    half_times: NDArray[np.float64]
    field_line: NDArray[np.float64]
    half_line: NDArray[np.float64]
    edge: float


@dataclass(frozen=True)
class Staircase:
    """A cell after each pulse of a train.

    Attributes:
        name: What kind of train.
        amplitudes: Of the pulses, in V, shape `(pulses,)`.
        width: Of the pulses, in s.
        states: s before the first and after each pulse, shape `(pulses + 1,)`.
        conductances: Read after each, in S, same shape.
        cells: s of cells of independent domains under the same pulses, shape `(cells, pulses + 1)`.
        read_voltage: In V.
        cycles: Times that potentiation and depression follow each other.
        domains: Domains of such a cell.
    """

    name: str
    amplitudes: NDArray[np.float64]
    width: float
    states: NDArray[np.float64]
    conductances: NDArray[np.float64]
    cells: NDArray[np.float64]
    read_voltage: float
    cycles: int
    domains: int


@styled
def switched_fraction(data: SwitchedFraction) -> Figure:
    """Draws the switched fraction against the pulse width, and the half-switching time against the inverse field."""
    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    shades = [shade(s) for s in np.linspace(-0.95, 0.9, len(data.amplitudes))]
    entries = []
    for row, colour in enumerate(shades):
        left.semilogx(data.line_widths, data.lines[row], color=colour, linewidth=1.0)
        left.semilogx(data.widths, data.fraction[row], "o", color=colour, markersize=3)
        entries.append(
            Line2D([], [], color=colour, marker="o", markersize=3, linewidth=1.0, label=f"{data.amplitudes[row]:.2f} V")
        )
    left.set_ylim(-0.03, 1.03 * float(np.nanmax(data.fraction, initial=1.0)))
    left.set_xlabel("pulse width (s)")
    left.set_ylabel("switched fraction")
    log_ticks(left, "x")
    place = "best" if np.isnan(data.lines).any() else "lower right"
    left.legend(handles=entries[::-1], loc=place, handlelength=1.2, labelspacing=0.25)
    right.semilogy(MV_PER_CM / data.field_line, data.half_line, color=CLOSED_FORM)
    for x, y, colour in zip(data.fields, data.half_times, shades, strict=True):
        right.semilogy(MV_PER_CM / x, y, "o", color=colour, markersize=5)
    right.set_xlabel("1 / field (cm/MV)")
    right.set_ylabel("half-switching time $t_{50}$ (s)")
    log_ticks(right, "y")
    mark = Line2D([], [], color=shade(0.0), marker="o", linestyle="none", markersize=4, label="simulated")
    right.legend(handles=[mark, keys()[1]] if np.isfinite(data.half_line).any() else [mark], loc="upper left")
    return figure


@styled
def staircases(trains: tuple[Staircase, Staircase]) -> Figure:
    """Draws both trains: amplitudes, states and conductances against the pulse number."""
    figure = Figure(figsize=(WIDTH, 5.0), layout="constrained")
    panels = figure.subplots(3, 2, sharex="col", sharey="row", height_ratios=[0.7, 1.3, 1.3])
    siemens = scale_for(np.concatenate([train.conductances for train in trains]), "S")
    for column, train in enumerate(trains):
        number = np.arange(len(train.states))
        top, middle, bottom = panels[:, column]
        top.vlines(number[1:], 0.0, train.amplitudes, color=NOTE, linewidth=0.9)
        top.axhline(0.0, color=NOTE, linewidth=0.6)
        top.set_title(f"{train.name}, {engineering(train.width, 's', 2)}")
        for cell in train.cells:
            middle.plot(number, cell, color=NOTE, linewidth=0.5, alpha=0.45)
        middle.plot(number, train.states, "o", color=SIMULATED, markersize=2.4)
        middle.set_ylim(-1.08, 1.08)
        bottom.semilogy(number, siemens(train.conductances), "o", color=SIMULATED, markersize=2.4)
        bottom.set_xlabel("pulse number")
        length = len(train.amplitudes) // train.cycles
        for axes in (middle, bottom):
            _turns(axes, length, train.cycles)
    panels[0, 0].set_ylabel("pulse (V)")
    panels[1, 0].set_ylabel("state s")
    panels[2, 0].set_ylabel(siemens.label(f"G at {trains[0].read_voltage:g} V"))
    log_ticks(panels[2, 0], "y")
    handles = [
        Line2D([], [], color=SIMULATED, marker="o", linestyle="none", markersize=3, label="simulated, mean of domains")
    ]
    if len(trains[0].cells):
        many = "one domain" if trains[0].domains == 1 else f"{trains[0].domains} independent domains"
        handles.append(Line2D([], [], color=NOTE, linewidth=0.7, label=f"cells of {many} (numpy)"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _turns(axes: Axes, length: int, cycles: int) -> None:
    """Thin lines where the sign of the pulses changes."""
    for turn in range(1, 2 * cycles):
        axes.axvline(turn * length / 2 + 0.5, color=NOTE, linestyle=(0, (1, 2)), linewidth=0.8)
