"""Plots of digitisers: their waveforms, what their bits show, and what becomes of them off the design."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, styled
from ftj_spice.results.units import scale_for

SECOND = "#009E73"
"""A second simulated thing beside the first: green."""


@styled
def digitiser_waveforms(
    time: ArrayLike,
    currents: Mapping[str, ArrayLike],
    references: Mapping[str, ArrayLike],
    signals: Mapping[str, ArrayLike],
    bit: ArrayLike,
    instants: ArrayLike,
    bits: ArrayLike,
) -> Figure:
    """Draws a digitiser at work: currents with what they are compared with, further signals, the bit as it is sampled.

    Args:
        time: In s, shape `(points,)`.
        currents: Of the cells in A by label, each of shape `(points,)`.
        references: What they are compared with, likewise.
        signals: Further nodes in V by label, likewise.
        bit: Output in V, shape `(points,)`.
        instants: Sampling instants in s, shape `(bits,)`.
        bits: What was sampled, 0 or 1, same shape.

    Raises:
        ValueError: Shapes do not fit, or values are not finite.
    """
    when = finite(time, "time", (None,))
    count = len(when)
    sampled = finite(instants, "instants", (None,))
    values = finite(bits, "bits", (len(sampled),))
    second = scale_for(when, "s")
    ampere = scale_for(
        np.concatenate([np.ravel(np.asarray(x, float)) for x in (*currents.values(), *references.values())]), "A"
    )
    heights = [2.0 if len(currents) == 1 else 1.2] * len(currents) + [1.0] * len(signals) + [0.9]
    figure = Figure(figsize=(WIDTH, 0.9 + 0.85 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (label, trace) in zip(axes, currents.items(), strict=False):
        ax.plot(second(when), ampere(finite(trace, label, (count,))), color=SIMULATED, linewidth=0.9, label=label)
        ax.set_ylabel(ampere.label("current" if len(currents) == 1 else label))
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for label, trace in references.items():
        shown = ampere(finite(trace, label, (count,)))
        axes[0].plot(second(when), shown, color=CLOSED_FORM, linestyle=(0, (4, 2)), linewidth=1.0, label=label)
    if references:
        axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.2)
    for ax, (label, trace) in zip(axes[len(currents) : -1], signals.items(), strict=True):
        shown = finite(trace, label, (count,))
        volt = scale_for(shown, "V")
        ax.plot(second(when), volt(shown), color=SIMULATED, linewidth=0.9)
        ax.set_ylabel(volt.label(label), fontsize=8)
        ax.yaxis.set_major_locator(MaxNLocator(3))
    last = axes[-1]
    last.plot(second(when), finite(bit, "bit", (count,)), color=SIMULATED, linewidth=0.9, drawstyle="steps-post")
    last.plot(second(sampled), values, "o", color=CLOSED_FORM, markersize=4.5, clip_on=False)
    for instant, value in zip(second(sampled), values, strict=True):
        last.annotate(
            f"{value:.0f}", (instant, 1.0), (0, 7), textcoords="offset points", ha="center", fontsize=8, color=NOTE,
            annotation_clip=False, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    for ax in axes:
        for instant in second(sampled):
            ax.axvline(instant, color=NOTE, linewidth=0.6, linestyle=":", zorder=0.5)
        ax.grid(visible=False, axis="x")
    last.set_ylim(-0.25, 1.7)
    last.set_yticks([0, 1])
    last.set_ylabel("bit")
    last.set_xlabel(second.label("time since power-up"))
    last.set_xlim(second(when[0]), second(max(when[-1], sampled[-1])))
    return figure


@styled
def digitiser_statistics(
    names: Sequence[str],
    ones: Mapping[str, tuple[ArrayLike, ArrayLike | None]],
    correlation: Mapping[str, tuple[ArrayLike, ArrayLike | None]],
) -> Figure:
    """Draws the share of ones and the correlation of neighbouring bits of several digitisers.

    Args:
        names: Of the digitisers.
        ones: By who says it: share of ones and its standard error, each of shape `(digitisers,)`; no error for a closed
            form.
        correlation: Likewise.

    Raises:
        ValueError: Shapes do not fit, or values are not finite.
    """
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for ax, groups, label, centre in (
        (left, ones, "share of ones", 0.5),
        (right, correlation, "correlation of neighbouring bits", 0.0),
    ):
        _points(ax, groups, len(names))
        ax.axvline(centre, color=NOTE, linewidth=0.8, zorder=0.6)
        ax.set_xlabel(label)
    left.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    left.set_ylim(len(names) - 0.4, -0.6)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(ones))
    return figure


def _points(ax: Axes, groups: Mapping[str, tuple[ArrayLike, ArrayLike | None]], count: int) -> None:
    places = np.linspace(-0.15, 0.15, sum(errors is not None for _, errors in groups.values()))
    styles = iter(zip(places, (SIMULATED, SECOND), strict=True))
    for label, (values, errors) in groups.items():
        shown = finite(values, label, (count,))
        at = np.arange(count)
        if errors is None:
            ax.vlines(shown, at - 0.34, at + 0.34, color=CLOSED_FORM, linewidth=2, label=label, zorder=1.5)
        else:
            shift, color = next(styles)
            bars = 2.0 * finite(errors, label, (count,))
            ax.errorbar(
                shown, at + shift, xerr=bars, fmt="o", color=color, markersize=4, elinewidth=1.2, capsize=2, label=label
            )


@styled
def digitiser_conditions(
    names: Sequence[str], labels: Sequence[str], bias: ArrayLike, correlation: ArrayLike, floor: float
) -> Figure:
    """Draws, as two maps, how far bits are from even and from independent under each condition.

    Args:
        names: Of the digitisers.
        labels: Of the conditions.
        bias: Rms over chips of the share of ones less one half, shape `(digitisers, conditions)`.
        correlation: Rms over chips of the correlation of neighbouring bits, same shape; NaN where all bits are equal.
        floor: What perfect bits would show in `bias`; twice it in `correlation`.

    Raises:
        ValueError: Shapes do not fit.
    """
    shape = (len(names), len(labels))
    figure = Figure(figsize=(WIDTH, 1.5 + 0.36 * len(names)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, values, title, least, most in (
        (axes[0], bias, "share of ones, off one half (%)", floor, 0.5),
        (axes[1], correlation, "correlation of neighbours (%)", 2.0 * floor, 1.0),
    ):
        table = np.asarray(values, float)
        if table.shape != shape:
            raise ValueError(f"{title} must have shape {shape}, not {table.shape}")
        _map(ax, table, labels, title, least, most)
    axes[0].set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    return figure


def _map(ax: Axes, table: NDArray[np.float64], labels: Sequence[str], title: str, least: float, most: float) -> None:
    norm = LogNorm(least, max(most, 10 * least))
    image = ax.imshow(np.ma.masked_invalid(np.maximum(table, least)), cmap="Blues", norm=norm, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        dark = np.isfinite(value) and norm(max(value, least)) > 0.6
        text = f"{100 * value:.2g}" if np.isfinite(value) else "stuck"
        ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color="white" if dark else "black")
    ax.set_title(title)
    ax.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    ax.grid(visible=False)
    bar = ax.figure.colorbar(image, ax=ax, location="bottom", shrink=0.9, aspect=35, pad=0.02)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    bar.ax.minorticks_off()
