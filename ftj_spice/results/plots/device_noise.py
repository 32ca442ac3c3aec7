"""Plots of a cell's telegraph noise: traces, dwell times, spectrum, capture and emission times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ftj_spice.results.plots.device_static import log_ticks
from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, styled
from ftj_spice.results.units import engineering, grouped, scale_for

BINS = 24
"""Bins of a dwell-time histogram."""
SHOWN_DWELL = 7.0
"""Longest dwell in a histogram, in mean dwells: a thousandth is longer."""


@dataclass(frozen=True)
class Trace:
    """Current while the dominant trap switches.

    Attributes:
        voltage: In V.
        state: s at the begin.
        times: In s, shape `(samples,)`, evenly spaced.
        current: In A, same shape.
        levels: Closed form, trap empty and filled, in A, shape `(2,)`.
        capture_time: Closed form, in s.
        emission_time: Closed form, in s.
        occupancy: Share of the samples with the trap filled.
    """

    voltage: float
    state: float
    times: NDArray[np.float64]
    current: NDArray[np.float64]
    levels: NDArray[np.float64]
    capture_time: float
    emission_time: float
    occupancy: float


@dataclass(frozen=True)
class Dwells:
    """Dwell times of one long history.

    Attributes:
        voltage: In V.
        empty: Dwells in the empty state, in s, shape `(dwells,)`.
        filled: Dwells in the filled state, in s.
        capture_time: Closed form of the mean empty dwell, in s.
        emission_time: Closed form of the mean filled dwell, in s.
        p_values: Of the Kolmogorov-Smirnov tests against the exponential distributions of these means.
    """

    voltage: float
    empty: NDArray[np.float64]
    filled: NDArray[np.float64]
    capture_time: float
    emission_time: float
    p_values: tuple[float, float]


@dataclass(frozen=True)
class TimeConstants:
    """Mean dwells against voltage and temperature; row 0 is capture (empty), row 1 emission (filled).

    Attributes:
        voltages: In V, shape `(voltages,)`.
        voltage_times: Mean dwells in s, shape `(2, voltages)`; NaN where the two times lie too far apart to measure.
        voltage_errors: Their standard errors.
        line_voltages: In V, shape `(line,)`.
        voltage_lines: Closed form in s, shape `(2, line)`.
        temperatures: In K, shape `(temperatures,)`.
        temperature_times: Mean dwells in s, shape `(2, temperatures)`; NaN likewise.
        temperature_errors: Their standard errors.
        line_temperatures: In K, shape `(line,)`.
        temperature_lines: Closed form in s, shape `(2, line)`.
        slopes: Fitted -d ln(tau)/dV and its standard error, in 1/V; NaN without a fit.
        barriers: Fitted activation energy and its standard error, in eV; NaN without a fit.
        voltage: Of the measurement against temperature, in V.
    """

    voltages: NDArray[np.float64]
    voltage_times: NDArray[np.float64]
    voltage_errors: NDArray[np.float64]
    line_voltages: NDArray[np.float64]
    voltage_lines: NDArray[np.float64]
    temperatures: NDArray[np.float64]
    temperature_times: NDArray[np.float64]
    temperature_errors: NDArray[np.float64]
    line_temperatures: NDArray[np.float64]
    temperature_lines: NDArray[np.float64]
    slopes: tuple[tuple[float, float], tuple[float, float]]
    barriers: tuple[tuple[float, float], tuple[float, float]]
    voltage: float


@dataclass(frozen=True)
class Spectrum:
    """One-sided spectral density of the current; arrays of shape `(bands,)` and `(line,)`.

    Attributes:
        voltage: In V.
        frequency: Middle of each band in Hz.
        density: Estimated, in A^2/Hz.
        error: Its standard error.
        expected: Closed form averaged over the band's lines, in A^2/Hz.
        line_frequency: In Hz.
        telegraph: Machlup's form, in A^2/Hz.
        flicker: Background of 1/f noise, in A^2/Hz.
        corner: 1 / (2 pi tau_eff), in Hz.
    """

    voltage: float
    frequency: NDArray[np.float64]
    density: NDArray[np.float64]
    error: NDArray[np.float64]
    expected: NDArray[np.float64]
    line_frequency: NDArray[np.float64]
    telegraph: NDArray[np.float64]
    flicker: NDArray[np.float64]
    corner: float


@styled
def traces(data: Sequence[Trace]) -> Figure:
    """Draws the current against time, one panel per voltage with its own axes, and both levels of the closed form."""
    figure = Figure(figsize=(WIDTH, 0.5 + 1.45 * len(data)), layout="constrained")
    panels = figure.subplots(len(data), 1, squeeze=False)[:, 0]
    for axes, trace in zip(panels, data, strict=True):
        second, ampere = scale_for(trace.times, "s"), scale_for(np.append(trace.levels, trace.current), "A")
        axes.step(second(trace.times), ampere(trace.current), where="post", color=SIMULATED, linewidth=0.8)
        shown = np.concatenate([ampere(trace.levels), ampere(trace.current)])
        low, high = float(shown.min()), float(shown.max())
        margin = 0.25 * (high - low) or 0.1 * high
        margin = margin or 1.0
        levels = [float(x) for x in ampere(trace.levels)]
        for level in levels:
            axes.axhline(level, color=CLOSED_FORM, linestyle=(0, (4, 2)), linewidth=0.8)
        taus = (
            f"$\\tau_\\mathrm{{c}}$ = {engineering(trace.capture_time, 's')}",
            (f"$\\tau_\\mathrm{{e}}$ = {engineering(trace.emission_time, 's')}"),
        )
        side = {"xycoords": ("axes fraction", "data"), "fontsize": 8, "color": CLOSED_FORM, "va": "center"}
        if abs(levels[0] - levels[1]) > 0.5 * (high - low):
            for level, text in zip(levels, (f" empty\n {taus[0]}", f" filled\n {taus[1]}"), strict=True):
                axes.annotate(text, (1.0, level), **side)
        else:
            axes.annotate(f" at the begin\n {taus[0]}\n {taus[1]}", (1.0, sum(levels) / 2), **side)
        axes.set_ylim(low - margin, high + margin)
        axes.set_xlim(0.0, float(second(trace.times[-1])))
        axes.set_title(
            f"{trace.voltage:.2f} V, {'on' if trace.state > 0 else 'off'} state: filled {100 * trace.occupancy:.0f} % "
            f"of the time (closed form {100 * trace.emission_time / (trace.capture_time + trace.emission_time):.0f} %)",
            fontsize=8.5,
        )
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(second.label("time"), labelpad=1)
        axes.set_ylabel(ampere.label("current"))
    return figure


@styled
def dwell_histograms(data: Sequence[Dwells]) -> Figure:
    """Draws histograms of the dwell times, empty above and filled below, with the exponential law's counts."""
    figure = Figure(figsize=(WIDTH, 4.5), layout="constrained")
    panels = figure.subplots(2, len(data), squeeze=False, sharey=True)
    for column, dwell in enumerate(data):
        rows = (("empty", dwell.empty, dwell.capture_time), ("filled", dwell.filled, dwell.emission_time))
        for row, (name, spans, tau) in enumerate(rows):
            _dwell_panel(panels[row, column], name, spans, tau, dwell.p_values[row])
        panels[0, column].set_title(f"{dwell.voltage:.2f} V")
    for row, name in enumerate(("empty", "filled")):
        panels[row, 0].set_ylabel(f"dwells {name}, per bin")
    return figure


