"""The switching law against published fractions; the mean model against quadrature, its own equations and limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from ftj_spice.device.activation import domain_groups
from ftj_spice.device.card import load_card
from ftj_spice.device.domains import DomainSwitching
from ftj_spice.device.switching import (
    REGULARISATION,
    RUN_DOWN,
    MeanSwitching,
    switched_fraction,
    switching_rate,
)
from ftj_spice.device.waveform import Waveform

NOMINAL = load_card("hzo_mfis_nominal")
DEPOLARIZED = NOMINAL.with_values(interface_compensation=0.98)
SET_A = load_card("switching_set_a")

FIELDS = np.array([1.0, 1.5, 2.0, 2.5]) * 1e8
TIMES = np.array([1e-6, 1e-5, 1e-4])
PUBLISHED = np.array([[0.010, 0.071, 0.180], [0.225, 0.735, 0.890], [0.704, 0.967, 0.987], [0.919, 0.994, 0.998]])
"""Set A, switched fractions at FIELDS (rows) and TIMES (columns)."""


def test_set_a_table():
    np.testing.assert_allclose(switched_fraction(SET_A, FIELDS[:, None], TIMES, 200_000), PUBLISHED, atol=0.01)
    np.testing.assert_allclose(switched_fraction(SET_A, FIELDS[:, None], TIMES), PUBLISHED, atol=0.01)


@pytest.mark.parametrize(("voltage", "times", "fractions"), [
    (3.5, [1e-7, 1e-6, 1e-5], [0.33, 0.86, 0.98]),
    (4.0, [1e-7, 1e-6, 1e-5], [0.59, 0.98, 1.00]),
    (3.0, [1e-7, 1e-6, 1e-5], [0.13, 0.56, 0.86]),
    (2.5, [1e-6], [0.21]),
])  # fmt: skip
def test_nominal_pulses(voltage, times, fractions):
    field = NOMINAL.electrostatics.field(voltage)
    np.testing.assert_allclose(switched_fraction(NOMINAL, field, times, 200_000), fractions, atol=0.02)
    for time, fraction in zip(times, fractions, strict=True):
        cell = MeanSwitching(NOMINAL)
        cell.step(time, voltage, voltage)
        assert cell.fraction_up[0] == pytest.approx(fraction, abs=0.02)


@pytest.mark.parametrize("card", [NOMINAL, SET_A], ids=lambda card: card.name)
@pytest.mark.parametrize("voltage", [1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("down", [False, True])
def test_constant_field_is_the_quadrature(card, voltage, down):
    """Exact but for the regularisation, 1e-3 of a group: 1.5e-3 of the fraction."""
    field = card.electrostatics.field(voltage)
    for time in (1e-7, 1e-6, 1e-5, 1e-4):
        cell, applied = MeanSwitching(card, up=float(down)), -voltage if down else voltage
        cell.step(time, applied, applied)
        switched = 1.0 - cell.fraction_up[0] if down else cell.fraction_up[0]
        assert switched == pytest.approx(float(switched_fraction(card, field, time)), abs=1.5e-3)


def solved(card, wave):
    """The written equations by an adaptive integrator, segment by segment; s at the corners."""
    groups, stack = domain_groups(card), card.electrostatics
    count, beta = len(groups), card.weibull_exponent

    def slopes(time, state, begin, end, duration):
        up, to_up, to_down = state.reshape(3, count)
        polarization = card.remanent_polarization * (2 * (groups.weight @ up) - 1)
        field = stack.field(begin + (end - begin) * time / duration, polarization) + groups.offset_field
        rate = switching_rate(card, field, groups.activation_field)
        down = 1 - up
        rising = beta * (np.maximum(to_up, 0) / (down + REGULARISATION)) ** (beta - 1) * rate
        falling = beta * (np.maximum(to_down, 0) / (up + REGULARISATION)) ** (beta - 1) * rate
        return np.where(
            np.tile(field > 0, 3),
            np.concatenate([down * rising, down * rate - to_up * rising, -RUN_DOWN * rate * to_down]),
            np.concatenate([-up * falling, -RUN_DOWN * rate * to_up, up * rate - to_down * falling]),
        )

    state, out = np.zeros(3 * count), [-1.0]
    for k, duration in enumerate(np.diff(wave.times)):
        part = integrate.solve_ivp(
            slopes, (0, duration), state, "LSODA", args=(*wave.voltages[k : k + 2], duration), rtol=1e-8, atol=1e-11
        )
        state = part.y[:, -1]
        out.append(2 * (groups.weight @ state[:count]) - 1)
    return np.array(out)


TRAIN = Waveform.pulses([3.2, -2.8, 3.0, -3.5, 2.5, 2.5], 1e-6, 1e-7, 1e-7)
SLOW = Waveform.triangle(3.0, 1e4, 1.75)


@pytest.mark.parametrize("wave", [TRAIN, SLOW], ids=["pulses", "triangle"])
@pytest.mark.parametrize(("card", "bound"), [
    (NOMINAL, 1e-5), (SET_A, 1e-5), (load_card("switching_set_d"), 1e-5), (DEPOLARIZED, 5e-3),
], ids=["nominal", "set a", "offsets", "depolarized"])  # fmt: skip
def test_mean_model_solves_its_equations(card, bound, wave):
    """Of the whole swing 2. With depolarization the model's substeps are first order in the feedback."""
    np.testing.assert_allclose(MeanSwitching(card).apply(wave, wave.times)[:, 0], solved(card, wave), atol=bound)


