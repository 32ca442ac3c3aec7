"""The main job: FTJ noise in, images out.

sample phase (ngspice, by events, or a calibrated array) -> latents -> every decoder layer on arrays (fast, ngspice or
VACASK) -> images; and what the fast engines did, again in ngspice for a random part.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.audit import LIMIT as READ_LIMIT
from ftj_spice.array.audit import audit_reads, draw_reads, pick_reads, read_netlists
from ftj_spice.array.layer import KeptRead
from ftj_spice.common.errors import DataError
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.engines.readers import open_reader
from ftj_spice.generative.decoder import Decoder
from ftj_spice.periphery.energy import EnergyAccount
from ftj_spice.periphery.macromodel import Macromodel, macromodel_path
from ftj_spice.results.manifest import Stopwatch
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.sampling.audit import audit_samples, draw_parts
from ftj_spice.sampling.calibration.audit import audit_calibration, draw_columns
from ftj_spice.sampling.calibration.draw import CalibratedSamples, sample_calibrated
from ftj_spice.sampling.calibration.state import Calibration, load_calibration, through_circuits
from ftj_spice.sampling.phase import SampleResult, sample
from ftj_spice.studies.circuits import load_periphery
from ftj_spice.studies.decoding import LayerRun, decode, decoder_path, layer_plans, load_decoder
from ftj_spice.studies.estimate import READS_PER_TRANSIENT, check_images, layer_shapes
from ftj_spice.studies.generate_energy import generate_energy, periphery_metrics
from ftj_spice.studies.generate_files import write_run
from ftj_spice.studies.generate_metrics import metrics_of
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.readtime import ReadTimes, audit_time
from ftj_spice.studies.sample_transistors import (
    TransistorSamples,
    audit_sampling,
    check_sampling,
    sample_by_transistors,
)
from ftj_spice.studies.settings import RunSettings, check_jobs
from ftj_spice.studies.transistors import audit_periphery, check_transistors, refuse_transistors

__all__ = ["GenerateResult", "decoder_path", "generate", "load_decoder"]


@dataclass(frozen=True)
class GenerateResult:
    """What a run gives.

    Attributes:
        images: Shape `(samples, *image_shape)`, 0 to 1.
        latents: Standardised latent vectors, shape `(samples, latent_dim)`.
        ideal_images: The numpy decoder's images for the same latents.
        sampling: The sample phase in full, or what a calibrated array gave.
        layers: What came of each decoder layer.
        kept: Reads that were audited, or whose netlists are kept, by layer.
        audits: Comparisons with ngspice, `samples` and `reads`, where another engine stood in for it.
        netlists: Netlists by file name.
        engines: Engine and version of each part of the run.
        features: What the ngspice library can do, where it ran.
        metrics: Figures of the run, as in `metrics.json`.
        card: The device card.
        settings: Settings of the run.
        path: The run directory, where one was written.
        periphery: The circuits that read the columns, where they were asked for.
        energy: What they and the arrays took.
    """

    images: NDArray[np.float64]
    latents: NDArray[np.float64]
    ideal_images: NDArray[np.float64]
    sampling: SampleResult | CalibratedSamples
    layers: tuple[LayerRun, ...]
    kept: Mapping[str, list[KeptRead]]
    audits: Mapping[str, Audit]
    netlists: Mapping[str, str]
    engines: Mapping[str, str]
    features: Mapping[str, Any]
    metrics: dict[str, Any]
    card: Card
    settings: RunSettings
    path: Path | None = None
    periphery: Macromodel | None = None
    energy: EnergyAccount | None = None

    @property
    def passes(self) -> bool:
        """Whether every audit is within its limit."""
        return all(audit.passes for audit in self.audits.values())


def generate(
    settings: RunSettings | None = None,
    out: str | Path | None = None,
    *,
    calibration: str | Path | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> GenerateResult:
    """Draws images by the simulated array.

    An audit beyond its limit is not an error: the result, `metrics.json` and the report say so (`passes`).

    Args:
        settings: Settings of the run; the defaults where none are given.
        out: Run directory to write; none writes nothing.
        calibration: Stored calibration of the array that gives the latents; replaces the setting of this name.
        jobs: ngspice workers side by side; the result does not depend on it.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, files, simulation or output; the subclass and its sentence say what.
    """
    settings = settings or RunSettings()
    if calibration is not None:
        settings = RunSettings.parse(settings.model_dump() | {"calibration": str(calibration)}, "settings")
    check_jobs(jobs)
    if out is None:
        return _run(settings, jobs, observer, Stopwatch())
    inputs = [] if settings.calibration is None else [Path(settings.calibration)]
    if settings.periphery is not None:
        inputs.append(macromodel_path(settings.periphery))
    with RunDirectory(Path(out), force=force, inputs=inputs) as run:
        watch = Stopwatch()
        result = _run(settings, jobs, observer, watch)
        with watch("report"):
            observer("report", 0, 1)
            write_run(run, result, watch, command, decoder_path(settings.decoder))
            observer("report", 1, 1)
    return replace(result, path=Path(out))


def _run(settings: RunSettings, jobs: int, observer: Observer, watch: Stopwatch) -> GenerateResult:
    card = load_card(settings.card)
    decoder = load_decoder(settings.decoder)
    check_images(decoder, settings.samples)
    periphery = load_periphery(settings)
    if settings.audit > 0:
        check_transistors(periphery)
    if periphery is not None and settings.engine.read == "ngspice":
        refuse_transistors(periphery, column_reads(decoder, settings))
    calibration = _load_calibration(settings, card, decoder.latent_dim, periphery)
    if calibration is None and settings.engine.sample == "transistors":
        check_sampling(periphery, settings.sample, decoder.latent_dim, settings.samples, jobs)
    drawn = draw_reads(layer_plans(decoder, settings.read, settings.samples), settings.audit, settings.seed)
    with ExitStack() as stack:
        engine = stack.enter_context(NgspiceEngine(jobs, settings.engine.time_limit))
        with watch("start"):
            features = engine.features() if _needs_ngspice(settings) else {}
            if settings.audit and settings.engine.read != "ngspice":
                times = ReadTimes(card, settings.read, bool(features["klu"]))
                shapes = layer_shapes(decoder, settings.read)
                audit_time(shapes, drawn, settings.audit, times, jobs).check(settings.engine.time_limit)
            reader = stack.enter_context(_reader(settings, jobs, engine))
        with watch("sample"):
            sampling, through = _sample(settings, card, decoder.latent_dim, calibration, periphery, engine, observer)
        with watch("read"):
            images, layers = decode(
                sampling.latents,
                decoder,
                card,
                settings.read,
                seed=settings.seed,
                reader=reader,
                keep=drawn,
                progress=part_of(observer, "read"),
                periphery=periphery,
            )
        kept = pick_reads(
            {layer.name: layer.kept for layer in layers},
            {layer.name: pairs for layer, pairs in zip(layers, drawn, strict=True)},
            settings.audit,
        )
        layers = [replace(layer, kept=()) for layer in layers]
        with watch("audit"):
            audits = _audits(settings, sampling, kept, engine, observer)
            if settings.audit and through is None and isinstance(sampling, SampleResult):
                repeated = audit_sampling(periphery, sampling, engine, seed=settings.seed, observer=observer)
                audits |= {} if repeated is None else {"sample circuits": repeated}
            if periphery is not None and kept:
                audits |= _periphery_audit(periphery, settings, layers, kept, card, engine, observer)
    with watch("ideal"):
        ideal = decoder(sampling.latents)
    netlists = dict(sampling.netlists) if isinstance(sampling, SampleResult) else {}
    for audit in audits.values():
        netlists |= audit.netlists
    if settings.engine.read == "ngspice":
        netlists |= read_netlists(kept)
    energy = None if periphery is None else generate_energy(periphery, settings, card, sampling, layers, decoder)
    extra = {} if energy is None or periphery is None else periphery_metrics(periphery, settings, sampling, energy)
    if through is not None:
        extra["periphery"] |= {"sampled_by_transistors": through.figures}
    return GenerateResult(
        images=images,
        latents=sampling.latents,
        ideal_images=ideal,
        sampling=sampling,
        layers=tuple(layers),
        kept=kept,
        audits=audits,
        netlists=netlists,
        engines={"sample": sampling.engine, "read": layers[0].engine}
        | {f"audit of {name}": audit.engine for name, audit in audits.items()},
        features=features,
        metrics=metrics_of(images, ideal, sampling, layers, audits) | extra,
        card=card,
        settings=settings,
        periphery=periphery,
        energy=energy,
    )


def column_reads(decoder: Decoder, settings: RunSettings) -> int:
    """Returns how many reads of single columns a run makes."""
    plans, shapes = layer_plans(decoder, settings.read, settings.samples), layer_shapes(decoder, settings.read)
    return sum(count * shape[1] for pair in zip(plans, shapes, strict=True) for count, shape in zip(*pair, strict=True))


def _periphery_audit(
    model: Macromodel,
    settings: RunSettings,
    layers: Sequence[LayerRun],
    kept: Mapping[str, list[KeptRead]],
    card: Card,
    engine: NgspiceEngine,
    observer: Observer,
) -> dict[str, Audit]:
    """Repeats a few conversions through the transistors that the macromodel stands for, where there is a chain."""
    scales = {layer.name: layer.scales for layer in layers}
    pairs = [(read, scales[name][read.tile]) for name, reads in kept.items() for read in reads]
    audit = audit_periphery(
        model, [read for read, _ in pairs], [scale for _, scale in pairs], card, engine,
        seed=settings.seed, observer=observer,
    )  # fmt: skip
    return {} if audit is None else {"periphery": audit}


def _needs_ngspice(settings: RunSettings) -> bool:
    sampled = settings.engine.sample != "fast" and settings.calibration is None
    return sampled or settings.engine.read == "ngspice" or settings.audit > 0


def _load_calibration(
    settings: RunSettings, card: Card, latents: int, periphery: Macromodel | None
) -> Calibration | None:
    """Returns the calibrated array; one that was calibrated through ideal integrators keeps them beside a periphery."""
    if settings.calibration is None:
        return None
    own = None if periphery is None or not through_circuits(settings.calibration) else periphery
    calibration = load_calibration(settings.calibration, card=card, periphery=own)
    if len(calibration.latents) != latents:
        raise DataError(
            f"{settings.calibration} gives {len(calibration.latents)} latents, but decoder '{settings.decoder}' takes "
            f"{latents}: calibrate an array with latents={latents}"
        )
    return calibration


def _reader(settings: RunSettings, jobs: int, engine: NgspiceEngine) -> ArrayReader:
    """Returns the read phase's reader; ngspice shares the workers of the sample phase."""
    if settings.engine.read == "ngspice":
        return NgspiceReader(engine, time_limit=settings.engine.time_limit)
    return open_reader(settings.engine.read, jobs=jobs, time_limit=settings.engine.time_limit)


