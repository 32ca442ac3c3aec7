"""The constant-bias simulator against closed forms and against the candidate events' simulator."""

import itertools

import numpy as np
import pytest
from scipy import signal, stats

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import load_card
from ftj_spice.device.dwells import _alternate, simulate_constant
from ftj_spice.device.moments import machlup_spectrum, window_moments
from ftj_spice.device.streams import stream_words
from ftj_spice.device.traps import TrapHistory, Traps, draw_candidates, simulate

NOMINAL = load_card("hzo_mfis_nominal")
RTN = 1.5


def streams(count):
    return [(k,) for k in range(count)]


@pytest.mark.parametrize("voltage", [1.3, 1.5, 1.8])
def test_dwells_are_exponential(voltage):
    """Kolmogorov-Smirnov at 1e-4 per state and voltage: false alarm 6e-4 together."""
    traps = Traps.from_card(NOMINAL, 1)
    cycle = traps.capture_time_at(voltage)[0] + traps.emission_time_at(voltage)[0]
    history = simulate_constant(traps, voltage, 20_000 * cycle, 3, streams(1))
    empty, filled = history.dwells(0)
    assert min(len(empty), len(filled)) > 19_000
    assert stats.kstest(empty, "expon", args=(0, traps.capture_time_at(voltage)[0])).pvalue > 1e-4
    assert stats.kstest(filled, "expon", args=(0, traps.emission_time_at(voltage)[0])).pvalue > 1e-4


def test_it_starts_stationary_or_as_told():
    """Initial states of 20,000 traps within 4 sigma of the occupancy: false alarm 6e-5."""
    n = 20_000
    traps = Traps.from_card(NOMINAL, n)
    p = traps.occupancy(1.4)[0]
    initial = simulate_constant(traps, 1.4, 0.0, 1, streams(n)).initial
    assert abs(initial.mean() - p) < 4 * np.sqrt(p * (1 - p) / n)
    for state in (0, 1):
        history = simulate_constant(traps.take(slice(0, 5)), 1.4, 0.1, 1, streams(5), start=state)
        assert np.all(history.initial == state)
        assert all(history.of(i)[1][0] == 1 - state for i in range(5))


def test_spectrum_is_machlups_lorentzian():
    """Welch's estimate of 400 segments: 15 log-spaced bands within 25 %, 1 sigma 5 % at most: false alarm 1e-5."""
    traps = Traps.from_card(NOMINAL, 1)
    step, count = 1e-4, 400 * 4096
    history = simulate_constant(traps, 1.55, step * count, 5, streams(1))
    x = history.averages(0, step * np.arange(count + 1))
    f, s = signal.welch(x, 1 / step, "hann", 4096, noverlap=0)
    model = machlup_spectrum(f, traps.capture_time_at(1.55)[0], traps.emission_time_at(1.55)[0])
    model = model * np.sinc(f * step) ** 2
    edges = np.geomspace(f[2], f[-1] * 0.9, 16)
    for low, high in itertools.pairwise(edges):
        band = (f >= low) & (f < high)
        if band.any():
            assert s[band].mean() == pytest.approx(model[band].mean(), rel=0.25)


def test_window_averages_agree_with_the_other_simulator():
    """Two-sample Kolmogorov-Smirnov over 2,000 traps each at 1e-4, and the closed variance within 4.5 sigma."""
    n, window = 2000, 4e-3
    traps = Traps.from_card(NOMINAL, n)
    direct = simulate_constant(traps, RTN, window, 1, streams(n))
    thinned = simulate(draw_candidates(traps, window, (0.0, RTN), 2, streams(n), RTN), [0.0], [RTN])
    edges = np.array([0.0, window])
    a, b = (np.array([h.averages(i, edges)[0] for i in range(n)]) for h in (direct, thinned))
    assert stats.ks_2samp(a, b).pvalue > 1e-4
    model = window_moments(0.5, traps.relaxation_time(RTN)[0], window)
    error = np.sqrt((float(model.fourth) - float(model.variance) ** 2) / n)
    assert abs(a.var() - float(model.variance)) < 4.5 * error


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("initial", "times", "traps", "states"))


def test_a_trap_depends_on_seed_and_stream_alone():
    traps = Traps.from_card(NOMINAL, 5, np.log([1.0, 0.3, 3.0, 0.1, 1.0]))
    whole = simulate_constant(traps, RTN, 0.1, 4, [(k, 7) for k in range(5)])
    assert same(whole, simulate_constant(traps, RTN, 0.1, 4, [(k, 7) for k in range(5)]))
    alone = simulate_constant(traps.take(slice(3, 4)), RTN, 0.1, 4, [(3, 7)])
    np.testing.assert_array_equal(whole.of(3)[0], alone.of(0)[0])
    assert whole.initial[3] == alone.initial[0]
    assert not same(whole, simulate_constant(traps, RTN, 0.1, 5, [(k, 7) for k in range(5)]))


def test_a_longer_span_only_adds_transitions():
    traps = Traps.from_card(NOMINAL, 3)
    long, short = (simulate_constant(traps, RTN, span, 4, streams(3)) for span in (0.2, 0.05))
    for k in range(3):
        times = long.of(k)[0]
        np.testing.assert_array_equal(short.of(k)[0], times[times <= 0.05])
        assert np.all(np.diff(times) > 0)


def test_every_trap_may_have_its_own_bias():
    """Counts of transitions of 100 cycles' worth within 5 sigma (each cycle's length varies by 1/sqrt 2 at most)."""
    traps = Traps.from_card(NOMINAL, 3)
    volts = np.array([1.4, 1.5, 1.6])
    cycle = traps.capture_time_at(volts) + traps.emission_time_at(volts)
    history = simulate_constant(traps, volts, 10.0, 4, streams(3))
    counts = np.bincount(history.traps, minlength=3)
    expected = 2 * 10.0 / cycle
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(2 * expected))
    # the middle trap is the same as in a common bias
    np.testing.assert_array_equal(history.of(1)[0], simulate_constant(traps, 1.5, 10.0, 4, streams(3)).of(1)[0])


def test_the_store_grows_when_the_estimate_was_short():
    traps = Traps.from_card(NOMINAL, 3)
    history = simulate_constant(traps, RTN, 0.5, 1, streams(3))
    words = stream_words(1, "dwell", streams(3))
    times = np.full(3, 1e-3)
    initial, when, which, states = _alternate(words, np.full(3, 0.5), times, times, 0.5, -1, 1)
    assert same(history, TrapHistory(initial, when, which, states, 0.5))


def test_nothing_to_do():
    history = simulate_constant(Traps.from_card(NOMINAL, 0), RTN, 1.0, 1, [])
    assert len(history.times) == len(history.initial) == 0


def test_refusals():
    traps = Traps.from_card(NOMINAL, 2)
    with pytest.raises(FtjSpiceError, match="shorten the time or lower the voltage"):
        simulate_constant(traps, RTN, 1e6, 1, streams(2))
    with pytest.raises(ValueError, match="2 traps"):
        simulate_constant(traps, RTN, 1.0, 1, streams(3))
