"""The physical law by conductance, against the card's own currents."""

import numpy as np
import pytest

from ftj_spice.device.card import load_card
from ftj_spice.device.current import static_current
from ftj_spice.device.physical import PhysicalLaw

CARDS = [
    load_card("hzo_mfis_nominal").with_values(law="physical", mixing=mixing) for mixing in ("logarithmic", "parallel")
]
VOLTAGES = np.array([-3.5, -1.0, -0.5, -0.01, 0.02, 0.3, 0.5, 1.5, 3.5])


@pytest.mark.parametrize("card", CARDS)
def test_shares_are_the_cards_mixing(card):
    law = card.conduction
    assert isinstance(law, PhysicalLaw)
    for share in (0.0, 0.25, 1.0):
        expected = static_current(card, VOLTAGES, 2.0 * share - 1.0)
        np.testing.assert_allclose(law.mixed(share, VOLTAGES), expected, rtol=1e-12)


@pytest.mark.parametrize("card", CARDS)
def test_conductance_holds_at_the_read_voltage(card):
    law = card.conduction
    g = np.geomspace(card.off_conductance, card.on_conductance, 7)
    np.testing.assert_allclose(law.current(g, card.vmm_voltage), g * card.vmm_voltage, rtol=1e-12)
    expected = static_current(card, card.vmm_voltage, [1.0, -1.0]) / card.vmm_voltage
    np.testing.assert_allclose([card.on_conductance, card.off_conductance], expected, rtol=1e-12)
    assert law.current(0.0, 0.5) == 0.0
    assert law.current(g, 0.0).tolist() == [0.0] * 7


@pytest.mark.parametrize("card", CARDS)
def test_slope_is_the_derivative_and_positive(card):
    law = card.conduction
    slope = law.slope(card.on_conductance, VOLTAGES)
    h = 1e-4
    coarse = (law.current(card.on_conductance, VOLTAGES + h) - law.current(card.on_conductance, VOLTAGES - h)) / (2 * h)
    np.testing.assert_allclose(slope, coarse, rtol=1e-3)
    assert (slope > 0).all()
