"""Plots of a cell's static current."""

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, styled
from ftj_spice.results.units import scale_for

STATES = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.92, 256)), "states")
"""Colours of ordered curves, such as states s from -1 to 1; without viridis' yellow end, too light on white."""


@dataclass(frozen=True)
class CurrentVoltage:
    """I-V curves.

    Attributes:
        states: s of each level, shape `(levels,)`, ascending.
        voltages: In V, shape `(points,)`, symmetric about 0 and without it, evenly spaced on either side.
        currents: Simulated, in A, shape `(levels, points)`.
        line_voltages: In V, shape `(line,)`.
        lines: Closed form, in A, shape `(levels, line)`.
        read_voltage: Of the vector-matrix product, in V.
        noise_voltage: At which the trap flickers, in V.
        levels: Levels the card has; fewer may be shown.
    """

    states: NDArray[np.float64]
    voltages: NDArray[np.float64]
    currents: NDArray[np.float64]
    line_voltages: NDArray[np.float64]
    lines: NDArray[np.float64]
    read_voltage: float
    noise_voltage: float
    levels: int


@dataclass(frozen=True)
class CurrentTemperature:
    """Current of the extreme states against temperature.

    Attributes:
        states: s, shape `(2,)`: off, on.
        temperatures: In K, shape `(points,)`.
        currents: Simulated, in A, shape `(2, points)`.
        line_temperatures: In K, shape `(line,)`.
        lines: Closed form, in A, shape `(2, line)`.
        voltage: On the cell, in V.
        activation_energies: Fitted to the simulated currents, in eV, shape `(2,)`.
    """

    states: NDArray[np.float64]
    temperatures: NDArray[np.float64]
    currents: NDArray[np.float64]
    line_temperatures: NDArray[np.float64]
    lines: NDArray[np.float64]
    voltage: float
    activation_energies: NDArray[np.float64]


def log_ticks(axes: Axes, which: str, most: int = 8) -> None:
    """Gives a logarithmic axis (`x` or `y`) a tick at every decade where they fit, minor ones without text.

    An axis whose ends are no positive finite numbers, or the same one, stays as it is.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    if not 0.0 < low < high < np.inf:
        return
    decades = max(1, int(np.ceil(np.log10(high) - np.log10(low))))
    step = int(np.ceil(decades / most))
    axis.set_major_locator(LogLocator(base=10.0**step, numticks=2 * most))
    subs = np.arange(2, 10) if step == 1 else [10.0**k for k in range(1, step)]
    axis.set_minor_locator(LogLocator(base=10.0**step, subs=subs, numticks=400))
    axis.set_minor_formatter(NullFormatter())


def keys(simulated: str = "simulated", closed: str = "closed form") -> list[Line2D]:
    """Returns the two legend entries of a plot with markers and lines, in the meaning's own colours."""
    return [
        Line2D([], [], color=SIMULATED, marker="o", linestyle="none", markersize=4, label=simulated),
        Line2D([], [], color=CLOSED_FORM, label=closed),
    ]


def shade(s: float) -> tuple[float, float, float, float]:
    """Returns the colour of a state s in [-1, 1]."""
    return STATES(0.5 * (1.0 + s))


@styled
def current_voltage(data: CurrentVoltage) -> Figure:
    """Draws the I-V curves of all levels on a logarithmic axis, the on/off ratio, and the nonlinearity.

    Raises:
        ValueError: A current is 0 or has the wrong sign, so that there is no logarithm of it.
    """
    if np.any(data.currents * data.voltages <= 0):
        raise ValueError("the current must have the sign of the voltage")
    figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
    axes = figure.subplot_mosaic([["i", "r"], ["i", "n"]], width_ratios=[1.55, 1])
    main = axes["i"]
    for s, current, line in zip(data.states, data.currents, data.lines, strict=True):
        main.semilogy(data.line_voltages, np.abs(line), color=shade(s), linewidth=0.8)
        main.semilogy(data.voltages, np.abs(current), "o", color=shade(s), markersize=2.1)
    main.set_xlim(1.04 * data.voltages[0], 1.04 * data.voltages[-1])
    log_ticks(main, "y")
    main.set_xlabel("voltage (V)")
    main.set_ylabel("|current| (A)")
    for volts, name in ((data.read_voltage, "read"), (data.noise_voltage, "RTN")):
        main.axvline(volts, color=NOTE, linestyle=(0, (1, 2)), linewidth=0.9)
        main.annotate(
            name, (volts, 0.0), (-2, 3), xycoords=("data", "axes fraction"), textcoords="offset points", rotation=90,
            fontsize=8, color=NOTE, ha="right", va="bottom",
        )  # fmt: skip
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), STATES), ax=main, pad=0.01, aspect=38)
    bar.set_label("state s = P/P$_\\mathrm{r}$")
    bar.outline.set_visible(False)
    _ratio(axes["r"], data)
    _nonlinearity(axes["n"], data)
    return figure


