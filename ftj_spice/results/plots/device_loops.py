"""Plots of hysteresis: P-V loops, P-E loops, currents, reversal curves, the coercive field against frequency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ftj_spice.results.plots.device_static import keys, log_ticks, shade
from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, styled
from ftj_spice.results.units import engineering, scale_for

UC_PER_CM2 = 1e-2
"""1 uC/cm^2 in C/m^2."""
MV_PER_CM = 1e8
"""1 MV/cm in V/m."""
SATURATED = 0.98
"""A loop whose state reaches this on both sides counts as saturated."""


@dataclass(frozen=True)
class Loop:
    """One closed period under a triangular wave; arrays of shape `(points,)`.

    Attributes:
        amplitude: In V.
        frequency: In Hz.
        voltage: In V, from 0 up first.
        state: s.
        polarization: In C/m^2.
        charge: Polarization and dielectric displacement on the terminals, in C/m^2.
        field: In the ferroelectric, in V/m.
        current: Terminal current in A.
        displacement: The same without conduction, in A: what is left after leakage compensation.
        coercive_voltages: Where s is 0 on the rising and on the falling branch, in V; none where it never is.
        coercive_fields: Field in the ferroelectric there, in V/m.
        remanent: Polarization at 0 V after the positive and after the negative half, in C/m^2.
        closure: Distance of s between begin and end of the period.
        swing: Largest and smallest s.
    """

    amplitude: float
    frequency: float
    voltage: NDArray[np.float64]
    state: NDArray[np.float64]
    polarization: NDArray[np.float64]
    charge: NDArray[np.float64]
    field: NDArray[np.float64]
    current: NDArray[np.float64]
    displacement: NDArray[np.float64]
    coercive_voltages: tuple[float | None, float | None]
    coercive_fields: tuple[float | None, float | None]
    remanent: tuple[float, float]
    closure: float
    swing: tuple[float, float]

    @property
    def saturated(self) -> bool:
        """Whether the state reaches both ends."""
        return self.swing[0] > SATURATED and self.swing[1] < -SATURATED


@dataclass(frozen=True)
class Loops:
    """All hysteresis of a card.

    Attributes:
        majors: Loops at the write voltage, one per frequency.
        minors: Minor loops from the unpoled state, for each of these frequencies.
        sweep_frequencies: In Hz, shape `(sweep,)`.
        sweep_fields: Coercive fields (rising, falling) in V/m, shape `(sweep, 2)`; NaN where a loop has none.
        line_frequencies: In Hz, shape `(line,)`.
        line_fields: Closed form, in V/m, shape `(line, 2)`; NaN without one.
        branches: Voltage and s of the rising and falling branch at the middle frequency, closed form; none without one.
        reversals: First-order reversal curves at the middle frequency's slope.
        card_coercive_field: The card's quasi-static value in V/m.
    """

    majors: tuple[Loop, ...]
    minors: tuple[tuple[Loop, ...], ...]
    sweep_frequencies: NDArray[np.float64]
    sweep_fields: NDArray[np.float64]
    line_frequencies: NDArray[np.float64]
    line_fields: NDArray[np.float64]
    branches: tuple[tuple[NDArray[np.float64], NDArray[np.float64]] | None, ...]
    reversals: tuple[Loop, ...]
    card_coercive_field: float


def _cross(axes: Axes) -> None:
    """Thin lines through the origin."""
    axes.axhline(0.0, color=NOTE, linewidth=0.5, zorder=1)
    axes.axvline(0.0, color=NOTE, linewidth=0.5, zorder=1)


def _frequency(loop: Loop) -> str:
    return engineering(loop.frequency, "Hz", 1)


def _title(loop: Loop) -> str:
    """Returns a loop's frequency and coercive voltages."""
    rising, falling = loop.coercive_voltages
    if rising is None or falling is None:
        return f"{_frequency(loop)}: no coercive voltage"
    up, down = f"{rising:.2f}", f"{abs(falling):.2f}"
    both = f"±{up}" if up == down and falling < 0 else f"{rising:+.2f} / {falling:+.2f}".replace("-", "\N{MINUS SIGN}")
    return f"{_frequency(loop)}: $V_\\mathrm{{c}}$ = {both} V"


