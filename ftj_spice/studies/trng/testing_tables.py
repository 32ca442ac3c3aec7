"""The numbers that a test of random bits leaves: `metrics.json` and the CSV files."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ftj_spice.randomness.sp800_22 import Assessment
from ftj_spice.randomness.sp800_90b import Estimate
from ftj_spice.studies.trng.testing_streams import StreamAnswers

if TYPE_CHECKING:
    from ftj_spice.studies.trng.testing import TrngTestResult


def metrics_of(result: "TrngTestResult") -> dict[str, Any]:
    """Returns the figures of a run, for `metrics.json`."""
    streams, a, d = result.streams, result.assessment, result.diagnostics
    metrics: dict[str, Any] = {
        "passes": result.passes,
        "verdicts": result.verdicts,
        "file": {
            "name": streams.path.name, "format": streams.format, "streams": len(streams),
            "stream_bits": streams.stream_bits, "unused_bits": streams.unused, "told_by": streams.told_by,
        },
    }  # fmt: skip
    if a is not None:
        metrics["sp800_22"] = {
            "alpha": a.alpha,
            "passes": a.passes,
            "rows": len(a.rows),
            "rows_beyond_limits": sum(not row.passes for row in a.rows),
            "rows_beyond_limits_expected": sum(row.expected for row in a.by_test()),
            "tests": [asdict(row) for row in a.by_test()],
            "not_applicable": a.inapplicable,
        }
    if result.entropy is not None:
        metrics["sp800_90b"] = {
            "from": result.entropy_from,
            "bits": result.entropy.symbols,
            "enough_bits": result.entropy.enough,
            "min_entropy_per_bit": result.entropy.entropy,
            "min_entropy_per_bit_estimated": result.entropy.h_original,
            "estimates": _estimates(result.entropy.estimates),
        }
    if result.restarts is not None:
        r = result.restarts
        metrics["restarts"] = {
            "restarts": r.shape[0], "samples": r.shape[1], "passes": r.passes, "sane": r.sane,
            "largest_count": list(r.largest_count), "cutoff": list(r.cutoff), "initial_entropy": r.h_initial,
            "row_entropy": r.h_row, "column_entropy": r.h_column, "entropy": r.entropy,
        }  # fmt: skip
    if result.health_entropy is not None:
        metrics["health"] = {
            "min_entropy_per_bit": result.health_entropy[0],
            "source_of_entropy": result.health_entropy[1],
            "tests": [asdict(h) for h in result.health],
        }
    if d is not None:
        metrics["diagnostics"] = {
            **asdict(d), "run_counts": d.run_counts, "run_law": d.run_law, "markov_correlation": d.rho,
            "verdicts": d.verdicts,
        }  # fmt: skip
    return metrics


def _estimates(estimates: Sequence[Estimate]) -> list[dict[str, Any]]:
    return [
        {"estimator": e.estimator, "entropy": e.entropy if e.applicable else None, "reason": e.reason}
        for e in estimates
    ]


def p_values_csv(answers: Sequence[StreamAnswers]) -> str:
    """Returns every P-value, one a line; a test that was not applicable has a line without one, and the reason."""
    return _csv(("stream", "test", "label", "p_value", "not_applicable"), _p_values(answers))


def _p_values(answers: Sequence[StreamAnswers]) -> Iterator[tuple[Any, ...]]:
    for stream, one in enumerate(answers):
        for result in one.tests:
            if not result.applicable:
                yield stream, result.test, "", "", result.reason
            for label, p in zip(result.labels, result.p_values, strict=True):
                yield stream, result.test, label, f"{p:.6g}", ""


def rows_csv(assessment: Assessment) -> str:
    """Returns the assessment of every P-value over the streams, one a line."""
    rows = [
        (
            row.test, row.label, row.streams, f"{row.proportion:.6g}", f"{row.limits[0]:.6g}", f"{row.limits[1]:.6g}",
            "" if row.uniformity is None else f"{row.uniformity:.6g}", *row.histogram.tolist(),
            "yes" if row.passes else "no",
        )
        for row in assessment.rows
    ]  # fmt: skip
    bins = [f"C{k}" for k in range(1, 11)]
    return _csv(("test", "label", "streams", "proportion", "lowest", "highest", "uniformity", *bins, "passes"), rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return table.getvalue()
