"""The compiled tests against their definitions, and the laws that they compare with against enumeration."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import sp800_22_reference as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaincc

from ftj_spice.randomness.sp800_22.complexity import linear_complexities, linear_complexity
from ftj_spice.randomness.sp800_22.patterns import approximate_entropy, serial
from ftj_spice.randomness.sp800_22.rank import rank, rank_probabilities
from ftj_spice.randomness.sp800_22.runs import RUN_TABLES, longest_run, longest_run_probabilities
from ftj_spice.randomness.sp800_22.spectral import spectral
from ftj_spice.randomness.sp800_22.templates import (
    aperiodic_templates,
    non_overlapping_template,
    overlapping_block,
    overlapping_probabilities,
    overlapping_template,
)
from ftj_spice.randomness.sp800_22.universal import MOMENTS, universal
from ftj_spice.randomness.sp800_22.walk import (
    STATES,
    VARIANT_STATES,
    cumulative_sums,
    random_excursions,
    random_excursions_variant,
    visit_probabilities,
)

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


def draw(seed, size, share=0.5):
    return (np.random.default_rng(seed).random(size) < share).astype(np.uint8)


def counts(result, name, number):
    return [result.statistics[f"{name}_{k}"] for k in range(number)]


@few
@given(seeds, st.integers(1, 700), st.sampled_from([0.02, 0.5, 0.9]))
def test_linear_complexities_of_any_length(seed, length, share):
    bits = draw(seed, 2 * length + 3, share)
    expected = [reference.linear_complexity(block) for block in reference.cut(bits, length)][:2]
    assert linear_complexities(bits, length, 2).tolist() == expected


def test_linear_complexity_of_a_register_is_its_length():
    state = [1, 0, 0, 1, 0, 1, 1] + [0] * 82
    for _ in range(2000):
        state.append(state[-89] ^ state[-51])  # x^89 + x^51 + 1
    assert linear_complexities(np.array(state, np.uint8), 1000, 2).tolist() == [89, 89]


def test_classes_of_linear_complexity_even_and_odd():
    for length in (500, 501):
        bits = draw(1, 40 * length)
        mean = length / 2 + (9 + (-1) ** (length + 1)) / 36
        t = [(-1) ** length * (reference.linear_complexity(b) - mean) + 2 / 9 for b in reference.cut(bits, length)]
        expected = Counter(sum(value > bound for bound in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)) for value in t)
        assert counts(linear_complexity(bits, length), "nu", 7) == [expected[k] for k in range(7)]


@few
@given(seeds, st.sampled_from([3, 8, 32, 64]), st.sampled_from([0.1, 0.5, 0.95]))
def test_ranks(seed, size, share):
    bits = draw(seed, 5 * size**2 + 7, share)
    ranks = [reference.rank(matrix) for matrix in bits[: 5 * size**2].reshape(5, size, size)]
    result = rank(bits, size)
    assert result.statistics["full"] == ranks.count(size)
    assert result.statistics["one_less"] == ranks.count(size - 1)
    assert result.statistics["matrices"] == 5


def test_rank_law_by_enumeration():
    found = Counter(reference.rank(np.reshape(bits, (3, 3))) for bits in itertools.product((0, 1), repeat=9))
    law = [found[3] / 512, found[2] / 512, (found[1] + found[0]) / 512]
    assert rank_probabilities(3) == pytest.approx(law, abs=1e-15)
    assert rank_probabilities(32) == pytest.approx([0.2888, 0.5776, 0.1336], abs=5e-5)  # section 2.5.4


@few
@given(seeds, st.integers(128, 9000), st.sampled_from([0.3, 0.5, 0.9]))
def test_longest_runs(seed, size, share):
    bits = draw(seed, size, share)
    length, least, classes = (8, 1, 4) if size < 6272 else (128, 4, 6)
    longest = Counter(min(max(reference.longest_run(b) - least, 0), classes - 1) for b in reference.cut(bits, length))
    assert counts(longest_run(bits), "nu", classes) == [longest[k] for k in range(classes)]


def test_longest_run_law():
    found = Counter(min(reference.longest_run(reference.text(b)), 5) for b in itertools.product((0, 1), repeat=12))
    law = [(found[0] + found[1] + found[2]) / 4096] + [found[k] / 4096 for k in (3, 4, 5)]
    assert longest_run_probabilities(12, 2, 4) == pytest.approx(law, abs=1e-15)
    # The printed tables (2.4.4) are the exact law, rounded, but for blocks of 10,000 bits.
    assert longest_run_probabilities(8, 1, 4) == pytest.approx([0.2148, 0.3672, 0.2305, 0.1875], abs=5.1e-5)
    table = [0.1174, 0.2430, 0.2493, 0.1752, 0.1027, 0.1124]
    assert longest_run_probabilities(128, 4, 6) == pytest.approx(table, abs=7e-5)
    exact = np.array(longest_run_probabilities(10_000, 10, 7))
    gap = np.abs(exact - RUN_TABLES[0].printed)
    assert 0.0015 < gap.max() < 0.0016
    # Noncentrality that the printed table adds to chi2 for 1e9 bits: a source without fault is then told apart.
    assert 4.0 < 1e5 * np.sum(gap**2 / RUN_TABLES[0].printed) < 8.0


def test_exact_longest_run_differs_where_the_table_does():
    bits = draw(2, 800_000)
    assert longest_run(bits).p_values != longest_run(bits, exact=True).p_values
    assert longest_run(bits[:7000]).p_values == longest_run(bits[:7000], exact=True).p_values


@few
@given(seeds, st.integers(2, 5), st.integers(1, 8), st.integers(200, 600))
def test_matches_of_templates(seed, length, blocks, size):
    bits = draw(seed, size)
    result = non_overlapping_template(bits, length, blocks)
    parts = reference.cut(bits, size // blocks)[:blocks]
    mean, variance = result.statistics["mean"], result.statistics["variance"]
    for word, p_value in zip(aperiodic_templates(length), result.p_values, strict=True):
        matches = [reference.jumping_matches(part, f"{word:0{length}b}") for part in parts]
        chi2 = sum((w - mean) ** 2 for w in matches) / variance
        assert p_value == pytest.approx(gammaincc(blocks / 2, chi2 / 2), rel=1e-9)


def test_number_of_aperiodic_templates():
    # Section 2.7.2 and its template files, m = 2 to 16; sequence A003000 of the OEIS.
    expected = [2, 4, 6, 12, 20, 40, 74, 148, 284, 568, 1116, 2232, 4424, 8848, 17622]
    assert [len(aperiodic_templates(m)) for m in range(2, 17)] == expected
    assert [f"{word:03b}" for word in aperiodic_templates(3)] == ["001", "011", "100", "110"]


@few
@given(seeds, st.integers(2, 5), st.integers(20, 80))
def test_overlapping_matches(seed, length, size):
    bits = draw(seed, 10 * size, 0.6)
    matches = Counter(min(reference.sliding_matches(b, "1" * length), 5) for b in reference.cut(bits, size))
    assert counts(overlapping_template(bits, length, size), "nu", 6) == [matches[k] for k in range(6)]


def test_overlapping_law():
    found = Counter(
        min(reference.sliding_matches(reference.text(b), "111"), 5) for b in itertools.product((0, 1), repeat=13)
    )
    assert overlapping_probabilities(3, 13) == pytest.approx([found[k] / 2**13 for k in range(6)], abs=1e-15)
    printed = [0.364091, 0.185659, 0.139381, 0.100571, 0.070432, 0.139865]  # section 2.8.4, rev. 1a
    assert overlapping_probabilities(9, overlapping_block(9)) == pytest.approx(printed, abs=6e-7)
    assert overlapping_block(9) == 1032


@few
@given(seeds, st.integers(2, 6), st.integers(7, 300), st.sampled_from([0.2, 0.5]))
def test_serial_and_entropy(seed, length, size, share):
    bits = draw(seed, size, share)
    first, second = reference.serial_statistics(bits, length)
    result = serial(bits, length)
    assert result.statistics["del"] == pytest.approx(first, abs=1e-9)
    assert result.statistics["del2"] == pytest.approx(second, abs=1e-9)
    assert result.p_values[0] == pytest.approx(gammaincc(2.0 ** (length - 2), max(first, 0) / 2), abs=1e-9)
    assert result.p_values[1] == pytest.approx(gammaincc(2.0 ** (length - 3), max(second, 0) / 2), abs=1e-6)
    chi2 = approximate_entropy(bits, length).statistics["chi2"]
    assert chi2 == pytest.approx(reference.entropy_chi2(bits, length), abs=1e-8)


@few
@given(seeds, st.integers(1, 400), st.sampled_from([0.1, 0.5, 0.6]))
def test_cumulative_sums(seed, size, share):
    bits = draw(seed, size, share)
    places = np.array(reference.walk(bits))
    z = [int(np.abs(places).max()), int(np.abs(places[-1] - places).max())]
    result = cumulative_sums(bits)
    assert list(result.statistics.values()) == z
    expected = np.clip([reference.reach_probability(size, reach) for reach in z], 0, 1)
    assert result.p_values == pytest.approx(expected, abs=1e-12)


def test_a_walk_that_goes_nowhere_sums_up_fast():
    # z = 1: half a million terms in the publication's sums, of which all but a few are zero.
    assert cumulative_sums(np.tile(np.array([1, 0], np.uint8), 10**6)).p_values == pytest.approx([1.0, 1.0], abs=1e-12)


@few
@given(seeds, st.integers(1, 500), st.sampled_from([0.45, 0.5, 0.6]))
def test_excursions(seed, size, share):
    bits = draw(seed, size, share)
    cycles = reference.cycles(bits)
    result = random_excursions(bits, fewest=0)
    assert result.statistics["cycles"] == len(cycles)
    for x, label in zip(STATES, result.labels, strict=True):
        classes = Counter(min(cycle.count(x), 5) for cycle in cycles)
        assert [result.statistics[f"cycles {label} visits {k}"] for k in range(6)] == [classes[k] for k in range(6)]
    variant = random_excursions_variant(bits, fewest=0)
    for x, p_value in zip(VARIANT_STATES, variant.p_values, strict=True):
        visits = sum(cycle.count(x) for cycle in cycles)
        assert variant.statistics[f"visits state {x:+d}"] == visits
        expected = math.erfc(abs(visits - len(cycles)) / math.sqrt(2 * len(cycles) * (4 * abs(x) - 2)))
        assert p_value == pytest.approx(expected, abs=1e-12)


def test_visit_law():
    # Printed in section 2.14.4 (cut off or rounded to four digits).
    assert visit_probabilities(1) == pytest.approx([0.5, 0.25, 0.125, 0.0625, 0.0312, 0.0312], abs=1e-4)
    assert visit_probabilities(-4) == pytest.approx([0.875, 0.0156, 0.0137, 0.0120, 0.0105, 0.0733], abs=1e-4)
    assert all(sum(visit_probabilities(x)) == pytest.approx(1.0) for x in STATES)


@few
@given(seeds, st.integers(10, 300))
def test_peaks_of_the_spectrum(seed, size):
    bits = draw(seed, size)
    moduli = reference.peaks_below(bits)
    threshold = math.sqrt(math.log(1 / 0.05) * size)
    if np.abs(moduli - threshold).min() > 1e-9:
        assert spectral(bits).statistics["n_1"] == np.sum(moduli < threshold)


@few
@given(seeds, st.sampled_from([2, 6, 7]), st.integers(100, 400))
def test_distances(seed, length, words):
    bits = draw(seed, length * words + 1)
    result = universal(bits, length, 30)
    assert result.statistics["sum"] == pytest.approx(reference.universal_sum(bits, length, 30), rel=1e-12)


@pytest.mark.parametrize("length", [2, 6, 7, 8, 9, 10, 11, 12])
def test_moments_of_the_distance(length):
    """The table of section 2.9.4 from its series: the distance to an equal word is geometric."""
    i = np.arange(1, 60 * 2**length)
    law = 0.5**length * (1 - 0.5**length) ** (i - 1)
    mean = float(np.sum(law * np.log2(i)))
    variance = float(np.sum(law * np.log2(i) ** 2)) - mean**2
    assert MOMENTS[length] == pytest.approx((mean, variance), abs=1e-3)  # the variance is cut off there
    assert MOMENTS[length][0] == pytest.approx(mean, abs=1e-6)


def test_the_spectral_test_is_a_little_too_strict():
    """Variance of d over ideal streams: 4/3.79 = 1.055 by Parseval's theorem, not 1; see `spectral`."""
    generator = np.random.default_rng(5)
    d = [spectral(generator.integers(0, 2, 4096, dtype=np.uint8)).statistics["d"] for _ in range(20_000)]
    expected = 4 / 2 * (0.0475 - (0.05 * math.log(20)) ** 2) / 0.0475
    assert expected == pytest.approx(4 / 3.79, abs=1e-3)
    # Standard error of a variance from 20,000 normal values: 1 %; four of them.
    assert np.var(d) == pytest.approx(expected, rel=0.04)
