"""Plots of programming: levels, pulses, failed cells and disturb, one cell's way, half-select flips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, remark, styled
from ftj_spice.results.units import grouped, scale_for

_FAILED = "#b2182b"


@dataclass(frozen=True)
class CellWay:
    """One cell's pulses and verify reads; arrays of shape `(events,)`.

    Attributes:
        name: What the cell is called.
        amplitude: Pulse before each read in V; 0 for none.
        applied: Whether the cell took part.
        seen: What the read showed, in S.
        target: Wanted conductance in S.
        tolerance: Accepted error in S.
    """

    name: str
    amplitude: NDArray[np.float64]
    applied: NDArray[np.bool_]
    seen: NDArray[np.float64]
    target: float
    tolerance: float


@styled
def level_histogram(
    position: NDArray[np.float64], level: NDArray[np.int64], levels: int, tolerance: float, failed: NDArray[np.bool_]
) -> Figure:
    """Draws where the cells of each level ended.

    Args:
        position: Conductances as level numbers with fractions, any shape.
        level: Wanted level of each cell, same shape.
        levels: Number of levels.
        tolerance: Accepted error in level steps.
        failed: Where cells failed, same shape.

    Raises:
        ValueError: Shapes differ, or positions are not finite.
    """
    x = finite(np.ravel(position), "position", (None,))
    wanted, bad = np.ravel(level), np.ravel(failed)
    if not len(x) == len(wanted) == len(bad):
        raise ValueError("position, level and failed must have the same shape")
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    low, high = min(-0.6, float(x.min()) - 0.1), max(levels - 0.4, float(x.max()) + 0.1)
    bins = np.arange(np.floor(low * 20) / 20, high + 0.05, 0.05 if levels <= 64 else levels / 800)
    for k in range(levels) if levels <= 64 else []:
        axes.axvspan(k - tolerance, k + tolerance, color="#e9f2f8", linewidth=0)
    shades = (SIMULATED, "#56B4E9")
    for parity in (0, 1):
        axes.hist(x[~bad & (wanted % 2 == parity)], bins.tolist(), histtype="stepfilled", color=shades[parity])
    if bad.any():
        axes.hist(
            x[bad], bins.tolist(), histtype="stepfilled", color=_FAILED, label=f"failed ({grouped(int(bad.sum()))})"
        )
        axes.legend(loc="upper right")
    axes.set_xlim(low, high)
    axes.set_xlabel("conductance (levels)")
    axes.set_ylabel("cells")
    axes.xaxis.set_major_locator(MaxNLocator(16, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    return figure


@styled
def pulse_counts(pulses: NDArray[np.int64], energy: NDArray[np.float64], level: NDArray[np.int64]) -> Figure:
    """Draws how many pulses the cells took, and what they cost, by level.

    Args:
        pulses: Of each cell, any shape.
        energy: Of each cell in J, same shape.
        level: Wanted level, same shape.

    Raises:
        ValueError: Shapes differ, or energies are not finite.
    """
    counts, wanted = np.ravel(pulses), np.ravel(level)
    joule = finite(np.ravel(energy), "energy", (len(counts),))
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(counts, np.arange(-0.5, counts.max() + 1.5).tolist(), histtype="stepfilled", color=SIMULATED)
    left.set_xlabel("pulses")
    left.set_ylabel("cells")
    left.set_ylim(top=1.2 * left.get_ylim()[1])  # room for the remark
    left.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    remark(left, 0.98, 0.92, f"mean {counts.mean():.1f}, most {counts.max()}", align="right")
    scale = scale_for(joule, "J")
    numbers = np.unique(wanted)
    means = np.array([joule[wanted == k].mean() for k in numbers])
    right.plot(numbers, scale(means), "o-", color=SIMULATED, markersize=3)
    right.set_xlabel("level")
    right.set_ylabel(scale.label("mean energy of a cell"))
    right.set_ylim(bottom=0.0)
    right.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    return figure


@styled
def cell_maps(error: NDArray[np.float64], disturb: NDArray[np.float64], failed: NDArray[np.bool_]) -> Figure:
    """Draws the errors of all cells with the failed ones marked, and what the neighbours' pulses changed.

    Args:
        error: In level steps, shape `(rows, columns)`.
        disturb: In level steps, same shape.
        failed: Where cells failed, same shape.

    Raises:
        ValueError: Shapes differ, or values are not finite.
    """
    first = finite(error, "error", (None, None))
    second = finite(disturb, "disturb", first.shape)
    if np.shape(failed) != first.shape:
        raise ValueError("failed must have the shape of error")
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    where = np.argwhere(failed)
    for axes, values, title, reach in (
        (panels[0], first, "error at the end", 0.5),
        (panels[1], second, "change by neighbours' pulses", max(float(np.quantile(np.abs(second), 0.99)), 1e-3)),
    ):
        image = axes.imshow(
            values, cmap=colormaps["RdBu_r"], vmin=-reach, vmax=reach, interpolation="nearest", aspect="auto"
        )
        axes.set_title(title)
        axes.set_xlabel("column")
        axes.set_ylabel("row")
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, label="level steps", extend="both")
    if len(where):
        panels[0].plot(where[:, 1], where[:, 0], "x", color="black", markersize=4, markeredgewidth=0.9)
    return figure


@styled
def cell_way(way: CellWay) -> Figure:
    """Draws one cell's staircase of pulses and what the verify reads showed."""
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[0.8, 1.4])
    number = np.arange(len(way.seen))
    for mask, colour, name in ((way.applied, SIMULATED, "applied"), (~way.applied, "#b8b8b8", "inhibited")):
        if mask.any():
            top.vlines(number[mask], 0.0, way.amplitude[mask], color=colour, linewidth=1.4, label=name)
    top.axhline(0.0, color=NOTE, linewidth=0.6)
    top.set_ylabel("row's pulse (V)")
    low, high = top.get_ylim()
    top.set_ylim(low, high + 0.45 * (high - low))  # room for the legend
    top.legend(loc="upper left", ncols=2)
    scale = scale_for(np.append(way.seen, way.target), "S")
    bottom.axhspan(*scale([way.target - way.tolerance, way.target + way.tolerance]), color="#cfe3f1", linewidth=0)
    bottom.axhline(float(scale(way.target)), color=CLOSED_FORM, linewidth=1.0, label="target and tolerance")
    bottom.plot(number, scale(way.seen), "o-", color=SIMULATED, markersize=2.6, linewidth=0.8, label="verify read")
    bottom.set_ylabel(scale.label("conductance"))
    bottom.set_xlabel("pulse of the row")
    bottom.set_title(way.name)
    bottom.legend(loc="lower right")
    return figure


