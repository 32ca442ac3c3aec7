"""Energy of a latent sample: what the row voltage delivers, and an estimate of the converter."""

import numpy as np

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.fast.integrator import OperatingPoint
from ftj_spice.netlist.circuit import Cells
from ftj_spice.sampling.array import SamplingArray

CONVERTER_SOURCE = (
    "estimate: SAR converter of NeuroSim (SarADC.cpp in neurosim/DNN_NeuroSim_V2.1, 65 nm low power), "
    "(3.7506 bits + 25.844) uW for bits + 1 cycles of 1 ns; its term of the column's resistance is below 1e-10 W here"
)
"""Where `converter_energy` comes from, in words."""


def converter_energy(bits: int) -> float:
    """Returns an estimate of one conversion's energy in J; see `CONVERTER_SOURCE`.

    The integrator's amplifier, clocks and bias circuits are not in it.
    """
    return (3.7506 * bits + 25.844) * 1e-6 * (bits + 1) * 1e-9


def cell_power(array: SamplingArray, columns: list[int], point: OperatingPoint) -> float:
    """Returns the mean power in W that goes into the cells of some columns; the rest of V times I heats wires.

    Args:
        array: The whole array.
        columns: Which columns.
        point: Their operating point.

    Raises:
        SettingsError: The columns carry no current.
    """
    cells = Cells.of(array.card, array.conductance[:, columns], array.amplitude[:, columns])
    current = (1.0 - array.amplitude[:, columns] * point.occupancy) * cells.current(point.bias)
    power = float(np.sum(point.bias * current))
    if not power > 0:
        raise SettingsError(f"the cells of card '{array.card.name}' carry no current at {array.voltage:g} V")
    return power
