"""The main job: FTJ noise in, images out.

sample phase (ngspice) -> latents -> first decoder layer on the array (ngspice) -> remaining layers (numpy) -> images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.layer import LayerResult, forward
from ftj_spice.common import resources
from ftj_spice.common.rawfile import write_raw
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.generative.decoder import Decoder, shipped
from ftj_spice.results.datasets import Variable, write_dataset
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_file, sha256_text
from ftj_spice.results.plots import save_image_grid
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.sampling.phase import SampleResult, sample
from ftj_spice.studies.generate_report import render_generate_report
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.settings import RunSettings, check_jobs


@dataclass(frozen=True)
class GenerateResult:
    """What a run gives.

    Attributes:
        images: Shape `(samples, height, width)`, 0 to 1.
        latents: Standardised latent vectors, shape `(samples, latent_dim)`.
        ideal_images: The numpy decoder's images for the same latents.
        sampling: The sample phase in full.
        layer: The first layer's reads in full.
        metrics: Figures of the run, as in `metrics.json`.
        settings: Settings of the run.
        path: The run directory, where one was written.
    """

    images: NDArray[np.float64]
    latents: NDArray[np.float64]
    ideal_images: NDArray[np.float64]
    sampling: SampleResult
    layer: LayerResult
    metrics: dict[str, Any]
    settings: RunSettings
    path: Path | None = None


def load_decoder(name: str) -> Decoder:
    """Returns a shipped decoder by name, or one from an .npz file.

    Raises:
        DataError: No such decoder, or a damaged file.
    """
    return Decoder.load(name) if name.endswith(".npz") else shipped(name)


def decoder_path(name: str) -> Path:
    """Returns the file of a decoder that `load_decoder` knows."""
    return Path(name) if name.endswith(".npz") else resources.models() / "decoders" / f"{name}.npz"


def generate(
    settings: RunSettings | None = None,
    out: str | Path | None = None,
    *,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> GenerateResult:
    """Draws images by the simulated array.

    Args:
        settings: Settings of the run; the defaults where none are given.
        out: Run directory to write; none writes nothing.
        jobs: ngspice workers side by side; the result does not depend on it.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, files, simulation or output; the subclass and its sentence say what.
    """
    settings = settings or RunSettings()
    check_jobs(jobs)
    if out is None:
        return _run(settings, jobs, observer, Stopwatch())[0]
    with RunDirectory(Path(out), force=force) as run:
        watch = Stopwatch()
        result, features = _run(settings, jobs, observer, watch)
        with watch("report"):
            observer("report", 0, 1)
            _write(run, result, watch, features, command)
            observer("report", 1, 1)
    return replace(result, path=Path(out))


def _run(
    settings: RunSettings, jobs: int, observer: Observer, watch: Stopwatch
) -> tuple[GenerateResult, dict[str, Any]]:
    card = load_card(settings.card)
    decoder = load_decoder(settings.decoder)
    weights, bias = decoder.first_layer
    with NgspiceEngine(jobs, settings.engine.time_limit) as engine:
        with watch("start"):
            features = engine.features()
        with watch("sample"):
            sampling = sample(
                card,
                settings.sample,
                count=settings.samples,
                columns=decoder.latent_dim,
                seed=settings.seed,
                engine=engine,
                progress=part_of(observer, "sample"),
            )
        with watch("read"):
            layer = forward(
                sampling.latents,
                weights,
                bias,
                card,
                settings.read,
                seed=settings.seed,
                engine=engine,
                progress=part_of(observer, "read"),
            )
    with watch("decode"):
        images = decoder.after_first_layer(layer.outputs)
        ideal = decoder(sampling.latents)
    result = GenerateResult(
        images=images,
        latents=sampling.latents,
        ideal_images=ideal,
        sampling=sampling,
        layer=layer,
        metrics=_metrics(images, ideal, sampling, layer),
        settings=settings,
    )
    return result, features


def latent_statistics(latents: NDArray[np.float64]) -> dict[str, float | None]:
    """Returns mean, central moments and lag-1 autocorrelation over all latents together, about their common mean."""
    centred = latents - latents.mean()
    variance = float(np.mean(centred**2))
    usable = variance > 0
    lag = float(np.mean(centred[1:] * centred[:-1]) / variance) if usable and len(latents) > 1 else None
    return {
        "mean": float(latents.mean()),
        "variance": variance,
        "skewness": float(np.mean(centred**3) / variance**1.5) if usable else None,
        "excess_kurtosis": float(np.mean(centred**4) / variance**2 - 3.0) if usable else None,
        "lag1_autocorrelation": lag,
    }


def _metrics(
    images: NDArray[np.float64], ideal: NDArray[np.float64], sampling: SampleResult, layer: LayerResult
) -> dict[str, Any]:
    m = sampling.moments
    return {
        "latents": {
            "count": int(sampling.latents.size),
            "simulated": latent_statistics(sampling.latents),
            "closed_form": {
                "mean": 0.0,
                "variance": 1.0,
                "skewness": float(np.mean(m.skewness)),
                "excess_kurtosis": float(np.mean(m.kurtosis)),
                "lag1_autocorrelation": float(np.mean(m.autocorrelation)),
            },
        },
        "first_layer": {
            "mean_absolute_error": layer.mean_absolute_error,
            "effective_bits": layer.effective_bits,
            "reads": int(sum(len(tile.currents) for tile in layer.tiles)),
            "tiles": len(layer.tiles),
            "cells": int(sum(tile.conductance.size for tile in layer.layer.tiles)),
            "status": layer.status,
        },
        "images": {
            "count": len(images),
            "mean_intensity": float(images.mean()),
            "mean_squared_error_to_ideal_decoder": float(np.mean((images - ideal) ** 2)),
        },
    }


def _write(
    run: RunDirectory, result: GenerateResult, watch: Stopwatch, features: dict[str, Any], command: Sequence[str]
) -> None:
    sampling, layer = result.sampling, result.layer
    save_image_grid(run.file("images.png"), result.images)
    run.write_npy("images.npy", result.images)
    run.write_npy("latents.npy", result.latents)
    waveform = sampling.waveform
    kinds: dict[str, Any] = {"time": ("time", waveform.time)}
    kinds |= {k: ("current" if k.startswith("i(") else "voltage", v) for k, v in waveform.vectors.items()}
    write_raw(run.file("waveforms.raw"), "ftj-spice: sampling transient of column 0", "Transient Analysis", kinds)
    write_dataset(run.file("columns.h5"), _columns(sampling, layer), {"engine": sampling.engine})
    netlists = sampling.netlists | layer.netlists
    for name, text in netlists.items():
        run.write_text(f"netlists/{name}", text)
    run.write_json("metrics.json", result.metrics)
    run.write_text("report.html", render_generate_report(result, watch.durations))
    run.write_json(
        "manifest.json",
        build_manifest(
            [word.encode("utf-8", "backslashreplace").decode() for word in command],
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in netlists.items()},
            watch.durations,
            {"name": "ngspice", **{k: v for k, v in features.items() if k != "banner"}},
            {
                "card": sampling.array.card.model_dump(exclude={"provenance"}),
                "decoder": {"sha256": sha256_file(decoder_path(result.settings.decoder))},
            },
        ),
    )


def _columns(sampling: SampleResult, layer: LayerResult) -> dict[str, Variable]:
    """Returns everything that was read off the arrays, labelled."""
    integrated = sampling.resolution.name == "AVERAGES"
    variables: dict[str, Variable] = {
        "sample_value": (
            ("sample", "latent"),
            sampling.values,
            {"units": "A" if integrated else "1",
             "long_name": "mean column current over the window" if integrated else "sum of comparator bits"},
        ),
        "sample_code": (("sample", "latent"), sampling.codes, {"units": "1", "long_name": "digitiser code"}),
        "latent_value": (("sample", "latent"), sampling.latents, {"units": "1", "long_name": "standardised latent"}),
        "sample_conductance": (
            ("sample_row", "latent"), sampling.array.conductance,
            {"units": "S", "long_name": "conductance of the sampling cells at V_VMM"},
        ),
    }  # fmt: skip
    for t, (tile, reads) in enumerate(zip(layer.layer.tiles, layer.tiles, strict=True)):
        read, row, column, pair = (f"{axis}_{t:02d}" for axis in ("read", "row", "column", "pair"))
        name = f"tile{t:02d}"
        variables |= {
            f"{name}_conductance": (
                (row, column), tile.conductance, {"units": "S", "long_name": "conductance at V_VMM"},
            ),
            f"{name}_voltage": ((read, row), reads.voltages, {"units": "V", "long_name": "row voltage"}),
            f"{name}_current": ((read, column), reads.currents, {"units": "A", "long_name": "column current"}),
            f"{name}_code": ((read, pair), reads.codes, {"units": "1", "long_name": "converter code of the pair"}),
            f"{name}_full_scale": ((pair,), reads.full_scale, {"units": "A", "long_name": "converter range"}),
        }  # fmt: skip
    return variables