def test_minor_loops_follow_the_domains():
    """The closure (one mean history per group): measured 0.022 of the fraction over such trains, plus the sampling."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for k in range(12):
        amplitudes = rng.uniform(2, 4, 6) * [1, -1, 1, -1, 1, -1]
        wave = Waveform.pulses(list(amplitudes), 10 ** rng.uniform(-7.3, -5.3), 2e-8, 1e-7)
        mean = MeanSwitching(NOMINAL).apply(wave, wave.times)[:, 0]
        domains = DomainSwitching(NOMINAL, seed=k, domains=20_000).apply(wave, wave.times)[:, 0]
        worst = max(worst, np.abs(mean - domains).max() / 2)
    assert worst < 0.03


def test_cells_are_independent():
    scale, remanent = np.array([0.9, 1.0, 1.1]), np.array([1.0, 0.8, 1.2])
    for card in (NOMINAL, SET_A):
        together = MeanSwitching(card, 3, activation_scale=scale, remanent_scale=remanent)
        run = together.apply(TRAIN)
        for k in range(3):
            alone = MeanSwitching(card, 1, activation_scale=scale[k : k + 1], remanent_scale=remanent[k : k + 1])
            np.testing.assert_allclose(run[:, k], alone.apply(TRAIN)[:, 0], atol=1e-12)
            np.testing.assert_allclose(together.polarization[k], alone.polarization[0], rtol=1e-12)
    same = MeanSwitching(DEPOLARIZED, 3).apply(TRAIN)
    np.testing.assert_allclose(same, np.tile(MeanSwitching(DEPOLARIZED).apply(TRAIN), 3), atol=1e-12)


@given(
    st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6),
    st.floats(-4, 4).filter(lambda v: abs(v) > 0.5),
    st.floats(-8, -5),
)
@settings(deadline=None)
def test_a_pulse_in_parts_is_the_pulse(parts, voltage, exponent):
    """To the accuracy of the integration in the clock, whose steps the parts cut anew."""
    whole, split = MeanSwitching(NOMINAL, up=0.5), MeanSwitching(NOMINAL, up=0.5)
    duration = 10.0**exponent
    whole.step(duration, voltage, voltage)
    for part in parts:
        split.step(duration * part / sum(parts), voltage, voltage)
    assert split.fraction_up[0] == pytest.approx(whole.fraction_up[0], abs=1e-5)


def test_history_accumulates_and_runs_down():
    """Three pulses of one sign equal one long; an opposite one between wipes the history of the domains in wait."""
    single = MeanSwitching(NOMINAL)
    single.step(3e-8, 3.0, 3.0)
    accumulated = MeanSwitching(NOMINAL).apply(Waveform.pulses([3.0] * 3, 1e-8, 1e-15, 1e-6))[-1, 0]
    assert accumulated == pytest.approx(single.normalised[0], abs=1e-3)
    # At a low opposite field few flip back, but the clocks run down.
    wiped = MeanSwitching(NOMINAL)
    for voltage in (3.0, -3.0, 3.0):
        wiped.step(1e-8, voltage, voltage)
    assert wiped.state.towards_up.sum() < single.state.towards_up.sum()
    assert wiped.normalised[0] < single.normalised[0]


def test_saturated_cells_ignore_what_they_favour():
    for up, voltage in ((0.0, -4.0), (1.0, 4.0)):
        cell = MeanSwitching(NOMINAL, up=up)
        cell.step(1.0, voltage, voltage)
        assert cell.fraction_up[0] == pytest.approx(up, abs=1e-12)


@pytest.mark.parametrize("card", [NOMINAL, DEPOLARIZED, load_card("switching_set_d")], ids=["nominal", "depol", "d"])
def test_fractions_stay_in_range_and_loops_are_symmetric(card):
    wave = Waveform.triangle(4.5, 1e4, 3)
    s = MeanSwitching(card).apply(wave)[:, 0]
    assert s.min() >= -1.0 - 1e-12
    assert s.max() <= 1.0 + 1e-12
    grid = wave.grid()
    up = np.interp(1.0e-4 + np.linspace(0, 1e-4, 50), grid, s)
    down = np.interp(1.5e-4 + np.linspace(0, 1e-4, 50), grid, s)
    if card.offset_field_spread == 0:
        np.testing.assert_allclose(up, -down, atol=2e-3)


def coercive(card):
    wave = Waveform.triangle(5.0, 1e4, 2)
    grid = np.linspace(1e-4, 2e-4, 4001)
    s = MeanSwitching(card).apply(wave, grid)[:, 0]
    volts = wave.at(grid)
    crossings = np.flatnonzero(np.diff(np.sign(s)))
    return sorted(volts[crossings])


def test_imprint_shifts_the_loop():
    field = 2e7
    shift = field * NOMINAL.ferroelectric_thickness / NOMINAL.electrostatics.divider
    plain, shifted = coercive(NOMINAL), coercive(NOMINAL.with_values(imprint_field=field))
    assert len(plain) == len(shifted) == 2
    np.testing.assert_allclose(np.subtract(shifted, plain), shift, rtol=0.05)


def test_depolarization_hinders_and_undoes_switching():
    hindered, free = (MeanSwitching(card) for card in (DEPOLARIZED, NOMINAL))
    for cell in (hindered, free):
        cell.step(1e-6, 3.5, 3.5)
    assert hindered.normalised[0] < free.normalised[0] - 0.01
    full = MeanSwitching(NOMINAL.with_values(interface_compensation=0.7), up=1.0)
    before = full.normalised[0]
    full.step(1.0, 0.0, 0.0)
    assert full.normalised[0] < before - 0.05


def test_depolarized_substeps_converge():
    """Shorter steps from outside change the model's own substepping's result by less than its bound."""
    coarse, fine = MeanSwitching(DEPOLARIZED), MeanSwitching(DEPOLARIZED)
    coarse.step(1e-6, 3.5, 3.5)
    for _ in range(2000):
        fine.step(5e-10, 3.5, 3.5)
    assert coarse.normalised[0] == pytest.approx(fine.normalised[0], abs=3e-3)


def test_state_is_a_copy_and_can_be_put_back():
    cell = MeanSwitching(NOMINAL)
    kept = cell.state
    cell.step(1e-6, 3.5, 3.5)
    later = cell.normalised[0]
    assert kept.up.max() == 0.0
    cell.state = kept
    assert cell.normalised[0] == -1.0
    cell.step(1e-6, 3.5, 3.5)
    assert cell.normalised[0] == later


def test_rate_at_no_field():
    assert switching_rate(NOMINAL, 0.0, 1e8) == 0.0
    assert switching_rate(NOMINAL, [-3e8, 3e8], 3e8) == pytest.approx(np.exp(-1) / NOMINAL.attempt_time)


def test_a_cell_with_depolarization_does_not_see_its_neighbours():
    card = NOMINAL.with_values(interface_compensation=0.95)
    scales = np.array([1.0, 0.8, 1.1, 0.6])
    together = MeanSwitching(card, 4, activation_scale=scales)
    alone = MeanSwitching(card, 1, activation_scale=scales[:1])
    for cells in (together, alone):
        cells.step(1e-7, 3.5, 3.5)
    assert together.normalised[0] == alone.normalised[0]


def test_a_broad_distribution_with_depolarization_ends():
    card = NOMINAL.with_values(activation_sigma=1.2e8, interface_compensation=0.95)
    cell = MeanSwitching(card)
    cell.step(1e-6, 4.0, 4.0)
    assert 0.0 < cell.normalised[0] < 1.0
