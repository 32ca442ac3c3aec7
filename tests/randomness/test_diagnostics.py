"""Bias, autocorrelation and dwell times of bits against two-state Markov chains, whose laws are known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.diagnostics import (
    bias,
    bit_autocorrelation,
    chain_min_entropy,
    dwell_runs,
    fit_markov,
    markov_min_entropy,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)
BITS = st.lists(st.integers(0, 1), min_size=3, max_size=200)


def _chain(leave_zero, leave_one, n, seed):
    """A chain by its dwell times, which are geometric."""
    rng = np.random.default_rng(seed)
    rounds = int(n * 0.6 * min(1, 2 * leave_zero * leave_one / (leave_zero + leave_one)) + 1000)
    dwells = np.stack([rng.geometric(leave_zero, rounds), rng.geometric(leave_one, rounds)], axis=1)
    bits = np.repeat(np.tile([0, 1], rounds), dwells.ravel()).astype(np.uint8)
    assert len(bits) >= n
    return bits[:n]


@pytest.mark.parametrize(("leave_zero", "leave_one"), [(0.5, 0.5), (0.1, 0.3), (0.8, 0.9), (0.02, 0.02)])
def test_a_fit_finds_its_chain(leave_zero, leave_one):
    """Within 4 standard errors each: 3 in 1000 by chance over all cases; the seed is fixed."""
    fit = fit_markov(_chain(leave_zero, leave_one, 200_000, 1))
    assert abs(fit.leave_zero - leave_zero) < 4 * fit.leave_zero_error
    assert abs(fit.leave_one - leave_one) < 4 * fit.leave_one_error
    assert fit.leave_zero_error == pytest.approx(
        math.sqrt(leave_zero * (1 - leave_zero) / (200_000 * leave_one / (leave_zero + leave_one))), rel=0.05
    )
    assert fit.correlation == pytest.approx(1 - leave_zero - leave_one, abs=0.02)
    assert fit.ones == pytest.approx(leave_zero / (leave_zero + leave_one), abs=0.03)
    assert fit.min_entropy == pytest.approx(chain_min_entropy(leave_zero, leave_one), abs=0.02)


@PROPERTY
@given(BITS)
def test_a_fit_counts_transitions(bits):
    fit = fit_markov(bits)
    for state, chance in ((0, fit.leave_zero), (1, fit.leave_one)):
        followed = [b for a, b in pairwise(bits) if a == state]
        if followed:
            assert chance == sum(b != state for b in followed) / len(followed)
        else:
            assert math.isnan(chance)


def test_standard_errors_of_the_bias_are_those_of_many_streams():
    """400 chains with rho = 0.6: the spread of their shares is the Markov error, twice the independent one.

    Both ratios within 12 %: the standard error of a standard deviation of 400 is 3.5 %.
    """
    results = [bias(_chain(0.2, 0.2, 4000, seed)) for seed in range(400)]
    spread = np.std([r.ones for r in results])
    assert np.mean([r.markov_error for r in results]) == pytest.approx(spread, rel=0.12)
    assert np.mean([r.standard_error for r in results]) == pytest.approx(spread / 2, rel=0.12)


def test_p_values_of_the_bias_are_uniform_for_fair_bits():
    """A Kolmogorov-Smirnov test at 1e-3; the seed is fixed. The shares are nearly continuous at 20,001 bits."""
    rng = np.random.default_rng(2)
    p_values = [bias(rng.integers(0, 2, 20_001)).p_value for _ in range(300)]
    assert kstest(p_values, "uniform").pvalue > 1e-3


def test_the_bias_by_hand():
    result = bias([1, 1, 1, 0])
    assert (result.bits, result.ones, result.bias) == (4, 0.75, 0.25)
    assert result.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 4), rel=1e-15)
    assert result.p_value == pytest.approx(math.erfc(1 / math.sqrt(2)), rel=1e-12)  # z = 1: (3 - 2)/1
    constant = bias(np.ones(50, int))
    assert constant.ones == 1.0 and constant.standard_error == 0.0 and math.isnan(constant.markov_error)


@PROPERTY
@given(BITS, st.data())
def test_autocorrelation_is_the_covariance_of_pairs(bits, data):
    lag = data.draw(st.integers(1, len(bits) - 1))
    result = bit_autocorrelation(bits, [lag])
    values = np.array(bits, float)
    if values.var() == 0.0:
        assert math.isnan(result.values[0])
        return
    centred = values - values.mean()
    expected = np.mean(centred[:-lag] * centred[lag:]) / values.var()
    assert result.values[0] == pytest.approx(expected, abs=1e-12)
    assert result.standard_error[0] == 1 / math.sqrt(len(bits) - lag)


@pytest.mark.parametrize("rho", [0.7, -0.4])
def test_autocorrelation_of_a_chain_is_rho_to_the_lag(rho):
    """Bartlett's standard error of a chain with memory is at most sqrt((1 + rho^2)/(1 - rho^2)) of the printed one."""
    n = 400_000
    result = bit_autocorrelation(_chain((1 - rho) / 2, (1 - rho) / 2, n, 5), 12)
    assert result.lags.tolist() == list(range(1, 13))
    error = result.standard_error * math.sqrt((1 + rho**2) / (1 - rho**2))
    assert np.all(np.abs(result.values - rho**result.lags) < 4.5 * error)


