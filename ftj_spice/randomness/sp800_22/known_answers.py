"""Worked examples of SP 800-22 rev. 1a and its Appendix B beside what the tests here give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.randomness.sp800_22.battery import run_tests
from ftj_spice.randomness.sp800_22.constants import binary_digits
from ftj_spice.randomness.sp800_22.known_examples import APPENDIX_B, EXAMPLES
from ftj_spice.randomness.sp800_22.result import TestResult

DIGITS = 2**20
"""Digits of each constant that are computed; Appendix B takes the first 1,000,000."""
APPENDIX_DIGITS = 1_000_000


@dataclass(frozen=True)
class KnownAnswer:
    """One printed number beside the computed one.

    Attributes:
        section: Of the publication.
        test: Name of the test.
        label: Which p-value or statistic.
        printed: As printed.
        computed: By the tests here.
        redone: By the publication's own way where that differs and is known.
        cause: Why computed and printed values differ; `""` where they agree.
    """

    section: str
    test: str
    label: str
    printed: str
    computed: float
    redone: float | None = None
    cause: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the computed value is the printed one in all its digits."""
        return same_digits(self.computed, self.printed)

    @property
    def explained(self) -> bool:
        """Whether the publication's own way gives the printed digits."""
        return self.redone is not None and same_digits(self.redone, self.printed)


def same_digits(value: float, printed: str) -> bool:
    """Returns whether a value, rounded to as many decimals, is the printed one."""
    return f"{value:.{len(printed.partition('.')[2])}f}" == printed


def stream(bits: str | tuple[str, int]) -> NDArray[np.uint8]:
    """Returns the bits of an example, given as text or as a constant's name and a number of digits."""
    if isinstance(bits, str):
        return np.array(list(bits), np.uint8)
    name, digits = bits
    return binary_digits(name, DIGITS)[:digits]


def worked_examples() -> Iterator[KnownAnswer]:
    """Yields every number that the worked examples print, beside the computed one."""
    for example in EXAMPLES:
        result = example.run(stream(example.bits))
        redone = None if example.redone is None else example.redone(result)
        for name, printed in example.statistics.items():
            cause = example.slips.get(name, "")
            yield KnownAnswer(example.section, result.test, name, printed, result.statistics[name], cause=cause)
        yield from _answers(example.section, result, example.printed, redone, example.cause)


def appendix_b() -> Iterator[KnownAnswer]:
    """Yields the four constants by fifteen tests of Appendix B, beside the computed values."""
    for name in ("pi", "e", "sqrt2", "sqrt3"):
        results = {result.test: result for result in run_tests(stream((name, APPENDIX_DIGITS)))}
        for row in APPENDIX_B:
            result = results[row.test]
            redone = None if row.redone is None else row.redone(result)
            yield from _answers(f"B, {name}", result, {row.label: row.printed[name]}, redone, row.cause)


def _answers(
    section: str, result: TestResult, printed: Mapping[str, str], redone: NDArray[np.float64] | None, cause: str
) -> Iterator[KnownAnswer]:
    for label, text in printed.items():
        k = result.labels.index(label)
        # `redone` has either one value, for the one that is printed, or one for each of the result's.
        other = None if redone is None else float(redone[k] if redone.size == result.p_values.size else redone[0])
        answer = KnownAnswer(section, result.test, label, text, float(result.p_values[k]), other, cause)
        yield KnownAnswer(section, result.test, label, text, answer.computed) if answer.agrees else answer
