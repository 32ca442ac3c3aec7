"""Nucleation-limited switching, domain by domain: the stochastic model.

Each domain keeps its state, its history h, and the rest of a budget drawn from the unit exponential distribution when
it last flipped. Growth of the history from h to h' costs `h'^beta - h^beta`; the domain flips when the budget is used
up. That is the law `p = 1 - exp(h^beta - h'^beta)` of Alessandri et al., TED 66, 3527 (2019), exactly and for any
steps: with one draw per flip instead of one per step. Every cell has a random stream of its own.
"""

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.common.seeds import generator
from ftj_spice.device.activation import activation_quantile
from ftj_spice.device.card import Card
from ftj_spice.device.electrostatics import Electrostatics
from ftj_spice.device.streams import exponential, stream_words
from ftj_spice.device.waveform import Waveform

_SMALLEST_CLOCK = 1e-14  # a piece that moves a history by less than this is nothing
_FEEDBACK = 0.01  # largest change of the polarization, in parts of P_r, before the depolarization field is set anew


@numba.njit(cache=CACHE, inline="always")
def domain_cost(h, beta):  # pragma: no cover - compiled
    """What a history costs of a domain's budget, `h^beta`."""
    return h * h if beta == 2.0 else h**beta


@numba.njit(cache=CACHE)
def _pulse(up, history, budget, barrier, offset, stream, duration, field, tau0, alpha, beta):  # pragma: no cover
    """Applies a constant field (per cell) to every domain; `barrier` is the activation field to the power alpha."""
    cells, domains = up.shape
    for cell in range(cells):
        scattered = offset.shape[1] > 0
        e = field[cell]
        strength = abs(e)
        power = strength**-alpha if strength > 1.0 else np.inf
        scale = duration / tau0
        # Domains with a higher barrier than this move by nothing.
        limit = np.log(scale / _SMALLEST_CLOCK) / power if scale > _SMALLEST_CLOCK else -1.0
        towards = e > 0.0
        for k in range(domains):
            if scattered:
                e = field[cell] + offset[cell, k]
                strength = abs(e)
                if strength <= 1.0:
                    continue
                power = strength**-alpha
                limit = np.log(scale / _SMALLEST_CLOCK) / power if scale > _SMALLEST_CLOCK else -1.0
                towards = e > 0.0
            h = history[cell, k]
            favoured = (up[cell, k] == 1) == towards
            if barrier[cell, k] > limit or (favoured and h == 0.0):
                continue
            theta = scale * np.exp(-barrier[cell, k] * power)
            if favoured:
                history[cell, k] = max(0.0, h - theta)
                continue
            left = budget[cell, k] - (domain_cost(h + theta, beta) - domain_cost(h, beta))
            if left > 0.0:
                history[cell, k], budget[cell, k] = h + theta, left
            else:
                up[cell, k] = 1 - up[cell, k]
                history[cell, k] = 0.0
                budget[cell, k] = exponential(stream, cell)


