"""Pristine cells, what temperature and cycles make of them, and the bits that the read-out takes from them."""

import numpy as np
import pytest
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.array.fingerprint.cells import PRISTINE, Condition, draw_chip, read_card
from ftj_spice.array.fingerprint.readout import SWING, Readout, draw_challenges
from ftj_spice.array.fingerprint.settings import FingerprintSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.reliability import at_cycles, survival

CARD = load_card("hzo_mfis_nominal")
QUIET = FingerprintSettings(rows=40, columns=50, traps=False, noise=False, comparator_offset=0.0, attacked=0)


def test_pristine_cells_are_high_resistance_with_the_cards_spread():
    chip = draw_chip(CARD, QUIET, 0)
    g = chip.conductance(PRISTINE, 0)
    assert g.shape == (40, 50)
    logs = np.log(g / CARD.off_conductance)
    assert abs(logs.mean()) < 5 * 0.2 / np.sqrt(2000)
    assert logs.std() == pytest.approx(0.2, rel=0.08)  # 5 sigma of 2000 cells
    np.testing.assert_array_equal(chip.conductance(PRISTINE, 7), g)  # without traps nothing is new
    other = draw_chip(CARD, QUIET, 1).conductance(PRISTINE, 0)
    assert abs(np.corrcoef(other.ravel(), g.ravel())[0, 1]) < 5 / np.sqrt(2000)


def test_the_cards_temperature_law_scales_all_cells_alike():
    card = CARD.with_values(off_activation_energy=0.1)
    chip = draw_chip(card, QUIET, 0)
    ratio = chip.conductance(Condition(temperature=350.0), 0) / chip.conductance(PRISTINE, 0)
    inverse = (1 / 350 - 1 / 300) * elementary_charge / Boltzmann
    np.testing.assert_allclose(ratio, np.exp(-0.1 * inverse))
    each = chip.conductance(Condition(temperature=350.0, activation=True), 0) / chip.conductance(PRISTINE, 0)
    energies = -np.log(each) / inverse
    assert energies.std() == pytest.approx(QUIET.activation_spread, rel=0.08)
    assert energies.mean() == pytest.approx(0.1, abs=5 * QUIET.activation_spread / np.sqrt(2000))


@pytest.mark.parametrize("mixing", ["logarithmic", "parallel"])
def test_cycles_follow_the_cards_reliability_law(mixing):
    card = CARD.with_values(mixing=mixing, on_spread=0.0, off_spread=0.2)
    settings = QUIET.model_copy(update={"spread": 0.0})
    chip = draw_chip(card.with_values(off_spread=0.0), settings, 0)
    for cycles in (1.0, 1e3, 1e6, 1e8):
        found = chip.conductance(Condition(cycles=cycles), 0)
        np.testing.assert_allclose(found, at_cycles(chip.card, cycles).off_conductance, rtol=1e-9)


def test_broken_cells_conduct_as_low_resistance_ones():
    chip = draw_chip(CARD, QUIET, 0)
    worn = Condition(cycles=3e6, breakdown=True)
    high = chip.conductance(worn, 0) > 5 * chip.conductance(Condition(cycles=3e6), 0)
    share = 1 - float(survival(CARD, 3e6, CARD.write_voltage))
    assert high.mean() == pytest.approx(share, abs=5 * np.sqrt(share / 2000))
    early = chip.conductance(Condition(cycles=1e5, breakdown=True), 0) > 5 * chip.conductance(Condition(cycles=1e5), 0)
    assert (high | ~early).all()  # what broke stays broken


def test_rewriting_and_traps_are_new_in_each_answer():
    chip = draw_chip(CARD, QUIET.model_copy(update={"traps": True}), 0)
    again = Condition(cycles=10.0, rewriting=True)
    one, two = (chip.conductance(again, session) for session in (0, 1))
    assert np.median(np.abs(np.log(one / two))) > 0.1
    np.testing.assert_array_equal(chip.conductance(again, 0), one)
    first = draw_chip(CARD, QUIET, 0).conductance(PRISTINE, 0)
    drops = np.stack([1 - chip.conductance(PRISTINE, session) / first for session in range(300)])
    assert drops.min() > -1e-9
    variance, fourth = chip.trap_cumulants()
    assert drops.var(axis=0).mean() == pytest.approx(variance, rel=0.25)
    assert ((drops - drops.mean(axis=0)) ** 4).mean() == pytest.approx(fourth + 3 * variance**2, rel=0.5)
    assert draw_chip(CARD, QUIET, 0).trap_cumulants() == (0.0, 0.0)


