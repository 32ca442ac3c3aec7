"""The fifteen tests as data, and a run of them over one stream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.sp800_22.complexity import linear_complexity
from ftj_spice.randomness.sp800_22.frequency import block_frequency, frequency
from ftj_spice.randomness.sp800_22.patterns import approximate_entropy, serial
from ftj_spice.randomness.sp800_22.rank import SIZE, rank
from ftj_spice.randomness.sp800_22.result import Parameters, TestResult, not_applicable
from ftj_spice.randomness.sp800_22.runs import RUN_TABLES, longest_run, runs
from ftj_spice.randomness.sp800_22.spectral import spectral
from ftj_spice.randomness.sp800_22.templates import non_overlapping_template, overlapping_block, overlapping_template
from ftj_spice.randomness.sp800_22.universal import SHORTEST, universal
from ftj_spice.randomness.sp800_22.walk import cumulative_sums, random_excursions, random_excursions_variant


@dataclass(frozen=True)
class StatisticalTest:
    """One test of the publication.

    Attributes:
        name: Its key in `TESTS`.
        title: What the publication calls it.
        section: Where it is described.
        shortest: Bits that it needs under given parameters; the source of each number is beside it in `TESTS`.
        run: The test itself.
    """

    name: str
    title: str
    section: str
    shortest: Callable[[Parameters], int]
    run: Callable[[NDArray[np.uint8], Parameters], TestResult]


def _template_bits(p: Parameters) -> int:
    """Bits for five expected matches in each block, the usual rule for the normal law; the publication has none."""
    return p.template_blocks * (5 * 2**p.template_length + p.template_length - 1)


def _overlapping_bits(p: Parameters) -> int:
    """The publication's 1,000,000 (section 2.8.7) hold 968 blocks of 1032 bits; as many of another length."""
    return max(1_000_000, 968 * overlapping_block(p.overlapping_length))


TESTS = {
    test.name: test
    for test in (
        StatisticalTest("frequency", "Frequency", "2.1", lambda p: 100, lambda b, p: frequency(b)),  # 2.1.7
        StatisticalTest(
            "block_frequency",
            "Frequency within a block",
            "2.2",
            lambda p: max(100, p.block_length),  # 2.2.7
            lambda b, p: block_frequency(b, p.block_length),
        ),
        StatisticalTest("runs", "Runs", "2.3", lambda p: 100, lambda b, p: runs(b)),  # 2.3.7
        StatisticalTest(
            "longest_run",
            "Longest run of ones in a block",
            "2.4",
            lambda p: RUN_TABLES[-1].shortest,  # 2.4.2
            lambda b, p: longest_run(b, p.exact_longest_run),
        ),
        StatisticalTest("rank", "Binary matrix rank", "2.5", lambda p: 38 * SIZE**2, lambda b, p: rank(b)),  # 2.5.7
        StatisticalTest(
            "spectral", "Discrete Fourier transform (spectral)", "2.6", lambda p: 1000, lambda b, p: spectral(b)
        ),  # 2.6.7
        StatisticalTest(
            "non_overlapping_template",
            "Non-overlapping template matching",
            "2.7",
            _template_bits,
            lambda b, p: non_overlapping_template(b, p.template_length, p.template_blocks),
        ),
        StatisticalTest(
            "overlapping_template",
            "Overlapping template matching",
            "2.8",
            _overlapping_bits,
            lambda b, p: overlapping_template(b, p.overlapping_length),
        ),
        StatisticalTest(
            "universal", "Maurer's universal statistical", "2.9", lambda p: SHORTEST[6], lambda b, p: universal(b)
        ),  # 2.9.7
        StatisticalTest(
            "linear_complexity",
            "Linear complexity",
            "2.10",
            lambda p: max(1_000_000, 200 * p.linear_complexity_length),  # 2.10.7
            lambda b, p: linear_complexity(b, p.linear_complexity_length),
        ),
        StatisticalTest(
            "serial",
            "Serial",
            "2.11",
            lambda p: 2 ** (p.serial_length + 3),  # 2.11.7: m < floor(log2 n) - 2
            lambda b, p: serial(b, p.serial_length),
        ),
        StatisticalTest(
            "approximate_entropy",
            "Approximate entropy",
            "2.12",
            lambda p: 2 ** (p.entropy_length + 6),  # 2.12.7: m < floor(log2 n) - 5
            lambda b, p: approximate_entropy(b, p.entropy_length),
        ),
        StatisticalTest(
            "cumulative_sums", "Cumulative sums", "2.13", lambda p: 100, lambda b, p: cumulative_sums(b)
        ),  # 2.13.7
        StatisticalTest(
            "random_excursions",
            "Random excursions",
            "2.14",
            lambda p: 1_000_000,  # 2.14.7
            lambda b, p: random_excursions(b),
        ),
        StatisticalTest(
            "random_excursions_variant",
            "Random excursions variant",
            "2.15",
            lambda p: 1_000_000,  # 2.15.7
            lambda b, p: random_excursions_variant(b),
        ),
    )
}
"""By name, in the publication's order."""


def run_tests(
    bits: NDArray[np.uint8],
    tests: Sequence[str] | None = None,
    parameters: Parameters | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[TestResult]:
    """Runs tests over one stream.

    Needs about 35 bytes per bit at its peak, most of it for the Fourier transform.

    Args:
        bits: Zeros and ones, shape `(n,)`, of any length.
        tests: Names of `TESTS`; none takes all, in the publication's order.
        parameters: Lengths; none takes the defaults.
        progress: Called after each test with how many are done and how many there are.

    Returns:
        One result per test, in the order asked for. A stream too short for a test makes it not applicable.

    Raises:
        DataError: The stream is no row of zeros and ones.
        SettingsError: There is no such test.
    """
    parameters = parameters or Parameters()
    names = list(TESTS) if tests is None else list(tests)
    unknown = [name for name in names if name not in TESTS]
    if unknown:
        raise SettingsError(f"SP 800-22 has no test {unknown[0]!r}; there are {', '.join(TESTS)}")
    bits = _checked(bits)
    results = []
    for done, name in enumerate(names, 1):
        needed = TESTS[name].shortest(parameters)
        if bits.size < needed:
            results.append(not_applicable(name, f"needs at least {needed:,} bits, got {bits.size:,}"))
        else:
            results.append(TESTS[name].run(bits, parameters))
        if progress:
            progress(done, len(names))
    return results


def _checked(bits: NDArray[np.generic]) -> NDArray[np.uint8]:
    bits = np.asarray(bits)
    if bits.ndim != 1:
        raise DataError(f"a bit stream is one row of bits, got an array of shape {bits.shape}")
    strange = (bits != 0) & (bits != 1)
    if strange.any():
        place = int(np.argmax(strange))
        raise DataError(f"a bit stream holds 0 and 1 only, got {bits[place]} at position {place:,}")
    return np.ascontiguousarray(bits, np.uint8)
