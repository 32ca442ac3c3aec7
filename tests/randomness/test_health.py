"""The health tests of SP 800-90B: cutoffs as printed, alarms where they must be, the false alarm rate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.health import (
    ALPHA,
    adaptive_proportion,
    proportion_cutoff,
    repetition_count,
    repetition_cutoff,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)


@pytest.mark.parametrize(
    ("entropy", "repetition", "binary"),
    [(1.0, 21, 589), (0.99, 22, 593), (0.9, 24, 625), (0.8, 26, 664), (0.6, 35, 748), (0.5, 41, 793)],
)
def test_cutoffs_for_bits(entropy, repetition, binary):
    assert repetition_cutoff(entropy) == repetition
    assert proportion_cutoff(entropy, 1024) == binary


@pytest.mark.parametrize(("entropy", "cutoff"), [(0.5, 410), (1, 311), (2, 177), (4, 62), (8, 13)])
def test_cutoffs_for_wider_symbols(entropy, cutoff):
    """As table 2 of the publication prints them for windows of 512."""
    assert proportion_cutoff(entropy, 512) == cutoff


@PROPERTY
@given(st.floats(0.02, 8.0), st.integers(2, 3000), st.floats(1e-9, 0.3))
def test_a_proportion_cutoff_is_the_least_with_that_false_alarm(entropy, window, alpha):
    p = 2.0**-entropy
    most = proportion_cutoff(entropy, window, alpha) - 1
    assert binom.sf(most, window, p) <= alpha * (1 + 1e-9)
    assert most == 0 or binom.sf(most - 1, window, p) >= alpha * (1 - 1e-9)


@PROPERTY
@given(st.lists(st.integers(0, 2), min_size=1, max_size=200), st.sampled_from([0.5, 1.0, 2.0, 5.0]))
def test_repetitions_are_those_of_the_text(symbols, entropy):
    """Section 4.4.1 one sample at a time; an alarm that goes on counts once."""
    result = repetition_count(np.array(symbols), entropy, 2.0**-6)
    last, run, alarms = None, 0, []
    for place, symbol in enumerate(symbols):
        run = run + 1 if symbol == last else 1
        last = symbol
        if run == result.cutoff:
            alarms.append(place)
    assert result.cutoff == 1 + math.ceil(6 / entropy)
    assert (result.failures, result.first_failure) == (len(alarms), alarms[0] if alarms else None)
    assert result.passes == (not alarms) and result.trials == len(symbols)


@PROPERTY
@given(st.lists(st.integers(0, 3), min_size=1, max_size=300), st.integers(2, 40))
def test_proportions_are_those_of_the_text(symbols, window):
    """Section 4.4.2 one sample at a time."""
    result = adaptive_proportion(np.array(symbols), 1.5, window, 0.02)
    alarms, largest = [], 0
    for begin in range(0, len(symbols) - window + 1, window):
        count, alarmed = 0, False
        for place in range(begin, begin + window):
            count += symbols[place] == symbols[begin]
            if count == result.cutoff and not alarmed:
                alarms.append(place)
                alarmed = True
        largest = max(largest, count)
    assert (result.failures, result.first_failure) == (len(alarms), alarms[0] if alarms else None)
    assert (result.trials, result.largest, result.window) == (len(symbols) // window, largest, window)


def test_the_false_alarm_rate_of_a_source_as_good_as_claimed():
    """Bits of p = 0.75 claimed as 0.415 bit, alpha = 1e-3, in 2000 windows: at most 2 + 4 sqrt(2) alarms.

    The first sample is the likely one in three windows of four only. Repetitions: 3e5 samples, each may end a run of C
    or more with a chance of at most alpha.
    """
    entropy = -math.log2(0.75)
    bits = np.random.default_rng(4).random(2000 * 1024) < 0.75
    proportions = adaptive_proportion(bits, entropy, alpha=1e-3)
    assert proportions.window == 1024 and proportions.trials == 2000
    assert proportions.failures <= 7
    repetitions = repetition_count(bits[:300_000], entropy, 1e-3)
    expected = 300_000 * 0.25 * 0.75**repetitions.cutoff + 300_000 * 0.75 * 0.25**repetitions.cutoff
    assert abs(repetitions.failures - expected) < 5 * math.sqrt(expected)


def test_fair_bits_raise_no_alarm_and_a_stuck_source_does():
    bits = np.random.default_rng(8).integers(0, 2, 10**6).astype(np.uint8)
    assert repetition_count(bits, 1.0).passes and adaptive_proportion(bits, 1.0).passes
    bits[500_000:500_100] = 1 - bits[499_999]
    stuck = repetition_count(bits, 1.0)
    assert (stuck.failures, stuck.first_failure) == (1, 500_020)
    biased = (np.random.default_rng(9).random(10**6) < 0.65).astype(np.uint8)
    assert adaptive_proportion(biased, 1.0).failures > 500
    assert repetition_count(np.zeros(10**6, bool), 1.0).largest == 10**6


def test_symbols_that_are_no_bits_get_the_shorter_window():
    result = adaptive_proportion(np.arange(5000) % 256, 8.0)
    assert (result.window, result.trials, result.largest, result.passes) == (512, 9, 2, True)


def test_a_test_shorter_than_its_window_has_no_trial():
    result = adaptive_proportion(np.zeros(1000, int), 1.0)
    assert (result.trials, result.failures, result.first_failure, result.largest) == (0, 0, None, 0)


@pytest.mark.parametrize("entropy", [0.0, -1.0, math.nan, math.inf])
def test_a_claim_of_no_entropy_is_refused(entropy):
    with pytest.raises(SettingsError, match="above 0 bits"):
        repetition_count([0, 1], entropy)
    with pytest.raises(SettingsError, match="above 0 bits"):
        adaptive_proportion([0, 1], entropy)


def test_other_wrong_input_is_refused():
    with pytest.raises(SettingsError, match="between 0 and 1"):
        repetition_count([0, 1], 1.0, alpha=1.0)
    with pytest.raises(SettingsError, match="2 samples or more"):
        adaptive_proportion([0, 1], 1.0, window=1)
    for symbols in ([], [0.5, 1.0], [[0, 1], [1, 0]]):
        with pytest.raises(DataError, match="whole numbers"):
            repetition_count(symbols, 1.0)
    assert repetition_cutoff(1.0, ALPHA) == 21
