"""Data against fit: points, the fitted law through them, and the residuals below."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D

from ftj_spice.device.fitting.outcome import Outcome, Panel
from ftj_spice.results.plots.style import CLOSED_FORM, MANY, NOTE, SIMULATED, WIDTH, styled
from ftj_spice.results.units import Scale, scale_for

MOST_PANELS = 6
"""Panels of one figure; of more (RTN traces), the first and the last are shown."""

CUSTOMARY = {"C/m^2": Scale(1e-2, "µC/cm²")}
"""Units that the field writes otherwise than with a prefix."""

_LEGEND = 12  # entries, at most
_LONGEST = 30  # characters of an entry


@styled
def fit_figure(outcome: Outcome) -> Figure:
    """Draws the panels of a fit, one below the other.

    Args:
        outcome: The fit.

    Returns:
        A figure with two axes per panel: data (points) with the fit (line), and residuals.
    """
    panels = outcome.panels
    if len(panels) > MOST_PANELS:
        panels = (*panels[: MOST_PANELS - 1], panels[-1])
    figure = Figure(figsize=(WIDTH, 3.9 * len(panels)), layout="constrained")
    grid = figure.add_gridspec(2 * len(panels), 1, height_ratios=[3, 1] * len(panels))
    for k, panel in enumerate(panels):
        top = figure.add_subplot(grid[2 * k])
        _draw(panel, top, figure.add_subplot(grid[2 * k + 1], sharex=top))
    return figure


def _draw(panel: Panel, data: Axes, below: Axes) -> None:
    values = np.concatenate([series.measured for series in panel.series])
    y = Scale(1.0, panel.y[1]) if "y" in panel.log else CUSTOMARY.get(panel.y[1]) or scale_for(values, panel.y[1])
    x = Scale(1.0, panel.x[1]) if "x" in panel.log else _abscissa(panel)
    several = len(panel.series) > 1
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(panel.series)))
    lines: list[Line2D] = []
    for series, colour in zip(panel.series, colours, strict=True):
        order = np.argsort(series.x, kind="stable")
        at, many = x(series.x[order]), len(series.x) > MANY
        points, line = (colour, colour) if several else (SIMULATED, CLOSED_FORM)
        data.plot(at, y(series.measured[order]), "o", ms=3, color=points, rasterized=many)
        lines += data.plot(at, y(series.fitted[order]), "-", color=line, drawstyle=_way(panel))
        left = panel.residuals(series)[order]
        below.plot(at, left if "y" in panel.log else y(left), ".", ms=4, color=points, rasterized=many)
    below.axhline(0.0, color=NOTE, lw=0.8)
    if "x" in panel.log:
        data.set_xscale("log")
    if "y" in panel.log:
        data.set_yscale("log")
    data.tick_params(labelbottom=False)
    data.set_title(f"{panel.title}: measured (points) and fitted (line)")
    data.set_ylabel(y.label(panel.y[0]))
    below.set_ylabel("measured /\nfitted \N{MINUS SIGN} 1" if "y" in panel.log else y.label("difference"))
    below.set_xlabel(x.label(panel.x[0]))
    if len(panel.series) <= _LEGEND:
        _legend(data, lines, [series.label for series in panel.series])


def _legend(axes: Axes, lines: list[Line2D], labels: list[str]) -> None:
    """Adds a legend that shows any text as it is: file names may hold `$` or begin with `_`, which mean something."""
    legend = axes.legend(
        lines, [f"{k}" for k in range(len(lines))], loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7.5
    )
    for entry, label in zip(legend.get_texts(), labels, strict=True):
        entry.set_parse_math(False)
        entry.set_text(_shown(label))


def _shown(label: str) -> str:
    """Returns a label short enough for the legend, without characters that the font lacks."""
    font = get_font(findfont("DejaVu Sans"))
    text = "".join(c if font.get_char_index(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in label)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}\N{HORIZONTAL ELLIPSIS}{text[-_LONGEST // 2 :]}"


def _abscissa(panel: Panel) -> Scale:
    return scale_for(np.concatenate([series.x for series in panel.series]), panel.x[1])


def _way(panel: Panel) -> str:
    return "steps-mid" if panel.x[0] == "time" and not panel.log else "default"
