"""The page that a calibration run leaves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ftj_spice.common.settings import Strict
from ftj_spice.results.plots import calibration as plots
from ftj_spice.results.plots.run import timing_bar
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.sampling.calibration.settings import tools_of
from ftj_spice.studies.calibration.metrics import BEFORE, warnings
from ftj_spice.studies.calibration.points import Point

if TYPE_CHECKING:
    from ftj_spice.studies.calibration.study import CalibrateResult

HARDWARE = {
    "range": "a reference-current converter and a bank of capacitors on each column",
    "standardise": "two accumulators per column and one multiplier, digital",
    "common": "one adjustable word-line supply",
    "rows": "a voltage converter on each word line; select transistors, to read single cells",
    "columns": "a voltage converter behind the virtual ground of each column",
    "select": "a pool of cells, each with a select transistor and an enable bit of its own; or none of these bits and "
    "the pool's rows raised in turns, which divides the throughput by their number",
}
"""What each tool takes on a chip."""


def _named(result: "CalibrateResult", cells: int) -> dict[str, Point]:
    return {point.scenario: point for point in result.points if point.cells == cells}


def _compared(result: "CalibrateResult") -> dict[str, Point]:
    """Returns the points whose cells are shown: untouched, trimmed, selected, both; on columns of the stored size."""
    own = _named(result, result.stored.cells) | {result.stored.scenario: result.stored}
    found: dict[frozenset[str], str] = {}
    for name in own:
        tools = frozenset(tools_of(name)) - BEFORE
        if not tools & {"common", "rows"}:
            found[tools] = name  # the last of several that do the same to the cells
    return {name: own[name] for name in found.values()}


def figures(result: "CalibrateResult") -> dict[str, Figure]:
    """Returns the plots of a run by file name."""
    found: dict[str, Figure] = {}
    m, s = result.metrics, result.settings
    if result.points:
        usable: dict[int, dict[str, plots.Spread]] = {}
        distance: dict[int, dict[str, plots.Spread]] = {}
        for entry in m["points"]:
            d = entry["distance"]
            usable.setdefault(entry["cells"], {})[entry["tools"]] = plots.Spread(
                entry["usable"], *entry["usable_interval"]
            )
            distance.setdefault(entry["cells"], {})[entry["tools"]] = plots.Spread(d["median"], d["5%"], d["95%"])
        found["usable"] = plots.usable_bars(usable)
        found["distances"] = plots.distances(distance, s.limits.distance, m["distance_of_a_normal_source"])
    compared = _compared(result)
    found["speeds"] = plots.speeds(
        {name: point.raised.ratio for name, point in compared.items()},
        {name: point.raised.occupancy for name, point in compared.items()},
        s.target,
    )
    own = _named(result, result.stored.cells) | {result.stored.scenario: result.stored}
    trims: dict[str, NDArray[np.float64]] = {}
    for name, point in own.items():
        controls = point.calibrated.controls
        for tool, values in (("columns", controls.column), ("rows", controls.row)):
            if tool in tools_of(name):
                trims[f"{tool}, of {name}"] = values
    if trims:
        found["trims"] = plots.trims(trims, s.trim_step, s.trim_range)
    shown = {name: own[name] for name in own if set(tools_of(name)) <= BEFORE} | {result.stored.scenario: result.stored}
    # The column whose distance is the median of all: neither the best nor the worst.
    found["latents"] = plots.latents(
        {name: p.latents[np.argsort(p.judgement.distance)[len(p.latents) // 2]] for name, p in shown.items()}
    )
    if result.calibration.running is not None:
        u = result.start_up
        found["start_up"] = plots.start_up(u.samples, u.mean_error, u.sigma_error, (s.limits.mean, s.limits.sigma))
    return found


def render_calibrate_report(result: "CalibrateResult", drawn: Mapping[str, Figure], durations: dict[str, float]) -> str:
    """Returns the page as HTML.

    Args:
        result: Of the run, with its metrics.
        drawn: Of `figures`.
        durations: Seconds by phase.
    """
    s = result.settings
    report = Report(
        "Calibration of a sampling array",
        f"{s.arrays} arrays of {s.columns} columns for {s.latents} latents · spread of ln(time) "
        f"{s.sample.time_constant_spread * result.card.time_constant_spread:g} · {eng(s.sample.time, 's')} at "
        f"{result.stored.raised.bias.mean():.2f} V on average · card {result.card.name} · seed {s.seed}",
    )
    _result(report, result, drawn)
    _cells(report, result, drawn)
    _stored(report, result, drawn)
    _cost(report, result)
    _circuits(report, result)
    _law(report, result)
    if result.audit is not None:
        report.section("Audit").text(
            "Calibrated columns again in ngspice, at their trims and with the same trap events: "
            f"{result.audit.sentence}."
        )
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    settings_table(report, s)
    return report.html()


def _result(report: Report, result: "CalibrateResult", drawn: Mapping[str, Figure]) -> None:
    s, m = result.settings, result.metrics
    limits = s.limits
    report.section(
        "Usable columns",
        "Every figure comes from the codes of the simulated read-out, as a chip would see them: shot noise, kT/C "
        "noise, offset, quantisation and clipping included. A column is usable when, on "
        f"{s.check_windows} fresh samples after its calibration, the correlation of successive latents stays within "
        f"{limits.autocorrelation:g}, the Kolmogorov distance of the latents as delivered to the standard normal "
        f"within {limits.distance:g}, their mean within {limits.mean:g} of 0 and their sigma within {limits.sigma:g} "
        f"of 1, and the codes' standard deviation is at least {limits.steps:g} converter steps and {limits.steps:g} "
        "times the read noise.",
    )
    if "usable" in drawn:
        report.figure(
            drawn["usable"],
            f"Share of usable columns of {m['columns_judged']}, by tools and cells per latent, with Wilson's "
            "intervals. 'none': one voltage, the design's reference, converter range and closed-form standardisation.",
            "Bars of usable columns by tools and cells per latent",
        )
        report.figure(
            drawn["distances"],
            "Kolmogorov distance of the latents to the standard normal. The converter's steps and the finite sample "
            "count in it.",
            "Medians and ranges of the distance by tools and cells per latent",
        )
        report.table(
            [
                (
                    p["cells"], p["tools"], f"{p['usable']:.1%}",
                    f"{p['usable_interval'][0]:.1%} to {p['usable_interval'][1]:.1%}",
                    *(f"{p['distance'][q]:.3f}" for q in ("5%", "median", "95%")),
                    *(f"{p['missed'][k]:.1%}" for k in ("autocorrelation", "distance", "steps", "mean", "sigma")),
                )
                for p in m["points"]
            ],
            ("cells", "tools", "usable", "95 % interval", "distance 5 %", "median", "95 %", "misses: correlation",
             "misses: distance", "misses: steps", "misses: mean", "misses: sigma"),
            "All points: usable columns, distance to the normal, and the share of columns that misses each limit.",
        )  # fmt: skip


def _cells(report: Report, result: "CalibrateResult", drawn: Mapping[str, Figure]) -> None:
    report.section(
        "The cells",
        "What the tools did to the cells; the chip itself never sees these numbers. A voltage moves ln of the "
        f"relaxation time by {0.5 * (result.card.capture_slope + result.card.emission_slope):g} per volt and ln of the "
        f"odds of the filled state by {result.card.capture_slope - result.card.emission_slope:g} per volt: a trimmed "
        "slow cell is filled most of the time, and its share of a window is skewed. One voltage moves all cells of a "
        "column alike: among several cells the spread of the speeds stays, and the slowest of them make the "
        "correlation. Only a choice of cells narrows it. Word-line trims aim at the mean speed of their cells in all "
        "columns, so that part of what they give is the common shift towards the target.",
    )
    report.figure(
        drawn["speeds"],
        f"Speeds and occupancies of the raised cells, columns of {result.stored.cells} cells.",
        "Histograms of speeds and occupancies",
    )
    if "trims" in drawn:
        report.figure(
            drawn["trims"],
            f"Trims of all arrays, columns of {result.stored.cells} cells. A word line is shared by all columns, so "
            "its trim can only follow their mean.",
            "Histograms of trims",
        )
    report.figure(
        drawn["latents"],
        "Latents of a column before and after: for each set of tools that column whose distance is the median.",
        "Traces and histograms of latents",
    )


def _stored(report: Report, result: "CalibrateResult", drawn: Mapping[str, Figure]) -> None:
    m = result.metrics
    stored = m["stored"]
    report.section("The stored calibration", "Trims, cells and statistics of the first array, in calibration.npz.")
    report.facts(
        {
            "Tools": stored["tools"],
            "Cells per latent": stored["cells"],
            "Usable columns": f"{stored['usable_columns_of_its_array']} of {result.settings.columns}",
            "Latents from usable columns": f"{stored['latents_from_usable_columns']} of {stored['latents']}",
            "Calibration": eng(stored["calibration_s"], "s"),
            "Energy per latent, cells": eng(stored["latent_cells_J"], "J"),
        }
    )
    for sentence in warnings(stored, result.card):
        report.note(f"{sentence[0].upper()}{sentence[1:]}.")
    if "start_up" in drawn:
        needed = m["start_up"]["samples"]
        end = "never within the run" if needed is None else f"from {needed} samples on"
        report.figure(
            drawn["start_up"],
            "Errors of running mean and standard deviation that begin from nothing, in standard deviations of the long "
            f"run before: 95 % of the columns are within the limits {end}.",
            "Errors of running statistics against the number of samples",
        )
    if m["memory"]:
        report.table(
            [
                (
                    "all" if e["samples"] == 0 else e["samples"], f"{e['usable']:.1%}", f"{e['distance_median']:.3f}",
                    f"{e['autocorrelation_median']:.3f}",
                )
                for e in m["memory"]
            ],
            ("memory (samples)", "usable", "median distance", "median correlation"),
            "The stored array with other memories of its running statistics, on the same codes.",
        )  # fmt: skip
    report.table(
        [
            (
                e["temperature_K"], e["time_constant_factor"],
                *(f"{e[k]['usable']:.1%}" for k in ("fixed_statistics", "running_statistics")),
                *(f"{e[k]['sigma_median']:.3f}" for k in ("fixed_statistics", "running_statistics")),
                f"{e['running_statistics']['distance_median']:.3f}",
                f"{e['running_statistics']['autocorrelation_median']:.3f}",
            )
            for e in m["temperature"]
        ],
        ("temperature (K)", "time constants", "usable, fixed statistics", "usable, running", "sigma, fixed",
         "sigma, running", "distance, running", "correlation, running"),
        f"The stored array at other temperatures, its trims unchanged: the factor on all time constants by the card's "
        f"barrier of {result.card.trap_barrier:g} eV; with the statistics as calibrated, and with statistics that went "
        "on long enough to forget. Currents do not move in this table.",
    )  # fmt: skip


def _cost(report: Report, result: "CalibrateResult") -> None:
    s = result.settings
    report.section(
        "What it costs",
        f"Area in cells; the spare columns add {s.spare} to {s.latents}. Device time is that of one array's "
        "calibration: all columns are read side by side. Energies are per column or per latent sample: cells, and the "
        f"read-out ({result.metrics['converter_energy_source']}); {_uncounted(result)}references, trim converters and "
        "logic are not in them. The throughput "
        f"stays one latent vector in {eng(s.sample.time * (1 + s.sample.reset_fraction), 's')}, unless selected rows "
        "are raised in turns.",
    )
    report.table(list(HARDWARE.items()), ("tool", "hardware"), "What each tool takes on a chip.")
    report.table(
        [
            (
                p["cells"], p["tools"], p["cells_per_column"],
                None if p["cells_per_usable_latent"] is None else f"{p['cells_per_usable_latent']:.4g}",
                f"{p['arrays_complete_without_spares']:.0%}", f"{p['arrays_complete']:.0%}",
                eng(p["calibration_s"], "s") if p["calibration_s"] else None,
                eng(p["calibration_cells_J_per_column"] + p["calibration_converter_J_per_column"], "J")
                if p["calibration_s"] else None,
                eng(p["latent_cells_J"], "J"), eng(p["latent_converter_J"], "J"),
                f"{p['cells_beyond_card_voltages']:.1%}",
            )
            for p in result.metrics["points"]
        ],
        ("cells", "tools", "cells per column", "cells per usable latent", "complete arrays, no spares",
         "complete arrays", "calibration", "energy of it, per column", "cells, per latent", "converter, per latent",
         "cells beyond card voltages"),
        f"Costs. Complete: all {s.latents} latents from usable columns, without and with the spare ones.",
    )  # fmt: skip


def _circuits(report: Report, result: "CalibrateResult") -> None:
    model = result.calibration.periphery
    if model is None:
        return
    cost = result.metrics["periphery"]
    report.section(
        "What the read-out circuits cost",
        f"Every column is read by a circuit of its own, a macromodel of {model.process}/{model.name} ({model.title}): "
        "offset, gain and virtual ground are drawn from the seed, and the tools see nothing but its codes. Beside it "
        "the same tools on the same cells behind the ideal read-out, an integrator without noise of its own and a "
        f"converter of {result.settings.sample.adc_bits} bit.",
    )
    report.table(
        [
            (
                name, f"{own['columns']:.0f}", f"{own['usable']:.1%}", f"{own['distance_median']:.4f}",
                f"{own['autocorrelation_median']:.4f}", f"{own['sigma_median']:.3f}", f"{own['bits_median']:.2f}",
            )
            for name, own in (("circuits", cost["circuits"]), ("ideal", cost["ideal"]))
        ],
        ("read-out", "columns", "usable", "distance to the normal", "correlation", "sigma", "bits of a sample"),
        f"Medians over columns, tools of the stored calibration. Bits: log2(1 + s/n)/2 with the noise n of read-out "
        f"and quantisation and the rest s of the codes' variance; {cost['bits_lost']:.2f} lost.",
    )  # fmt: skip


def _uncounted(result: "CalibrateResult") -> str:
    return "amplifiers, " if result.calibration.periphery is None else ""


def _law(report: Report, result: "CalibrateResult") -> None:
    law = result.metrics["exact_law"]
    report.section("Measured and exact distances").text(
        "The stored array's columns once more on a long run: the median Kolmogorov distance of the codes to the normal "
        f"of their own mean and variance is {law['measured_median']:.4f}. The exact law of the column current gives "
        f"{law['exact_median']:.4f}; the converter's steps add up to {law['quantisation_median']:.4f}, and a finite "
        f"sample of a normal source shows {law['sampling']:.4f} on average. The largest excess over the exact law and "
        f"the steps is {law['largest_excess']:.4f}."
    )
    report.note(
        "What is left out: drift and ageing of the cells, traps beside the dominant one, the spread of the slopes with "
        "voltage (all cells share the card's), 1/f noise, and noise of references and trims. Reads are taken to be in "
        "the direction of the stored polarization; against it they would disturb it."
    )


def settings_table(report: Report, settings: Strict) -> None:
    """Adds a section with all settings of a run."""
    rows = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Strict):
            rows += [(f"{name}.{key}", str(getattr(value, key)), "") for key in type(value).model_fields]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            rows.append((name, shown, " ".join((field.description or "").split())))
    report.section("Settings").table(rows, ("setting", "value", "meaning"), "All settings of the run.")
