"""Runs of equal bits: how many there are (section 2.3) and how long those of ones get (2.4)."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, gammaincc

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied, numbered


@dataclass(frozen=True)
class RunTable:
    """One row of section 2.4.4.

    Attributes:
        shortest: Bits from which on the row holds.
        length: M, bits in a block.
        least: Longest run of the first class, "this or shorter"; each next class is one longer, the last is open.
        classes: Their number.
        printed: Probabilities of the classes where the printed ones are not the exact ones rounded.
    """

    shortest: int
    length: int
    least: int
    classes: int
    printed: tuple[float, ...] | None = None


RUN_TABLES = (
    RunTable(750_000, 10_000, 10, 7, (0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727)),
    RunTable(6_272, 128, 4, 6),
    RunTable(128, 8, 1, 4),
)
"""Sections 2.4.2 and 2.4.4, longest blocks first."""


def runs(bits: NDArray[np.uint8]) -> TestResult:
    """Runs test, section 2.3.4: `P = erfc(|V - 2 n pi (1 - pi)| / (2 sqrt(2 n) pi (1 - pi)))`.

    A stream whose share of ones is off 1/2 by `2 / sqrt(n)` or more fails the frequency test already; the publication
    then sets P = 0.
    """
    n = bits.size
    share = int(np.count_nonzero(bits)) / n
    total = 1 + int(np.count_nonzero(bits[1:] != bits[:-1]))
    spread = share * (1.0 - share)
    p_value = 0.0
    if abs(share - 0.5) < 2.0 / math.sqrt(n) and spread > 0.0:
        p_value = erfc(abs(total - 2.0 * n * spread) / (2.0 * math.sqrt(2.0 * n) * spread))
    return applied("runs", [p_value], [""], {"pi": share, "runs": total})


def longest_run(bits: NDArray[np.uint8], exact: bool = False) -> TestResult:
    """Test for the longest run of ones in a block, section 2.4.4.

    Args:
        bits: Zeros and ones, at least 128.
        exact: Takes the exact probabilities for blocks of 10,000 bits too, not the printed ones.
    """
    table = next(row for row in RUN_TABLES if bits.size >= row.shortest)
    blocks = bits.size // table.length
    longest = _longest_runs(bits, table.length, blocks)
    counts = np.bincount(np.clip(longest - table.least, 0, table.classes - 1), minlength=table.classes)
    law = longest_run_probabilities(table.length, table.least, table.classes)
    expected = blocks * np.array(law if exact or table.printed is None else table.printed)
    chi2 = float(np.sum((counts - expected) ** 2 / expected))
    statistics = {"chi2": chi2, "blocks": blocks, "block_length": table.length, **numbered("nu", counts)}
    return applied("longest_run", [gammaincc(0.5 * (table.classes - 1), 0.5 * chi2)], [""], statistics)


@lru_cache
def longest_run_probabilities(length: int, least: int, classes: int) -> tuple[float, ...]:
    """Returns the exact law of the longest run of ones in `length` fair bits.

    With A_n the share of strings of n bits whose runs of ones are x or shorter, a string that is the first to break
    this ends in a zero and x + 1 ones: `A_n = A_(n-1) - 2^-(x+2) A_(n-x-2)`.

    Args:
        length: Bits.
        least: x of the first class, "x or shorter".
        classes: Their number; the last takes all longer runs.
    """
    below = []
    for longest in range(least, least + classes - 1):
        share = [1.0] * (longest + 1) + [1.0 - 0.5 ** (longest + 1)]
        for n in range(longest + 2, length + 1):
            share.append(share[n - 1] - 0.5 ** (longest + 2) * share[n - longest - 2])
        below.append(share[length])
    return tuple(float(p) for p in np.diff([0.0, *below, 1.0]))


@numba.njit(cache=CACHE, nogil=True)
def _longest_runs(bits, length, blocks):  # pragma: no cover - compiled
    """Longest run of ones of each block."""
    longest = np.zeros(blocks, np.int64)
    for block in range(blocks):
        run = 0
        for i in range(block * length, (block + 1) * length):
            run = run + 1 if bits[i] else 0
            longest[block] = max(longest[block], run)
    return longest
