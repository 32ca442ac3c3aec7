"""Streams of the compiled kernels."""

import numba
import numpy as np
from scipy import stats

from ftj_spice.device.streams import exponential, stream_words


@numba.njit
def draw(words, stream, count):
    out = np.empty(count)
    for k in range(count):
        out[k] = exponential(words, stream)
    return out


def test_words_depend_on_seed_purpose_and_index():
    words = stream_words(1, "x", [(0,), (1,), (1, 0)])
    assert words.dtype == np.uint64
    assert len(set(words.tolist())) == 3
    np.testing.assert_array_equal(stream_words(1, "x", [(1,)]), words[1:2])
    assert stream_words(2, "x", [(0,)])[0] != words[0] != stream_words(1, "y", [(0,)])[0]
    assert stream_words(1, "x", []).shape == (0,)


def test_draws_are_exponential_and_unlike_between_streams():
    """Kolmogorov-Smirnov at 1e-4 each; correlations of 1e5 pairs within 4.5 sigma: false alarm 3e-4 together."""
    words = stream_words(3, "x", [(k,) for k in range(2)])
    first, second = draw(words, 0, 100_000), draw(words, 1, 100_000)
    for sample in (first, second):
        assert sample.min() > 0
        assert stats.kstest(sample, "expon").pvalue > 1e-4
    limit = 4.5 / np.sqrt(100_000)
    assert abs(np.corrcoef(first, second)[0, 1]) < limit
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < limit


def test_a_stream_moves_alone():
    words = stream_words(3, "x", [(0,), (1,)])
    before = words.copy()
    whole = draw(words, 0, 10)
    assert words[0] != before[0]
    assert words[1] == before[1]
    np.testing.assert_array_equal(np.concatenate([draw(before, 0, 4), draw(before, 0, 6)]), whole)
