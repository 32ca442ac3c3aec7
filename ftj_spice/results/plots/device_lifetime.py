"""Plots of retention, endurance and device-to-device spread."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray
from scipy.special import ndtri

from ftj_spice.results.plots.device_loops import MV_PER_CM, UC_PER_CM2
from ftj_spice.results.plots.device_static import log_ticks, shade
from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, styled
from ftj_spice.results.units import engineering, grouped, scale_for

YEAR = 365.25 * 86400.0
"""In s."""
LEAST = 1e-5
"""Smallest share switched by reading that is drawn."""
_PERCENT = (0.1, 1, 10, 50, 90, 99, 99.9)


@dataclass(frozen=True)
class Retention:
    """A cell left alone, and a cell that is read all the time.

    Attributes:
        seconds: In s, shape `(points,)`.
        currents: Off and on, simulated, in A, shape `(2, points)`.
        line_seconds: In s, shape `(line,)`.
        factor: On the polarization, shape `(line,)`.
        lines: Off and on, closed form, in A, shape `(2, line)`.
        read_voltage: In V.
        disturb_voltages: Read voltages in V, shape `(voltages,)`.
        disturb_seconds: Time under them in s, shape `(times,)`.
        disturb: Part of a saturated cell switched, shape `(voltages, times)`.
    """

    seconds: NDArray[np.float64]
    currents: NDArray[np.float64]
    line_seconds: NDArray[np.float64]
    factor: NDArray[np.float64]
    lines: NDArray[np.float64]
    read_voltage: float
    disturb_voltages: NDArray[np.float64]
    disturb_seconds: NDArray[np.float64]
    disturb: NDArray[np.float64]


@dataclass(frozen=True)
class Endurance:
    """A cell that is written again and again.

    Attributes:
        cycles: Shape `(points,)`.
        currents: Off and on, simulated, in A, shape `(2, points)`; NaN where the window has closed.
        line_cycles: Shape `(line,)`.
        lines: Off and on, closed form, in A, shape `(2, line)`; NaN where the window has closed.
        factor: On the remanent polarization, shape `(line,)`.
        growth: Of leakage and noise, shape `(line,)`.
        read_voltage: In V.
        write_voltages: In V, shape `(voltages,)`; those whose life the law puts at a number of cycles worth drawing.
        life_cycles: Shape `(lives,)`.
        survival: Part of cells without breakdown, shape `(voltages, lives)`.
        lives: Drawn cycles to breakdown, ascending, shape `(voltages, cells)`.
        remanent_polarization: Of the fresh cell, in C/m^2.
    """

    cycles: NDArray[np.float64]
    currents: NDArray[np.float64]
    line_cycles: NDArray[np.float64]
    lines: NDArray[np.float64]
    factor: NDArray[np.float64]
    growth: NDArray[np.float64]
    read_voltage: float
    write_voltages: NDArray[np.float64]
    life_cycles: NDArray[np.float64]
    survival: NDArray[np.float64]
    lives: NDArray[np.float64]
    remanent_polarization: float


@dataclass(frozen=True)
class Spread:
    """A population of cells; arrays of shape `(cells,)` unless said otherwise.

    Attributes:
        off: Current of the high-resistance state at the read voltage, in A; empty where the spread is too wide to draw.
        on: The same, low-resistance state.
        nominal: Both nominal currents in A.
        sigmas: The card's sigma of ln(current), off and on, at the cell's area.
        coercive_fields: In V/m; fewer cells (two or more), or none.
        frequency: At which they hold, in Hz.
        remanent: Remanent polarization in C/m^2.
        amplitudes: Relative amplitude of the dominant trap, high-resistance state.
        capture_times: In s, at the trap's voltage.
        nominal_amplitude: The card's amplitude; 0 for a card without telegraph noise in that state.
        nominal_capture_time: The card's, in s.
        read_voltage: In V.
        trap_voltage: In V.
    """

    off: NDArray[np.float64]
    on: NDArray[np.float64]
    nominal: tuple[float, float]
    sigmas: tuple[float, float]
    coercive_fields: NDArray[np.float64]
    frequency: float
    remanent: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    capture_times: NDArray[np.float64]
    nominal_amplitude: float
    nominal_capture_time: float
    read_voltage: float
    trap_voltage: float


def _decade(axes: Axes) -> None:
    """Marks ten years on a time axis."""
    axes.axvline(10 * YEAR, color=NOTE, linestyle=(0, (1, 2)), linewidth=0.9)
    axes.annotate(
        "10 years", (10 * YEAR, 0.5), (-2, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
        rotation=90, fontsize=8, color=NOTE, ha="right", va="center",
    )  # fmt: skip


def _two_states(
    axes: Axes, x: NDArray[np.float64], currents: NDArray[np.float64], line: NDArray[np.float64],
    lines: NDArray[np.float64], read_voltage: float,
) -> None:  # fmt: skip
    """Draws the read current of both extreme states on logarithmic axes."""
    ampere = scale_for(currents, "A")
    for row, fill in enumerate(("white", SIMULATED)):
        axes.loglog(line, ampere(lines[row]), color=CLOSED_FORM)
        axes.loglog(x, ampere(currents[row]), "o", color=SIMULATED, markerfacecolor=fill, markersize=4.5,
                    label=("off", "on")[row])  # fmt: skip
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.6, high * 1.6)
    log_ticks(axes, "y")
    axes.set_ylabel(ampere.label(f"current at {read_voltage:g} V"))


@styled
def retention(data: Retention) -> Figure:
    """Draws the polarization that is left, the two states' currents, and what reading all the time switches."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3, gridspec_kw={"wspace": 0.06})
    left.semilogx(data.line_seconds, data.factor, color=CLOSED_FORM)
    left.set_ylim(0.0, 1.05)
    left.set_ylabel("|P(t)| / |P(0)|")
    _two_states(middle, data.seconds, data.currents, data.line_seconds, data.lines, data.read_voltage)
    middle.legend(loc="center left", handletextpad=0.2)
    for volts, switched, colour in zip(data.disturb_voltages, data.disturb, (shade(-0.6), shade(0.5)), strict=False):
        name = f"{volts:g} V" if switched.max() >= LEAST else f"{volts:g} V: below {LEAST:g}"
        right.loglog(data.disturb_seconds, np.maximum(switched, 0.01 * LEAST), color=colour, label=name)
    right.set_ylim(LEAST, 30.0)
    right.legend(loc="upper left", handlelength=1.4)
    right.set_ylabel("share switched by reading")
    for axes in (left, middle, right):
        log_ticks(axes, "x", 5)
        _decade(axes)
    log_ticks(right, "y")
    left.set_xlabel("time (s)")
    middle.set_xlabel("time (s)")
    right.set_xlabel("time under voltage (s)")
    return figure


