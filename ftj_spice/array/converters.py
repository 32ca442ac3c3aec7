"""Column read-out of the read phase: differential charge integrator and ADC, as a model with declared noise.

Each column of a pair integrates its current for T on a capacitor C; the difference of the two is converted. Noise per
read: the shot noise of both columns' charge, `q (I+ + I-) T`, and kT/C of both capacitors, `2 k T C`, in coulomb^2.
The converter is a mid-tread quantiser, so that a silent read gives exactly 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.array.settings import ReadSettings

TEMPERATURE = 300.0


@dataclass(frozen=True)
class PairConverter:
    """Converts the currents of column pairs.

    Attributes:
        full_scale: Largest difference current of each pair in A, shape `(outputs,)`.
        bits: Resolution, at least 2: with one bit, a quantiser with a code for 0 has no other.
        time: Integration time in s.
        capacitance: Of each column's integrator, in F.
        noise: Whether shot and kT/C noise are added.
    """

    full_scale: NDArray[np.float64]
    bits: int
    time: float
    capacitance: float
    noise: bool

    @classmethod
    def calibrate(cls, settings: ReadSettings, currents: NDArray[np.float64]) -> "PairConverter":
        """Sets each pair's range from calibration currents: mean and standard deviations of the widest bit plane.

        Planes are taken apart because most are silent most of the time: together, a row that is always on in one
        plane, as the bias is, would hardly show in their standard deviation.

        Args:
            settings: Settings of the read phase.
            currents: Column currents in A, shape `(vectors, planes, 2 * outputs)`.
        """
        difference = currents[..., 0::2] - currents[..., 1::2]
        reach = np.max(np.abs(difference.mean(axis=0)) + settings.adc_sigmas * difference.std(axis=0), axis=0)
        return cls(
            np.maximum(reach, elementary_charge / settings.integration_time),  # a silent pair: one electron
            settings.adc_bits,
            settings.integration_time,
            settings.integration_capacitance,
            settings.noise,
        )

    @property
    def top(self) -> int:
        """Largest code; the smallest is its negative."""
        return 2 ** (self.bits - 1) - 1

    @property
    def lsb(self) -> NDArray[np.float64]:
        """Difference current of one code, per pair, in A."""
        return self.full_scale / self.top

    def convert(self, currents: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns the codes of reads.

        Args:
            currents: Column currents in A, shape `(reads, 2 * outputs)`.
            rng: Stream of the noise.
        """
        plus, minus = currents[:, 0::2], currents[:, 1::2]
        charge = (plus - minus) * self.time
        if self.noise:
            shot = elementary_charge * (np.abs(plus) + np.abs(minus)) * self.time
            thermal = 2.0 * Boltzmann * TEMPERATURE * self.capacitance
            charge = charge + rng.standard_normal(charge.shape) * np.sqrt(shot + thermal)
        return np.clip(np.rint(charge / self.time / self.lsb), -self.top, self.top).astype(np.int64)
