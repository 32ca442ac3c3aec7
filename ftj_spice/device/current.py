"""Static current of a junction by voltage, polarization and temperature: the whole card, all three laws.

The equations stand in docs/device-model.md; `ftj_spice.device.conduction` holds what arrays need of them, the sinh and
linear laws by conductance.
"""

from dataclasses import dataclass
from typing import Self

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


@dataclass(frozen=True)
class Barrier:
    """Constants of the physical law's tunnelling and emission.

    Attributes:
        height: C = 4 d sqrt(2 m q) / (3 hbar), in 1/sqrt(eV).
        direct: Factor of direct tunnelling, 4 q^3 m / (9 pi^2 hbar^3 C^2), in A/m^2 per eV.
        emission: Factor of Fowler-Nordheim emission, q^2 / (8 pi h phi m), in A/V^2.
        emission_slope: Its exponent's field, in V/m.
        frenkel_slope: Lowering of the Poole-Frenkel barrier by the root of the voltage, in eV/sqrt(V).
    """

    height: float
    direct: float
    emission: float
    emission_slope: float
    frenkel_slope: float

    @classmethod
    def of(cls, card: Card) -> Self:
        """Returns the constants of a card."""
        q, d = elementary_charge, card.ferroelectric_thickness
        mass, phi = card.tunnel_mass * electron_mass, card.barrier_metal
        height = 4.0 * d * np.sqrt(2.0 * mass * q) / (3.0 * hbar)
        return cls(
            height=height,
            direct=4.0 * q**3 * mass / (9.0 * pi**2 * hbar**3) / height**2,
            emission=q**2 / (8.0 * pi * h * phi * card.tunnel_mass),
            emission_slope=8.0 * pi * np.sqrt(2.0 * mass) * (q * phi) ** 1.5 / (3.0 * h * q),
            frenkel_slope=np.sqrt(q / (pi * epsilon_0 * card.optical_permittivity * d)),
        )


def poole_frenkel(card: Card, voltage: NDArray[np.float64], temperature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns `v exp[(q/kT) (B w - phi_t)]`, v the ferroelectric's voltage in V (Frenkel, Phys. Rev. 54, 647 (1938)).

    w is sqrt|v|, capped at low field: `(v^2 + v_l^2)^(1/4)`.
    """
    root = (voltage**2 + card.low_field_voltage**2) ** 0.25
    return voltage * np.exp((Barrier.of(card).frenkel_slope * root - card.trap_depth) / (_BOLTZMANN_EV * temperature))


def tunnelling(card: Card, voltage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns direct tunnelling plus Fowler-Nordheim emission in A/m^2, v the ferroelectric's voltage in V.

    Direct tunnelling is Gruverman's trapezoid (Nano Lett. 9, 3539 (2009)) with its divided differences written out, so
    that the singularity at equal barriers is gone. It holds below the barriers: a soft clamp keeps it there.
    """
    k = Barrier.of(card)
    limit = CLAMP * min(card.barrier_metal, card.barrier_semiconductor)
    x = voltage / (1.0 + (voltage / limit) ** 8) ** 0.125
    a, b = card.barrier_metal + 0.5 * x, card.barrier_semiconductor - 0.5 * x
    g = 1.0 / (np.sqrt(a) + np.sqrt(b))
    height = (a + np.sqrt(a * b) + b) * g
    direct = k.direct * np.exp(-k.height * height) / g**2 * np.sinh(0.75 * k.height * g * x)
    field = voltage / card.ferroelectric_thickness
    emission = k.emission * field * np.abs(field) * np.exp(-k.emission_slope / np.sqrt(field**2 + FLAT_FIELD**2))
    return direct + emission
