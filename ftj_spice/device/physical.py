"""The physical conduction law as arrays use it: current by the conductance at V_VMM, at 300 K.

The law's two extreme states are tunnelling (off) and tunnelling plus Poole-Frenkel emission (on); see
`ftj_spice.device.current` and docs/device-model.md. A cell's conductance at V_VMM says how the two mix: its *share* h
is 0 for the high-resistance and 1 for the low-resistance state, with `I = I_off^(1-h) I_on^h` (logarithmic mixing) or
`I = (1-h) I_off + h I_on` (parallel). Conductances beyond the two states extrapolate the share.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.device.card import Card
from ftj_spice.device.current import CLAMP, FLAT_FIELD, REFERENCE_TEMPERATURE, Barrier, poole_frenkel, tunnelling

_STEP = 1e-5  # V; the slope is a central difference


@dataclass(frozen=True)
class PhysicalLaw:
    """The physical law of one card, every constant as a plain number for templates and compiled code.

    With v = divider * V the ferroelectric's voltage,

    - off: `direct exp(-height H) / g^2 sinh(0.75 height g x) + emission v |v| exp(-emission_slope / sqrt(v^2 +
      flat_voltage^2))`, where `x = v / (1 + (v / clamp)^8)^(1/8)`, `a = barrier_first + x/2`, `b = barrier_second -
      x/2`, `g = 1 / (sqrt a + sqrt b)` and `H = (a + sqrt(a b) + b) g`;
    - on: off `+ frenkel v exp((frenkel_slope w - trap_depth) / thermal)`, `w = (v^2 + low_field^2)^(1/4)`.

    Attributes:
        logarithmic: Whether the states' currents mix logarithmically, not in parallel.
        read_voltage: V_VMM in V, where conductances are defined.
        divider: Part of the voltage over the ferroelectric.
        clamp: Largest ferroelectric voltage that direct tunnelling sees, in V.
        barrier_first: In eV.
        barrier_second: In eV.
        direct: Factor of direct tunnelling, in A per eV.
        height: In 1/sqrt(eV).
        emission: Factor of Fowler-Nordheim emission, in A/V^2.
        emission_slope: In V.
        flat_voltage: Smooths the field of the emission near zero, in V.
        frenkel: Factor of Poole-Frenkel emission, in A/V.
        frenkel_slope: In eV/sqrt(V).
        low_field: In V.
        trap_depth: In eV.
        thermal: kT at 300 K, in eV.
        off_conductance: Of the high-resistance state at V_VMM, in S.
        on_conductance: Of the low-resistance state at V_VMM, in S.
    """

    logarithmic: bool
    read_voltage: float
    divider: float
    clamp: float
    barrier_first: float
    barrier_second: float
    direct: float
    height: float
    emission: float
    emission_slope: float
    flat_voltage: float
    frenkel: float
    frenkel_slope: float
    low_field: float
    trap_depth: float
    thermal: float
    off_conductance: float
    on_conductance: float

    @classmethod
    def of(cls, card: Card) -> Self:
        """Returns the law of a card."""
        eta, k, thickness = card.electrostatics.divider, Barrier.of(card), card.ferroelectric_thickness
        reference, kelvin = np.asarray(eta * card.reference_voltage), np.asarray(REFERENCE_TEMPERATURE)
        on = card.area * card.on_current_density
        off = on / card.on_off_ratio
        tunnel = off / float(tunnelling(card, reference))
        frenkel = (on - off) / float(poole_frenkel(card, reference, kelvin))
        at_read = np.asarray(eta * card.vmm_voltage)
        off_read = tunnel * float(tunnelling(card, at_read))
        on_read = off_read + frenkel * float(poole_frenkel(card, at_read, kelvin))
        return cls(
            logarithmic=card.mixing == "logarithmic",
            read_voltage=card.vmm_voltage,
            divider=eta,
            clamp=CLAMP * min(card.barrier_metal, card.barrier_semiconductor),
            barrier_first=card.barrier_metal,
            barrier_second=card.barrier_semiconductor,
            direct=tunnel * k.direct,
            height=float(k.height),
            emission=tunnel * k.emission / thickness**2,
            emission_slope=float(k.emission_slope * thickness),
            flat_voltage=FLAT_FIELD * thickness,
            frenkel=frenkel,
            frenkel_slope=float(k.frenkel_slope),
            low_field=card.low_field_voltage,
            trap_depth=card.trap_depth,
            thermal=Boltzmann / elementary_charge * REFERENCE_TEMPERATURE,
            off_conductance=off_read / card.vmm_voltage,
            on_conductance=on_read / card.vmm_voltage,
        )

    def share(self, conductance: ArrayLike) -> NDArray[np.float64]:
        """Returns the mixing share h of conductances in S; 0 for a conductance of 0, which no share describes."""
        g = np.asarray(conductance, float)
        low, high = self.off_conductance, self.on_conductance
        if not self.logarithmic:
            return (g - low) / (high - low)
        return np.log(np.where(g > 0, g, low) / low) / np.log(high / low)

    def factor(self, conductance: ArrayLike) -> NDArray[np.float64]:
        """Returns what the mixed current is multiplied with: 1, or 0 for an open cell (conductance 0)."""
        return np.where(np.asarray(conductance, float) > 0, 1.0, 0.0)

    def states(self, voltage: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the currents of the low- and the high-resistance state in A, with the sign of the voltage."""
        v = self.divider * np.asarray(voltage, float)
        x = v / (1.0 + (v / self.clamp) ** 8) ** 0.125
        a, b = self.barrier_first + 0.5 * x, self.barrier_second - 0.5 * x
        g = 1.0 / (np.sqrt(a) + np.sqrt(b))
        tall = (a + np.sqrt(a * b) + b) * g
        off = self.direct * np.exp(-self.height * tall) / g**2 * np.sinh(0.75 * self.height * g * x)
        off = off + self.emission * v * np.abs(v) * np.exp(-self.emission_slope / np.sqrt(v**2 + self.flat_voltage**2))
        root = (v**2 + self.low_field**2) ** 0.25
        return off + self.frenkel * v * np.exp((self.frenkel_slope * root - self.trap_depth) / self.thermal), off

    def mixed(self, share: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns the current in A of cells with shares h at voltages in V; broadcasts."""
        h = np.asarray(share, float)
        on, off = self.states(voltage)
        if not self.logarithmic:
            return (1.0 - h) * off + h * on
        ratio = np.divide(on, off, out=np.ones_like(off), where=off != 0.0)
        return off * ratio**h

    def current(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns the current in A."""
        return self.factor(conductance) * self.mixed(self.share(conductance), voltage)

    def mixed_slope(self, share: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns dI/dV in S of cells with shares h, as a central difference."""
        v = np.asarray(voltage, float)
        return (self.mixed(share, v + _STEP) - self.mixed(share, v - _STEP)) / (2.0 * _STEP)

    def slope(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns dI/dV in S."""
        return self.factor(conductance) * self.mixed_slope(self.share(conductance), voltage)
