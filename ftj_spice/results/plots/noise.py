"""Plots of the sampling phase: trap noise, the integrator, the latents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, styled
from ftj_spice.results.units import engineering, grouped, scale_for


@styled
def rtn_traces(
    times: ArrayLike,
    currents: ArrayLike,
    levels: ArrayLike,
    labels: Sequence[str],
    time_constants: ArrayLike | None = None,
    bins: int = 25,
) -> Figure:
    """Draws the current of a few cells against time, with both levels, and the time spent at each current.

    With time constants, the share of time in each state is written twice: simulated, and in brackets the closed form
    tau / (tau_c + tau_e). The simulated one follows from the mean current, so it holds for averaged samples too.

    Args:
        times: In s: when each sample begins to hold, shape `(samples,)`, or the edges of averaging windows, shape
            `(samples + 1,)`.
        currents: In A, shape `(cells, samples)`.
        levels: Closed-form currents with the trap empty and filled, in A, shape `(cells, 2)`.
        labels: Name of each cell.
        time_constants: tau_c (mean time empty) and tau_e (mean time filled) in s, shape `(cells, 2)`.
        bins: Bins of the histograms.

    Raises:
        ValueError: Shapes do not fit, values are not finite, or times do not ascend.
    """
    current = finite(currents, "currents", (None, None))
    cells, samples = current.shape
    edges = finite(times, "times", (None,))
    if len(edges) == samples and samples > 1:
        edges = np.append(edges, 2 * edges[-1] - edges[-2])
    edges = finite(edges, "times", (samples + 1,))
    level = finite(levels, "levels", (cells, 2))
    taus = None if time_constants is None else finite(time_constants, "time_constants", (cells, 2))
    if np.min(np.diff(edges)) <= 0 or (taus is not None and np.min(taus) <= 0):
        raise ValueError("times must ascend and time constants be positive")
    if len(labels) != cells:
        raise ValueError(f"{cells} cells, but {len(labels)} labels")
    ampere, second = scale_for(np.append(current, level), "A"), scale_for(edges, "s")
    figure = Figure(figsize=(WIDTH, 0.75 + 1.3 * cells), layout="constrained")
    axes = figure.subplots(
        cells, 2, squeeze=False, sharex="col", sharey="row", width_ratios=[4.2, 1], gridspec_kw={"wspace": 0.0}
    )
    spans = np.diff(edges) / (edges[-1] - edges[0])
    for cell, (trace, side) in enumerate(axes):
        shown, both = ampere(current[cell]), ampere(level[cell])
        low, high = min(shown.min(), *both), max(shown.max(), *both)
        margin = 0.32 * (high - low) or 0.1 * abs(high) or 1.0
        trace.stairs(shown, second(edges), baseline=None, color=SIMULATED, linewidth=0.9)
        side.hist(
            shown,
            np.linspace(low - 0.1 * margin, high + 0.1 * margin, bins + 1).tolist(),
            weights=100 * spans,
            orientation="horizontal",
            color=SIMULATED,
            alpha=0.75,
        )
        trace.set_ylim(low - margin, high + margin)
        trace.set_title(labels[cell])
        trace.yaxis.set_major_locator(MaxNLocator(4))
        side.tick_params(axis="y", length=0)
        filled = float(np.clip((shown @ spans - both[0]) / (both[1] - both[0]), 0, 1)) if both[0] != both[1] else None
        _levels(trace, side, both, None if taus is None else taus[cell], filled)
    axes[0, 0].set_xlim(*second(edges[[0, -1]]))
    axes[0, 1].set_xlim(0, 1.1 * max(side.dataLim.xmax for side in axes[:, 1]))
    axes[0, 1].xaxis.set_major_locator(MaxNLocator(2, integer=True))
    figure.supylabel(ampere.label("cell current"), fontsize=9.5)
    axes[-1, 0].set_xlabel(second.label("time"))
    axes[-1, 1].set_xlabel("share of time (%)")
    return figure


def _levels(
    trace: Axes, side: Axes, levels: NDArray[np.float64], taus: NDArray[np.float64] | None, filled: float | None
) -> None:
    """Draws both levels with their time constants, and the share of time at each: simulated, then closed form."""
    names = ("empty", "filled") if filled is not None else ("empty and filled",)
    for state, name in enumerate(names):
        height = float(levels[state])
        upper = height == max(levels)
        place = {"textcoords": "offset points", "fontsize": 8, "va": "bottom" if upper else "top", "ha": "right"}
        for ax in (trace, side):
            width = 0.9 if ax is trace else 0.6
            ax.axhline(height, color=CLOSED_FORM, linestyle=(0, (4, 2)), linewidth=width, alpha=0.9)
        tau = "" if taus is None or filled is None else f", $\\tau_{'ce'[state]}$ = {engineering(taus[state], 's')}"
        shift = 4 if upper else -4
        where = {"xycoords": ("axes fraction", "data")}
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
        trace.annotate(f"{name}{tau}", (1.0, height), (-3, shift), color=CLOSED_FORM, bbox=ground, **where, **place)
        if filled is None:
            continue
        share = filled if state else 1 - filled
        split = 0.52 if taus is not None else 1.0
        side.annotate(f"{100 * share:.0f} %", (split, height), (-1, shift), color=SIMULATED, **where, **place)
        if taus is not None:
            expected = taus[state] / taus.sum()
            side.annotate(f"({100 * expected:.0f} %)", (1.0, height), (0, shift), color=CLOSED_FORM, **where, **place)


@styled
def integrator_waveform(
    time: ArrayLike,
    voltage: ArrayLike,
    sample_times: ArrayLike,
    sample_values: ArrayLike,
    limits: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Draws the ramps of one column's integrator, with the moments at which it is sampled.

    Args:
        time: In s, ascending, shape `(points,)`.
        voltage: Output in V, same shape.
        sample_times: In s, shape `(samples,)`.
        sample_values: Sampled voltage in V, same shape.
        limits: The converter's range in V, drawn as lines.
        title: For example the column.

    Raises:
        ValueError: Shapes do not fit, or values are not finite.
    """
    when = finite(time, "time", (None,))
    output = finite(voltage, "voltage", (len(when),))
    at = finite(sample_times, "sample_times", (None,))
    value = finite(sample_values, "sample_values", (len(at),))
    second, volt = scale_for(when, "s"), scale_for([*output, *value, *(limits or ())], "V")
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(second(when), volt(output), color=SIMULATED, linewidth=1.0, label="simulated")
    axes.plot(
        second(at),
        volt(value),
        "o",
        color=CLOSED_FORM,
        markersize=5,
        markerfacecolor="white",
        markeredgewidth=1.3,
        label="sampled",
    )
    for number, limit in enumerate(limits or ()):
        axes.axhline(
            float(volt(limit)),
            color=NOTE,
            linestyle=(0, (1, 2)),
            linewidth=1.0,
            label="converter range" if not number else None,
        )
    axes.set_xlim(*second(when[[0, -1]]))
    axes.set_xlabel(second.label("time"))
    axes.set_ylabel(volt.label("output"))
    axes.set_title(title)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.005, 0.99), ncols=3, borderpad=0.2, columnspacing=1.4, handlelength=1.6
    )
    return figure


