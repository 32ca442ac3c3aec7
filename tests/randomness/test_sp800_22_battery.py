"""What the tests ask of a stream, and streams that are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.sp800_22 import TESTS, Parameters, run_tests

SHORTEST = {  # sections 2.x.7
    "frequency": 100,
    "block_frequency": 100,
    "runs": 100,
    "longest_run": 128,
    "rank": 38_912,
    "spectral": 1000,
    "non_overlapping_template": 20_544,
    "overlapping_template": 1_000_000,
    "universal": 387_840,
    "linear_complexity": 1_000_000,
    "serial": 524_288,
    "approximate_entropy": 65_536,
    "cumulative_sums": 100,
    "random_excursions": 1_000_000,
    "random_excursions_variant": 1_000_000,
}
NAMES = list(SHORTEST)
STREAM = np.random.default_rng(20).integers(0, 2, 1_000_000, dtype=np.uint8)


def test_the_fifteen_tests_in_order():
    assert list(TESTS) == NAMES
    assert [test.section for test in TESTS.values()] == [f"2.{k}" for k in range(1, 16)]


@pytest.mark.parametrize("name", NAMES)
def test_the_shortest_stream(name):
    shortest = max(SHORTEST[name], 128 if name == "block_frequency" else 0)
    (result,) = run_tests(STREAM[: shortest - 1], [name])
    assert not result.applicable
    assert result.reason == f"needs at least {shortest:,} bits, got {shortest - 1:,}"
    assert result.p_values.shape == (0,)
    assert result.labels == ()
    (result,) = run_tests(STREAM[:shortest], [name])
    assert result.applicable, result.reason
    assert result.p_values.size == len(result.labels) > 0


def test_minima_follow_the_parameters():
    def needs(name, **changes):
        return TESTS[name].shortest(Parameters(**changes))

    assert needs("serial", serial_length=5) == 256
    assert needs("approximate_entropy", entropy_length=2) == 256
    assert needs("linear_complexity", linear_complexity_length=5000) == 1_000_000
    assert needs("overlapping_template", overlapping_length=10) == 968 * 2057
    assert needs("block_frequency", block_length=16_384) == 16_384


@pytest.mark.parametrize("size", [0, 1, 2, 99, 100, 127, 128, 1000, 38_912, 65_536, 1_000_000])
@pytest.mark.parametrize("pattern", ["0", "1", "01", "0011", "1110"])
def test_streams_without_randomness(size, pattern):
    bits = np.tile(np.array(list(pattern), np.uint8), size)[:size]
    results = run_tests(bits)
    assert [result.test for result in results] == NAMES
    for result in results:
        assert result.applicable == (result.reason == "")
        assert np.all((result.p_values >= 0.0) & (result.p_values <= 1.0))
    if size >= 1000:
        assert min(result.p_values.min() for result in results if result.applicable) < 1e-6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=600), st.integers(1, 20))
def test_any_stream_gives_p_values(bits, repeated):
    stream = np.tile(np.array(bits, np.uint8), repeated)
    for result in run_tests(stream, parameters=Parameters(serial_length=3, entropy_length=1, template_length=2)):
        assert np.all((result.p_values >= 0.0) & (result.p_values <= 1.0))
        assert not np.isnan(result.p_values).any()


def test_too_few_cycles():
    bits = (np.random.default_rng(3).random(1_000_000) < 0.51).astype(np.uint8)
    for result in run_tests(bits, ["random_excursions", "random_excursions_variant"]):
        cycles = int(result.statistics["cycles"])
        assert cycles < 500
        assert result.reason == f"needs at least 500 cycles of the random walk, got {cycles:,}"


def test_a_test_gives_the_same_alone_and_among_others():
    together = {result.test: result for result in run_tests(STREAM)}
    for name in NAMES:
        (alone,) = run_tests(STREAM, [name])
        assert np.array_equal(alone.p_values, together[name].p_values)
        assert alone.statistics == together[name].statistics


def test_progress_and_other_kinds_of_bits():
    seen = []
    one = run_tests(STREAM[:1000], ["runs", "frequency"], progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]
    for other in (STREAM[:1000].astype(bool), STREAM[:1000].astype(np.int64), np.repeat(STREAM[:1000], 2)[::2]):
        two = run_tests(other, ["runs", "frequency"])
        assert [r.p_values.tolist() for r in two] == [r.p_values.tolist() for r in one]


def test_the_stream_is_left_alone():
    bits = STREAM[:70_000].copy()
    bits.flags.writeable = False
    run_tests(bits)
    assert np.array_equal(bits, STREAM[:70_000])


def test_what_is_no_stream():
    with pytest.raises(DataError, match="0 and 1 only, got 7 at position 1,002"):
        run_tests(np.concatenate([STREAM[:1002], [7]]))
    with pytest.raises(DataError, match=r"shape \(10, 10\)"):
        run_tests(STREAM[:100].reshape(10, 10))
    with pytest.raises(SettingsError, match="no test 'monobit'; there are frequency"):
        run_tests(STREAM[:100], ["monobit"])


@pytest.mark.parametrize(
    "name", ["block_length", "template_length", "template_blocks", "overlapping_length", "serial_length"]
)
@pytest.mark.parametrize("value", [0, -3, 10**10, 2.5, True])
def test_lengths_out_of_range(name, value):
    with pytest.raises(SettingsError, match=f"{name} must be a whole number from"):
        Parameters(**{name: value})
