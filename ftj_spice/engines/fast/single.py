"""The relaxation of one read with all threads on it, for large arrays and wherever node voltages are wanted."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.fast.mixing import DEPTH, mix, record, weights
from ftj_spice.engines.fast.passes import FIXED, ladder_columns, ladder_rows
from ftj_spice.engines.fast.problem import Problem
from ftj_spice.engines.fast.relaxation import DONE, FAILED, HALF, MIX, balance, decide, driven_columns, linearise

_PIECE = 65536  # cells a thread takes at a time


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


def relax_single(  # noqa: PLR0915 - one iteration, its arrays and its parts
    problem: Problem, read: int, tolerance: float, sweeps: int, pool: Executor | None
) -> SingleRead:
    """Relaxes one read.

    Rows and columns are shared among the pool's threads in pieces that don't depend on their number.

    Args:
        problem: The batch it belongs to.
        read: Which one.
        tolerance: Largest error of a voltage in V.
        sweeps: Most sweeps.
        pool: Threads; none for this one alone.
    """
    wiring, (rows, columns) = problem.wiring, problem.wiring.shape
    transistor = wiring.circuit.wiring.transistor
    sources, level, gates = (part[0] for part in problem.blocks(np.array([read]), 1))
    d_first, d_last, s_first, s_last, hold, start = problem.terminations(1)
    width = len(hold)  # columns, filled up to whole vectors with open cells
    vd = np.zeros((rows, width))
    vd[:, :columns] = wiring.spread(level[:, 0])
    vs = np.broadcast_to(start, (rows, width)).copy()
    offset, gd = np.zeros((rows, width)), np.zeros((rows, width))
    gs, inner = (np.zeros((rows, width)), 0.5 * (vd + vs)) if transistor else (gd, np.empty((rows, 1)))
    work = np.zeros((2, rows, width) if not wiring.along_rows else (2, 1, 1))
    flat = np.concatenate([sources.reshape(-1), np.zeros(width - columns)])
    strength, share = problem.filled(1)
    law = (problem.law, problem.constants, problem.doublings, strength, share, transistor, problem.device)
    row_pieces = _pieces(rows, max(8, _PIECE // columns // 8 * 8))
    column_pieces = _pieces(width, max(64, _PIECE // rows // 8 * 8))
    changes_d = np.zeros((max(len(row_pieces), 1), width))
    change_s = np.zeros(width)
    mixing = _Mixing(rows, width, row_pieces)

    def across(piece: int) -> None:
        begin, end = row_pieces[piece]
        linearise(begin, end, *law, gates, 1, vd, vs, inner, offset, gd, gs)
        if wiring.along_rows:
            ladder_rows(
                begin,
                end,
                columns,
                1,
                *problem.driven,
                d_first,
                d_last,
                sources,
                offset,
                gd,
                gs,
                vd,
                vs,
                changes_d[piece],
            )

    def down(piece: int) -> None:
        begin, end = column_pieces[piece]
        if not wiring.along_rows:
            driven_columns(
                begin, end, *problem.driven, d_first, d_last, flat, offset, gd, gs, vd, vs, work, changes_d[0]
            )
        ladder_columns(begin, end, *problem.sensed, s_first, s_last, hold, offset, gs, vs, change_s)

    before, seen, code, count = 0.0, 0.0, 0, 0
    for sweep in range(1, sweeps + 1):
        count = sweep
        changes_d[:] = 0.0
        change_s[:] = 0.0
        mixing.begin(vs)
        _all(pool, across, len(row_pieces))
        _all(pool, down, len(column_pieces))
        moved_d, moved = float(changes_d.max()), float(change_s.max())
        if not np.isfinite(vs[0].sum() + vd[0].sum()):
            moved = np.inf
        if problem.sensed[0] == FIXED:
            moved = moved_d
        code, seen = decide(
            sweep, moved, before, moved + moved_d, problem.kappa, problem.kappa_driven, problem.curvature, tolerance,
            seen, mixing.on,
        )  # fmt: skip
        before = moved
        if code in (DONE, HALF, FAILED):
            break
        if code == MIX:
            mixing.switch_on()
        else:
            mixing.step(vs, pool)
    if code not in (DONE, HALF):
        return SingleRead(vd[:, :columns], vs[:, :columns], np.full(columns, np.nan), np.inf, count)
    if code == HALF:
        _all(pool, across, len(row_pieces))
        if not wiring.along_rows:
            driven_columns(0, width, *problem.driven, d_first, d_last, flat, offset, gd, gs, vd, vs, work, changes_d[0])
    else:
        linearise(0, rows, *law, gates, 1, vd, vs, inner, offset, gd, gs)
        driven_columns(0, width, FIXED, 0.0, d_first, d_last, flat, offset, gd, gs, vd, vs, work, changes_d[0])
    currents = np.einsum("ij->j", offset - gs * vs)
    wrong = np.empty(1)
    balance(currents, vs, 1, problem.sensed, s_first, s_last, hold, wrong)
    imbalance = float(wrong[0])
    return SingleRead(vd[:, :columns], vs[:, :columns], currents[:columns], imbalance, count)


class _Mixing:
    """Anderson's mixing of one read, its work shared among threads by rows."""

    def __init__(self, rows: int, columns: int, pieces: list[tuple[int, int]]) -> None:
        self.on = False
        self._shape, self._pieces = (rows, columns), pieces
        self._remembered = 0

    def switch_on(self) -> None:
        rows = self._shape[0]
        self.on = True
        self._x, self._residual, self._mapped = (np.empty(self._shape) for _ in range(3))
        self._residuals, self._images = np.empty((DEPTH, *self._shape)), np.empty((DEPTH, *self._shape))
        self._sums = np.empty((rows, 1, DEPTH, 2))
        self._gram, self._gamma = np.empty((1, DEPTH, DEPTH)), np.empty((1, DEPTH))

    def begin(self, vs: NDArray[np.float64]) -> None:
        if self.on:
            self._x[:] = vs

    def step(self, vs: NDArray[np.float64], pool: Executor | None) -> None:
        if not self.on:
            return
        used, slot = min(self._remembered, DEPTH), (self._remembered - 1) % DEPTH

        def remember(piece: int) -> None:
            record(
                *self._pieces[piece], 1, slot, used, self._x, vs, self._residual, self._mapped, self._residuals,
                self._images, self._sums,
            )  # fmt: skip

        _all(pool, remember, len(self._pieces))
        if used:
            weights(slot, used, self._sums, self._gram, self._gamma)
            _all(
                pool, lambda piece: mix(*self._pieces[piece], 1, used, self._gamma, self._images, vs), len(self._pieces)
            )
        self._remembered += 1


def _pieces(count: int, size: int) -> list[tuple[int, int]]:
    return [(begin, min(begin + size, count)) for begin in range(0, count, size)]


def _all(pool: Executor | None, job: Callable[[int], None], count: int) -> None:
    if pool is None or count == 1:
        for piece in range(count):
            job(piece)
    else:
        list(pool.map(job, range(count)))
