"""Window means of traps of any speed: exact ones against closed forms, drawn ones against exact ones."""

import numpy as np
import pytest

from ftj_spice.device.moments import window_moments
from ftj_spice.device.occupation import WindowLaw
from ftj_spice.device.streams import stream_words
from ftj_spice.sampling.calibration.windows import FAST, LARGEST_ERROR, LONG, MANY, Timing, collect, trap_table

PAUSE = 0.05


def draw(occupancy, ratio, count, *, seed=1, fast=None, noise=0.0, state=0):
    """Returns the filled shares of one trap over windows of 1 s."""
    tau = 1.0 / ratio
    timing = Timing(1.0, PAUSE)
    capture, emission = np.array([[tau / occupancy]]), np.array([[tau / (1 - occupancy)]])
    table = trap_table(capture, emission, np.ones((1, 1)), timing)
    if fast is not None:
        table[..., FAST] = fast
    words = stream_words(seed, "test", [(0,), (1,)]).reshape(2, 1)
    out, states = np.zeros((1, count)), np.full((1, 1), state)
    chosen = np.zeros((1, 1), np.int64)
    collect(table, states, words[:1], chosen, 1.0, PAUSE, np.array([noise]), words[1].copy(), out)
    return out[0]


def check_moments(shares, occupancy, ratio):
    """Two-sided false-alarm rate about 1e-6 for each figure: 4.9 standard errors from 64 batches, with their spread."""
    expected = window_moments(occupancy, 1.0 / ratio, 1.0, PAUSE)
    y = shares - float(expected.mean)
    for values, wanted in (
        (y, 0.0),
        (y**2, expected.variance),
        (y**3, expected.third),
        (y**4, expected.fourth),
        (y[1:] * y[:-1], expected.covariance),
    ):
        batches = np.array([part.mean() for part in np.array_split(values, 64)])
        assert abs(values.mean() - wanted) < 5.4 * batches.std(ddof=1) / 8.0


@pytest.mark.parametrize(("occupancy", "ratio"), [(0.5, 0.3), (0.2, 3.0), (0.8, 30.0)])
def test_slow_traps_have_the_closed_forms_moments(occupancy, ratio):
    check_moments(draw(occupancy, ratio, 400_000), occupancy, ratio)


@pytest.mark.parametrize(("occupancy", "ratio"), [(0.5, 60.0), (0.15, 200.0), (0.9, 1e4), (0.5, 1e6)])
def test_fast_traps_have_the_closed_forms_moments(occupancy, ratio):
    transitions = 2.0 * occupancy * (1.0 - occupancy) * ratio
    assert transitions > MANY and ratio > LONG
    check_moments(draw(occupancy, ratio, 400_000), occupancy, ratio)


@pytest.mark.parametrize("occupancy", [0.5, 0.2, 0.05])
def test_the_drawn_law_is_the_exact_one_within_its_stated_error(occupancy):
    """At the switch-over, where it is worst; 1e6 samples, whose own distance exceeds 2.7e-3 once in 1e6 times."""
    ratio = max(MANY / (2.0 * occupancy * (1.0 - occupancy)), LONG) * 1.001
    shares = np.sort(draw(occupancy, ratio, 1_000_000, fast=1.0))
    law = WindowLaw.of(occupancy, 1.0 / ratio, 1.0)
    begin, masses = law.masses(1e-4)
    upto = np.cumsum(masses) - 0.5 * masses
    nodes = 1e-4 * (begin + np.arange(len(masses)))
    exact = np.interp(shares, nodes, upto)
    distance = np.max(np.abs(exact - (np.arange(len(shares)) + 0.5) / len(shares)))
    assert distance < LARGEST_ERROR + 2.7e-3


def test_which_traps_are_drawn():
    timing = Timing(1.0, 0.01)
    tau = np.array([1.0 / 30, 1.0 / 47, 1.0 / 49])
    assert trap_table(2 * tau, 2 * tau, tau, timing)[:, FAST].tolist() == [0.0, 0.0, 1.0]
    rare = np.array([1e-3])  # many relaxation times, few transitions: the trap is nearly always empty
    assert trap_table(rare * 200, rare, rare, timing)[0, FAST] == 0.0


def test_a_trap_that_does_not_move_keeps_its_state():
    assert draw(0.5, 1e-12, 100, state=1) == pytest.approx(np.ones(100))
    assert (draw(0.5, 1e-12, 100, state=0) == 0.0).all()


def test_read_noise_is_normal_and_its_own():
    quiet, noisy = draw(0.5, 1.0, 100_000), draw(0.5, 1.0, 100_000, noise=0.3)
    noise = noisy - quiet
    assert abs(noise.mean()) < 4.9 * 0.3 / np.sqrt(1e5)
    assert abs(noise.std() / 0.3 - 1.0) < 4.9 / np.sqrt(2e5)
    assert abs(np.mean(noise**3)) / 0.027 < 4.9 * np.sqrt(15 / 1e5)
    assert abs(np.corrcoef(noise, quiet)[0, 1]) < 4.9 / np.sqrt(1e5)
