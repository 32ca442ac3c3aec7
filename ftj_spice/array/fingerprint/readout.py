"""Challenges and answers: column sums of chosen rows, compared pair by pair.

A challenge turns on a set of rows at V_VMM. Every column integrates its current for T on a capacitor C; the comparator
of each pair of neighbouring columns (2k, 2k+1) says which of the two integrators stands higher. That is the
differential current-sum comparison of a published 48 x 48 FTJ crossbar (10.1016/j.nanoen.2026.111871); how that one
integrates and compares we don't know.

The difference of the mean currents carries shot noise, `q (|I_a| + |I_b|) / T`, and kT/C noise of both capacitors,
`2 k T_0 C / T^2`, in A^2, new in each answer; the comparator's offset, `V_os C / T` in A, belongs to the chip.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.array.fingerprint.cells import ChipCells, Condition
from ftj_spice.array.fingerprint.settings import FingerprintSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Drive, Line

SWING = 0.5
"""Voltage on the capacitor of a column of nominal cells at the end of an automatic integration time, in V."""
SUPPLY = 1.2
"""Largest voltage that an integrator is expected to hold, in V: the supply of the 65 nm comparator."""
COMPARATOR_ENERGY = 67e-15
"""Of one comparison in J, worst case in 65 nm (Satapathy and Kaur, Circuits Syst. Signal Process. 42, 5108 (2023))."""


def draw_challenges(rows: int, on: int, count: int, seed: int, index: Iterable[int] = ()) -> NDArray[np.bool_]:
    """Draws sets of rows without repeats; a larger draw begins with the smaller one.

    Args:
        rows: Rows of the array.
        on: Rows of each set.
        count: Number of sets, at most as many as there are.
        seed: The run's seed.
        index: Tells draws of one seed apart.

    Returns:
        Masks of shape `(count, rows)`.
    """
    rng = generator(seed, "fingerprint-challenges", *index)
    seen: dict[bytes, NDArray[np.bool_]] = {}
    while len(seen) < count:
        mask = np.zeros(rows, bool)
        mask[rng.permutation(rows)[:on]] = True
        seen.setdefault(np.packbits(mask).tobytes(), mask)
    return np.stack(list(seen.values()))


@dataclass(frozen=True)
class Readout:
    """What turns a chip's conductances into bits.

    Attributes:
        card: Device card; its V_VMM drives the rows.
        settings: Wires, integrators and comparators.
        time: Integration time in s.
    """

    card: Card
    settings: FingerprintSettings
    time: float

    @classmethod
    def of(cls, card: Card, settings: FingerprintSettings) -> "Readout":
        """Returns the read-out of the settings.

        Raises:
            SettingsError: The automatic integration time would be longer than 10 s.
        """
        capacitance = settings.integration_capacitance
        if settings.integration_time is not None:
            return cls(card, settings, settings.integration_time)
        time = SWING * capacitance / (settings.on * card.off_conductance * card.vmm_voltage)
        if time > 10.0:
            raise SettingsError(
                f"columns of {settings.on} cells would need {time:.3g} s to charge {capacitance:g} F to {SWING:g} V; "
                "give an 'integration_time', a smaller 'integration_capacitance' or a higher 'voltage'"
            )
        return cls(card, settings, time)

    def circuit(self, conductance: NDArray[np.float64]) -> ArrayCircuit:
        """Returns the array as a circuit."""
        s = self.settings
        line = Line(s.line_resistance)
        return ArrayCircuit(
            Cells.of(self.card, conductance),
            s.topology,
            line,
            line,
            driver_resistance=s.driver_resistance,
            sense_resistance=s.sense_resistance,
        )

    def drive(self, circuit: ArrayCircuit, challenges: NDArray[np.bool_]) -> Drive:
        """Returns the drive of challenges, masks of shape `(challenges, rows)`."""
        return circuit.drive_rows(self.card.vmm_voltage * challenges.astype(float))

    def offsets(self, chip: int) -> NDArray[np.float64]:
        """Returns the offsets of a chip's comparators as currents in A, shape `(pairs,)`."""
        volts = self.settings.comparator_offset * generator(
            self.settings.seed, "fingerprint-offset", chip
        ).standard_normal(self.settings.pairs)
        return volts * self.settings.integration_capacitance / self.time

    def noise(self, currents: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
        """Returns the standard deviation in A of the difference of each pair, shape `(challenges, pairs)`.

        Args:
            currents: Column currents in A, shape `(challenges, columns)`.
            temperature: In K.
        """
        magnitude = np.abs(currents)
        shot = elementary_charge * (magnitude[:, 0::2] + magnitude[:, 1::2]) / self.time
        thermal = 2.0 * Boltzmann * temperature * self.settings.integration_capacitance / self.time**2
        return np.sqrt(shot + thermal) if self.settings.noise else np.zeros_like(shot)

    def answer(
        self,
        reader: ArrayReader,
        cells: ChipCells,
        condition: Condition,
        session: int,
        challenges: NDArray[np.bool_],
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Returns a chip's bits, shape `(challenges, pairs)`, and its column currents in A.

        Args:
            reader: What reads the array.
            cells: The chip's cells.
            condition: Temperature and cycles.
            session: Number of the answer: noise, trap states and programming errors are drawn anew for each.
            challenges: Masks of shape `(challenges, rows)`.

        Raises:
            EngineError: A simulation failed.
        """
        circuit = self.circuit(cells.conductance(condition, session))
        currents = reader.read(circuit, self.drive(circuit, challenges)).currents
        rng = generator(self.settings.seed, "fingerprint-noise", cells.chip, session)
        difference = currents[:, 0::2] - currents[:, 1::2]
        difference = difference + self.noise(currents, condition.temperature) * rng.standard_normal(difference.shape)
        return difference + self.offsets(cells.chip) > 0.0, currents
