"""The vectorised array: pulses as the device model does them, exposures as if each were applied at once."""

import numba
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from writing_support import problem, write

from ftj_spice.array.writing import pending, vector
from ftj_spice.array.writing.advance import advance
from ftj_spice.array.writing.check import check_ladder
from ftj_spice.array.writing.devices import draw_devices
from ftj_spice.array.writing.ladder import RowLadder
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.array.writing.vector import Domains, Groups, VectorChip
from ftj_spice.common.errors import DataError, FtjSpiceError, SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.domains import DomainSwitching
from ftj_spice.device.switching import GONE, RUN_DOWN, MeanSwitching, slopes
from ftj_spice.engines.fast import FastReader

CARDS = ["hzo_mfis_nominal", "switching_set_a", "switching_set_d"]


@pytest.mark.parametrize("card", CARDS)
def test_pulses_act_as_in_the_device_model(card):
    c = load_card(card)
    settings, cells = ProgramSettings(initial=1.0), 5
    devices = draw_devices(c, (1, cells), settings, 3)
    mine = Groups(c, devices, settings)
    theirs = MeanSwitching(c, cells, up=1.0, activation_scale=devices.activation_scale.ravel())
    rng = np.random.default_rng(1)
    per_field = c.ferroelectric_thickness / c.electrostatics.divider
    largest = 1.3 * per_field * float(np.mean(theirs.groups.activation_field)) * 0.5
    worst = 0.0
    for number in range(25):
        volts = rng.uniform(-largest, largest, cells) if number else np.full(cells, -largest)
        width = (1e-6, 1e-5, 3e-7)[number % 3]
        for duration, begin, end in ((1e-8, 0.0, 1.0), (width, 1.0, 1.0), (1e-8, 1.0, 0.0)):
            theirs.step(duration, begin * volts, end * volts)
        mine.pulse(slice(0, cells), volts, np.ones(cells), width)
        worst = max(worst, float(np.max(np.abs(mine.normalised(slice(0, cells)) - theirs.normalised))))
    # Offset fields do not shrink with the voltage on an edge, which the closed form for edges leaves out.
    assert worst < (5e-3 if c.offset_field_spread else 3e-5)
    assert np.ptp(theirs.normalised) > 0.1


@pytest.mark.parametrize("share", [1.0, 0.3, 1e-2, 1e-4, 2e-6])
def test_the_closed_form_for_beta_2_is_the_integral_of_the_slopes(share):
    for ratio in (0.0, 0.02, 0.7):
        for theta in (1e-7, 1e-4, 0.01, 0.4, 3.0, 50.0):
            n, a, b = advance(share, ratio * share, 0.3, theta, 2.0)
            steps = solve_ivp(
                lambda _, y: slopes.py_func(y[0], y[1], 2.0), (0.0, theta), (share, ratio * share), "LSODA",
                rtol=1e-10, atol=1e-16,
            ).y[:, -1]  # fmt: skip
            gone = steps[0] <= GONE
            np.testing.assert_allclose([n, a], [0.0, 0.0] if gone else steps, rtol=1e-6, atol=1e-13)
            assert b == pytest.approx(0.3 * np.exp(-RUN_DOWN * theta), rel=1e-9, abs=1e-15)


def test_domains_flip_as_often_as_in_the_device_model():
    c = load_card("hzo_mfis_nominal").with_values(domains=2000)
    settings = ProgramSettings(initial=0.0, spread=0.0, edge=1e-12)
    devices = draw_devices(c, (1, 40), settings, 1)
    mine = Domains(c, devices, settings, 1)
    mine.pulse(slice(0, 40), np.full(40, 3.0), np.ones(40), 1e-6)
    theirs = DomainSwitching(c, 40, 2)
    theirs.step(1e-6, 3.0)
    # 80,000 domains each, p near 0.56: the difference has sigma 0.0025 (of the share); 5 sigma
    difference = 0.5 * (np.mean(mine.normalised(slice(0, 40))) - np.mean(theirs.normalised))
    assert abs(difference) < 5 * 0.0025


@pytest.mark.parametrize("scheme", ["v2", "v3"])
def test_gathered_exposures_equal_immediate_ones(scheme, monkeypatch):
    changes = {"scheme": scheme, "passes": 1, "verify_noise": 0.0, "stuck": 0.02}
    gathered, *_ = write((12, 10), **changes)
    monkeypatch.setattr(vector, "BOUND", 0.0)
    monkeypatch.setattr(pending, "ROWS", 1)
    immediate, *_ = write((12, 10), **changes)
    assert np.array_equal(gathered.pulses, immediate.pulses)
    moved = np.sqrt(np.mean(immediate.disturb**2))
    assert moved > 0.01  # there is something to compare
    off = gathered.conductance - immediate.conductance
    assert np.sqrt(np.mean(off**2)) / gathered.step < 0.03 * moved
    assert np.max(np.abs(off)) / gathered.step < 0.02


