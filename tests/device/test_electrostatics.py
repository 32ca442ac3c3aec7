"""The stack against Gauss's law written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import epsilon_0

from ftj_spice.device.card import load_card
from ftj_spice.device.electrostatics import Electrostatics

COMPENSATED = {
    kappa: load_card("hzo_mfis_nominal").with_values(interface_compensation=kappa) for kappa in (0.0, 0.5, 0.98, 1.0)
}


@pytest.mark.parametrize("kappa", COMPENSATED)
@given(voltage=st.floats(-5, 5), polarization=st.floats(-0.3, 0.3))
def test_two_layers_obey_gauss(kappa, voltage, polarization):
    """Voltages add up; the displacement jumps by the interface charge; on the plus terminal it ends."""
    card = COMPENSATED[kappa]
    d_fe, d_il = card.ferroelectric_thickness, card.interlayer_thickness
    system = np.array([
        [d_fe, d_il],
        [epsilon_0 * card.ferroelectric_permittivity, -epsilon_0 * card.interlayer_permittivity],
    ])  # fmt: skip
    # D_FE - D_IL = eps E_FE + P - eps E_IL = kappa P
    field, interlayer = np.linalg.solve(system, [voltage, (kappa - 1.0) * polarization])
    stack = card.electrostatics
    assert float(stack.field(voltage, polarization)) == pytest.approx(field, rel=1e-9, abs=1e-3)
    charge = epsilon_0 * card.ferroelectric_permittivity * field + polarization
    assert float(stack.charge(voltage, polarization)) == pytest.approx(charge, rel=1e-9, abs=1e-12)
    assert float(stack.charge(voltage, polarization)) == pytest.approx(
        epsilon_0 * card.interlayer_permittivity * interlayer + kappa * polarization, rel=1e-9, abs=1e-12
    )


def test_nominal_divider():
    stack = load_card("hzo_mfis_nominal").electrostatics
    assert stack.divider == pytest.approx(0.39, abs=0.003)
    assert stack.depolarization == 0.0
    assert stack.charge_share == 1.0


def test_without_an_interlayer_the_ferroelectric_sees_it_all():
    card = load_card("switching_set_a")
    stack = card.electrostatics
    assert (stack.divider, stack.depolarization, stack.charge_share) == (1.0, 0.0, 1.0)
    assert stack.field(1.0, 0.2) == pytest.approx(1.0 / card.ferroelectric_thickness)


def test_imprint_shifts_the_field():
    card = load_card("hzo_mfis_nominal").with_values(imprint_field=3e7)
    assert card.electrostatics.field(0.0) == pytest.approx(-3e7)
    assert Electrostatics.of(card).field(0.0) == 0.0
    assert card.electrostatics.field(np.zeros((2, 1)), np.zeros(3)).shape == (2, 3)
