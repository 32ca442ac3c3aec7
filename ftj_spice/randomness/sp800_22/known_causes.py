"""Slips in the publication's printed numbers, redone: what its formulas give when a test is done its way.

Most functions take the result of a worked example, which holds the right counts, and return the p-values that the
publication's way leads to. Where they are the printed ones to the last digit, the slip is found. Two stand in for
examples whose streams are not public and take the printed counts in their place.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, gammaincc, hyp1f1

from ftj_spice.randomness.sp800_22.result import TestResult
from ftj_spice.randomness.sp800_22.templates import non_overlapping_template
from ftj_spice.randomness.sp800_22.universal import MOMENTS, universal
from ftj_spice.randomness.sp800_22.walk import STATES, VISIT_CLASSES, visit_probabilities

_FINITE_RANK = (0.2888, 0.5776, 0.1336)
_OLD_COMPLEXITY = (0.01047, 0.03125, 0.125, 0.5, 0.25, 0.0625, 0.020833)
_SMALL_OVERLAPPING_COUNTS = (0, 1, 1, 1, 1, 1)
_SHA1_MATCHES = (259, 229, 271, 245, 272, 262, 259, 246)
_SHA1_SUM = 919924.038020
_LAST_CYCLE = {1: 1, 2: 4, 3: 5, 4: 5}  # class of e's last cycle, which has no end, for the states that it visits


def large_matrices(result: TestResult) -> NDArray[np.float64]:
    """Rank of 3 x 3 matrices with the probabilities of large ones, rounded to four digits (section 2.5.4)."""
    counts = [result.statistics[name] for name in ("full", "one_less", "lower")]
    return _chi2_p_value(counts, _FINITE_RANK)


def printed_peaks(peaks: int, bits: int) -> NDArray[np.float64]:
    """The spectral test from a printed number of peaks below the threshold (sections 2.6.4 and 2.6.8)."""
    d = (peaks - 0.95 * bits / 2.0) / math.sqrt(bits * 0.95 * 0.05 / 4.0)
    return np.array([erfc(abs(d) / math.sqrt(2.0))])


def former_overlapping(result: TestResult) -> NDArray[np.float64]:
    """Overlapping templates with the approximation that revision 1a replaced, at eta = 1."""
    return _chi2_p_value(_classes(result, 6), former_overlapping_probabilities(1.0))


def small_overlapping(result: TestResult) -> NDArray[np.float64]:
    """Section 2.8.4: its miscounted classes, the former approximation, and chi2 that was not halved."""
    blocks = result.statistics["blocks"]
    expected = blocks * former_overlapping_probabilities(1.125).round(6)
    chi2 = np.sum((np.array(_SMALL_OVERLAPPING_COUNTS) - expected) ** 2 / expected)
    return np.array([gammaincc(2.5, chi2)])


def former_overlapping_probabilities(eta: float) -> NDArray[np.float64]:
    """Returns the former law of the matches in a block (section 3.8): Poisson clumps of geometric size.

    Args:
        eta: Half the expected number of matches.
    """
    law = [math.exp(-eta)]
    law += [eta * math.exp(-2.0 * eta) * 0.5**u * float(hyp1f1(u + 1, 2, eta)) for u in range(1, 5)]
    return np.array([*law, 1.0 - sum(law)])


def plain_deviation(result: TestResult) -> NDArray[np.float64]:
    """Section 2.9.4: the table's variance itself as the square of sigma, without c and K."""
    mean, variance = MOMENTS[2]
    return np.array([erfc(abs(result.statistics["f_n"] - mean) / math.sqrt(2.0 * variance))])


def former_complexity(result: TestResult) -> NDArray[np.float64]:
    """Linear complexity with 0.01047 for the first probability, a slip of NIST's program for 1/96 = 0.010417."""
    return _chi2_p_value(_classes(result, 7), _OLD_COMPLEXITY)


def rounded_visits(result: TestResult) -> NDArray[np.float64]:
    """Section 2.14.4: state +1 of its counts with probabilities of four digits, cut off (0.0312 for 1/32)."""
    law = np.floor(np.array(visit_probabilities(1)) * 1e4) / 1e4
    return _chi2_p_value((1, 1, 0, 1, 0, 0), law)


def open_cycle(result: TestResult) -> NDArray[np.float64]:
    """Section 2.14.8: the last cycle, from which the walk does not return, counted as one without any visit.

    It visits the positive states only (1, 4, 9 and 12 times), whose p-values are the ones that differ.
    """
    p_values = result.p_values.copy()
    for state, visits in _LAST_CYCLE.items():
        counts = np.array([result.statistics[f"cycles state {state:+d} visits {k}"] for k in range(VISIT_CLASSES)])
        counts[visits] -= 1
        counts[0] += 1
        p_values[STATES.index(state)] = _chi2_p_value(counts, visit_probabilities(state))[0]
    return p_values


def printed_matches(bits: NDArray[np.uint8]) -> TestResult:
    """Section 2.7.8 from its printed matches, with mean and variance of a stream of that length."""
    result = non_overlapping_template(bits, templates=(1,))
    deviation = np.array(_SHA1_MATCHES) - result.statistics["mean"]
    chi2 = float(np.sum(deviation**2) / result.statistics["variance"])
    statistics = {**result.statistics, f"chi2 {result.labels[0]}": chi2}
    return replace(result, p_values=np.array([gammaincc(4.0, 0.5 * chi2)]), statistics=statistics)


def printed_sum(bits: NDArray[np.uint8]) -> TestResult:
    """Section 2.9.8 from its printed sum, with K, c and sigma of a stream of that length."""
    result = universal(bits)
    f_n = _SHA1_SUM / result.statistics["tested"]
    p_value = erfc(abs(f_n - MOMENTS[7][0]) / (math.sqrt(2.0) * result.statistics["sigma"]))
    return replace(result, p_values=np.array([p_value]), statistics={**result.statistics, "f_n": f_n})


def _classes(result: TestResult, number: int) -> list[float]:
    return [result.statistics[f"nu_{k}"] for k in range(number)]


def _chi2_p_value(counts: ArrayLike, law: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    expected = np.array(law, float) * np.sum(counts)
    chi2 = np.sum((np.array(counts, float) - expected) ** 2 / expected)
    return np.array([gammaincc(0.5 * (len(law) - 1), 0.5 * chi2)])
