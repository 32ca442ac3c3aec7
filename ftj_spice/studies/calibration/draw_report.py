"""The page that latents from a calibrated array leave."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.results.plots import LatentMoments, latent_histogram
from ftj_spice.results.plots import calibration as plots
from ftj_spice.results.plots.run import timing_bar
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.calibration.report import settings_table
from ftj_spice.studies.generate_report import CALIBRATED_AUDIT, FEWEST_LATENTS, calibrated_facts
from ftj_spice.studies.sample_periphery import circuit_facts

if TYPE_CHECKING:
    from ftj_spice.studies.calibration.draw import DrawResult


def figures(result: "DrawResult") -> dict[str, Figure]:
    """Returns the plots of a run by file name."""
    found: dict[str, Figure] = {}
    latents, m = result.samples.latents, result.metrics
    if latents.size >= FEWEST_LATENTS and np.ptp(latents) > 0:
        law = {name: value for name, value in m["latents"]["closed_form"].items() if name != "lag1_autocorrelation"}
        found["histogram"] = latent_histogram(latents, LatentMoments(**law))
    order = np.argsort([own["kolmogorov_distance"] for own in m["columns"]])
    shown = {order[-1]: "farthest from the normal", order[len(order) // 2]: "median", order[0]: "nearest"}
    found["traces"] = plots.latents({f"latent {k}, {name}": latents[:, k] for k, name in shown.items()})
    return found


def render_draw_report(result: "DrawResult", drawn: Mapping[str, Figure], durations: dict[str, float]) -> str:
    """Returns the page as HTML.

    Args:
        result: Of the run, with its metrics.
        drawn: Of `figures`.
        durations: Seconds by phase.
    """
    samples, m = result.samples, result.metrics
    count, latents = samples.latents.shape
    calibration = samples.calibration
    report = Report(
        "Latents from a calibrated array",
        f"{count} vectors of {latents} latents · seed {result.settings.seed} · array of seed "
        f"{calibration.settings.seed} · card {calibration.card.name}",
    )
    report.section(
        "Latents",
        "Codes of the simulated read-out, standardised as the calibration says. Shot noise, kT/C noise, converter "
        "offset, quantisation and clipping are in them; the closed forms, from the cells' true values, leave offset "
        "and clipping out, and take running statistics to have found mean and variance exactly.",
    )
    if "histogram" in drawn:
        report.figure(
            drawn["histogram"], "All latents against the normal density. Standard errors are those of independent "
            "normal values.", "Histogram of the latents",
        )  # fmt: skip
    report.figure(
        drawn["traces"],
        "Latents by their distance to the normal: the nearest, the median and the farthest.",
        "Traces and histograms of latents",
    )
    report.table(
        [
            (
                "all" if own is m["latents"] else f"column {own['column']}",
                None if own is m["latents"] else own["usable"],
                *(own["simulated"][name] for name in ("mean", "variance")),
                *(
                    own[by][name]
                    for name in ("skewness", "excess_kurtosis", "lag1_autocorrelation")
                    for by in ("simulated", "closed_form")
                ),
                own["kolmogorov_distance"],
            )
            for own in (m["latents"], *m["columns"])
        ],
        ("latents", "usable", "mean", "variance", "skewness", "closed form", "excess kurtosis", "closed form",
         "lag-1 autocorrelation", "closed form", "distance to the normal"),
        "Moments, correlation of successive samples, and Kolmogorov distance to the standard normal. A normal source "
        f"of as many samples shows a distance of {m['distance_of_a_normal_source']:.4f} on average for one latent.",
    )  # fmt: skip
    report.section("The array").facts(
        calibrated_facts(samples)
        | {
            "Rate": f"{m['rate_vectors_per_s']:.4g} vectors, {m['rate_latents_per_s']:.4g} latents per second",
            "Device time": eng(m["device_time_s"], "s"),
            "Energy per latent, cells": eng(m["cells_J_per_latent"], "J"),
            "Energy per latent, read-out": eng(m["converter_J_per_latent"], "J"),
        }
        | circuit_facts(calibration.periphery)
    )
    missing = "amplifiers, references" if calibration.periphery is None else "references"
    report.note(
        f"Energies count spare columns, which are read along. Read-out: {m['converter_energy_source']}; {missing}, "
        "trim converters and logic are not in them."
    )
    if result.audit is not None:
        report.section("Audit").text(
            "Some of the columns again in ngspice, at their trims and with wires and drivers, beside the same trap "
            f"events without a circuit simulator: {result.audit.sentence}."
        )
        report.note(CALIBRATED_AUDIT)
        if not result.audit.passes:
            report.note("The audit is beyond its limit: do not trust this run.")
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    settings_table(report, result.settings)
    return report.html()