def _ratio(axes: Axes, data: CurrentVoltage) -> None:
    """Current of the highest level over that of the lowest."""
    up, line_up = data.voltages > 0, data.line_voltages > 0.0
    ratio, line = data.currents[-1] / data.currents[0], data.lines[-1] / data.lines[0]
    axes.plot(data.line_voltages[line_up], line[line_up], color=CLOSED_FORM)
    axes.plot(data.voltages[up], ratio[up], "o", color=SIMULATED, markersize=3)
    axes.set_ylabel("on/off ratio")
    axes.set_xlim(0, 1.04 * data.voltages[-1])
    axes.tick_params(axis="x", labelbottom=False)
    if np.max(ratio[up]) > 4.0 * np.min(ratio[up]):
        axes.set_yscale("log")
        axes.set_ylim(0.7, 3.0 * float(np.max(ratio[up])))
        log_ticks(axes, "y")
        axes.legend(handles=keys(), loc="upper left")
    else:
        axes.set_ylim(0, 1.3 * float(np.max(ratio[up])))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.legend(handles=keys(), loc="lower right")


def _nonlinearity(axes: Axes, data: CurrentVoltage) -> None:
    """I(V)/I(V/2) of both extreme states; 2 for an ohmic cell."""
    half = len(data.voltages) // 2
    volts = data.voltages[half:]
    for row, filled, name in ((0, False, "off"), (-1, True, "on")):
        current = data.currents[row, half:]
        value = current[1::2] / current[: half // 2]
        fine = data.line_voltages > 0
        x, y = data.line_voltages[fine], data.lines[row, fine]
        twice = x > 2.0 * x[0]
        line = y[twice] / np.exp(np.interp(np.log(0.5 * x[twice]), np.log(x), np.log(y)))
        axes.semilogy(x[twice], line, color=CLOSED_FORM, linestyle="-" if filled else (0, (4, 2)))
        axes.semilogy(
            volts[1::2], value, "o", color=SIMULATED, markersize=4 if not filled else 2.6,
            markerfacecolor=SIMULATED if filled else "white", label=name, zorder=3 if filled else 2,
        )  # fmt: skip
    axes.axhline(2.0, color=NOTE, linestyle=(0, (1, 2)), linewidth=0.9)
    axes.annotate("ohmic", (1.0, 2.0), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                  fontsize=8, color=NOTE, ha="right")  # fmt: skip
    axes.set_xlim(0, 1.04 * data.voltages[-1])
    low, high = axes.get_ylim()
    axes.set_ylim(min(1.5, low), max(high, 12.0))
    if axes.get_ylim()[1] < 200:
        axes.yaxis.set_major_locator(FixedLocator([2, 5, 10, 20, 50, 100]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        log_ticks(axes, "y")
    axes.set_xlabel("voltage V (V)")
    axes.set_ylabel("I(V) / I(V/2)")
    axes.legend(loc="upper left", handletextpad=0.2)


@styled
def current_temperature(data: CurrentTemperature) -> Figure:
    """Draws both states' current against the inverse temperature, with the fitted activation energies."""
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    ampere = scale_for(data.currents, "A")
    for row, (name, filled) in enumerate((("off", False), ("on", True))):
        axes.semilogy(1e3 / data.line_temperatures, ampere(data.lines[row]), color=CLOSED_FORM)
        axes.semilogy(
            1e3 / data.temperatures, ampere(data.currents[row]), "o", color=SIMULATED, markersize=5,
            markerfacecolor=SIMULATED if filled else "white",
            label=f"{name}, fitted $E_\\mathrm{{a}}$ = {1e3 * data.activation_energies[row]:.0f} meV".replace(
                "= -0 meV", "= 0 meV"
            ),
        )  # fmt: skip
    axes.set_xlabel("1000 / T (1/K)")
    axes.set_ylabel(ampere.label(f"current at {data.voltage:g} V"))
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.5, high * 2.5)
    log_ticks(axes, "y")
    axes.legend(handles=[*axes.get_legend_handles_labels()[0], keys()[1]], loc="upper right", ncols=3)
    top = axes.secondary_xaxis("top", functions=(_reciprocal, _reciprocal))
    top.set_xlabel("T (K)")
    top.set_ticks(data.temperatures, [f"{t:g}" for t in data.temperatures])
    return figure


def _reciprocal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return 1e3 / np.asarray(x, float)
