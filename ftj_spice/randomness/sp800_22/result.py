"""What a test takes and gives: its parameters, its p-values and its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError

_RANGES = {
    "block_length": (20, 10**9),
    "template_length": (2, 16),
    "template_blocks": (1, 100),
    "overlapping_length": (2, 16),
    "linear_complexity_length": (500, 5000),
    "serial_length": (2, 24),
    "entropy_length": (1, 23),
}


@dataclass(frozen=True)
class Parameters:
    """Lengths that the publication leaves to the user.

    The defaults are those of Appendix B and of NIST's own program. SP 800-22 rev. 1a, section 2.2.7, would rather have
    blocks above a hundredth of the stream in the block frequency test; 128 keeps the results comparable.

    Attributes:
        block_length: M of the frequency test within a block.
        template_length: m of the non-overlapping templates.
        template_blocks: N, the number of blocks in that test.
        overlapping_length: m of the overlapping template, a run of ones; its blocks have `2^(m+1) + m - 1` bits.
        linear_complexity_length: M of the linear complexity test.
        serial_length: m of the serial test.
        entropy_length: m of the approximate entropy test.
        exact_longest_run: Takes the exact law of the longest run of ones in blocks of 10,000 bits instead of the one
            printed in section 2.4.4, which is off by up to 0.0016. With the printed one the p-values are those of
            Appendix B and of NIST's program; streams of 1e9 bits and more can tell the two apart.

    Raises:
        SettingsError: A length is out of range.
    """

    block_length: int = 128
    template_length: int = 9
    template_blocks: int = 8
    overlapping_length: int = 9
    linear_complexity_length: int = 500
    serial_length: int = 16
    entropy_length: int = 10
    exact_longest_run: bool = False

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name in _RANGES:
                low, high = _RANGES[entry.name]
                if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                    raise SettingsError(f"{entry.name} must be a whole number from {low} to {high}, got {value!r}")


@dataclass(frozen=True)
class TestResult:
    """What one test says of one stream.

    Attributes:
        test: Its name in `TESTS`.
        p_values: Shape `(k,)`, each in [0, 1]; empty where the test does not apply.
        labels: One per p-value, e.g. `"template 000000001"`; `""` where there is only one.
        applicable: Whether the stream meets the test's requirements.
        reason: Why not, as a clause; `""` where it does.
        statistics: The numbers behind the p-values under the publication's names.
    """

    __test__: ClassVar[bool] = False  # no test case of pytest's

    test: str
    p_values: NDArray[np.float64]
    labels: tuple[str, ...]
    applicable: bool = True
    reason: str = ""
    statistics: Mapping[str, float] = field(default_factory=dict)


def applied(
    test: str, p_values: Sequence[float] | NDArray[np.float64], labels: Sequence[str], statistics: Mapping[str, float]
) -> TestResult:
    """Returns the result of a test that was done; rounding never takes a p-value out of [0, 1]."""
    clipped = np.clip(np.asarray(p_values, float), 0.0, 1.0)
    return TestResult(
        test, clipped, tuple(labels), statistics={name: float(value) for name, value in statistics.items()}
    )


def not_applicable(test: str, reason: str, statistics: Mapping[str, float] | None = None) -> TestResult:
    """Returns the result of a test that could not be done."""
    return TestResult(test, np.empty(0), (), applicable=False, reason=reason, statistics=dict(statistics or {}))


def numbered(name: str, values: Sequence[float] | NDArray[np.generic]) -> dict[str, float]:
    """Returns `values` as `name_0`, `name_1`, ..."""
    return {f"{name}_{k}": float(value) for k, value in enumerate(values)}
