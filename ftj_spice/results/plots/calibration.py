"""Plots of a calibration: usable columns, distances to the normal, speeds, latents before and after, start-up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, styled

SHADES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#4d4d4d")
"""Colours of the numbers of cells per latent."""


@dataclass(frozen=True)
class Spread:
    """A middle and an interval about it.

    Attributes:
        middle: Value.
        low: Lower end.
        high: Upper end.
    """

    middle: float
    low: float
    high: float


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [name.replace("+", " + ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    for k in range(1, len(names)):
        axes.axhline(k - 0.5, color="#e3e3e3", linewidth=0.6)


def _places(count: int) -> NDArray[np.float64]:
    return (np.arange(count) - (count - 1) / 2.0) * 0.8 / max(count, 2)


def _frame(found: Mapping[int, Mapping[str, Spread]]) -> tuple[list[str], Figure, Axes, NDArray[np.float64]]:
    """Returns the scenarios' names, a figure with room for them, its axes, and the shift of each number of cells."""
    if not found:
        raise ValueError("nothing to draw")
    names = list(next(iter(found.values())))
    figure = Figure(figsize=(WIDTH, 1.1 + 0.14 * len(names) * (len(found) + 0.6)), layout="constrained")
    return names, figure, figure.subplots(), _places(len(found))


