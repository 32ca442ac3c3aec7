"""From a weight matrix to differential conductance pairs on tiles.

A weight w of column j becomes two cells, `G+ - G- = w / scale_j * (G_on - G_off)`: one of the pair carries the
magnitude on one of the card's levels (evenly spaced in conductance), the other stays at G_off. The scale is set per
column by a percentile of its magnitudes. Device-to-device spread is lognormal, its sigma going from the card's
`off_spread` to `on_spread` with the level, and with 1/sqrt(area).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card


@dataclass(frozen=True)
class Tile:
    """A part of the array that fits one netlist.

    Attributes:
        rows: Which inputs its rows carry.
        outputs: Which outputs its column pairs belong to.
        conductance: In S at V_VMM, shape `(rows, 2 * outputs)`; columns 2k and 2k+1 are the pair of output k.
    """

    rows: slice
    outputs: slice
    conductance: NDArray[np.float64]


@dataclass(frozen=True)
class ProgrammedLayer:
    """A weight matrix on tiles.

    Attributes:
        tiles: All tiles.
        scale: Weight that a full conductance swing stands for, per output, shape `(outputs,)`.
        swing: G_on - G_off in S.
        shape: Inputs and outputs.
    """

    tiles: tuple[Tile, ...]
    scale: NDArray[np.float64]
    swing: float
    shape: tuple[int, int]

    def weights(self) -> NDArray[np.float64]:
        """Returns the weights that the conductances stand for, shape `(inputs, outputs)`."""
        result = np.zeros(self.shape)
        for tile in self.tiles:
            pairs = tile.conductance[:, 0::2] - tile.conductance[:, 1::2]
            result[tile.rows, tile.outputs] = pairs / self.swing * self.scale[tile.outputs]
        return result


def program(
    weights: NDArray[np.float64], card: Card, settings: ReadSettings, seed: int, layer: int = 0
) -> ProgrammedLayer:
    """Puts a weight matrix on conductances.

    Args:
        weights: Shape `(inputs, outputs)`.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        layer: Number of the layer, part of the seed stream of its spread.

    Raises:
        DataError: The weights are not a finite matrix.
    """
    weights = np.asarray(weights, float)
    if weights.ndim != 2 or 0 in weights.shape or not np.isfinite(weights).all():
        raise DataError(f"weights must be a finite matrix, got shape {weights.shape}")
    levels = settings.levels or card.levels
    scale = np.percentile(np.abs(weights), settings.clip_percentile, axis=0)
    scale = np.where(scale > 0, scale, np.maximum(np.abs(weights).max(axis=0), np.finfo(float).tiny))
    steps = np.rint(np.minimum(np.abs(weights) / scale, 1.0) * (levels - 1)) / (levels - 1)
    fractions = np.zeros((weights.shape[0], 2 * weights.shape[1]))
    fractions[:, 0::2] = np.where(weights > 0, steps, 0.0)
    fractions[:, 1::2] = np.where(weights < 0, steps, 0.0)

    swing = card.on_conductance - card.off_conductance
    ideal = card.off_conductance + fractions * swing
    sigma = card.off_spread + fractions * (card.on_spread - card.off_spread)
    sigma *= settings.spread * card.spread_scale
    draws = generator(seed, "conductance-spread", layer).standard_normal(ideal.shape)
    conductance = ideal * np.exp(sigma * draws)

    inputs, outputs = weights.shape
    per_tile = settings.tile_columns // 2
    tiles = [
        Tile(
            slice(r, min(r + settings.tile_rows, inputs)),
            slice(c, min(c + per_tile, outputs)),
            conductance[r : r + settings.tile_rows, 2 * c : 2 * (c + per_tile)],
        )
        for r in range(0, inputs, settings.tile_rows)
        for c in range(0, outputs, per_tile)
    ]
    return ProgrammedLayer(tuple(tiles), scale, swing, (inputs, outputs))
