"""Spread from device to device, drawn once per population, and from cycle to cycle of programming.

Each quantity has a seed stream of its own: one more quantity changes no other, and a larger population begins with the
smaller one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card

_LARGEST_DEVIATION = 4.0  # of the normal spreads, in sigma
_SMALLEST_FACTOR = 0.05  # of the normal spreads; a wide one is cut there, and as far on the other side


@dataclass(frozen=True)
class Population:
    """Factors of each cell on its card's values; every array has shape `(cells,)`.

    Attributes:
        on_factor: On the low-resistance state's current.
        off_factor: On the high-resistance state's current.
        activation_scale: On the activation fields (nucleation-limited switching) or the coercive field (Preisach).
        remanent_scale: On the remanent polarization.
        rtn_amplitude_factor: On the dominant trap's amplitude.
        time_constant_factor: On the dominant trap's capture and emission time.
        minor_traps: Number of minor traps.
    """

    on_factor: NDArray[np.float64]
    off_factor: NDArray[np.float64]
    activation_scale: NDArray[np.float64]
    remanent_scale: NDArray[np.float64]
    rtn_amplitude_factor: NDArray[np.float64]
    time_constant_factor: NDArray[np.float64]
    minor_traps: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.on_factor)


def draw_population(card: Card, cells: int, seed: int, index: tuple[int, ...] = ()) -> Population:
    """Draws the device-to-device spread of `cells` cells.

    Currents, amplitudes and times are lognormal about the card's value as median. Fields and polarizations are normal,
    cut at 4 sigma. The spread of the currents goes with 1/sqrt(area) (Manna et al., arXiv 2312.15444: device-to-device
    spread grows as the area shrinks); that of the fields does not, since the sampling of fewer domains gives the rest.

    Args:
        card: Device card.
        cells: Number of cells.
        seed: The run's seed.
        index: Tells populations of one seed apart.
    """

    def normal(purpose: str) -> NDArray[np.float64]:
        return generator(seed, purpose, *index).standard_normal(cells)

    def uniform(purpose: str) -> NDArray[np.float64]:
        return generator(seed, purpose, *index).random(cells)

    current = card.spread_scale
    return Population(
        on_factor=np.exp(current * card.on_spread * normal("spread-on")),
        off_factor=np.exp(current * card.off_spread * normal("spread-off")),
        activation_scale=_cut_normal(card.coercive_spread, uniform("spread-activation")),
        remanent_scale=_cut_normal(card.remanent_spread, uniform("spread-remanent")),
        rtn_amplitude_factor=np.exp(card.rtn_amplitude_spread * normal("spread-amplitude")),
        time_constant_factor=np.exp(card.time_constant_spread * normal("spread-time")),
        minor_traps=_poisson(card.minor_traps, uniform("spread-minor")),
    )


def _cut_normal(sigma: float, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns normal factors of mean 1, cut symmetrically, one per uniform draw."""
    if sigma == 0.0:
        return np.ones(len(uniform))
    limit = min(_LARGEST_DEVIATION, (1.0 - _SMALLEST_FACTOR) / sigma)
    low = special.ndtr(-limit)
    return 1.0 + sigma * special.ndtri(low + uniform * (1.0 - 2.0 * low))


def _poisson(mean: float, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns Poisson numbers, one per uniform draw; they rise with the mean."""
    largest = int(mean + 12.0 * np.sqrt(mean) + 20)
    return np.searchsorted(special.pdtr(np.arange(largest), mean), uniform, side="right").astype(np.int64)


def cycle_sigma(card: Card, states: ArrayLike) -> NDArray[np.float64]:
    """Returns the cycle-to-cycle sigma of programmed states, in parts of the conductance range.

    The card's `cycle_spread` at both ends, half as much again at a third of the range: the spread depends on the state
    and is largest at low to middle conductance (Manna et al., arXiv 2312.15444); the shape `27/4 x (1 - x)^2` is ours.

    Args:
        card: Device card.
        states: Programmed conductances in parts of the range, 0 high-resistance, 1 low-resistance.
    """
    x = np.asarray(states, float)
    return card.cycle_spread * (1.0 + 0.5 * 6.75 * x * (1.0 - x) ** 2)


def cycle_to_cycle(card: Card, states: ArrayLike, seed: int, index: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """Returns the states that one programming cycle really gives, clipped to the range; same shape.

    Args:
        card: Device card.
        states: Wanted conductances in parts of the range, 0 to 1, any shape.
        seed: The run's seed.
        index: Tells cycles and arrays of one seed apart.
    """
    x = np.asarray(states, float)
    if np.any((x < 0) | (x > 1)):
        raise ValueError("states are parts of the range, from 0 to 1")
    noise = generator(seed, "cycle", *index).standard_normal(x.shape)
    return np.clip(x + cycle_sigma(card, x) * noise, 0.0, 1.0)
