"""All digitisers side by side: bias, correlation, rate and energy in ngspice, by event rule and by closed form."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.results.jsontext import plain
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.plots.style import save_figure
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.results.units import engineering
from ftj_spice.sampling.trng.measure import BitFigures
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.variant import available_variants, load_variant
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.settings import check_jobs
from ftj_spice.studies.trng.digitiser_report import digitiser_figures, render_digitiser_report
from ftj_spice.studies.trng.digitiser_rows import CIRCUIT_STREAMS, RULE_STREAMS, XORED, DigitiserRow, make_row

MOST_BITS = 100_000_000
"""Bits of each digitiser by its event rule, at most: they are held in memory."""


@dataclass(frozen=True)
class DigitisersResult:
    """What the comparison gives.

    Attributes:
        rows: One per digitiser.
        settings: Settings they share.
        card: Device card.
        metrics: Figures, as in `metrics.json`.
        path: The run directory, where one was written.
    """

    rows: list[DigitiserRow]
    settings: TrngSettings
    card: Card
    metrics: dict[str, Any]
    path: Path | None = None

    @property
    def passes(self) -> bool:
        """Whether every difference between circuit and event rule is explained."""
        return all(row.unexplained == 0 for row in self.rows)

    @property
    def summary(self) -> list[str]:
        """Lines to print."""
        lines = [
            f"{'digitiser':<20} {'ones, ngspice':>17} {'rule':>17} {'closed':>7} {'lag 1':>17} {'closed':>8} "
            f"{'differ':>8} {'rate':>10} {'energy/bit':>10}"
        ]
        for row in self.rows:
            lines.append(
                f"{row.design.variant.name:<20} {_ones(row.circuit):>17} {_ones(row.rule):>17} "
                f"{row.chain.probability:7.4f} {_lag(row.rule):>17} {row.chain.autocorrelation(1)[0]:+8.4f} "
                f"{row.differing:>3}/{row.circuit.bits:<5}{engineering(1 / row.design.interval, 'bit/s'):>10} "
                f"{engineering(row.energy, 'J'):>10}"
            )
        always = [row.design.variant.name for row in self.rows if all(row.unbiased(label) for label in row.conditions)]
        lines.append(
            f"unbiased with voltage, comparator, times and currents off the design: {', '.join(always) or 'none'}"
        )
        unexplained = sum(row.unexplained for row in self.rows)
        lines.append(
            "circuit and event rule: every difference hangs on the comparator's lag or level"
            if self.passes
            else f"circuit and event rule: {unexplained} differences are not explained by the comparator's lag or level"
        )
        return lines


def trng_digitisers(
    out: str | Path | None = None,
    *,
    settings: TrngSettings | None = None,
    digitisers: Sequence[str] = (),
    circuit_bits: int = 2000,
    bits: int = 1_000_000,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> DigitisersResult:
    """Compares digitisers.

    Args:
        out: Run directory to write; none writes nothing.
        settings: Settings they share; `digitiser`, `combine` and `conditioner` don't count here.
        digitisers: Names or .toml files; none given means all packaged ones.
        circuit_bits: Bits of each in ngspice, in all streams.
        bits: Bits of each by its event rule, in all streams.
        jobs: Workers of ngspice side by side.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, files, simulation or output; the subclass and its sentence say what.
    """
    settings = (settings or TrngSettings()).model_copy(update={"combine": 1, "conditioner": "none"})
    check_jobs(jobs)
    least = 50 * CIRCUIT_STREAMS, 1000 * RULE_STREAMS
    if circuit_bits < least[0] or bits < least[1]:
        raise SettingsError(
            f"the comparison needs at least {least[0]} bits in ngspice and {least[1]:,} by the event rule, "
            f"got {circuit_bits} and {bits:,}"
        )
    if bits > MOST_BITS:
        raise SettingsError(f"the comparison takes at most {MOST_BITS:,} bits by the event rule, got {bits:,}")
    card = load_card(settings.card)
    chosen = list(digitisers) or available_variants()
    if len({load_variant(digitiser)[0].name for digitiser in chosen}) < len(chosen):
        raise SettingsError("two of the digitisers have the same name; give each its own")
    watch = Stopwatch()
    if out is None:
        return _run(settings, card, chosen, circuit_bits, bits, jobs, observer, watch)
    with RunDirectory(Path(out), force=force, inputs=[Path(d) for d in chosen if d.endswith(".toml")]) as run:
        result = _run(settings, card, chosen, circuit_bits, bits, jobs, observer, watch)
        with watch("report"):
            _write(run, result, watch, command)
    return replace(result, path=Path(out))


def _run(
    settings: TrngSettings,
    card: Card,
    digitisers: list[str],
    circuit_bits: int,
    bits: int,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
) -> DigitisersResult:
    rows = []
    with NgspiceEngine(jobs) as engine:
        for done, name in enumerate(digitisers):
            observer("digitisers", done, len(digitisers))
            with watch(Path(name).stem):
                own = settings.model_copy(update={"digitiser": name})
                rows.append(make_row(own, card, engine, circuit_bits=circuit_bits, bits=bits))
        observer("digitisers", len(digitisers), len(digitisers))
    return DigitisersResult(rows, settings, card, plain({"digitisers": [_metrics(row) for row in rows]}))


def _ones(figures: BitFigures) -> str:
    return f"{figures.ones:.4f} ± {figures.ones_error:.4f}"


def _lag(figures: BitFigures) -> str:
    return f"{figures.correlation[0]:+.4f} ± {figures.correlation_error:.4f}"


def _figures(figures: BitFigures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    return {
        "bits": figures.bits,
        "ones": figures.ones,
        "ones_standard_error": figures.ones_error,
        "correlation": figures.correlation,
        "correlation_standard_error": figures.correlation_error,
    }


def _metrics(row: DigitiserRow) -> dict[str, Any]:
    design = row.design
    raw_rate = 1.0 / design.interval
    return {
        "digitiser": design.variant.name,
        "description": design.variant.description,
        "cells": design.variant.cells,
        "voltage": design.voltage,
        "interval": design.interval,
        "relaxation_time": design.relaxation_time,
        "settling": design.settling,
        "rate": raw_rate,
        "engine": row.streams[0].engine,
        "circuit": _figures(row.circuit),
        "rule_on_the_same_histories": _figures(row.same),
        "rule": _figures(row.rule),
        "closed_form": {
            "ones": row.chain.probability,
            "correlation": row.chain.autocorrelation(len(row.rule.correlation)),
            "min_entropy_with_hidden_state_known": row.chain.min_entropy,
        },
        "agreement": {
            "events": row.circuit.bits,
            "differing": row.differing,
            "doubtful": row.doubtful,
            "unexplained": row.unexplained,
        },
        "energy_per_bit": {
            "cells": row.cell_energy,
            "periphery": row.periphery_energy,
            "total": row.energy,
            "blocks": [block.model_dump() for block in design.variant.periphery],
        },
        "conditioned": {
            c.name: {
                "figures": _figures(c.figures),
                "bits_per_raw_bit": c.yielded,
                "rate_per_digitiser": c.yielded * raw_rate,
                "energy_per_bit": row.energy / c.yielded if c.yielded else None,
                "streams": XORED if c.name == "xor" else 1,
            }
            for c in row.conditioned
        },
        "conditions": {
            label: (_figures(f) or {})
            | {
                "unbiased": row.unbiased(label),
                "stream_ones": f.stream_ones,
                "stream_correlation": f.stream_correlation,
            }
            for label, f in row.conditions.items()
        },
    }


def _table(result: DigitisersResult) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["digitiser", "bits", "ones_ngspice", "ones_rule", "ones_closed_form", "lag1_ngspice", "lag1_rule",
         "lag1_closed_form", "differing", "unexplained", "rate_per_s", "cell_energy_J", "periphery_energy_J"]
    )  # fmt: skip
    for row in result.rows:
        writer.writerow(
            [row.design.variant.name, row.circuit.bits, row.circuit.ones, row.rule.ones, row.chain.probability,
             row.circuit.correlation[0], row.rule.correlation[0], row.chain.autocorrelation(1)[0], row.differing,
             row.unexplained, 1 / row.design.interval, row.cell_energy, row.periphery_energy]
        )  # fmt: skip
    return text.getvalue()


def _write(run: RunDirectory, result: DigitisersResult, watch: Stopwatch, command: Sequence[str]) -> None:
    netlists = {f"{row.design.variant.name}.cir": row.streams[0].netlist for row in result.rows}
    for name, text in netlists.items():
        run.write_text(f"netlists/{name}", text)
    for name, figure in digitiser_figures(result.rows).items():
        save_figure(run.file(f"plots/{name}.png"), figure)
    run.write_text("digitisers.csv", _table(result))
    run.write_json("metrics.json", result.metrics)
    run.write_text("settings.toml", tomli_w.dumps(result.settings.model_dump(exclude_none=True)))
    run.write_text("report.html", render_digitiser_report(result.rows, result.settings, result.card, watch.durations))
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in netlists.items()},
            watch.durations,
            {"name": "ngspice", "version": result.rows[0].streams[0].engine},
            {"card": result.card.model_dump(exclude={"provenance"})},
        ),
    )
