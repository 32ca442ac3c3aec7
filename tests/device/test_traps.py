"""The trap model against closed forms and the master equation. Every statistical test names its false-alarm rate."""

import numpy as np
import pytest
from scipy import integrate, signal, stats

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import load_card
from ftj_spice.device.moments import machlup_spectrum
from ftj_spice.device.traps import Traps, draw_candidates, simulate, temperature_factor

VMM, RTN = 0.5, 1.5
RANGE = (0.0, 1.8)


def one(capture=1e-3, emission=1e-3, capture_slope=14.0, emission_slope=9.0, count=1):
    full = np.ones(count)
    return Traps(capture * full, emission * full, capture_slope * full, emission_slope * full, RTN * full)


def constant(traps, voltage, duration, seed=1, start=None):
    streams = [(i,) for i in range(len(traps))]
    c = draw_candidates(traps, duration, (0.0, voltage), seed, streams, voltage if start is None else start)
    return simulate(c, [0.0], [voltage])


def same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("initial", "times", "traps", "states"))


@pytest.mark.parametrize(("voltage", "tau_c", "tau_e", "occupancy"), [
    (0.5, 1.2026e3, 8.1031, 0.00669285), (1.0, 1.09663, 0.0900171, 0.0758582),
    (1.5, 1e-3, 1e-3, 0.5), (1.8, 1.49956e-5, 6.72055e-5, 0.817574),
])  # fmt: skip
def test_nominal_times_over_voltage(voltage, tau_c, tau_e, occupancy):
    """Two estimated times and slopes give three decades over 1.2 to 1.8 V, and an empty trap at V_VMM."""
    traps = Traps.from_card(load_card("hzo_mfis_nominal"), 1)
    assert traps.capture_time_at(voltage)[0] == pytest.approx(tau_c, rel=1e-4)
    assert traps.emission_time_at(voltage)[0] == pytest.approx(tau_e, rel=1e-4)
    assert traps.occupancy(voltage)[0] == pytest.approx(occupancy, rel=1e-4)
    assert 1 / traps.relaxation_time(voltage)[0] == pytest.approx(1 / tau_c + 1 / tau_e, rel=1e-4)


def test_log_scale_scales_both_times():
    card = load_card("hzo_mfis_nominal")
    traps = Traps.from_card(card, 3, np.log([1.0, 10.0, 0.1]))
    np.testing.assert_allclose(traps.capture_time, card.capture_time * np.array([1.0, 10.0, 0.1]))
    np.testing.assert_allclose(traps.emission_time, card.emission_time * np.array([1.0, 10.0, 0.1]))
    assert len(traps.take(slice(1, 3))) == 2


def test_temperature_contracts_both_times():
    """E_B = 0.4 eV: both times at 350 K shrink by exp[(E_B/k)(1/300 - 1/350)] = 9.12; occupancies stay."""
    card = load_card("hzo_mfis_nominal")
    scale = np.log([1.0, 5.0])
    cold, warm = Traps.from_card(card, 2, scale), Traps.from_card(card, 2, scale, temperature=350.0)
    np.testing.assert_allclose(cold.capture_time / warm.capture_time, 9.12, rtol=1e-3)
    np.testing.assert_allclose(cold.emission_time / warm.emission_time, 9.12, rtol=1e-3)
    np.testing.assert_allclose(cold.occupancy(1.4), warm.occupancy(1.4))
    np.testing.assert_array_equal(cold.capture_slope, warm.capture_slope)
    assert temperature_factor(card, 300.0) == 1.0
    assert temperature_factor(card, 250.0) > 20


def test_bound_holds_over_the_whole_range():
    traps = Traps.from_card(load_card("hzo_mfis_nominal"), 1)
    bound = traps.table(*RANGE)[0, -1]
    for v in np.linspace(*RANGE, 50):
        assert 1 / traps.capture_time_at(v)[0] <= bound * (1 + 1e-12)
        assert 1 / traps.emission_time_at(v)[0] <= bound * (1 + 1e-12)


@pytest.mark.parametrize("voltage", [1.3, 1.5, 1.7])
def test_occupancy_is_the_stationary_one(voltage):
    """Mean of the time average over 200 traps within 4 standard errors: false alarm 6e-5 each."""
    traps = one(count=200)
    tau, p = traps.relaxation_time(voltage)[0], traps.occupancy(voltage)[0]
    history = constant(traps, voltage, 500 * tau)
    means = np.array([history.averages(i, np.array([0.0, 500 * tau]))[0] for i in range(200)])
    assert abs(means.mean() - p) < 4 * means.std(ddof=1) / np.sqrt(200)


