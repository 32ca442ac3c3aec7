"""Energy of a latent sample: what the row voltage delivers, and an estimate of the converter."""

import numpy as np

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.fast.integrator import OperatingPoint
from ftj_spice.netlist.circuit import Cells
from ftj_spice.periphery.macromodel import Macromodel
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


def readout_energy(model: Macromodel | None, time: float, bits: int) -> tuple[float, str]:
    """Returns what reading one column once takes beside the cells in J, and where that comes from, in words.

    Args:
        model: The circuits; none: a converter alone, by `converter_energy`.
        time: Of one sample in s: what takes longer than the circuit was measured with costs its static power.
        bits: Resolution of the converter where the circuits have none.
    """
    if model is None:
        return converter_energy(bits), CONVERTER_SOURCE
    joules, parts = 0.0, []
    if model.sense is not None:
        longer = max(time - model.sense.time, -model.sense.time)
        joules += max(sum(model.sense.energy.values()) + model.sense.static_power * longer, 0.0)
        parts.append("front end: energy per read from its transients, and its static power while it integrates longer")
    if model.convert is not None:
        joules += sum(model.convert.energy.values())
        parts.append("converter: energy per conversion from its transients")
    else:
        joules += converter_energy(bits)
        parts.append(f"converter: {CONVERTER_SOURCE}")
    return joules, "; ".join(parts)


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
