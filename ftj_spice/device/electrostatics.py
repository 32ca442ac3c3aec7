"""Series electrostatics of ferroelectric and interlayer: field in the ferroelectric, charge on the terminals.

Gauss's law for two layers whose interface carries a charge that compensates the part kappa of the polarization; see
docs/device-model.md. kappa = 1 is the plain capacitive divider.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import epsilon_0

from ftj_spice.device.parameters import Geometry


@dataclass(frozen=True)
class Electrostatics:
    """The stack's linear relations, per area.

    Attributes:
        divider: eta, part of the voltage that falls over the ferroelectric.
        capacitance_density: Series capacitance in F/m^2.
        depolarization: Drop of the ferroelectric voltage per polarization, in V m^2/C.
        charge_share: Part of the polarization that stands on the terminals as charge.
        thickness: Of the ferroelectric, in m.
        imprint_field: Built-in field in V/m.
    """

    divider: float
    capacitance_density: float
    depolarization: float
    charge_share: float
    thickness: float
    imprint_field: float

    @classmethod
    def of(cls, geometry: Geometry, imprint_field: float = 0.0) -> Self:
        """Returns the relations of a stack."""
        ferroelectric = epsilon_0 * geometry.ferroelectric_permittivity / geometry.ferroelectric_thickness
        if geometry.interlayer_thickness == 0:
            return cls(1.0, ferroelectric, 0.0, 1.0, geometry.ferroelectric_thickness, imprint_field)
        interlayer = epsilon_0 * geometry.interlayer_permittivity / geometry.interlayer_thickness
        eta = interlayer / (ferroelectric + interlayer)
        bare = 1.0 - geometry.interface_compensation
        return cls(
            eta,
            eta * ferroelectric,
            bare / (ferroelectric + interlayer),
            geometry.interface_compensation + bare * eta,
            geometry.ferroelectric_thickness,
            imprint_field,
        )

    def field(self, voltage: ArrayLike, polarization: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Returns the field that drives switching, in V/m, at a voltage (V) and polarization (C/m^2), broadcast."""
        ferroelectric = self.divider * np.asarray(voltage, float) - self.depolarization * np.asarray(
            polarization, float
        )
        return ferroelectric / self.thickness - self.imprint_field

    def charge(self, voltage: ArrayLike, polarization: ArrayLike) -> NDArray[np.float64]:
        """Returns the charge density on the plus terminal in C/m^2."""
        return self.capacitance_density * np.asarray(voltage, float) + self.charge_share * np.asarray(
            polarization, float
        )