@pytest.mark.parametrize("voltage", [1.3, 1.5, 1.7])
def test_dwell_times_are_exponential(voltage):
    """Kolmogorov-Smirnov at level 1e-4 per state: false alarm 2e-4 each."""
    traps = one()
    history = constant(traps, voltage, 20_000 * traps.relaxation_time(voltage)[0] / 0.2, seed=3)
    empty, filled = history.dwells(0)
    assert min(len(empty), len(filled)) > 5000
    assert stats.kstest(empty, "expon", args=(0, traps.capture_time_at(voltage)[0])).pvalue > 1e-4
    assert stats.kstest(filled, "expon", args=(0, traps.emission_time_at(voltage)[0])).pvalue > 1e-4


@pytest.mark.parametrize(("capture", "emission"), [(1e-3, 1e-3), (1e-3, 4e-3)])
def test_spectrum_is_machlups_lorentzian(capture, emission):
    """Welch's estimate of 400 segments, 1 sigma 5 %: all of 20 log-spaced bands within 25 %, false alarm < 1e-4.

    Each sample is the mean state over its interval, whose spectrum is the Lorentzian times sinc^2.
    """
    traps = one(capture, emission)
    step, count = 1e-4, 400 * 4096
    history = constant(traps, RTN, step * count, seed=5)
    x = history.averages(0, step * np.arange(count + 1))
    f, s = signal.welch(x, 1 / step, "hann", 4096, noverlap=0)
    model = machlup_spectrum(f, capture, emission) * np.sinc(f * step) ** 2
    for low, high in zip(edges := np.geomspace(5, 2000, 21), edges[1:], strict=False):
        band = (f >= low) & (f < high)
        if band.any():
            assert s[band].mean() == pytest.approx(model[band].mean(), rel=0.25)


def test_spectrum_integrates_to_the_variance():
    total, _ = integrate.quad(lambda f: machlup_spectrum(f, 2e-3, 1e-3, 0.3), 0, np.inf)
    assert total == pytest.approx(0.3**2 * (1 / 3) * (2 / 3), rel=1e-6)


@pytest.mark.parametrize(("before", "after", "n", "spans"), [(VMM, RTN, 20_000, 4.0), (RTN, VMM, 500, 2.0)])
def test_relaxation_after_a_step(before, after, n, spans):
    """Ensemble after a step against exp(-t/tau_eff): within 4.5 standard errors at 8 times, false alarm 6e-5.

    Back at V_VMM a filled trap stays for 8 s, against 1 ms at V_RTN.
    """
    onset = 1e-4
    traps = one(count=n)
    tau = traps.relaxation_time(after)[0]
    p0, p1 = traps.occupancy(before)[0], traps.occupancy(after)[0]
    c = draw_candidates(traps, onset + spans * tau, (VMM, RTN), 7, [(i,) for i in range(n)], before)
    history = simulate(c, [0.0, onset], [before, after])
    when = onset + spans * tau * np.array([0.005, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.99])
    expected = p1 + (p0 - p1) * np.exp(-(when - onset) / tau)
    assert np.all(np.abs(_ensemble(history, when) - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n))


def _ensemble(history, when):
    """Fraction of filled traps at each time, from the initial states and the running sum of transitions."""
    order = np.argsort(history.times)
    change = np.cumsum(2 * history.states[order] - 1)
    position = np.searchsorted(history.times[order], when, side="right")
    return (history.initial.sum() + np.concatenate([[0], change])[position]) / len(history.initial)


@pytest.mark.parametrize("shape", ["sine", "ramp"])
def test_moving_bias_follows_the_master_equation(shape):
    """Ensemble of 20,000 under a moving bias: within 4.5 standard errors at 12 times, false alarm 1e-4.

    The bias is a staircase of 2,000 steps, fine against every time constant; the equation sees the smooth bias.
    """
    n, duration = 20_000, 6e-3
    traps = one(count=n)
    bias = {
        "sine": lambda t: 1.45 + 0.15 * np.sin(2 * np.pi * t / 3e-3),
        "ramp": lambda t: 1.2 + 0.4 * t / duration,
    }[shape]
    breaks = np.linspace(0, duration, 2001)[:-1]
    middle = breaks + duration / 4000
    start = float(bias(0.0))
    c = draw_candidates(traps, duration, (1.1, 1.65), 11, [(i,) for i in range(n)], start)
    history = simulate(c, breaks, bias(middle))

    def rate(t, p):
        v = bias(t)
        return (1 - p) / traps.capture_time_at(v)[0] - p / traps.emission_time_at(v)[0]

    when = np.linspace(duration / 12, duration, 12)
    solution = integrate.solve_ivp(rate, (0, duration), [traps.occupancy(start)[0]], t_eval=when, rtol=1e-9, atol=1e-12)
    expected = solution.y[0]
    assert expected.max() - expected.min() > 0.15  # the bias does move the occupancy
    assert np.all(np.abs(_ensemble(history, when) - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n))