def _above(axes: Axes, columns: int, **kwargs: Any) -> None:
    """Puts the legend above the axes, where it covers no curve."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 0.995), ncols=columns, handlelength=1.4, columnspacing=1.2,
        borderpad=0.1, **kwargs,
    )  # fmt: skip


def _colours(count: int) -> list[tuple[float, float, float, float]]:
    return [shade(s) for s in np.linspace(-0.9, 0.85, count)]


@styled
def minor_loops(data: Loops) -> Figure:
    """Draws polarization against voltage, one panel per frequency: the major loop and minor ones inside it."""
    figure = Figure(figsize=(WIDTH, 2.95), layout="constrained")
    panels = figure.subplots(1, len(data.majors), sharey=True, sharex=True, squeeze=False)[0]
    for axes, major, minors in zip(panels, data.majors, data.minors, strict=True):
        _cross(axes)
        for loop, colour in zip(minors, _colours(len(minors)), strict=True):
            axes.plot(loop.voltage, loop.polarization / UC_PER_CM2, color=colour, linewidth=1.0)
        axes.plot(major.voltage, major.polarization / UC_PER_CM2, color=SIMULATED, linewidth=1.6)
        for volts in major.coercive_voltages:
            if volts is not None:
                axes.plot(volts, 0.0, "o", color=CLOSED_FORM, markersize=4.5, zorder=4)
        axes.set_title(_title(major), fontsize=8.5)
        axes.set_xlabel("voltage (V)")
        axes.xaxis.set_major_locator(MaxNLocator(5))
    panels[0].set_ylabel("polarization (µC/cm²)")
    return figure


@styled
def field_loops(data: Loops) -> Figure:
    """Draws polarization against the ferroelectric's field, and the coercive field against the frequency."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    _cross(left)
    colours = _colours(len(data.majors))
    for loop, colour in zip(data.majors, colours, strict=True):
        left.plot(
            loop.field / MV_PER_CM, loop.polarization / UC_PER_CM2, color=colour, linewidth=1.4,
            label=_frequency(loop),
        )  # fmt: skip
        for field in loop.coercive_fields:
            if field is not None:
                left.plot(field / MV_PER_CM, 0.0, "o", color=colour, markersize=4.5, zorder=4)
    middle = data.majors[len(data.majors) // 2]
    left.plot(
        middle.field / MV_PER_CM, middle.charge / UC_PER_CM2, color=NOTE, linestyle=(0, (4, 2)), linewidth=0.9,
        label=f"Q/A, {_frequency(middle)}",
    )  # fmt: skip
    left.set_xlabel("field in the ferroelectric (MV/cm)")
    left.set_ylabel("polarization (µC/cm²)")
    _above(left, 2)
    for column, (name, filled) in enumerate((("rising", True), ("falling", False))):
        right.semilogx(
            data.sweep_frequencies, np.abs(data.sweep_fields[:, column]) / MV_PER_CM, "o", color=SIMULATED,
            markersize=4 if filled else 6.5, markerfacecolor=SIMULATED if filled else "none",
            label=f"simulated, {name}",
        )  # fmt: skip
        if np.isfinite(data.line_fields[:, column]).any():
            right.semilogx(
                data.line_frequencies, np.abs(data.line_fields[:, column]) / MV_PER_CM, color=CLOSED_FORM,
                label="closed form" if not column else None,
            )  # fmt: skip
    right.axhline(data.card_coercive_field / MV_PER_CM, color=NOTE, linestyle=(0, (1, 2)), linewidth=0.9)
    right.annotate(
        "card, quasi-static", (1.0, data.card_coercive_field / MV_PER_CM), (-2, -3),
        xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8, color=NOTE, ha="right",
        va="top",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
    )  # fmt: skip
    log_ticks(right, "x")
    right.set_xlabel("frequency (Hz)")
    right.set_ylabel("coercive field $E_\\mathrm{c}$ (MV/cm)")
    high = np.nanmax(np.abs(data.sweep_fields)) if np.isfinite(data.sweep_fields).any() else data.card_coercive_field
    right.set_ylim(0, 1.12 * float(high) / MV_PER_CM)
    _above(right, 2)
    return figure


@styled
def loop_currents(data: Loops) -> Figure:
    """Draws the current of the major loops: without conduction, over the sweep rate; and the whole, logarithmic."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    _cross(left)
    colours = _colours(len(data.majors))
    capacitance = [loop.displacement / (4.0 * loop.amplitude * loop.frequency) for loop in data.majors]
    farad = scale_for(np.concatenate(capacitance), "F")
    for loop, value, colour in zip(data.majors, capacitance, colours, strict=True):
        inner = slice(1, -1)
        left.plot(loop.voltage, farad(value), color=colour, linewidth=1.2, label=_frequency(loop))
        right.semilogy(loop.voltage[inner], np.abs(loop.current[inner]), color=colour, linewidth=1.1)
    left.set_xlabel("voltage (V)")
    left.set_ylabel(farad.label("I without conduction / sweep rate"))
    _above(left, 3)
    right.set_xlabel("voltage (V)")
    right.set_ylabel("|terminal current| (A)")
    log_ticks(right, "y")
    return figure


@styled
def reversal_curves(data: Loops) -> Figure:
    """Draws the reversal curves inside the major loop of the same slope, with the closed form of its two branches."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    axes = figure.subplots()
    _cross(axes)
    remanent = abs(data.majors[0].polarization).max() / max(abs(data.majors[0].state).max(), 1e-9)
    major = data.majors[len(data.majors) // 2]
    for curve, colour in zip(data.reversals, _colours(len(data.reversals)), strict=True):
        turn = int(np.argmin(curve.voltage))
        axes.plot(curve.voltage[turn:], curve.polarization[turn:] / UC_PER_CM2, color=colour, linewidth=1.1)
        axes.plot(curve.voltage[turn], curve.polarization[turn] / UC_PER_CM2, "o", color=colour, markersize=3.5)
    step = max(1, len(major.voltage) // 80)
    axes.plot(
        major.voltage[::step], major.polarization[::step] / UC_PER_CM2, "o", color=SIMULATED, markersize=2.6, zorder=3
    )
    handles: Sequence[Line2D] = keys("major loop, simulated", "its branches, closed form")
    if data.branches[0] is None:
        handles = handles[:1]
    for branch in data.branches:
        if branch is not None:
            axes.plot(branch[0], remanent * branch[1] / UC_PER_CM2, color=CLOSED_FORM, linewidth=1.2, zorder=2)
    turns = Line2D([], [], color=shade(0.0), marker="o", markersize=3.5, label="reversal curves")
    _above(axes, 3, handles=[*handles, turns])
    axes.set_xlabel("voltage (V)")
    axes.set_ylabel("polarization (µC/cm²)")
    return figure
