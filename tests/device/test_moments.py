"""Window moments against the matrix exponential, against limits, and against simulation."""

import numpy as np
import pytest
from scipy import integrate, linalg

from ftj_spice.device.moments import machlup_spectrum, summed_moments, window_moments
from ftj_spice.device.traps import Traps, draw_candidates, simulate


def exact(p, x, windows=1, pause=0.0):
    """Raw moments of the time integral by one linear differential equation: M_k' = A M_k + k S M_(k-1).

    `M_k` holds E[integral^k; state]; the system is linear with constant coefficients, so one matrix exponential
    solves it. Time is in units of tau_eff.
    """
    rates = np.array([[-p, 1 - p], [p, -(1 - p)]])  # d/dt (P0, P1); stationary P1 = p, relaxation rate 1
    s = np.diag([0.0, 1.0])
    order = 4
    big = np.zeros((2 * (order + 1),) * 2)
    for k in range(order + 1):
        big[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = rates
        if k:
            big[2 * k : 2 * k + 2, 2 * k - 2 : 2 * k] = k * s
    start = np.zeros(2 * (order + 1))
    start[:2] = 1 - p, p
    end = linalg.expm(big * x) @ start
    raw = [end[2 * k : 2 * k + 2].sum() / x**k for k in range(order + 1)]
    if windows == 1:
        return raw
    # second window: begins in the state distribution weighted by the first integral
    weighted = linalg.expm(rates * pause) @ end[2:4] / x
    again = np.zeros_like(start)
    again[:2] = weighted
    return (linalg.expm(big * x) @ again)[2:4].sum() / x - p * p


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.82])
@pytest.mark.parametrize("x", [0.02, 0.0499, 0.0501, 0.3, 1.0, 3.0, 12.0, 60.0])
def test_moments_equal_the_matrix_exponential(p, x):
    _, m1, m2, m3, m4 = exact(p, x)
    moments = window_moments(p, 2e-3, 2e-3 * x)
    assert moments.mean == pytest.approx(m1, rel=1e-10)
    assert moments.variance == pytest.approx(m2 - m1**2, rel=1e-8)
    assert moments.third == pytest.approx(m3 - 3 * m2 * m1 + 2 * m1**3, rel=1e-6, abs=1e-10)
    assert moments.fourth == pytest.approx(m4 - 4 * m3 * m1 + 6 * m2 * m1**2 - 3 * m1**4, rel=1e-6)
    assert moments.covariance == pytest.approx(exact(p, x, windows=2), rel=1e-8, abs=1e-10)
    paused = window_moments(p, 2e-3, 2e-3 * x, pause=1e-3)
    assert paused.covariance == pytest.approx(exact(p, x, windows=2, pause=0.5), rel=1e-8, abs=1e-10)


def test_series_and_closed_form_meet():
    below, above = (window_moments(0.3, 1.0, w) for w in (0.05 * (1 - 1e-12), 0.05 * (1 + 1e-12)))
    for name in ("variance", "third", "fourth", "covariance"):
        assert getattr(below, name) == pytest.approx(getattr(above, name), rel=1e-8)


def test_a_point_sample():
    p = 0.2
    moments = window_moments(p, 1.0, 0.0, pause=2.0)
    v = p * (1 - p)
    assert moments.variance == pytest.approx(v)
    assert moments.third == pytest.approx(v * (1 - 2 * p))
    assert moments.fourth == pytest.approx(v * (v + (1 - 2 * p) ** 2))
    assert moments.covariance == pytest.approx(v * np.exp(-2.0))


def test_a_long_window_is_gaussian():
    moments = window_moments(0.3, 1e-6, 1.0)
    assert moments.fourth / moments.variance**2 == pytest.approx(3.0, rel=1e-4)
    assert abs(moments.third) / moments.variance**1.5 < 5e-3
    assert moments.variance == pytest.approx(2 * 0.3 * 0.7 * 1e-6, rel=1e-5)


def test_arrays_broadcast_over_traps():
    moments = window_moments(np.array([0.1, 0.5]), np.array([1e-3, 2e-3]), 5e-3)
    assert moments.variance.shape == (2,)
    assert moments.variance[1] == window_moments(0.5, 2e-3, 5e-3).variance


def test_variance_is_the_spectrum_through_the_window():
    capture, emission, window = 1e-3, 3e-3, 2e-3
    rate = 1 / capture + 1 / emission
    total, _ = integrate.quad(
        lambda f: machlup_spectrum(f, capture, emission) * np.sinc(f * window) ** 2, 0, 5e4, limit=2000
    )
    assert total == pytest.approx(float(window_moments(0.75, 1 / rate, window).variance), rel=2e-4)


@pytest.mark.parametrize(("capture", "emission"), [(1e-3, 1e-3), (4e-3, 1e-3)])
@pytest.mark.parametrize("window", [2e-4, 2e-3, 1e-2])
def test_moments_equal_the_simulation(capture, emission, window):
    """400 traps with 100 windows each; standard errors over traps; 5 moments within 4: false alarm 3e-4 each."""
    traps_n, windows = 400, 100
    full = np.ones(traps_n)
    traps = Traps(capture * full, emission * full, 14 * full, 9 * full, 1.5 * full)
    c = draw_candidates(traps, window * windows, (0.0, 1.5), 21, [(i,) for i in range(traps_n)], 1.5)
    history = simulate(c, [0.0], [1.5])
    edges = window * np.arange(windows + 1)
    x = np.array([history.averages(i, edges) for i in range(traps_n)])
    p = float(traps.occupancy(1.5)[0])
    y = x - p
    model = window_moments(p, traps.relaxation_time(1.5)[0], window)
    for estimate, expected in (
        (y, 0.0), (y**2, model.variance), (y**3, model.third), (y**4, model.fourth),
        (y[:, :-1] * y[:, 1:], model.covariance),
    ):  # fmt: skip
        per_trap = estimate.mean(axis=1)
        assert abs(per_trap.mean() - expected) < 4 * per_trap.std(ddof=1) / np.sqrt(traps_n)


def test_cumulants_of_a_sum_add():
    """Two cells of two and one traps, point samples: against all states counted out."""
    p, w = np.array([0.2, 0.6, 0.35]), np.array([1.0, 0.3, 1.0])
    total = summed_moments(window_moments(p, np.ones(3), 0.0, pause=0.5), w, [0, 0, 1], 2)
    assert total.mean.shape == (2,)
    values, odds = [], []
    for a in (0, 1):
        for b in (0, 1):
            values.append(w[0] * a + w[1] * b)
            odds.append((p[0] if a else 1 - p[0]) * (p[1] if b else 1 - p[1]))
    values, odds = np.array(values), np.array(odds)
    mean = np.sum(odds * values)
    assert total.mean[0] == pytest.approx(mean)
    for order, name in ((2, "variance"), (3, "third"), (4, "fourth")):
        assert getattr(total, name)[0] == pytest.approx(np.sum(odds * (values - mean) ** order))
    assert total.covariance[0] == pytest.approx(np.sum(w[:2] ** 2 * p[:2] * (1 - p[:2])) * np.exp(-0.5))
    alone = window_moments(p[2], 1.0, 0.0)
    assert (total.variance[1], total.fourth[1]) == pytest.approx((float(alone.variance), float(alone.fourth)))
