"""Columns merged in groups: a small array with nearly the same smooth voltages, which speeds large ones up.

What line relaxation reduces slowly is smooth along the rows. The merged array, a crossbar itself, gives the voltages
to start from and, after each sweep, most of what the coming sweeps would still change. It only proposes voltages: a
sweep follows, and its own changes are what errors are judged by.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.engines.fast.lanes import LANES, load, spread, store
from ftj_spice.engines.fast.passes import CHAIN, ladder_columns, ladder_rows_single
from ftj_spice.engines.fast.problem import Problem

GROUP = 32
"""Columns that are merged."""
_SMALLEST = 4 * GROUP  # columns from which on it pays
_SURE = 0.9  # bound on the contraction up to which it is used
_ROUNDS = 4  # coarse sweeps per correction: each is worth a sweep of the array and costs a thirtieth of one
_COMPILED = numba.njit(cache=CACHE, nogil=True, error_model="numpy", fastmath={"contract"})


@_COMPILED
def restrict(begin, end, groups, fine, sums):  # pragma: no cover - compiled
    """Puts the sums of rows `begin:end` over each group into `sums`."""
    width = fine.shape[1]
    eight = np.empty(LANES)
    for i in range(begin, end):
        for j in range(groups):
            total = load(fine, i * width + j * GROUP)
            for k in range(j * GROUP + LANES, min((j + 1) * GROUP, width), LANES):
                total = total + load(fine, i * width + k)
            store(eight, 0, total)
            sums[i, j] = ((eight[0] + eight[1]) + (eight[2] + eight[3])) + (
                (eight[4] + eight[5]) + (eight[6] + eight[7])
            )


@_COMPILED
def prolong(begin, end, columns, groups, fresh, coarse, ramp, fine):  # pragma: no cover - compiled
    """Adds to rows `begin:end` what lies between the groups' values, linearly; `fresh`: puts it there instead.

    `ramp` holds the weights.
    """
    width, half = fine.shape[1], GROUP // 2
    for i in range(begin, end):
        for j in range(-1, groups):
            a, b = coarse[i, max(j, 0)], coarse[i, min(j + 1, groups - 1)]
            for t in range(0, GROUP, LANES):
                k = j * GROUP + half + t
                if 0 <= k < width:
                    value = load(ramp, t) * (b - a) + spread(a)
                    store(fine, i * width + k, value if fresh else value + load(fine, i * width + k))
        fine[i, columns:] = 0.0


@_COMPILED
def correct(
    groups, segments, first, last, s_first, s_last, share, sums, before, after, excess, offset, used, driven, sensed
):  # pragma: no cover - compiled
    """Solves the merged array for what is left of the voltages' errors after a sweep: `driven` and `sensed`.

    Driven lines were solved with sensed lines at `before` (sums over the groups) and don't know yet that these are at
    `after`; `sums` holds the cells' conductances, `share` one over each group's number of columns.
    """
    rows, width = sums.shape
    nothing = np.zeros((rows, 1))
    zero = np.zeros(width)
    change = np.empty(width)
    for i in range(rows):
        for k in range(width):
            excess[i, k] = sums[i, k] * (after[i, k] - before[i, k]) * share[k]
            sensed[i, k] = 0.0
    for _ in range(_ROUNDS):
        for i in range(rows):
            for k in range(width):
                offset[i, k] = -excess[i, k]
                used[i, k] = sums[i, k]
        ladder_rows_single(
            0, rows, groups, CHAIN, segments[0], first, last, nothing, offset, sums, sums, driven, sensed, change
        )
        for i in range(rows):
            for k in range(width):
                offset[i, k] = (offset[i, k] + excess[i, k]) * (GROUP * share[k])
                used[i, k] *= GROUP * share[k]
        ladder_columns(0, width, CHAIN, segments[1], s_first, s_last, zero, offset, used, sensed, change)


def suits(problem: Problem) -> bool:
    """Whether merged columns speed a problem's relaxation up: wires both ways, and it contracts for sure."""
    return (
        problem.wiring.along_rows
        and not problem.wiring.circuit.wiring.transistor
        and (problem.driven[0], problem.sensed[0]) == (CHAIN, CHAIN)
        and problem.wiring.shape[1] >= _SMALLEST
        and problem.kappa < _SURE
    )