@dataclass(frozen=True)
class LatentMoments:
    """Closed-form moments of the standardised latents, to be shown beside the measured ones.

    Attributes:
        mean: Expected mean, in standard deviations.
        variance: Expected variance.
        skewness: Expected skewness.
        excess_kurtosis: Expected kurtosis minus 3.
    """

    mean: float = 0.0
    variance: float = 1.0
    skewness: float = 0.0
    excess_kurtosis: float = 0.0


@styled
def latent_histogram(latents: ArrayLike, closed_form: LatentMoments | None = None, bins: int | None = None) -> Figure:
    """Draws all standardised latents against the standard normal density: histogram, quantiles and moments.

    Args:
        latents: Any shape; at least 8 values.
        closed_form: Expected moments for the table; without them it shows the measured ones only.
        bins: Number of bins, about; none picks 24 to 80 by the number of values. Digitised latents get bins that each
            hold the same number of codes.

    Raises:
        ValueError: Too few values, all equal, or not finite.
    """
    z = np.sort(finite(np.ravel(latents), "latents", (None,)))
    if len(z) < 8 or z[0] == z[-1]:
        raise ValueError("a histogram of latents needs at least 8 values that are not all equal")
    reach = max(4.0, float(np.max(np.abs(z))) * 1.02)
    edges = _edges(z, int(np.clip(2.0 * len(z) ** (1 / 3), 24, 80)) if bins is None else bins, reach)
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplot_mosaic([["h", "q"], ["h", "t"]], width_ratios=[1.2, 1], height_ratios=[2.0, 1.0])
    main = axes["h"]
    main.hist(
        z,
        edges.tolist(),
        density=True,
        color=SIMULATED,
        alpha=0.45,
        edgecolor="white",
        linewidth=0.3,
        label=f"simulated, n = {grouped(len(z))}",
    )
    x = np.linspace(-reach, reach, 400)
    main.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color=CLOSED_FORM, label="standard normal density")
    main.set_xlim(-reach, reach)
    main.set_ylim(0, main.get_ylim()[1] * 1.18)
    main.set_xlabel("latent z (standard deviations)")
    main.set_ylabel("probability density")
    main.legend(loc="upper left", ncols=1)
    _quantiles(axes["q"], z)
    _moments(axes["t"], z, closed_form)
    return figure


