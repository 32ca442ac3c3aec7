"""The numbers of a calibration run, and the same in a few lines."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.results.units import engineering as eng
from ftj_spice.sampling.calibration.procedure import Judgement
from ftj_spice.sampling.calibration.settings import tools_of
from ftj_spice.sampling.energy import readout_energy
from ftj_spice.studies.calibration.points import CONFIDENCE, Point
from ftj_spice.studies.sample_periphery import circuit_metrics

if TYPE_CHECKING:
    from ftj_spice.device.card import Card
    from ftj_spice.studies.calibration.study import CalibrateResult

BEFORE = frozenset({"range", "standardise"})
"""Tools that leave the cells as they are: what comes before a calibration of the cells themselves."""
_QUANTILES = (0.05, 0.5, 0.95)


def measure(result: "CalibrateResult") -> dict[str, Any]:
    """Returns the numbers of a run, for `metrics.json`."""
    s, law = result.settings, result.law
    numbers: dict[str, Any] = {
        "columns_judged": s.arrays * s.columns,
        "samples_judged": s.check_windows,
        "distance_of_a_normal_source": float(0.8687 / np.sqrt(s.check_windows)),
        "confidence": CONFIDENCE,
        "limits": s.limits.model_dump(),
        "points": [point_numbers(point, result) for point in result.points],
        "stored": {
            **point_numbers(result.stored, result),
            "usable_columns_of_its_array": int(result.calibration.usable.sum()),
            "latents": s.latents,
            "latents_from_usable_columns": int(result.calibration.usable[result.calibration.latents].sum()),
        },
        "exact_law": {
            "exact_median": float(np.median(law.exact)),
            "measured_median": float(np.median(law.measured)),
            "quantisation_median": float(np.median(law.quantisation)),
            "sampling": law.sampling,
            "largest_excess": float(np.max(law.measured - law.exact - law.quantisation)),
        },
        "start_up": {
            "samples": result.start_up.needed,
            "white_noise_samples": round(1.96**2 / s.limits.mean**2),
        },
        "memory": [{"samples": memory, **_judged(judgement)} for memory, judgement in result.memories],
        "temperature": [
            {
                "temperature_K": w.temperature,
                "time_constant_factor": w.factor,
                "fixed_statistics": _judged(w.fixed),
                "running_statistics": _judged(w.followed),
            }
            for w in result.warmed
        ],
        "converter_energy_source": readout_energy(result.calibration.periphery, 0.0, 1)[1],
    }
    if result.calibration.periphery is not None:
        numbers["periphery"] = circuit_metrics(result.calibration.periphery) | cost_numbers(result)
    if result.audit is not None:
        a = result.audit
        numbers["audit"] = {
            "engine": a.engine, "windows": a.reads, "largest": a.largest, "rms": a.rms, "limit": a.limit,
            "transitions": a.transitions, "differing": a.differing, "passes": a.passes,
        }  # fmt: skip
    return numbers


def cost_numbers(result: "CalibrateResult") -> dict[str, Any]:
    """Returns what the read-out circuits cost: the stored set of tools behind them and behind the ideal read-out."""
    assert result.ideal is not None
    found = {"circuits": _judged(result.stored.judgement), "ideal": _judged(result.ideal.judgement)}
    for name, point in (("circuits", result.stored), ("ideal", result.ideal)):
        found[name]["columns"] = float(len(point.judgement.usable))
        found[name]["bits_median"] = float(np.median(point.bits))
    return found | {"bits_lost": found["ideal"]["bits_median"] - found["circuits"]["bits_median"]}


def point_numbers(point: Point, result: "CalibrateResult") -> dict[str, Any]:
    """Returns the numbers of one point."""
    settings, card = result.settings, result.card
    j, c, raised = point.judgement, point.calibrated, point.raised
    pool = point.cells * (settings.pool if "select" in tools_of(point.scenario) else 1)
    by_array = j.usable.reshape(-1, settings.columns)
    low = -np.inf if card.rtn_voltage_low is None else card.rtn_voltage_low
    high = np.inf if card.rtn_voltage_high is None else card.rtn_voltage_high
    beyond = (raised.bias < low - 1e-9) | (raised.bias > high + 1e-9)
    timing = c.controls.timing
    converter, _ = readout_energy(result.calibration.periphery, timing.period, settings.sample.adc_bits)
    return {
        "cells": point.cells,
        "tools": point.scenario,
        "usable": point.usable,
        "usable_interval": list(point.interval),
        "missed": j.failures(settings.limits),
        "distance": _quantiles(j.distance),
        "autocorrelation": _quantiles(j.autocorrelation),
        "mean": _quantiles(j.mean),
        "sigma": _quantiles(j.sigma),
        "steps": _quantiles(j.steps),
        "arrays": len(by_array),
        "arrays_complete_without_spares": float(np.mean(by_array[:, : settings.latents].all(axis=1))),
        "arrays_complete": float(np.mean(by_array.sum(axis=1) >= settings.latents)),
        "cells_per_column": pool,
        "cells_per_usable_latent": pool / point.usable if point.usable > 0 else None,
        "calibration_s": c.seconds,
        "calibration_cells_J_per_column": c.energy,
        "calibration_converter_J_per_column": c.conversions * converter,
        "latent_cells_J": point.energy,
        "latent_converter_J": converter,
        "bias_V": [float(raised.bias.min()), float(raised.bias.max())],
        "cells_beyond_card_voltages": float(beyond.mean()),
        "log_ratio_sigma": float(np.log(raised.ratio).std()),
        "occupancy": _quantiles(raised.occupancy),
    }


def _judged(judgement: Judgement) -> dict[str, Any]:
    return {
        "usable": float(judgement.usable.mean()),
        "distance_median": float(np.median(judgement.distance)),
        "autocorrelation_median": float(np.median(judgement.autocorrelation)),
        "sigma_median": float(np.median(judgement.sigma)),
    }


def _quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    found = np.quantile(values, _QUANTILES)
    return {"5%": float(found[0]), "median": float(found[1]), "95%": float(found[2])}


def summarise(result: "CalibrateResult", metrics: dict[str, Any]) -> list[str]:
    """Returns the outcome in a few lines."""
    s, lines = result.settings, []
    for cells in dict.fromkeys(point.cells for point in result.points):
        own = [entry for entry in metrics["points"] if entry["cells"] == cells]
        best = max(own, key=lambda entry: entry["usable"])
        before = [entry for entry in own if set(tools_of(entry["tools"])) <= BEFORE]
        shown = [*(entry for entry in before if entry is not best), best]
        lines.append(
            f"{cells} cells per latent: "
            + "; ".join(
                f"{entry['tools']} {entry['usable']:.1%} usable, distance {entry['distance']['median']:.3f}"
                for entry in shown
            )
        )
    stored = metrics["stored"]
    lines.append(
        f"stored: {s.latents} latents of {s.sample.rows} cells by {stored['tools']}, "
        f"{stored['latents_from_usable_columns']} of them from usable columns; calibrated in "
        f"{stored['calibration_s']:.3g} s of device time with {eng(stored['calibration_cells_J_per_column'], 'J')} "
        "in the cells of a column"
    )
    if result.calibration.periphery is not None:
        model, cost = result.calibration.periphery, metrics["periphery"]
        ours, ideal = cost["circuits"], cost["ideal"]
        lines.append(
            f"{model.process}/{model.name}: {ours['usable']:.1%} of {ours['columns']:.0f} columns usable by these "
            f"tools, distance {ours['distance_median']:.3f}; behind the ideal read-out {ideal['usable']:.1%}, distance "
            f"{ideal['distance_median']:.3f}; {cost['bits_lost']:.2f} bits of a sample lost"
        )
    lines += warnings(stored, result.card)
    if result.audit is not None:
        lines.append(f"audit {'passes' if result.audit.passes else 'FAILS'}: {result.audit.sentence}")
    return lines


def warnings(stored: dict[str, Any], card: "Card") -> list[str]:
    """Returns what a user must know of the stored calibration's voltages, one sentence each."""
    low, high = stored["bias_V"]
    found = []
    if stored["cells_beyond_card_voltages"] > 0:
        found.append(
            f"{stored['cells_beyond_card_voltages']:.1%} of the raised cells stand at {low:.2f} to {high:.2f} V, "
            f"beyond the {card.rtn_voltage_low:g} to {card.rtn_voltage_high:g} V that the noise parameters of card "
            f"'{card.name}' are meant for"
        )
    return found