@styled
def endurance(data: Endurance) -> Figure:
    """Draws the remanent polarization, the two states' currents, and the breakdown as a Weibull plot."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    scale = data.remanent_polarization / UC_PER_CM2
    for sign in (1, -1):
        left.semilogx(data.line_cycles, sign * scale * data.factor, color=CLOSED_FORM)
    left.axhline(0.0, color=NOTE, linewidth=0.5)
    left.set_ylabel("±$P_\\mathrm{r}$ (µC/cm²)")
    _two_states(middle, data.cycles, data.currents, data.line_cycles, data.lines, data.read_voltage)
    middle.legend(loc="upper right", handletextpad=0.2)
    shades = (shade(-0.6), shade(0.5))
    for volts, alive, lives, colour in zip(data.write_voltages, data.survival, data.lives, shades, strict=False):
        inside = (alive < 1.0 - 1e-4) & (alive > 1e-4)
        right.semilogx(data.life_cycles[inside], np.log(-np.log(alive[inside])), color=colour, linewidth=1.1)
        rank = (np.arange(len(lives)) + 0.7) / (len(lives) + 0.4)  # median ranks (Benard)
        right.semilogx(
            lives, np.log(-np.log1p(-rank)), "o", color=colour, markersize=2.6, label=f"written at {volts:g} V"
        )
    share = np.array([0.01, 0.1, 0.5, 0.9, 0.999])
    right.yaxis.set_major_locator(FixedLocator(np.log(-np.log1p(-share)).tolist()))
    right.set_yticklabels([f"{100 * x:g}" for x in share])
    right.set_ylim(np.log(-np.log1p(-0.005)), np.log(-np.log1p(-0.99999)))
    right.set_ylabel("broken down (%), Weibull scale")
    right.legend(loc="lower left", bbox_to_anchor=(-0.05, 0.99), handletextpad=0.2, fontsize=8, borderpad=0.1)
    for axes in (left, middle, right):
        log_ticks(axes, "x", 5)
        axes.set_xlabel("write cycles")
    return figure


def _probability_axis(axes: Axes) -> None:
    """Gives the y axis a normal probability scale."""
    axes.set_ylim(ndtri(0.0005), ndtri(0.9995))
    axes.yaxis.set_major_locator(FixedLocator(ndtri(np.array(_PERCENT) / 100.0).tolist()))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticklabels([f"{p:g}" for p in _PERCENT])
    axes.set_ylabel("cells below (%)")


def _quantiles(count: int) -> NDArray[np.float64]:
    return ndtri((np.arange(count) + 0.5) / count)


@styled
def spread(data: Spread) -> Figure:
    """Draws the read currents as a probability plot, and histograms of coercive field, amplitude and capture time."""
    figure = Figure(figsize=(WIDTH, 5.0), layout="constrained")
    panels = figure.subplots(2, 2)
    first = panels[0, 0]
    if len(data.on):
        _probability_plot(first, data)
    else:
        wide = max(data.sigmas)
        _nothing(first, f"$\\sigma_\\mathrm{{ln}}$ = {wide:.3g}: at this area the card's\nspread leaves no law to draw")
        first.set_xlabel(f"current at {data.read_voltage:g} V")
        first.set_ylabel("cells below")
    _coercive(panels[0, 1], data)
    third, fourth = panels[1]
    if data.nominal_amplitude > 0.0:
        _log_histogram(third, 100.0 * data.amplitudes, 100.0 * data.nominal_amplitude)
    else:
        _nothing(third, "the card has no telegraph noise\nin the high-resistance state")
        third.set_ylabel("cells")
    third.set_xlabel("amplitude of the dominant trap ΔI/I (%)")
    _log_histogram(fourth, data.capture_times, data.nominal_capture_time)
    fourth.set_xlabel(f"capture time at {data.trap_voltage:g} V (s)")
    return figure


def _nothing(axes: Axes, why: str) -> None:
    """Says in the middle of an empty panel why it is empty."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, why, transform=axes.transAxes, fontsize=8.5, color=NOTE, ha="center", va="center")


