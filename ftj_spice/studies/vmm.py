"""Any vector-matrix product on arrays, with its error budget."""

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.audit import audit_reads, draw_reads, pick_reads, read_netlists
from ftj_spice.array.budget import Budget, error_budget
from ftj_spice.array.layer import KeptRead, LayerResult, forward
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.sums import SumError, sum_errors
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.readers import open_reader
from ftj_spice.periphery.energy import EnergyAccount
from ftj_spice.periphery.macromodel import Macromodel, macromodel_path
from ftj_spice.results.datasets import write_dataset
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.plots.budget import error_budget as budget_figure
from ftj_spice.results.plots.style import save_figure
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.circuits import describe, load_periphery
from ftj_spice.studies.generate_energy import vmm_energy
from ftj_spice.studies.generate_files import read_columns
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.settings import RunSettings, check_jobs
from ftj_spice.studies.transistors import TransistorReader, check_time, transistor_chain
from ftj_spice.studies.vmm_estimate import FEWER, PATTERNS, Expected, expect, plan_of, shapes_of
from ftj_spice.studies.vmm_problem import Problem, load_problem
from ftj_spice.studies.vmm_report import render_vmm_report

VECTORS = 64
"""Random input vectors where no file gives them."""


@dataclass(frozen=True)
class VmmResult:
    """What a product gives.

    Attributes:
        problem: What was multiplied.
        layer: The product.
        budget: Its error budget; none where it was not asked for.
        sums: Errors of the first tile's column sums against its cells read one by one, through its wires
            (`circuit`) and with the noise of the read-out on top (`with_noise`).
        audit: Comparison of some of the reads with ngspice, where another engine made them.
        kept: Reads that were audited, or whose netlists are kept.
        netlists: Their netlists by file name.
        metrics: Figures of the run, as in `metrics.json`.
        card: The device card.
        settings: Settings of the run.
        path: The run directory, where one was written.
        periphery: The circuits that read the columns, where they were asked for.
        energy: What they and the arrays took.
    """

    problem: Problem
    layer: LayerResult
    budget: Budget | None
    sums: dict[str, SumError]
    audit: Audit | None
    kept: tuple[KeptRead, ...]
    netlists: dict[str, str]
    metrics: dict[str, Any]
    card: Card
    settings: RunSettings
    path: Path | None = None
    periphery: Macromodel | None = None
    energy: EnergyAccount | None = None

    @property
    def outputs(self) -> NDArray[np.float64]:
        """The product through the arrays, shape `(batch, outputs)`."""
        return self.layer.outputs

    @property
    def exact(self) -> NDArray[np.float64]:
        """The exact product, same shape."""
        return self.layer.exact

    @property
    def passes(self) -> bool:
        """Whether the audit, if there was one, is within its limit."""
        return self.audit is None or self.audit.passes


def vmm(
    weights: str | Path,
    inputs: str | Path | None = None,
    out: str | Path | None = None,
    *,
    bias: str | Path | None = None,
    settings: RunSettings | None = None,
    vectors: int = VECTORS,
    budget: bool = True,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
    notice: Callable[[Expected], None] | None = None,
) -> VmmResult:
    """Multiplies on arrays and says where the error comes from.

    An audit beyond its limit is not an error: the result, `metrics.json` and the report say so (`passes`). Converters'
    ranges, calibration and the full scale that errors are relative to come from typical inputs drawn from the seed, of
    the same scale and sign as `inputs` but none of them (`vmm_problem.like`; for a decoder's layer activations).

    Args:
        weights: A .npy file of shape `(inputs, outputs)`, or `DECODER:LAYER`, such as `mnist:2`.
        inputs: A .npy file of shape `(batch, inputs)`; without it random latents, for a decoder's layer its own
            activations.
        out: Run directory to write; none writes nothing.
        bias: A .npy file of shape `(outputs,)`.
        settings: Settings of the run; `card`, `seed`, `periphery`, `audit`, `read` and `engine` count here.
        vectors: Random input vectors where no file gives them.
        budget: Whether the error budget is made, some eight products more.
        jobs: Workers of ngspice or VACASK side by side.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.
        notice: Told how long it may take, before it starts.

    Raises:
        FtjSpiceError: Settings, files, simulation or output; the subclass and its sentence say what.
    """
    settings = settings or RunSettings()
    check_jobs(jobs)
    card = load_card(settings.card)
    periphery = load_periphery(settings, sampled=False)
    problem = load_problem(
        str(weights),
        None if inputs is None else Path(inputs),
        None if bias is None else Path(bias),
        vectors,
        settings.seed,
        settings.read,
        settings.engine.read,
    )
    if periphery is not None and settings.engine.read == "ngspice":
        transistor_chain(periphery)
        columns = sum(shape[1] for shape in shapes_of(problem, settings.read))
        check_time(plan_of(problem, settings.read)[0] * columns, jobs)
    expected = expect(problem, card, settings, budget, jobs)
    expected.audit.check(settings.engine.time_limit)
    if notice is not None:
        notice(expected)
    watch = Stopwatch()
    if out is None:
        return _run(problem, card, settings, budget, jobs, observer, watch, periphery)
    read = [Path(file) for file in (weights, inputs, bias) if file is not None]
    if settings.periphery is not None:
        read.append(macromodel_path(settings.periphery))
    with RunDirectory(Path(out), force=force, inputs=read) as run:
        result = _run(problem, card, settings, budget, jobs, observer, watch, periphery)
        with watch("report"):
            _write(run, result, watch, command)
    return replace(result, path=Path(out))


