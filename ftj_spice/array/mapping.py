"""From a weight matrix to conductances on tiles, and back.

A weight w of column j becomes `x = w / scale_j` in -1 to 1, where the scale is a percentile of the column's magnitudes.
How x becomes conductances is the scheme:

- `differential`: two columns; one carries |x| in parts of the window, the other stays at the lowest conductance.
- `reference`, `offset`: one column carries (1 + x) / 2 in parts of the window; what is subtracted is the reading of
  one column per tile at mid conductance, or mid conductance times the sum of the inputs. A reference cell is verified
  to mid conductance as to any target, but that is a level only where their number is odd: with an even number a
  weight of 0 rounds to a level half a step away from it.

With slices, the part f is rounded to an integer of `levels ** slices` values and its digits, to the base `levels`, go
to one cell each; their readings are added with the weights `(levels - 1) levels^k / (levels^slices - 1)`. Where cells
are not put on levels (`rounded`), the digits are the same, and the lowest that has room for it also carries what
rounding left; with `levels` 0 every slice carries f itself, with the card's levels as the base of the weights.

A converter reads one *unit*: a pair of columns or a single one. `Tile.combine` turns the units' values into outputs.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.programming import Draws, apply_errors, level_count, window
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError
from ftj_spice.device.card import Card


@dataclass(frozen=True)
class Layout:
    """How outputs lie on the columns of a tile.

    Attributes:
        scheme: `differential`, `reference` or `offset`.
        factors: What each slice's reading counts for, shape `(slices,)`; their sum is 1.
        low: Lowest conductance in S.
        swing: Highest less lowest conductance in S.
    """

    scheme: str
    factors: NDArray[np.float64]
    low: float
    swing: float

    @property
    def slices(self) -> int:
        """Groups of columns."""
        return len(self.factors)

    @property
    def middle(self) -> float:
        """Mid conductance in S, which stands for the weight 0 where columns are single."""
        return self.low + 0.5 * self.swing

    def plus(self, columns: int) -> NDArray[np.int64]:
        """Returns each unit's column that counts positive."""
        return np.arange(0, columns, 2 if self.scheme == "differential" else 1)

    def minus(self, columns: int) -> NDArray[np.int64]:
        """Returns each unit's column that counts negative; -1 for none."""
        plus = self.plus(columns)
        return plus + 1 if self.scheme == "differential" else np.full_like(plus, -1)

    def combine(self, units: NDArray[np.float64], inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns weighted sums from the readings of a tile's units.

        Args:
            units: Readings as conductance times input in S, shape `(batch, units)`.
            inputs: Sum of each vector's inputs over the tile's rows, shape `(batch,)`.

        Returns:
            Sums of input times x, shape `(batch, outputs)`.
        """
        if self.scheme == "reference":
            units, zero = units[:, :-1], units[:, -1:]
        elif self.scheme == "offset":
            zero = self.middle * inputs[:, np.newaxis]
        else:
            zero = np.zeros((len(units), 1))
        sums = units.reshape(len(units), -1, self.slices) @ self.factors - zero
        return sums * ((1.0 if self.scheme == "differential" else 2.0) / self.swing)


@dataclass(frozen=True)
class Tile:
    """A part of the matrix that fits one array.

    Attributes:
        rows: Which inputs its rows carry.
        outputs: Which outputs its columns belong to.
        target: Conductance wanted in S at V_VMM, shape `(rows, columns)`.
        conductance: Conductance programmed, same shape.
        gain: What the wires leave of a unit's reading by design (see `calibration.compensate`), shape `(units,)`.
    """

    rows: slice
    outputs: slice
    target: NDArray[np.float64]
    conductance: NDArray[np.float64]
    gain: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.conductance.shape
        return rows, columns


@dataclass(frozen=True)
class ProgrammedLayer:
    """A weight matrix on tiles.

    Attributes:
        tiles: All tiles, row by row of the grid they make.
        layout: How outputs lie on a tile's columns.
        scale: Weight that x = 1 stands for, per output, shape `(outputs,)`.
        shape: Inputs and outputs.
    """

    tiles: tuple[Tile, ...]
    layout: Layout
    scale: NDArray[np.float64]
    shape: tuple[int, int]

    @property
    def swing(self) -> float:
        """Highest less lowest conductance in S."""
        return self.layout.swing

    @property
    def cells(self) -> int:
        """Number of cells."""
        return sum(tile.conductance.size for tile in self.tiles)

    def weights(self, ideal: bool = False) -> NDArray[np.float64]:
        """Returns the weights that the conductances stand for, shape `(inputs, outputs)`.

        Args:
            ideal: Of the conductances wanted, not of those programmed.
        """
        result = np.zeros(self.shape)
        for tile in self.tiles:
            g = tile.target if ideal else tile.conductance
            plus, minus = self.layout.plus(g.shape[1]), self.layout.minus(g.shape[1])
            units = g[:, plus] - (g[:, minus] if self.layout.scheme == "differential" else 0.0)
            x = self.layout.combine(units, np.ones(len(g)))
            result[tile.rows, tile.outputs] = x * self.scale[tile.outputs]
        return result


def grid(shape: tuple[int, int], settings: ReadSettings) -> list[tuple[slice, slice]]:
    """Returns which inputs and outputs each tile holds, row by row of the grid.

    Args:
        shape: Inputs (a bias row included) and outputs.
        settings: Settings of the read phase.
    """
    inputs, outputs = shape
    each = (settings.tile_columns - settings.columns_per_tile) // settings.columns_per_output
    return [
        (slice(r, min(r + settings.tile_rows, inputs)), slice(c, min(c + each, outputs)))
        for r in range(0, inputs, settings.tile_rows)
        for c in range(0, outputs, each)
    ]


def map_weights(weights: NDArray[np.float64], card: Card, settings: ReadSettings) -> ProgrammedLayer:
    """Puts a weight matrix on tiles of conductances, without any error of programming.

    Args:
        weights: Shape `(inputs, outputs)`.
        card: Device card.
        settings: Settings of the read phase.

    Raises:
        DataError: The weights are not a finite matrix, or it has no element.
        SettingsError: Conductances are asked for that the card does not have.
    """
    weights = np.asarray(weights, float)
    if weights.ndim != 2 or 0 in weights.shape or not np.isfinite(weights).all():
        raise DataError(f"weights must be a finite matrix, got shape {weights.shape}")
    low, high = window(card, settings)
    levels, slices = level_count(card, settings), settings.slices
    powers = float(levels) ** np.arange(slices)
    layout = Layout(settings.scheme, powers / powers.sum(), low, high - low)

    scale = column_scale(weights, settings.clip_percentile)
    x = np.clip(weights / scale, -1.0, 1.0)
    if settings.scheme == "differential":
        parts = np.stack([np.maximum(x, 0.0), np.maximum(-x, 0.0)], axis=-1)
    else:
        parts = 0.5 * (1.0 + x)[..., np.newaxis]
    if settings.levels == 0:
        digits = np.repeat(parts[:, :, np.newaxis, :], slices, axis=2)
    else:
        digits = _digits(parts, levels, slices, settings.rounded)  # (inputs, outputs, slices, 1 or 2)
    cells = (low + layout.swing * digits).reshape(len(weights), -1)

    tiles = []
    for rows, outputs in grid((weights.shape[0], weights.shape[1]), settings):
        first, last = (settings.columns_per_output * k for k in (outputs.start, outputs.stop))
        target = cells[rows, first:last]
        if settings.scheme == "reference":
            target = np.concatenate([target, np.full((len(target), 1), layout.middle)], axis=1)
        units = len(layout.plus(target.shape[1]))
        tiles.append(Tile(rows, outputs, target, target, np.ones(units)))
    return ProgrammedLayer(tuple(tiles), layout, scale, (weights.shape[0], weights.shape[1]))


def program(
    weights: NDArray[np.float64], card: Card, settings: ReadSettings, seed: int, layer: int = 0
) -> ProgrammedLayer:
    """Puts a weight matrix on conductances, with the errors of programming.

    Args:
        weights: Shape `(inputs, outputs)`.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        layer: Number of the layer, part of the seed streams of its errors.

    Raises:
        DataError: The weights are not a finite matrix, or it has no element.
        SettingsError: Conductances are asked for that the card does not have.
    """
    return with_errors(map_weights(weights, card, settings), card, settings, seed, layer)


def with_errors(
    layer: ProgrammedLayer, card: Card, settings: ReadSettings, seed: int, number: int = 0
) -> ProgrammedLayer:
    """Returns the layer with each cell as programming leaves it; the tiling does not change the draws."""
    per_output = settings.columns_per_output
    draws = Draws(settings, seed, number, (layer.shape[0], layer.shape[1] * per_output))
    tiles = []
    for number_of_tile, tile in enumerate(layer.tiles):
        columns = slice(per_output * tile.outputs.start, per_output * tile.outputs.stop)
        own = tile.shape[1] - settings.columns_per_tile
        g = tile.conductance
        parts = [apply_errors(g[:, :own], card, settings, draws.take(tile.rows, columns))]
        if own < g.shape[1]:
            reference = Draws(settings, seed, number, (len(g), 1), number_of_tile)
            parts.append(apply_errors(g[:, own:], card, settings, reference.take(slice(None), slice(None))))
        tiles.append(replace(tile, conductance=parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)))
    return replace(layer, tiles=tuple(tiles))


def column_scale(weights: NDArray[np.float64], percentile: float) -> NDArray[np.float64]:
    """Returns the weight that x = 1 stands for, per column: a percentile of its magnitudes.

    Where that is 0, it is the largest magnitude.
    """
    magnitudes = np.abs(weights)
    scale = np.percentile(magnitudes, percentile, axis=0)
    return np.where(scale > 0, scale, np.maximum(magnitudes.max(axis=0), np.finfo(float).tiny))


def _digits(parts: NDArray[np.float64], levels: int, slices: int, rounded: bool) -> NDArray[np.float64]:
    """Returns the parts of the window that each slice's cell carries, shape `(inputs, outputs, slices, cells)`.

    Args:
        parts: In 0 to 1, shape `(inputs, outputs, cells)`.
        levels: Levels of a cell.
        slices: Number of slices.
        rounded: Whether the digits are whole; otherwise what rounding left is put on the lowest digit that stays
            within its range with it.
    """
    wanted = parts * (float(levels) ** slices - 1)
    whole = np.rint(wanted)
    digits = [np.floor(whole / float(levels) ** k) % levels for k in range(slices)]
    if not rounded:
        left = wanted - whole
        for k, digit in enumerate(digits):
            room = np.where(left < 0, digit > 0, digit < levels - 1)
            digits[k] = digit + np.where(room, left / float(levels) ** k, 0.0)
            left = np.where(room, 0.0, left)
    return np.clip(np.stack(digits, axis=2) / (levels - 1), 0.0, 1.0)
