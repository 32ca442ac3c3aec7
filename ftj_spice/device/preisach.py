"""Quasi-static hysteresis: Preisach's tanh branches with a stack of turning points.

Saturated branches `P_sat(E) = P_s tanh[ln((P_s + P_r)/(P_s - P_r)) (E -/+ E_c) / (2 E_c)]`, ascending with -,
descending with +. After a turn the branch is `P = m P_sat(E) + b` through the last two turning points; when the field
passes the one before last, both are forgotten and the branch before is taken up again (Jiang et al., VLSI Technology
1997, p. 141; Ni et al., TED 65, 2461 (2018)). Nothing depends on the rate. At the bottom of the stack stands
saturation, at infinite field.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from ftj_spice.device.card import Card
from ftj_spice.device.electrostatics import Electrostatics
from ftj_spice.device.waveform import Waveform

_FAR = 20.0  # field in coercive fields beyond which a branch is saturated
_FLAT = 1e-14  # branches whose ends differ by less are saturated between them

Point = tuple[float, float]
"""A turning point: field in coercive fields, polarization in saturation polarizations."""


class Hysteron:
    """Hysteresis of one cell in reduced units: field in coercive fields, polarization in saturation polarizations.

    Args:
        ratio: P_r / P_s, between 0 and 1.
        up: Whether it comes from saturation up or from saturation down; either way it stands at zero field.
    """

    def __init__(self, ratio: float, up: bool = False) -> None:
        self._slope = 0.5 * math.log((1.0 + ratio) / (1.0 - ratio))
        low, high = (-math.inf, -1.0), (math.inf, 1.0)
        self._turns: list[Point] = [low, high] if up else [high, low]
        self._rising = not up
        self.field = 0.0
        self.polarization = ratio if up else -ratio

    @property
    def turning_points(self) -> list[Point]:
        """Turning points that are still remembered, oldest first; the first two are the saturations."""
        return list(self._turns)

    def _saturated(self, field: float, rising: bool) -> float:
        return math.tanh(self._slope * (field - 1.0 if rising else field + 1.0))

    def _branch(self, field: float) -> tuple[float, list[Point]]:
        """Returns the polarization at a field that is reached monotonically, and the turning points then left."""
        turns = self._turns
        rising = field > self.field
        if field == self.field:
            return self.polarization, turns
        if rising != self._rising:
            turns = [*turns, (self.field, self.polarization)]
        sign = 1.0 if rising else -1.0
        while sign * field >= sign * turns[-2][0]:
            turns = turns[:-2]
        (last, low), (before, high) = turns[-1], turns[-2]
        start, end, here = (self._saturated(x, rising) for x in (last, before, field))
        if abs(end - start) < _FLAT:
            return low, turns
        return low + (high - low) * (here - start) / (end - start), turns

    def at(self, field: float) -> float:
        """Returns the polarization that a monotone change of the field would lead to; the state stays."""
        return self._branch(field)[0]

    def move(self, field: float) -> None:
        """Takes the field monotonically to a new value."""
        polarization, turns = self._branch(field)
        if field != self.field:
            self._rising = field > self.field
        self._turns, self.field, self.polarization = turns, field, polarization


class PreisachSwitching:
    """Cells that switch by Preisach's tanh branches, under any waveform; only its turning points matter.

    Cells are walked one by one in Python: meant for tens of cells, not for arrays.

    Args:
        card: Device card.
        cells: Number of cells.
        up: Share of up domains at the start, 0 to 1; between, the cell comes from saturation down.
        activation_scale: Factor on each cell's coercive field, shape `(cells,)`.
        remanent_scale: Factor on each cell's polarizations, shape `(cells,)`.
    """

    def __init__(
        self,
        card: Card,
        cells: int = 1,
        up: float = 0.0,
        activation_scale: NDArray[np.float64] | None = None,
        remanent_scale: NDArray[np.float64] | None = None,
    ) -> None:
        self.card = card
        self.stack: Electrostatics = card.electrostatics
        self._ratio = card.remanent_polarization / card.saturation_polarization
        self._coercive = card.coercive_field * (np.ones(cells) if activation_scale is None else activation_scale)
        scale = np.ones(cells) if remanent_scale is None else remanent_scale
        self.remanent = card.remanent_polarization * scale
        self._saturation = card.saturation_polarization * scale
        self._cells = [Hysteron(self._ratio, up == 1.0) for _ in range(cells)]
        if 0.0 < up < 1.0:
            peak = _peak(self._ratio, 2.0 * up - 1.0)
            for cell in self._cells:
                cell.move(peak)
                cell.move(0.0)
        self._to(np.zeros(cells))

    @property
    def polarization(self) -> NDArray[np.float64]:
        """P in C/m^2 at the present field, shape `(cells,)`; a strong field lifts it above the remanent one."""
        return self._saturation * np.array([cell.polarization for cell in self._cells])

    @property
    def normalised(self) -> NDArray[np.float64]:
        """Returns s = P / P_r in [-1, 1], P being what the return to zero field leaves, shape `(cells,)`."""
        return np.array([cell.at(0.0) for cell in self._cells]) / self._ratio

    @property
    def fraction_up(self) -> NDArray[np.float64]:
        """Share of up domains, `(s + 1) / 2`, shape `(cells,)`."""
        return 0.5 * (1.0 + self.normalised)

    def step(self, duration: float, begin: ArrayLike, end: ArrayLike) -> None:
        """Applies a voltage that goes monotonically from `begin` to `end` (V, per cell or for all).

        Args:
            duration: Without effect: the model knows no rate.
            begin: Voltage at the begin.
            end: Voltage at the end.
        """
        del duration
        for voltage in (begin, end):
            self._to(np.broadcast_to(np.asarray(voltage, float), len(self._cells)))

    def _to(self, voltage: NDArray[np.float64]) -> None:
        applied = self.stack.field(voltage) / self._coercive
        feedback = self.stack.depolarization * self._saturation / (self.stack.thickness * self._coercive)
        for cell, target, back in zip(self._cells, applied, feedback, strict=True):
            cell.move(_settled(cell, float(target), float(back)))

    def apply(self, waveform: Waveform, times: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Applies a waveform to all cells and returns s at `times` (its grid by default), shape `(times, cells)`."""
        wanted = waveform.grid() if times is None else np.asarray(times, float)
        grid = np.union1d(waveform.grid(), wanted)
        volts = waveform.at(grid)
        out = np.empty((len(grid), len(self._cells)))
        for k, voltage in enumerate(volts):
            self._to(np.full(len(self._cells), voltage))
            out[k] = self.normalised
        return out[np.searchsorted(grid, wanted)]


def _settled(cell: Hysteron, applied: float, feedback: float) -> float:
    """Returns the field x with `x = applied - feedback * p(x)`: the depolarization follows the polarization at once."""
    if feedback == 0.0:
        return applied

    def excess(field: float) -> float:
        return field + feedback * cell.at(field) - applied

    if abs(excess(cell.field)) < 1e-12 * (1.0 + feedback):  # a mere rounding error must not make a turning point
        return cell.field
    return float(optimize.brentq(excess, applied - feedback, applied + feedback, xtol=1e-14))


def _peak(ratio: float, wanted: float) -> float:
    """Returns the field up to which a cell that is saturated down must go, for s = `wanted` after the return to 0."""

    def excess(peak: float) -> float:
        cell = Hysteron(ratio)
        cell.move(peak)
        return cell.at(0.0) / ratio - wanted

    return float(optimize.brentq(excess, 0.0, _FAR, xtol=1e-12))
