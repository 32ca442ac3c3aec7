"""Latents from an array whose calibration is stored: drawn, measured, and some of its columns again in ngspice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tomli_w
from pydantic import Field

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.settings import Strict
from ftj_spice.device.card import card_toml, load_card
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_file, sha256_text
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.results.units import engineering as eng
from ftj_spice.sampling.calibration.audit import audit_calibration, draw_columns
from ftj_spice.sampling.calibration.draw import CalibratedSamples, sample_calibrated
from ftj_spice.sampling.calibration.state import Calibration, encode_calibration, load_calibration
from ftj_spice.sampling.calibration.statistics import kolmogorov
from ftj_spice.sampling.energy import readout_energy
from ftj_spice.studies.calibration.study import CALIBRATION_FILE, LARGEST_MEMORY
from ftj_spice.studies.generate_metrics import audit_figures, expected_statistics, latent_statistics
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.sample_periphery import circuit_inputs, circuit_metrics, load_circuits
from ftj_spice.studies.settings import check_jobs, read_settings


class DrawSettings(Strict):
    """How latents are drawn from a calibrated array."""

    calibration: str = CALIBRATION_FILE
    """Stored calibration (.npz), as `ftj-spice sample --calibrate` leaves it."""
    samples: Annotated[int, Field(ge=1, le=100_000_000)] = 10_000
    """Latent vectors to draw."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Tells runs of one array apart; the array's own seed is in its calibration."""
    periphery: str | None = None
    """Circuits that read the columns: those that the array was calibrated through, which the file names; none where it
    was calibrated through ideal integrators."""
    card: str | None = None
    """Device card that the array must have; none takes the calibration's own."""
    audit: Annotated[int, Field(ge=0, le=1024)] = 4
    """Columns, of those that deliver latents, that ngspice repeats; drawn at random."""
    audit_windows: Annotated[int, Field(ge=1, le=1000)] = 8
    """Samples of each of them."""


@dataclass(frozen=True)
class DrawResult:
    """What a calibrated array gave.

    Attributes:
        settings: Of the run.
        samples: Latents, codes and the calibration afterwards.
        audit: Comparison with ngspice; none where it was not asked for.
        metrics: As in `metrics.json`.
        path: The run directory, where one was written.
    """

    settings: DrawSettings
    samples: CalibratedSamples
    audit: Audit | None
    metrics: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @property
    def passes(self) -> bool:
        """Whether the audit, if there was one, is within its limit."""
        return self.audit is None or self.audit.passes

    @property
    def summary(self) -> tuple[str, ...]:
        """The outcome in a few lines."""
        m = self.metrics
        found, law = m["latents"]["simulated"], m["latents"]["closed_form"]
        count, latents = self.samples.latents.shape
        energy = eng(m["cells_J_per_latent"], "J")
        lines = [
            f"{count} vectors of {latents} latents, {m['latents_from_usable_columns']} of them from usable columns; "
            f"{m['rate_vectors_per_s']:.4g} vectors per second, {energy} per latent in the cells",
            f"mean {found['mean']:+.4f}, variance {found['variance']:.4f}, skewness {_signed(found['skewness'])} "
            f"(closed form {law['skewness']:+.3f}), excess kurtosis {_signed(found['excess_kurtosis'])} "
            f"({law['excess_kurtosis']:+.3f}), lag-1 autocorrelation {_signed(found['lag1_autocorrelation'])} "
            f"({law['lag1_autocorrelation']:+.3f})",
            f"distance to the normal: {m['latents']['kolmogorov_distance']:.4f} over all, "
            f"{max(own['kolmogorov_distance'] for own in m['columns']):.4f} of the worst latent; a normal source of as "
            f"many samples shows {m['distance_of_a_normal_source']:.4f} on average",
        ]
        if self.audit is not None:
            lines.append(f"audit {'passes' if self.audit.passes else 'FAILS'}: {self.audit.sentence}")
        return tuple(lines)


