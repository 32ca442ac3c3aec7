"""The page that a fingerprint run leaves."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.array.fingerprint.cells import PRISTINE
from ftj_spice.array.fingerprint.expected import Expected
from ftj_spice.array.fingerprint.metrics import bit_aliasing, uniformity
from ftj_spice.results.plots import array_map, timing_bar
from ftj_spice.results.plots.fingerprint import attack, balance, distance_histogram, reliability
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.fingerprint.metrics import LINES

if TYPE_CHECKING:
    from ftj_spice.studies.fingerprint.study import FingerprintResult

LARGEST_MAP = 128
"""Rows and columns of the map of conductances, at most."""
_SHORT = {
    "card": "the card's law",
    "activation": "activation energies differ (estimate)",
    "laws": "wake-up, fatigue, leakage",
    "breakdown": "… and breakdown",
    "rewriting": "… and cycle-to-cycle error",
}


def figures(result: "FingerprintResult") -> dict[str, Figure]:
    """Returns the plots of a run by file name."""
    m = result.metrics
    repeated = m["identification"]["repeated"]
    found = {
        "distances": distance_histogram(
            result.between.values,
            result.repeats.values,
            m["uniqueness"]["expected_degrees_of_freedom"],
            m["array"]["bits"],
            m["reliability"]["repeated"]["expected_bit_error"],
            repeated["threshold"],
        ),
        "balance": balance(
            uniformity(result.responses),
            m["uniformity"]["expected_sigma"],
            bit_aliasing(result.responses),
            m["bit_aliasing"]["expected_sigma"],
        ),
    }
    if result.asked:
        rows = m["reliability"]
        found["reliability"] = reliability(
            _series(rows["temperature"], "temperature_K"), _series(rows["cycles"], "cycles")
        )
    if result.attacks:
        found["attack"] = attack(
            [a.seen for a in result.attacks],
            np.stack([a.accuracy.ravel() for a in result.attacks]),
            [float(a.guess.mean()) for a in result.attacks],
            1.0 - single_error(result),
        )
    return found


def single_error(result: "FingerprintResult") -> float:
    """Returns the closed-form share of bits in which one answer differs from the noiseless one.

    Traps stand still while an attacker asks, so they are part of what is learnt. Two answers with equal noise correlate
    by rho, one of them and the noiseless one by its root.
    """
    both = np.cos(np.pi * Expected(result.readout).flips(PRISTINE))
    return float(np.arccos(np.sqrt(both)) / np.pi)


def _series(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    short = {LINES[name]: text for name, text in _SHORT.items()}
    series: dict[str, Any] = {}
    for row in rows:
        places, errors, closed = series.setdefault(short[row["what_acts"]], ([], [], []))
        places.append(row[key])
        errors.append(row["bit_error"])
        closed.append(row["expected_bit_error"])
    return series


def render_fingerprint_report(
    result: "FingerprintResult", drawn: dict[str, Figure], durations: dict[str, float]
) -> str:
    """Returns the page as HTML.

    Args:
        result: The run.
        drawn: Its plots, from `figures`.
        durations: Seconds by phase.
    """
    s, array = result.settings, result.metrics["array"]
    report = Report(
        "A fingerprint of pristine FTJ arrays",
        f"{s.chips} chips · {s.rows} x {s.columns} cells · card {result.card.name} · seed {s.seed}",
    )
    report.section(
        "What is asked",
        "Every cell is pristine: never switched, in the high-resistance state, and different from the others by the "
        "card's device-to-device spread of that state's current. A challenge turns on a random set of rows; of each "
        "pair of neighbouring columns the comparator says which integrated more charge. Wires, shot noise, kT/C noise "
        "and the states of the cells' traps act on every answer; the comparators' offsets belong to the chip.",
    )
    report.facts(
        {
            "Bits per answer": array["bits"],
            "Challenges": array["challenges"],
            "Rows on": array["rows_on"],
            "Pairs of columns": array["pairs"],
            "Read voltage": eng(array["voltage_V"], "V"),
            "Integration time": eng(array["integration_time_s"], "s"),
            "Column current": eng(array["column_current_A"], "A"),
            "Largest integrator voltage": eng(array["largest_integrator_voltage_V"], "V"),
            "Bits per second": eng(array["bits_per_second"], "b/s"),
            "Energy per bit, cells": eng(array["cell_energy_per_bit_J"], "J"),
            "Energy per bit, comparator": eng(array["comparator_energy_per_bit_J"], "J"),
        }
    )
    conductance = result.kept[0].circuit.cells if result.kept else None
    if conductance is not None:
        currents = conductance.current(result.card.vmm_voltage)[:LARGEST_MAP, :LARGEST_MAP]
        report.figure(
            array_map(currents / result.card.vmm_voltage, f"Chip {result.kept[0].tile}"),
            "Conductances of the pristine cells of one chip: the fingerprint itself.",
            "Map of conductances",
        )
    report.note(
        "Spread, time constants and noise of the nominal card are estimates, and the energy counts the cells and the "
        "comparators only (a 65 nm circuit, post-layout simulation), no drivers and no logic."
    )
    _uniqueness(report, result, drawn)
    _reliability(report, result, drawn)
    _entropy(report, result, drawn)
    if result.audit is not None:
        report.section("Audit").note(result.audit.sentence[:1].upper() + result.audit.sentence[1:] + ".")
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    rows = [[key, "automatic" if value is None else str(value)] for key, value in s.model_dump().items()]
    report.section("Settings").table(rows, ["setting", "value"], "Settings of the run.")
    return report.html()


def _uniqueness(report: Report, result: "FingerprintResult", drawn: dict[str, Figure]) -> None:
    m = result.metrics
    report.section(
        "One chip and another",
        "Uniformity, bit-aliasing, uniqueness and reliability after Maiti, Gunreddy and Schaumont (2013), steadiness "
        "after Hori et al. (ReConFig 2010). Two challenges share about half their rows, so that the bits of one pair "
        "have much in common: the distances between chips scatter like those of far fewer independent bits (degrees of "
        "freedom, as Daugman counts those of the iris).",
    )
    report.figure(
        drawn["distances"],
        "Hamming distances between chips (uniqueness) and of repeated answers at 300 K from the reference.",
        "Histograms of Hamming distances",
    )
    report.figure(
        drawn["balance"], "Ones of each chip, and of each bit over the chips.", "Histograms of the shares of ones"
    )
    unique = m["uniqueness"]
    rows = [
        _line("uniformity", m["uniformity"], 0.5, m["uniformity"]["expected_sigma"]),
        _line("bit-aliasing", m["bit_aliasing"], 0.5, m["bit_aliasing"]["expected_sigma"]),
        _line("uniqueness", unique, 0.5, unique["expected_sigma"]),
        _line("steadiness", m["steadiness"], 1.0, None),
    ]
    report.table(
        rows,
        ["metric", "mean", "sigma", "closed-form sigma", "smallest", "largest", "ideal"],
        f"Standard metrics. Degrees of freedom of the distances: {unique['degrees_of_freedom']:.0f}, closed form "
        f"{unique['expected_degrees_of_freedom']:.0f}, of {m['array']['bits']} bits.",
    )


def _reliability(report: Report, result: "FingerprintResult", drawn: dict[str, Figure]) -> None:
    m = result.metrics
    report.section("The same chip again", _what_flips(result))
    if "reliability" in drawn:
        report.figure(
            drawn["reliability"],
            "Bits that differ from the pristine reference at 300 K. The closed form takes sums as normal, wires as "
            "perfect and traps as a Poisson number of normal steps.",
            "Bit errors over temperature and cycles",
        )
    rows = [["repeated at 300 K", *_error(m["reliability"]["repeated"])]]
    rows += [[f"{r['temperature_K']:g} K: {r['what_acts']}", *_error(r)] for r in m["reliability"]["temperature"]]
    for r in m["reliability"]["cycles"]:
        rows.append([f"{r['cycles']:,g} cycle{'s' * (r['cycles'] != 1)}: {r['what_acts']}", *_error(r)])
    report.table(rows, ["condition", "reliability", "worst chip", "closed form"], "Reliability: 1 less the bit errors.")
    rows = [
        [name.replace("_", " "), f"{e['threshold']:.1%}", f"{e['equal_error']:.1e}", f"{e['observed_overlap']:.2%}"]
        for name, e in m["identification"].items()
    ]
    report.table(
        rows,
        ["answers", "threshold", "equal error rate", "observed overlap"],
        "Identification: binomial distributions with the mean and degrees of freedom of both histograms, continued far "
        "beyond what so few chips can show. Overlap: own answers farther away than the nearest other chip.",
    )


def _what_flips(result: "FingerprintResult") -> str:
    card, energy = result.card, result.card.off_activation_energy
    law = (
        "does not depend on temperature"
        if energy == 0.0
        else f"has one activation energy of {energy:g} eV for all cells, which scales all currents alike"
    )
    error = card.cycle_spread * (card.on_conductance / card.off_conductance - 1.0)
    return (
        f"The reference is one answer at 300 K. By the card's law the high-resistance current {law}: a sign can flip "
        "by noise only. A spread of the activation energies does flip signs; how large it is we have no source for, "
        "and the line with it is an estimate.\n\n"
        "Cycles scale the cells alike too, until cells break down. And cells that were ever written carry another "
        "fingerprint after every reset, if the reset leaves the card's cycle-to-cycle error of "
        f"{card.cycle_spread:.2g} of the conductance range: that is {error:.2g} times the high-resistance current, "
        f"beside a spread of {card.spread_scale * card.off_spread:.2g} from cell to cell."
    )


def _entropy(report: Report, result: "FingerprintResult", drawn: dict[str, Figure]) -> None:
    m = result.metrics
    e = m["min_entropy"]
    report.section(
        "What an attacker learns",
        "A bit is the sign of a sum: whoever has seen some answers of a pair finds its weights and predicts the rest. "
        "As a strong function, with free choice of challenges, this circuit is no protection; as a weak one, for "
        "identification or a key that never leaves the chip, it has one independent bit per disjoint pair of cells.",
    )
    if "attack" in drawn:
        report.figure(
            drawn["attack"],
            f"Logistic regression, one model per pair of columns, {result.settings.attacked} chips; unseen challenges.",
            "Share of bits predicted right against answers seen",
        )
        report.table(
            [
                [a["challenges_seen"], f"{a['predicted']:.1%}", f"{a['predicted_worst_pair']:.1%}",
                 f"{a['commoner_bit']:.1%}", f"{a['bound_bits_per_pair']:.0f}"]
                for a in m["attack"]
            ],
            ["answers seen", "predicted", "most predictable pair", "commoner bit", "bound in bits"],
            "Unseen bits predicted right. Bound: the entropy of so many answers of a pair, at most (Cover, 1965).",
        )  # fmt: skip
    report.facts(
        {
            "Min-entropy per bit, by bit-aliasing": f"{e['per_bit_by_aliasing']:.3f}",
            "What fair bits of as many chips show": f"{e['fair_bits_of_as_many_chips']:.3f}",
            "Mean correlation of a pair's bits": f"{e['mean_correlation_of_a_pairs_bits']:.2f}",
            "Bound on all bits of an answer": f"{e['bound_on_all_answers_bits']:.0f} bits",
            "Disjoint cell pairs": e["disjoint_cell_pairs"],
        }
    )
    report.note(
        "Min-entropy by bit-aliasing sees a bias that all chips share, and nothing of what bits have in common; with "
        "few chips it comes out low for fair bits too. Turn on one row at a time (rows_on = 1, challenges = rows) for "
        "bits that are independent."
    )


def _line(name: str, entry: dict[str, float], ideal: float, expected: float | None) -> list[str]:
    numbers = [f"{entry[key]:.2%}" for key in ("mean", "sigma")]
    ends = [f"{entry[key]:.2%}" for key in ("smallest", "largest")]
    return [name, *numbers, "–" if expected is None else f"{expected:.2%}", *ends, f"{ideal:.0%}"]


def _error(entry: dict[str, Any]) -> list[str]:
    closed = entry["expected_bit_error"]
    return [
        f"{entry['reliability']:.2%}",
        f"{entry['worst_chip']:.2%}",
        "–" if closed is None else f"{1 - closed:.2%}",
    ]
