"""Event rules on histories made by hand: what each bit must be can be counted with a pencil."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.device.traps import TrapHistory
from ftj_spice.sampling.trng.rules import CellNumbers, Digitiser
from ftj_spice.sampling.trng.variant import Rule


def cells(count=1, high=10.0, drop=1.0):
    full = np.ones(count)
    return CellNumbers(high * full, drop * full, full, full, 0.5 * full)


def history(*toggles, initial=0, duration=100.0):
    """A history of traps that change at the times given, one list per trap; all begin in state `initial`."""
    events = sorted(
        (time, trap, (k + 1 + initial) % 2) for trap, own in enumerate(toggles) for k, time in enumerate(own)
    )
    times, traps, states = (
        (np.array(column) for column in zip(*events, strict=True)) if events else 3 * [np.empty(0, int)]
    )
    return TrapHistory(np.full(len(toggles), initial), times.astype(float), traps, states, duration)


def bits(rule, past, count, *, interval=1.0, settling=0.0, **numbers):
    digitiser = Digitiser(
        Rule(**rule), cells(len(past.initial)), {"offset": 0.0} | numbers, interval, settling, history=past
    )
    out = np.zeros(count, np.uint8)
    digitiser.read(out)
    return out.tolist(), digitiser.edges


LEVEL = {"read": "state", "reference": "mid", "output": "level"}
FALLS = {"read": "edges", "reference": "mid", "edge": "falling"}
PAST = history([0.5, 1.2, 1.4, 2.6, 2.8, 4.5])  # filled during 0.5-1.2, 1.4-2.6, 2.8-4.5


def test_a_level_is_one_while_the_trap_is_empty():
    assert bits(LEVEL, PAST, 6)[0] == [0, 0, 0, 0, 1, 1]
    assert bits(LEVEL, history([0.5, 1.2], initial=1), 3)[0] == [1, 0, 0]


def test_settling_moves_the_instants():
    assert bits(LEVEL, PAST, 3, settling=0.3)[0] == [1, 0, 0]  # at 1.3, 2.3, 3.3


def test_falling_edges_toggle_and_are_counted():
    # Falls at 0.5, 1.4, 2.8; rises at 1.2, 2.6, 4.5.
    assert bits(FALLS | {"output": "toggle"}, PAST, 6) == ([1, 0, 1, 1, 1, 1], 3)
    assert bits(FALLS | {"output": "any"}, PAST, 6) == ([1, 1, 1, 0, 0, 0], 3)
    assert bits(FALLS | {"output": "any", "edge": "rising"}, PAST, 6) == ([0, 1, 1, 0, 1, 0], 3)
    assert bits(FALLS | {"output": "parity"}, PAST, 3, interval=2.0) == ([0, 1, 0], 3)


def test_a_toggle_counts_the_edges_of_its_settling_too():
    assert bits(FALLS | {"output": "toggle"}, PAST, 2, settling=1.0)[0] == [0, 1]
    assert bits(FALLS | {"output": "any"}, PAST, 2, settling=1.0)[0] == [1, 1]


def test_a_lag_delays_and_swallows_dwells_that_are_too_short():
    lag = 0.1
    delay = lag * np.log(2.0)
    short, long = 1.0 + 0.9 * delay, 1.0 + 1.1 * delay
    for end, edges in ((short, 0), (long, 1)):
        assert bits(FALLS | {"output": "toggle"}, history([1.0, end]), 3, lag=lag) == (
            [0, 0, 0] if not edges else [0, 1, 1],
            edges,
        )
    for begin, seen in ((1.0 - 0.9 * delay, 1), (1.0 - 1.1 * delay, 0)):
        assert bits(LEVEL, history([begin]), 1, lag=lag)[0] == [seen]


def test_an_offset_beyond_half_the_swing_sticks():
    assert bits(LEVEL, PAST, 5, offset=0.49)[0] == bits(LEVEL, PAST, 5)[0]
    assert bits(LEVEL, PAST, 5, offset=0.51)[0] == [0] * 5
    assert bits(LEVEL, PAST, 5, offset=-0.51)[0] == [1] * 5


def test_a_mean_is_taken_over_the_window_after_the_reset():
    mean = {"read": "mean", "reference": "mid", "output": "level"}
    past = history([0.3, 1.0, 1.5, 2.0, 2.2, 2.45])  # empty for 0.3, 0.5, 0.75 of the first three intervals
    assert bits(mean, past, 3, offset=0.05)[0] == [0, 0, 1]
    assert bits(mean, past, 3, offset=-0.05)[0] == [0, 1, 1]
    # A reset of 0.2 leaves 0.1 of 0.8, 0.3 of 0.8 and 0.55 of 0.8.
    assert bits(mean, past, 3, reset=0.2, offset=-0.11)[0] == [0, 0, 1]
    assert bits(mean, past, 3, reset=0.2, offset=-0.14)[0] == [0, 1, 1]


def test_the_least_significant_bit_of_a_code_that_clips():
    lsb = {"read": "mean", "reference": "mid", "output": "parity"}
    # Empty for 0, 0.1, 0.3, ..., 0.9 and 1: the code of 2 bits and a range of 1 is floor(4 (empty - 1/2)).
    for empty, code in ((0.0, -2), (0.1, -2), (0.3, -1), (0.6, 0), (0.9, 1), (1.0, 1)):
        past = history([empty], initial=0) if empty < 1 else history([], initial=0)
        assert bits(lsb, past, 1, adc_bits=2.0, range=1.0)[0] == [code & 1], empty


def test_a_pair_keeps_its_bit_while_both_are_equal():
    pair = {"read": "state", "reference": "partner", "output": "level"}
    past = history([0.5, 2.5, 4.5], [1.5, 3.5])
    # First filled 0.5-2.5 and from 4.5, second filled 1.5-3.5: lower, (both), (second), ...
    assert bits(pair, past, 6, hysteresis=0.5)[0] == [0, 0, 1, 1, 0, 0]
    assert bits(pair, past, 2, hysteresis=1.5)[0] == [0, 0]  # never so large a difference


def test_a_differentiator_makes_pulses_of_rises():
    edges = {"read": "edges", "reference": "running", "edge": "rising", "output": "any"}
    assert bits(edges, PAST, 6, average=0.01, threshold=0.5) == ([0, 1, 1, 0, 1, 0], 3)
    assert bits(edges, PAST, 6, average=0.01, threshold=1.01) == ([0] * 6, 0)
    # A rise so soon after a fall that the average is still high: 1 - exp(-0.02/0.05) of the step is left.
    soon = history([1.3, 1.32])
    left = 1.0 - np.exp(-0.02 / 0.05)
    assert bits(edges, soon, 2, average=0.05, threshold=0.98 * left)[0] == [0, 1]
    assert bits(edges, soon, 2, average=0.05, threshold=1.02 * left)[0] == [0, 0]


def test_the_pulse_of_a_differentiator_ends_at_its_threshold():
    state = {"read": "state", "reference": "running", "output": "level"}
    end = 0.5 + 0.1 * np.log(1 / 0.3)  # the step of 1 has decayed to 0.3
    past = history([0.5], initial=1)
    for interval, high in ((0.499, 0), (0.501, 1), (end - 1e-3, 1), (end + 1e-3, 0)):
        assert bits(state, past, 1, interval=interval, average=0.1, threshold=0.3)[0] == [high], interval
    # With hysteresis it ends lower.
    late = 0.5 + 0.1 * np.log(1 / 0.2)
    for interval, high in ((late - 1e-3, 1), (late + 1e-3, 0)):
        assert bits(state, past, 1, interval=interval, average=0.1, threshold=0.3, hysteresis=0.1)[0] == [high]


def test_an_adaptive_reference_follows_a_long_average():
    state = {"read": "state", "reference": "running", "output": "level"}
    assert bits(state, PAST, 5, average=1e3)[0] == [0, 0, 0, 0, 1]
    never = history([], initial=0)  # the average begins at the first current, which is not above itself
    assert bits(state, never, 3, average=1.0)[0] == [0, 0, 0]
    # An offset of 0.3 is passed while the average is below 0.7 of the swing: it lags behind.
    assert bits(state, PAST, 5, average=1.0, offset=0.3)[0] == [0, 0, 0, 0, 1]
    assert bits(state, PAST, 7, average=1.0, offset=0.3)[0][5:] == [0, 0]


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_bits_do_not_depend_on_how_they_are_asked_for(pieces):
    rng = np.random.default_rng(1)
    past = history(np.cumsum(rng.exponential(0.4, 200)).tolist(), np.cumsum(rng.exponential(0.7, 100)).tolist())
    rule = Rule(read="state", reference="partner", output="level")
    whole, parts = np.zeros(60, np.uint8), []
    Digitiser(rule, cells(2), {"hysteresis": 0.5, "lag": 0.05}, 1.0, 0.5, history=past).read(whole)
    digitiser = Digitiser(rule, cells(2), {"hysteresis": 0.5, "lag": 0.05}, 1.0, 0.5, history=past)
    for length in [len(part) for part in np.array_split(whole, pieces)]:
        parts.append(np.zeros(length, np.uint8))
        digitiser.read(parts[-1])
    assert (np.concatenate(parts) == whole).all()
    assert 0 < whole.mean() < 1


dwells = st.lists(st.floats(0.01, 3.0), max_size=30)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(dwells, st.integers(0, 1), st.floats(0.0, 2.0), st.floats(0.2, 3.0))
def test_any_history_gives_what_numpy_reads_off_it(spans, initial, settling, interval):
    """Without a lag: states at the instants, edges between them, and means over the windows."""
    past = history(np.cumsum(spans).tolist(), initial=initial, duration=200.0)
    edges = settling + interval * np.arange(21)
    times, states = past.of(0)
    nearest = np.abs(times[:, np.newaxis] - edges).min() if len(times) else 1.0
    if nearest < 1e-9:  # sums of floats decide: both answers would be right
        return
    how = {"settling": settling, "interval": interval}
    assert bits(LEVEL, past, 20, **how)[0] == (1 - past.state_at(0, edges[1:])).tolist()
    falls = np.searchsorted(times[states == 1], edges)
    assert bits(FALLS | {"output": "toggle"}, past, 20, **how) == ((falls[1:] & 1).tolist(), falls[-1] - falls[0])
    assert bits(FALLS | {"output": "any"}, past, 20, **how)[0] == (np.diff(falls) > 0).astype(int).tolist()
    assert bits(FALLS | {"output": "parity"}, past, 20, **how)[0] == (np.diff(falls) & 1).tolist()
    empty = 1.0 - past.averages(0, edges) - 0.5
    found = np.array(bits({"read": "mean", "reference": "mid", "output": "level"}, past, 20, **how)[0])
    clear = np.abs(empty) > 1e-9
    assert (found == (empty > 0))[clear].all()