def load_draw_settings(path: str | Path | None = None, changes: Iterable[str] = ()) -> DrawSettings:
    """Returns the settings of a TOML file (or the defaults), changed by `key=value` strings.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    return read_settings(DrawSettings, path, changes)


def draw_latents(
    out: str | Path | None = None,
    *,
    settings: DrawSettings | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> DrawResult:
    """Draws latents from an array by its stored calibration.

    An audit beyond its limit is not an error: the result, `metrics.json` and the report say so (`passes`).

    Args:
        out: Run directory to write; none writes nothing.
        settings: Of the run; the defaults where none are given.
        jobs: Threads, and ngspice workers of the audit; the result does not depend on it.
        force: Replaces an existing run directory.
        observer: Told about progress: phases `draw` and `audit`.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, file, simulation or output; the subclass and its sentence say what.
    """
    settings = settings or DrawSettings()
    check_jobs(jobs)
    card = None if settings.card is None else load_card(settings.card)
    model = load_circuits(settings.periphery, settings, "a draw from a calibrated array")
    calibration = load_calibration(settings.calibration, card=card, periphery=model)
    _check_size(settings, calibration)
    watch = Stopwatch()
    if out is None:
        return _run(settings, calibration, jobs, observer, watch)
    inputs = [Path(settings.calibration), *circuit_inputs(settings.periphery)]
    with RunDirectory(Path(out), force=force, inputs=inputs) as run:
        origin = {"sha256": sha256_file(Path(settings.calibration)), "seed": calibration.settings.seed}
        result = _run(settings, calibration, jobs, observer, watch)
        with watch("report"):
            _write(run, result, watch, command, origin)
    return replace(result, path=Path(out))


def _check_size(settings: DrawSettings, calibration: Calibration) -> None:
    """Refuses what does not fit into memory: some 60 bytes for each sample of a column."""
    columns = calibration.settings.columns
    needed = 60.0 * settings.samples * columns
    if needed > LARGEST_MEMORY:
        raise SettingsError(
            f"{settings.samples} samples of {columns} columns would need some {needed / 1e9:.3g} GB, more than "
            f"{LARGEST_MEMORY / 1e9:g} GB: draw them in several runs, each with a seed of its own"
        )


def _run(
    settings: DrawSettings, calibration: Calibration, jobs: int, observer: Observer, watch: Stopwatch
) -> DrawResult:
    with watch("draw"):
        samples = sample_calibrated(calibration, settings.samples, stream=settings.seed, jobs=jobs)
        observer("draw", 1, 1)
    audit = None
    if settings.audit:
        own = calibration.settings.model_copy(update={"audit_windows": settings.audit_windows})
        columns = draw_columns(calibration, settings.audit, settings.seed)
        with watch("audit"), NgspiceEngine(jobs) as engine:
            told = part_of(observer, "audit")
            audit = audit_calibration(replace(calibration, settings=own), engine, told, columns=columns)
    return DrawResult(settings, samples, audit, _measure(samples, audit))


def _measure(samples: CalibratedSamples, audit: Audit | None) -> dict[str, Any]:
    """Returns what `metrics.json` holds."""
    calibration, latents, moments = samples.calibration, samples.latents, samples.moments
    period = calibration.controls.timing.period
    own = kolmogorov(latents.T)
    converter, source = readout_energy(calibration.periphery, period, calibration.settings.sample.adc_bits)
    numbers: dict[str, Any] = {
        "latents": {
            "count": int(latents.size),
            "simulated": latent_statistics(latents),
            "closed_form": expected_statistics(moments),
            "kolmogorov_distance": float(kolmogorov(latents.reshape(1, -1))[0]),
        },
        "columns": [
            {
                "column": int(column),
                "usable": bool(calibration.usable[column]),
                "simulated": latent_statistics(latents[:, [k]]),
                "closed_form": expected_statistics(moments.take([k])),
                "kolmogorov_distance": float(own[k]),
            }
            for k, column in enumerate(calibration.latents)
        ],
        "distance_of_a_normal_source": float(0.8687 / np.sqrt(len(latents))),
        "latents_from_usable_columns": int(calibration.usable[calibration.latents].sum()),
        "period_s": period,
        "rate_vectors_per_s": 1.0 / period,
        "rate_latents_per_s": latents.shape[1] / period,
        "device_time_s": samples.seconds,
        "cells_J_per_latent": samples.energy / latents.size,
        "converter_J_per_latent": converter * calibration.settings.columns / latents.shape[1],
        "converter_energy_source": source,
    }
    if calibration.periphery is not None:
        numbers["periphery"] = circuit_metrics(calibration.periphery)
    if audit is not None:
        numbers["audit"] = audit_figures(audit)
    return numbers


def _signed(value: float | None) -> str:
    return "none" if value is None else f"{value:+.3f}"


def _write(
    run: RunDirectory, result: DrawResult, watch: Stopwatch, command: Sequence[str], origin: dict[str, Any]
) -> None:
    from ftj_spice.results.plots.style import figure_png
    from ftj_spice.studies.calibration.draw_report import figures, render_draw_report

    samples, calibration = result.samples, result.samples.calibration
    run.write_npy("latents.npy", samples.latents)
    run.write_npy("codes.npy", samples.codes)
    run.write_bytes(CALIBRATION_FILE, encode_calibration(calibration))
    netlists = {} if result.audit is None else result.audit.netlists
    for name, text in netlists.items():
        run.write_text(f"netlists/{name}", text)
    drawn = figures(result)
    for name, figure in drawn.items():
        run.write_bytes(f"plots/{name}.png", figure_png(figure))
    run.write_text("settings.toml", tomli_w.dumps(result.settings.model_dump(exclude_none=True)))
    run.write_json("metrics.json", result.metrics)
    run.write_text("report.html", render_draw_report(result, drawn, dict(watch.durations)))
    card = calibration.card
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in netlists.items()},
            watch.durations,
            samples.engine,
            {"card": {"name": card.name, "sha256": sha256_text(card_toml(card))}, "calibration": origin}
            | ({} if calibration.periphery is None else {"periphery": circuit_metrics(calibration.periphery)}),
        ),
    )
