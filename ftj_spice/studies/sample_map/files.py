"""What a map leaves on the disk: report, figures as CSV and netCDF, metrics, plots, netlists of the audit."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w

from ftj_spice.results.datasets import Variable, write_dataset
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.plots.style import figure_png
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.sampling.energy import readout_energy
from ftj_spice.sampling.figures import QUANTITIES
from ftj_spice.studies.generate_metrics import audit_figures
from ftj_spice.studies.observer import Observer
from ftj_spice.studies.sample_map.goal import Recommendation, checks
from ftj_spice.studies.sample_map.plots import draw_plots
from ftj_spice.studies.sample_map.points import MapPoint
from ftj_spice.studies.sample_map.report import render_map_report
from ftj_spice.studies.sample_periphery import circuit_metrics

if TYPE_CHECKING:
    from ftj_spice.studies.sample_map.study import MapResult

PROPERTIES: dict[str, tuple[str, str]] = {
    "period": ("s", "time from sample to sample"),
    "rate": ("1/s", "samples per second and column"),
    "samples": ("1", "samples of each unit"),
    "transitions": ("1", "trap transitions per sample of a column"),
    "relaxation": ("s", "relaxation time of a nominal trap"),
    "occupancy": ("1", "occupancy of a nominal trap"),
    "still": ("1", "share of samples without any transition"),
    "noise": ("1", "standard deviation over mean"),
    "noise_steps": ("1", "standard deviation of the charge in steps of the map's one converter"),
    "shot_noise": ("1", "shot noise over the standard deviation; not simulated"),
    "reference_shift": ("1", "shift of the mean by wires and drivers, in standard deviations"),
    "cell_energy": ("J", "energy per sample into the cells, closed form"),
    "wire_energy": ("J", "energy per sample into wires and drivers, closed form"),
    "converter_energy": ("J", "energy of the read-out of one sample beside the cells"),
    "energy": ("J", "energy per sample: rows (closed form) and read-out"),
}
"""What a point has beside its figures: unit and meaning."""
PAIR = ("simulated", "error", "normal")
COSTS: dict[str, tuple[str, str]] = {
    "information": ("bit", "what a code tells about the column's current, closed form"),
    "ideal_information": ("bit", "the same behind the ideal read-out"),
    "bits_lost": ("bit", "information that a sample loses to the circuits"),
    "ideal_latent_distance": ("1", "distance of the latents to the standard normal behind the ideal read-out"),
    "noise": ("1", "noise of the circuits over the standard deviation"),
    "shift": ("1", "rms shift of the latents' mean"),
    "range": ("1", "range of the converter over the standard deviation"),
}
"""What the circuits cost at a point: unit and meaning."""


def write_map(
    run: RunDirectory, result: "MapResult", watch: Stopwatch, command: Sequence[str], observer: Observer
) -> None:
    """Writes all files of a map.

    Args:
        run: The run directory.
        result: The map.
        watch: Its times so far.
        command: The command line, for the manifest.
        observer: Told about progress, as `report`.

    Raises:
        OutputError: A file can't be written.
    """
    with watch("report"):
        plots = draw_plots(result)
        total = len(plots) + 1
        for number, plot in enumerate(plots):
            observer("report", number, total)
            run.write_bytes(f"plots/{plot.name}.png", figure_png(plot.figure))
        run.write_text("map.csv", map_csv(result))
        write_dataset(run.file("map.nc"), _dataset(result), {"card": result.card.name, "seed": result.settings.seed})
        for name, text in result.netlists.items():
            run.write_text(f"netlists/{name}", text)
        run.write_json("metrics.json", result.metrics)
        run.write_text("settings.toml", tomli_w.dumps(result.settings.model_dump(exclude_none=True)))
        run.write_text("report.html", render_map_report(result, plots, dict(watch.durations)))
        observer("report", total, total)
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in sorted(result.netlists.items())},
            watch.durations,
            {"sample": "fast (sums only)", "audit": result.engine},
            {"card": result.card.model_dump(exclude={"provenance"})}
            | ({} if result.periphery is None else {"periphery": circuit_metrics(result.periphery)}),
        ),
    )


def map_csv(result: "MapResult") -> str:
    """Returns the map as CSV: one line per point, every figure simulated, with its standard error, and closed."""
    header = ["voltage_V", "time_s", *(name + _ending(unit) for name, (unit, _) in PROPERTIES.items())]
    for name, quantity in QUANTITIES.items():
        header += [name + part + _ending(quantity.unit) for part in ("", "_error", "_closed")] + [
            f"{name}_deviation_se"
        ]
    header += [f"pair_information_{part}_bit" for part in PAIR]
    costs = () if result.periphery is None else COSTS
    header += [f"circuits_{name}{_ending(COSTS[name][0])}" for name in costs]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in result.points:
        for point in row:
            line: list[float] = [point.voltage, point.time, *(getattr(point, name) for name in PROPERTIES)]
            for name in QUANTITIES:
                f = point.figures[name]
                line += [f.simulated, f.error, f.closed, f.deviation]
            line += [*point.pair_information, *(getattr(point.circuits, name) for name in costs)]
            writer.writerow([f"{value:.9g}" for value in line])
    return text.getvalue()


def _ending(unit: str) -> str:
    """Returns a unit as the end of a column's name."""
    return {"1": "", "A^2": "_A2", "bit/s": "_bit_per_s", "1/s": "_per_s"}.get(unit, f"_{unit}")


