"""What a layer's reads did that costs energy: counted where a periphery is given."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.circuits import CircuitReadout
from ftj_spice.periphery.energy import array_energy


@dataclass(frozen=True)
class Tally:
    """Counts of a layer's reads, calibration left out.

    Attributes:
        conversions: Conversions of columns (by a converter of their own), or of units.
        reads: Reads of columns by a front end.
        sense_time: Sum of the front ends' times over these, in s.
        raised: Rows raised to V_VMM.
        array_energy: What the cells turned into heat (`periphery.energy.array_energy`), in J.
        time: Of the reads one after another, all tiles side by side counted apart, in s.
    """

    conversions: int = 0
    reads: int = 0
    sense_time: float = 0.0
    raised: int = 0
    array_energy: float = 0.0
    time: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, name) + getattr(other, name) for name in Tally.__dataclass_fields__))

    @classmethod
    def of(
        cls,
        readout: CircuitReadout,
        raised: int,
        currents: NDArray[np.float64],
        voltage: float,
        shares: NDArray[np.float64],
    ) -> "Tally":
        """Counts some reads of a tile.

        Args:
            readout: The tile's circuits.
            raised: Rows raised, all reads together.
            currents: Column currents in A, shape `(reads, columns)`.
            voltage: V_VMM in V.
            shares: Each slot's share of a conversion's time.
        """
        count, columns = len(currents) // len(shares), currents.shape[1]
        units = columns if readout.converts else len(readout.plus)
        slots = currents.sum() if len(shares) == 1 else currents.reshape(count, len(shares), -1).sum(axis=(0, 2))
        charge = float(np.sum(slots * shares)) * readout.time
        return cls(
            conversions=count * units,
            reads=count * columns,
            sense_time=count * columns * readout.time,
            raised=raised,
            array_energy=array_energy(voltage, charge),
            time=count * readout.time,
        )
