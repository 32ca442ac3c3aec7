"""The numbers of a fingerprint run, and what to say about them."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.fingerprint.attack import cover_bound
from ftj_spice.array.fingerprint.cells import PRISTINE, Condition
from ftj_spice.array.fingerprint.metrics import (
    Distances,
    bit_aliasing,
    fair_min_entropy,
    identify,
    min_entropy,
    uniformity,
)
from ftj_spice.array.fingerprint.readout import COMPARATOR_ENERGY, SUPPLY
from ftj_spice.results.units import engineering as eng

if TYPE_CHECKING:
    from ftj_spice.studies.fingerprint.study import Asked, FingerprintResult

LINES = {
    "card": "the card's law: one activation energy for all cells",
    "activation": "activation energies that differ from cell to cell (estimate)",
    "laws": "wake-up, fatigue and leakage",
    "breakdown": "these, and cells that break down at the write voltage",
    "rewriting": "these, and resets with the card's cycle-to-cycle error",
}
"""What acts, by the name of a line of conditions."""


def measure(result: "FingerprintResult") -> dict[str, Any]:
    """Returns the numbers of a run, for `metrics.json`."""
    s, readout, expected = result.settings, result.readout, result.expected
    bits = s.challenges * s.pairs
    ones, aliasing = uniformity(result.responses), bit_aliasing(result.responses)
    correlation = expected.challenge_correlation(result.challenges)
    freedom, between, repeats = expected.freedom(correlation), result.between, result.repeats
    charge = readout.time / s.integration_capacitance
    energy = result.card.vmm_voltage * float(result.currents.sum(axis=1).mean()) * readout.time / s.pairs
    numbers: dict[str, Any] = {
        "array": {
            "card": result.card.name,
            "state": "pristine: never switched, high-resistance, spread by the card's 'off_spread'",
            "chips": s.chips,
            "rows": s.rows,
            "columns": s.columns,
            "pairs": s.pairs,
            "challenges": s.challenges,
            "rows_on": s.on,
            "bits": bits,
            "voltage_V": result.card.vmm_voltage,
            "integration_time_s": readout.time,
            "column_current_A": float(result.currents.mean()),
            "largest_integrator_voltage_V": float(np.max(np.abs(result.currents))) * charge,
            "bits_per_second": s.pairs / readout.time,
            "cell_energy_per_bit_J": energy,
            "comparator_energy_per_bit_J": COMPARATOR_ENERGY,
        },
        "uniformity": {**_spread(ones), "expected_sigma": expected.uniformity_sigma(correlation)},
        "bit_aliasing": {**_spread(aliasing), "expected_sigma": 0.5 / s.chips**0.5},
        "uniqueness": {
            **_spread(between.values),
            "degrees_of_freedom": between.freedom,
            "expected_degrees_of_freedom": freedom,
            "expected_sigma": 0.5 / freedom**0.5,
            "expected_sigma_of_independent_bits": 0.5 / bits**0.5,
        },
        "reliability": {
            "repeated": _reliability(repeats, expected.flips(PRISTINE)),
            "temperature": [
                {"what_acts": LINES[a.name], "temperature_K": a.condition.temperature, **_asked(a, result)}
                for a in result.asked
                if a.condition.cycles == 0
            ],
            "cycles": [
                {"what_acts": LINES[a.name], "cycles": a.condition.cycles, **_asked(a, result)}
                for a in result.asked
                if a.condition.cycles
            ],
        },
        "steadiness": _spread(result.steadiness),
        "identification": {
            "repeated": _identification(result.between, repeats),
            **{
                f"worst_{name}": _identification(result.between, worst.distances)
                for name, worst in (("temperature", _worst(result, False)), ("cycles", _worst(result, True)))
                if worst is not None
            },
        },
        "min_entropy": {
            "per_bit_by_aliasing": min_entropy(aliasing),
            "fair_bits_of_as_many_chips": fair_min_entropy(s.chips),
            "mean_correlation_of_a_pairs_bits": float((correlation.sum() - len(correlation)) / max(
                len(correlation) * (len(correlation) - 1), 1)),
            "bound_on_all_answers_bits": s.pairs * cover_bound(s.challenges, s.rows + 1),
            "disjoint_cell_pairs": s.rows * s.pairs,
        },
        "attack": [
            {
                "challenges_seen": a.seen,
                "predicted": float(a.accuracy.mean()),
                "predicted_worst_pair": float(a.accuracy.max()),
                "commoner_bit": float(a.guess.mean()),
                "bound_bits_per_pair": cover_bound(a.seen, s.rows + 1),
            }
            for a in result.attacks
        ],
        "passes": result.passes,
    }  # fmt: skip
    if result.audit is not None:
        audit = result.audit
        numbers["audit"] = {
            "reads": audit.reads,
            "largest_deviation": audit.largest,
            "rms_deviation": audit.rms,
            "limit": audit.limit,
            "engine": audit.engine,
            "passes": audit.passes,
        }
    return numbers


def summarise(result: "FingerprintResult", metrics: dict[str, Any]) -> list[str]:
    """Returns a run's numbers in a few lines."""
    m, array = metrics, metrics["array"]
    unique, repeated = m["uniqueness"], m["reliability"]["repeated"]
    lines = [
        f"{array['chips']} chips of {array['rows']} x {array['columns']} pristine cells, {array['bits']} bits each "
        f"({array['challenges']} challenges x {array['pairs']} pairs), {eng(array['integration_time_s'], 's')} and "
        f"{eng(array['cell_energy_per_bit_J'] + array['comparator_energy_per_bit_J'], 'J')} per bit",
        f"uniformity {_percent(m['uniformity'])}, bit-aliasing {_percent(m['bit_aliasing'])}, uniqueness "
        f"{_percent(unique)}: {unique['degrees_of_freedom']:.0f} degrees of freedom "
        f"(closed form {unique['expected_degrees_of_freedom']:.0f}, bits {array['bits']})",
        f"reliability {repeated['reliability']:.2%} repeated (closed form {1 - repeated['expected_bit_error']:.2%}), "
        f"steadiness {m['steadiness']['mean']:.3f}",
    ]
    for what, key, unit in (("temperature", "temperature_K", "K"), ("cycles", "cycles", "cycles")):
        rows = m["reliability"][what]
        lines += [
            f"  {what}, {name}: {_worst_row(rows, name)['reliability']:.2%} at the worst, "
            f"{_worst_row(rows, name)[key]:g} {unit}"
            for name in dict.fromkeys(row["what_acts"] for row in rows)
        ]
    lines.append(
        "equal error rate of binomial fits: "
        + ", ".join(
            f"{name.replace('_', ' ')} {entry['equal_error']:.1e}" for name, entry in m["identification"].items()
        )
    )
    entropy = m["min_entropy"]
    lines.append(
        f"min-entropy by bit-aliasing {entropy['per_bit_by_aliasing']:.3f} per bit (fair bits of {array['chips']} "
        f"chips would show {entropy['fair_bits_of_as_many_chips']:.3f}); independent bits: "
        f"{entropy['disjoint_cell_pairs']}, one per disjoint cell pair"
    )
    if m["attack"]:
        first, last = m["attack"][0], m["attack"][-1]
        lines.append(
            f"sums can be learnt: logistic regression predicts {first['predicted']:.1%} of unseen bits after "
            f"{first['challenges_seen']} challenges, {last['predicted']:.1%} after {last['challenges_seen']}"
        )
    if result.audit is not None:
        lines.append(f"audit: {result.audit.sentence}")
    if array["largest_integrator_voltage_V"] > SUPPLY:
        lines.append(
            f"note: an integrator would reach {array['largest_integrator_voltage_V']:.2g} V, more than a supply of "
            f"{SUPPLY:g} V; shorten 'integration_time' or enlarge 'integration_capacitance'"
        )
    return lines


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "sigma": float(values.std()),
        "smallest": float(values.min()),
        "largest": float(values.max()),
    }