def _dataset(result: "MapResult") -> dict[str, Variable]:
    axes = ("voltage", "time")
    variables: dict[str, Variable] = {
        "voltage": ("voltage", result.grid.voltages, {"units": "V", "long_name": "read voltage"}),
        "time": ("time", result.grid.times, {"units": "s", "long_name": "sampling time"}),
    }
    for name, quantity in QUANTITIES.items():
        simulated, error, closed = result.of(name)
        for suffix, values, what in (
            ("", simulated, "simulated"),
            ("_error", error, "standard error"),
            ("_closed", closed, "closed form"),
        ):
            variables[name + suffix] = (
                axes, values, {"units": quantity.unit, "long_name": f"{quantity.label}, {what}"},
            )  # fmt: skip
    for name, (unit, label) in PROPERTIES.items():
        values = np.array([[getattr(p, name) for p in row] for row in result.points])
        variables[name] = (axes, values, {"units": unit, "long_name": label})
    for number, part in enumerate(PAIR):
        values = np.array([[p.pair_information[number] for p in row] for row in result.points])
        label = f"information of a sample's octile about the next one's, {part}"
        variables[f"pair_information_{part}"] = (axes, values, {"units": "bit", "long_name": label})
    for name, (unit, label) in COSTS.items() if result.periphery is not None else ():
        values = np.array([[getattr(p.circuits, name) for p in row] for row in result.points])
        variables[f"circuits_{name}"] = (axes, values, {"units": unit, "long_name": f"circuits: {label}"})
    disturb = {"units": "1", "long_name": "share of domains that reads against the stored polarization would flip"}
    variables["disturb"] = ("voltage", result.disturb, disturb)
    return variables


def metrics_of(result: "MapResult") -> dict[str, Any]:
    """Returns the figures of a map as plain data."""
    d = result.deviations
    i, k, name = d.place
    at = result.points[i][k]
    numbers: dict[str, Any] = {
        "passes": result.passes,
        "voltages_V": result.grid.voltages,
        "times_s": result.grid.times,
        "units_per_point": result.settings.units,
        "samples": sum(p.samples * p.units for row in result.points for p in row),
        "deviation": {
            "largest_se": d.largest, "figure": name, "voltage_V": at.voltage, "time_s": at.time,
            "count": d.values.size, "rms_se": float(np.sqrt(np.mean(d.values**2))),
            "expected_largest_se": d.quantile(0.5), "allowed_largest_se": d.allowed, "passes": d.passes,
            "largest_by_figure_se": {
                n: float(np.max(np.abs(d.values[:, :, q]))) for q, n in enumerate(d.names)
            },
        },
        "audit": [
            {
                "voltage_V": a.voltage, "time_s": a.time, "column": a.column, "samples": a.audit.reads,
                "largest_of_full_scale": a.audit.largest, "rms_of_full_scale": a.audit.rms, "limit": a.audit.limit,
                "transitions": a.audit.transitions, "transitions_differing": a.audit.differing, "energy_J": a.energy,
                "energy_ngspice_J": a.spice_energy, "energy_deviation": a.energy_deviation, "passes": a.passes,
            }
            for a in result.audits
        ],
        "audit_engine": result.engine or None,
        "goal": result.settings.goal,
        "recommendations": {goal: _recommended(result, r) for goal, r in result.recommendations.items()},
        "disturb": {
            "direction": result.settings.direction,
            "read_time_s": result.read_time,
            "flipped_share_if_opposed": result.disturb,
        },
        "converter_energy_source": readout_energy(result.periphery, 0.0, 1)[1],
        "warnings": list(result.warnings),
    }  # fmt: skip
    if result.periphery is not None:
        numbers["periphery"] = (
            circuit_metrics(result.periphery)
            | {name: [[getattr(p.circuits, name) for p in row] for row in result.points] for name in COSTS}
            | {"latent_distance": result.of("latent_distance")[2]}
        )
        if result.circuit_audit is not None:
            numbers["periphery"]["audit"] = audit_figures(result.circuit_audit)
    if result.grid.shape == (1, 1):
        numbers["point"] = point_metrics(at)
    return numbers


def point_metrics(point: MapPoint) -> dict[str, Any]:
    """Returns everything about one point as plain data."""
    data: dict[str, Any] = {"voltage_V": point.voltage, "time_s": point.time}
    data |= {name: getattr(point, name) for name in PROPERTIES}
    data["figures"] = {
        name: {
            "simulated": f.simulated, "standard_error": f.error, "closed_form": f.closed,
            "deviation_se": f.deviation if np.isfinite(f.deviation) else None, "unit": QUANTITIES[name].unit,
        }
        for name, f in point.figures.items()
    }  # fmt: skip
    data["pair_information_bit"] = dict(zip(PAIR, point.pair_information, strict=True))
    return data


def _recommended(result: "MapResult", found: Recommendation) -> dict[str, Any]:
    i, k = found.place if found.place is not None else found.nearest
    point = result.points[i][k]
    limit = float(result.disturb[i]) if result.settings.direction == "opposed" else None
    return {
        "found": found.place is not None,
        "point": point_metrics(point),
        "value": found.value,
        "limits": {
            c.name: {"value": c.value, "limit": c.limit, "kept": c.kept}
            for c in checks(point, result.settings.limits, limit)
        },
        "binding": list(found.binding),
        "points_within_limits": found.kept,
        "reason": found.reason,
    }
