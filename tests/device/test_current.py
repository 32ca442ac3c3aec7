"""Currents against published closed forms and limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import Boltzmann, electron_mass, elementary_charge, h, hbar, pi

from ftj_spice.device.card import load_card
from ftj_spice.device.current import (
    REFERENCE_TEMPERATURE,
    densities,
    poole_frenkel,
    rtn_amplitude,
    static_current,
    tunnelling,
)

NOMINAL = load_card("hzo_mfis_nominal")
LAWS = ["sinh", "linear", "physical"]
KT = Boltzmann * REFERENCE_TEMPERATURE / elementary_charge


def with_law(law, **values):
    return NOMINAL.with_values(law=law, **values)


def barrier(first, second, thickness=2e-9, mass=1.0):
    return NOMINAL.with_values(
        barrier_metal=first, barrier_semiconductor=second, ferroelectric_thickness=thickness, tunnel_mass=mass,
        interlayer_thickness=0.0,
    )  # fmt: skip


def conductance(card, voltage, step=1e-4):
    return (tunnelling(card, voltage + step) - tunnelling(card, voltage - step)) / (2 * step)


@pytest.mark.parametrize("law", LAWS)
def test_calibrated_at_the_reference(law):
    card = with_law(law)
    on, off = densities(card, card.reference_voltage)
    assert on == pytest.approx(card.on_current_density, rel=1e-12)
    assert off == pytest.approx(card.on_current_density / card.on_off_ratio, rel=1e-12)
    for s, density in ((1.0, on), (-1.0, off)):
        assert static_current(card, card.reference_voltage, s) == pytest.approx(card.area * density, rel=1e-12)


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.5), (1.5, 1.0)])
def test_direct_tunnelling_at_zero_bias(first, second):
    """The trapezoid's own value, and Simmons's (J. Appl. Phys. 34, 1793 (1963)), which Brinkman takes, within 4 %."""
    at_zero = float(conductance(barrier(first, second), 0.0))
    assert at_zero == pytest.approx(2.05e3, rel=2e-3)
    mean = 0.5 * (first + second) * elementary_charge
    root = np.sqrt(2 * electron_mass * mean)
    simmons = elementary_charge**2 / h**2 * root / 2e-9 * np.exp(-2 * 2e-9 / hbar * root)
    assert at_zero == pytest.approx(simmons, rel=0.04)


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.5), (1.5, 1.0), (1.2, 1.2)])
def test_brinkmans_expansion(first, second):
    """G/G0 = 1 - A dphi/(16 phi^1.5) V + 9 A^2/(128 phi) V^2 (J. Appl. Phys. 41, 1915 (1970)), V below 0.1 V.

    Both are approximations to the same WKB integral: the slopes agree within 11 %, the curvatures within 10 %.
    """
    card = barrier(first, second)
    thickness = 4 * np.sqrt(2 * electron_mass * elementary_charge) * 2e-9 / (3 * hbar)  # A in eV^-1/2
    mean, difference = 0.5 * (first + second), second - first
    v = 0.05
    zero, plus, minus = (float(conductance(card, x)) for x in (0.0, v, -v))
    slope = (plus - minus) / (2 * v * zero)
    curvature = (plus + minus - 2 * zero) / (2 * v**2 * zero)
    assert slope == pytest.approx(-thickness * difference / (16 * mean**1.5), rel=0.11, abs=1e-6)
    assert curvature == pytest.approx(9 * thickness**2 / (128 * mean), rel=0.10)


def test_equal_barriers_are_not_singular():
    near, at = (float(tunnelling(barrier(1.5, 1.25 + d), np.array(-0.25))) for d in (1e-9, 0.0))
    assert near == pytest.approx(at, rel=1e-7)


def test_fowler_nordheim_slope():
    """ln(J/E^2) over 1/E: slope -4 sqrt(2 m) (q phi)^1.5 / (3 hbar q). Only 3e-5 of it is lost to the smoothed field.

    A thick film, where direct tunnelling adds nothing.
    """
    card = barrier(1.5, 1.5, thickness=5e-8, mass=0.14)
    field = np.array([8e8, 1.2e9])
    j = tunnelling(card, field * 5e-8)
    slope = np.diff(np.log(j / field**2)) / np.diff(1 / field)
    expected = (
        -4 * np.sqrt(2 * 0.14 * electron_mass) * (1.5 * elementary_charge) ** 1.5 / (3 * hbar * elementary_charge)
    )
    assert slope[0] == pytest.approx(expected, rel=1e-3)
    assert 8 * pi / (3 * h) == pytest.approx(4 / (3 * hbar))


def test_poole_frenkel_slope():
    """ln(J/V) over sqrt V: 17.5 V^-1/2 at 300 K over 6.4 nm, optical permittivity 4.4."""
    v = np.array([1.0, 2.0])
    slope = np.diff(np.log(poole_frenkel(NOMINAL, v, np.array(300.0)) / v)) / np.diff(np.sqrt(v))
    assert slope[0] == pytest.approx(17.5, abs=0.03)


def test_poole_frenkel_is_ohmic_at_low_field():
    v = np.array([1e-4, 1e-3])
    g = poole_frenkel(NOMINAL, v, np.array(300.0)) / v
    assert g[1] == pytest.approx(g[0], rel=1e-3)


@pytest.mark.parametrize("temperature", [250.0, 350.0, 400.0])
@pytest.mark.parametrize("law", LAWS)
def test_temperature_is_arrhenius(law, temperature):
    card = with_law(law, off_activation_energy=0.05)
    inverse = elementary_charge / Boltzmann * (1 / temperature - 1 / 300.0)
    on, off = densities(card, 0.7, temperature)
    on0, off0 = densities(card, 0.7)
    assert off / off0 == pytest.approx(np.exp(-0.05 * inverse), rel=1e-9)
    if law != "physical":
        assert on / on0 == pytest.approx(np.exp(-card.on_activation_energy * inverse), rel=1e-9)
    else:  # Poole-Frenkel carries its own: the depth less the lowering by the field
        lowering = 17.494 * KT * (0.7 * card.electrostatics.divider) ** 0.5
        ratio = (on - off) / (on0 - off0)
        assert np.log(ratio) / -inverse == pytest.approx(card.trap_depth - lowering, rel=0.01)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("temperature", [250.0, 300.0, 400.0])
def test_monotone_and_on_never_below_off(law, temperature):
    card = with_law(law)
    v = np.linspace(-5, 5, 2001)
    on, off = densities(card, v, temperature)
    assert np.all(np.diff(on) > 0)
    assert np.all(np.diff(off) > 0)
    assert np.all(np.abs(on) >= np.abs(off))
    assert np.all(np.sign(on) == np.sign(v))
    for s in (-1.0, -0.3, 0.4, 1.0):
        current = static_current(card, v, s, temperature)
        assert np.all(np.diff(current) > 0)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("mixing", ["logarithmic", "parallel"])
@pytest.mark.parametrize("s", [-1.0, -0.999999, 0.0, 0.5, 1.0])
def test_no_voltage_no_current(law, mixing, s):
    assert static_current(with_law(law, mixing=mixing), 0.0, s) == 0.0


@given(s=st.floats(-1, 1), v=st.floats(0.01, 4))
def test_mixing(s, v):
    on, off = (float(d) for d in densities(NOMINAL, v))
    logarithmic = static_current(NOMINAL, v, s) / NOMINAL.area
    parallel = static_current(NOMINAL.with_values(mixing="parallel"), v, s) / NOMINAL.area
    assert logarithmic == pytest.approx(np.sqrt(on * off) * (on / off) ** (s / 2), rel=1e-9)
    assert parallel == pytest.approx(0.5 * (on + off) + 0.5 * s * (on - off), rel=1e-9)
    assert off * (1 - 1e-9) <= logarithmic <= parallel * (1 + 1e-9)  # geometric against arithmetic mean
    assert parallel <= on * (1 + 1e-9)


def test_cell_factors_scale_the_two_states():
    plain = static_current(NOMINAL, 0.5, [1.0, -1.0])
    scaled = static_current(NOMINAL, 0.5, [1.0, -1.0], on_factor=2.0, off_factor=3.0)
    np.testing.assert_allclose(scaled / plain, [2.0, 3.0], rtol=1e-12)


def test_a_filled_trap_lowers_the_current():
    assert rtn_amplitude(NOMINAL, [-1.0, 1.0]).tolist() == pytest.approx([0.1, 0.03])
    assert rtn_amplitude(NOMINAL, 0.0) == pytest.approx(np.sqrt(0.1 * 0.03))
    quiet = NOMINAL.with_values(rtn_amplitude_on=0.0)
    assert rtn_amplitude(quiet, [-1.0, 0.0, 1.0]).tolist() == pytest.approx([0.1, 0.05, 0.0])
    empty, filled = (static_current(NOMINAL, 1.5, -1.0, trap=x) for x in (0.0, 1.0))
    assert filled / empty == pytest.approx(0.9)
