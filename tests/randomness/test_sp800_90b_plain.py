"""The compiled estimators against the publication's steps in plain Python."""

import math

import numpy as np
import pytest
import sp800_90b_plain as plain
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.randomness.sp800_90b.collision import collision
from ftj_spice.randomness.sp800_90b.compression import _Expectation, compression
from ftj_spice.randomness.sp800_90b.estimate import Z_ALPHA
from ftj_spice.randomness.sp800_90b.lag import DEPTH, lag
from ftj_spice.randomness.sp800_90b.lz78y import SIZE, lz78y
from ftj_spice.randomness.sp800_90b.multi_mmc import multi_mmc
from ftj_spice.randomness.sp800_90b.repeats import repeats_of
from ftj_spice.randomness.sp800_90b.tuples import longest_repeated_substring, t_tuple
from ftj_spice.randomness.sp800_90b.windows import multi_mcw

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)


@st.composite
def sequences(draw, largest_alphabet=5, least=24, most=160):
    """Symbols of small alphabets: free, with few changes, or a repeated piece with some faults."""
    alphabet = draw(st.integers(1, largest_alphabet))
    symbol = st.integers(0, alphabet - 1)
    kind = draw(st.sampled_from(["free", "sticky", "periodic"]))
    if kind == "free":
        return draw(st.lists(symbol, min_size=least, max_size=most))
    if kind == "sticky":
        runs = draw(st.lists(st.tuples(symbol, st.integers(1, 20)), min_size=least, max_size=least + 8))
        return [s for s, length in runs for _ in range(length)][:most]
    piece = draw(st.lists(symbol, min_size=1, max_size=9))
    length = draw(st.integers(least, most))
    sequence = (piece * length)[:length]
    for place in draw(st.lists(st.integers(0, length - 1), max_size=4)):
        sequence[place] = draw(symbol)
    return sequence


def _record(correct):
    run = longest = 0
    for right in correct:
        run = run + 1 if right else 0
        longest = max(longest, run)
    return {"trials": len(correct), "correct": sum(correct), "r": longest + 1}


def _same_record(estimate, correct):
    assert {k: estimate.statistics[k] for k in ("trials", "correct", "r")} == _record(correct)


