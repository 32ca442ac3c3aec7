"""A calibration run: arrays with real spread, tuned by what their own read-out shows, and what that buys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card, card_toml, load_card
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.sampling.calibration.audit import audit_calibration
from ftj_spice.sampling.calibration.procedure import Judgement
from ftj_spice.sampling.calibration.settings import CalibrateSettings, tools_of
from ftj_spice.sampling.calibration.state import Calibration, encode_calibration, first_array
from ftj_spice.studies.calibration.metrics import measure, summarise
from ftj_spice.studies.calibration.points import (
    ExactLaw,
    Point,
    StartUp,
    Warmed,
    exact_law,
    memories,
    run_point,
    start_up,
    temperatures,
)
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.sample_periphery import CALIBRATION_OWNED, circuit_inputs, circuit_metrics, load_circuits
from ftj_spice.studies.settings import check_jobs, read_settings

CALIBRATION_FILE = "calibration.npz"
"""The stored calibration in a run directory."""
LARGEST_MEMORY = 4e9
"""A run that needs more than this, in bytes, is refused."""


@dataclass(frozen=True)
class CalibrateResult:
    """What a calibration run gives.

    Attributes:
        settings: Of the run.
        card: Device card.
        points: Every number of cells with every set of tools, judged.
        stored: The point whose first array is stored.
        calibration: That array's calibration.
        warmed: The stored array at other temperatures.
        memories: The stored array with other memories, in samples, of its running statistics.
        start_up: How its running statistics begin.
        law: The exact law of its columns beside what was measured.
        audit: Comparison with ngspice; none where it was not asked for.
        ideal: With read-out circuits: the stored set of tools on the same arrays behind the ideal read-out.
        metrics: As in `metrics.json`.
        summary: The same in a few lines.
        path: The run directory, where one was written.
    """

    settings: CalibrateSettings
    card: Card
    points: tuple[Point, ...]
    stored: Point
    calibration: Calibration
    warmed: tuple[Warmed, ...]
    memories: tuple[tuple[int, Judgement], ...]
    start_up: StartUp
    law: ExactLaw
    audit: Audit | None
    ideal: Point | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    summary: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def passes(self) -> bool:
        """Whether the audit, if there was one, is within its limit."""
        return self.audit is None or self.audit.passes


def load_calibrate_settings(path: str | Path | None = None, changes: Iterable[str] = ()) -> CalibrateSettings:
    """Returns the settings of a TOML file (or the defaults), changed by `key=value` strings.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    return read_settings(CalibrateSettings, path, changes)


def calibrate(
    out: str | Path | None = None,
    *,
    settings: CalibrateSettings | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> CalibrateResult:
    """Calibrates arrays by every set of tools, judges them on fresh samples, and stores one array's calibration.

    Args:
        out: Run directory to write; none writes nothing.
        settings: Of the run.
        jobs: Threads, and ngspice workers of the audit; the result does not depend on it.
        force: Replaces an existing run directory.
        observer: Told about progress: phases `calibrate`, `store` and `audit`.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, card, simulation or output; the subclass and its sentence say what.
    """
    chosen = settings or CalibrateSettings()
    check_jobs(jobs)
    card = load_card(chosen.card)
    _check_size(chosen)
    model = load_circuits(chosen.periphery, chosen, "a calibration", CALIBRATION_OWNED)
    watch = Stopwatch()
    if out is None:
        return _run(chosen, card, model, jobs, observer, watch)
    with RunDirectory(Path(out), force=force, inputs=circuit_inputs(chosen.periphery)) as run:
        result = _run(chosen, card, model, jobs, observer, watch)
        with watch("report"):
            _write(run, result, watch, command)
    return replace(result, path=Path(out))


def _check_size(settings: CalibrateSettings) -> None:
    """Refuses what does not fit into memory: some 250 bytes for each cell, 60 for each sample of a column."""
    columns = settings.arrays * settings.columns
    cells = max(*settings.redundancy, settings.sample.rows) * settings.pool * columns
    windows = max(settings.check_windows, settings.start_windows, settings.scan_windows)
    needed = 250.0 * cells + 60.0 * windows * columns
    if needed > LARGEST_MEMORY:
        raise SettingsError(
            f"{columns} columns of up to {cells // columns} cells and {windows} samples each would need some "
            f"{needed / 1e9:.3g} GB, more than {LARGEST_MEMORY / 1e9:g} GB: take fewer arrays, columns or samples"
        )


def _run(
    settings: CalibrateSettings, card: Card, model: Macromodel | None, jobs: int, observer: Observer, watch: Stopwatch
) -> CalibrateResult:
    wanted = [(cells, tools_of(name)) for cells in settings.redundancy for name in settings.scenarios]
    points: list[Point] = []
    with watch("calibrate"):
        for cells, tools in wanted:
            points.append(run_point(card, settings, cells, tools, jobs=jobs, arrays=settings.arrays, periphery=model))
            observer("calibrate", len(points), len(wanted))
    with watch("store"):
        rows, tools = settings.sample.rows, settings.tools
        same = [p for p in points if p.cells == rows and set(tools_of(p.scenario)) == set(tools)]
        told = part_of(observer, "store")
        stored = (
            same[0]
            if same
            else run_point(card, settings, rows, tools, jobs=jobs, arrays=1, progress=told, periphery=model)
        )
        ideal = None
        if model is not None:
            ideal = run_point(card, settings, rows, tools, jobs=jobs, arrays=settings.arrays if same else 1)
        calibration = first_array(stored.calibrated, stored.judgement, card, settings, model)
        warmed = tuple(temperatures(calibration, jobs))
        remembered = tuple(memories(calibration, jobs))
        begun, law = start_up(calibration, jobs), exact_law(calibration, jobs)
    audit = None
    if settings.audit:
        with watch("audit"), NgspiceEngine(jobs) as engine:
            audit = audit_calibration(calibration, engine, part_of(observer, "audit"))
    result = CalibrateResult(
        settings, card, tuple(points), stored, calibration, warmed, remembered, begun, law, audit, ideal
    )  # fmt: skip
    metrics = measure(result)
    return replace(result, metrics=metrics, summary=tuple(summarise(result, metrics)))


def _write(run: RunDirectory, result: CalibrateResult, watch: Stopwatch, command: Sequence[str]) -> None:
    from ftj_spice.results.plots.style import figure_png
    from ftj_spice.studies.calibration.report import figures, render_calibrate_report

    run.write_bytes(CALIBRATION_FILE, encode_calibration(result.calibration))
    netlists = {} if result.audit is None else result.audit.netlists
    model = result.calibration.periphery
    for name, text in netlists.items():
        run.write_text(f"netlists/{name}", text)
    drawn = figures(result)
    for name, figure in drawn.items():
        run.write_bytes(f"plots/{name}.png", figure_png(figure))
    run.write_text("settings.toml", tomli_w.dumps(result.settings.model_dump(exclude_none=True)))
    run.write_text("card.toml", card_toml(result.card))
    run.write_json("metrics.json", result.metrics)
    run.write_text("report.html", render_calibrate_report(result, drawn, dict(watch.durations)))
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in netlists.items()},
            watch.durations,
            "fast",
            {"card": {"name": result.card.name, "sha256": sha256_text(card_toml(result.card))}}
            | ({} if model is None else {"periphery": circuit_metrics(model)}),
        ),
    )