def _dwell_panel(axes: Axes, name: str, spans: NDArray[np.float64], tau: float, p_value: float) -> None:
    """One histogram; bars are 68 % intervals of the counts (square roots)."""
    edges = tau * np.linspace(0.0, SHOWN_DWELL, BINS + 1)
    counts = np.histogram(spans, edges)[0]
    second = scale_for(edges, "s")
    middle = second(0.5 * (edges[1:] + edges[:-1]))
    seen = counts > 0
    root = np.sqrt(counts[seen])
    axes.errorbar(
        middle[seen], counts[seen], yerr=[np.minimum(root, 0.9 * counts[seen]), root], fmt="o", color=SIMULATED,
        markersize=3, linewidth=0.8, label="simulated",
    )  # fmt: skip
    expected = len(spans) * np.diff(-np.exp(-edges / tau))
    axes.plot(middle, expected, color=CLOSED_FORM, label="closed form")
    axes.set_yscale("log")
    axes.set_ylim(0.5, 1.3 * max(expected[0], counts.max()))
    log_ticks(axes, "y")
    axes.set_xlabel(second.label("dwell time"), labelpad=1)
    symbol = "c" if name == "empty" else "e"
    axes.text(
        0.98, 0.97,
        f"$\\tau_\\mathrm{{{symbol}}}$ = {engineering(float(spans.mean()), 's')}\n({engineering(tau, 's')})\n"
        f"n = {grouped(len(spans))}\nKS p = {p_value:.2f}",
        transform=axes.transAxes, ha="right", va="top", fontsize=8, color=NOTE,
    )  # fmt: skip


