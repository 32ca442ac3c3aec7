"""Traps followed from event to event, against the simulation of the same candidates all at once."""

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.device.traps import Traps, draw_candidates, simulate, simulate_piecewise
from ftj_spice.engines.fast.events import Bank, Slots, Windows, follow

CARD = ftj.load_card("hzo_mfis_nominal")
ROWS, COLUMNS, PERIODS = 3, 2, 40
BIAS = (-0.02, 1.52)
STREAMS = [(j, i) for j in range(COLUMNS) for i in range(ROWS)]
TRAPS = Traps.from_card(CARD, ROWS * COLUMNS, np.linspace(-1.5, 1.5, ROWS * COLUMNS))
BANK = Bank(TRAPS, BIAS, 1.5, 11, STREAMS)
PERIOD, PAUSE = 5e-3, 3e-4
WINDOWS = Windows(PERIOD, PAUSE, np.full((ROWS, COLUMNS), 1.5))


@pytest.fixture(scope="module")
def whole():
    candidates = draw_candidates(TRAPS, PERIODS * PERIOD, BIAS, 11, STREAMS, initial_voltage=1.5)
    return simulate(candidates, np.zeros(1), np.array([1.5]))


@pytest.mark.parametrize("stretch", [1, 7, 40, 100])
def test_windows_hold_the_exact_mean_state(whole, stretch):
    states = np.concatenate([s.states for s in follow(BANK, WINDOWS, PERIODS, stretch)])
    assert states.shape == (PERIODS, ROWS, COLUMNS)
    begins = PERIOD * np.arange(PERIODS) + PAUSE
    edges = np.stack([begins, begins + PERIOD - PAUSE], axis=1).ravel()
    for k in range(ROWS * COLUMNS):
        column, row = divmod(k, ROWS)
        np.testing.assert_allclose(states[:, row, column], whole.averages(k, edges)[0::2], rtol=0, atol=1e-12)


def test_cells_see_their_own_bias():
    """A trap at a lower voltage is slower: its history is that of a simulation at that voltage."""
    bias = np.full((ROWS, COLUMNS), 1.5)
    bias[2, 1] = 1.4
    (stretch,) = follow(BANK, Windows(PERIOD, 0.0, bias), PERIODS, PERIODS)
    candidates = draw_candidates(TRAPS, PERIODS * PERIOD, BIAS, 11, STREAMS, initial_voltage=1.5)
    slower = simulate(candidates, np.zeros(1), np.array([1.4]))
    k = 1 * ROWS + 2
    edges = PERIOD * np.arange(PERIODS + 1)
    np.testing.assert_allclose(stretch.states[:, 2, 1], slower.averages(k, edges), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("first", "periods"), [(0, 40), (0, 3), (5, 4), (12, 1), (39, 1)])
def test_a_cut_is_what_a_simulation_needs_to_go_on(whole, first, periods):
    pieces = {s.first: s for s in follow(BANK, WINDOWS, PERIODS, 20 if periods < 20 else 40)}
    stretch = pieces[max(k for k in pieces if k <= first)]
    candidates, history = stretch.cut(first, periods)
    again = simulate(candidates, np.zeros(1), np.array([1.5]))
    assert (again.initial == history.initial).all()
    assert (np.diff(history.times) >= 0).all()
    span = (first * PERIOD, (first + periods) * PERIOD)
    for k in range(ROWS * COLUMNS):
        for one, other in zip(again.of(k), history.of(k), strict=True):
            assert (one == other).all()
        times, states = whole.of(k)
        inside = (times > span[0]) & (times <= span[1])
        np.testing.assert_allclose(history.of(k)[0] + span[0], times[inside], rtol=1e-12)
        assert (history.of(k)[1] == states[inside]).all()
        assert history.initial[k] == whole.state_at(k, np.array([span[0]]))[0]


@pytest.mark.parametrize("stretch", [40, 9])
def test_slots_hold_the_state_in_the_rows_own_slot(stretch):
    """Edges of one part in 1e9 of a slot make the bias piecewise constant, which the piecewise simulation knows."""
    slot = PERIOD / ROWS
    slots = Slots(slot, 1e-9 * slot, 0.9 * slot, 1.5, (ROWS, COLUMNS))
    states = np.concatenate([s.states for s in follow(BANK, slots, PERIODS, stretch)])
    c = draw_candidates(TRAPS, PERIODS * PERIOD, BIAS, 11, STREAMS, initial_voltage=1.5)
    for k in range(ROWS * COLUMNS):
        column, row = divmod(k, ROWS)
        begins = PERIOD * np.arange(PERIODS) + row * slot
        breaks = np.concatenate([[0.0], np.stack([begins, begins + slot], axis=1).ravel()[0 if row else 1 :]])
        volts = np.zeros(len(breaks))
        volts[(0 if row == 0 else 1) :: 2] = 1.5
        times, traps, news = simulate_piecewise(c.times, c.draws, c.offsets, c.initial, c.table, breaks, volts)
        own = traps == k
        before = np.searchsorted(times[own], begins + 0.9 * slot, side="right")
        expected = np.concatenate([[c.initial[k]], news[own]])[before]
        assert (states[:, row, column] == expected).all()
    assert 0 < states.mean() < 1
