"""The ten estimators: worked examples of the publication, sources whose min-entropy is known, inputs at the edges."""

import math

import numpy as np
import pytest

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.diagnostics import markov_min_entropy
from ftj_spice.randomness.sp800_90b import BITS_ONLY, ESTIMATORS, estimate_entropy, estimates_of
from ftj_spice.randomness.sp800_90b.assessment import as_bits
from ftj_spice.randomness.sp800_90b.collision import collision
from ftj_spice.randomness.sp800_90b.compression import compression
from ftj_spice.randomness.sp800_90b.lag import lag
from ftj_spice.randomness.sp800_90b.lz78y import lz78y
from ftj_spice.randomness.sp800_90b.markov import markov
from ftj_spice.randomness.sp800_90b.most_common import most_common_value
from ftj_spice.randomness.sp800_90b.multi_mmc import multi_mmc
from ftj_spice.randomness.sp800_90b.prediction import log_chance_of_no_run, predictor_estimate
from ftj_spice.randomness.sp800_90b.tuples import longest_repeated_substring, t_tuple
from ftj_spice.randomness.sp800_90b.windows import multi_mcw

PUBLISHED_Z = 2.576
BITS = [int(bit) for bit in "1000111001010101110011000111001010101110"]
LETTERS = [2, 2, 0, 1, 0, 2, 0, 1, 2, 1, 2, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0]
N = 300_000