@styled
def time_constants(data: TimeConstants) -> Figure:
    """Draws capture and emission times against voltage and against the inverse temperature."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    second = scale_for([1.0], "s")
    for row, (name, shape) in enumerate((("capture", "o"), ("emission", "s"))):
        fill = SIMULATED if name == "capture" else "white"
        style = {"color": SIMULATED, "markerfacecolor": fill, "markersize": 4.5, "linewidth": 0.9}
        slope, barrier = data.slopes[row], data.barriers[row]
        left.semilogy(data.line_voltages, data.voltage_lines[row], color=CLOSED_FORM)
        left.errorbar(
            data.voltages, data.voltage_times[row], yerr=data.voltage_errors[row], fmt=shape, **style,
            label=f"{name}: slope {slope[0]:.2f} ± {slope[1]:.2f} /V" if np.isfinite(slope[0]) else f"{name}: no fit",
        )  # fmt: skip
        right.semilogy(1e3 / data.line_temperatures, data.temperature_lines[row], color=CLOSED_FORM)
        right.errorbar(
            1e3 / data.temperatures, data.temperature_times[row], yerr=data.temperature_errors[row], fmt=shape, **style,
            label=f"{name}: barrier {1e3 * barrier[0]:.0f} ± {1e3 * barrier[1]:.0f} meV" if np.isfinite(barrier[0])
            else f"{name}: no fit",
        )  # fmt: skip
    for axes in (left, right):
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.28)
        log_ticks(axes, "y")
        axes.set_ylabel(second.label("mean dwell"))
        axes.legend(loc="upper right" if axes is left else "upper left", handletextpad=0.2)
    left.set_xlabel("voltage (V)")
    left.set_title("300 K")
    right.set_xlabel("1000 / T (1/K)")
    right.set_title(f"{data.voltage:g} V")
    return figure


@styled
def spectrum(data: Spectrum) -> Figure:
    """Draws the current's spectral density with its closed form: telegraph noise, 1/f noise and their sum.

    What the card does not have is left out.
    """
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    main, rest = figure.subplots(2, 1, sharex=True, height_ratios=[2.6, 1])
    bottom = 0.2 * float(data.density.min())
    if data.telegraph.any():
        bottom = min(bottom, 0.2 * float(data.telegraph.min())) if data.telegraph.min() > 0.0 else bottom
        main.loglog(
            data.line_frequency, data.telegraph, color=NOTE, linestyle=(0, (4, 2)), linewidth=1, label="Machlup"
        )
        main.axvline(data.corner, color=NOTE, linewidth=0.7, linestyle=(0, (1, 2)))
        main.annotate(
            f"1/(2π$\\tau_\\mathrm{{eff}}$) = {engineering(data.corner, 'Hz')}", (data.corner, 0.03), (4, 0),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8, color=NOTE,
        )  # fmt: skip
    if data.flicker.any():
        at_corner = float(np.interp(data.corner, data.line_frequency, data.flicker))
        hidden = data.flicker.max() < bottom
        name = f"1/f noise, {at_corner:.0e} A²/Hz at the corner: below this axis" if hidden else "1/f noise"
        main.loglog(
            data.line_frequency, data.flicker, color=NOTE, linestyle=(0, (1, 1)), linewidth=1,
            label=name.replace("e-", "e\N{MINUS SIGN}"),
        )  # fmt: skip
    main.loglog(data.line_frequency, data.telegraph + data.flicker, color=CLOSED_FORM, label="closed form, sum")
    main.loglog(data.frequency, data.density, "o", color=SIMULATED, markersize=3.5, label="simulated")
    main.set_ylim(bottom, 20.0 * float((data.telegraph + data.flicker).max()))
    main.set_ylabel("$S_I$ (A²/Hz)")
    main.legend(loc="upper right")
    rest.axhline(0.0, color=CLOSED_FORM)
    rest.semilogx(data.frequency, (data.density - data.expected) / data.error, "o", color=SIMULATED, markersize=3.5)
    rest.set_ylim(-5, 5)
    rest.set_ylabel("deviation (s.e.)")
    rest.set_xlabel("frequency (Hz)")
    log_ticks(main, "y")
    log_ticks(rest, "x")
    return figure