def _run(
    problem: Problem,
    card: Card,
    settings: RunSettings,
    budget: bool,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
    periphery: Macromodel | None,
) -> VmmResult:
    if periphery is not None and settings.engine.read == "ngspice":
        return _through_transistors(problem, card, settings, jobs, observer, watch, periphery)
    engine = settings.engine.read
    audited = engine != "ngspice" and settings.audit > 0
    drawn = draw_reads([plan_of(problem, settings.read)], settings.audit, settings.seed)[0]
    lines: Budget | None = None
    audit: Audit | None = None
    with ExitStack() as stack:
        threads = 0 if engine == "fast" else jobs  # all cores
        reader = stack.enter_context(open_reader(engine, jobs=threads, time_limit=settings.engine.time_limit))

        def product(
            read: ReadSettings,
            keep: Sequence[tuple[int, int]] = (),
            phase: str = "budget",
            circuits: Macromodel | None = None,
        ) -> LayerResult:
            return forward(
                problem.inputs, problem.weights, problem.bias, card, read, seed=settings.seed, reader=reader,
                full_scale=problem.full_scale, signed=problem.signed, probes=problem.probes, keep=keep,
                progress=part_of(observer, phase), periphery=circuits,
            )  # fmt: skip

        with watch("product"):
            layer = product(settings.read, drawn, "product", periphery)
        with watch("sums"):
            sums = _sums(layer, card, settings, reader)
        if budget:
            with watch("budget"):
                through = None if periphery is None else partial(product, circuits=periphery)
                lines = error_budget(settings.read, layer, product, through)
        kept = pick_reads({"vmm": layer.kept}, {"vmm": drawn}, settings.audit).get("vmm", [])
        if audited:
            with watch("audit"):
                audit = _audit(kept, settings, jobs, stack, observer)
    energy = None if periphery is None else vmm_energy(periphery, settings, card, problem, layer)
    extra = (
        {} if periphery is None or energy is None else {"periphery": describe(periphery), "energy": energy.figures()}
    )
    return VmmResult(
        problem=problem,
        layer=replace(layer, kept=()),
        budget=lines,
        sums=sums,
        audit=audit,
        kept=tuple(kept),
        netlists=read_netlists(kept),
        metrics=_metrics(problem, layer, lines, sums, audit) | extra,
        card=card,
        settings=settings,
        periphery=periphery,
        energy=energy,
    )


def _through_transistors(
    problem: Problem,
    card: Card,
    settings: RunSettings,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
    periphery: Macromodel,
) -> VmmResult:
    """Multiplies through transistors, and by their macromodel for comparison; without an error budget."""

    def product(read: ReadSettings, reader: ArrayReader, circuits: Macromodel | None) -> LayerResult:
        return forward(
            problem.inputs, problem.weights, problem.bias, card, read, seed=settings.seed, reader=reader,
            full_scale=problem.full_scale, signed=problem.signed, probes=problem.probes,
            progress=part_of(observer, "product"), periphery=circuits,
        )  # fmt: skip

    with open_reader("fast") as fast, NgspiceEngine(jobs, settings.engine.time_limit) as engine:
        with watch("macromodel"):
            model = product(settings.read, fast, periphery)
            sums = _sums(model, card, settings, fast)
        with watch("product"):
            exact = settings.read.model_copy(update={"adc_bits": 0, "noise": False, "adc_range": "computed"})
            layer = product(
                exact, TransistorReader(periphery, card, engine, max(model.scales), settings.seed), None
            )  # fmt: skip
    difference = layer.outputs - model.outputs
    energy = vmm_energy(periphery, settings, card, problem, model)
    found = {
        "rms_error_by_macromodel": model.error,
        "rms_error_by_transistors": layer.error,
        "rms_difference": float(np.sqrt(np.mean(difference**2))),
        "rms_difference_relative_to_full_scale": float(np.sqrt(np.mean(difference**2))) / model.full_scale,
        "note": "circuits of both are drawn apart; the transistors are without noise",
    }
    extra = {"periphery": describe(periphery), "energy": energy.figures(), "transistors": found}
    return VmmResult(
        problem=problem, layer=layer, budget=None, sums=sums, audit=None, kept=(), netlists={},
        metrics=_metrics(problem, layer, None, sums, None) | extra, card=card, settings=settings,
        periphery=periphery, energy=energy,
    )  # fmt: skip


