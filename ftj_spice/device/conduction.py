"""Static current of one junction: the compact sinh law and the ohmic cell.

Conductance is defined at the read voltage of the card, `I(V_VMM) = G * V_VMM`, so that a programmed array computes
`I = V_VMM * x @ G` for binary inputs `x` whatever the law.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ConductionLaw(Protocol):
    """A monotone I-V law, scaled by the cell's conductance at the read voltage."""

    def current(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns the current in amperes for conductances in siemens (at V_VMM) and voltages in volts, broadcast."""
        ...

    def slope(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns dI/dV in siemens."""
        ...


@dataclass(frozen=True)
class LinearLaw:
    """The ohmic cell, `I = G V`."""

    def current(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns `G V`."""
        return np.asarray(conductance, float) * np.asarray(voltage, float)

    def slope(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns `G`."""
        return np.broadcast_arrays(np.asarray(conductance, float), np.asarray(voltage, float))[0].copy()


@dataclass(frozen=True)
class SinhLaw:
    """The compact law `I = G V_VMM sinh(V / V0) / sinh(V_VMM / V0)`.

    Monotone and smooth. It is the card's `I = A J sinh(V/V0) / sinh(V_ref/V0)` with the current density replaced by
    the conductance it gives at V_VMM.

    Attributes:
        voltage_scale: V0 in volts.
        read_voltage: V_VMM in volts, where the conductance is defined.
    """

    voltage_scale: float
    read_voltage: float

    def prefactor(self, conductance: ArrayLike) -> NDArray[np.float64]:
        """Returns the factor before the sinh, in amperes."""
        return np.asarray(conductance, float) * (self.read_voltage / np.sinh(self.read_voltage / self.voltage_scale))

    def current(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns the current in amperes."""
        return self.prefactor(conductance) * np.sinh(np.asarray(voltage, float) / self.voltage_scale)

    def slope(self, conductance: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns dI/dV in siemens."""
        scaled = np.asarray(voltage, float) / self.voltage_scale
        return self.prefactor(conductance) * np.cosh(scaled) / self.voltage_scale
