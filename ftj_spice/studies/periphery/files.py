"""What a run leaves on the disk: results as JSON and CSV, waveforms, netlists, plots, the page."""

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tomli_w

from ftj_spice.periphery.figures import figure
from ftj_spice.results.jsontext import plain
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text, without_places
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.observer import Observer
from ftj_spice.studies.periphery.macromodels import MACROMODELS, run_macromodels
from ftj_spice.studies.periphery.plots import draw_plots
from ftj_spice.studies.periphery.report import render_periphery_report
from ftj_spice.studies.periphery.results import RESULTS, waveform_csv, waveform_file
from ftj_spice.studies.periphery.settings import nominal_condition
from ftj_spice.studies.periphery.tasks import file_name

if TYPE_CHECKING:
    from ftj_spice.studies.periphery.study import PeripheryResult


def write_run(
    run: RunDirectory, result: "PeripheryResult", watch: Stopwatch, command: Sequence[str], observer: Observer
) -> None:
    """Writes all files of a run.

    Args:
        run: The run directory.
        result: What was measured.
        watch: Its times so far.
        command: The command line, for the manifest.
        observer: Told about progress, as `report`.

    Raises:
        OutputError: A file can't be written.
    """
    netlists = _netlists(result)
    with watch("report"):
        plots = draw_plots(result)
        total = len(plots) + 1
        for number, plot in enumerate(plots):
            observer("report", number, total)
            run.write_bytes(f"plots/{plot.name}.png", plot.png)
        run.write_json(RESULTS, result.metrics)
        run.write_text("results.csv", _results_csv(result))
        if result.settings.mc:
            run.write_text("draws.csv", _draws_csv(result))
        for name, text in netlists.items():
            run.write_text(f"netlists/{name}", text)
        for name, text in _failed(result).items():
            run.write_text(f"failed/{name}", text)
        for process, variants in result.variants.items():
            for name, one in variants.items():
                if one.operation is not None:
                    run.write_text(waveform_file(process, name), waveform_csv(one.operation))
        for name, model in run_macromodels(result)[0].items():
            run.write_text(f"{MACROMODELS}/{name}.json", model.text())
        run.write_text("settings.toml", tomli_w.dumps(result.settings.model_dump(exclude_none=True, mode="json")))
        run.write_text("report.html", render_periphery_report(result, plots, dict(watch.durations)))
        observer("report", total, total)
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in netlists.items()},
            watch.durations,
            result.engine,
            {"card": result.card.model_dump(exclude={"provenance"})},
        ),
    )


def metrics_of(result: "PeripheryResult") -> dict[str, Any]:
    """Returns everything that was measured as plain data; waveforms have files of their own."""
    processes = {}
    for name, process in result.processes.items():
        nominal = nominal_condition(process)
        processes[name] = {
            "title": process.title,
            "source": process.source,
            "layout_factor": process.layout_factor,
            "layout_source": process.layout_source,
            "nominal": {"corner": nominal.corner, "temperature": nominal.temperature, "supply": nominal.supply},
            "variants": {variant: one.as_data() for variant, one in result.variants[name].items()},
        }
    return plain(
        {
            "card": result.card.name,
            "seed": result.settings.seed,
            "draws": result.settings.mc,
            "engine": result.engine,
            "notes": [without_places(note) for note in result.notes],
            "problems": result.problems,
            "processes": processes,
        }
    )


def _netlists(result: "PeripheryResult") -> dict[str, str]:
    """Returns the nominal benches by file name."""
    return {
        f"{record['process']}/{name}.cir": text
        for record in result.records.values()
        for name, text in record.get("netlists", {}).items()
    }


def _failed(result: "PeripheryResult") -> dict[str, str]:
    """Returns netlist, log and traceback of nominal measurements that failed as a whole, by file name."""
    files = {}
    for record in result.records.values():
        place = f"{record['process']}_{record['variant']}"
        files |= {f"{place}/{file_name(name)}": text for name, text in record.get("evidence", {}).items()}
        if "traceback" in record:
            files.setdefault(f"{place}/traceback.txt", record["traceback"])
    return files


def _results_csv(result: "PeripheryResult") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["process", "kind", "variant", "corner", "temperature_K", "supply_factor", "figure", "value", "unit",
         "standard_error", "limit_min", "limit_max", "note"]
    )  # fmt: skip
    for process, variants in result.variants.items():
        for name, one in variants.items():
            for number, condition in enumerate(one.conditions):
                place = [process, one.kind, name, condition.corner, condition.temperature, condition.supply]
                figures = one.figures if number == 0 else condition.figures
                for key, value in sorted(figures.items()):
                    bound = one.bounds.get(key)
                    note = "" if bound is None else bound.broken_by(key, value) or "keeps its limit"
                    limits = ["", ""] if bound is None else [_number(bound.low), _number(bound.high)]
                    error = _number(one.sigma_errors.get(key)) if number == 0 else ""
                    writer.writerow([*place, key, f"{value:.9g}", figure(key).unit, error, *limits, note])
                for key, why in condition.failures.items():
                    writer.writerow([*place, key, "", figure(key).unit, "", "", "", why])
                if condition.error is not None:
                    writer.writerow([*place, "", "", "", "", "", "", condition.error])
            if not one.conditions:
                writer.writerow([process, one.kind, name, *[""] * 9, one.error])
    return text.getvalue()


def _draws_csv(result: "PeripheryResult") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["process", "variant", "figure", "unit", "draw", "value", "error"])
    for process, variants in result.variants.items():
        for name, one in variants.items():
            for key, values in one.draws.items():
                for draw, value in enumerate(values):
                    shown = f"{value:.9g}" if math.isfinite(value) else ""
                    writer.writerow([process, name, key, figure(key).unit, draw, shown, one.draw_errors.get(draw, "")])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"
