"""Multiplies on arrays: by an engine with budget and audit, or through transistors beside their macromodel."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np

from ftj_spice.array.audit import audit_reads, draw_reads, pick_reads, read_netlists
from ftj_spice.array.budget import Budget, error_budget
from ftj_spice.array.layer import KeptRead, LayerResult, forward
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.sums import SumError, sum_errors
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.readers import open_reader
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.results.manifest import Stopwatch
from ftj_spice.studies.circuits import describe
from ftj_spice.studies.generate_energy import vmm_energy
from ftj_spice.studies.observer import Observer, part_of
from ftj_spice.studies.settings import RunSettings
from ftj_spice.studies.transistors import TransistorReader
from ftj_spice.studies.vmm_estimate import FEWER, PATTERNS, plan_of
from ftj_spice.studies.vmm_metrics import product_metrics
from ftj_spice.studies.vmm_problem import Problem
from ftj_spice.studies.vmm_result import VmmResult


def multiply(
    problem: Problem,
    card: Card,
    settings: RunSettings,
    budget: bool,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
    periphery: Macromodel | None,
) -> VmmResult:
    """Returns the product with all that is asked for about it.

    Args:
        problem: What is multiplied.
        card: Device card.
        settings: Settings of the run.
        budget: Whether the error budget is made.
        jobs: Workers of ngspice or VACASK side by side.
        observer: Told about progress.
        watch: Takes the times.
        periphery: The circuits that read the columns, where they are asked for.

    Raises:
        FtjSpiceError: A simulation failed, or settings don't fit.
    """
    if periphery is not None and settings.engine.read == "ngspice":
        return _through_transistors(problem, card, settings, budget, jobs, observer, watch, periphery)
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
        metrics=product_metrics(problem, layer, lines, sums, audit) | extra,
        card=card,
        settings=settings,
        periphery=periphery,
        energy=energy,
    )


def _through_transistors(
    problem: Problem,
    card: Card,
    settings: RunSettings,
    budget: bool,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
    periphery: Macromodel,
) -> VmmResult:
    """Multiplies through transistors, and by their macromodel for comparison; the error budget is the macromodel's."""

    def product(
        read: ReadSettings, reader: ArrayReader, circuits: Macromodel | None, phase: str = "product"
    ) -> LayerResult:
        return forward(
            problem.inputs, problem.weights, problem.bias, card, read, seed=settings.seed, reader=reader,
            full_scale=problem.full_scale, signed=problem.signed, probes=problem.probes,
            progress=part_of(observer, phase), periphery=circuits,
        )  # fmt: skip

    lines: Budget | None = None
    with open_reader("fast") as fast, NgspiceEngine(jobs, settings.engine.time_limit) as engine:
        with watch("macromodel"):
            model = product(settings.read, fast, periphery, "macromodel")
            sums = _sums(model, card, settings, fast)
        if budget:
            with watch("budget"):
                lines = error_budget(
                    settings.read, model,
                    partial(product, reader=fast, circuits=None, phase="budget"),
                    partial(product, reader=fast, circuits=periphery, phase="budget"),
                )  # fmt: skip
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
        "note": "circuits of both are drawn apart; the transistors are without noise; the budget is the macromodel's",
    }
    extra = {"periphery": describe(periphery), "energy": energy.figures(), "transistors": found}
    return VmmResult(
        problem=problem, layer=layer, budget=lines, sums=sums, audit=None, kept=(), netlists={},
        metrics=product_metrics(problem, layer, lines, sums, None) | extra, card=card, settings=settings,
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
