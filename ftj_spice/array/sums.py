"""How well an array sums: a column read with many rows on against the sum of its cells read one by one.

That is how published arrays state the accuracy of their products: it holds what wires, drivers and sense amplifiers do
to a sum, and the noise of both readings, but no error of programming, since the cells are taken as they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.seeds import generator
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.netlist.circuit import ArrayCircuit


@dataclass(frozen=True)
class SumError:
    """Errors of column sums, in parts of the full-scale sum.

    Attributes:
        rms: Root mean square over patterns and columns.
        largest: Largest magnitude.
        full_scale: The largest column current with all rows on, in A.
        patterns: Number of input patterns.
    """

    rms: float
    largest: float
    full_scale: float
    patterns: int


def sum_errors(
    circuit: ArrayCircuit,
    voltage: float,
    reader: ArrayReader,
    settings: ReadSettings,
    *,
    seed: int,
    patterns: int = 1000,
    noise: bool | None = None,
) -> SumError:
    """Compares column sums of random input patterns with the sums of the cells' currents, read one row at a time.

    Args:
        circuit: The array.
        voltage: Of a row that is on, in V.
        reader: What reads the array.
        settings: Settings of the read phase: noise, integration time and capacitor.
        seed: The run's seed.
        patterns: Number of patterns; in each, every row is on with even odds.
        noise: Whether both readings carry shot and kT/C noise; without it as the settings say.

    Raises:
        EngineError: A simulation failed.
    """
    rows, _ = circuit.shape
    rng = generator(seed, "sum-patterns")
    on = (rng.random((patterns, rows)) < 0.5).astype(float)
    drives = voltage * np.concatenate([np.eye(rows), np.ones((1, rows)), on])  # cells, full scale, patterns
    currents = reader.read(circuit, circuit.drive_rows(drives)).currents
    full_scale = float(np.max(np.abs(currents[rows])))
    if settings.noise if noise is None else noise:
        currents = currents + noise_of(currents, settings) * rng.standard_normal(currents.shape)
    cells, sums = currents[:rows], currents[rows + 1 :]
    error = (sums - on @ cells) / full_scale
    return SumError(float(np.sqrt(np.mean(error**2))), float(np.max(np.abs(error))), full_scale, patterns)


def noise_of(currents: NDArray[np.float64], settings: ReadSettings) -> NDArray[np.float64]:
    """Returns the standard deviation in A of columns' mean currents over the integration time: shot and kT/C noise."""
    time = settings.integration_time
    thermal = Boltzmann * settings.temperature * settings.integration_capacitance / time**2
    return np.sqrt(elementary_charge * np.abs(currents) / time + thermal)
