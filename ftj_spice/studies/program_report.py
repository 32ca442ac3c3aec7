"""The page that a `program` run leaves."""

from typing import TYPE_CHECKING

import numpy as np

from ftj_spice.array.writing.outcome import REASONS
from ftj_spice.array.writing.schemes import scheme_of
from ftj_spice.common.settings import Strict
from ftj_spice.results.plots.program import CellWay, cell_maps, cell_way, half_select, level_histogram, pulse_counts
from ftj_spice.results.plots.run import timing_bar
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng

if TYPE_CHECKING:
    from ftj_spice.studies.program import ProgramStudy

LISTED = 40
"""Failed cells shown on the page; the file holds all."""


def render_program_report(study: "ProgramStudy", durations: dict[str, float]) -> str:
    """Returns the page as HTML."""
    r, s = study.result, study.settings
    rows, columns = r.target.shape
    report = Report(
        "A programmed FTJ array",
        f"{rows} x {columns} cells · {s.levels} levels · scheme {s.scheme} · {s.topology} · card {study.card.name} · "
        f"{r.engine} · seed {study.seed}",
    )
    _result(report, study)
    _ways(report, study)
    _neighbours(report, study)
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    _settings(report, s)
    return report.html()


def _result(report: Report, study: "ProgramStudy") -> None:
    r, m, s = study.result, study.metrics, study.settings
    report.section(
        "Result",
        "The array is erased as a whole, then written row by row, all columns of a row side by side: SET pulses of "
        "rising amplitude with a verify read after each, finished cells inhibited, and RESET pulses of rising "
        "amplitude for cells that went too far.",
    )
    sigma = m["error_steps"]["sigma"]
    report.facts(
        {
            "Cells": m["cells"],
            "Failed": m["failed"],
            "Pulses per cell": m["pulses"]["mean"],
            "Energy per cell": eng(m["energy_J"]["mean"], "J"),
            "Error, sigma": "–" if sigma is None else f"{sigma:.3f} level steps",
            "Tolerance": f"±{s.tolerance:g} level steps",
        }
    )
    low = float(study.card.off_conductance + (study.card.on_conductance - study.card.off_conductance) * s.low)
    report.figure(
        level_histogram((r.conductance - low) / r.step, study.targets.level, s.levels, s.tolerance, r.failed),
        f"Conductances at {study.card.vmm_voltage:g} V after programming, as level numbers: cells of even and odd "
        "levels in two shades, the tolerance of each level shaded, failed cells red.",
        "Histogram of programmed conductances by level",
    )
    report.figure(
        pulse_counts(r.pulses, r.energy - r.erase_energy, study.targets.level),
        "Pulses per cell, and the energy of a cell's own pulses by level, without the erase pulse's "
        f"{eng(float(r.erase_energy.mean()), 'J')}: conduction, switching, and charging the cell.",
        "Histogram of pulse counts, and mean energy by level",
    )
    if r.failures:
        shown = r.failures[:LISTED]
        more = f" The first {LISTED} of {len(r.failures)}; failed.csv holds all." if len(r.failures) > LISTED else ""
        report.table(
            [(f.row, f.column, eng(f.target, "S"), eng(f.reached, "S"), f.reason) for f in shown],
            ("row", "column", "target", "reached", "reason"),
            "Cells that do not hold their target." + more,
        )
        used = dict.fromkeys(f.reason for f in r.failures)
        report.note("\n\n".join(f"{name}: {REASONS[name]}." for name in used))
    else:
        report.text("Every cell holds its target.")


def _ways(report: Report, study: "ProgramStudy") -> None:
    r = study.result
    report.section("Two cells on their way")
    for trace in r.traces:
        name = f"row {trace.row}, column {trace.column}: level {study.targets.level[trace.row, trace.column]}"
        target = float(r.target[trace.row, trace.column])
        way = CellWay(name, trace.amplitude, trace.applied, trace.seen, target, r.tolerance * r.step)
        report.figure(
            cell_way(way),
            f"Pulses of the row and verify reads of the cell at {name}. The erase pulse is not shown.",
            "Pulse amplitudes and verify reads against the pulse number",
        )


def _neighbours(report: Report, study: "ProgramStudy") -> None:
    r, s = study.result, study.settings
    scheme = scheme_of(s.scheme, s.inhibit_voltage)
    report.section(
        "Neighbours",
        f"Scheme {s.scheme}: a cell beside the written ones in its row sees {scheme.same_row:.3g} of the pulse, in its "
        f"column {scheme.same_column:.3g}, elsewhere {scheme.elsewhere:.3g}.",
    )
    report.figure(
        cell_maps(r.error, r.disturb, r.failed),
        "Left, errors at the end, failed cells crossed out. Right, what the pulses on other rows changed after a "
        "cell's own row was done.",
        "Maps of errors and of disturb over the array",
    )
    from ftj_spice.studies.program import HALF_SELECT_COUNTS

    seen: dict[str, np.ndarray] = {}
    for h in study.half_select:
        if h.place in ("same column", "same row") and (h.scheme == "inhibit" or h.place == "same column"):
            seen[f"{h.scheme}: {h.voltage:.2f} V"] = h.flips
    report.figure(
        half_select(HALF_SELECT_COUNTS, seen),
        "Share of the domains of a saturated cell that pulses of 3.5 V and 1 us on its neighbours flip, by the "
        "switching law with 20,000 activation fields. The array above is followed with fewer groups of domains "
        f"({s.groups}), which leave out the weakest percent.",
        "Share of flipped domains against the number of pulses, by scheme",
    )
    report.text("More groups (`--set groups=96`) follow the weak domains, and so the disturb, more closely.")
    if study.ladder is not None:
        report.text(
            "Verify reads take the wires of the selected row and of the columns into account, not the other rows' "
            f"cells. {study.ladder.sentence.capitalize()}."
        )


def _settings(report: Report, settings: Strict) -> None:
    rows = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Strict):
            rows += [(f"{name}.{key}", str(getattr(value, key)), "") for key in type(value).model_fields]
        else:
            rows.append((name, str(value), " ".join((field.description or "").split())))
    report.section("Settings").table(rows, ("setting", "value", "meaning"), "All settings of the run.")
