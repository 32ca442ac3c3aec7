"""Tests of a file of random bits: SP 800-22, SP 800-90B, health tests, and plain diagnostics."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.bits import BitStreams, open_bits
from ftj_spice.randomness.sp800_22 import TESTS, Assessment, Parameters, assess
from ftj_spice.randomness.sp800_90b import EntropyResult, RestartResult, estimate_entropy, restart_test
from ftj_spice.results.manifest import Stopwatch, build_manifest
from ftj_spice.results.plots.style import figure_png
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.settings import check_jobs, settings_data
from ftj_spice.studies.trng.testing_figures import figures_of
from ftj_spice.studies.trng.testing_report import render_trng_report, summary_lines
from ftj_spice.studies.trng.testing_streams import (
    Diagnostics,
    HealthSummary,
    Questions,
    StreamAnswers,
    ask,
    sum_diagnostics,
    sum_health,
)
from ftj_spice.studies.trng.testing_tables import metrics_of, p_values_csv, rows_csv

SUITES = ("sp800-22", "sp800-90b", "health", "diagnostics")
"""What can be asked of a file."""
SEQUENCE = 1_000_000
"""Length of the sequences that one long stream is cut into, where nobody says otherwise: NIST's usual one."""
LONGEST = 2**24
"""Longest stream that is tested in one piece."""
MOST_STREAMS = 10_000
"""Streams that are tested at a time: ten times what SP 800-22 asks for, and a table of two million P-values."""
ENTROPY_BITS = 1_000_000
"""Bits that the entropy estimators take: the number that SP 800-90B, section 3.1.1, asks for."""
LARGEST_RESTARTS = 2**26
"""Bits of a restart file, at most."""


@dataclass(frozen=True)
class TrngTestResult:
    """What `trng test` finds.

    Attributes:
        streams: The file.
        answers: What each stream gives.
        assessment: SP 800-22 over all streams.
        entropy: SP 800-90B estimates.
        entropy_from: Which bits they were made from.
        restarts: SP 800-90B restart tests.
        health_entropy: Min-entropy per bit that the health tests were set up for, and where it comes from.
        health: Health tests over all streams.
        diagnostics: Bias, autocorrelation, run lengths.
        verdicts: Whether each suite that could be applied passes.
        metrics: As in `metrics.json`.
        path: The run directory, where one was written.
    """

    streams: BitStreams
    answers: tuple[StreamAnswers, ...]
    assessment: Assessment | None
    entropy: EntropyResult | None
    entropy_from: str
    restarts: RestartResult | None
    health_entropy: tuple[float, str] | None
    health: tuple[HealthSummary, ...]
    diagnostics: Diagnostics | None
    verdicts: dict[str, bool]
    metrics: dict[str, Any]
    path: Path | None = None

    @property
    def passes(self) -> bool:
        """Whether everything that could be applied passes, and there is something."""
        return bool(self.verdicts) and all(self.verdicts.values())

    @property
    def summary(self) -> tuple[str, ...]:
        """Lines for the command line."""
        return summary_lines(self)

    @property
    def verdict(self) -> str:
        """One sentence: what fails, or that nothing does."""
        if not self.verdicts:
            return f"{self.streams.path}: no test could be applied: the streams are too short"
        failed = [name for name, good in self.verdicts.items() if not good]
        return f"{self.streams.path} fails: {', '.join(failed)}" if failed else f"{self.streams.path} passes"


def load_parameters(changes: Iterable[str] = ()) -> Parameters:
    """Returns the lengths of the SP 800-22 tests, changed by `key=value` strings.

    Raises:
        SettingsError: Malformed change, unknown name, value out of range.
    """
    data, _ = settings_data(None, changes)
    known = asdict(Parameters())
    for name, value in data.items():
        if name not in known:
            raise SettingsError(f"SP 800-22 has no parameter {name[:40]!r}; it has: {', '.join(known)}")
        if type(value) is not type(known[name]):
            raise SettingsError(f"{name} must be {'true or false' if known[name] is False else 'a whole number'}")
    return Parameters(**data)