def _probability_plot(axes: Axes, data: Spread) -> None:
    """Read currents of both states on a normal probability scale, with the card's lognormal law."""
    ampere = scale_for(np.concatenate([data.off, data.on]), "A")
    z = _quantiles(len(data.on))
    for values, nominal, sigma, name, fill in (
        (data.off, data.nominal[0], data.sigmas[0], "off", "white"),
        (data.on, data.nominal[1], data.sigmas[1], "on", SIMULATED),
    ):
        axes.semilogx(ampere(nominal * np.exp(sigma * z)), z, color=CLOSED_FORM, zorder=3)
        axes.semilogx(
            ampere(np.sort(values)), z, "o", color=SIMULATED, markerfacecolor=fill, markersize=3, markeredgewidth=0.6,
            label=f"{name}, $\\sigma_\\mathrm{{ln}}$ = {np.std(np.log(values), ddof=1):.3f}",
        )  # fmt: skip
    _probability_axis(axes)
    log_ticks(axes, "x")
    axes.set_xlabel(ampere.label(f"current at {data.read_voltage:g} V"))
    axes.legend(loc="best", handletextpad=0.2)
    axes.set_title(f"{grouped(len(data.on))} cells", fontsize=8.5)


def _coercive(axes: Axes, data: Spread) -> None:
    """Histogram of coercive fields, or of remanent polarizations where there are none."""
    values = data.coercive_fields / MV_PER_CM if len(data.coercive_fields) else data.remanent / UC_PER_CM2
    axes.hist(values, 24, color=SIMULATED, alpha=0.55, edgecolor="white", linewidth=0.3)
    axes.set_xlabel(
        f"coercive field at {engineering(data.frequency, 'Hz', 1)} (MV/cm)" if len(data.coercive_fields)
        else "remanent polarization (µC/cm²)"
    )  # fmt: skip
    axes.set_ylabel("cells")
    axes.set_title(f"{values.mean():.3g} ± {values.std(ddof=1):.2g}, {grouped(len(values))} cells", fontsize=8.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def _log_histogram(axes: Axes, values: NDArray[np.float64], nominal: float) -> None:
    """Histogram over a logarithmic axis with the median of the card."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = 0.5 * low, 2.0 * high
    axes.hist(
        values, np.geomspace(low, high, 33).tolist(), color=SIMULATED, alpha=0.55, edgecolor="white", linewidth=0.3
    )
    axes.axvline(nominal, color=CLOSED_FORM)
    axes.annotate("card", (nominal, 1.0), (3, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                  fontsize=8, color=CLOSED_FORM, va="top")  # fmt: skip
    axes.set_xscale("log")
    if high / low > 300:
        log_ticks(axes, "x")
    else:
        ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high]
        if ticks:
            axes.xaxis.set_major_locator(FixedLocator(ticks))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("cells")
