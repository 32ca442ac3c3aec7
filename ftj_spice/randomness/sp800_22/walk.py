"""The stream as a random walk of steps -1 and +1: cumulative sums (section 2.13), excursions (2.14 and 2.15)."""

import math

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, gammaincc, ndtr

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied, not_applicable

STATES = (-4, -3, -2, -1, 1, 2, 3, 4)
"""Of the random excursions test."""
VARIANT_STATES = tuple(x for x in range(-9, 10) if x)
"""Of its variant."""
VISIT_CLASSES = 6
"""0, 1, ..., 4 and "5 or more" visits in a cycle."""


def cumulative_sums(bits: NDArray[np.uint8]) -> TestResult:
    """Cumulative sums test, section 2.13.4, from the first bit on and from the last one back."""
    low, high, end = _extremes(bits)
    z = {"forward": max(high, -low), "backward": max(end - low, high - end)}
    p_values = [_reach_probability(bits.size, reach) for reach in z.values()]
    return applied("cumulative_sums", p_values, list(z), {f"z {label}": reach for label, reach in z.items()})


def _reach_probability(n: int, z: int) -> float:
    """Returns the probability that a walk of n steps gets z or farther from its start (section 2.13.4, step 4).

    The sums' limits are rounded towards zero, which the text leaves open and NIST's program does. Terms beyond forty
    standard deviations, which are zero in double precision, are left out.
    """
    far = math.ceil(10.0 * math.sqrt(n) / z) + 1
    ratio, unit = n // z, z / math.sqrt(n)
    top = min((ratio - 1) // 4, far)
    k = np.arange(max(-((ratio - 1) // 4), -far), top + 1)
    inner = np.sum(ndtr((4 * k + 1) * unit) - ndtr((4 * k - 1) * unit))
    k = np.arange(max(-((ratio + 3) // 4), -far), top + 1)
    outer = np.sum(ndtr((4 * k + 3) * unit) - ndtr((4 * k + 1) * unit))
    return float(1.0 - inner + outer)


def fewest_cycles(bits: int) -> float:
    """Returns the number of cycles that the excursion tests ask for, `max(0.005 sqrt(n), 500)` (section 2.14.4)."""
    return max(0.005 * math.sqrt(bits), 500.0)


def random_excursions(bits: NDArray[np.uint8], fewest: float | None = None) -> TestResult:
    """Random excursions test, section 2.14.4: cycles by the number of visits to a state.

    A cycle is what lies between two zeros of the walk. A walk that does not end at zero ends with one more cycle.

    Args:
        bits: Zeros and ones.
        fewest: Cycles below which the test does not apply; none takes `fewest_cycles`.
    """
    cycles, tally = _visits_by_cycle(bits)
    short = _too_few("random_excursions", bits.size, cycles, fewest)
    if short:
        return short
    expected = cycles * np.array([visit_probabilities(x) for x in STATES])
    chi2 = np.sum((tally - expected) ** 2 / expected, axis=1)
    labels = [f"state {x:+d}" for x in STATES]
    statistics = {"cycles": cycles} | {f"chi2 {label}": value for label, value in zip(labels, chi2, strict=True)}
    for label, row in zip(labels, tally, strict=True):
        statistics |= {f"cycles {label} visits {k}": count for k, count in enumerate(row)}
    return applied("random_excursions", gammaincc(0.5 * (VISIT_CLASSES - 1), 0.5 * chi2), labels, statistics)


def random_excursions_variant(bits: NDArray[np.uint8], fewest: float | None = None) -> TestResult:
    """Random excursions variant test, section 2.15.4: `P = erfc(|xi - J| / sqrt(2 J (4 |x| - 2)))` for each state.

    Args:
        bits: Zeros and ones.
        fewest: Cycles below which the test does not apply; none takes `fewest_cycles`.
    """
    cycles, visits = _visits(bits)
    short = _too_few("random_excursions_variant", bits.size, cycles, fewest)
    if short:
        return short
    states = np.array(VARIANT_STATES)
    p_values = erfc(np.abs(visits - cycles) / np.sqrt(2.0 * cycles * (4 * np.abs(states) - 2)))
    labels = [f"state {x:+d}" for x in VARIANT_STATES]
    statistics = {"cycles": cycles} | {f"visits {label}": count for label, count in zip(labels, visits, strict=True)}
    return applied("random_excursions_variant", p_values, labels, statistics)


def visit_probabilities(state: int) -> list[float]:
    """Returns the probabilities of 0, 1, ..., 4 and more visits to a state within a cycle (section 3.14)."""
    stay = 1.0 - 1.0 / (2.0 * abs(state))
    return [stay, *(stay ** (k - 1) / (4.0 * state**2) for k in range(1, 5)), stay**4 / (2.0 * abs(state))]


def _too_few(test: str, bits: int, cycles: int, fewest: float | None) -> TestResult | None:
    fewest = fewest_cycles(bits) if fewest is None else fewest
    if cycles >= fewest:
        return None
    reason = f"needs at least {math.ceil(fewest):,} cycles of the random walk, got {cycles:,}"
    return not_applicable(test, reason, {"cycles": float(cycles)})


@numba.njit(cache=CACHE, nogil=True)
def _extremes(bits):  # pragma: no cover - compiled
    """Lowest and highest place of the walk, its start among them, and its end."""
    low = 0
    high = 0
    place = 0
    for bit in bits:
        place += 2 * np.int64(bit) - 1
        low = min(low, place)
        high = max(high, place)
    return low, high, place


@numba.njit(cache=CACHE, nogil=True)
def _visits_by_cycle(bits):  # pragma: no cover - compiled
    """Cycles, and how many of them visit each of `STATES` 0, 1, ..., 5 or more times."""
    tally = np.zeros((8, 6), np.int64)
    seen = np.zeros(9, np.int64)
    cycles = 0
    place = 0
    for i in range(bits.size + 1):
        if i < bits.size:
            place += 2 * np.int64(bits[i]) - 1
        if (place == 0 and i < bits.size) or (place != 0 and i == bits.size):
            cycles += 1
            for x in range(9):
                if x != 4:
                    tally[x - (x > 4), min(seen[x], 5)] += 1
                seen[x] = 0
        elif -4 <= place <= 4:
            seen[place + 4] += 1
    return cycles, tally


@numba.njit(cache=CACHE, nogil=True)
def _visits(bits):  # pragma: no cover - compiled
    """Cycles, and the visits to each of `VARIANT_STATES`."""
    visits = np.zeros(18, np.int64)
    cycles = 0
    place = 0
    for bit in bits:
        place += 2 * np.int64(bit) - 1
        if place == 0:
            cycles += 1
        elif -9 <= place <= 9:
            visits[place + 9 - (place > 0)] += 1
    if place != 0:
        cycles += 1
    return cycles, visits
