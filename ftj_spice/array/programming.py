"""What programming leaves of a target conductance, in a form that costs a few draws per cell.

With program-and-verify a cell ends within a tolerance of its level, drawn uniformly here; `writing` simulates the real
thing. Without it, two errors act: the cycle-to-cycle error of one write (`device.variability.cycle_sigma`) and the
spread from device to device, lognormal, its sigma going from the card's `off_spread` to `on_spread` with the level and
with 1/sqrt(area). Stuck cells stay at either end of the card's window whatever is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.variability import cycle_sigma


def window(card: Card, settings: ReadSettings) -> tuple[float, float]:
    """Returns the lowest and highest conductance that weights use, in S."""
    low, swing = card.off_conductance, card.on_conductance - card.off_conductance
    return low + settings.low * swing, low + settings.high * swing


def level_count(card: Card, settings: ReadSettings) -> int:
    """Returns the number of levels, whether or not cells are put on them; with `levels` 0 the card's."""
    return settings.levels or card.levels


def level_step(card: Card, settings: ReadSettings) -> float:
    """Returns the distance of two levels in S; with `levels` 0, that of the card's levels."""
    low, high = window(card, settings)
    return (high - low) / (level_count(card, settings) - 1)


@dataclass(frozen=True)
class Draws:
    """Random numbers of a layer's cells; streams depend on seed, purpose, layer and tile only.

    Attributes:
        values: Draws by purpose, shape `(rows, columns)` each.
    """

    values: Mapping[str, NDArray[np.float64]]

    def __init__(self, settings: ReadSettings, seed: int, layer: int, shape: tuple[int, int], *tile: int) -> None:
        """Draws what the settings need.

        Args:
            settings: Settings of the read phase.
            seed: The run's seed.
            layer: Number of the layer.
            shape: Rows and columns.
            *tile: Number of the tile, for columns that belong to a tile and not to the layer.
        """

        def stream(purpose: str) -> np.random.Generator:
            return generator(seed, purpose, layer, *tile)

        values: dict[str, NDArray[np.float64]] = {}
        if settings.verify_tolerance is not None:
            if settings.verify_tolerance > 0:
                values["verify"] = stream("verify-residual").uniform(-1.0, 1.0, shape)
        else:
            if settings.cycle_spread > 0:
                values["cycle"] = stream("programming-cycle").standard_normal(shape)
            if settings.spread > 0:
                values["spread"] = stream("conductance-spread").standard_normal(shape)
        if settings.stuck > 0:
            values["stuck"] = stream("stuck-cells").random(shape)
        object.__setattr__(self, "values", values)

    def take(self, rows: slice, columns: slice) -> dict[str, NDArray[np.float64]]:
        """Returns the draws of some cells."""
        return {name: draw[rows, columns] for name, draw in self.values.items()}


def apply_errors(
    target: NDArray[np.float64], card: Card, settings: ReadSettings, draws: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Returns the conductances that programming leaves.

    Args:
        target: Conductances wanted in S, any shape.
        card: Device card.
        settings: Settings of the read phase.
        draws: From `Draws.take`; what is missing does not act.
    """
    low, high = card.off_conductance, card.on_conductance
    result = target
    if "verify" in draws:
        tolerance = (settings.verify_tolerance or 0.0) * level_step(card, settings)
        result = np.maximum(result + tolerance * draws["verify"], 0.0)
    if "cycle" in draws:
        part = np.clip((result - low) / (high - low), 0.0, 1.0)
        moved = part + settings.cycle_spread * cycle_sigma(card, part) * draws["cycle"]
        result = low + (high - low) * np.clip(moved, 0.0, 1.0)
    if "spread" in draws:
        part = np.clip((result - low) / (high - low), 0.0, 1.0)
        sigma = card.off_spread + part * (card.on_spread - card.off_spread)
        result = result * np.exp(settings.spread * card.spread_scale * sigma * draws["spread"])
    if "stuck" in draws:
        share = settings.stuck
        result = np.where(draws["stuck"] < share, np.where(draws["stuck"] < 0.5 * share, low, high), result)
    return result