@styled
def half_select(
    counts: NDArray[np.int64], flips: Mapping[str, NDArray[np.float64]], published: Sequence[tuple[str, float]] = ()
) -> Figure:
    """Draws the share of domains that pulses on neighbours flip.

    Args:
        counts: Numbers of pulses, shape `(counts,)`.
        flips: Share by name of the place, same shape.
        published: Names and values of horizontal marks, for one pulse.

    Raises:
        ValueError: A curve has another shape, or holds values that are not finite.
    """
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    colours = (SIMULATED, CLOSED_FORM, "#009E73", "#CC79A7")
    for k, (name, values) in enumerate(flips.items()):
        shown = finite(values, name, (len(counts),))
        axes.loglog(counts, np.maximum(shown, 1e-12), "o-", color=colours[k % 4], markersize=3, label=name)
    handles, _ = axes.get_legend_handles_labels()
    for name, value in published:
        axes.axhline(value, color=NOTE, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.text(
            float(counts[-1]), value, f"{name}: {100 * value:g} %", ha="right", va="bottom", fontsize=8.5, color=NOTE
        )
    axes.set_xlabel("pulses on neighbours")
    axes.set_ylabel("domains flipped")
    axes.legend(handles=[*handles, *([] if flips else [Line2D([], [], label="none")])], loc="lower right")
    return figure
