"""A fit's result as text for the screen and as plain data for JSON."""

from typing import Any

from ftj_spice.device.fitting.outcome import Estimate, Outcome
from ftj_spice.device.parameters import unit_of
from ftj_spice.results.units import engineering, scale_for
from ftj_spice.studies.fit import FitResult


def fit_text(result: FitResult) -> str:
    """Returns the fits as lines: each parameter with its 95 % interval, then what was held and what to know."""
    lines: list[str] = []
    for outcome in result.outcomes:
        size, quantity = outcome.scatter
        files = ", ".join(path.name for path in outcome.files).encode(errors="replace").decode()
        lines.append(f"{outcome.kind}: {outcome.points} points of {files}, scatter of {quantity} {size:.3g}")
        lines += [_row(estimate) for estimate in outcome.estimates]
        lines += _remarks(outcome)
        lines.append("")
    return "\n".join([*lines, *(f"{path}: written" for path in result.written)]).rstrip("\n")


def _row(estimate: Estimate) -> str:
    unit = unit_of(estimate.name) or "1"
    scale = scale_for([estimate.value, estimate.low, estimate.high], unit)
    value, low, high = (f"{number / scale.factor:.4g}" for number in (estimate.value, estimate.low, estimate.high))
    return f"  {estimate.name:<22} {value:>10} {scale.unit:<8} 95 %: {low} to {high}".rstrip()


def _remarks(outcome: Outcome) -> list[str]:
    lines = []
    if outcome.held:
        held = ", ".join(f"{name} {engineering(value, unit_of(name) or '1')}" for name, value in outcome.held.items())
        lines.append(f"  held: {held}")
    lines += [
        f"  correlated: {one} and {other} ({r:+.3f}): their intervals move together"
        for (one, other), r in outcome.correlations.items()
    ]
    return lines + [f"  note: {note}" for note in outcome.notes]


def fit_data(result: FitResult) -> dict[str, Any]:
    """Returns the fits as plain data: card name, parameters with intervals, and each fit's circumstances."""
    return {
        "card": result.card.name,
        "parameters": {
            e.name: {"value": e.value, "low": e.low, "high": e.high, "unit": unit_of(e.name), "fit": outcome.kind}
            for outcome in result.outcomes
            for e in outcome.estimates
        },
        "fits": {outcome.kind: _circumstances(outcome) for outcome in result.outcomes},
        "written": [str(path) for path in result.written],
    }


def _circumstances(outcome: Outcome) -> dict[str, Any]:
    return {
        "points": outcome.points,
        "files": [str(path) for path in outcome.files],
        "scatter": {"of": outcome.scatter[1], "value": outcome.scatter[0]},
        "held": outcome.held,
        "derived": outcome.derived,
        "correlations": [{"parameters": list(pair), "value": r} for pair, r in outcome.correlations.items()],
        "notes": list(outcome.notes),
    }
