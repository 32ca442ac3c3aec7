"""Data against fit: points, the fitted law through them, and the residuals below."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ftj_spice.device.fitting.outcome import Outcome, Panel
from ftj_spice.results.plots.style import CLOSED_FORM, MANY, NOTE, SIMULATED, WIDTH, styled
from ftj_spice.results.units import Scale, scale_for

MOST_PANELS = 6
"""Panels of one figure; of more (RTN traces), the first and the last are shown."""

_LEGEND = 12  # entries, at most


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
    y = Scale(1.0, panel.y[1]) if "y" in panel.log else scale_for(values, panel.y[1])
    x = Scale(1.0, panel.x[1]) if "x" in panel.log else _abscissa(panel)
    several = len(panel.series) > 1
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(panel.series)))
    for series, colour in zip(panel.series, colours, strict=True):
        order = np.argsort(series.x, kind="stable")
        at, many = x(series.x[order]), len(series.x) > MANY
        points, line = (colour, colour) if several else (SIMULATED, CLOSED_FORM)
        data.plot(at, y(series.measured[order]), "o", ms=3, color=points, rasterized=many)
        data.plot(at, y(series.fitted[order]), "-", color=line, label=series.label, drawstyle=_way(panel))
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
        data.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7.5)


def _abscissa(panel: Panel) -> Scale:
    return scale_for(np.concatenate([series.x for series in panel.series]), panel.x[1])


def _way(panel: Panel) -> str:
    return "steps-mid" if panel.x[0] == "time" and not panel.log else "default"
