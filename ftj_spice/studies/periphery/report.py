"""The page of a run of periphery circuits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ftj_spice.netlist.catalogue.variant import KINDS
from ftj_spice.periphery.figures import FIGURES
from ftj_spice.results.manifest import without_places
from ftj_spice.results.plots import timing_bar
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.periphery import tables
from ftj_spice.studies.periphery.decision import CURRENTS, JOBS, READ_TIMES, Choice, choose_chain
from ftj_spice.studies.periphery.energies import energy_section
from ftj_spice.studies.periphery.grouping import grouped, listing, of_draws, of_figures
from ftj_spice.studies.periphery.macromodels import macromodel_section
from ftj_spice.studies.periphery.plots import Plot
from ftj_spice.studies.periphery.results import VariantResults
from ftj_spice.studies.periphery.settings import nominal_condition
from ftj_spice.studies.periphery.statistics import CONFIDENCE

if TYPE_CHECKING:
    from ftj_spice.studies.periphery.study import PeripheryResult

LEAST_DRAWS = 5
"""Draws that a decision table needs."""
WIDEST = 6
"""Variants side by side in one table."""
TRADE_OFFS = (
    "Error: offset (its spread over mismatch where there are draws, else the systematic one) and noise, squares "
    "summed; for latches the smallest contrast that is told right, for converters the largest INL, rms over the draws. "
    "Hollow: circuits that break a limit, or of which no draw works. Bold edges and the dashed line: those that no "
    "other of the rest beats in both quantities."
)


SYSTEMATIC = (
    "Without Monte Carlo draws (--mc) the offsets are the systematic ones only: far smaller than those of real chips, "
    "whose devices differ."
)


def render_periphery_report(result: "PeripheryResult", plots: Sequence[Plot], durations: Mapping[str, float]) -> str:
    """Returns the page as HTML."""
    names = ", ".join(result.processes)
    report = Report("Periphery circuits, side by side", f"{names} · card {result.card.name} · {result.engine}")
    _overview(report, result)
    for process, variants in result.variants.items():
        _figures(report, result, process, list(variants.values()))
    _trade_offs(report, result, plots)
    _decisions(report, result)
    energy_section(report, result)
    _draws(report, result, plots)
    _conditions(report, result)
    _at_work(report, result, plots)
    _declarations(report, result)
    macromodel_section(report, result)
    report.section("Where the time went").figure(
        timing_bar(dict(durations)), "Wall time by phase, before this page was written.", "Bar chart of seconds"
    )
    values = [[key, tables.listed(value)] for key, value in result.settings.model_dump().items()]
    report.section("Settings").table(values, ["setting", "value"], "Settings of the run.")
    return report.html()


def _overview(report: Report, result: "PeripheryResult") -> None:
    first = next(iter(result.variants.values()))
    conditions = max((len(one.conditions) for one in first.values()), default=0)
    report.facts(
        {
            "variants": len(result.subjects),
            "processes": len(result.processes),
            "conditions": conditions,
            "Monte Carlo draws": result.settings.mc,
            "seed": result.settings.seed,
            "not measured": len(result.problems),
        }
    )
    for note in result.notes:
        report.note(f"{without_places(note)}.")
    if result.problems:
        report.note("What could not be measured:\n\n" + "\n\n".join(result.problems))


def _figures(report: Report, result: "PeripheryResult", process: str, variants: Sequence[VariantResults]) -> None:
    one = result.processes[process]
    nominal = nominal_condition(one)
    report.section(
        f"Figures in {process}",
        f"{one.title}, corner {nominal.corner}, {nominal.temperature:g} K, nominal supplies. Bold: the best of its "
        "kind among those that keep their limit and of which some draw works. Crossed out: beyond its limit, with the "
        "reason below and where the pointer rests. A dash: its bench does not measure that.",
    )
    for kind in KINDS:
        group = [variant for variant in variants if variant.kind == kind]
        if not group:
            continue
        group.sort(key=lambda variant: variant.bench)
        for first in range(0, len(group), WIDEST):
            rows, header = tables.figure_table(group[first : first + WIDEST], group)
            report.table(rows, header, f"{kind} circuits in {process}{', continued' if first else ''}.")
        broken = [f"{v.variant}, {tables.title(name)}: {text}" for v in group for name, text in v.broken.items()]
        if broken:
            report.text("Beyond their limits:\n\n" + "\n\n".join(broken))
    unread = [variant for variant in variants if not variant.kind]
    if unread:
        report.table([[v.variant, v.error] for v in unread], ["variant", "why"], "Variants that could not be read.")


def _trade_offs(report: Report, result: "PeripheryResult", plots: Sequence[Plot]) -> None:
    found = [plot for plot in plots if plot.section == "trade-offs"]
    if found:
        report.section("Trade-offs", TRADE_OFFS)
        if not result.settings.mc:
            report.note(SYSTEMATIC)
    for plot in found:
        report.figure(
            plot.figure, f"{plot.title} in {plot.process}.", "Energy, time, error and area against each other"
        )


def _decisions(report: Report, result: "PeripheryResult") -> None:
    report.section(
        "What to take",
        "For a device current (of one cell that is on, at the read voltage) and a time per read: the chain of a sense "
        "circuit and a comparator or converter that keeps the error within its limit with the least energy, by the "
        "figures above. The error is the root of the sum of squares of offset and noise currents, nonlinearity, gain "
        "spread, the second stage's offset and noise through the gain, its quantisation and INL, all over the full "
        "scale, which must lie within the ranges of both; contrast and INL are rms over the draws. \"Calibrated\" "
        "means that it holds only once each column's offset and gain are known and taken out of the codes. In "
        "brackets: chains that are fast enough but miss the limit, by less than ten times. A dash: no chain of this "
        "run is fast enough and has the range.",
    )  # fmt: skip
    if result.settings.mc < LEAST_DRAWS:
        report.note(f"{SYSTEMATIC} A choice by them would mislead: this table needs {LEAST_DRAWS} draws.")
        return
    for process, variants in result.variants.items():
        for job in JOBS:
            choices = [[choose_chain(job, variants, current, time) for time in READ_TIMES] for current in CURRENTS]
            if not any(choice.chain for row in choices for choice in row):
                report.text(f"{process}, {job.title}: no chain of this run has the range.")
                continue
            rows = [
                [eng(current, "A", 1), *(_choice(choice) for choice in row)]
                for current, row in zip(CURRENTS, choices, strict=True)
            ]
            header = ["device current", *(eng(time, "s", 1) for time in READ_TIMES)]
            report.table(
                rows, header,
                f"{process}: {job.title}, rms error within {100 * job.limit:.3g} % of full scale ({job.why}).",
            )  # fmt: skip


def _choice(choice: Choice) -> str | None:
    if choice.chain is None:
        return None
    error = choice.chain.calibrated_error if choice.calibrated else choice.chain.error
    text = f"{choice.chain.name}, {100 * error:.2g} %, {eng(choice.chain.energy, 'J', 2)}"
    if choice.calibrated:
        text += ", calibrated"
    return text if choice.reaches else f"({text})"


def _draws(report: Report, result: "PeripheryResult", plots: Sequence[Plot]) -> None:
    if not result.settings.mc:
        return
    report.section(
        "Monte Carlo",
        f"{result.settings.mc} draws of mismatch in the nominal condition. The spread's standard error is "
        "spread / sqrt(2 (n - 1)). Yield: share of draws in which everything could be measured and every limit on a "
        f"drawn figure holds, with its exact {100 * CONFIDENCE:g} % interval (Clopper and Pearson).",
    )
    for process, variants in result.variants.items():
        rows, header = tables.draw_table(list(variants.values()))
        if rows:
            report.table(rows, header, f"Draws in {process}.")
        lost = [
            f"{one.variant}: {line}"
            for one in variants.values()
            for line in of_draws(one.draw_errors, result.settings.mc)
        ]
        if lost:
            report.text("Draws with something that could not be measured:\n\n" + "\n\n".join(lost))
    for plot in _of(plots, "draws"):
        report.figure(plot.figure, f"{plot.title} in {plot.process}.", "Histograms with normal law and limits")


def _conditions(report: Report, result: "PeripheryResult") -> None:
    if all(len(one.conditions) < 2 for variants in result.variants.values() for one in variants.values()):
        return
    report.section(
        "Corners, temperature, supply",
        "Nominal devices over all conditions of the run: the figure in the nominal condition, then its smallest and "
        "largest value with where they stand. All values are in results.csv.",
    )
    for process, variants in result.variants.items():
        for one in variants.values():
            rows = tables.condition_table(one)
            if rows:
                report.table(
                    rows, ["figure", "nominal", "smallest", "where", "largest", "where"], f"{one.variant} in {process}."
                )
            said = [(c.label, c.error) for c in one.conditions if c.error is not None]
            said += [(c.label, of_figures(c.failures)) for c in one.conditions[1:] if c.failures]
            errors = [f"{listing(labels)}: {text}" for text, labels in grouped(said).items()]
            if errors:
                report.text(f"{one.variant} in {process}, not measured:\n\n" + "\n\n".join(errors))


def _at_work(report: Report, result: "PeripheryResult", plots: Sequence[Plot]) -> None:
    found = _of(plots, "operation", "curves")
    if not found:
        return
    report.section(
        "At work",
        "A typical operation of each circuit with nominal devices in each process, then its transfer curves.",
    )
    whats = {"operation": "a typical operation", "curves": "transfer curves"}
    for one in result.subjects:
        for section, what in whats.items():
            for plot in found:
                if (plot.title, plot.section) == (one.name, section):
                    title = result.variants[plot.process][one.name].title
                    report.figure(plot.png, f"{one.name} ({title}) in {plot.process}: {what}.", f"{what} of {one.name}")


def _declarations(report: Report, result: "PeripheryResult") -> None:
    report.section(
        "What stands behind the figures",
        "Areas are sums over all devices of gate area, of capacitors by the process's density, of resistors by its "
        "sheet resistance and width, times the layout factor: "
        + "; ".join(f"{name} {p.layout_factor:g} ({p.layout_source})" for name, p in result.processes.items())
        + ". Ideal elements take no area and no energy of their own. Transients hold no thermal noise; where a noise "
        "figure comes from is said below.",
    )
    for process, variants in result.variants.items():
        rows = tables.parts_table(variants.values())
        if rows:
            report.table(
                rows, ["variant", "transistors", "capacitors", "resistors", "ideal elements"],
                f"What the circuits are made of, in {process}.",
            )  # fmt: skip
    notes = _notes(result)
    if notes:
        report.table(notes, ["variant", "processes", "figures", "declared by its bench"], "Declarations.")


def _notes(result: "PeripheryResult") -> list[list[str]]:
    """Returns what the benches declare, each sentence once with the figures that it is about."""
    seen: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for subject in result.subjects:
        for process, variants in result.variants.items():
            for name, text in variants[subject.name].notes.items():
                if name != "area":
                    processes, names = seen.setdefault((subject.name, text), ({}, {}))
                    processes[process] = names[tables.title(name) if name in FIGURES else name] = None
    return [
        [variant, ", ".join(processes), ", ".join(names), text] for (variant, text), (processes, names) in seen.items()
    ]


def _of(plots: Iterable[Plot], *sections: str) -> list[Plot]:
    return [plot for plot in plots if plot.section in sections]
