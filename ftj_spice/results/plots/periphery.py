"""Plots of periphery circuits: trade-offs, operations, transfer curves, Monte Carlo draws."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, styled
from ftj_spice.results.units import engineering, scale_for, takes_prefix

COLOURS = (SIMULATED, "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4d4d4d", "#8C564B")
"""Of curves in one panel, and of circuits in trade-off plots: told apart by the colour-blind."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class Axis:
    """One axis of a trade-off.

    Attributes:
        label: Quantity.
        unit: SI unit, `1` for a pure number.
        values: One per circuit, positive, NaN where not measured; shape `(circuits,)`.
    """

    label: str
    unit: str
    values: ArrayLike


@dataclass(frozen=True)
class Draws:
    """Monte Carlo draws of one figure.

    Attributes:
        label: Figure.
        unit: SI unit.
        values: The draws that worked, shape `(draws,)`.
        low: Lower limit, where there is one.
        high: Upper limit.
    """

    label: str
    unit: str
    values: ArrayLike
    low: float | None = None
    high: float | None = None


@styled
def trade_offs(
    names: Sequence[str], pairs: Sequence[tuple[Axis, Axis, ArrayLike]], failing: Collection[int] = ()
) -> Figure:
    """Draws circuits against each other in several pairs of quantities, each less the better, on logarithmic axes.

    Args:
        names: Of the circuits.
        pairs: For each panel the horizontal and the vertical axis, and the indices of the circuits on the Pareto front
            by ascending horizontal value.
        failing: Indices of the circuits that are drawn hollow.

    Raises:
        ValueError: Shapes do not fit.
    """
    columns = min(len(pairs), 2)
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(WIDTH, 0.35 + 0.19 * -(-len(names) // 3) + 2.75 * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for ax in axes[len(pairs) :]:
        ax.set_visible(False)
    for ax, (x, y, front) in zip(axes, pairs, strict=False):
        _trade_off(ax, names, x, y, np.asarray(front, int), failing)
    handles = [_mark(axes[0], index, name, index in failing) for index, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(names), 3))
    return figure


def _mark(ax: Axes, index: int, label: str, hollow: bool) -> Line2D:
    """Returns the legend's mark of a circuit."""
    colour = COLOURS[index % len(COLOURS)]
    (line,) = ax.plot(
        [], [], linestyle="", color=colour, marker=_marker(index), label=label,
        markerfacecolor="white" if hollow else colour,
    )  # fmt: skip
    return line


def _marker(index: int) -> str:
    return MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


def _trade_off(ax: Axes, names: Sequence[str], x: Axis, y: Axis, front: np.ndarray, failing: Collection[int]) -> None:
    across, up = np.asarray(x.values, float), np.asarray(y.values, float)
    if across.shape != (len(names),) or up.shape != (len(names),):
        raise ValueError(f"{x.label} and {y.label} must have {len(names)} values each")
    ax.set_xscale("log")
    ax.set_yscale("log")
    if len(front):
        steps_x = np.repeat(across[front], 2)[1:]
        steps_y = np.repeat(up[front], 2)[:-1]
        ax.plot(steps_x, steps_y, color=NOTE, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    for index in range(len(names)):
        if np.isfinite(across[index]) and np.isfinite(up[index]):
            colour = COLOURS[index % len(COLOURS)]
            on_front = index in front
            ax.plot(
                across[index], up[index], marker=_marker(index), color=colour, markersize=7 if on_front else 5.5,
                markeredgecolor="black" if on_front else colour, markeredgewidth=1.1, linestyle="", zorder=3,
                markerfacecolor="white" if index in failing else colour,
            )  # fmt: skip
    for axis, one, values in ((ax.xaxis, x, across), (ax.yaxis, y, up)):
        live = values[np.isfinite(values)]
        if len(live):
            _log_axis(axis, one.unit, live)
    ax.set_xlabel(x.label)
    ax.set_ylabel(y.label)


def _log_axis(axis: XAxis | YAxis, unit: str, values: np.ndarray) -> None:
    """Gives a logarithmic axis room, and labels with units at decades or, where it spans few, at finer steps."""
    low, high = float(values.min()), float(values.max())
    room = max((high / low) ** 0.12, 1.6)
    (axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim)(low / room, high * room)
    decades = np.log10(high / low * room * room)
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 1.6 else (1.0,), numticks=6))
    plain = not takes_prefix(unit)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if plain else engineering(value, unit, 1)))
    axis.set_minor_formatter(NullFormatter())


@styled
def operation_waveforms(time: ArrayLike, panels: Mapping[str, Mapping[str, ArrayLike]]) -> Figure:
    """Draws one operation of a circuit: a panel per kind of signal over a common time.

    Args:
        time: In s, shape `(points,)`.
        panels: Curves by name, shape `(points,)` each, by the panel's axis label.

    Raises:
        ValueError: Shapes do not fit, or values are not finite.
    """
    when = finite(time, "time", (None,))
    second = scale_for(when - when[0], "s")
    figure = Figure(figsize=(WIDTH, 0.7 + 1.15 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (label, curves) in zip(axes, panels.items(), strict=True):
        for index, (name, values) in enumerate(curves.items()):
            shown = finite(values, f"{label}, {name}", (len(when),))
            ax.plot(second(when), shown, color=COLOURS[index % len(COLOURS)], linewidth=1.0, label=name)
        ax.set_ylabel(_label(label), fontsize=8)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.margins(y=0.12)
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), borderaxespad=0.4, handlelength=1.2, fontsize=8)
    axes[-1].set_xlabel(second.label("time"))
    axes[-1].set_xlim(second(when[0]), second(when[-1]))
    figure.align_ylabels(axes)
    return figure


