"""The page that a `vmm` run leaves."""

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ftj_spice.array.budget import Budget
from ftj_spice.results.plots import array_map, timing_bar, vmm_error
from ftj_spice.results.plots.budget import error_budget as budget_figure
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.results.units import grouped
from ftj_spice.studies.energy_report import energy_section, periphery_section

if TYPE_CHECKING:
    from ftj_spice.studies.vmm_result import VmmResult

SHOWN = 5000
"""Products drawn, at most."""
LARGEST_MAP = 128
"""Rows and columns of the map of conductances, at most."""


def render_vmm_report(result: "VmmResult", durations: dict[str, float]) -> str:
    """Returns the page as HTML."""
    product = result.metrics["product"]
    report = Report(
        "A vector-matrix product on FTJ arrays",
        f"{product['source']} · {product['inputs']} x {product['outputs']} · card {result.card.name} · "
        f"{result.layer.engine}",
    )
    _product(report, result)
    _transistors(report, result)
    _budget(report, result)
    _sums(report, result)
    _audit(report, result)
    if result.periphery is not None and result.energy is not None:
        periphery_section(report, result.periphery)
        energy_section(report, result.energy, "input vector")
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    rows = [["card", result.settings.card], ["seed", str(result.settings.seed)]]
    rows += [
        [f"read.{key}", "automatic" if value is None else str(value)]
        for key, value in result.settings.read.model_dump().items()
    ]
    report.section("Settings").table(rows, ["setting", "value"], "Settings of the product.")
    return report.html()


