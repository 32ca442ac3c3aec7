"""Nucleation-limited switching of a multi-domain ferroelectric: the deterministic mean model.

The equations, which the ngspice subcircuit and the Verilog-A module share, stand in docs/device-model.md. A group's
states depend on the clock `theta = integral r dt` alone while the field keeps its sign, so a waveform of any shape
costs one quadrature of the rate per piece and an integration in theta that ends where the group is switched.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.activation import GROUPS, DomainGroups, activation_quantile, domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.electrostatics import Electrostatics
from ftj_spice.device.waveform import LARGEST_RAMP, Waveform

REGULARISATION = 1e-3
"""eps of the mean model: share of a group below which its history is no longer resolved."""
RUN_DOWN = 6.0
"""K of the mean model: how fast the mean history runs down while the field favours the present state."""

_STEP = 0.05  # largest step of the clock in the integration
GONE = 1e-6
"""Share below which a group counts as switched."""
_FEEDBACK = 1e-3  # largest change of the field by switching within one step, in parts of the mean activation field


def switched_fraction(card: Card, field: ArrayLike, time: ArrayLike, domains: int = 0) -> NDArray[np.float64]:
    """Returns the fraction of a saturated cell that a constant field switches, by quadrature over the distribution.

    `1 - exp(-(t/tau)^beta)`, averaged over the activation fields (Alessandri et al., TED 66, 3527 (2019)); broadcasts.

    Args:
        card: Device card; its offset fields are left out.
        field: Field in the ferroelectric in V/m, against the present polarization.
        time: Time in s.
        domains: Nodes of the quadrature; 0 takes the groups of the mean model.
    """
    if domains:
        probability = (np.arange(domains) + 0.5) / domains
        activation, weight = activation_quantile(card, probability), np.full(domains, 1.0 / domains)
    else:
        groups = domain_groups(card)
        activation, weight = groups.activation_field, groups.weight
    strength, duration = np.broadcast_arrays(np.asarray(field, float)[..., None], np.asarray(time, float)[..., None])
    clock = duration * switching_rate(card, strength, activation)
    return np.sum(weight * -np.expm1(-(clock**card.weibull_exponent)), axis=-1)


def switching_rate(card: Card, field: ArrayLike, activation_field: ArrayLike) -> NDArray[np.float64]:
    """Returns 1/tau in 1/s: `exp(-(E_a/|E|)^alpha) / tau0`, 0 at zero field; broadcasts."""
    strength = np.maximum(np.abs(np.asarray(field, float)), 1.0)
    with np.errstate(over="ignore"):
        return (
            np.exp(-((np.asarray(activation_field, float) / strength) ** card.activation_exponent)) / card.attempt_time
        )


@numba.njit(cache=CACHE, inline="always")
def slopes(n, a, beta):  # pragma: no cover - compiled
    """Derivatives of a shrinking share and its total history by the clock."""
    h = max(a, 0.0) / (n + REGULARISATION)
    hazard = 2.0 * h if beta == 2.0 else beta * h ** (beta - 1.0)
    return -n * hazard, n - a * hazard


@numba.njit(cache=CACHE, inline="always")
def _advance(n, a, b, theta, beta):  # pragma: no cover - compiled
    """Advances the share `n` that the field opposes, its history `a`, and the history `b` of the rest by `theta`."""
    if theta <= 0.0:
        return n, a, b
    b *= np.exp(-RUN_DOWN * theta)
    left = theta
    while left > 0.0 and n > GONE:
        d = min(left, _STEP)
        n1, a1 = slopes(n, a, beta)
        n2, a2 = slopes(n + 0.5 * d * n1, a + 0.5 * d * a1, beta)
        n3, a3 = slopes(n + 0.5 * d * n2, a + 0.5 * d * a2, beta)
        n4, a4 = slopes(n + d * n3, a + d * a3, beta)
        n += d * (n1 + 2.0 * n2 + 2.0 * n3 + n4) / 6.0
        a += d * (a1 + 2.0 * a2 + 2.0 * a3 + a4) / 6.0
        left -= d
    if n <= GONE:
        return 0.0, 0.0, b
    return n, max(a, 0.0), b


@numba.njit(cache=CACHE, inline="always")
def _rate(field, activation, alpha):  # pragma: no cover - compiled
    strength = abs(field)
    if strength < 1.0:
        return 0.0
    return np.exp(-((activation / strength) ** alpha))


@numba.njit(cache=CACHE)
def _apply(up, to_up, to_down, activation, offset, duration, begin, end, tau0, alpha, beta):  # pragma: no cover
    """Advances every cell and group through one piece in which the field goes linearly from `begin` to `end`."""
    for cell in range(up.shape[0]):
        for k in range(up.shape[1]):
            e0, e1 = begin[cell] + offset[k], end[cell] + offset[k]
            ea = activation[cell, k]
            middle = _rate(0.5 * (e0 + e1), ea, alpha)
            first, last = _rate(e0, ea, alpha), _rate(e1, ea, alpha)
            if e0 * e1 < 0.0:  # the two halves act one after the other; near zero field both are nothing
                share = e0 / (e0 - e1)
                clocks = (share * first / 6.0, (1.0 - share) * last / 6.0)
                signs = (e0 > 0.0, e1 > 0.0)
            else:
                clocks = ((first + 4.0 * middle + last) / 6.0, 0.0)
                signs = (e0 + e1 > 0.0, True)
            for half in range(2):
                theta = clocks[half] * duration / tau0
                if signs[half]:
                    n, a, b = _advance(1.0 - up[cell, k], to_up[cell, k], to_down[cell, k], theta, beta)
                    up[cell, k], to_up[cell, k], to_down[cell, k] = 1.0 - n, a, b
                else:
                    n, b, a = _advance(up[cell, k], to_down[cell, k], to_up[cell, k], theta, beta)
                    up[cell, k], to_up[cell, k], to_down[cell, k] = n, a, b


@dataclass(frozen=True)
class MeanState:
    """State of cells in the mean model; arrays of shape `(cells, groups)`.

    Attributes:
        up: Share of each group that points up.
        towards_up: Total history towards up, of the domains that point down.
        towards_down: Total history towards down, of the domains that point up.
    """

    up: NDArray[np.float64]
    towards_up: NDArray[np.float64]
    towards_down: NDArray[np.float64]


class MeanSwitching:
    """Cells that switch as the mean of infinitely many domains, under any waveform.

    Args:
        card: Device card.
        cells: Number of cells.
        up: Share of up domains at the start, for all groups alike.
        groups: Domain groups.
        activation_scale: Factor on each cell's activation fields, shape `(cells,)`.
        remanent_scale: Factor on each cell's remanent polarization, shape `(cells,)`.
    """

    def __init__(
        self,
        card: Card,
        cells: int = 1,
        up: float = 0.0,
        groups: int = GROUPS,
        activation_scale: NDArray[np.float64] | None = None,
        remanent_scale: NDArray[np.float64] | None = None,
    ) -> None:
        self.card = card
        self.groups: DomainGroups = domain_groups(card, groups)
        self.stack: Electrostatics = card.electrostatics
        scale = np.ones(cells) if activation_scale is None else activation_scale
        self._activation = np.ascontiguousarray(scale[:, None] * self.groups.activation_field)
        self.remanent = card.remanent_polarization * (np.ones(cells) if remanent_scale is None else remanent_scale)
        shape = (cells, groups)
        self._up, self._to_up, self._to_down = np.full(shape, float(up)), np.zeros(shape), np.zeros(shape)

    @property
    def state(self) -> MeanState:
        """A copy of the state."""
        return MeanState(self._up.copy(), self._to_up.copy(), self._to_down.copy())

    @state.setter
    def state(self, state: MeanState) -> None:
        self._up[:], self._to_up[:], self._to_down[:] = state.up, state.towards_up, state.towards_down

    @property
    def fraction_up(self) -> NDArray[np.float64]:
        """Share of up domains, shape `(cells,)`."""
        return self._up @ self.groups.weight

    @property
    def normalised(self) -> NDArray[np.float64]:
        """Normalised polarization s = P / P_r in [-1, 1], shape `(cells,)`."""
        return 2.0 * self.fraction_up - 1.0

    @property
    def polarization(self) -> NDArray[np.float64]:
        """P in C/m^2, shape `(cells,)`."""
        return self.remanent * self.normalised

    def step(self, duration: float, begin: ArrayLike, end: ArrayLike) -> None:
        """Applies a voltage that goes linearly from `begin` to `end` (V, per cell or for all) in `duration` seconds."""
        cells = len(self.remanent)
        v0, v1 = np.broadcast_to(np.asarray(begin, float), cells), np.broadcast_to(np.asarray(end, float), cells)
        pieces = max(1, int(np.ceil(np.max(np.abs(v1 - v0)) / LARGEST_RAMP - 1e-9)))
        for k in range(pieces):
            self._ramp(duration / pieces, v0 + (v1 - v0) * (k / pieces), v0 + (v1 - v0) * ((k + 1) / pieces))

    def _ramp(self, duration: float, v0: NDArray[np.float64], v1: NDArray[np.float64]) -> None:
        """Applies a ramp that is short enough for one quadrature of the rates."""
        if self.stack.depolarization == 0.0:
            self._piece(duration, self.stack.field(v0), self.stack.field(v1))
            return
        for cell in range(len(v0)):  # each by itself: its steps must not depend on its neighbours
            self._follow(slice(cell, cell + 1), duration, v0[cell : cell + 1], v1[cell : cell + 1])

    def _follow(self, own: slice, duration: float, v0: NDArray[np.float64], v1: NDArray[np.float64]) -> None:
        """Applies a ramp in parts short enough to follow the field that the polarization moves, halved where not."""
        states = (self._up[own], self._to_up[own], self._to_down[own])
        allowed = _FEEDBACK * float(np.sum(self.groups.weight * self._activation[own]))
        done, part = 0.0, 1.0
        while done < 1.0 - 1e-12:
            part = min(part, 1.0 - done)
            before, kept = self.polarization[own], [state.copy() for state in states]
            at0, at1 = v0 + done * (v1 - v0), v0 + (done + part) * (v1 - v0)
            self._piece(part * duration, self.stack.field(at0, before), self.stack.field(at1, before), own)
            change = float(np.abs(self.polarization[own] - before)[0])
            moved = change * self.stack.depolarization / self.stack.thickness
            if moved > allowed and part > 1e-9:
                for state, old in zip(states, kept, strict=True):
                    state[:] = old
                part *= 0.5
                continue
            done += part
            part *= 2.0 if moved < 0.3 * allowed else 1.0

    def _piece(
        self,
        duration: float,
        begin: NDArray[np.float64],
        end: NDArray[np.float64],
        own: slice = slice(None),
    ) -> None:
        c = self.card
        _apply(
            self._up[own], self._to_up[own], self._to_down[own], self._activation[own], self.groups.offset_field,
            duration, np.ascontiguousarray(begin), np.ascontiguousarray(end), c.attempt_time, c.activation_exponent,
            c.weibull_exponent,
        )  # fmt: skip

    def apply(self, waveform: Waveform, times: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Applies a waveform to all cells and returns s at `times` (its grid by default), shape `(times, cells)`."""
        wanted = waveform.grid() if times is None else np.asarray(times, float)
        grid = np.union1d(waveform.grid(), wanted)
        volts = waveform.at(grid)
        out = np.empty((len(grid), len(self.remanent)))
        out[0] = self.normalised
        for k in range(1, len(grid)):
            self.step(grid[k] - grid[k - 1], volts[k - 1], volts[k])
            out[k] = self.normalised
        return out[np.searchsorted(grid, wanted)]
