"""The restart tests (SP 800-90B, section 3.1.4): does a source that is switched on anew begin like it did before?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import binom, poisson

from ftj_spice.common.errors import DataError
from ftj_spice.randomness.sp800_90b.assessment import check_entropy_settings, estimates_of, least
from ftj_spice.randomness.sp800_90b.estimate import Estimate, checked

FALSE_ALARM = 0.01
"""Chance that the sanity check refuses a source as good as claimed; the publication's 0.000005 is its 2000th part."""


@dataclass(frozen=True)
class RestartResult:
    """The outcome of the restart tests.

    Attributes:
        shape: (restarts, samples of each).
        largest_count: Occurrences of the most common symbol of a row, and of a column, the largest of all rows and of
            all columns, X_R and X_C.
        cutoff: Largest count that passes the sanity check, for rows and for columns.
        binomial_cutoff: The same by the binomial law that section 3.1.4.3 prints; stricter, see `restart_cutoff`.
        sane: Whether the sanity check of section 3.1.4.3 passes.
        row_estimates: Of the row dataset, one restart after the other.
        column_estimates: Of the column dataset, the first samples of all restarts, then the second ones, and so on.
        h_row: H_r, the least of `row_estimates` in bits per symbol.
        h_column: H_c, that of `column_estimates`.
        h_initial: H_I, the entropy that the tests were to confirm.
        entropy: The confirmed one, min(H_r, H_c, H_I); 0 where the tests fail.
        passes: Whether the sanity check passes and neither H_r nor H_c lies below H_I / 2.
    """

    shape: tuple[int, int]
    largest_count: tuple[int, int]
    cutoff: tuple[int, int]
    binomial_cutoff: tuple[int, int]
    sane: bool
    row_estimates: tuple[Estimate, ...]
    column_estimates: tuple[Estimate, ...]
    h_row: float
    h_column: float
    h_initial: float
    entropy: float
    passes: bool


def restart_cutoff(entropy: float, samples: int = 1000, alpha: float = 1.0 - (1.0 - FALSE_ALARM) ** (1 / 2000)) -> int:
    """Returns the largest count of the most common of `samples` symbols that a source of that min-entropy may show.

    Section 3.1.4.3 takes the binomial law of one symbol of probability p = 2^-H, as if nobody knew which one will be
    most common; a good source of wide symbols then fails. The reference tool simulates the largest count of the worst
    source of that entropy instead: as many symbols of probability p as there is room for, and one with the rest
    (Hagerty and Draper, NIST Random Bit Generation Workshop 2012). This is the exact law of that simulation: counts of
    independent Poisson variables, none above c, given their sum.

    Args:
        entropy: H in bits per symbol, 0 to 8.
        samples: Symbols of a row or column.
        alpha: Chance of a larger count.
    """
    p = 2.0**-entropy
    equal = int(1.0 / p + 1e-9)
    rest = max(0.0, 1.0 - equal * p)
    counts = np.arange(samples + 1)
    whole = np.exp(samples * np.log(samples) - samples - gammaln(samples + 1.0))  # chance of the sum, none limited

    def within(limit: int) -> float:
        allowed = counts <= limit
        total = _power(poisson.pmf(counts, samples * p) * allowed, equal)
        if rest > 1e-12:
            total = np.convolve(total, poisson.pmf(counts, samples * rest) * allowed)[: samples + 1]
        return float(total[samples] / whole)

    low, high = samples // (equal + 1), samples  # the first may be too low, the second never is
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if 1.0 - within(middle) <= alpha else (middle + 1, high)
    return low


def binomial_cutoff(entropy: float, samples: int = 1000, alpha: float = 0.000005) -> int:
    """Returns the largest count X that section 3.1.4.3 passes as printed: P(Binomial(samples, 2^-H) >= X) >= alpha."""
    counts = np.arange(samples + 1)
    return int(counts[binom.sf(counts - 1, samples, 2.0**-entropy) >= alpha].max())


def restart_test(matrix: ArrayLike, initial_entropy: float, bits_per_symbol: int = 1) -> RestartResult:
    """Runs the sanity check and the validation of restart data.

    Args:
        matrix: Symbols, shape `(restarts, samples)`, each row what the source gave first after a restart. The
            publication asks for 1000 of 1000; other shapes get cutoffs of their own lengths.
        initial_entropy: H_I of `estimate_entropy`, in bits per symbol.
        bits_per_symbol: 1 to 8.

    Raises:
        DataError: The matrix is not two-dimensional, has fewer than two rows or columns, or holds other symbols.
        SettingsError: `initial_entropy` or `bits_per_symbol` is out of range.
    """
    check_entropy_settings(bits_per_symbol, initial_entropy)
    given = np.asarray(matrix)
    if given.ndim != 2 or min(given.shape) < 2:
        raise DataError(f"restart data has two or more restarts and samples, not the shape {given.shape}")
    rows = checked(given.ravel(), bits_per_symbol).reshape(given.shape)
    restarts, samples = rows.shape
    alpha = 1.0 - (1.0 - FALSE_ALARM) ** (1.0 / (restarts + samples))
    largest = _largest_count(rows), _largest_count(rows.T)
    cutoffs = tuple(restart_cutoff(initial_entropy, n, alpha) for n in (samples, restarts))
    sane = all(count <= cutoff for count, cutoff in zip(largest, cutoffs, strict=True))
    of_rows = estimates_of(rows.ravel(), bits_per_symbol)
    of_columns = estimates_of(rows.T.ravel(), bits_per_symbol)
    h_row, h_column = least(of_rows, bits_per_symbol), least(of_columns, bits_per_symbol)
    passes = sane and min(h_row, h_column) >= initial_entropy / 2.0
    return RestartResult(
        shape=(restarts, samples),
        largest_count=largest,
        cutoff=(cutoffs[0], cutoffs[1]),
        binomial_cutoff=(binomial_cutoff(initial_entropy, samples), binomial_cutoff(initial_entropy, restarts)),
        sane=sane,
        row_estimates=of_rows,
        column_estimates=of_columns,
        h_row=h_row,
        h_column=h_column,
        h_initial=initial_entropy,
        entropy=min(h_row, h_column, initial_entropy) if passes else 0.0,
        passes=passes,
    )


def _largest_count(rows: NDArray[np.uint8]) -> int:
    return max(int(np.bincount(row).max()) for row in rows)


def _power(law: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Law of the sum of `times` independent counts of one law, up to its length."""
    total = np.zeros_like(law)
    total[0] = 1.0
    while times:
        if times & 1:
            total = np.convolve(total, law)[: len(law)]
        law = np.convolve(law, law)[: len(law)]
        times >>= 1
    return total
