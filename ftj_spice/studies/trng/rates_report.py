"""The page and the plot of the rates table."""

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from ftj_spice.results.plots.trng_rates import rates
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.results.units import grouped

if TYPE_CHECKING:
    from ftj_spice.studies.trng.rates import RatesResult


def rates_figure(result: "RatesResult") -> Figure:
    """Returns rate and energy over voltage, with the claims."""
    card, sweep = result.design.card, result.sweep
    limits = None
    if card.rtn_voltage_low is not None and card.rtn_voltage_high is not None:
        limits = (card.rtn_voltage_low, card.rtn_voltage_high)
    return rates(
        [p.voltage for p in sweep],
        [p.rate for p in sweep],
        [None if p.entropy is None else p.entropy * p.rate for p in sweep],
        [p.cell_energy for p in sweep],
        [p.periphery_energy for p in sweep],
        result.claims.rate,
        result.claims.energy,
        limits,
    )


def render_rates_report(result: "RatesResult", figure: Figure) -> str:
    """Returns the page as HTML; `figure` is that of `rates_figure`."""
    m, design = result.metrics, result.design
    one, at, need = m["one"], m["at_claimed_entropy"], m["for_the_claims"]
    report = Report(
        "Random bits: rates against claims",
        f"{design.variant.name} · card {design.card.name} · {design.voltage:g} V",
    )
    report.section("One digitiser", design.variant.description).facts(
        {
            "tau_c": eng(one["capture_time"], "s"),
            "tau_e": eng(one["emission_time"], "s"),
            "tau_eff": eng(one["relaxation_time"], "s"),
            "Trap filled": f"{one['occupancy']:.1%}",
            "Time per bit": eng(one["interval"], "s"),
            "Rate": eng(one["rate"], "b/s"),
            "Min-entropy, closed form": _number(one["entropy"]),
            "First bit after power-up": eng(one["first_bit"], "s"),
            "Reading a free-running bit": eng(one["free_running"], "s"),
            "Energy per bit, cells": eng(one["cell_energy"], "J"),
            "Energy per bit, digitiser": eng(one["periphery_energy"], "J"),
            "Flipped in 1 s by reads against the polarization": f"{one['disturb']:.2g}",
        }
    )
    report.table(
        [[block["block"], eng(block["energy"], "J"), block["per"], block["kind"], block["source"]]
         for block in m["periphery"]],
        ["block", "energy", "per", "kind", "source"],
        "What counts as the digitiser's energy.",
    )  # fmt: skip
    claims = m["claims"]
    report.section(
        "The claims",
        "These numbers circulate without a primary source. Nothing here supports them: the table says what they would "
        "need of this card.",
    )
    meets = need["meets"]
    first, each = (need[f"relaxation_time_for_latency_of_{name}_bit_s"] for name in ("first", "each"))
    report.table(
        [
            ["rate", eng(claims["rate"], "b/s"), eng(at["rate"], "b/s"), _yes(meets["rate_of_one_digitiser"]),
             f"{grouped(need['cells'])} cells, {eng(need['power_W'], 'W')}; or tau_eff "
             f"{eng(need['relaxation_time_of_one_digitiser_s'], 's')}"],
            ["min-entropy per bit", f"{claims['entropy']:g}", _number(at["entropy"]), _yes(meets["entropy"]),
             f"{at['relaxations']:.2f} tau_eff per bit" if meets["entropy"] else "a conditioner, or even odds"],
            ["latency, first bit", eng(claims["latency"], "s"), eng(at["first_bit"], "s"),
             _yes(meets["latency_of_first_bit"]), f"tau_eff {eng(first, 's')}"],
            ["latency, each bit", eng(claims["latency"], "s"), eng(at["interval"], "s"),
             _yes(at["interval"] <= claims["latency"]), f"tau_eff {eng(each, 's')}"],
            ["latency, free-running bit", eng(claims["latency"], "s"), eng(at["free_running"], "s"),
             _yes(meets["latency_of_free_running_bit"]), "cells that flicker all along"],
            ["energy per bit", eng(claims["energy"], "J"), eng(at["energy"], "J"), _yes(meets["energy"]),
             f"intervals up to {eng(need['longest_interval_for_energy_s'], 's')}"],
        ],
        ["quantity", "claim", "one digitiser here", "met", "what it needs"],
        "One digitiser at the interval that gives the claimed min-entropy, where one does.",
    )  # fmt: skip
    report.table(
        [_array_row(row) for row in m["arrays"]],
        ["digitisers", "tau_eff needed", "voltage", "filled", "bit/bit", "energy per bit", "power", "remark"],
        f"Digitisers side by side that give {eng(claims['rate'], 'b/s')} together, and the voltage at which this "
        "card's cells would be fast enough. The interval keeps its number of relaxation times; the entropy falls where "
        "the voltage shifts the odds of the trap.",
    )
    report.table(
        [[eng(row["time_s"], "s"), eng(row["interval_s"], "s"), grouped(row["cells"]), f"{row['entropy']:.4f}"]
         for row in m["reference"]],
        ["tau_c = tau_e", "time per bit", "cells", "bit/bit"],
        f"Cells for {eng(claims['rate'], 'b/s')} at 5 tau_eff per bit and even odds, read by their level: any card.",
    )  # fmt: skip
    report.section("Over voltage").figure(
        figure,
        "Rate and energy of one digitiser, with the claims. Where the trap's odds are not even, a bit holds less than "
        "a bit of min-entropy. Beyond the dotted lines the card's noise is extrapolated.",
        "Rate and energy against read voltage",
    )
    report.note(
        "Nominal cells without spread, raw bits. The area is that of the cells alone, and the energy leaves out the "
        "amplifier before the comparator: at picoamperes and milliseconds it may take more than all the rest."
    )
    return report.html()


def _array_row(row: dict[str, Any]) -> list[Any]:
    head = [grouped(row["digitisers"]), eng(row["relaxation_time_s"], "s")]
    if "entropy" not in row:
        return [*head, "–", "–", "–", "–", "–", "no voltage reaches it"]
    return [
        *head, eng(row["voltage_V"], "V"), f"{row['occupancy']:.0%}", _number(row["entropy"]),
        eng(row["energy_J"], "J"), eng(row["power_W"], "W"), "" if row["in_range"] else "extrapolated",
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "no closed form" if value is None else f"{value:.4f}"


def _yes(met: bool) -> str:
    return "yes" if met else "no"