def trng_test(
    file: str | Path,
    out: str | Path | None = None,
    *,
    suites: Sequence[str] = SUITES,
    tests: Sequence[str] | None = None,
    parameters: Parameters | None = None,
    file_format: str = "auto",
    streams: int | None = None,
    stream_bits: int | None = None,
    entropy: float | None = None,
    restarts: str | Path | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> TrngTestResult:
    """Tests the bits of a file.

    A failed test is not an error: the result, `metrics.json` and the report say so (`passes`).

    Args:
        file: Text, packed binary or .npy; see `open_bits`.
        out: Run directory to write; none writes nothing.
        suites: Some of `SUITES`.
        tests: Names of SP 800-22 tests; none takes all fifteen.
        parameters: Their lengths.
        file_format: As for `open_bits`.
        streams: Number of streams, as for `open_bits`. A file of one long stream is cut into sequences of
            1,000,000 bits if neither this nor `stream_bits` says otherwise.
        stream_bits: Bits of a stream.
        entropy: Claimed min-entropy per bit, for the health tests and as H_submitter of SP 800-90B; without it the
            health tests take the estimate, or 1 where none is made.
        restarts: A file with the first bits after each of many power-ups, one stream for each.
        jobs: Streams tested at the same time.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, files or output; the subclass and its sentence say what.
    """
    check_jobs(jobs)
    chosen = _check_suites(suites, tests, entropy, restarts)
    opened = _open(Path(file), file_format, streams, stream_bits)
    matrix = None if restarts is None else _restart_matrix(Path(restarts))
    questions = Questions(tuple(tests or TESTS) if "sp800-22" in chosen else (), parameters or Parameters(), None,
                          "diagnostics" in chosen)  # fmt: skip
    watch = Stopwatch()

    def run() -> TrngTestResult:
        return _run(opened, chosen, questions, entropy, matrix, jobs, observer, watch)

    if out is None:
        return run()
    with RunDirectory(
        Path(out), force=force, inputs=[Path(name) for name in (file, restarts) if name is not None]
    ) as place:
        result = run()
        with watch("report"):
            _write(place, result, watch)
        place.write_json(
            "manifest.json",
            build_manifest(
                command,
                {
                    "file": str(file), "suites": list(chosen), "tests": list(questions.tests), "entropy": entropy,
                    "parameters": asdict(questions.parameters), "restarts": None if restarts is None else str(restarts),
                    "streams": len(opened), "stream_bits": opened.stream_bits, "format": opened.format,
                },
                0, {}, watch.durations, "none",
                {"origin": opened.origin},
            ),
        )  # fmt: skip
    return replace(result, path=Path(out))


def _check_suites(
    suites: Sequence[str], tests: Sequence[str] | None, entropy: float | None, restarts: str | Path | None
) -> tuple[str, ...]:
    unknown = [name for name in suites if name not in SUITES]
    if unknown or not suites:
        raise SettingsError(f"unknown suite {(unknown or [''])[0][:40]!r}; known: {', '.join(SUITES)}")
    wrong = [name for name in tests or () if name not in TESTS]
    if wrong:
        raise SettingsError(f"SP 800-22 has no test {wrong[0][:40]!r}; it has: {', '.join(TESTS)}")
    if entropy is not None and not 0.0 < entropy <= 1.0:
        raise SettingsError(f"the claimed min-entropy of a bit lies above 0 and at most at 1, got {entropy:g}")
    if restarts is not None and "sp800-90b" not in suites:
        raise SettingsError("restart tests need the suite sp800-90b, whose estimate they are to confirm")
    return tuple(name for name in SUITES if name in suites)


def _open(path: Path, file_format: str, streams: int | None, stream_bits: int | None) -> BitStreams:
    """Opens the file; one long stream is cut into sequences.

    Raises:
        DataError: See `open_bits`.
        SettingsError: The streams are too long to be tested in one piece, or too many.
    """
    opened = open_bits(path, file_format=file_format, streams=streams, stream_bits=stream_bits)
    if streams is None and stream_bits is None and len(opened) == 1 and opened.stream_bits >= 2 * SEQUENCE:
        cut = open_bits(path, file_format=file_format, stream_bits=SEQUENCE)
        count = opened.stream_bits // SEQUENCE
        unused = opened.stream_bits - count * SEQUENCE
        opened = replace(cut, streams=count, unused=unused, told_by="one stream, cut into NIST's usual length")
    if opened.stream_bits > LONGEST:
        raise SettingsError(
            f"{path}: streams of {opened.stream_bits:,} bits are tested in pieces of at most {LONGEST:,}; "
            f"give --stream-bits {SEQUENCE}"
        )
    if len(opened) > MOST_STREAMS:
        raise SettingsError(
            f"{path}: at most {MOST_STREAMS:,} streams are tested at a time, not {len(opened):,}; give --streams 1000 "
            f"--stream-bits {opened.stream_bits}, for example"
        )
    return opened


def _restart_matrix(path: Path) -> NDArray[np.uint8]:
    opened = open_bits(path)
    size = len(opened) * opened.stream_bits
    if size > LARGEST_RESTARTS:
        raise DataError(f"{path}: restart data has at most {LARGEST_RESTARTS:,} bits, got {size:,}")
    side = math.isqrt(opened.stream_bits)
    if len(opened) == 1 and side**2 == opened.stream_bits and side > 1:  # 1000 x 1000 without a word about it
        return opened.stream(0).reshape(side, side)
    if len(opened) < 2 or opened.stream_bits < 2:
        raise DataError(
            f"{path}: restart data has one line (or .npy row, or stream) of bits for each of two power-ups or more, "
            f"got {opened.description}"
        )
    return np.stack([opened.stream(k) for k in range(len(opened))])


def _run(
    streams: BitStreams, suites: Sequence[str], questions: Questions, claimed: float | None,
    matrix: NDArray[np.uint8] | None, jobs: int, observer: Observer, watch: Stopwatch,
) -> TrngTestResult:  # fmt: skip
    estimated, origin, restarts = None, "", None
    if "sp800-90b" in suites:
        with watch("entropy"):
            sample, origin = _sample(streams)
            estimated = estimate_entropy(sample, claimed=claimed, progress=part_of(observer, "entropy"))
        if matrix is not None:
            with watch("restarts"):
                observer("restarts", 0, 1)
                restarts = restart_test(matrix, estimated.entropy)
                observer("restarts", 1, 1)
    health_entropy = _health_entropy(estimated, claimed) if "health" in suites else None
    if health_entropy is not None and health_entropy[0] > 0.0:
        questions = replace(questions, entropy=health_entropy[0])
    answers: tuple[StreamAnswers, ...] = ()
    if questions.tests or questions.entropy is not None or questions.diagnostics:
        with watch("streams"):
            answers = ask(streams, questions, jobs, part_of(observer, "streams"))
    assessment = assess([a.tests for a in answers]) if questions.tests else None
    result = TrngTestResult(
        streams=streams, answers=answers, assessment=assessment, entropy=estimated, entropy_from=origin,
        restarts=restarts, health_entropy=health_entropy,
        health=sum_health(answers) if questions.entropy is not None else (),
        diagnostics=sum_diagnostics(answers, streams.stream_bits), verdicts={}, metrics={},
    )  # fmt: skip
    result = replace(result, verdicts=_verdicts(result))
    return replace(result, metrics=metrics_of(result))


def _sample(streams: BitStreams) -> tuple[NDArray[np.uint8], str]:
    """Returns the bits for the entropy estimators, from the first streams, and where they come from in words."""
    count = min(len(streams), -(-ENTROPY_BITS // streams.stream_bits))
    sample = np.concatenate([streams.stream(k) for k in range(count)])[:ENTROPY_BITS]
    if len(sample) < 2:
        raise DataError(f"{streams.path} holds one bit: that is too short for an estimate of entropy")
    which = "stream 0" if count == 1 else f"streams 0 to {count - 1}, one after the other"
    return sample, f"the first {len(sample):,} bits of {which}"


def _health_entropy(estimated: EntropyResult | None, claimed: float | None) -> tuple[float, str]:
    if claimed is not None:
        return claimed, "claimed"
    return (1.0, "a fair bit") if estimated is None else (estimated.entropy, "estimated from these bits")


def _verdicts(result: TrngTestResult) -> dict[str, bool]:
    """Returns the verdict of each suite, of what could be applied."""
    found: dict[str, bool] = {}
    if result.assessment is not None and result.assessment.rows:
        found["SP 800-22"] = result.assessment.passes
    if result.entropy is not None and any(e.applicable for e in result.entropy.estimates):
        found["SP 800-90B estimate"] = result.entropy.entropy > 0.0
    if result.restarts is not None:
        found["restart tests"] = result.restarts.passes
    if result.health:
        found["health tests"] = all(h.passes for h in result.health)
    if result.diagnostics is not None:
        found |= result.diagnostics.verdicts
    return found


def _write(place: RunDirectory, result: TrngTestResult, watch: Stopwatch) -> None:
    if result.assessment is not None:
        place.write_text("p_values.csv", p_values_csv(result.answers))
        place.write_text("sp800_22.csv", rows_csv(result.assessment))
    place.write_json("metrics.json", result.metrics)
    figures = figures_of(result)
    for name, figure in figures.items():
        place.write_bytes(f"plots/{name}.png", figure_png(figure))
    place.write_text("report.html", render_trng_report(result, figures, dict(watch.durations)))
