"""The figures of a product on arrays, as plain data."""

from dataclasses import asdict
from typing import Any

import numpy as np

from ftj_spice.array.budget import Budget
from ftj_spice.array.layer import LayerResult
from ftj_spice.array.sums import SumError
from ftj_spice.engines.audit import Audit
from ftj_spice.studies.vmm_problem import Problem


def product_metrics(
    problem: Problem, layer: LayerResult, budget: Budget | None, sums: dict[str, SumError], audit: Audit | None
) -> dict[str, Any]:
    """Returns the figures of a product, as in `metrics.json`.

    Args:
        problem: What was multiplied.
        layer: The product.
        budget: Its error budget, where there is one.
        sums: Errors of the first tile's column sums.
        audit: Comparison with ngspice, where there is one.
    """
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