class DomainSwitching:
    """Cells of independent domains that flip at random, under any waveform.

    Args:
        card: Device card.
        cells: Number of cells.
        seed: The run's seed.
        index: Tells streams of one seed apart; cell c draws from the streams `(*index, c)`.
        domains: Domains per cell; 0 takes the card's, scaled with its area.
        up: Share of up domains at the start (each domain at random), or 0 or 1 for a saturated cell.
        activation_scale: Factor on each cell's activation fields, shape `(cells,)`.
        remanent_scale: Factor on each cell's remanent polarization, shape `(cells,)`.
    """

    def __init__(
        self,
        card: Card,
        cells: int = 1,
        seed: int = 0,
        index: tuple[int, ...] = (),
        domains: int = 0,
        up: float = 0.0,
        activation_scale: NDArray[np.float64] | None = None,
        remanent_scale: NDArray[np.float64] | None = None,
    ) -> None:
        self.card = card
        self.stack: Electrostatics = card.electrostatics
        count = domains or max(1, round(card.domains * card.area / 1e-12))
        self._up = np.empty((cells, count), np.int8)
        self._history = np.zeros((cells, count))
        self._budget = np.empty((cells, count))
        self._barrier = np.empty((cells, count))
        scattered = card.offset_field_spread > 0
        self._offset = np.empty((cells, count if scattered else 0))
        self._stream = stream_words(seed, "flips", [(*index, cell) for cell in range(cells)])
        for cell in range(cells):
            rng = generator(seed, "domains", *index, cell)
            scale = 1.0 if activation_scale is None else activation_scale[cell]
            self._barrier[cell] = (scale * activation_quantile(card, rng.random(count))) ** card.activation_exponent
            self._up[cell] = rng.random(count) < up
            self._budget[cell] = rng.exponential(size=count)
            if scattered:
                self._offset[cell] = card.offset_field_spread * rng.standard_normal(count)
        self.remanent = card.remanent_polarization * (np.ones(cells) if remanent_scale is None else remanent_scale)

    @property
    def domains(self) -> int:
        """Domains per cell."""
        return self._up.shape[1]

    @property
    def arrays(
        self,
    ) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint64]]:
        """The state itself, not a copy, for compiled code that moves it on.

        Whether each domain points up, its history, its budget, its activation field to the power alpha (all of shape
        `(cells, domains)`), and the random state of each cell.
        """
        return self._up, self._history, self._budget, self._barrier, self._stream

    @property
    def normalised(self) -> NDArray[np.float64]:
        """Normalised polarization s = P / P_r in [-1, 1], shape `(cells,)`."""
        return 2.0 * self._up.mean(axis=1) - 1.0

    @property
    def polarization(self) -> NDArray[np.float64]:
        """P in C/m^2, shape `(cells,)`."""
        return self.remanent * self.normalised

    def step(self, duration: float, voltage: ArrayLike) -> None:
        """Applies a constant voltage (V, per cell or for all) for `duration` seconds."""
        volts = np.broadcast_to(np.asarray(voltage, float), len(self.remanent))
        if self.stack.depolarization == 0.0:
            self._piece(duration, volts)
            return
        for cell in range(len(volts)):  # each by itself: its steps must not depend on its neighbours
            self._follow(slice(cell, cell + 1), duration, volts[cell : cell + 1])

    def _follow(self, own: slice, duration: float, volts: NDArray[np.float64]) -> None:
        """Applies a voltage in parts short enough to follow the field that the polarization moves, halved where not."""
        states = (self._up[own], self._history[own], self._budget[own], self._stream[own])
        allowed = float(self.remanent[own][0]) * max(_FEEDBACK, 4.0 / self.domains)
        left, part = duration, duration
        while left > 0.0:
            part = min(part, left)
            before, kept = self.polarization[own], [state.copy() for state in states]
            self._piece(part, volts, own)
            moved = float(np.abs(self.polarization[own] - before)[0])
            if moved > allowed and part > 1e-9 * duration:
                for state, old in zip(states, kept, strict=True):
                    state[:] = old
                part *= 0.5
                continue
            left -= part
            part *= 2.0 if moved < 0.3 * allowed else 1.0

    def _piece(self, duration: float, voltage: NDArray[np.float64], own: slice = slice(None)) -> None:
        field = self.stack.field(voltage, self.polarization[own])
        c = self.card
        _pulse(
            self._up[own], self._history[own], self._budget[own], self._barrier[own], self._offset[own],
            self._stream[own], duration, np.ascontiguousarray(field), c.attempt_time, c.activation_exponent,
            c.weibull_exponent,
        )  # fmt: skip

    def apply(self, waveform: Waveform, times: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Applies a waveform to all cells and returns s at `times` (its grid by default), shape `(times, cells)`.

        Ramps are taken in steps of `waveform.LARGEST_RAMP`, each at its middle voltage.
        """
        wanted = waveform.grid() if times is None else np.asarray(times, float)
        grid = np.union1d(waveform.grid(), wanted)
        volts = waveform.at(grid)
        out = np.empty((len(grid), len(self.remanent)))
        out[0] = self.normalised
        for k in range(1, len(grid)):
            self.step(grid[k] - grid[k - 1], 0.5 * (volts[k - 1] + volts[k]))
            out[k] = self.normalised
        return out[np.searchsorted(grid, wanted)]