def test_neighbours_are_disturbed_as_the_device_model_says():
    """One row is written by hand; the cells of another follow MeanSwitching under the scheme's voltages."""
    card, settings, _, devices = problem((2, 3), spread=0.0, scheme="v2", initial=0.0, groups=32, line_resistance=0.0,
                                         driver_resistance=0.0)  # fmt: skip
    chip = VectorChip(card, devices, settings)
    amplitudes = (3.0, 3.5, 4.0, 4.2)
    written = np.array([True, True, False])
    for k, amplitude in enumerate(amplitudes):
        written[1] = k < 2  # done after two pulses
        chip.pulse(0, amplitude, written, np.ones(3))
    chip.end_phase()
    chip.end_row()
    model = MeanSwitching(card, 3, groups=32)
    for k, amplitude in enumerate(amplitudes):
        seen = 0.5 * amplitude * np.array([1.0, float(k < 2), 0.0])
        for duration, begin, end in ((1e-8, 0.0, 1.0), (1e-6, 1.0, 1.0), (1e-8, 1.0, 0.0)):
            model.step(duration, begin * seen, end * seen)
    found = chip.polarization[1]
    assert model.normalised[0] > -0.9
    np.testing.assert_allclose(found, model.normalised, atol=2e-3)
    assert found[2] == pytest.approx(-1.0)


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch):
    from ftj_spice.array.writing import kernels

    monkeypatch.setattr(kernels, "_FEW", 0)
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append([write((6, 9), model=model)[0] for model in ("mean", "domains")])
    finally:
        numba.set_num_threads(before)
    for a, b in zip(*results, strict=True):
        assert a.conductance.tobytes() == b.conductance.tobytes()
        assert a.energy.tobytes() == b.energy.tobytes()


def test_a_single_cell_behind_its_wires():
    card, settings, *_ = problem((1, 1), line_resistance=500.0, driver_resistance=1000.0, sense_resistance=300.0)
    ladder = RowLadder.of(card.conduction, settings, 0, 1)
    g = np.array([card.on_conductance])
    volts, current = ladder.solve(g, 3.5, np.zeros(1))
    total = 500.0 + 1000.0 + 500.0 + 300.0
    expected = brentq(lambda v: v + total * float(card.conduction.current(g[0], v)) - 3.5, 0.0, 3.5, xtol=1e-14)
    assert volts[0] == pytest.approx(expected, abs=1e-10)
    assert expected < 3.4
    assert current[0] == pytest.approx((3.5 - expected) / total)


@pytest.mark.parametrize("law", ["sinh", "linear", "physical"])
@pytest.mark.parametrize("topology", ["crossbar", "1t1f", "and"])
def test_the_ladder_reads_as_the_whole_array_does(law, topology):
    scheme = "v3" if topology == "crossbar" else "inhibit"
    wires = {"line_resistance": 100.0, "drive": "both", "sense": "first"}
    card, settings, targets, _ = problem((6, 8), topology=topology, scheme=scheme, **wires)
    chosen = card.with_values(law=law)
    low, high = chosen.off_conductance, chosen.on_conductance
    g = low + (high - low) * targets.level / 15.0
    read = np.empty(g.shape)
    for row in range(len(g)):
        _, current = RowLadder.of(chosen.conduction, settings, row, len(g)).solve(g[row], 0.5, np.zeros(8))
        read[row] = current / 0.5
    with FastReader() as reader:
        check = check_ladder(chosen, settings, g, read, targets.step, reader)
        wrong = check_ladder(chosen, settings, g, read + 0.05 * targets.step, targets.step, reader)
    assert check.rows == 6 and check.passes and not wrong.passes
    assert check.largest < (5e-3 if topology == "and" else 3e-4)  # gates that are off leak a little


def test_wires_that_eat_the_whole_pulse_still_have_a_solution():
    card, settings, *_ = problem((4, 40), line_resistance=1e6, driver_resistance=1e6)
    ladder = RowLadder.of(card.conduction, settings, 0, 4)
    volts, current = ladder.solve(np.full(40, card.on_conductance), 4.0, np.zeros(40))
    assert np.all(np.diff(volts) < 0)
    assert np.all(current > 0)
    assert 4.0 - volts[0] == pytest.approx(current.sum() * 2e6 + current[0] * 4e6, rel=1e-6)


@pytest.mark.parametrize(
    ("card", "changes", "word"),
    [
        ({"interface_compensation": 0.9}, {}, "depolarization"),
        ({"switching": "preisach"}, {}, "Preisach"),
        ({"offset_field_spread": 1e7}, {"model": "domains"}, "offset fields"),
    ],
)
def test_cards_that_are_not_followed_are_refused(card, changes, word):
    chosen, settings, _, devices = problem((1, 2), **changes)
    with pytest.raises(SettingsError, match=word):
        VectorChip(chosen.with_values(**card), devices, settings)


def test_stuck_devices_must_fit_the_array():
    with pytest.raises(DataError, match="shape"):
        problem((2, 2), devices_stuck=np.zeros((2, 3), np.int8))
    assert issubclass(DataError, FtjSpiceError)