def _sums(layer: LayerResult, card: Card, settings: RunSettings, reader: ArrayReader) -> dict[str, SumError]:
    """Returns the errors of the first tile's column sums, without and with the noise of the read-out."""
    circuit = array_circuit(layer.layer.tiles[0].conductance, card, settings.read)
    patterns = PATTERNS.get(settings.engine.read, FEWER)

    def errors(noise: bool) -> SumError:
        return sum_errors(
            circuit, card.vmm_voltage, reader, settings.read, seed=settings.seed, patterns=patterns, noise=noise
        )

    found = {"circuit": errors(False)}
    if settings.read.noise:
        found["with_noise"] = errors(True)
    return found


def _audit(
    kept: Sequence[KeptRead],
    settings: RunSettings,
    jobs: int,
    stack: ExitStack,
    observer: Observer,
) -> Audit:
    ngspice = stack.enter_context(open_reader("ngspice", jobs=jobs, time_limit=settings.engine.time_limit))
    return audit_reads(kept, ngspice, progress=part_of(observer, "audit"))


def _metrics(
    problem: Problem, layer: LayerResult, budget: Budget | None, sums: dict[str, SumError], audit: Audit | None
) -> dict[str, Any]:
    error = layer.outputs - layer.exact
    metrics: dict[str, Any] = {
        "product": {
            "source": problem.source,
            "inputs": problem.weights.shape[0],
            "outputs": problem.weights.shape[1],
            "vectors": len(problem.inputs),
            "tiles": len(layer.layer.tiles),
            "cells": layer.layer.cells,
            "reads": layer.reads,
            "engine": layer.engine,
            "status": layer.status,
            "methods": dict(layer.methods),
            "smallest_share_of_ideal_current": layer.reach,
        },
        "error_against_ideal_weights": {
            "rms": layer.error,
            "mean_absolute": layer.mean_absolute_error,
            "largest": float(np.max(np.abs(error))),
            "full_scale": layer.full_scale,
            "rms_relative_to_full_scale": layer.error / layer.full_scale if layer.full_scale else None,
            "effective_bits": layer.effective_bits,
        },
        "sum_error_of_first_tile": {
            "definition": "column current with all chosen rows on, less the sum of the cells' currents read one by "
            "one, in parts of the largest column current with all rows on",
            "rows": layer.layer.tiles[0].shape[0],
            "columns": layer.layer.tiles[0].shape[1],
            **{name: asdict(entry) for name, entry in sums.items()},
        },
    }
    if budget is not None:
        metrics["budget"] = {
            "full_scale": budget.full_scale,
            "contributions": budget.rows()[:-1],
            "together": budget.rows()[-1],
            "root_sum_square": budget.root_sum_square,
        }
    if audit is not None:
        metrics["audit"] = {
            "reads": audit.reads,
            "largest_deviation": audit.largest,
            "rms_deviation": audit.rms,
            "limit": audit.limit,
            "engine": audit.engine,
            "passes": audit.passes,
        }
    return metrics


def _write(run: RunDirectory, result: VmmResult, watch: Stopwatch, command: Sequence[str]) -> None:
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
        save_figure(run.file("budget.svg"), figure_of(result.budget))
    if result.kept:
        write_dataset(run.file("columns.h5"), read_columns(result.kept), {"read": result.layer.engine})
    for name, text in result.netlists.items():
        run.write_text(f"netlists/{name}", text)
    run.write_json("metrics.json", result.metrics)
    run.write_text("report.html", render_vmm_report(result, watch.durations))
    run.write_json(
        "manifest.json",
        build_manifest(
            [word.encode("utf-8", "backslashreplace").decode() for word in command],
            result.settings.model_dump(include={"seed", "card", "periphery", "audit", "read", "engine"}),
            result.settings.seed,
            {name: sha256_text(text) for name, text in result.netlists.items()},
            watch.durations,
            {"name": result.settings.engine.read, "version": result.layer.engine},
            {"card": result.card.model_dump(exclude={"provenance"}), "product": result.metrics["product"]},
        ),
    )


def figure_of(budget: Budget) -> Any:
    """Returns the plot of a budget."""
    return budget_figure(
        [entry.label for entry in budget.contributions],
        [entry.relative if budget.full_scale else 0.0 for entry in budget.contributions],
        budget.together.relative if budget.full_scale else 0.0,
        budget.root_sum_square / budget.full_scale if budget.full_scale else 0.0,
    )