def test_a_history_depends_on_the_seed_alone():
    traps = one(count=5)
    assert same(constant(traps, RTN, 0.1, seed=4), constant(traps, RTN, 0.1, seed=4))
    assert not same(constant(traps, RTN, 0.1, seed=4), constant(traps, RTN, 0.1, seed=5))


def test_a_traps_history_does_not_depend_on_its_neighbours():
    traps = one(count=5)
    whole = draw_candidates(traps, 0.1, (0.0, RTN), 4, [(i, 7) for i in range(5)], RTN)
    alone = draw_candidates(traps.take(slice(3, 4)), 0.1, (0.0, RTN), 4, [(3, 7)], RTN)
    part = slice(whole.offsets[3], whole.offsets[4])
    np.testing.assert_array_equal(whole.times[part], alone.times)
    np.testing.assert_array_equal(whole.draws[part], alone.draws)


@pytest.mark.parametrize("duration", [0.0, 1e-5, 0.05, 0.1])
def test_a_longer_span_only_adds_events(duration):
    traps = one(count=4)
    streams = [(i,) for i in range(4)]
    long = draw_candidates(traps, 0.2, (0.0, RTN), 4, streams, RTN)
    short = draw_candidates(traps, duration, (0.0, RTN), 4, streams, RTN)
    for i in range(4):
        begin, end = short.offsets[i], short.offsets[i + 1]
        first = slice(long.offsets[i], long.offsets[i] + end - begin)
        np.testing.assert_array_equal(short.times[begin:end], long.times[first])
        np.testing.assert_array_equal(short.draws[begin:end], long.draws[first])
        assert np.all(long.times[first.stop : long.offsets[i + 1]] > duration)


def test_candidates_are_poisson():
    """Counts of 400 traps against Poisson(100): mean within 4 standard errors, and dispersion; false alarm 2e-4."""
    c = draw_candidates(one(count=400), 0.1, (0.0, RTN), 9, [(i,) for i in range(400)], RTN)
    counts = np.diff(c.offsets)
    assert abs(counts.mean() - 100) < 4 * np.sqrt(100 / 400)
    assert 1e-4 < stats.chi2.cdf(counts.var(ddof=1) * 399 / 100, 399) < 1 - 1e-4
    assert np.all(np.diff(c.times)[np.isin(np.arange(1, len(c.times)), c.offsets, invert=True)] > 0)


def test_bookkeeping_of_a_history():
    history = constant(one(), RTN, 0.05, seed=2)
    times, states = history.of(0)
    assert np.array_equal(states, (history.initial[0] + 1 + np.arange(len(times))) % 2)  # it alternates
    empty, filled = history.dwells(0)
    assert len(empty) + len(filled) == len(times) - 1
    assert np.array_equal(history.state_at(0, times), states)
    assert history.state_at(0, np.array([0.0]))[0] == history.initial[0]
    edges = np.sort(np.concatenate([[0.0, 0.05], times]))
    np.testing.assert_allclose(history.averages(0, edges), history.state_at(0, (edges[1:] + edges[:-1]) / 2), atol=1e-9)


def test_a_trap_that_never_moves():
    history = constant(one(capture=1e9, emission=1e9), RTN, 1.0, start=-10.0)
    assert len(history.times) == 0
    assert history.averages(0, np.array([0.0, 0.5, 1.0])).tolist() == [0.0, 0.0]
    assert history.state_at(0, np.array([0.3])).tolist() == [0]
    assert [len(d) for d in history.dwells(0)] == [0, 0]


def test_too_many_events_are_refused():
    with pytest.raises(FtjSpiceError, match="shorten the time or lower the voltage"):
        draw_candidates(one(), 1e6, (0.0, RTN), 1, [(0,)])


def test_a_bias_outside_the_range_is_refused():
    c = draw_candidates(one(), 0.01, (0.0, 1.0), 1, [(0,)])
    with pytest.raises(FtjSpiceError, match=r"leaves the range 0 to 1 V"):
        simulate(c, [0.0], [1.2])


@pytest.mark.parametrize("breaks", [[1.0], [0.0, 0.0], [0.0, 1.0, 0.5]])
def test_unordered_breaks_are_refused(breaks):
    c = draw_candidates(one(), 0.01, (0.0, 1.0), 1, [(0,)])
    with pytest.raises(ValueError, match="ascend"):
        simulate(c, breaks, [0.5] * len(breaks))


def test_streams_must_match_traps():
    with pytest.raises(ValueError, match="2 traps"):
        draw_candidates(one(count=2), 0.01, (0.0, 1.0), 1, [(0,)])
