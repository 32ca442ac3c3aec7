"""The page that a map leaves: figures beside their closed forms, laws, energy, the recommended point, the audit."""

from typing import TYPE_CHECKING

import numpy as np

from ftj_spice.device.traps import Traps
from ftj_spice.results.plots import timing_bar
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.sampling.energy import readout_energy
from ftj_spice.sampling.figures import QUANTITIES
from ftj_spice.studies.sample_map.goal import GOALS, Recommendation
from ftj_spice.studies.sample_map.plots import MEANING, Plot, chosen_points
from ftj_spice.studies.sample_map.points import MapPoint
from ftj_spice.studies.sample_periphery import circuit_facts

if TYPE_CHECKING:
    from ftj_spice.studies.sample_map.study import MapResult


def render_map_report(result: "MapResult", drawn: list[Plot], durations: dict[str, float]) -> str:
    """Returns the page as HTML."""
    voltages, times = result.grid.shape
    single = voltages * times == 1
    report = Report(
        "The sampling array at one operating point" if single else "The sampling array over voltage and time",
        f"{voltages * times} operating points · seed {result.settings.seed} · card {result.settings.card} · audit by "
        f"{result.engine or 'nobody'}",
    )
    _overview(report, result)
    _goal(report, result, drawn)
    _circuits(report, result)
    if single:
        _table(report, result.points[0][0])
    else:
        report.section(
            "Simulation over closed form, figure by figure",
            "Left and middle share one scale of colours. Right: simulation less closed form, in standard errors from "
            f"{result.settings.units} independent columns. Red circle: the recommended point.",
        )
        _show(report, drawn, "maps")
    _agreement(report, result, drawn)
    report.section("Laws and memory of single points")
    _show(report, drawn, "laws")
    report.section("Energy")
    _show(report, drawn, "energy")
    amplifier = "" if result.periphery is not None else " The integrator's amplifier is not in any of these numbers."
    source = readout_energy(result.periphery, 0.0, 1)[1]
    report.text(f"Read-out: {source}.{amplifier}")
    _audit(report, result)
    _disturb_section(report, result)
    _meaning(report)
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    _settings(report, result)
    return report.html()


def _show(report: Report, drawn: list[Plot], section: str) -> None:
    for plot in drawn:
        if plot.section == section:
            report.figure(plot.figure, plot.caption, plot.alt)


def _overview(report: Report, result: "MapResult") -> None:
    s = result.settings
    card = result.card
    low, high = result.grid.voltages[[0, -1]].tolist()
    traps = Traps.from_card(card, 1)
    relaxation = [eng(float(traps.relaxation_time(v)[0]), "s") for v in (low, high)]
    span = f"{low:.4g} to {high:.4g} V" if high > low else f"{low:.4g} V"
    times = [eng(float(t), "s") for t in result.grid.times[[0, -1]]]
    report.facts(
        {
            "Array": f"{s.sample.rows} cells on each of {s.columns} columns, {s.copies} times each",
            "Read voltage": span,
            "Sampling time": f"{times[0]} to {times[1]}" if len(result.grid.times) > 1 else times[0],
            "τ_eff of a nominal trap": " to ".join(relaxation) if high > low else relaxation[0],
            "Spread of the time constants": f"{s.sample.time_constant_spread:g} of the card's",
            "Converter": f"{_bits(result)} bit, ±{s.sample.adc_sigmas:g}σ",
            "Samples": f"{sum(p.samples * p.units for row in result.points for p in row):.3g}",
            "Direction of the reads": f"{s.direction} polarization",
        }
        | circuit_facts(result.periphery)
    )
    report.note("\n\n".join(f"{line[0].upper()}{line[1:]}." for line in result.summary[1:3]))
    for warning in result.warnings:
        report.note(f"Warning: {warning}.")
    report.note(
        "Time constants, amplitudes and currents of this card are estimates unless the card says otherwise; shot "
        f"noise (up to {max(p.shot_noise for row in result.points for p in row):.1%} of the trap noise here) and 1/f "
        "noise are not simulated."
    )