@styled
def transfer_curves(curves: Sequence[tuple[str, ArrayLike, str, ArrayLike, str]]) -> Figure:
    """Draws transfer curves side by side.

    Args:
        curves: Title, values and label of the horizontal axis, values and label of the vertical one.

    Raises:
        ValueError: Shapes do not fit, or values are not finite.
    """
    columns = min(len(curves), 2)
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(WIDTH, 2.45 * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for ax in axes[len(curves) :]:
        ax.set_visible(False)
    for ax, (title, x, x_label, y, y_label) in zip(axes, curves, strict=False):
        across, up = finite(x, title, (None,)), np.asarray(y, float)
        if up.shape != across.shape:
            raise ValueError(f"the curve '{title}' has {len(across)} and {up.size} values")
        few = len(across) <= 40
        (line,) = ax.plot(across, up, color=SIMULATED, marker="o" if few else "", markersize=3)
        by_factors = few and _spans(across)
        line.set_data(
            _label_axis(ax.xaxis, across, x_label, by_factors),
            _label_axis(ax.yaxis, up, y_label, by_factors and _spans(up)),
        )
        ax.relim()
        ax.autoscale_view()
        ax.set_title(title[:1].upper() + title[1:])
    return figure


def _label(text: str) -> str:
    """Returns an axis label as all plots write them: small letters but for acronyms, and micro's own sign."""
    small = text if text[1:2].isupper() or text[1:2].isdigit() else text[:1].lower() + text[1:]
    return re.sub(r"\bu(?=[AVWsFJ]\b)", "µ", small)


def _spans(values: np.ndarray) -> bool:
    """Says whether values go by factors, so that they look like a cliff on a linear axis."""
    return bool(values.min() > 0 and values.max() > 50 * values.min())


def _label_axis(axis: XAxis | YAxis, values: np.ndarray, label: str, logarithmic: bool) -> np.ndarray:
    """Labels an axis with SI prefixes, where its label ends with a bare SI unit in brackets; returns what it shows."""
    label = _label(label)
    quantity, bracket, unit = label.removesuffix(")").rpartition(" (")
    known = bool(bracket) and unit in {"A", "V", "s", "ohm", "C", "F", "W", "J", "Hz", "V/A"}
    if logarithmic:
        (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
        axis.set_major_formatter(FuncFormatter(lambda v, _: engineering(v, unit, 1) if known else f"{v:g}"))
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_minor_formatter(NullFormatter())
        axis.set_label_text(quantity if known else label)
        return values
    if not known:
        axis.set_label_text(label)
        return values
    scale = scale_for(values, unit)
    axis.set_label_text(scale.label(quantity))
    return scale(values)


@styled
def monte_carlo(draws: Sequence[Draws]) -> Figure:
    """Draws histograms of Monte Carlo draws with the normal law of their mean and spread, and limits.

    Raises:
        ValueError: Values are not finite, or fewer than two.
    """
    columns = min(len(draws), 3)
    rows = -(-len(draws) // columns)
    figure = Figure(figsize=(WIDTH, 0.3 + 2.35 * rows), layout="constrained")
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for ax in axes[len(draws) :]:
        ax.set_visible(False)
    for ax, one in zip(axes, draws, strict=False):
        _histogram(ax, one)
    entries: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=len(entries))
    return figure


def _histogram(ax: Axes, draws: Draws) -> None:
    values = finite(draws.values, draws.label, (None,))
    if len(values) < 2:
        raise ValueError(f"{draws.label} needs two draws at least")
    mean, sigma = float(np.mean(values)), float(np.std(values, ddof=1))
    if np.ptp(values) == 0:  # equal values but for rounding in their mean
        mean, sigma = float(values[0]), 0.0
    unit = scale_for(values, draws.unit)
    shown = unit(values)
    if sigma == 0:
        width = 0.1 * abs(shown[0]) or 0.1
        ax.bar([shown[0]], [len(values)], width=width, color=SIMULATED, alpha=0.75, label="draws")
        ax.set_xlim(shown[0] - 5 * width, shown[0] + 5 * width)
    else:
        ax.hist(shown, bins=int(np.clip(1.5 * np.sqrt(len(values)), 6, 40)), color=SIMULATED, alpha=0.75, label="draws")
        edges = np.array(ax.get_xlim())
        x = np.linspace(min(edges[0], unit(mean - 3 * sigma)), max(edges[1], unit(mean + 3 * sigma)), 200)
        width = ax.patches[0].get_width()
        law = np.exp(-0.5 * ((x - unit(mean)) / unit(sigma)) ** 2) / (unit(sigma) * np.sqrt(2 * np.pi))
        ax.plot(x, law * len(values) * width, color=CLOSED_FORM, label="normal law")
    near = max(12 * sigma, 0.5 * abs(mean))
    for limit in (draws.low, draws.high):
        if limit is not None and abs(limit - mean) < near:
            ax.axvline(unit(limit), color=NOTE, linestyle="--", linewidth=1.1, label="limit")
    ax.set_xlabel(unit.label(draws.label))
    ax.set_ylabel("draws")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    alike = ", all alike" if sigma == 0 else ""
    text = f"{_with_spread(mean / unit.factor, sigma / unit.factor)} {unit.unit}".rstrip() + alike
    ax.set_title(text, fontweight="normal", fontsize=8.5)


def _with_spread(mean: float, sigma: float) -> str:
    """Returns `mean ± sigma`, both to the place of the spread's second digit."""
    if sigma == 0:
        text = f"{mean:.3g}"
    else:
        places = 1 - int(np.floor(np.log10(sigma)))
        text = f"{mean:.{places}f} ± {sigma:.{places}f}" if 0 <= places <= 6 else f"{mean:.3g} ± {sigma:.2g}"
    return text.replace("-", "\N{MINUS SIGN}")
