"""Min-entropy by SP 800-90B against the sampling interval, beside the exact min-entropy of the trap's bits."""

import csv
import io
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card, card_toml
from ftj_spice.randomness.sp800_90b import ESTIMATORS, EntropyResult, estimate_entropy
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.sampling.trng.design import Design
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.source import BitSource
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.settings import check_jobs
from ftj_spice.studies.trng.entropy_law import BitEntropy, entropy_per_bit

INTERVALS = tuple(float(x) for x in np.geomspace(0.1, 10.0, 13))
"""Intervals in relaxation times tau_eff."""
DIGITISERS = ("mid_level", "edge_toggle")
"""Digitisers that are compared."""
BITS = 1_000_000
"""Bits per point; SP 800-90B, section 3.1.1, asks for as many at least."""
FEWEST = 10_000
"""Bits per point, at least: below, most estimators say nothing."""
MOST = 100_000_000
"""Bits per point, at most."""
WITHIN = 5.0
"""Standard errors within which the Markov estimate must meet the closed form."""
EVEN = 1e-3
"""How far the odds may be from even for the Markov estimate to be held against its closed form."""
_SPAN = 128  # bits of the sequence that the Markov estimate follows
FAIR = "fair bits"
"""Name of the row of independent fair bits, for what the estimators make of a perfect source."""


@dataclass(frozen=True)
class EntropyPoint:
    """One digitiser at one interval.

    Attributes:
        digitiser: Its name, or `FAIR`.
        relaxations: Interval in tau_eff; infinite for fair bits.
        interval: In s.
        ones: Share of ones.
        correlation: Lag-one autocorrelation.
        occupancy: Share of time that a nominal trap is filled.
        exact: Closed forms of the min-entropy per bit; none where there are none.
        result: The assessment.
    """

    digitiser: str
    relaxations: float
    interval: float
    ones: float
    correlation: float
    occupancy: float
    exact: BitEntropy | None
    result: EntropyResult

    @property
    def line(self) -> float | None:
        """The closed form that the assessment is held against."""
        return None if self.exact is None else self.exact.least

    @property
    def entropies(self) -> dict[str, float]:
        """Min-entropy per bit by estimator, those that apply."""
        return {e.estimator: e.entropy for e in self.result.estimates if e.applicable}

    @property
    def lowest(self) -> str:
        """The estimator that decides."""
        return min(self.entropies, key=lambda name: self.entropies[name])

    @property
    def markov_errors(self) -> float | None:
        """Markov estimate less what the closed form h gives for it, in standard errors; none without both.

        Section 6.3.3 takes the likeliest sequence of 128 bits, whose first bit is as likely as either: for even odds
        `(1 + 127 h) / 128`. It follows the likelier of two runs, each at probability q = 2^-h per bit and seen in half
        the bits, with the standard error `sqrt(q (1 - q) / (n / 2)) / (q ln 2)`; so it comes out half a standard error
        low on average.
        """
        if self.line is None or "markov" not in self.entropies:
            return None
        q = 2.0**-self.line
        error = math.sqrt(q * (1.0 - q) / (self.result.symbols / 2.0)) / (q * math.log(2.0))
        expected = (1.0 + (_SPAN - 1) * self.line) / _SPAN
        return (self.entropies["markov"] - expected) / error if error else None


@dataclass(frozen=True)
class EntropyStudy:
    """What `trng_entropy` finds.

    Attributes:
        settings: Card, voltage and seed.
        card: Device card.
        points: All points, digitiser by digitiser.
        fair: The same estimators on independent fair bits.
        metrics: All numbers.
        summary: The table, line by line.
        path: The run directory, where one was written.
    """

    settings: TrngSettings
    card: Card
    points: tuple[EntropyPoint, ...]
    fair: EntropyPoint
    metrics: dict[str, Any] = field(default_factory=dict)
    summary: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def passes(self) -> bool:
        """Whether the Markov estimate meets the closed form wherever the bits are a Markov chain with that form."""
        return all(abs(z) <= WITHIN for z in (_checked(self.settings, p) for p in self.points) if z is not None)


