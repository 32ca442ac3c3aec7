"""What a `generate` run leaves on the disk: bounded, whatever the number of images, but for what grows with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.audit import Kept, by_tile, joint_drive
from ftj_spice.array.layer import KeptRead
from ftj_spice.common.rawfile import write_raw
from ftj_spice.results.datasets import Variable, write_dataset
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_file, sha256_text
from ftj_spice.results.plots import save_image_grid
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.sampling.calibration.draw import CalibratedSamples
from ftj_spice.sampling.phase import SampleResult
from ftj_spice.studies.generate_report import render_generate_report

if TYPE_CHECKING:
    from ftj_spice.studies.generate import GenerateResult

SHOWN = 64
"""Images of `images.png`."""


def write_run(
    run: RunDirectory, result: "GenerateResult", watch: Stopwatch, command: Sequence[str], decoder: Path
) -> None:
    """Writes all files of a run.

    Args:
        run: The run directory.
        result: What the run gave.
        watch: Its times so far.
        command: The command line, for the manifest.
        decoder: The decoder's file.

    Raises:
        OutputError: A file can't be written.
    """
    sampling = result.sampling
    save_image_grid(run.file("images.png"), result.images[:SHOWN])
    run.write_npy("images.npy", result.images)
    run.write_npy("latents.npy", result.latents)
    if isinstance(sampling, SampleResult) and sampling.waveform is not None:
        waveform = sampling.waveform
        kinds: dict[str, Any] = {"time": ("time", waveform.time)}
        kinds |= {k: ("current" if k.startswith("i(") else "voltage", v) for k, v in waveform.vectors.items()}
        title = "ftj-spice: sampling transient of column 0"
        write_raw(run.file("waveforms.raw"), title, "Transient Analysis", kinds)
    write_dataset(run.file("columns.h5"), _columns(result), dict(result.engines))
    for name, text in result.netlists.items():
        run.write_text(f"netlists/{name}", text)
    run.write_json("metrics.json", result.metrics)
    run.write_text("report.html", render_generate_report(result, watch.durations))
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in sorted(result.netlists.items())},
            watch.durations,
            {
                **result.engines,
                "methods": {layer.name: dict(layer.methods) for layer in result.layers},
                "ngspice": {k: v for k, v in result.features.items() if k != "banner"},
            },
            {
                "card": result.card.model_dump(exclude={"provenance"}),
                "decoder": {"sha256": sha256_file(decoder)},
            }
            | _calibration(result),
        ),
    )


def _calibration(result: "GenerateResult") -> dict[str, Any]:
    path, sampling = result.settings.calibration, result.sampling
    if path is None or not isinstance(sampling, CalibratedSamples):
        return {}
    return {"calibration": {"sha256": sha256_file(Path(path)), "seed": sampling.calibration.settings.seed}}


def _columns(result: "GenerateResult") -> dict[str, Variable]:
    """Returns what was read off the arrays, labelled: all samples, the programmed layers, and the reads kept."""
    sampling = result.sampling
    audited = {name: values for audit in result.audits.values() for name, values in audit.values.items()}
    variables = (
        _samples(sampling, audited) if isinstance(sampling, SampleResult) else _calibrated_samples(sampling, audited)
    )
    for layer in result.layers:
        variables[f"{layer.name}_conductance"] = (
            (f"{layer.name}_row", f"{layer.name}_column"), layer.conductance,
            {"units": "S", "long_name": f"conductances of layer {layer.number} at V_VMM, tiles side by side"},
        )  # fmt: skip
    return variables | read_columns(result.kept)


def read_columns(kept: Kept | Sequence[KeptRead]) -> dict[str, Variable]:
    """Returns what reads were driven with and gave, labelled by tile; `replay` compares with it.

    Args:
        kept: Reads, or reads by layer.
    """
    variables: dict[str, Variable] = {}
    for name, reads in by_tile(kept).items():
        drive = joint_drive(reads)
        read, line, column, unit = (f"{axis}_of_{name}" for axis in ("read", "line", "column", "unit"))
        variables |= {
            f"{name}_read": (read, np.array([r.read for r in reads]), {"units": "1", "long_name": "number of a read"}),
            f"{name}_voltage": ((read, line), drive.lines, {"units": "V", "long_name": "voltage of the driven lines"}),
            f"{name}_current": (
                (read, column), np.stack([r.currents for r in reads]), {"units": "A", "long_name": "column current"},
            ),
            f"{name}_code": (
                (read, unit), np.stack([r.codes for r in reads]),
                {"units": "1", "long_name": "converter codes of the read's conversion"},
            ),
        }  # fmt: skip
        if drive.gates is not None:
            variables[f"{name}_gate"] = (
                (read, f"gate_of_{name}"), drive.gates, {"units": "V", "long_name": "gate voltage of the rows"},
            )  # fmt: skip
    return variables


def _samples(sampling: SampleResult, audited: Mapping[str, NDArray[np.float64]]) -> dict[str, Variable]:
    integrated = sampling.resolution.name == "AVERAGES"
    units = "A" if integrated else "1"
    variables: dict[str, Variable] = {
        "sample_value": (
            ("sample", "latent"),
            sampling.values,
            {"units": units,
             "long_name": "mean column current over the window" if integrated else "sum of comparator bits"},
        ),
        **_latents(sampling),
        "sample_conductance": (
            ("sample_row", "latent"), sampling.array.conductance,
            {"units": "S", "long_name": "conductance of the sampling cells at V_VMM"},
        ),
    }  # fmt: skip
    for name, values in audited.items():
        variables[f"{name}_value"] = (
            (f"sample_of_{name}", f"latent_of_{name}"), values,
            {"units": units, "long_name": "the same samples from ngspice, audited"},
        )  # fmt: skip
    return variables


def _latents(sampling: SampleResult | CalibratedSamples) -> dict[str, Variable]:
    return {
        "sample_code": (
            ("sample", "latent"), sampling.codes.astype(np.int32), {"units": "1", "long_name": "digitiser code"},
        ),
        "latent_value": (("sample", "latent"), sampling.latents, {"units": "1", "long_name": "standardised latent"}),
    }  # fmt: skip


def _calibrated_samples(sampling: CalibratedSamples, audited: Mapping[str, NDArray[np.float64]]) -> dict[str, Variable]:
    calibration, variables = sampling.calibration, _latents(sampling)
    kept, controls = calibration.latents, calibration.controls
    variables |= {
        "latent_column": ("latent", kept, {"units": "1", "long_name": "column of the calibrated array"}),
        "latent_trim": ("latent", controls.column[kept], {"units": "V", "long_name": "trim of the column"}),
        "latent_reference": (
            "latent", controls.reference[kept], {"units": "A", "long_name": "reference current of the column"},
        ),
        "latent_capacitance": (
            "latent", controls.capacitance[kept], {"units": "F", "long_name": "integration capacitor of the column"},
        ),
    }  # fmt: skip
    timing = controls.timing
    for name, values in audited.items():  # what `replay` looks at: the integrator when the converter does
        column, window = int(name.removeprefix("column")), f"window_of_{name}"
        charge = (values - controls.reference[column]) * timing.window
        variables |= {
            f"{name}_time": (
                window, timing.period * np.arange(1, len(values) + 1), {"units": "s", "long_name": "end of the window"},
            ),
            f"{name}_output": (
                window, charge / controls.capacitance[column],
                {"units": "V", "long_name": "output of the integrator in ngspice, audited"},
            ),
        }  # fmt: skip
    return variables
