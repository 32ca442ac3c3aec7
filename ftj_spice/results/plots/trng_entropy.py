"""Plot of the min-entropy of bits against the sampling interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, styled

_KINDS = ("#009E73", "#CC79A7", "#999999")


@dataclass(frozen=True)
class Curve:
    """One digitiser.

    Attributes:
        relaxations: Intervals in tau_eff, rising.
        assessed: Assessed min-entropy per bit at each.
        exact: Closed form at each; none where there is none.
        estimates: Single estimates by kind of estimator, each a list over the intervals; NaN where one does not apply.
    """

    relaxations: Sequence[float]
    assessed: Sequence[float]
    exact: Sequence[float | None]
    estimates: Mapping[str, Sequence[Sequence[float]]]


@styled
def min_entropy(panels: Mapping[str, Curve], fair: float) -> Figure:
    """Draws one panel per digitiser.

    Args:
        panels: By the digitiser's name.
        fair: What is assessed of independent fair bits.

    Raises:
        ValueError: There is no panel, or lengths differ.
    """
    if not panels:
        raise ValueError("a plot of min-entropy needs a digitiser")
    figure = Figure(figsize=(WIDTH, 4.1), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, curve) in zip(row, panels.items(), strict=True):
        x = finite(list(curve.relaxations), "relaxations", (None,))
        assessed = finite(list(curve.assessed), "assessed", (len(x),))
        for colour, (kind, lines) in zip(_KINDS, curve.estimates.items(), strict=False):
            for k, line in enumerate(lines):
                axes.plot(x, line, color=colour, linewidth=0.9, label=f"estimates that {kind}" if k == 0 and
                          kind != "others" else "other estimates" if k == 0 else None)  # fmt: skip
        known = [k for k, value in enumerate(curve.exact) if value is not None]
        if known:
            axes.plot(
                x[known],
                [curve.exact[k] for k in known],
                color=CLOSED_FORM,
                linewidth=3.5,
                alpha=0.75,
                zorder=1,
                label="closed form",
            )
        axes.plot(x, assessed, "o", color=SIMULATED, markersize=4.5, label="assessed: the least estimate")
        axes.axhline(fair, color=NOTE, linestyle=":", label="assessed of fair bits")
        axes.set_xscale("log")
        ends = [tick for tick in (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if x[0] <= tick <= x[-1] * 1.001]
        if len(ends) >= 2:
            axes.set_xticks(ends, [f"{tick:g}" for tick in ends])
            axes.minorticks_off()
        axes.set_ylim(-0.02, 1.04)
        axes.set_xlabel(r"sampling interval ($\tau_\mathrm{eff}$)")
        axes.set_title(name.replace("_", " "))
    row[0].set_ylabel("min-entropy (bit per bit)")
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure
