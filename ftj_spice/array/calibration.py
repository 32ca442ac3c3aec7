"""Calibration: gains and offsets of column converters by least squares, and line drops taken out by programming.

`fit_correction` compares converted currents of known inputs with those wanted and finds, per unit, `measured = gain
wanted + offset`. It takes out the converters' own errors, the mean of the columns' line drops, and the mean error of
the cells' conductances as the inputs weight it; what differs from row to row stays.

`compensate` works from row to row. In reads of the target conductances each row is switched in turn, all others held
in a random pattern: the change of a column's current over V_VMM is what cell (i, j) really counts for. The targets are
then divided by that share, relative to the smallest share of their unit: cells near the drivers are lowered to what
the farthest ones can deliver, so that all stay in the window, and the converter's result is divided by the common
share. As smaller conductances change the drops, this is done a few times.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.mapping import ProgrammedLayer, Tile
from ftj_spice.array.programming import window
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader

ROUNDS = 3
"""Times the compensated targets are read and corrected."""


@dataclass(frozen=True)
class Correction:
    """What calibration found.

    Attributes:
        gain: Measured over wanted current, per unit.
        offset: Measured current without a wanted one, in A, per unit.
    """

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]

    def apply(self, sums: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
        """Returns corrected sums of conversions.

        Args:
            sums: Weighted sums of converted currents in A, shape `(batch, units)`.
            weight: Sum of the conversions' weights: how often the offset is in them.
        """
        return (sums - weight * self.offset) / self.gain


def fit_correction(wanted: NDArray[np.float64], measured: NDArray[np.float64]) -> Correction:
    """Fits `measured = gain wanted + offset` per unit.

    Where nothing is wanted, or the gain would not be positive, the gain is 1 and the offset the mean difference.

    Args:
        wanted: Currents in A, shape `(conversions, units)`.
        measured: Same shape.
    """
    x, y = wanted - wanted.mean(axis=0), measured - measured.mean(axis=0)
    power = np.einsum("ku,ku->u", x, x)
    largest = np.max(np.abs(wanted), axis=0)
    usable = power > (1e-9 * largest) ** 2 * len(wanted)
    gain = np.where(usable, np.einsum("ku,ku->u", x, y) / np.where(usable, power, 1.0), 1.0)
    gain = np.where(gain > 0, gain, 1.0)
    return Correction(gain, measured.mean(axis=0) - gain * wanted.mean(axis=0))


def compensate(
    layer: ProgrammedLayer, card: Card, settings: ReadSettings, seed: int, number: int, reader: ArrayReader
) -> ProgrammedLayer:
    """Returns the layer with conductances corrected for line drops; targets stay as they are.

    Args:
        layer: From `map_weights`.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        number: Number of the layer.
        reader: What reads the arrays.

    Raises:
        EngineError: A simulation failed.
    """
    low, high = window(card, settings)
    tiles: list[Tile] = []
    for t, tile in enumerate(layer.tiles):
        pattern = generator(seed, "compensation-pattern", number, t).random(tile.shape[0]) < 0.5
        columns = np.arange(tile.shape[1])
        units = columns // 2 if layer.layout.scheme == "differential" else columns
        g, gain = tile.target, np.ones(int(units.max()) + 1)
        for _ in range(ROUNDS):
            share = shares(g, pattern, card, settings, reader)
            gain = np.full_like(gain, np.inf)
            # A cell at the top of the window must be reachable: its own share is the most it can deliver.
            np.minimum.at(gain, units, (np.minimum(share, 1.0) * high / tile.target).min(axis=0))
            gain = np.minimum(gain, 1.0)
            g = np.clip(tile.target * gain[units] / share, low, high)
        tiles.append(replace(tile, conductance=g, gain=gain))
    return replace(layer, tiles=tuple(tiles))


def shares(
    conductance: NDArray[np.float64],
    pattern: NDArray[np.bool_],
    card: Card,
    settings: ReadSettings,
    reader: ArrayReader,
) -> NDArray[np.float64]:
    """Returns what each cell adds to its column's current when its row is switched, in parts of `G V_VMM`.

    Args:
        conductance: In S, shape `(rows, columns)`.
        pattern: Which rows are on while another one is switched, shape `(rows,)`.
        card: Device card.
        settings: Settings of the read phase.
        reader: What reads the array.
    """
    circuit = array_circuit(conductance, card, settings)
    rows = len(pattern)
    drives = np.tile(pattern.astype(float), (rows + 1, 1))
    drives[np.arange(1, rows + 1), np.arange(rows)] = 1.0 - pattern
    currents = reader.read(circuit, circuit.drive_rows(card.vmm_voltage * drives)).currents
    change = (currents[1:] - currents[0]) * np.where(pattern, -1.0, 1.0)[:, np.newaxis]
    return np.maximum(change / (card.vmm_voltage * conductance), 1e-3)
