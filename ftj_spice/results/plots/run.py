"""Plots of the run itself."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from ftj_spice.results.plots.style import NOTE, SIMULATED, WIDTH, finite, styled
from ftj_spice.results.units import engineering, scale_for


@styled
def timing_bar(durations: Mapping[str, float]) -> Figure:
    """Draws how long each phase of a run took, first phase on top.

    Args:
        durations: Seconds by phase.

    Raises:
        ValueError: No phase, or a duration that is negative or not finite.
    """
    values = finite(list(durations.values()), "durations", (None,))
    if values.min() < 0:
        raise ValueError("durations must not be negative")
    second = scale_for(values, "s")
    total = float(values.sum())
    figure = Figure(figsize=(WIDTH, 0.75 + 0.3 * len(values)), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(durations), second(values), height=0.62, color=SIMULATED)
    for row, value in enumerate(values):
        percent = 100 * value / total if total > 0 else 0.0
        share = f" ({percent:.0f} %)" if percent >= 1 else " (below 1 %)"
        axes.annotate(
            f"{engineering(value, 's')}{share}",
            (float(second(value)), row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=NOTE,
        )
    axes.set_xlim(0, float(second(values.max())) * 1.25 or 1.0)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(second.label("wall-clock time"))
    return figure