def _edges(z: NDArray[np.float64], count: int, reach: float) -> NDArray[np.float64]:
    """Returns bin edges over (-reach, reach); values on a lattice get bins of equally many lattice points."""
    values = np.unique(z)
    width = 2 * reach / count
    step = float(np.min(np.diff(values)))
    places = (values - values[0]) / step
    if width / step > 200 or np.max(np.abs(places - np.rint(places))) > 1e-3:
        return np.linspace(-reach, reach, count + 1)
    width = step * max(1, round(width / step))
    first = values[0] - 0.5 * step
    first -= width * np.ceil((first + reach) / width)
    return np.arange(first, reach + width, width)


def _quantiles(axes: Axes, z: NDArray[np.float64]) -> None:
    """Normal Q-Q plot of sorted values, thinned evenly along the normal axis."""
    expected = ndtri((np.arange(len(z)) + 0.5) / len(z))
    picked = np.unique(np.searchsorted(expected, np.linspace(expected[0], expected[-1], 241)).clip(0, len(z) - 1))
    reach = 1.05 * max(abs(expected[0]), np.max(np.abs(z)))
    axes.plot([-reach, reach], [-reach, reach], color=CLOSED_FORM, linewidth=1.0)
    axes.plot(expected[picked], z[picked], ".", color=SIMULATED, markersize=3)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("latent quantile")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))


def _moments(axes: Axes, z: NDArray[np.float64], closed_form: LatentMoments | None) -> None:
    """Table of moments; the standard errors hold for independent normal values."""
    mean, variance = float(np.mean(z)), float(np.var(z))
    unit = (z - mean) / np.sqrt(variance)
    n = len(z)
    rows = [
        ("mean", "mean", mean, np.sqrt(variance / n)),
        ("variance", "variance", variance, variance * np.sqrt(2 / n)),
        ("skewness", "skewness", float(np.mean(unit**3)), np.sqrt(6 / n)),
        ("excess kurtosis", "excess_kurtosis", float(np.mean(unit**4)) - 3.0, np.sqrt(24 / n)),
    ]
    axes.set_axis_off()
    columns = [(0.0, "left"), (0.54, "right"), (1.0, "right")]
    heads = ["", "closed form" if closed_form else "", "simulated ± s.e."]
    lines = [heads] + [
        [name, f"{getattr(closed_form, field):.3f}" if closed_form else "", f"{value:.3f} ± {error:.3f}"]
        for name, field, value, error in rows
    ]
    for number, line in enumerate(lines):
        y = 0.92 - number / len(lines)
        for (x, align), text, colour in zip(columns, line, (NOTE, CLOSED_FORM, SIMULATED), strict=True):
            axes.text(
                x,
                y,
                text.replace("-", "\N{MINUS SIGN}") if number else text,
                transform=axes.transAxes,
                ha=align,
                va="center",
                fontsize=8.5,
                color=colour,
                weight="normal" if number else "bold",
            )
