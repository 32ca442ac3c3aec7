"""The figures of a `generate` run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.audit import Audit
from ftj_spice.sampling.array import ColumnMoments
from ftj_spice.sampling.calibration.draw import CalibratedSamples
from ftj_spice.sampling.phase import SampleResult
from ftj_spice.studies.decoding import LayerRun


def metrics_of(
    images: NDArray[np.float64],
    ideal: NDArray[np.float64],
    sampling: SampleResult | CalibratedSamples,
    layers: Sequence[LayerRun],
    audits: Mapping[str, Audit],
) -> dict[str, Any]:
    """Returns what `metrics.json` holds."""
    calibrated, moments = isinstance(sampling, CalibratedSamples), sampling.moments
    if not calibrated:  # those are of currents, and their mean and variance standardise them
        moments = replace(moments, mean=np.zeros_like(moments.mean), variance=np.ones_like(moments.variance))
    return {
        "latents": {
            "source": "calibrated array" if calibrated else "sampling array",
            "count": int(sampling.latents.size),
            "simulated": latent_statistics(sampling.latents),
            "closed_form": expected_statistics(moments),
        },
        "layers": [_layer(layer) for layer in layers],
        "reads": sum(layer.reads for layer in layers),
        "cells": sum(layer.cells for layer in layers),
        "audits": {name: audit_figures(audit) for name, audit in audits.items()},
        "images": {
            "count": len(images),
            "mean_intensity": float(images.mean()),
            "mean_squared_error_to_ideal_decoder": float(np.mean((images - ideal) ** 2)),
        },
    }


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


def expected_statistics(moments: ColumnMoments) -> dict[str, float]:
    """Returns what `latent_statistics` should find, by the closed-form moments of each column's latents."""
    variances = moments.variance
    mean = float(np.mean(moments.mean))
    away = moments.mean - mean
    variance = float(np.mean(variances + away**2))
    third = moments.skewness * variances**1.5
    fourth = (moments.kurtosis + 3.0) * variances**2 + 4.0 * third * away + 6.0 * variances * away**2 + away**4
    return {
        "mean": mean,
        "variance": variance,
        "skewness": float(np.mean(third + 3.0 * variances * away + away**3)) / variance**1.5,
        "excess_kurtosis": float(np.mean(fourth)) / variance**2 - 3.0,
        "lag1_autocorrelation": float(np.mean(moments.autocorrelation * variances + away**2)) / variance,
    }


def _layer(layer: LayerRun) -> dict[str, Any]:
    rows, outputs = layer.shape
    return {
        "kind": layer.kind,
        "rows": rows,
        "outputs": outputs,
        "tiles": layer.tiles,
        "cells": layer.cells,
        "products": layer.products,
        "reads": layer.reads,
        "input_range": layer.input_range,
        "mean_absolute_error": layer.mean_absolute_error,
        "rms_error": layer.rms_error,
        "effective_bits": layer.effective_bits,
        "smallest_share_of_ideal_current": layer.reach,
        "engine": layer.engine,
        "status": layer.status,
        "methods": dict(layer.methods),
    }


def audit_figures(audit: Audit) -> dict[str, Any]:
    """Returns the figures of an audit."""
    figures: dict[str, Any] = {
        "compared": audit.reads,
        "largest_deviation": audit.largest,
        "rms_deviation": audit.rms,
        "limit": audit.limit,
        "relative_to": audit.scale,
        "engine": audit.engine,
        "passes": audit.passes,
    }
    if audit.transitions:
        figures |= {"trap_transitions": audit.transitions, "differing_trap_transitions": audit.differing}
    return figures