def _sample(
    settings: RunSettings,
    card: Card,
    columns: int,
    calibration: Calibration | None,
    periphery: Macromodel | None,
    engine: NgspiceEngine,
    observer: Observer,
) -> tuple[SampleResult | CalibratedSamples, TransistorSamples | None]:
    """Returns the sample phase, and what transistors did in it where they read it."""
    if calibration is not None:
        drawn = sample_calibrated(calibration, settings.samples, stream=settings.seed, jobs=engine.jobs)
        observer("sample", 1, 1)
        return drawn, None
    if periphery is not None and settings.engine.sample == "transistors":
        through = sample_by_transistors(
            card, settings.sample, periphery, engine, count=settings.samples, columns=columns, seed=settings.seed,
            observer=observer,
        )  # fmt: skip
        return through.samples, through
    fast = settings.engine.sample == "fast"
    transients = -(-settings.audit // READS_PER_TRANSIENT) if fast else 0
    sampling = sample(
        card,
        settings.sample,
        count=settings.samples,
        columns=columns,
        seed=settings.seed,
        engine="fast" if fast else engine,
        keep=draw_parts(settings.sample, columns, settings.samples, transients, settings.seed),
        progress=part_of(observer, "sample"),
        periphery=periphery,
    )
    return sampling, None


def _audits(
    settings: RunSettings,
    sampling: SampleResult | CalibratedSamples,
    kept: Mapping[str, list[KeptRead]],
    engine: NgspiceEngine,
    observer: Observer,
) -> dict[str, Audit]:
    """Repeats in ngspice what was kept of other engines' work."""
    audits: dict[str, Audit] = {}
    if isinstance(sampling, CalibratedSamples):
        calibration, told = sampling.calibration, part_of(observer, "audit of samples")
        if columns := draw_columns(calibration, -(-settings.audit // READS_PER_TRANSIENT), settings.seed):
            audits["samples"] = audit_calibration(calibration, engine, told, columns=columns)
    elif sampling.kept:
        audits["samples"] = audit_samples(sampling, settings.sample, engine, part_of(observer, "audit of samples"))
    if kept and settings.engine.read != "ngspice":
        reader = NgspiceReader(engine, time_limit=settings.engine.time_limit)
        audits["reads"] = audit_reads(kept, reader, READ_LIMIT, part_of(observer, "audit of reads"))
    return audits
