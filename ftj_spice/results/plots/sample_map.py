"""Plots of the sampling array over voltage and time: maps, lines, laws, autocorrelations, energy against rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, remark, styled
from ftj_spice.results.units import engineering, scale_for, takes_prefix

_REACH = 4.0  # standard errors at the ends of the deviations' colours
_SPAN = 1e4  # a logarithmic scale reaches down to the largest value over this: simulations resolve no more
_DECADE = 8.0  # values that span more than this factor are drawn on a logarithmic scale


@dataclass(frozen=True)
class MapAxes:
    """The points of a map.

    Attributes:
        voltages: In V, ascending.
        times: In s, ascending.
        mark: Numbers of the voltage and time of the recommended point; none where there is none.
    """

    voltages: NDArray[np.float64]
    times: NDArray[np.float64]
    mark: tuple[int, int] | None = None


@styled
def figure_maps(
    axes: MapAxes, simulated: NDArray[np.float64], closed: NDArray[np.float64], deviation: NDArray[np.float64],
    label: str, unit: str, reference: str = "closed form",
) -> Figure:  # fmt: skip
    """Draws one figure of every point: simulation, closed form, and their difference in standard errors.

    A logarithmic scale ends at the closed form's least value and spans four decades at most; smaller values have the
    colour of its end.

    Args:
        axes: The points, two at least along each axis.
        simulated: Shape `(voltages, times)`.
        closed: Same shape.
        deviation: Same shape; not a number where there is none.
        label: What is drawn.
        unit: SI unit; `1` for a number.
        reference: Name of the closed form.

    Raises:
        ValueError: Shapes differ, or values are not finite.
    """
    shape = (len(axes.voltages), len(axes.times))
    first, second = finite(simulated, "simulated", shape), finite(closed, "closed", shape)
    scale = scale_for(second, unit)
    shown = [scale(first), scale(second)]
    figure = Figure(figsize=(WIDTH, 2.75), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    norm = _norm(shown[1])
    for panel, values, title in zip(panels, shown, ("simulation", reference), strict=False):
        drawn = np.maximum(values, norm.vmin) if isinstance(norm, LogNorm) else values
        mesh = _mesh(panel, axes, drawn, norm, "viridis", title)
    bar = figure.colorbar(mesh, ax=panels[:2].tolist(), pad=0.02, aspect=25)
    shown_unit = scale.unit if takes_prefix(unit) else (unit.replace("^2", "²") if unit != "1" else "")
    bar.set_label(f"{label} ({shown_unit})" if shown_unit else label)
    mesh = _mesh(
        panels[2], axes, np.ma.masked_invalid(deviation), Normalize(-_REACH, _REACH), "RdBu_r", "deviation"
    )  # fmt: skip
    figure.colorbar(mesh, ax=panels[2], pad=0.02, aspect=25, extend="both").set_label("standard errors")
    panels[0].set_ylabel("read voltage (V)")
    return figure


@styled
def figure_lines(
    axis: NDArray[np.float64], axis_label: str, simulated: NDArray[np.float64], error: NDArray[np.float64],
    closed: NDArray[np.float64], label: str, unit: str, *, logarithmic: bool, mark: int | None = None,
) -> Figure:  # fmt: skip
    """Draws one figure along one sweep: simulation with its standard errors on the closed form.

    Args:
        axis: Values of the sweep, in SI units.
        axis_label: Its label with unit.
        simulated: Shape `(points,)`.
        error: Standard errors, same shape.
        closed: Same shape.
        label: What is drawn.
        unit: SI unit; `1` for a number.
        logarithmic: Whether the sweep is.
        mark: Number of the recommended point.

    Raises:
        ValueError: Shapes differ, or values are not finite.
    """
    x = finite(axis, "axis", (None,))
    found, spread, exact = (
        finite(v, n, x.shape) for v, n in ((simulated, "simulated"), (error, "error"), (closed, "closed"))
    )
    scale = scale_for(exact, unit)
    figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
    panel = figure.subplots()
    panel.plot(x, scale(exact), color=CLOSED_FORM, label="closed form")
    panel.errorbar(
        x, scale(found), scale(spread), fmt="o", markersize=3, color=SIMULATED, capsize=2, label="simulation"
    )  # fmt: skip
    if mark is not None:
        panel.axvline(x[mark], color=NOTE, linestyle=":", label="recommended")
    if logarithmic:
        panel.set_xscale("log")
        _seconds(panel)
    else:
        panel.set_xlabel(axis_label)
    panel.set_ylabel(f"{label}\n({scale.unit or unit})" if unit != "1" else label)
    panel.legend(loc="best")
    return figure


@styled
def deviation_map(axes: MapAxes, largest: NDArray[np.float64], all_deviations: NDArray[np.float64]) -> Figure:
    """Draws the largest deviation of any figure at every point, and the histogram of all of them.

    Args:
        axes: The points, two at least along each axis.
        largest: Magnitudes in standard errors, shape `(voltages, times)`.
        all_deviations: All deviations, any shape.

    Raises:
        ValueError: Shapes differ, or values are not finite.
    """
    values = finite(largest, "largest", (len(axes.voltages), len(axes.times)))
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    mesh = _mesh(left, axes, values, Normalize(0.0, max(_REACH, float(values.max()))), "magma_r", "largest of a point")
    figure.colorbar(mesh, ax=left, pad=0.02, aspect=25).set_label("standard errors")
    left.set_ylabel("read voltage (V)")
    _normal_histogram(right, finite(np.ravel(all_deviations), "deviations", (None,)))
    return figure


def _normal_histogram(axes: Axes, deviations: NDArray[np.float64]) -> None:
    bins = np.arange(-6.0, 6.01, 0.5)
    axes.hist(np.clip(deviations, -5.99, 5.99), bins.tolist(), color=SIMULATED, density=True)
    x = np.linspace(-5, 5, 201)
    axes.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color=CLOSED_FORM, label="standard normal")
    axes.set_title(f"all {len(deviations)} deviations")
    axes.set_xlabel("standard errors")
    axes.set_ylabel("density")
    axes.set_ylim(top=0.52)
    axes.legend(loc="upper right")


@dataclass(frozen=True)
class LawPanel:
    """The values of one point against their exact law.

    Attributes:
        title: Name of the point.
        edges: Bounds of the histogram's bins, in standard deviations.
        counts: Samples in each bin.
        value: Where the density is given, in standard deviations.
        density: Of the part without atoms.
        atom_value: Places of the atoms.
        atom_mass: Their probabilities.
        distance: Kolmogorov distance to the normal.
    """

    title: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    value: NDArray[np.float64]
    density: NDArray[np.float64]
    atom_value: NDArray[np.float64]
    atom_mass: NDArray[np.float64]
    distance: float


@styled
def laws(panels: Sequence[LawPanel]) -> Figure:
    """Draws histograms of standardised values, their exact laws, and the normal one; atoms as bars of a bin's width.

    Args:
        panels: The points.

    Raises:
        ValueError: There are none.
    """
    if not panels:
        raise ValueError("there is no point to draw")
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(WIDTH, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, min(len(panels), 2), squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        width = float(panel.edges[1] - panel.edges[0])
        density = panel.counts / max(panel.counts.sum(), 1) / width
        axes.stairs(density, panel.edges, fill=True, color=SIMULATED, alpha=0.45, label="simulation")
        # The exact law in the same bins: density and atoms together, as the histogram shows them.
        centre = 0.5 * (panel.edges[1:] + panel.edges[:-1])
        exact = np.interp(centre, panel.value, panel.density)
        exact = exact + np.histogram(panel.atom_value, panel.edges, weights=panel.atom_mass)[0] / width
        axes.stairs(exact, panel.edges, color=CLOSED_FORM, linewidth=1.0, label="exact law")
        axes.plot(centre, np.exp(-0.5 * centre**2) / np.sqrt(2 * np.pi), color=NOTE, linestyle="--", label="normal")
        axes.set_title(panel.title)
        axes.set_xlim(-4.5, 4.5)
        axes.set_ylim(0.0, 1.25 * max(float(density.max()), float(exact.max()), 0.4))
        axes.set_xlabel("value (standard deviations)")
        axes.set_ylabel("density")
        remark(axes, 0.03, 0.92, f"distance {panel.distance:.2g}")
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    grid[0].legend(loc="upper right")
    return figure


@dataclass(frozen=True)
class LagLine:
    """Autocorrelation at one point.

    Attributes:
        title: Name of the point.
        lags: In samples.
        simulated: At those lags.
        error: Standard errors.
        closed: Closed form.
    """

    title: str
    lags: NDArray[np.int64]
    simulated: NDArray[np.float64]
    error: NDArray[np.float64]
    closed: NDArray[np.float64]


@styled
def autocorrelations(lines: Sequence[LagLine], limit: float) -> Figure:
    """Draws autocorrelation against the lag.

    Args:
        lines: The points.
        limit: Limit of a recommended point.

    Raises:
        ValueError: There are none.
    """
    if not lines:
        raise ValueError("there is no point to draw")
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(-limit, limit, color="#e9f2f8", linewidth=0, label=f"limit ±{limit:g}")
    markers = "osD^v<>"
    for k, line in enumerate(lines):
        colour = colormaps["viridis"](0.85 * k / max(len(lines) - 1, 1))
        axes.plot(line.lags, line.closed, color=colour, linewidth=1.0)
        axes.errorbar(
            line.lags, line.simulated, line.error, fmt=markers[k % len(markers)], markersize=4, color=colour, capsize=2,
            label=line.title,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_xlabel("lag (samples)")
    axes.set_ylabel("autocorrelation")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def energy_rate(
    rate: NDArray[np.float64], energy: NDArray[np.float64], inside: NDArray[np.bool_], voltage: NDArray[np.float64],
    marks: dict[str, tuple[float, float]],
) -> Figure:  # fmt: skip
    """Draws energy per sample against the rate of samples, points within all limits filled.

    Args:
        rate: Samples per second and column, shape `(points,)`.
        energy: In J, same shape.
        inside: Whether a point keeps all limits, same shape.
        voltage: In V, same shape: the colour.
        marks: Rate and energy of the recommended points by goal.

    Raises:
        ValueError: Shapes differ, or values are not finite.
    """
    x = finite(np.ravel(rate), "rate", (None,))
    y, volts = (finite(np.ravel(v), n, x.shape) for v, n in ((energy, "energy"), (voltage, "voltage")))
    kept = np.ravel(inside)
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.subplots()
    norm = Normalize(volts.min() - 1e-9, volts.max() + 1e-9)
    for own, label, look in (
        (~kept, "misses a limit", {"s": 16, "marker": "x", "linewidths": 0.9}),
        (kept, "keeps all limits", {"s": 22}),
    ):
        if own.any():
            axes.scatter(x[own], y[own], c=volts[own], norm=norm, cmap="viridis", label=label, **look)
    bar = figure.colorbar(ScalarMappable(norm, "viridis"), ax=axes, pad=0.02, aspect=25)
    bar.set_label("read voltage (V)")
    shapes = dict(zip(marks, "osD", strict=False))
    for name, (at, cost) in marks.items():
        axes.plot(
            at, cost, shapes[name], markersize=8 + 4 * list(marks).index(name), markerfacecolor="none",
            markeredgecolor=CLOSED_FORM, markeredgewidth=1.4, label=name,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("samples per second and column")
    axes.set_ylabel("energy per sample")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: engineering(v, "J", 1)))
    figure.legend(loc="outside upper left", ncols=5, columnspacing=1.2)
    return figure


@styled
def limits_map(axes: MapAxes, missed: dict[str, NDArray[np.bool_]]) -> Figure:
    """Draws which limits each point misses.

    Args:
        axes: The points, two at least along each axis.
        missed: By name of the limit, shape `(voltages, times)` each.
    """
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    panels = figure.subplots(1, len(missed) + 1, sharey=True)
    anything = np.any(list(missed.values()), axis=0)
    for panel, (name, values) in zip(panels, [*missed.items(), ("all\nlimits", anything)], strict=True):
        _mesh(panel, axes, values.astype(float), Normalize(0.0, 1.6), "Blues", name)
    panels[0].set_ylabel("read voltage (V)")
    return figure


def _norm(values: NDArray[np.float64]) -> Normalize:
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > _DECADE * low:
        return LogNorm(max(low, high / _SPAN), high)
    pad = 0.0 if high > low else 0.5 * max(abs(high), 1e-30)
    return Normalize(low - pad, high + pad)


def _mesh(
    axes: Axes, points: MapAxes, values: NDArray[np.float64], norm: Normalize, colours: str, title: str
) -> QuadMesh:
    mesh = axes.pcolormesh(
        _edges(np.log10(points.times), power=True), _edges(points.voltages), values, norm=norm, cmap=colormaps[colours],
        rasterized=False,
    )  # fmt: skip
    axes.grid(visible=False)
    axes.set_xscale("log")
    _seconds(axes)
    axes.yaxis.set_major_locator(MaxNLocator(7))
    axes.set_title(title)
    if points.mark is not None:
        axes.plot(
            points.times[points.mark[1]], points.voltages[points.mark[0]], "o", markersize=7, markerfacecolor="none",
            markeredgecolor="#d7191c", markeredgewidth=1.6,
        )  # fmt: skip
    return mesh


def _edges(centres: NDArray[np.float64], *, power: bool = False) -> NDArray[np.float64]:
    """Returns bounds half-way between evenly spaced centres."""
    step = float(centres[1] - centres[0])
    edges = np.concatenate([centres - step / 2, [centres[-1] + step / 2]])
    return 10.0**edges if power else edges


def _seconds(axes: Axes) -> None:
    """Labels a logarithmic axis of times with prefixes."""
    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: engineering(x, "s", 1)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("sampling time")