def test_fair_bits_stay_within_the_limits():
    """1000 lags at 4.5 standard errors: a false alarm of 0.7 %; about 2.7 of 1000 lie beyond 3."""
    result = bit_autocorrelation(np.random.default_rng(3).integers(0, 2, 200_000), 1000)
    assert np.all(np.abs(result.values) < result.limits(4.5))
    assert np.count_nonzero(np.abs(result.values) > result.limits()) < 12


@PROPERTY
@given(BITS)
def test_runs_are_counted_one_by_one(bits):
    runs, begin = [], 0
    for place in range(1, len(bits) + 1):
        if place == len(bits) or bits[place] != bits[begin]:
            runs.append((bits[begin], place - begin))
            begin = place
    inner = runs[1:-1]
    result = dwell_runs(bits)
    for state in (0, 1):
        mine = [length for s, length in inner if s == state]
        assert [sum(m == length for m in mine) for length in result.lengths] == result.counts[state].tolist()
        assert result.counts[state].sum() == len(mine)
        if mine:
            assert result.leave[state] == pytest.approx(len(mine) / sum(mine), rel=1e-15)
        else:
            assert math.isnan(result.leave[state])


def test_runs_of_a_chain_are_geometric():
    """P-values of 300 chains are uniform: a Kolmogorov-Smirnov test at 1e-3; the seeds are fixed."""
    p_values = [dwell_runs(_chain(0.2, 0.35, 20_000, seed)).p_value for seed in range(300)]
    assert kstest(p_values, "uniform").pvalue > 1e-3


def test_expected_runs_add_up_to_those_counted():
    result = dwell_runs(_chain(0.3, 0.1, 300_000, 7))
    assert result.leave == pytest.approx([0.3, 0.1], rel=0.02)
    assert result.expected.sum(axis=1) == pytest.approx(result.counts.sum(axis=1), rel=1e-3)
    assert np.all(result.degrees > 10) and result.p_value > 1e-3


@pytest.mark.parametrize("kind", ["hidden state", "dead time"])
def test_runs_that_are_not_geometric_are_seen(kind):
    """A chain with two hidden dwell times in a state, and one that cannot leave a state at once."""
    rng = np.random.default_rng(11)
    dwells = rng.geometric(0.2, (20_000, 2))
    if kind == "hidden state":
        dwells[:, 1] = np.where(rng.random(20_000) < 0.5, rng.geometric(0.5, 20_000), rng.geometric(0.1, 20_000))
    else:
        dwells[:, 1] = 1 + rng.geometric(0.25, 20_000)
    bits = np.repeat(np.tile([0, 1], 20_000), dwells.ravel())
    result = dwell_runs(bits)
    assert result.p_value < 1e-10
    assert result.chi_square[0] < result.degrees[0] + 6 * math.sqrt(2 * result.degrees[0])


@pytest.mark.parametrize("bits", [np.zeros(100, int), np.ones(100, int), np.arange(1000) % 2, [0, 1]])
def test_degenerate_bits_leave_nothing_to_test(bits):
    result = dwell_runs(bits)
    assert result.p_value is None and result.degrees.tolist() == [0, 0]
    assert fit_markov(bits).min_entropy == 0.0


def test_min_entropies_of_chains():
    assert markov_min_entropy(0.0) == 1.0 and markov_min_entropy(1.0) == markov_min_entropy(-1.0) == 0.0
    rho = np.linspace(-0.99, 0.99, 23)
    assert markov_min_entropy(rho) == pytest.approx(-np.log2((1 + np.abs(rho)) / 2), rel=1e-14)
    for r in rho:
        assert chain_min_entropy((1 - r) / 2, (1 - r) / 2) == pytest.approx(markov_min_entropy(r), rel=1e-12)


@PROPERTY
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_min_entropy_of_a_chain_is_that_of_its_best_long_sequence(leave_zero, leave_one):
    """Dynamic programming over 400 bits: each step multiplies by the best transition; the start adds at most 1 bit."""
    with np.errstate(divide="ignore"):
        cost = -np.log2([[1 - leave_zero, leave_zero], [leave_one, 1 - leave_one]])
    total = np.zeros(2)
    for _ in range(400):
        total = (total[:, None] + cost).min(axis=0)
    rate = chain_min_entropy(leave_zero, leave_one)
    assert rate * 400 - total.min() <= 1e-9 + 2 * max(0.0, rate) + abs(cost[np.isfinite(cost)]).max() * 2
    assert total.min() <= rate * 400 + 1e-6 + abs(cost[np.isfinite(cost)]).max() * 2


@pytest.mark.parametrize("call", [bias, fit_markov, dwell_runs, lambda b: bit_autocorrelation(b, 1)])
@pytest.mark.parametrize(
    ("bits", "says"), [([1], "two bits or more"), ([0, 2], "0 or 1, found"), ([0.0, 1.0], "0 or 1, not float64")]
)
def test_wrong_bits_are_refused(call, bits, says):
    with pytest.raises(DataError, match=says):
        call(bits)


@pytest.mark.parametrize("lags", [0, 10, [0], [3, 10], []])
def test_wrong_lags_are_refused(lags):
    with pytest.raises(SettingsError, match="between 1 and 9"):
        bit_autocorrelation([0, 1] * 5, lags)


def test_wrong_chances_are_refused():
    with pytest.raises(SettingsError, match="between -1 and 1"):
        markov_min_entropy([0.2, 1.2])
    with pytest.raises(SettingsError, match="between 0 and 1"):
        chain_min_entropy(0.5, math.nan)
