"""Static current of a junction by voltage, polarization and temperature: the whole card, all three laws.

The equations stand in docs/device-model.md; `ftj_spice.device.conduction` holds what arrays need of them, the sinh and
linear laws by conductance.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import Boltzmann, electron_mass, elementary_charge, epsilon_0, h, hbar, pi

from ftj_spice.device.card import Card

REFERENCE_TEMPERATURE = 300.0
"""Temperature at which a card's current densities and times hold, in K."""

CLAMP = 1.6
"""Direct tunnelling sees at most this many times the lower barrier, in V."""
FLAT_FIELD = 1e6
"""Smooths the Fowler-Nordheim field near zero, in V/m."""
_BOLTZMANN_EV = Boltzmann / elementary_charge


def static_current(
    card: Card,
    voltage: ArrayLike,
    polarization: ArrayLike,
    temperature: ArrayLike = REFERENCE_TEMPERATURE,
    *,
    on_factor: ArrayLike = 1.0,
    off_factor: ArrayLike = 1.0,
    trap: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Returns the current of a cell in A; all arguments broadcast.

    Args:
        card: Device card.
        voltage: Of plus over minus, in V.
        polarization: s = P/P_r in [-1, 1].
        temperature: In K.
        on_factor: Factor on the low-resistance state's current (spread, degradation).
        off_factor: Factor on the high-resistance state's current.
        trap: Weighted sum of the states of the cell's traps (1 when only the dominant one is filled).
    """
    s = np.asarray(polarization, float)
    on, off = densities(card, voltage, temperature)
    on, off = on * on_factor, off * off_factor
    if card.mixing == "parallel":
        density = 0.5 * (1.0 + s) * on + 0.5 * (1.0 - s) * off
    else:
        ratio = np.divide(on, off, out=np.ones(np.broadcast_shapes(on.shape, off.shape)), where=off != 0.0)
        density = off * ratio ** (0.5 * (1.0 + s))
    return card.area * density * (1.0 - rtn_amplitude(card, s) * np.asarray(trap, float))


def rtn_amplitude(card: Card, polarization: ArrayLike) -> NDArray[np.float64]:
    """Returns the relative drop of the current when the dominant trap is filled; ln is linear in s."""
    s = np.asarray(polarization, float)
    if card.rtn_amplitude_off == 0.0 or card.rtn_amplitude_on == 0.0:
        return 0.5 * (1.0 - s) * card.rtn_amplitude_off + 0.5 * (1.0 + s) * card.rtn_amplitude_on
    ratio = card.rtn_amplitude_on / card.rtn_amplitude_off
    return card.rtn_amplitude_off * ratio ** (0.5 * (1.0 + s))


def densities(
    card: Card, voltage: ArrayLike, temperature: ArrayLike = REFERENCE_TEMPERATURE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the densities of the low- and the high-resistance state in A/m^2, with the sign of the voltage."""
    v, t = np.asarray(voltage, float), np.asarray(temperature, float)
    on_reference, off_reference = card.on_current_density, card.on_current_density / card.on_off_ratio
    inverse = (1.0 / t - 1.0 / REFERENCE_TEMPERATURE) / _BOLTZMANN_EV
    at = np.asarray(card.reference_voltage, float)
    if card.law == "physical":
        eta = card.electrostatics.divider
        off = off_reference * tunnelling(card, eta * v) / tunnelling(card, eta * at)
        off = off * np.exp(-card.off_activation_energy * inverse)
        emission = poole_frenkel(card, eta * v, t) / poole_frenkel(card, eta * at, np.asarray(REFERENCE_TEMPERATURE))
        return off + (on_reference - off_reference) * emission, off
    shape = v / at if card.law == "linear" else np.sinh(v / card.voltage_scale) / np.sinh(at / card.voltage_scale)
    on = on_reference * shape * np.exp(-card.on_activation_energy * inverse)
    return on, off_reference * shape * np.exp(-card.off_activation_energy * inverse)


def poole_frenkel(card: Card, voltage: NDArray[np.float64], temperature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns `v exp[(q/kT) (B w - phi_t)]`, v the ferroelectric's voltage in V (Frenkel, Phys. Rev. 54, 647 (1938)).

    w is sqrt|v|, capped at low field: `(v^2 + v_l^2)^(1/4)`.
    """
    slope = np.sqrt(elementary_charge / (pi * epsilon_0 * card.optical_permittivity * card.ferroelectric_thickness))
    root = (voltage**2 + card.low_field_voltage**2) ** 0.25
    return voltage * np.exp((slope * root - card.trap_depth) / (_BOLTZMANN_EV * temperature))


def tunnelling(card: Card, voltage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns direct tunnelling plus Fowler-Nordheim emission in A/m^2, v the ferroelectric's voltage in V.

    Direct tunnelling is Gruverman's trapezoid (Nano Lett. 9, 3539 (2009)) with its divided differences written out, so
    that the singularity at equal barriers is gone. It holds below the barriers: a soft clamp keeps it there.
    """
    first, second = card.barrier_metal, card.barrier_semiconductor
    limit = CLAMP * min(first, second)
    x = voltage / (1.0 + (voltage / limit) ** 8) ** 0.125
    mass = card.tunnel_mass * electron_mass
    c = 4.0 * card.ferroelectric_thickness * np.sqrt(2.0 * mass * elementary_charge) / (3.0 * hbar)
    a, b = first + 0.5 * x, second - 0.5 * x
    g = 1.0 / (np.sqrt(a) + np.sqrt(b))
    height = (a + np.sqrt(a * b) + b) * g
    prefactor = 4.0 * elementary_charge**3 * mass / (9.0 * pi**2 * hbar**3)
    direct = prefactor * np.exp(-c * height) / (c * g) ** 2 * np.sinh(0.75 * c * g * x)
    field = voltage / card.ferroelectric_thickness
    slope = 8.0 * pi * np.sqrt(2.0 * mass) * (elementary_charge * first) ** 1.5 / (3.0 * h * elementary_charge)
    emission = (
        elementary_charge**2 / (8.0 * pi * h * first * card.tunnel_mass)
        * field * np.abs(field) * np.exp(-slope / np.sqrt(field**2 + FLAT_FIELD**2))
    )  # fmt: skip
    return direct + emission
