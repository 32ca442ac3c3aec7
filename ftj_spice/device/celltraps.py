"""All traps of cells: one dominant trap each, and a Poisson number of weak ones beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE
from ftj_spice.device.traps import Traps
from ftj_spice.device.variability import Population, draw_population

LARGEST_DROP = 0.95
"""Largest relative drop of a cell's current with all its traps filled: a lognormal tail must not turn it round."""


@dataclass(frozen=True)
class CellTraps:
    """The traps of a set of cells, cell by cell, each cell's dominant trap first.

    A cell's current is `I_0 (1 - D(P) x)` with `D` from `ftj_spice.device.current.rtn_amplitude` and
    `x = amplitude_factor * sum of weight * state` over its traps, from `load`.

    Attributes:
        traps: Their times; length `traps`.
        cell: Cell of each trap, shape `(traps,)`.
        weight: Amplitude relative to the cell's dominant trap (1 for that), shape `(traps,)`.
        amplitude_factor: Factor of each cell on the card's amplitude, shape `(cells,)`.
        streams: Seed stream of each trap, `(*index, cell, k)` with k = 0 for the dominant one: for `draw_candidates`
            and `simulate_constant`.
    """

    traps: Traps
    cell: NDArray[np.int64]
    weight: NDArray[np.float64]
    amplitude_factor: NDArray[np.float64]
    streams: list[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.amplitude_factor)

    @property
    def dominant(self) -> NDArray[np.int64]:
        """Number of each cell's dominant trap, shape `(cells,)`."""
        return np.searchsorted(self.cell, np.arange(len(self)))

    def load(self, states: ArrayLike) -> NDArray[np.float64]:
        """Returns x of every cell, the argument `trap` of `static_current`, shape `(cells,)`.

        Args:
            states: State of each trap, or its mean over a window, shape `(traps,)`.
        """
        total = np.bincount(self.cell, self.weight * np.asarray(states, float), minlength=len(self))
        return self.amplitude_factor * total


def draw_cell_traps(
    card: Card,
    cells: int,
    seed: int,
    index: tuple[int, ...] = (),
    temperature: float = REFERENCE_TEMPERATURE,
    population: Population | None = None,
) -> CellTraps:
    """Draws the traps of `cells` cells; a larger set begins with the smaller one.

    Both times of a trap are spread by the same lognormal factor. Amplitudes are lognormal about the card's, those of
    the minor traps about `minor_amplitude` times the dominant one's; a cell whose traps together would lower the
    current by more than `LARGEST_DROP` in either state has all its amplitudes scaled down.

    Args:
        card: Device card.
        cells: Number of cells.
        seed: The run's seed.
        index: Tells sets of one seed apart.
        temperature: In K.
        population: The cells' spread; none draws it from the same seed and index.
    """
    spread = draw_population(card, cells, seed, index) if population is None else population
    minor = spread.minor_traps
    first = np.concatenate([[0], np.cumsum(1 + minor)])
    cell = np.repeat(np.arange(cells), 1 + minor)
    dominant = first[:-1]
    is_minor = np.ones(first[-1], bool)
    is_minor[dominant] = False
    count = int(minor.sum())

    log_times = np.empty(first[-1])
    log_times[dominant] = np.log(spread.time_constant_factor)
    log_times[is_minor] = card.time_constant_spread * generator(seed, "minor-time", *index).standard_normal(count)
    weight = np.ones(first[-1])
    weight[is_minor] = card.minor_amplitude * np.exp(
        card.rtn_amplitude_spread * generator(seed, "minor-amplitude", *index).standard_normal(count)
    )
    full = max(card.rtn_amplitude_off, card.rtn_amplitude_on) * np.bincount(cell, weight, minlength=cells)
    factor = spread.rtn_amplitude_factor / np.maximum(spread.rtn_amplitude_factor * full / LARGEST_DROP, 1.0)
    streams = [(*index, int(c), int(k)) for c, k in zip(cell, np.arange(first[-1]) - first[cell], strict=True)]
    return CellTraps(Traps.from_card(card, len(cell), log_times, temperature), cell, weight, factor, streams)
