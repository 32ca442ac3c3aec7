"""Plot of an error budget."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, styled


@styled
def error_budget(labels: Sequence[str], errors: Sequence[float], together: float, root_sum_square: float) -> Figure:
    """Draws each contribution's error as a bar, and that of all together below.

    Args:
        labels: Name of each contribution.
        errors: Rms error of each, in parts of the full scale.
        together: Rms error with all of them.
        root_sum_square: What independent contributions would give together.

    Raises:
        ValueError: Lengths differ, there is no contribution, or an error is negative or not finite.
    """
    alone = finite(list(errors), "errors", (None,))
    whole = finite([together, root_sum_square], "errors", (2,))
    if len(labels) != len(alone):
        raise ValueError("every contribution needs a label")
    if min(alone.min(), whole.min()) < 0:
        raise ValueError("errors must not be negative")
    percent = [*(100 * alone), 100 * whole[0]]
    names = [*labels, "all together"]
    figure = Figure(figsize=(WIDTH, 1.3 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(alone)), percent[:-1], height=0.62, color=SIMULATED)
    axes.barh([len(alone)], percent[-1:], height=0.62, color=NOTE)
    axes.plot(
        [100 * whole[1]] * 2, [len(alone) - 0.42, len(alone) + 0.42], color=CLOSED_FORM, linewidth=2.0,
        label="root of the sum of squares",
    )  # fmt: skip
    for row, value in enumerate(percent):
        beyond = max(value, 100 * whole[1]) if row == len(alone) else value
        axes.annotate(
            "0" if value == 0 else f"{value:.2g} %" if value >= 1e-3 else f"{value:.0e} %",
            (beyond, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=NOTE,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 1.2 * max(*percent, 100 * whole[1]) or 1.0)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("rms error (% of the outputs' full scale)")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure
