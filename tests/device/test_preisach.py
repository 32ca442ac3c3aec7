"""Preisach's tanh branches: the outer loop, the memory of turning points, and the cell around it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.device.card import load_card
from ftj_spice.device.preisach import Hysteron, PreisachSwitching
from ftj_spice.device.waveform import Waveform

NOMINAL = load_card("hzo_mfis_nominal").with_values(switching="preisach")
DEPOLARIZED = NOMINAL.with_values(interface_compensation=0.9)
RATIO = NOMINAL.remanent_polarization / NOMINAL.saturation_polarization

fields = st.floats(-6, 6, allow_subnormal=False).map(lambda x: round(x, 3))
paths = st.lists(fields, min_size=1, max_size=12)


def walked(path, ratio=RATIO, up=False):
    cell = Hysteron(ratio, up)
    for field in path:
        cell.move(field)
    return cell


def test_outer_loop():
    """Through -P_r at zero field, zero at the coercive field, towards P_s; and the mirror image back."""
    cell = Hysteron(RATIO)
    assert cell.at(0.0) == pytest.approx(-RATIO)
    assert cell.at(1.0) == pytest.approx(0.0, abs=1e-15)
    assert cell.at(2.0) == pytest.approx(RATIO)
    assert cell.at(30.0) == pytest.approx(1.0)
    cell.move(30.0)
    assert cell.at(0.0) == pytest.approx(RATIO)
    assert cell.at(-1.0) == pytest.approx(0.0, abs=1e-12)
    assert cell.at(-30.0) == pytest.approx(-1.0)
    x = np.linspace(0, 4, 9)
    expected = np.tanh(0.5 * np.log((1 + RATIO) / (1 - RATIO)) * (x - 1))  # the formula in the card's units
    np.testing.assert_allclose([Hysteron(RATIO).at(f) for f in x], expected, atol=1e-14)


@given(paths, st.booleans())
def test_mirror_symmetry_and_bounds(path, up):
    plain, mirrored = walked(path, up=up), walked([-f for f in path], up=not up)
    assert plain.polarization == pytest.approx(-mirrored.polarization, abs=1e-12)
    assert abs(plain.polarization) <= 1.0
    low, high = (np.tanh(0.5 * np.log((1 + RATIO) / (1 - RATIO)) * (path[-1] + d)) for d in (-1, 1))
    assert low - 1e-9 <= plain.polarization <= high + 1e-9  # never outside the outer loop
    assert abs(plain.at(0.0)) <= RATIO + 1e-9


@given(paths, fields, fields)
def test_polarization_follows_the_field(path, first, second):
    cell = walked(path)
    low, high = sorted((first, second))
    assert cell.at(low) <= cell.at(high) + 1e-12


@given(paths, fields, st.integers(1, 6))
def test_only_turning_points_matter(path, target, steps):
    direct, stepwise = walked(path), walked(path)
    direct.move(target)
    for field in np.linspace(path[-1], target, steps + 1)[1:-1]:
        stepwise.move(float(field))
    stepwise.move(target)
    assert stepwise.polarization == pytest.approx(direct.polarization, abs=1e-9)
    assert len(stepwise.turning_points) == len(direct.turning_points)


@given(paths, st.floats(0.05, 0.95), fields)
def test_return_point_memory(path, depth, end):
    """A way back that stays short of the last turning point returns to where it began, and leaves no trace."""
    cell, plain = walked(path), walked(path)
    last = cell.turning_points[-1][0]
    if np.isinf(last):
        last = np.sign(last) * 6.0
    cell.move(path[-1] + depth * (last - path[-1]))
    cell.move(path[-1])
    assert cell.polarization == pytest.approx(plain.polarization, abs=1e-9)
    cell.move(end)
    plain.move(end)
    assert cell.polarization == pytest.approx(plain.polarization, abs=1e-9)


def test_a_larger_loop_wipes_out_the_smaller_ones():
    cell = walked([2.0, -1.5, 1.0, -0.5, 0.3])
    assert len(cell.turning_points) == 6
    straight = walked([2.0, -1.5])
    for wiping in (1.0, 2.0, 2.5):  # at each earlier turning point the branch before is taken up again
        cell.move(wiping)
        straight.move(wiping)
        assert cell.polarization == pytest.approx(straight.polarization, abs=1e-12)
    assert cell.turning_points == [(np.inf, 1.0), (-np.inf, -1.0)]
    assert cell.polarization == pytest.approx(Hysteron(RATIO).at(2.5))


def test_saturation_forgets():
    cell = walked([1.2, -0.7, 0.9, -2.0, 1.0, 40.0])
    for field in (0.0, -1.0, -2.0):
        cell.move(field)
        assert cell.polarization == pytest.approx(Hysteron(RATIO, up=True).at(field), abs=1e-9)


def test_minor_loops_between_the_same_fields_are_alike():
    """Congruent up to the scale of P: the branches are affine images of one branch. Closed, too."""
    loops = []
    for before in ([], [3.0, -1.2]):
        cell = walked([*before, 1.5, 0.2])
        loop = []
        for field in [*np.linspace(0.2, 1.2, 30), *np.linspace(1.2, 0.2, 30)]:
            cell.move(float(field))
            loop.append(cell.polarization)
        assert loop[0] == pytest.approx(loop[-1], abs=1e-12)
        loops.append((np.array(loop) - loop[0]) / (max(loop) - loop[0]))
    np.testing.assert_allclose(loops[0], loops[1], atol=1e-9)


def test_reduced_units_of_a_cell():
    cell = PreisachSwitching(NOMINAL)
    volts = NOMINAL.coercive_field * NOMINAL.ferroelectric_thickness / NOMINAL.electrostatics.divider
    assert cell.polarization == pytest.approx(-NOMINAL.remanent_polarization)
    cell.step(1.0, 0.0, volts)
    assert cell.polarization == pytest.approx(0.0, abs=1e-12)
    cell.step(1.0, volts, 20 * volts)
    assert cell.polarization == pytest.approx(NOMINAL.saturation_polarization)
    cell.step(1.0, 20 * volts, 0.0)
    assert cell.polarization == pytest.approx(NOMINAL.remanent_polarization)
    assert cell.normalised == pytest.approx(1.0)


def test_reads_after_the_first_leave_the_state():
    """The model has no reversible part: the first read at V_VMM takes 6.5 % of a cell along, the next ones nothing."""
    cell, states = PreisachSwitching(NOMINAL), []
    for _ in range(3):
        cell.step(1.0, 0.0, 0.5)
        cell.step(1.0, 0.5, 0.0)
        states.append(cell.normalised[0])
    assert states[0] == pytest.approx(-0.869, abs=0.001)
    assert states[1] == states[2] == pytest.approx(states[0], abs=1e-12)


@pytest.mark.parametrize("card", [NOMINAL, DEPOLARIZED], ids=["plain", "depolarized"])
def test_rate_independence(card):
    fast, slow = Waveform.triangle(4.0, 1e6, 2.25), Waveform.triangle(4.0, 1.0, 2.25)
    a, b = (PreisachSwitching(card).apply(w) for w in (fast, slow))
    np.testing.assert_allclose(a, b, atol=1e-9)
    coarse = PreisachSwitching(card)
    np.testing.assert_allclose(coarse.apply(slow, slow.times), b[np.searchsorted(slow.grid(), slow.times)], atol=1e-9)


@pytest.mark.parametrize("up", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_any_start(up):
    cell = PreisachSwitching(NOMINAL, 2, up=up)
    np.testing.assert_allclose(cell.fraction_up, up, atol=1e-9)
    np.testing.assert_allclose(cell.polarization, NOMINAL.remanent_polarization * (2 * up - 1), atol=1e-9)


def test_scales():
    cells = PreisachSwitching(
        NOMINAL, 3, activation_scale=np.array([0.8, 1.0, 1.25]), remanent_scale=np.array([1.0, 0.5, 2.0])
    )
    np.testing.assert_allclose(cells.polarization, -0.2 * np.array([1.0, 0.5, 2.0]))
    volts = NOMINAL.coercive_field * NOMINAL.ferroelectric_thickness / NOMINAL.electrostatics.divider
    cells.step(1.0, 0.0, volts * np.array([0.8, 1.0, 1.25]))
    np.testing.assert_allclose(cells.polarization, 0.0, atol=1e-12)
    one = PreisachSwitching(NOMINAL, 1, activation_scale=np.array([1.25]), remanent_scale=np.array([2.0]))
    wave = Waveform.pulses([3.0, -2.5], 1e-6, 1e-7, 1e-7)
    together = PreisachSwitching(
        NOMINAL, 3, activation_scale=np.array([0.8, 1.0, 1.25]), remanent_scale=np.array([1.0, 0.5, 2.0])
    )
    np.testing.assert_array_equal(together.apply(wave)[:, 2], one.apply(wave)[:, 0])


def crossings(card):
    wave = Waveform.triangle(9.0, 1.0, 2)
    grid = np.linspace(1.0, 2.0, 2001)
    cell = PreisachSwitching(card)
    cell.apply(Waveform.triangle(9.0, 1.0, 1))
    p = []
    for voltage in wave.at(grid):
        cell.step(0.0, voltage, voltage)
        p.append(cell.polarization[0])
    where = np.flatnonzero(np.diff(np.sign(p)))
    return np.sort(wave.at(grid)[where])


def test_imprint_shifts_the_loop():
    field = 3e7
    shift = field * NOMINAL.ferroelectric_thickness / NOMINAL.electrostatics.divider
    np.testing.assert_allclose(
        crossings(NOMINAL.with_values(imprint_field=field)) - crossings(NOMINAL), shift, atol=0.03
    )


def test_depolarization_shears_the_loop():
    """The field settles with the polarization it makes; the remanence at zero voltage falls, the coercivity stays."""
    sheared = PreisachSwitching(DEPOLARIZED)
    for voltage in (9.0, 2.0, -1.0, 0.0):
        sheared.step(1.0, voltage, voltage)
        stack = DEPOLARIZED.electrostatics
        expected = stack.field(voltage, sheared.polarization[0]) / DEPOLARIZED.coercive_field
        assert sheared._cells[0].field == pytest.approx(float(expected), abs=1e-10)
    assert 0 < sheared.polarization[0] < 0.95 * DEPOLARIZED.remanent_polarization
    np.testing.assert_allclose(crossings(DEPOLARIZED), crossings(NOMINAL), atol=0.02)


def test_a_held_voltage_leaves_no_turning_points():
    cell = PreisachSwitching(DEPOLARIZED)
    for voltage in (3.0, -1.0):
        cell.step(1.0, voltage, voltage)
    before = cell._cells[0].turning_points
    for _ in range(20):
        cell.step(1.0, -1.0, -1.0)
    assert cell._cells[0].turning_points == before