def _goal(report: Report, result: "MapResult", drawn: list[Plot]) -> None:
    best = result.recommendation
    report.section(
        "Recommended operating point",
        f"Goal {best.goal}: {GOALS[best.goal].label}, of all points that keep the limits. Closed forms decide.\n\n"
        f"{best.reason[0].upper()}{best.reason[1:]}.",
    )
    report.table(
        [_row(goal, found, result) for goal, found in result.recommendations.items()],
        ["goal", "voltage", "time", "samples/s", "energy", "distance", "autocorrelation", "noise in steps", "binding"],
        "Every goal's point. Binding: the limits that the better points beside it miss.",
    )
    if best.neighbours:
        goal = GOALS[best.goal]
        report.table(
            [
                [
                    f"{n.point.voltage:.4g} V", eng(n.point.time, "s"),
                    eng(n.value, goal.unit) if goal.unit != "1" else f"{n.value:.3g}",
                    f"{n.value / best.value:.3g}" if best.value else "–",
                    " and ".join(c.sentence for c in n.missed) or "none",
                ]
                for n in best.neighbours
            ],
            ["voltage", "time", goal.figure, "over the recommended", "limits missed"],
            "What the points beside it would give.",
        )  # fmt: skip
    _show(report, drawn, "goal")
    report.text(
        "Noise in steps: one converter serves the whole map, with the range that fits the array's own operating point; "
        "the simulated codes, and the entropies, are those of a converter whose range follows the noise at each point."
    )


def _bits(result: "MapResult") -> int:
    model = result.periphery
    return result.settings.sample.adc_bits if model is None or model.convert is None else model.convert.bits


def _circuits(report: Report, result: "MapResult") -> None:
    if result.periphery is None:
        return
    report.section(
        "What the read-out circuits cost",
        f"{result.cost_sentence[0].upper()}{result.cost_sentence[1:]}.\n\nEvery column has a circuit of its own, drawn "
        "from the seed: offset, gain, virtual ground. Latents and codes on this page are those behind the circuits; "
        "moments, distance and autocorrelation of the current are those of the cells at the circuits' virtual grounds. "
        f"The ideal read-out is an integrator and a converter of {result.settings.sample.adc_bits} bit without errors "
        "over the same range of standard deviations.",
    )
    rows = []
    for title, (i, k) in chosen_points(result):
        point = result.points[i][k]
        cost, f = point.circuits, point.figures
        assert cost is not None
        rows.append(
            [
                title or "the point", f"{cost.information:.3f}", f"{cost.ideal_information:.3f}",
                f"{cost.bits_lost:.3f}", f"{f['latent_distance'].simulated:.4f} ± {f['latent_distance'].error:.1g}",
                f"{f['latent_distance'].closed:.4f}", f"{cost.ideal_latent_distance:.4f}", f"{cost.noise:.3g}",
                f"{cost.shift:.3g}", f"{cost.range:.3g}", eng(point.converter_energy, "J"),
            ]
        )  # fmt: skip
    report.table(
        rows,
        ["point", "bits about the traps", "ideal", "lost", "latents' distance", "closed form", "ideal", "noise (σ)",
         "shift (σ)", "range (σ)", "energy of a read"],
        "Bits: entropy of the codes less what the circuits' noise makes of it, closed form. Shift: rms over columns of "
        "the latents' mean, what trimming leaves. All points are in map.csv.",
    )  # fmt: skip


def _row(goal: str, found: Recommendation, result: "MapResult") -> list[str]:
    if found.place is None:
        return [goal, *["none"] * 7, ", ".join(found.binding)]
    point = result.points[found.place[0]][found.place[1]]
    return [
        goal, f"{point.voltage:.4g} V", eng(point.time, "s"), f"{point.rate:.4g}", eng(point.energy, "J"),
        f"{point.figures['distance'].closed:.2g}", f"{point.figures['autocorrelation_1'].closed:.2g}",
        f"{point.noise_steps:.3g}", ", ".join(found.binding) or "none",
    ]  # fmt: skip


