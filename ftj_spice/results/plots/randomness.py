"""Plots of random bits: P-values, shares of streams that pass, autocorrelation, run lengths, entropy estimates."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, remark, styled

FAILED = "#b2182b"
"""What fails: red."""
_BINS = 10
_COLUMNS = 5


@styled
def p_value_histograms(p_values: Mapping[str, NDArray[np.float64]], failed: Sequence[str] = ()) -> Figure:
    """Draws the P-values of each test in ten bins, a share of one tenth each for random bits.

    Args:
        p_values: By the test's name, any number of each; an empty array is a test that was not applicable.
        failed: Names of tests that are drawn as failed.

    Raises:
        ValueError: No test, or a value outside [0, 1].
    """
    if not p_values:
        raise ValueError("p_values must hold a test")
    rows = -(-len(p_values) // _COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.45 + 1.35 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False).ravel()
    for axes, (name, values) in zip(panels, p_values.items(), strict=False):
        axes.set_title(textwrap.fill(name.replace("_", " "), 18), fontsize=7.6, fontweight="normal", loc="left")
        axes.set_xlim(0.0, 1.0)
        axes.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
        axes.tick_params(labelsize=7.5)
        if len(values) == 0:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "not\napplicable", transform=axes.transAxes, ha="center", va="center", color=NOTE)
            continue
        if np.min(values) < 0.0 or np.max(values) > 1.0 or not np.all(np.isfinite(values)):
            raise ValueError(f"P-values of {name} must lie between 0 and 1")
        counts, edges = np.histogram(values, _BINS, (0.0, 1.0))
        share = counts / len(values)
        colour = FAILED if name in failed else SIMULATED
        axes.bar(edges[:-1], share, 1.0 / _BINS, align="edge", color=colour, edgecolor="white", linewidth=0.4)
        axes.axhline(1.0 / _BINS, color=CLOSED_FORM, linewidth=1.0)
        axes.set_ylim(0.0, max(0.25, 1.1 * float(share.max())))
        axes.yaxis.set_major_locator(MaxNLocator(3))
    for axes in panels[len(p_values) :]:
        axes.set_visible(False)
    figure.supxlabel("P-value", fontsize=9.5)
    figure.supylabel("share of the P-values", fontsize=9.5)
    return figure


@styled
def pass_shares(shares: Mapping[str, NDArray[np.float64]], limits: Mapping[str, tuple[float, float]]) -> Figure:
    """Draws the share of streams that pass, a dot for each line of each test, with NIST's limits.

    Args:
        shares: By the test's name, one share for each of its lines (templates, states); may be empty.
        limits: Lowest and highest share that meets the limit, by the test's name (it depends on the number of streams).

    Raises:
        ValueError: No test, a share outside [0, 1], or a test without limits.
    """
    if not shares or any(name not in limits for name, values in shares.items() if len(values)):
        raise ValueError("every test needs limits")
    figure = Figure(figsize=(WIDTH, 0.8 + 0.24 * len(shares)), layout="constrained")
    axes = figure.subplots()
    lowest = 1.0
    for row, (name, values) in enumerate(shares.items()):
        if len(values) == 0:
            axes.text(0.02, row, "not applicable", transform=axes.get_yaxis_transform(), va="center", color=NOTE)
            continue
        given = finite(values, name, (None,))
        if given.min() < 0.0 or given.max() > 1.0:
            raise ValueError(f"shares of {name} must lie between 0 and 1")
        low, high = limits[name]
        axes.fill_betweenx([row - 0.4, row + 0.4], low, min(high, 1.0), color="#e9f2f8", linewidth=0)
        axes.plot([low, low], [row - 0.4, row + 0.4], color=CLOSED_FORM, linewidth=1.2)
        spread = np.linspace(-0.25, 0.25, len(given)) if len(given) > 1 else np.zeros(1)
        met = (given >= low) & (given <= high)
        for mask, colour in ((met, SIMULATED), (~met, FAILED)):
            axes.plot(given[mask], row + spread[mask], "o", color=colour, markersize=3.2, markeredgewidth=0)
        lowest = min(lowest, low, float(given.min()))
    axes.set_yticks(range(len(shares)), [name.replace("_", " ") for name in shares])
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xlim(lowest - 0.04 * (1.0 - lowest) - 1e-3, 1.0 + 0.03 * (1.0 - lowest) + 1e-3)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of streams with a P-value of at least 0.01")
    return figure


@styled
def bit_autocorrelation(
    correlation: NDArray[np.float64], limit: float, expected: NDArray[np.float64] | None = None
) -> Figure:
    """Draws the autocorrelation of bits against the lag.

    Args:
        correlation: At lags 1, 2, ..., shape `(lags,)`.
        limit: Magnitude that independent bits keep below at all lags, but for the stated chance.
        expected: Closed form at the same lags, if there is one.

    Raises:
        ValueError: Not finite, shapes differ, or `limit` is not positive.
    """
    values = finite(correlation, "correlation", (None,))
    if not limit > 0.0:
        raise ValueError("limit must be positive")
    closed = np.zeros(1) if expected is None else finite(expected, "expected", values.shape)
    lags = np.arange(1, len(values) + 1)
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(-limit, limit, color="#ececec", linewidth=0, label="limit for independent bits")
    axes.axhline(0.0, color=NOTE, linewidth=0.6)
    beyond = np.abs(values) > limit
    for mask, colour, name in ((~beyond, SIMULATED, "measured"), (beyond, FAILED, "beyond the limit")):
        if mask.any():
            axes.vlines(lags[mask], 0.0, values[mask], color=colour, linewidth=0.9)
            axes.plot(lags[mask], values[mask], "o", color=colour, markersize=2.8, label=name)
    if expected is not None:
        axes.plot(lags, closed, color=CLOSED_FORM, label="expected of the source")
    reach = 1.25 * max(limit, float(np.max(np.abs(values))), float(np.max(np.abs(closed))))
    axes.set_ylim(-reach if values.min() < -0.3 * reach or reach < 5 * limit else -0.25 * reach, 1.15 * reach)
    axes.set_xlim(0.0, len(values) + 1.0)
    axes.set_xlabel("lag (bits)")
    axes.set_ylabel("autocorrelation")
    axes.legend(loc="upper right", ncols=2)
    return figure


@styled
def run_lengths(
    measured: Mapping[str, NDArray[np.float64]], expected: Mapping[str, NDArray[np.float64]], p_value: float | None
) -> Figure:
    """Draws how often runs of equal bits have each length, beside the geometric law, for zeros and for ones.

    Args:
        measured: Runs of length 1, 2, ... by their name (`zeros`, `ones`), shape `(lengths,)`.
        expected: Expected numbers by the same names, same shapes.
        p_value: Of the chi-square test of both together; none if it was not made.

    Raises:
        ValueError: Names or shapes differ, or values are not finite.
    """
    if set(measured) != set(expected) or not measured:
        raise ValueError("measured and expected must have the same names")
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    panels = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    for axes, (name, counts) in zip(panels, measured.items(), strict=True):
        runs = finite(counts, name, (None,))
        law = finite(expected[name], name, runs.shape)
        length = np.arange(1, len(runs) + 1)
        seen = runs > 0
        error = np.sqrt(runs[seen])
        axes.errorbar(
            length[seen], runs[seen], [np.minimum(error, 0.9 * runs[seen]), error], fmt="o", color=SIMULATED,
            markersize=3, elinewidth=0.8, label="runs in the file",
        )  # fmt: skip
        axes.plot(length[law > 0], law[law > 0], color=CLOSED_FORM, label="geometric law")
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.3)
        axes.set_title(f"runs of {name}")
        axes.set_xlabel("length (bits)")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    panels[0].set_ylabel("runs")
    panels[0].legend(loc="upper right")
    if p_value is not None:
        remark(panels[-1], 0.97, 0.92, f"chi-square P-value {p_value:.3g}", align="right")
    return figure


@styled
def entropy_bars(estimates: Mapping[str, float | None], lines: Mapping[str, float]) -> Figure:
    """Draws min-entropy estimates as bars, first on top.

    Args:
        estimates: Min-entropy in bits per bit by the estimator's name; none where it was not applicable.
        lines: Values of vertical lines by name, such as a closed form.

    Raises:
        ValueError: No estimate, or a value that is negative or not finite.
    """
    values = finite([0.0 if value is None else value for value in estimates.values()], "estimates", (None,))
    marks = finite(list(lines.values()) or [0.0], "lines", (None,))
    if min(values.min(), marks.min()) < 0.0:
        raise ValueError("entropies must not be negative")
    figure = Figure(figsize=(WIDTH, 1.2 + 0.26 * len(values)), layout="constrained")
    axes = figure.subplots()
    present = [value for value in estimates.values() if value is not None]
    least = min(present, default=0.0)
    colours = [FAILED if value == least else SIMULATED for value in estimates.values()]
    names = [name.replace("_", " ") for name in estimates]
    axes.barh(names, values, height=0.62, color=colours)
    for row, value in enumerate(estimates.values()):
        text = "not applicable" if value is None else f"{value:.4f}"
        axes.text(0.995, row, text, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8.5)
    styles = ((0, (4, 3)), "-", (0, (1, 2)))
    for k, (name, value) in enumerate(lines.items()):
        axes.axvline(value, color=CLOSED_FORM, linewidth=1.2, linestyle=styles[k % 3], label=f"{name}: {value:.4f}")
    axes.set_xlim(0.0, 1.2 * max(1.0, values.max(), marks.max()))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("min-entropy (bits per bit); the smallest, in red, counts")
    if lines:
        figure.legend(loc="outside upper right", ncols=3)
    return figure
