"""The relaxation of one read at a time, for large arrays and wherever node voltages are wanted."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.engines.fast.coarse import Correction, merged, prolong, restrict, suits
from ftj_spice.engines.fast.lanes import LANES
from ftj_spice.engines.fast.mixing import Mixing, share_out
from ftj_spice.engines.fast.passes import FIXED, SINGLE_GROUPS, ladder_columns, ladder_rows_single
from ftj_spice.engines.fast.problem import Problem
from ftj_spice.engines.fast.relaxation import (
    DONE,
    FAILED,
    HALF,
    MIX,
    balance,
    column_currents,
    decide,
    driven_columns,
    linearise,
)

_STEP = SINGLE_GROUPS * LANES  # rows that are solved together
_PIECE = 65536  # cells a thread takes at a time
_STRIP = 256  # columns a thread takes at a time, at least: narrower ones are slow to fetch
_GUESS = 1e-4  # V, tolerance of the merged array's voltages to start from
_STALLS = 0.4  # reduction per sweep from which on the merged array is no help
_COMPILED = numba.njit(cache=CACHE, nogil=True, error_model="numpy", fastmath={"contract"})


@_COMPILED
def sweep_rows(
    begin, end, columns, law, p, doublings, strength, share, transistor, device, gates, along_rows, mode, segment,
    first, last, sources, vd, vs, inner, offset, gd, gs, change, fresh, groups, ramp, driven, sensed, before, sums,
):  # pragma: no cover - compiled  # fmt: skip
    """Linearises rows `begin:end` and solves driven lines along them, few rows at a time, as the caches hold them.

    With `groups`, proposed changes `driven` and `sensed` are added first, or take the voltages' places if `fresh`
    (`ftj_spice.engines.fast.coarse`).
    """
    for i in range(begin, end, _STEP):
        until = min(i + _STEP, end)
        if groups > 0:
            prolong(i, until, columns, groups, fresh, driven, ramp, vd)
            prolong(i, until, columns, groups, fresh, sensed, ramp, vs)
        linearise(
            i, until, law, p, doublings, strength, share, transistor, device, gates, 1, vd, vs, inner, offset, gd, gs
        )
        if groups > 0:
            restrict(i, until, groups, gd, sums)
            restrict(i, until, groups, vs, before)
        if along_rows:
            ladder_rows_single(i, until, columns, mode, segment, first, last, sources, offset, gd, gs, vd, vs, change)


@dataclass(frozen=True)
class SingleRead:
    """One read, relaxed.

    Attributes:
        driven: Voltage of the driven line at each cell in V, shape `(rows, columns)`.
        sensed: The same of the sensed line.
        currents: Of the columns in A.
        imbalance: Largest violation of Kirchhoff's law by a column, relative to the largest current; infinite where the
            relaxation did not converge.
        sweeps: How many it took.
    """

    driven: NDArray[np.float64]
    sensed: NDArray[np.float64]
    currents: NDArray[np.float64]
    imbalance: float
    sweeps: int


class SingleSolver:
    """Relaxes reads of a batch one by one; its arrays are kept from read to read.

    Rows and columns are shared among the pool's threads in pieces that keep together what is
    solved together, so that their number changes no bit.

    Args:
        problem: The batch.
        pool: Threads that work on one read; none for the calling one alone.
    """

    def __init__(self, problem: Problem, pool: Executor | None = None) -> None:
        wiring, (rows, columns) = problem.wiring, problem.wiring.shape
        self._problem, self._pool = problem, pool
        d_first, d_last, self._s_first, self._s_last, self._hold, self._start = problem.terminations(1)
        width = len(self._hold)  # columns, filled up to whole vectors with open cells
        shape = (-(-rows // LANES) * LANES, width)  # rows filled up as well: they are solved eight by eight
        self._spare = shape[0] - rows if wiring.along_rows else 0
        self._d_first = np.pad(d_first, (0, self._spare), constant_values=1.0)
        self._d_last = np.pad(d_last, (0, self._spare))
        self._vd, self._vs, self._offset, self._gd = (np.zeros(shape) for _ in range(4))
        transistor = wiring.circuit.wiring.transistor
        self._gs, self._inner = (np.zeros(shape), np.zeros(shape)) if transistor else (self._gd, np.empty((1, 1)))
        self._work = np.empty((2, rows, width) if not wiring.along_rows else (2, 1, 1))
        strength, share = problem.filled(1)
        self._law = (problem.law, problem.constants, problem.doublings, strength, share, transistor, problem.device)
        self._row_pieces = _pieces(rows, max(_STEP, _PIECE // columns // _STEP * _STEP) if pool else rows)
        self._strips = _pieces(width, max(_STRIP, _PIECE // rows // _STRIP * _STRIP) if pool else width)
        self._changes_d = np.zeros((max(len(self._row_pieces), 1), width))
        self._change_s = np.zeros(width)
        self._correction, self._small = None, None
        if suits(problem):
            small = merged(problem)
            self._correction, self._small = Correction.of(small, shape[0], columns), SingleSolver(small)
        self._helped = self._fresh = False

    def read(self, number: int, tolerance: float, sweeps: int) -> SingleRead:
        """Relaxes one read; its voltages are overwritten by the next one.

        Args:
            number: Which one.
            tolerance: Largest error of a voltage in V.
            sweeps: Most sweeps.
        """
        problem, (rows, columns) = self._problem, self._problem.wiring.shape
        sources, level, gates = (part[0] for part in problem.blocks(np.array([number]), 1))
        self._sources, self._gates = np.pad(sources, ((0, self._spare), (0, 0))), gates
        self._begin(number, level[:, 0], sweeps)
        mixing = Mixing(*self._vs.shape, self._row_pieces)
        before, seen, code, count = 0.0, 1.0 if self._helped else 0.0, 0, 0
        for sweep in range(1, sweeps + 1):
            count = sweep
            mixing.begin(self._vs)
            moved_d, moved = self._sweep()
            code, seen = decide(
                sweep, moved, before, moved + moved_d, problem.kappa, problem.kappa_driven, problem.curvature,
                tolerance, seen, mixing.on or self._helped,
            )  # fmt: skip
            if self._helped and sweep > 1 and moved > _STALLS * before:
                self._helped, seen = False, 0.0
            before = moved
            if code in (DONE, HALF, FAILED):
                break
            if code == MIX:
                mixing.switch_on()
            else:
                mixing.step(self._vs, self._pool)
            if self._helped and self._correction:
                self._correction.propose(self._vs[:rows])
        currents = np.full(columns, np.nan)
        imbalance = np.inf
        if code in (DONE, HALF):
            currents, imbalance = self._currents(code)
        return SingleRead(self._vd[:rows, :columns], self._vs[:rows, :columns], currents, imbalance, count)

    def _begin(self, number: int, level: NDArray[np.float64], sweeps: int) -> None:
        """Sets the voltages to start from: those of the merged array or, without one, the sources'."""
        rows, columns = self._problem.wiring.shape
        vd, vs = self._vd, self._vs
        self._helped = self._fresh = False
        if self._correction and self._small:
            guess = self._small.read(number, _GUESS, sweeps)
            if guess.imbalance < np.inf:
                self._helped = True
                self._correction.start(guess.driven, guess.sensed)
                self._fresh = True
                return
        vd[:rows, :columns] = self._problem.wiring.spread(level)
        vs[:rows] = self._start
        if self._law[5]:
            self._inner[:rows] = 0.5 * (vd + vs)[:rows]

    def _sweep(self) -> tuple[float, float]:
        """One sweep; returns the largest changes of driven and sensed lines in V."""
        self._changes_d[:] = 0.0
        self._change_s[:] = 0.0
        share_out(self._pool, lambda piece: self._across(piece, self._problem.driven), len(self._row_pieces))
        share_out(self._pool, lambda strip: self._down(strip, self._problem.driven, True), len(self._strips))
        self._fresh = False
        moved_d, moved = float(self._changes_d.max()), float(self._change_s.max())
        if not np.isfinite(self._vs[0].sum() + self._vd[0].sum()):
            moved = np.inf
        return moved_d, moved_d if self._problem.sensed[0] == FIXED else moved

    def _across(self, piece: int, driven: tuple[int, float]) -> None:
        begin, end = self._row_pieces[piece]
        extra = self._correction.arrays if self._correction and self._helped else _NOTHING
        sweep_rows(
            begin, end, self._problem.wiring.shape[1], *self._law, self._gates, self._problem.wiring.along_rows,
            *driven, self._d_first, self._d_last, self._sources, self._vd, self._vs, self._inner, self._offset,
            self._gd, self._gs, self._changes_d[piece], self._fresh, *extra,
        )  # fmt: skip

    def _down(self, strip: int, driven: tuple[int, float], sensed: bool) -> None:
        begin, end = self._strips[strip]
        rows = self._problem.wiring.shape[0]
        offset, gd, gs, vd, vs = (a[:rows] for a in (self._offset, self._gd, self._gs, self._vd, self._vs))
        if not self._problem.wiring.along_rows:
            flat = np.pad(self._sources[:, 0], (0, len(self._hold) - len(self._sources)))
            driven_columns(
                begin, end, *driven, self._d_first, self._d_last, flat, offset, gd, gs, vd, vs, self._work,
                self._changes_d[0],
            )  # fmt: skip
        if sensed:
            ladder_columns(
                begin, end, *self._problem.sensed, self._s_first, self._s_last, self._hold, offset, gs, vs,
                self._change_s,
            )  # fmt: skip

    def _currents(self, code: int) -> tuple[NDArray[np.float64], float]:
        """Returns the columns' currents at the last voltages and their imbalance; see `relaxation.HALF`."""
        self._helped = False
        driven = self._problem.driven if code == HALF else (FIXED, 0.0)
        share_out(self._pool, lambda piece: self._across(piece, driven), len(self._row_pieces))
        share_out(self._pool, lambda strip: self._down(strip, driven, False), len(self._strips))
        currents, wrong = np.empty(len(self._hold)), np.empty(1)
        rows, columns = self._problem.wiring.shape
        vs = self._vs[:rows]
        column_currents(self._offset[:rows], self._gs[:rows], vs, currents)
        balance(currents, vs, 1, self._problem.sensed, self._s_first, self._s_last, self._hold, wrong)
        return currents[:columns], float(wrong[0])


def relax_single(problem: Problem, read: int, tolerance: float, sweeps: int, pool: Executor | None) -> SingleRead:
    """Relaxes one read of a batch; see `SingleSolver`."""
    return SingleSolver(problem, pool).read(read, tolerance, sweeps)


_BLANK = np.zeros((1, 1))
_NOTHING = (0, np.zeros(1), _BLANK, _BLANK, _BLANK, _BLANK)


def _pieces(count: int, size: int) -> list[tuple[int, int]]:
    return [(begin, min(begin + size, count)) for begin in range(0, count, size)]