def _table(report: Report, point: MapPoint) -> None:
    report.section("Figures of the point").table(
        [
            [QUANTITIES[n].label, f"{f.simulated:.5g}", f"{f.error:.2g}", f"{f.closed:.5g}",
             f"{f.deviation:.2f}" if np.isfinite(f.deviation) else "–", QUANTITIES[n].unit]
            for n, f in point.figures.items()
        ],
        ["figure", "simulated", "standard error", "closed form", "deviation in s.e.", "unit"],
        f"{point.samples} samples of each of {point.units} independent columns.",
    )  # fmt: skip


def _agreement(report: Report, result: "MapResult", drawn: list[Plot]) -> None:
    d = result.deviations
    i, k, name = d.place
    at = result.points[i][k]
    report.section(
        "How well they agree",
        f"The largest of {d.values.size} deviations is {d.largest:.2f} standard errors ({QUANTITIES[name].label}, "
        f"{at.voltage:.4g} V, {eng(at.time, 's')}); their rms is {np.sqrt(np.mean(d.values**2)):.3f}. The largest of "
        f"as many independent draws is {d.quantile(0.5):.2f} in the median, and above {d.allowed:.2f} once in ten "
        "thousand runs; since the figures of a point share its samples, somewhat less is to be expected.\n\nStandard "
        "errors come from leaving out one column after another (jackknife), each sampled from a fresh begin: they "
        "hold however slow the traps are.",
    )
    _show(report, drawn, "deviations")
    shift = max((p.reference_shift for row in result.points for p in row), key=abs)
    report.text(
        f"Wires and drivers are in both columns of every figure. They move the mean by up to {shift:.2g} standard "
        "deviations against the converter's reference, which does not know them."
    )


def _audit(report: Report, result: "MapResult") -> None:
    report.section("Audit")
    if not result.audits:
        report.text("No audit: it was switched off.")
        return
    report.text(
        "At points drawn at random, one column's samples again in ngspice with the same trap histories; its energy "
        "is the read voltage times the current, integrated over its time steps. The maps come from more columns of "
        "the same array by the same laws, with histories of their own."
    )
    report.table(
        [
            [
                f"{a.voltage:.4g} V", eng(a.time, "s"), a.column, a.audit.reads, f"{a.audit.largest:.1e}",
                f"{a.audit.limit:g}", f"{a.audit.differing} of {a.audit.transitions}", eng(a.energy, "J", 5),
                eng(a.spice_energy, "J", 5), f"{a.energy_deviation:.1e}", a.passes,
            ]
            for a in result.audits
        ],
        ["voltage", "time", "column", "samples", "largest deviation", "allowed", "transitions differing", "energy",
         "in ngspice", "deviation", "within"],
        f"Samples in parts of the converter's full scale, against {result.engine}.",
    )  # fmt: skip
    if result.circuit_audit is not None:
        report.text(
            "A few of the first point's samples through the transistors that the macromodel stands for, with the same "
            f"trap histories over the whole window: {result.circuit_audit.sentence}."
        )
    if not result.audits_pass:
        report.note("The audit is beyond its limit: do not trust this map.")


def _disturb_section(report: Report, result: "MapResult") -> None:
    report.section("Disturb by the reads", f"{result.disturb_sentence[0].upper()}{result.disturb_sentence[1:]}.")
    report.table(
        [
            [f"{v:.4g} V", eng(float(time), "s"), f"{flips:.2g}"]
            for v, time, flips in zip(result.grid.voltages, result.read_time, result.disturb, strict=True)
        ],
        ["voltage", "reads of one column in this map", "domains flipped if opposed"],
        "By the card's own switching law, from a saturated state; reads of one direction add up.",
    )


def _meaning(report: Report) -> None:
    report.section("What the figures mean")
    report.table(
        [[QUANTITIES[name].label, text] for name, text in MEANING.items()], ["figure", "meaning"],
        "Definitions.",
    )  # fmt: skip


def _settings(report: Report, result: "MapResult") -> None:
    rows = []
    for name, value in result.settings.model_dump().items():
        group = value if isinstance(value, dict) else {"": value}
        rows += [
            [f"{name}.{key}".rstrip("."), "automatic" if entry is None else str(entry)] for key, entry in group.items()
        ]
    report.section("Settings").table(rows, ["setting", "value"], "Every setting of the map.")