@styled
def usable_bars(found: Mapping[int, Mapping[str, Spread]]) -> Figure:
    """Draws the share of usable columns by tools and cells per latent.

    Args:
        found: By cells per latent and by scenario; every number of cells has the same scenarios.

    Raises:
        ValueError: Nothing to draw.
    """
    names, figure, axes, shifts = _frame(found)
    for k, (cells, row) in enumerate(found.items()):
        y = np.arange(len(names)) + shifts[k]
        middle = np.array([row[name].middle for name in names])
        errors = np.array([[row[n].middle - row[n].low, row[n].high - row[n].middle] for n in names]).T
        axes.barh(y, middle, height=0.8 / max(len(found), 2), color=SHADES[k % len(SHADES)], label=f"{cells}")
        axes.errorbar(middle, y, xerr=np.maximum(errors, 0.0), fmt="none", ecolor=NOTE, elinewidth=0.8, capsize=1.5)
    _rows(axes, names)
    axes.set_xlim(0.0, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("usable columns (95 % interval)")
    figure.legend(title="cells per latent", loc="outside upper right", ncols=len(found))
    return figure


@styled
def distances(found: Mapping[int, Mapping[str, Spread]], limit: float, floor: float) -> Figure:
    """Draws the distance of latents to the normal: median and the middle 90 % of columns.

    Args:
        found: By cells per latent and by scenario; every number of cells has the same scenarios.
        limit: Largest distance of a usable column.
        floor: Distance that a perfect source of as many samples shows on average.

    Raises:
        ValueError: Nothing to draw.
    """
    names, figure, axes, shifts = _frame(found)
    for k, (cells, row) in enumerate(found.items()):
        y = np.arange(len(names)) + shifts[k]
        colour = SHADES[k % len(SHADES)]
        axes.hlines(y, [row[n].low for n in names], [row[n].high for n in names], color=colour, linewidth=1.6)
        axes.plot([row[n].middle for n in names], y, "o", color=colour, markersize=3.6, label=f"{cells}")
    axes.axvline(limit, color=CLOSED_FORM, linewidth=1.0, linestyle=(0, (4, 3)), label="limit")
    axes.axvline(floor, color=NOTE, linewidth=0.8, linestyle=(0, (1, 2)), label="normal source")
    _rows(axes, names)
    axes.set_xscale("log")
    axes.set_xlabel("distance to the normal (median, 5 to 95 % of columns)")
    figure.legend(title="cells per latent", loc="outside upper right", ncols=len(found) + 2)
    return figure


@styled
def speeds(
    ratios: Mapping[str, NDArray[np.float64]], occupancies: Mapping[str, NDArray[np.float64]], target: float
) -> Figure:
    """Draws the distributions of the raised cells' speeds, and the running share of their traps' occupancies.

    Args:
        ratios: Sampling time over relaxation time of each cell, by scenario; any shape.
        occupancies: Of each cell, likewise.
        target: Ratio that is aimed at.

    Raises:
        ValueError: Values are not finite.
    """
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    logs = {name: np.log10(finite(np.ravel(values), name, (None,))) for name, values in ratios.items()}
    low = np.floor(min(float(v.min()) for v in logs.values()))
    high = np.ceil(max(float(v.max()) for v in logs.values()))
    bins = np.linspace(low, high, 61).tolist()
    for k, (name, values) in enumerate(logs.items()):
        weights = np.full(len(values), 1.0 / len(values))
        label = name.replace("+", " + ")
        left.hist(values, bins, weights=weights, histtype="step", color=SHADES[k], linewidth=1.3, label=label)
        filled = np.sort(np.ravel(occupancies[name]))
        share = np.arange(len(filled) + 1) / len(filled)
        right.step(
            np.concatenate([[0.0], filled, [1.0]]),
            np.append(share, 1.0),
            where="post",
            color=SHADES[k],
            linewidth=2.8 - 0.5 * k,
        )
    left.axvline(np.log10(target), color=CLOSED_FORM, linewidth=1.0, linestyle=(0, (4, 3)), label="target")
    ticks = np.arange(low, high + 1)
    step = max(1, int(np.ceil(len(ticks) / 7)))
    left.set_xticks(ticks[::step], [f"$10^{{{int(t)}}}$" for t in ticks[::step]])
    left.set_xlabel("sampling time over relaxation time")
    left.set_ylabel("share of the raised cells")
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    right.set_xlabel("occupancy of the trap")
    right.set_ylabel("share of the cells up to it")
    right.yaxis.set_major_formatter(PercentFormatter(1.0))
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@styled
def trims(found: Mapping[str, NDArray[np.float64]], step: float, reach: float) -> Figure:
    """Draws how often each trim was set.

    Args:
        found: Trims in V by what they belong to, any shape.
        step: Step of the trims in V.
        reach: Largest trim in V.

    Raises:
        ValueError: Nothing to draw.
    """
    if not found:
        raise ValueError("nothing to draw")
    rows = -(-len(found) // 2)
    figure = Figure(figsize=(WIDTH, 0.3 + 1.6 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
    bins = 1e3 * np.arange(-reach - step / 2, reach + step, step)
    for panel, (name, values) in zip(panels, found.items(), strict=False):
        flat = 1e3 * np.ravel(values)
        panel.hist(flat, bins.tolist(), weights=np.full(len(flat), 1.0 / len(flat)), color=SIMULATED)
        panel.set_title(name.replace("+", " + "), fontsize=7.5)
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.yaxis.set_major_locator(MaxNLocator(4))
        panel.xaxis.set_tick_params(labelbottom=True)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    figure.supxlabel("trim (mV)", fontsize=9.5)
    figure.supylabel("share", fontsize=9.5)
    return figure


@styled
def latents(examples: Mapping[str, NDArray[np.float64]], shown: int = 150) -> Figure:
    """Draws traces and histograms of a column's latents.

    Args:
        examples: Latents by name, each of shape `(samples,)`.
        shown: Samples of a trace.

    Raises:
        ValueError: Values are not finite.
    """
    figure = Figure(figsize=(WIDTH, 0.4 + 1.45 * len(examples)), layout="constrained")
    panels = np.atleast_2d(figure.subplots(len(examples), 2, width_ratios=[2.4, 1.0]))
    u = np.linspace(-4.5, 4.5, 200)
    for (trace, histogram), (name, values) in zip(panels, examples.items(), strict=True):
        z = finite(values, name, (None,))
        beyond = float(np.mean(np.abs(z) > 4.5))
        trace.plot(np.clip(z[:shown], -4.5, 4.5), "-", color=SIMULATED, linewidth=0.8, marker=".", markersize=2.5)
        trace.set_ylim(-4.7, 4.7)
        trace.set_title(name.replace("+", " + ") + (f": {beyond:.0%} beyond ±4.5" if beyond > 0.005 else ""))
        trace.set_ylabel("latent")
        histogram.hist(np.clip(z, -4.5, 4.5), np.linspace(-4.5, 4.5, 31).tolist(), density=True, color=SIMULATED)
        histogram.plot(u, np.exp(-(u**2) / 2.0) / np.sqrt(2.0 * np.pi), color=CLOSED_FORM, linewidth=1.2)
        histogram.set_yticks([])
    panels[-1, 0].set_xlabel("sample")
    panels[-1, 1].set_xlabel("latent (line: normal)")
    return figure


@styled
def start_up(
    samples: NDArray[np.int64], mean: NDArray[np.float64], sigma: NDArray[np.float64], limits: tuple[float, float]
) -> Figure:
    """Draws the errors of running statistics against the number of samples.

    Args:
        samples: Numbers, shape `(lengths,)`.
        mean: 95 % quantile of the mean's error in standard deviations, same shape.
        sigma: Likewise of the standard deviation's relative error.
        limits: Of mean and standard deviation.
    """
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    axes = figure.subplots()
    for values, colour, name, law in ((mean, SIMULATED, "mean", 1.0), (sigma, "#009E73", "standard deviation", 0.5)):
        axes.loglog(samples, values, "o-", color=colour, markersize=3, label=name)
        expected = 1.96 * np.sqrt(law / samples)
        axes.loglog(samples, expected, color=colour, linewidth=0.8, linestyle=(0, (4, 3)), label=f"{name}, white noise")
    for limit in sorted(set(limits)):
        axes.axhline(limit, color=CLOSED_FORM, linewidth=1.0, linestyle=(0, (1, 1)), label="limit")
    axes.set_xlabel("samples")
    axes.set_ylabel("error (95 % of the columns)")
    axes.legend(ncols=2)
    return figure