EXAMPLES = {
    "most_common_value": (
        lambda: most_common_value([0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 0, 1, 1, 0, 2, 2, 1, 0, 2, 1], z=PUBLISHED_Z),
        {"count": 8, "p_hat": 0.4, "p_u": 0.6895},
        0.5363,
    ),
    "collision": (
        lambda: collision(BITS, z=PUBLISHED_Z),
        {"v": 14, "mean": 2.7143, "deviation": 0.4688, "mean_bound": 2.3915, "p": 0.7329},
        0.4483,
    ),
    "markov": (
        lambda: markov(BITS),
        {"p_0": 0.475, "p_1": 0.525, "p_00": 0.389, "p_01": 0.611, "p_10": 0.571, "p_11": 0.429},
        0.761,
    ),
    "compression": (
        lambda: compression([*BITS, 1, 1, 1, 0, 0, 0, 1, 1], dictionary=4, z=PUBLISHED_Z),
        {"v": 4, "p": 0.5715},
        0.1345,
    ),
    "t_tuple": (lambda: t_tuple(LETTERS, cutoff=3, z=PUBLISHED_Z), {"t": 3}, 0.273),
    "longest_repeated_substring": (
        lambda: longest_repeated_substring(LETTERS, cutoff=3, z=PUBLISHED_Z),
        {"u": 4, "v": 5},
        0.6146,
    ),
    "multi_mcw": (
        lambda: multi_mcw([1, 2, 1, 0, 2, 1, 1, 2, 2, 0, 0, 0], windows=(3, 5, 7, 9), z=PUBLISHED_Z),
        {},
        0.3908,
    ),
    "lag": (lambda: lag([2, 1, 3, 2, 1, 3, 1, 3, 1, 2], depth=3, z=PUBLISHED_Z), {}, 0.735),
    "multi_mmc": (lambda: multi_mmc([2, 1, 3, 2, 1, 3, 1, 3, 1], depth=3, z=PUBLISHED_Z), {}, 0.0755),
    "lz78y": (lambda: lz78y([2, 1, 3, 2, 1, 3, 1, 3, 1, 2, 1, 3, 2], longest=4, z=PUBLISHED_Z), {}, 0.0191),
}
"""Estimate, intermediate results and min-entropy as SP 800-90B prints them for its example in 6.3.1, 6.3.2, ..."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_publication(name):
    """To the printed digits; the publication cuts some results (0.39088 to 0.3908), so to one in the last place."""
    run, intermediate, printed = EXAMPLES[name]
    estimate = run()
    assert estimate.estimator == name
    assert estimate.entropy == pytest.approx(printed, abs=10.0 ** -len(str(printed).split(".")[1]))
    for key, value in intermediate.items():
        assert estimate.statistics[key] == pytest.approx(value, abs=6 * 10.0 ** -(len(str(value).split(".")[-1]) + 1))


def _bernoulli(p, seed, n=N):
    return (np.random.default_rng(seed).random(n) < p).astype(np.uint8)


def _chain(rho, seed, n=N):
    """Bits of an unbiased chain: each change has the chance (1 - rho)/2."""
    changes = np.random.default_rng(seed).random(n) < 0.5 * (1.0 - rho)
    return (np.cumsum(changes) % 2).astype(np.uint8)


@pytest.mark.parametrize(("seed", "p"), list(enumerate([0.5, 0.6, 0.75, 0.9])))
def test_independent_bits_of_known_entropy(seed, p):
    """Each estimate against what it estimates: the min-entropy, or for LRS and lag the collision entropy.

    A predictor that repeats an old bit is right with p^2 + q^2, as two substrings of one bit are equal. All estimates
    lie below by their confidence margin, the tuple estimates by the largest of many counts; the two that solve for p
    near a flat maximum can lie far below. Above none may lie by more than 4 standard errors of the share: a chance of
    about 1 in 3000 per source; the seeds are fixed.
    """
    error = 4 * math.sqrt(p * (1 - p) / N) / (p * math.log(2))
    least, collisions = -math.log2(max(p, 1.0 - p)), -math.log2(p**2 + (1.0 - p) ** 2)
    below = {"collision": 0.12, "compression": 0.45, "t_tuple": 0.1, "longest_repeated_substring": 0.11, "lag": 0.05}
    result = estimate_entropy(_bernoulli(p, seed))
    for estimate in result.estimates:
        name = estimate.estimator
        truth = collisions if name in ("longest_repeated_substring", "lag") else least
        assert estimate.applicable
        assert truth - below.get(name, 0.01) - error <= estimate.entropy <= min(1.0, truth + error), name
    assert result.entropy == min(e.entropy for e in result.estimates) == result.h_original < least + error
    assert result.h_bitstring is None and not result.enough


@pytest.mark.parametrize(("seed", "rho"), list(enumerate([-0.9, -0.5, 0.0, 0.2, 0.5, 0.9])))
def test_markov_chains_meet_their_closed_form(seed, rho):
    """The Markov estimate within 5 standard errors of -log2[(1 + |rho|)/2]; MultiMMC with its margin below.

    The largest of six probabilities is estimated, which costs some: 5 errors, a chance below 1e-5.
    """
    bits = _chain(rho, 100 + seed)
    truth = markov_min_entropy(rho)
    p = (1 + abs(rho)) / 2
    error = math.sqrt(p * (1 - p) / (N / 2)) / (p * math.log(2))
    assert markov(bits).entropy == pytest.approx(truth, abs=5 * error + 1 / 128 * (rho != 0))
    assert truth - 8 * error <= multi_mmc(bits).entropy <= min(1.0, truth + 3 * error)
    if rho > 0.1:  # the others see the memory too, and none of them finds more than there is
        assert estimate_entropy(bits).entropy < truth + 3 * error


@pytest.mark.parametrize(("estimator", "minimum"), [("lag", 0.0), ("multi_mmc", 0.0), ("lz78y", 0.0)])
def test_alternating_bits_have_no_entropy_for_the_predictors(estimator, minimum):
    assert ESTIMATORS[estimator](np.arange(50_000) % 2).entropy == pytest.approx(minimum, abs=2e-3)


def test_windows_of_odd_length_predict_the_wrong_one_of_alternating_bits():
    """The majority of an odd window is its last bit, so MultiMCW is never right: that counts as full entropy."""
    estimate = multi_mcw(np.arange(50_000) % 2)
    assert estimate.statistics["correct"] == 0
    assert estimate.statistics["p_global"] == pytest.approx(1 - 0.01 ** (1 / (50_000 - 63)), rel=1e-12)
    assert estimate.entropy == 1.0


@pytest.mark.parametrize("value", [0, 1])
def test_constant_bits_have_no_entropy_for_anyone(value):
    estimates = estimates_of(np.full(40_000, value))
    assert [e.estimator for e in estimates] == list(ESTIMATORS)
    assert all(e.applicable and e.entropy == 0.0 for e in estimates)


@pytest.mark.parametrize("name", ["zeros", "period 2", "period 3", "halves"])
def test_repetitive_sequences_take_no_longer(name):
    """A million bits whose longest repeats are as long as can be: what makes careless implementations hang."""
    n = 10**6
    bits = {
        "zeros": np.zeros(n),
        "period 2": np.arange(n) % 2,
        "period 3": np.arange(n) % 3 == 0,
        "halves": np.tile(_bernoulli(0.5, 3, n // 2), 2),
    }[name].astype(np.uint8)
    estimate = longest_repeated_substring(bits)
    assert estimate.statistics["v"] == {"zeros": n - 1, "period 2": n - 2, "period 3": n - 3, "halves": n // 2}[name]
    assert estimate.entropy < 1e-3


@pytest.mark.parametrize(
    ("name", "minimum"),
    {
        "most_common_value": 2,
        "collision": 6,
        "markov": 2,
        "compression": 6012,
        "t_tuple": 35,
        "longest_repeated_substring": 2,
        "multi_mcw": 65,
        "lag": 3,
        "multi_mmc": 4,
        "lz78y": 19,
    }.items(),
)
def test_short_input_is_not_applicable_and_says_the_minimum(name, minimum):
    estimate = ESTIMATORS[name](_bernoulli(0.5, 0, minimum - 1))
    assert not estimate.applicable and math.isnan(estimate.entropy)
    assert estimate.reason == f"needs at least {minimum:,} symbols, got {minimum - 1:,}"
    enough = ESTIMATORS[name](np.zeros(minimum, np.uint8))
    assert enough.applicable or name == "longest_repeated_substring"
    assert enough.entropy == 0.0 or not enough.applicable


def test_tuples_that_are_too_rare_are_said_to_be():
    different = np.arange(200)
    assert t_tuple(different).reason == "needs a symbol that occurs 35 times, got 1"
    assert longest_repeated_substring(different).reason == (
        "needs a repeated tuple of 1 symbols or more; the longest repeat has 0"
    )


def test_the_local_bound_is_the_one_at_which_the_run_is_too_long():
    """Against the exact recurrence: Q(n) = Q(n-1) - q p^r Q(n-r-1), the chance of no run of r among n."""
    trials, length = 5000, 30
    correct = np.zeros(trials, bool)
    correct[::3] = True
    correct[1000 : 1000 + length] = True
    correct[[999, 1000 + length]] = False
    estimate = predictor_estimate("any", correct, 2)
    r, p = length + 1, estimate.statistics["p_local"]
    assert estimate.statistics["r"] == r
    chances = [1.0] * r + [1.0 - p**r]
    for n in range(r + 1, trials + 1):
        chances.append(chances[n - 1] - (1 - p) * p**r * chances[n - r - 1])
    assert chances[trials] == pytest.approx(0.99, abs=1e-6)
    assert log_chance_of_no_run(p, r, trials) == pytest.approx(math.log(0.99), abs=1e-12)
    assert estimate.entropy == pytest.approx(-math.log2(p), abs=1e-12)


@pytest.mark.parametrize("trials", [2, 3, 10, 1000, 10**6])
def test_the_local_bound_exists_for_every_run(trials):
    for length in sorted({0, 1, trials // 2, trials - 2, trials - 1}):
        correct = np.zeros(trials, bool)
        correct[:length] = True
        p = predictor_estimate("any", correct, 2).statistics["p_local"]
        assert 0.0 < p < 1.0
        assert log_chance_of_no_run(p, length + 1, trials) == pytest.approx(math.log(0.99), abs=1e-6)


def test_wide_symbols_are_assessed_as_symbols_and_as_bits():
    """Nibbles with a copied half: 2 bits of min-entropy each, which the bit string shows to the lag predictor."""
    half = np.random.default_rng(7).integers(0, 4, 60_000).astype(np.uint8)
    nibbles = half << 2 | half
    seen = []
    result = estimate_entropy(nibbles, 4, progress=lambda done, total: seen.append((done, total)))
    assert {e.estimator for e in result.estimates} == set(ESTIMATORS) - BITS_ONLY
    assert [e.estimator for e in result.bitstring_estimates] == list(ESTIMATORS)
    assert seen == [(k, 17) for k in range(1, 18)]
    assert result.h_original == min(e.entropy for e in result.estimates)
    assert result.h_original == pytest.approx(2.0, abs=0.15) and result.h_original <= 2.0
    assert result.h_bitstring == min(e.entropy for e in result.bitstring_estimates) < 0.6
    assert result.entropy == min(result.h_original, 4 * result.h_bitstring)
    assert estimate_entropy(nibbles[:5000], 4, claimed=0.25).entropy == 0.25


def test_bits_of_a_symbol_come_with_the_most_significant_first():
    assert as_bits(np.array([0b101, 0b011], np.uint8), 3).tolist() == [1, 0, 1, 0, 1, 1]


def test_names_of_symbols_do_not_matter_as_long_as_their_order_stays():
    symbols = np.random.default_rng(1).integers(0, 3, 5000)
    renamed = np.array([7, 90, 255])[symbols]
    for name in set(ESTIMATORS) - BITS_ONLY:
        assert ESTIMATORS[name](symbols) == ESTIMATORS[name](renamed)


@pytest.mark.parametrize(
    ("symbols", "bits", "says"),
    [
        ([], 1, r"not an array of shape \(0,\)"),
        (np.zeros((3, 3), int), 1, r"not an array of shape \(3, 3\)"),
        ([1], 1, "needs two symbols or more, got 1"),
        ([0, 1, 2], 1, "symbols of 1 bits lie between 0 and 1, found 2"),
        ([0, -1], 8, "lie between 0 and 255, found -1"),
        ([0.0, 1.0], 1, "whole numbers as symbols, not float64"),
    ],
)
def test_wrong_symbols_are_refused(symbols, bits, says):
    with pytest.raises(DataError, match=says):
        estimate_entropy(symbols, bits)


@pytest.mark.parametrize(("bits", "claimed"), [(0, None), (9, None), (1, 1.5), (1, -0.1), (1, math.nan)])
def test_wrong_settings_are_refused(bits, claimed):
    with pytest.raises(SettingsError):
        estimate_entropy([0, 1] * 50, bits, claimed=claimed)
