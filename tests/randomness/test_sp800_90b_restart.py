"""The restart tests, and NIST's own tool on the same million bits."""

import math

import numpy as np
import pytest
import sp800_90b_plain as plain
import sp800_90b_reference as reference

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.sp800_90b import restart_cutoff, restart_test
from ftj_spice.randomness.sp800_90b.restart import binomial_cutoff


@pytest.fixture(scope="module")
def uniform():
    return restart_test(reference.uniform(), 1.0)


@pytest.fixture(scope="module")
def shifted():
    return restart_test(reference.shifted(), 0.9)


def _agree(estimates, expected):
    assert [e.estimator for e in estimates] == list(expected)
    for estimate in estimates:
        found = estimate.statistics | {"entropy": estimate.entropy}
        for key, value in expected[estimate.estimator].items():
            # the tool's double sums of a million terms carry an error of about 1e-13 themselves
            assert found[key] == pytest.approx(value, rel=2e-12), (estimate.estimator, key)


def test_every_estimate_is_that_of_the_reference_tool(uniform, shifted):
    _agree(uniform.row_estimates, reference.UNIFORM_ROWS)
    _agree(uniform.column_estimates, reference.UNIFORM_COLUMNS)
    _agree(shifted.row_estimates, reference.SHIFTED)
    _agree(shifted.column_estimates, reference.SHIFTED)


def test_fair_bits_pass(uniform):
    """X_max 558 is the tool's; its cutoff was 571 or 572, by chance."""
    assert max(uniform.largest_count) == 558
    assert uniform.cutoff == (572, 572) and uniform.binomial_cutoff == (570, 570)
    assert uniform.sane and uniform.passes
    assert uniform.h_row == pytest.approx(0.87902612531918101, rel=1e-12)
    assert uniform.h_column == pytest.approx(0.84597504911067001, rel=1e-12)
    assert uniform.entropy == uniform.h_column and uniform.h_initial == 1.0


def test_restarts_that_repeat_each_other_with_a_shift_fail_the_validation(shifted):
    """The tool: X_max 539 below its cutoff of 604, but H_r = H_c = 0.003214 below half of 0.9."""
    assert max(shifted.largest_count) == 539 and shifted.sane
    assert abs(shifted.cutoff[0] - 604) <= 1
    assert shifted.h_row == shifted.h_column == pytest.approx(0.003214, abs=5e-7)
    assert not shifted.passes and shifted.entropy == 0.0


CUTOFFS = {
    0.3: (865, 865),
    1.0: (570, 572),
    2.0: (312, 316),
    4.0: (99, 104),
    5.5: (45, 50),
    6.0: (36, 40),
    7.0: (23, 27),
    7.5: (19, 22),
    8.0: (15, 19),
}
"""By H: the publication's binomial cutoff and the reference tool's law, both for 1000 samples.

Computed independently in the repository named in `sp800_90b_reference` (agent-reports/restart.md, section 2).
"""


@pytest.mark.parametrize("entropy", CUTOFFS)
def test_the_cutoffs_of_the_sanity_check(entropy):
    assert (binomial_cutoff(entropy), restart_cutoff(entropy)) == CUTOFFS[entropy]


@pytest.mark.parametrize(("entropy", "symbols"), [(1.0, 2), (0.4, 2), (1.3, 3), (2.0, 4), (1.8, 4)])
def test_the_law_of_the_largest_count_is_the_multinomial_one(entropy, symbols):
    """Enumerated for nine samples: the cutoff is the least count whose chance to be exceeded is at most alpha."""
    law = plain.restart_largest_count_law(2.0**-entropy, symbols, 9)
    assert sum(law.values()) == pytest.approx(1.0, rel=1e-12)
    for alpha in (0.3, 0.05, 0.004, 1e-5):
        expected = min(c for c in range(10) if sum(q for k, q in law.items() if k > c) <= alpha)
        assert restart_cutoff(entropy, 9, alpha) == expected


def test_a_source_without_entropy_can_show_one_symbol_alone():
    assert restart_cutoff(0.0) == binomial_cutoff(0.0) == 1000


@pytest.mark.parametrize("kind", ["same sequence", "constant restarts"])
def test_constant_columns_or_rows_fail_the_sanity_check(kind):
    rng = np.random.default_rng(3)
    matrix = np.tile(rng.integers(0, 16, 200), (100, 1))
    if kind == "constant restarts":
        matrix = np.repeat(rng.integers(0, 16, 100), 200).reshape(100, 200)
    result = restart_test(matrix, 3.0, 4)
    assert max(result.largest_count) in (100, 200)
    assert not result.sane and not result.passes and result.entropy == 0.0


def test_rows_and_columns_of_different_lengths_have_cutoffs_of_their_own():
    matrix = np.random.default_rng(5).integers(0, 2, (150, 400))
    result = restart_test(matrix, 0.8)
    alpha = 1 - 0.99 ** (1 / 550)
    assert result.shape == (150, 400)
    assert result.cutoff == (restart_cutoff(0.8, 400, alpha), restart_cutoff(0.8, 150, alpha))
    swapped = restart_test(matrix.T, 0.8)
    assert swapped.row_estimates == result.column_estimates and swapped.h_column == result.h_row
    assert result.passes and result.entropy == min(result.h_row, result.h_column, 0.8)


def test_a_claim_of_twice_what_is_found_or_less_passes():
    """Bits of p = 0.75 claimed to have 0.415 bit pass; the same claimed to have 1 bit fail, sanity check first."""
    matrix = np.random.default_rng(9).random((200, 200)) < 0.75
    assert restart_test(matrix, -math.log2(0.75)).passes
    assert not restart_test(matrix, 1.0).sane


@pytest.mark.parametrize("shape", [(10,), (1, 10), (10, 1), (2, 2, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError, match="two or more restarts"):
        restart_test(np.zeros(shape, int), 0.5)


@pytest.mark.parametrize("entropy", [-0.1, 1.1, math.nan, math.inf])
def test_impossible_claims_are_refused(entropy):
    with pytest.raises(SettingsError, match="lies between 0 and"):
        restart_test(np.zeros((4, 4), int), entropy)