@PROPERTY
@given(sequences(most=90))
def test_substrings_are_counted_like_one_by_one(sequence):
    alphabet = max(sequence) + 1
    repeats = repeats_of(np.array(sequence, np.uint8), alphabet)
    longest = 0
    for length in range(1, len(sequence)):
        counts = plain.substrings(sequence, length).values()
        if max(counts) < 2:
            break
        longest = length
        assert repeats.most[length] == max(counts)
        assert repeats.pairs[length] == sum(c * (c - 1) // 2 for c in counts)
    assert repeats.longest == longest


@pytest.mark.parametrize("alphabet", [2, 3, 16, 255, 256])
def test_substrings_of_longer_sequences_with_distant_repeats(alphabet):
    """Long enough for many rounds of doubling: a copied piece of 900 symbols, and the end of the text within one."""
    rng = np.random.default_rng(alphabet)
    symbols = rng.integers(0, alphabet, 3000).astype(np.uint8)
    symbols[2100:] = symbols[:900]
    repeats = repeats_of(symbols, alphabet)
    assert repeats.longest >= 900
    for length in (1, 2, 5, 16, 17, 31, 32, 64, 100, 899, 900):
        counts = plain.substrings(symbols.tolist(), length).values()
        assert repeats.most[length] == max(counts)
        assert repeats.pairs[length] == sum(c * (c - 1) // 2 for c in counts)


@PROPERTY
@given(sequences(), st.integers(2, 12))
def test_tuple_estimates_follow_the_text(sequence, cutoff):
    t, p_max = plain.t_tuple_p_max(sequence, cutoff)
    found = t_tuple(sequence, cutoff=cutoff)
    assert found.applicable == (t > 0)
    if t:
        assert found.statistics["t"] == t
        assert found.statistics["p_max"] == pytest.approx(p_max, rel=1e-12)
    u, v, p_max = plain.lrs_p_max(sequence, cutoff)
    found = longest_repeated_substring(sequence, cutoff=cutoff)
    assert found.applicable == (v >= u)
    if v >= u:
        assert (found.statistics["u"], found.statistics["v"]) == (u, v)
        assert found.statistics["p_max"] == pytest.approx(p_max, rel=1e-12)


@PROPERTY
@given(sequences(largest_alphabet=2))
def test_collisions_follow_the_text(bits):
    times = np.array(plain.collision_times(bits))
    found = collision(bits).statistics
    assert found["v"] == len(times)
    assert found["mean"] == pytest.approx(times.mean(), rel=1e-12)
    assert found["deviation"] == pytest.approx(times.std(ddof=1), rel=1e-9, abs=1e-7)
    bound = times.mean() - Z_ALPHA * times.std(ddof=1) / math.sqrt(len(times))
    assert found["mean_bound"] == pytest.approx(max(2.0, bound), rel=1e-7)
    if found["mean_bound"] < 2.5:  # the text's equation, with F(q) = q (2 q^2 + 2 q + 1) of its incomplete gamma
        p = found["p"]
        q = 1.0 - p
        if q > 1e-3:
            f = q * (2 * q * q + 2 * q + 1)
            mean = p / q**2 * (1 + 0.5 * (1 / p - 1 / q)) * f - p / q * 0.5 * (1 / p - 1 / q)
            assert mean == pytest.approx(found["mean_bound"], rel=1e-8)


@PROPERTY
@given(sequences(largest_alphabet=2, least=40, most=240), st.integers(1, 4))
def test_compression_distances_follow_the_text(bits, dictionary):
    distances = plain.compression_distances(bits, dictionary)
    found = compression(bits, dictionary=dictionary)
    if not found.applicable:
        assert len(distances) < 2
        return
    logs = np.log2(distances)
    assert found.statistics["mean"] == pytest.approx(logs.mean(), rel=1e-12, abs=1e-12)
    deviation = 0.5907 * math.sqrt(max(0.0, (logs @ logs) / (len(logs) - 1) - logs.mean() ** 2))
    assert found.statistics["deviation"] == pytest.approx(deviation, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("blocks", "dictionary"), [(9, 4), (30, 1), (60, 25)])
@pytest.mark.parametrize("p", [1 / 64, 0.02, 0.3, 0.9, 0.999])
def test_the_expected_distance_is_the_double_sum_of_the_text(blocks, dictionary, p):
    expected = plain.compression_expectation(p, blocks, dictionary)
    assert _Expectation(blocks, dictionary)(p) == pytest.approx(expected, rel=1e-12)


@PROPERTY
@given(sequences(), st.sampled_from([(3, 5, 7, 9), (4, 6, 10), (2, 16), (7,)]))
def test_multi_mcw_follows_the_text(sequence, windows):
    _same_record(multi_mcw(sequence, windows=windows), plain.multi_mcw(sequence, windows))


@PROPERTY
@given(sequences(), st.integers(1, 40))
def test_lag_follows_the_text(sequence, depth):
    _same_record(lag(sequence, depth=depth), plain.lag(sequence, depth))


@PROPERTY
@given(sequences(), st.integers(1, 16), st.sampled_from([3, 10, 25, 100_000]))
def test_multi_mmc_follows_the_text(sequence, depth, limit):
    _same_record(multi_mmc(sequence, depth=depth, entries=limit), plain.multi_mmc(sequence, depth, limit))


@PROPERTY
@given(sequences(), st.integers(1, 16), st.sampled_from([3, 10, 40, 65_536]))
def test_lz78y_follows_the_text(sequence, longest, limit):
    _same_record(lz78y(sequence, longest=longest, size=limit), plain.lz78y(sequence, longest, limit))


@pytest.mark.parametrize("alphabet", [2, 7, 256])
def test_predictors_with_their_own_constants_follow_the_text(alphabet):
    """Long enough to fill every window, and for wide symbols tuples that are numbered by sorting."""
    rng = np.random.default_rng(alphabet)
    symbols = rng.integers(0, alphabet, 6000)
    symbols[1000:1500] = symbols[200:700]  # something to learn
    symbols[3000:4500] = np.tile(symbols[:100], 15)
    given_ = symbols.tolist()
    _same_record(multi_mcw(symbols), plain.multi_mcw(given_, (63, 255, 1023, 4095)))
    _same_record(lag(symbols), plain.lag(given_, DEPTH))
    _same_record(multi_mmc(symbols, entries=900), plain.multi_mmc(given_, 16, 900))
    _same_record(lz78y(symbols), plain.lz78y(given_, 16, SIZE))