def test_a_card_without_spread_carries_no_fingerprint():
    with pytest.raises(SettingsError, match="pristine cells carry no fingerprint"):
        read_card(CARD.with_values(off_spread=0.0), FingerprintSettings())
    with pytest.raises(SettingsError, match="'spread' 0"):
        read_card(CARD, FingerprintSettings(spread=0.0))
    assert read_card(CARD, FingerprintSettings()) is CARD
    moved = read_card(CARD, FingerprintSettings(voltage=0.8, spread=2.0))
    assert moved.vmm_voltage == 0.8 and moved.off_spread == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"columns": 7}, "even number"),
        ({"rows": 4, "challenges": 7}, "only 6 sets of 2 rows"),
        ({"rows": 8, "challenges": 8}, "'attack_challenges'"),
        ({"rows_on": 48}, "'rows_on' must be below the 48 rows"),
        ({"chips": 2, "attacked": 3}, "'attacked' must be at most the 2 'chips'"),
        ({"chips": 1}, "chips"),
        ({"temperatures": [20.0]}, "temperatures"),
    ],
)
def test_settings_that_cannot_be(changes, sentence):
    with pytest.raises(SettingsError, match=sentence):
        FingerprintSettings.parse(changes, "settings")


def test_bits_are_signs_of_column_sums(fast):
    settings = QUIET.model_copy(update={"line_resistance": 0.0, "driver_resistance": 0.0})
    readout = Readout.of(CARD, settings)
    chip, challenges = draw_chip(CARD, settings, 0), draw_challenges(40, 20, 30, 0)
    bits, currents = readout.answer(fast, chip, PRISTINE, 0, challenges)
    sums = CARD.vmm_voltage * challenges.astype(float) @ chip.conductance(PRISTINE, 0)
    np.testing.assert_allclose(currents, sums, rtol=1e-6)
    np.testing.assert_array_equal(bits, sums[:, 0::2] > sums[:, 1::2])
    assert 20 * CARD.off_conductance * CARD.vmm_voltage * readout.time / 100e-15 == pytest.approx(SWING)


def test_offset_belongs_to_the_chip_and_noise_to_the_answer(fast):
    settings = QUIET.model_copy(update={"noise": True, "comparator_offset": 8e-3, "seed": 3})
    readout = Readout.of(CARD, settings)
    offsets = np.concatenate([readout.offsets(chip) for chip in range(80)])
    assert offsets.std() * readout.time / 100e-15 == pytest.approx(8e-3, rel=0.08)
    np.testing.assert_array_equal(readout.offsets(5), readout.offsets(5))
    # A column current of 1 nA for 1 ms is 6.2e6 electrons: shot noise of both columns is 3532 electrons rms.
    readout = Readout(CARD, settings, 1e-3)
    electrons = readout.noise(np.full((1, 2), 1e-9), 0.0)[0, 0] * 1e-3 / elementary_charge
    assert electrons == pytest.approx(np.sqrt(2 * 1e-12 / elementary_charge))
    warm = readout.noise(np.zeros((1, 2)), 300.0)[0, 0] * 1e-3
    assert warm == pytest.approx(np.sqrt(2 * Boltzmann * 300 * 100e-15))
    chip, challenges = draw_chip(CARD, settings, 0), draw_challenges(40, 20, 60, 0)
    one, two, same = (readout.answer(fast, chip, PRISTINE, session, challenges)[0] for session in (0, 1, 0))
    np.testing.assert_array_equal(one, same)
    assert 0 < (one != two).mean() < 0.1


def test_an_automatic_time_out_of_reach_is_refused():
    settings = FingerprintSettings(integration_capacitance=1e-8, voltage=0.05)
    with pytest.raises(SettingsError, match="give an 'integration_time'"):
        Readout.of(read_card(CARD, settings), settings)