def trng_entropy(
    out: str | Path | None = None,
    *,
    settings: TrngSettings | None = None,
    intervals: Sequence[float] = INTERVALS,
    digitisers: Sequence[str] = DIGITISERS,
    bits: int = BITS,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> EntropyStudy:
    """Assesses the min-entropy of raw bits for a range of sampling intervals.

    Every point reads a stream of its own. Spread, offset and XOR of the settings act on the bits; the closed form is
    that of one nominal cell, and is not checked where they are on.

    Args:
        out: Run directory to write; none writes nothing.
        settings: Card, voltage, seed, spreads; its digitiser and `interval_relaxations` don't count here.
        intervals: In relaxation times of a nominal cell.
        digitisers: Names of packaged variants, or their files.
        bits: Bits per point.
        jobs: Points side by side.
        force: Replaces an existing run directory.
        observer: Told about progress: phase `points`.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings or output; the subclass and its sentence say what.
    """
    chosen = settings or TrngSettings()
    check_jobs(jobs)
    if not FEWEST <= bits <= MOST:
        raise SettingsError(f"the bits per point must lie between {FEWEST:,} and {MOST:,}, got {bits:,}")
    if chosen.conditioner != "none" or chosen.interval is not None:
        raise SettingsError(
            "raw bits are assessed, at the intervals asked for: 'conditioner' and 'interval' can't be set here"
        )
    if not intervals or not digitisers:
        raise SettingsError("give at least one interval and one digitiser")
    if not all(math.isfinite(x) and 1e-3 <= x <= 1e3 for x in intervals):
        raise SettingsError(f"intervals must lie between 0.001 and 1000 relaxation times, got {list(intervals)}")
    sources = [
        (x, BitSource(_at(chosen, name, float(x)))) for name in digitisers for x in sorted(set(map(float, intervals)))
    ]
    watch = Stopwatch()
    if out is None:
        return _run(chosen, sources, bits, jobs, observer, watch)
    with RunDirectory(Path(out), force=force) as run:
        study = _run(chosen, sources, bits, jobs, observer, watch)
        with watch("report"):
            _write(run, study, watch, command)
    return replace(study, path=Path(out))


def _at(settings: TrngSettings, digitiser: str, relaxations: float) -> TrngSettings:
    moved = {"digitiser": digitiser, "interval": None, "interval_relaxations": relaxations, "conditioner": "none"}
    own = settings.parameters if digitiser == settings.digitiser else {}
    return settings.model_copy(update=moved | {"parameters": own})


def _run(
    settings: TrngSettings,
    sources: Sequence[tuple[float, BitSource]],
    bits: int,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
) -> EntropyStudy:
    done, lock = 0, threading.Lock()

    def point(number: int) -> EntropyPoint:
        nonlocal done
        if number < len(sources):
            relaxations, source = sources[number]
            found = _assess(source.design.variant.name, relaxations, source.design, source.stream(number, bits))
        else:
            fair = generator(settings.seed, "fair-bits").integers(0, 2, bits, dtype=np.uint8)
            found = _assess(FAIR, math.inf, None, fair)
        with lock:
            done += 1
            observer("points", done, len(sources) + 1)
        return found

    with watch("points"), ThreadPoolExecutor(jobs, thread_name_prefix="entropy") as pool:
        *points, fair = pool.map(point, range(len(sources) + 1))
    study = EntropyStudy(settings, sources[0][1].design.card, tuple(points), fair)
    metrics = _measure(study)
    return replace(study, metrics=metrics, summary=tuple(_summarise(study, metrics)))


def _exact(design: Design) -> BitEntropy | None:
    capture = design.relaxation_time / design.occupancy
    emission = design.relaxation_time / (1.0 - design.occupancy)
    return entropy_per_bit(design.variant.rule, capture, emission, design.interval)


def _assess(digitiser: str, relaxations: float, design: Design | None, bits: NDArray[np.uint8]) -> EntropyPoint:
    ones = float(bits.mean())
    spread = ones * (1.0 - ones)
    changes = float(np.mean(bits[1:] != bits[:-1]))
    return EntropyPoint(
        digitiser=digitiser,
        relaxations=relaxations,
        interval=math.inf if design is None else design.interval,
        ones=ones,
        correlation=1.0 - changes / (2.0 * spread) if spread else 1.0,
        occupancy=0.5 if design is None else design.occupancy,
        exact=BitEntropy(1.0, 1.0) if design is None else _exact(design),
        result=estimate_entropy(bits),
    )


def _checked(settings: TrngSettings, point: EntropyPoint) -> float | None:
    """Returns the Markov estimate's deviation where the closed form must hold: one nominal cell read by its level."""
    spreads = (settings.time_constant_spread, settings.amplitude_spread, settings.current_spread)
    plain = not any(spreads) and settings.comparator_offset == 0.0 and settings.combine == 1
    even = abs(point.occupancy - 0.5) <= EVEN
    return point.markov_errors if plain and even and point.digitiser == "mid_level" else None


def _measure(study: EntropyStudy) -> dict[str, Any]:
    def row(p: EntropyPoint) -> dict[str, Any]:
        gap = None if p.line is None else p.result.entropy - p.line
        return {
            "digitiser": p.digitiser,
            "relaxations": p.relaxations if math.isfinite(p.relaxations) else None,
            "interval_s": p.interval if math.isfinite(p.interval) else None,
            "ones": p.ones,
            "correlation": p.correlation,
            "closed_form": p.line,
            "closed_form_of_sequence": None if p.exact is None else p.exact.sequence,
            "closed_form_of_guess": None if p.exact is None else p.exact.guess,
            "min_entropy": p.result.entropy,
            "lowest": p.lowest,
            "gap": gap,
            "markov_standard_errors": p.markov_errors,
            "estimates": p.entropies,
        }

    checked = [z for z in (_checked(study.settings, p) for p in study.points) if z is not None]
    return {
        "card": study.card.name,
        "voltage_V": study.settings.voltage or study.card.rtn_voltage,
        "bits_per_point": study.fair.result.symbols,
        "enough_by_sp800_90b": study.fair.result.enough,
        "points": [row(p) for p in study.points],
        "fair_bits": row(study.fair),
        "largest_markov_deviation_standard_errors": max(map(abs, checked), default=None),
        "allowed_standard_errors": WITHIN,
        "passes": study.passes,
    }


def _summarise(study: EntropyStudy, m: dict[str, Any]) -> list[str]:
    lines = [
        f"min-entropy per bit of {m['bits_per_point']:,} raw bits (SP 800-90B, non-IID), card {m['card']} at "
        f"{m['voltage_V']:g} V"
        + ("" if m["enough_by_sp800_90b"] else "; fewer than the 1,000,000 that SP 800-90B asks for"),
        "digitiser     interval      exact   assessed   lowest estimator              Markov    lag   MultiMMC   LZ78Y",
    ]
    for p in (*study.points, study.fair):
        interval = f"{p.relaxations:6.3g} tau_eff" if math.isfinite(p.relaxations) else " independent "
        exact = "     –" if p.line is None else f"{p.line:6.4f}"
        seen = "  ".join(f"{p.entropies.get(name, math.nan):6.4f}" for name in ("markov", "lag", "multi_mmc", "lz78y"))
        lines.append(f"{p.digitiser:<12} {interval}  {exact}     {p.result.entropy:6.4f}   {p.lowest:<27} {seen}")
    lines.append(
        "assessed is the least of ten estimates; those that take bits as independent (collision, compression) read a "
        f"correlation as bias, and even fair bits come out at {study.fair.result.entropy:.4f}"
    )
    worst = m["largest_markov_deviation_standard_errors"]
    if worst is not None:
        lines.append(
            f"mid_level: the Markov estimate meets -log2[(1 + rho) / 2] within {worst:.1f} standard errors (allowed "
            f"{WITHIN:g})" + ("" if study.passes else ": it does NOT")
        )
    return lines


def _write(run: RunDirectory, study: EntropyStudy, watch: Stopwatch, command: Sequence[str]) -> None:
    import tomli_w

    from ftj_spice.results.plots.style import figure_png
    from ftj_spice.studies.trng.entropy_report import entropy_figure, render_entropy_report

    figure = entropy_figure(study)
    run.write_bytes("plots/entropy.png", figure_png(figure))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["digitiser", "relaxations", "closed_form", "assessed", *ESTIMATORS])
    for p in (*study.points, study.fair):
        own = [p.entropies.get(name, "") for name in ESTIMATORS]
        writer.writerow([p.digitiser, p.relaxations, "" if p.line is None else p.line, p.result.entropy, *own])
    run.write_text("entropy.csv", table.getvalue())
    run.write_json("metrics.json", study.metrics)
    run.write_text("settings.toml", tomli_w.dumps(study.settings.model_dump(exclude_none=True)))
    run.write_text("report.html", render_entropy_report(study, figure, dict(watch.durations)))
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            study.settings.model_dump(),
            study.settings.seed,
            {},
            watch.durations,
            "event rules",
            {"card": {"name": study.card.name, "sha256": sha256_text(card_toml(study.card))}},
        ),
    )