def merged(problem: Problem) -> Problem:
    """Returns the problem of the merged array.

    A last group of fewer columns is filled up with columns like them. The bound on the contraction is the whole
    array's, which is nearly the same.
    """
    wiring, circuit = problem.wiring, problem.wiring.circuit
    strength = _sums(problem.strength)
    cells = replace(circuit.cells, strength=strength, amplitude=None)
    share = strength
    if cells.share is not None:
        share = _sums(problem.strength * problem.share) / np.where(strength > 0.0, strength, 1.0)
        cells = replace(cells, share=share)
    groups = strength.shape[1]
    d, s = wiring.driven, wiring.sensed
    first, last, held = (_sums(end[None])[0] for end in (s.first, s.last, wiring.holds * (s.first + s.last)))
    tied = first + last
    sensed = replace(
        s, count=groups, segment=s.segment * GROUP, first=first, last=last, floating=_sums(~s.floating[None])[0] == 0
    )
    driven = replace(
        d,
        length=groups,
        segment=d.segment / GROUP,
        first=_farther(d.first, d.segment),
        last=_farther(d.last, d.segment),
    )
    small = replace(
        wiring,
        circuit=replace(circuit, cells=cells),
        driven=driven,
        sensed=sensed,
        holds=held / np.where(tied > 0.0, tied, 1.0),
    )
    return replace(
        problem,
        wiring=small,
        strength=strength,
        share=share,
        driven=(CHAIN, driven.segment),
        sensed=(CHAIN, sensed.segment),
    )


def _sums(fine: NDArray[Any]) -> NDArray[np.float64]:
    rows, columns = fine.shape
    spare = -columns % GROUP
    full = np.pad(np.asarray(fine, float), ((0, 0), (0, spare))) if spare else fine
    sums = full.reshape(rows, -1, GROUP).sum(axis=2, dtype=float)
    sums[:, -1] *= GROUP / (GROUP - spare)
    return sums


def _farther(end: NDArray[np.float64], segment: float) -> NDArray[np.float64]:
    """Terminations as seen from the middle of the outermost group."""
    return end / (1.0 + end * 0.5 * (GROUP - 1) / segment)


@dataclass(frozen=True)
class Correction:
    """The merged array of one problem and the voltages it proposes.

    Attributes:
        problem: Of the merged array.
        share: One over each group's number of columns, shape `(width,)`.
        ends: Terminations of the merged array, filled up.
        ramp: Weights of linear interpolation between two groups' middles.
        driven: Proposed changes of the driven lines' voltages, shape `(rows, width)`.
        sensed: The same of the sensed lines.
        before: Receives the sums of the sensed lines' voltages before a sweep.
        sums: Receives the sums of the cells' conductances.
        spare: Further arrays of that shape.
    """

    problem: Problem
    share: NDArray[np.float64]
    ends: tuple[NDArray[np.float64], ...]
    ramp: NDArray[np.float64]
    driven: NDArray[np.float64]
    sensed: NDArray[np.float64]
    before: NDArray[np.float64]
    sums: NDArray[np.float64]
    spare: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, problem: Problem, rows: int, columns: int) -> Self:
        """Returns the correction of an array of so many (filled up) rows and columns, given its merged problem."""
        groups, width = problem.strength.shape[1], problem.width(1)
        share = np.zeros(width)
        share[:groups] = 1.0 / np.minimum(columns - GROUP * np.arange(groups), GROUP)
        d_first, d_last, s_first, s_last, _, _ = problem.terminations(1)
        fill = (0, rows - len(d_first))
        ends = np.pad(d_first, fill, constant_values=1.0), np.pad(d_last, fill), s_first, s_last
        arrays = [np.zeros((rows, width)) for _ in range(8)]
        return cls(problem, share, ends, (np.arange(GROUP) + 0.5) / GROUP, *arrays[:4], tuple(arrays[4:]))

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What a sweep takes: the number of groups and the arrays it reads and fills."""
        return self.problem.strength.shape[1], self.ramp, self.driven, self.sensed, self.before, self.sums

    def start(self, driven: NDArray[np.float64], sensed: NDArray[np.float64]) -> None:
        """Proposes voltages of the merged array."""
        rows, groups = driven.shape
        self.driven[:rows, :groups] = driven
        self.sensed[:rows, :groups] = sensed

    def propose(self, sensed: NDArray[np.float64]) -> None:
        """Proposes changes after a sweep that left the sensed lines at these voltages."""
        groups = self.problem.strength.shape[1]
        after, *spare = self.spare
        restrict(0, len(sensed), groups, sensed, after)
        correct(
            groups, (self.problem.driven[1], self.problem.sensed[1]), *self.ends, self.share, self.sums, self.before,
            after, *spare, self.driven, self.sensed,
        )  # fmt: skip
