"""The exact law of a trap's mean over a window: against its moments, its series, quadrature, and simulated traps."""

from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest

import ftj_spice as ftj
from ftj_spice.device.dwells import simulate_constant
from ftj_spice.device.moments import window_moments
from ftj_spice.device.occupation import WindowLaw
from ftj_spice.device.traps import Traps

CASES = [(0.5, 0.01), (0.2, 1.0), (0.5, 10.0), (0.82, 4000.0), (0.01, 30.0), (0.999, 0.5)]


@pytest.mark.parametrize(("occupancy", "windows"), CASES)
def test_moments_are_those_of_the_closed_forms(occupancy, windows):
    law, closed = WindowLaw.of(occupancy, 1.0, windows), window_moments(occupancy, 1.0, windows)
    sigma = float(np.sqrt(closed.variance))
    low, high = max(occupancy - 40 * sigma, 0.0), min(occupancy + 40 * sigma, 1.0)
    around = np.clip([occupancy - 3 * sigma, occupancy, occupancy + 3 * sigma], low, high)

    def integral(power):
        smooth = quad(lambda u: law.density(u) * (u - occupancy) ** power, low, high, points=around, limit=200)[0]
        return smooth + law.empty * (-occupancy) ** power + law.full * (1.0 - occupancy) ** power

    assert integral(0) == pytest.approx(1.0, abs=1e-9)
    assert integral(1) == pytest.approx(0.0, abs=1e-9)
    assert integral(2) == pytest.approx(float(closed.variance), rel=1e-7)
    assert integral(3) == pytest.approx(float(closed.third), rel=1e-6, abs=1e-12)
    assert integral(4) == pytest.approx(float(closed.fourth), rel=1e-6)


def test_density_is_the_sum_over_the_number_of_transitions():
    """Whole dwells of either state share the window's filled and empty time; each number of them is a term."""
    a, b, u = 1.7, 0.6, np.linspace(0.02, 0.98, 25)
    law, p = WindowLaw(a, b), a / (a + b)
    term = a * b * u * (1.0 - u)
    odd = sum(term**n / factorial(n) ** 2 for n in range(30))
    even = sum(term**n / (factorial(n) * factorial(n - 1)) for n in range(1, 30))
    begun_filled = b * odd + even / (1.0 - u)
    begun_empty = a * odd + even / u
    expected = np.exp(-b * u - a * (1.0 - u)) * (p * begun_filled + (1.0 - p) * begun_empty)
    np.testing.assert_allclose(law.density(u), expected, rtol=1e-12)


def test_turning_states_round_mirrors_the_law():
    law, other = WindowLaw(3.0, 0.8), WindowLaw(0.8, 3.0)
    u = np.linspace(0.0, 1.0, 11)
    np.testing.assert_allclose(law.density(u), other.density(1.0 - u), rtol=1e-12)
    assert law.empty == pytest.approx(other.full) and law.full == pytest.approx(other.empty)


def test_the_longest_windows_neither_overflow_nor_lose_their_mass():
    law = WindowLaw.of(0.3, 1.0, 1e7)
    sigma = float(np.sqrt(window_moments(0.3, 1.0, 1e7).variance))
    u = 0.3 + sigma * np.linspace(-6, 6, 121)
    normal = np.exp(-0.5 * ((u - 0.3) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(law.density(u)[20:101], normal[20:101], rtol=0.02)
    assert law.empty == 0.0 and law.full == 0.0
    assert law.masses(sigma / 100)[1].sum() == pytest.approx(1.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.02, 0.98), st.floats(-3.0, 4.0), st.integers(40, 600)
)  # fmt: skip
def test_masses_keep_total_and_mean(occupancy, decade, parts):
    windows = 10.0**decade
    closed = window_moments(occupancy, 1.0, windows)
    step = float(np.sqrt(closed.variance)) / parts
    first, masses = WindowLaw.of(occupancy, 1.0, windows).masses(step)
    nodes = step * (first + np.arange(len(masses)))
    assert masses.min() >= 0.0
    assert masses.sum() == pytest.approx(1.0, abs=1e-9)
    assert np.sum(masses * nodes) == pytest.approx(occupancy, abs=1e-9)
    grown = np.sum(masses * (nodes - occupancy) ** 2) - closed.variance
    assert -1e-9 * closed.variance <= grown <= 0.25 * step**2 * (1 + 1e-6) + 1e-9 * closed.variance


@pytest.mark.parametrize("occupancy", [0.5, 0.97, 0.999, 1e-4])
@pytest.mark.parametrize("windows", [3.0, 1e3, 1e5, 1e7])
@pytest.mark.parametrize("steps", [3.0, 64.0, 300.5])
def test_laws_far_narrower_than_a_step_and_far_from_half_filling_keep_total_and_mean(occupancy, windows, steps):
    """A fast cell beside slow ones is narrower than the column's step; a rare state has a tail of many sigmas."""
    first, masses = WindowLaw.of(occupancy, 1.0, windows).masses(1.0 / steps)
    nodes = (first + np.arange(len(masses))) / steps
    assert masses.sum() == pytest.approx(1.0, abs=1e-9)
    assert np.sum(masses * nodes) == pytest.approx(occupancy, abs=1e-9)


@pytest.mark.parametrize(("voltage", "window"), [(1.5, 5e-4), (1.35, 2e-3), (1.6, 4e-3)])
def test_simulated_traps_follow_the_law(voltage, window):
    """Kolmogorov-Smirnov on the windows with a transition, binomial counts of those without: 4 sigma, three cases."""
    count, windows = 4000, 3  # windows far apart, so that they are independent
    card = ftj.load_card("hzo_mfis_nominal")
    traps = Traps.from_card(card, count)
    tau = float(traps.relaxation_time(voltage)[0])
    gap = 30 * tau + window
    history = simulate_constant(traps, voltage, windows * gap, 11, [(k,) for k in range(count)])
    begins = gap * np.arange(windows)
    edges = np.sort(np.concatenate([begins, begins + window]))
    means = np.concatenate([history.averages(k, edges)[::2] for k in range(count)])
    law = WindowLaw.of(float(traps.occupancy(voltage)[0]), tau, window)
    for level, probability in ((0.0, law.empty), (1.0, law.full)):
        found = np.mean(np.abs(means - level) < 1e-9)
        assert abs(found - probability) < 4 * np.sqrt(probability * (1 - probability) / len(means)) + 1e-12
    moved = means[(means > 1e-9) & (means < 1 - 1e-9)]
    grid = np.linspace(0.0, 1.0, 2001)
    density = law.density(grid)
    cumulated = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    cumulated /= cumulated[-1]
    assert kstest(moved, lambda u: np.interp(u, grid, cumulated)).pvalue > 1e-3
