"""The sections of a report that a periphery adds: what read the columns, and what it took."""

from collections.abc import Mapping
from typing import Any

from ftj_spice.periphery.energy import CLAIMS, LEFT_OUT, EnergyAccount
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng

BASES = {
    "transients": "measured in transients of the transistors",
    "computed": "computed from the simulated array",
    "estimate": "estimate",
}


def periphery_section(report: Report, model: Macromodel, extra: dict[str, Any] | None = None) -> None:
    """Adds what read the columns: the macromodel's figures and its fit error.

    Args:
        report: The page.
        model: The macromodel.
        extra: Further facts.
    """
    report.section(
        "Read-out circuits",
        "Each column was read by a circuit of its own, drawn from the spreads of a macromodel that was fitted to "
        "transients of transistors.",
    )
    facts: dict[str, Any] = {
        "Periphery": f"{model.title} ({', '.join(model.variants) or model.name})",
        "Process": f"{model.process}, corner {model.corner}, {model.temperature:g} K",
    }
    if (s := model.sense) is not None:
        facts |= {
            "Range": f"{eng(s.low, 'A')} to {eng(s.high, 'A')} in {eng(s.time, 's')}",
            "Gain spread": f"{s.gain_sigma:.2%}",
            "Offset spread": f"{eng(s.offset_sigma, 'A')}, {s.offset_sigma / s.span:.2%} of the range",
            "Virtual ground": f"{eng(s.ground, 'V')} ± {eng(s.ground_sigma, 'V')}",
            "Noise": f"{eng(s.noise, 'A')} rms ({s.noise_source})",
        }
    if (c := model.convert) is not None:
        facts |= {
            "Converter": f"{c.bits} bit, offset ± {c.offset_sigma:.2g} LSB, gain ± {c.gain_sigma:.2%}, noise "
            f"{c.noise:.2g} LSB"
        }
    if (d := model.decide) is not None:
        unit = "A" if d.input == "current" else "V"
        facts |= {
            "Comparator": f"offset ± {eng(d.offset_sigma, unit)}, noise {eng(d.noise, unit)}, lag {eng(d.lag, 's')}"
        }
    facts |= {"Area of a column's circuits": f"{1e12 * model.area:.0f} um²"}
    report.facts(facts | (extra or {}))
    if model.fit is None:
        report.note("This macromodel states no fit error: it was not made from transients.")
    else:
        f = model.fit
        report.note(
            f"Fit error of the macromodel: {f.largest:.2g} {_of(f.unit)} at most, {f.rms:.2g} rms, over {f.compared} "
            f"{f.against}; {model.draws} Monte Carlo draws gave the spreads. "
            + " ".join(_sentence(n) for n in model.notes)
        )


def energy_section(report: Report, account: EnergyAccount, unit: str = "image") -> None:
    """Adds the energy account, and published figures beside it.

    Args:
        report: The page.
        account: The account.
        unit: What one is for: an image, or an input vector.
    """
    f = account.figures()
    report.section("Energy")
    facts: dict[str, Any] = {f"Per {unit}": eng(f["per_image"], "J")}
    if f["per_sample"] is not None:
        facts["Per latent component"] = eng(f["per_sample"], "J")
    if f["per_read"] is not None:
        facts |= {
            "Per read of a column": eng(f["per_read"], "J"),
            "Per multiply-accumulate": eng(f["per_mac"], "J"),
            "TOPS/W": f["tops_per_watt"],
            f"Per parameter and {unit}": eng(f["per_parameter_and_image"], "J"),
        }
    facts["From transients"] = f"{account.measured_share:.1%}"
    facts |= {f"Time of the {phase} phase": eng(seconds, "s") for phase, seconds in account.seconds.items() if seconds}
    report.facts(facts)
    whole = account.total() or 1.0
    counts = {"sample": account.samples, "read": account.reads}
    report.table(
        [
            [
                i.phase, i.block, eng(i.joules / account.images, "J"),
                eng(i.joules / counts[i.phase], "J") if counts[i.phase] else None,
                eng(i.joules / account.operations, "J") if i.phase == "read" and account.operations else None,
                f"{i.joules / whole:.2%}", BASES[i.basis], i.source,
            ]
            for i in account.items
        ],
        ["phase", "block", f"per {unit}", "per sample or read", "per MAC", "share", "basis", "how"],
        "Energy by phase and block; a sample is one latent component, a read that of one column, a MAC one "
        f"multiply-accumulate of the product's weights. {_sentence(LEFT_OUT)} The time of the read phase is that of "
        "all tiles one after another.",
    )  # fmt: skip
    claims_table(report, _ours(account))


def claims_table(report: Report, ours: Mapping[str, str]) -> None:
    """Adds published figures, each with its source and how far it can be compared.

    Args:
        report: The page.
        ours: The run's own by `Claim.figure`, to stand beside them.
    """
    rows = [[c.what, c.value, ours.get(c.figure), c.node, c.source, c.comparable] for c in CLAIMS]
    header = ["published", "figure", "this run", "technology", "source", "comparable?"]
    report.table(rows, header, "Published figures. None of them counts the same things in the same technology.")


def _ours(account: EnergyAccount) -> dict[str, str]:
    f = account.figures()
    shown = {"tops_per_watt": "TOPS/W", "per_mac": "J", "per_sample": "J", "per_parameter_and_image": "J"}
    found = {k: f"{f[k]:.3g} {u}" if u != "J" else eng(f[k], u) for k, u in shown.items() if f[k] is not None}
    if "per_mac" in found:
        found["per_mac"] += " per MAC"
    if account.reads:
        for block in ("sense", "convert"):
            found[block] = f"{eng(account.total('read', block) / account.reads, 'J')} per read of a column"
    return found


def _of(unit: str) -> str:
    return {"LSB": "LSB", "range": "of the range", "probability": "of probability"}[unit]


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".") + "."
