"""What a product on arrays leaves on the disk."""

import csv
import io
from collections.abc import Sequence

from ftj_spice.results.datasets import write_dataset
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.plots.style import save_figure
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.generate_files import read_columns
from ftj_spice.studies.vmm_report import budget_plot, render_vmm_report
from ftj_spice.studies.vmm_result import VmmResult


def write_vmm(run: RunDirectory, result: VmmResult, watch: Stopwatch, command: Sequence[str]) -> None:
    """Writes all files of a run.

    Args:
        run: The run directory.
        result: The product.
        watch: Its times so far.
        command: The command line, for the manifest.

    Raises:
        OutputError: A file can't be written.
    """
    run.write_npy("outputs.npy", result.outputs)
    run.write_npy("exact.npy", result.exact)
    if result.budget is not None:
        rows = result.budget.rows()
        table = io.StringIO()
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        run.write_text("budget.csv", table.getvalue())
        run.write_json("budget.json", result.metrics["budget"])
        save_figure(run.file("budget.svg"), budget_plot(result.budget))
    if result.kept:
        write_dataset(run.file("columns.h5"), read_columns(result.kept), {"read": result.layer.engine})
    for name, text in result.netlists.items():
        run.write_text(f"netlists/{name}", text)
    run.write_json("metrics.json", result.metrics)
    run.write_text("report.html", render_vmm_report(result, watch.durations))
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(include={"seed", "card", "periphery", "audit", "read", "engine"}),
            result.settings.seed,
            {name: sha256_text(text) for name, text in result.netlists.items()},
            watch.durations,
            {"name": result.settings.engine.read, "version": result.layer.engine},
            {"card": result.card.model_dump(exclude={"provenance"}), "product": result.metrics["product"]},
        ),
    )
