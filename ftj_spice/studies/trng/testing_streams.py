"""What is asked of every stream of a bit file, many streams side by side, and what they say together."""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc
from scipy.stats import chi2, norm, poisson

from ftj_spice.randomness.bits import BitStreams
from ftj_spice.randomness.diagnostics import DwellRuns, bit_autocorrelation, dwell_runs, fit_markov
from ftj_spice.randomness.health import ALPHA, HealthResult, adaptive_proportion, repetition_count
from ftj_spice.randomness.sp800_22 import Parameters, TestResult, run_tests

LAGS = 64
"""Lags of the autocorrelation."""
ALARM = 1e-3
"""Chance that an ideal source fails one of the diagnostics or health tests here."""
BYTES_PER_BIT = 40
"""What the tests need for each bit of a stream at their peak."""
MEMORY = 1.6e9
"""Bytes that the streams tested side by side may take."""
_LEAST_DIAGNOSED = 2 * LAGS


@dataclass(frozen=True)
class Questions:
    """What is asked of a stream.

    Attributes:
        tests: Names of the SP 800-22 tests; none for none.
        parameters: Their lengths.
        entropy: Min-entropy per bit that the health tests are set up for; none leaves them out.
        diagnostics: Whether bias, autocorrelation and run lengths are wanted.
    """

    tests: tuple[str, ...]
    parameters: Parameters
    entropy: float | None
    diagnostics: bool


@dataclass(frozen=True)
class StreamAnswers:
    """What one stream gives.

    Attributes:
        tests: Results of the SP 800-22 tests.
        health: Repetition count and adaptive proportion, where they were asked for.
        ones: Share of ones.
        leave: Chances to leave 0 and 1, of the Markov chain fitted; NaN where a value does not occur.
        correlation: Autocorrelation at lags 1 to `LAGS`; NaN for constant bits.
        runs: Runs of equal bits; none where diagnostics were not asked for.
    """

    tests: tuple[TestResult, ...]
    health: tuple[HealthResult, ...] = ()
    ones: float = math.nan
    leave: tuple[float, float] = (math.nan, math.nan)
    correlation: NDArray[np.float64] | None = None
    runs: DwellRuns | None = None


def ask(
    streams: BitStreams, questions: Questions, jobs: int, progress: Callable[[int, int], None]
) -> tuple[StreamAnswers, ...]:
    """Asks every stream, in order; threads share the work, for the compiled tests let each other run.

    Args:
        streams: The file.
        questions: What is asked.
        jobs: Streams at a time, fewer where their memory would not suffice.
        progress: Called with the number of tests done and to be done, over all streams.

    Raises:
        DataError: The file can't be read, or holds other numbers.
    """
    steps = len(questions.tests) + 1
    total, done, lock = steps * len(streams), 0, threading.Lock()
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}  # the same labels for every stream: kept once

    def step() -> None:
        nonlocal done
        with lock:
            done += 1
            progress(done, total)

    def one(number: int) -> StreamAnswers:
        bits = streams.stream(number)
        results = run_tests(bits, questions.tests, questions.parameters, lambda _, __: step())
        slim = tuple(replace(r, labels=shared.setdefault(r.labels, r.labels), statistics={}) for r in results)
        answers = _plain_answers(bits, questions)
        step()
        return replace(answers, tests=slim)

    progress(0, total)
    at_once = max(1, min(jobs, len(streams), int(MEMORY / BYTES_PER_BIT / streams.stream_bits)))
    with ThreadPoolExecutor(at_once, thread_name_prefix="trng-test") as pool:
        try:
            return tuple(pool.map(one, range(len(streams))))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _plain_answers(bits: NDArray[np.uint8], questions: Questions) -> StreamAnswers:
    answers = StreamAnswers(())
    if questions.entropy is not None:
        h = questions.entropy
        answers = replace(answers, health=(repetition_count(bits, h), adaptive_proportion(bits, h)))
    if questions.diagnostics and len(bits) >= _LEAST_DIAGNOSED:
        fit = fit_markov(bits)
        answers = replace(
            answers,
            ones=float(np.mean(bits)),
            leave=(fit.leave_zero, fit.leave_one),
            correlation=bit_autocorrelation(bits, LAGS).values,
            runs=dwell_runs(bits),
        )
    return answers


@dataclass(frozen=True)
class HealthSummary:
    """A health test over all streams.

    Attributes:
        name: `repetition_count` or `adaptive_proportion`.
        cutoff: Count at which it raises an alarm.
        window: Samples of a window.
        trials: Samples or windows.
        largest: Largest count met.
        alarms: Alarms raised.
        expected: Alarms that a source of the entropy it is set up for raises at most, on average.
        first: Stream and bit of the first alarm.
        passes: Whether so many alarms come by chance in more than one case of a thousand.
    """

    name: str
    cutoff: int
    window: int
    trials: int
    largest: int
    alarms: int
    expected: float
    first: tuple[int, int] | None
    passes: bool


