"""The page and the plot of min-entropy against the sampling interval."""

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ftj_spice.results.plots.run import timing_bar
from ftj_spice.results.plots.trng_entropy import Curve, min_entropy
from ftj_spice.results.report import Report

if TYPE_CHECKING:
    from ftj_spice.studies.trng.entropy import EntropyPoint, EntropyStudy

KINDS = {
    "learn memory": ("markov", "lag", "multi_mmc", "lz78y"),
    "take bits as independent": ("most_common_value", "collision", "compression"),
    "others": ("t_tuple", "longest_repeated_substring", "multi_mcw"),
}
"""Estimators by what they can see of a Markov chain."""


def entropy_figure(study: "EntropyStudy") -> Figure:
    """Returns the plot: one panel per digitiser."""
    panels = {}
    for name in dict.fromkeys(p.digitiser for p in study.points):
        own = [p for p in study.points if p.digitiser == name]
        panels[name] = Curve(
            [p.relaxations for p in own],
            [p.result.entropy for p in own],
            [p.line for p in own],
            {
                kind: [[p.entropies.get(estimator, math.nan) for p in own] for estimator in names]
                for kind, names in KINDS.items()
            },
        )
    return min_entropy(panels, study.fair.result.entropy)


def render_entropy_report(study: "EntropyStudy", figure: Figure, durations: dict[str, float]) -> str:
    """Returns the page as HTML.

    Args:
        study: The study.
        figure: Its plot, from `entropy_figure`.
        durations: Seconds by phase.
    """
    m = study.metrics
    report = Report(
        "Min-entropy against the sampling interval",
        f"card {m['card']} · {m['voltage_V']:g} V · {m['bits_per_point']:,} raw bits per point",
    )
    report.section(
        "Assessed and exact",
        "The non-IID track of SP 800-90B takes the least of ten estimates. The exact min-entropy is known for these "
        "digitisers: -log2[(1 + rho) / 2] with rho = exp(-T / tau_eff) for the state of a trap with even odds; for "
        "counted edges the smaller of two numbers, that of the likeliest long sequence and that of the next bit "
        "guessed from the bits before.",
    ).figure(
        figure,
        "Min-entropy per bit: exact, assessed (the least estimate), and the ten estimates by what they can see.",
        "Min-entropy against sampling interval",
    )
    fair = study.fair
    report.note(
        "The assessed value lies below the exact one for two reasons. Every estimate is the lower end of a 99 % "
        f"confidence interval: of as many independent fair bits the same estimators leave {fair.result.entropy:.4f} "
        f"({_words(fair.lowest)}). And the collision and compression estimates take successive bits as independent: "
        "they read a correlation as a bias, and far too large a one. The estimates that learn memory (Markov, lag, "
        "MultiMMC, LZ78Y) lie on the line within their confidence bounds where few bits of the past tell all. "
        "Estimates above the line, such as that of the most common value, don't see the correlation at all; they "
        "don't count, since the least does."
    )
    report.table(
        [_row(p) for p in (*study.points, fair)],
        ["digitiser", "interval", "correlation", "exact", "assessed", "gap", "lowest estimator"],
        "All points. Interval in tau_eff; gap: assessed less exact.",
    )
    names = list(next(iter(study.points)).result.estimates)
    report.table(
        [[p.digitiser, _interval(p), *(f"{p.entropies[e.estimator]:.4f}" if e.estimator in p.entropies else "–"
                                       for e in names)] for p in (*study.points, fair)],
        ["digitiser", "interval", *(_words(e.estimator) for e in names)],
        "The ten estimates.",
    )  # fmt: skip
    if m["largest_markov_deviation_standard_errors"] is not None:
        report.facts(
            {
                "Markov estimate off the line, mid level": f"{m['largest_markov_deviation_standard_errors']:.2f} "
                "standard errors at most",
                "Allowed": f"{m['allowed_standard_errors']:g}",
                "Verdict": "within" if m["passes"] else "BEYOND",
            }
        )
    report.note(
        "The bits come from a model of two-state traps with pseudorandom numbers. That they hold as much min-entropy "
        "as the model says shows that source and estimators are right; it says nothing about a real device."
    )
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    return report.html()


def _words(estimator: str) -> str:
    return estimator.replace("_", " ")


def _interval(point: "EntropyPoint") -> str:
    return f"{point.relaxations:.3g}" if math.isfinite(point.relaxations) else "–"


def _row(point: "EntropyPoint") -> list[str]:
    exact = "–" if point.line is None else f"{point.line:.4f}"
    gap = "–" if point.line is None else f"{point.result.entropy - point.line:+.4f}"
    return [
        point.digitiser, _interval(point), f"{point.correlation:+.4f}", exact, f"{point.result.entropy:.4f}", gap,
        _words(point.lowest),
    ]  # fmt: skip