def _reliability(distances: Distances, expected: float | None) -> dict[str, Any]:
    return {
        "reliability": 1.0 - distances.mean,
        "worst_chip": 1.0 - float(distances.values.max()),
        "bit_error": distances.mean,
        "expected_bit_error": expected,
    }


def _asked(asked: "Asked", result: "FingerprintResult") -> dict[str, Any]:
    return _reliability(asked.distances, expected_flips(result, asked.condition))


def expected_flips(result: "FingerprintResult", condition: Condition) -> float | None:
    """Returns the closed form of a condition's bit errors; none where there is no closed form."""
    return None if condition.breakdown or condition.rewriting else result.expected.flips(condition)


def _worst(result: "FingerprintResult", cycles: bool) -> "Asked | None":
    """Returns the condition with the most bit errors, of temperature or of cycles."""
    own = [asked for asked in result.asked if bool(asked.condition.cycles) == cycles]
    return max(own, key=lambda asked: asked.distances.mean, default=None)


def _worst_row(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return min((row for row in rows if row["what_acts"] == name), key=lambda row: row["reliability"])


def _identification(between: Distances, within: Distances) -> dict[str, float]:
    found = identify(between, within)
    return {
        "threshold": found.threshold,
        "equal_error": found.equal_error,
        "observed_overlap": found.overlap,
        "bit_error": within.mean,
        "bit_error_degrees_of_freedom": within.freedom,
    }


def _percent(entry: dict[str, float]) -> str:
    return f"{entry['mean']:.1%} ± {entry['sigma']:.1%}"