def sum_health(answers: Sequence[StreamAnswers]) -> tuple[HealthSummary, ...]:
    """Returns each health test over all streams."""
    found = []
    for one in zip(*(a.health for a in answers), strict=True):
        alarms, trials = sum(h.failures for h in one), sum(h.trials for h in one)
        places = [(stream, h.first_failure) for stream, h in enumerate(one) if h.first_failure is not None]
        expected = ALPHA * trials
        found.append(
            HealthSummary(
                one[0].name, one[0].cutoff, one[0].window, trials, max(h.largest for h in one), alarms, expected,
                places[0] if places else None, bool(poisson.sf(alarms - 1, expected) >= ALARM),
            )
        )  # fmt: skip
    return tuple(found)


@dataclass(frozen=True)
class Diagnostics:
    """Bias, autocorrelation and run lengths over all streams.

    Attributes:
        bits: Bits looked at.
        ones: Share of ones.
        ones_error: Its standard error for fair, independent bits.
        ones_p_value: Of fair, independent bits.
        correlation: Mean autocorrelation at lags 1 to `LAGS`; NaN for constant bits.
        correlation_error: Standard error at each lag for independent bits.
        correlation_limit: Magnitude that some lag of independent bits exceeds once in a thousand files.
        leave: Mean chances to leave 0 and 1.
        run_counts: Runs of zeros and of ones of length 1, 2, ..., shape `(2, lengths)`.
        run_law: Their expected numbers by each stream's geometric law, same shape.
        run_p_value: Of the chi-square tests of all streams together; none where there was nothing to test.
        constant: Streams whose bits never change.
    """

    bits: int
    ones: float
    ones_error: float
    ones_p_value: float
    correlation: NDArray[np.float64]
    correlation_error: NDArray[np.float64]
    correlation_limit: float
    leave: tuple[float, float]
    run_counts: NDArray[np.int64]
    run_law: NDArray[np.float64]
    run_p_value: float | None
    constant: int

    @property
    def rho(self) -> float:
        """Correlation of successive bits in the fitted chain; NaN for constant bits."""
        return 1.0 - self.leave[0] - self.leave[1]

    @property
    def verdicts(self) -> dict[str, bool]:
        """Which of the three questions the bits pass; the last only where it could be asked."""
        size = np.abs(self.correlation)
        found = {
            "bias": self.ones_p_value >= ALARM,
            "autocorrelation": bool(self.constant == 0 and np.all(size <= self.correlation_limit)),
        }
        if self.constant:
            found["run lengths"] = False
        elif self.run_p_value is not None:  # runs all of one length can't be held against a law
            found["run lengths"] = self.run_p_value >= ALARM
        return found


def sum_diagnostics(answers: Sequence[StreamAnswers], stream_bits: int) -> Diagnostics | None:
    """Returns the diagnostics of all streams together; none where the streams were too short or it was not asked."""
    seen = [a for a in answers if a.runs is not None and a.correlation is not None]
    if not seen:
        return None
    bits = stream_bits * len(seen)
    ones = float(np.mean([a.ones for a in seen]))
    error = 1.0 / np.sqrt(len(seen) * (stream_bits - np.arange(1, LAGS + 1.0)))
    known = np.array([a.correlation for a in seen if not np.isnan(a.correlation).any()]).reshape(-1, LAGS)
    leave = np.array([a.leave for a in seen])
    leave = leave[~np.isnan(leave).any(axis=1)]
    runs = [a.runs for a in seen if a.runs is not None]
    counts = _stacked([r.counts for r in runs])
    freedom = sum(int(r.degrees.sum()) for r in runs)
    square = sum(float(r.chi_square.sum()) for r in runs)
    return Diagnostics(
        bits=bits,
        ones=ones,
        ones_error=0.5 / math.sqrt(bits),
        ones_p_value=float(erfc(abs(2.0 * ones - 1.0) * math.sqrt(bits / 2.0))),
        # each stream's own mean takes 1/n off (Marriott and Pope, Biometrika 41, 390 (1954)); many short ones show it
        correlation=known.mean(axis=0) + 1.0 / stream_bits if len(known) else np.full(LAGS, math.nan),
        correlation_error=error,
        correlation_limit=float(norm.isf(ALARM / 2.0 / LAGS) * error[-1]),
        leave=(float(leave[:, 0].mean()), float(leave[:, 1].mean())) if len(leave) else (math.nan, math.nan),
        run_counts=counts,
        run_law=_laws(runs, counts.shape[1]),
        run_p_value=float(chi2.sf(square, freedom)) if freedom else None,
        constant=len(seen) - len(known),
    )


def _laws(runs: Sequence[DwellRuns], lengths: int) -> NDArray[np.float64]:
    """Returns the runs of each length that the streams' own geometric laws expect together, shape `(2, lengths)`."""
    steps = np.arange(lengths)
    total = np.zeros((2, lengths))
    for r in runs:
        leave = np.nan_to_num(r.leave)[:, None]
        total += r.counts.sum(axis=1, keepdims=True) * leave * (1.0 - leave) ** steps
    return total


def _stacked(tables: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Returns the sum of tables of shape `(2, lengths)` with different numbers of lengths."""
    total = np.zeros((2, max(table.shape[1] for table in tables)), np.int64)
    for table in tables:
        total[:, : table.shape[1]] += table
    return total