def _product(report: Report, result: "VmmResult") -> None:
    layer, card, settings = result.layer, result.card, result.settings.read
    m = result.metrics
    error = m["error_against_ideal_weights"]
    report.section("The product")
    report.facts(
        {
            "Products": grouped(layer.outputs.size),
            "Tiles": len(layer.layer.tiles),
            "Cells": grouped(layer.layer.cells),
            "Reads": grouped(layer.reads),
            "Topology": settings.topology,
            "Scheme": f"{settings.scheme}, {settings.slices} slice{'s' * (settings.slices > 1)}",
            "Levels": _levels(settings.levels, card.levels),
            "Coding": f"{settings.coding}, {settings.input_bits} bits",
            "Converter": f"{settings.adc_bits} bits" if settings.adc_bits else "exact",
            "V_VMM": eng(card.vmm_voltage, "V"),
            "Line resistance": eng(settings.line_resistance, "Ω") + " per segment",
            "Smallest share of the ideal current": layer.reach,
            "Rms error": error["rms"],
            "Of the full scale": _percent(error["rms_relative_to_full_scale"]),
            "Effective bits": _bits(layer.effective_bits),
        }
    )
    if layer.outputs.size > 1:
        step = -(-layer.outputs.size // SHOWN)
        report.figure(
            vmm_error(
                layer.exact.ravel()[::step],
                layer.outputs.ravel()[::step],
                layer.effective_bits if math.isfinite(layer.effective_bits) else None,
                quantity="output",
            ),
            "Outputs through the arrays against the exact product of unquantised inputs and weights. Full scale: 8 "
            "standard deviations of an exact output with typical inputs; effective bits: log2 of it over sqrt(12) "
            "times the rms error.",
            "Scatter of simulated against exact outputs, and the error's histogram",
        )
    report.note(
        "Typical inputs set the converters' ranges, what calibration reads and the full scale. They are drawn from the "
        "seed, with the scale and sign of the inputs (for a decoder's layer: activations of random latents); none of "
        "them is an input that is measured here."
    )
    report.figure(
        array_map(layer.layer.tiles[0].conductance[:LARGEST_MAP, :LARGEST_MAP], "Tile 0"),
        "Programmed conductances of the first tile.",
        "Map of conductances",
    )


def _transistors(report: Report, result: "VmmResult") -> None:
    found = result.metrics.get("transistors")
    if found is None:
        return
    full = result.layer.full_scale
    report.section(
        "Transistors and their macromodel",
        "Every column of this product was read through transistors in ngspice. The same product by their macromodel "
        "beside it; the circuits of both are drawn apart, and the transistors are without noise.",
    )
    names = {
        "rms_error_by_transistors": "through transistors, against the exact product",
        "rms_error_by_macromodel": "by the macromodel, against the exact product",
        "rms_difference": "between the two",
    }
    rows = [[text, found[name], _percent(found[name] / full if full else None)] for name, text in names.items()]
    report.table(rows, ["rms error", "of the outputs", "of the full scale"], "Errors of both.")


def _budget(report: Report, result: "VmmResult") -> None:
    budget = result.budget
    if budget is None:
        return
    report.section(
        "Error budget",
        "Each imperfection by itself, all others switched off, with the same inputs, seeds and coding; then all of "
        "them. Line, driver and sense resistance are taken with ohmic cells; the line of the I-V law is what the "
        "card's law changes about that.",
    )
    if "transistors" in result.metrics:
        report.note(
            "Some eight products more through transistors would take too long: this is the budget of the product by "
            "their macromodel. How far that is from the transistors, the section above tells."
        )
    report.figure(budget_plot(budget), "Rms errors of the outputs.", "Bar chart of the error budget")
    rows = [
        [entry.label, entry.error, _percent(entry.relative), _bits(entry.effective_bits)]
        for entry in (*budget.contributions, budget.together)
    ]
    report.table(rows, ["imperfection", "rms error", "of the full scale", "effective bits"], "The same as numbers.")
    together, independent = budget.together.error, budget.root_sum_square
    share = f"{together / independent:.2f} times it" if independent > 0 else "0 as well"
    report.note(
        f"Root of the sum of the squared contributions: {independent:.4g}; all together: {together:.4g}, {share}. They "
        "differ where contributions depend on one another: clipping at the converter, for example, or levels that "
        "programming blurs."
    )


def budget_plot(budget: Budget) -> Figure:
    """Returns the plot of a budget."""
    return budget_figure(
        [entry.label for entry in budget.contributions],
        [entry.relative if budget.full_scale else 0.0 for entry in budget.contributions],
        budget.together.relative if budget.full_scale else 0.0,
        budget.root_sum_square / budget.full_scale if budget.full_scale else 0.0,
    )


def _sums(report: Report, result: "VmmResult") -> None:
    entry = next(iter(result.sums.values()))
    rows, columns = result.layer.layer.tiles[0].shape
    report.section(
        "Sums of the first tile",
        "How published arrays state their accuracy: a column's current with the chosen rows on, against the sum of the "
        "currents of its cells read one at a time. Errors of programming don't count here: the cells are taken as they "
        "are. The error against the ideal weights is the one above.",
    )
    labels = {"circuit": "wires, drivers, sense amplifiers", "with_noise": "and shot and kT/C noise of both readings"}
    report.table(
        [[labels[name], f"{sums.rms:.3%}", f"{sums.largest:.3%}"] for name, sums in result.sums.items()],
        ["what acts", "rms", "largest"],
        f"{entry.patterns} random patterns on {rows} x {columns} cells, relative to the full-scale sum of "
        f"{eng(entry.full_scale, 'A')}.",
    )


def _audit(report: Report, result: "VmmResult") -> None:
    audit = result.audit
    if audit is None:
        return
    verdict = "within" if audit.passes else "BEYOND"
    report.section("Audit").note(
        f"{audit.reads} random reads were repeated by {audit.engine}: largest deviation {audit.largest:.2e}, rms "
        f"{audit.rms:.2e}, in parts of the {audit.scale}; {verdict} the limit of {audit.limit:g}."
    )


def _levels(levels: int | None, card: int) -> str:
    return "any conductance" if levels == 0 else str(levels or card)


def _bits(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _percent(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.3g} %"
