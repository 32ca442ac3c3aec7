"""Anderson's mixing of the sensed lines' voltages, for relaxations that contract slowly (J. ACM 12, 547 (1965)).

The relaxation maps voltages x to F(x). From the last few pairs, the combination with the smallest residual F(x) - x in
the least-squares sense gives the next x, for each lane by itself. Sums over the array are taken row by row, so that
they don't depend on how rows are shared among threads.
"""

from collections.abc import Callable
from concurrent.futures import Executor

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE

DEPTH = 6
"""Pairs that are remembered."""
_RIDGE = 1e-13  # of the largest diagonal element of the normal equations
_COMPILED = numba.njit(cache=CACHE, nogil=True, error_model="numpy", fastmath={"contract"})


@_COMPILED
def record(
    begin, end, lanes, slot, used, x, mapped, last_residual, last_mapped, residuals, images, sums
):  # pragma: no cover - compiled
    """Remembers rows `begin:end` of a pair `(x, mapped)` and adds up its products with the pairs before.

    Afterwards `last_residual` and `last_mapped` are this pair's. With `used > 0`, the differences to the pair before
    stand in `residuals[slot]` and `images[slot]`, and row i's products of residual difference k with the newest one and
    with the residual in `sums[i, lane, k, 0]` and `sums[i, lane, k, 1]`.
    """
    width = x.shape[1]
    for i in range(begin, end):
        if used > 0:
            dr, dm = residuals[slot, i], images[slot, i]
            for k in range(width):
                dr[k] = mapped[i, k] - x[i, k] - last_residual[i, k]
                dm[k] = mapped[i, k] - last_mapped[i, k]
        for k in range(width):
            last_residual[i, k] = mapped[i, k] - x[i, k]
            last_mapped[i, k] = mapped[i, k]
        for h in range(used):
            for lane in range(lanes):
                a = 0.0
                b = 0.0
                for j in range(width // lanes):
                    k = j * lanes + lane
                    a += residuals[h, i, k] * residuals[slot, i, k]
                    b += residuals[h, i, k] * last_residual[i, k]
                sums[i, lane, h, 0] = a
                sums[i, lane, h, 1] = b


@_COMPILED
def weights(slot, used, sums, gram, gamma):  # noqa: PLR0912  # pragma: no cover - compiled
    """Puts each lane's weights of the remembered pairs into `gamma`; `gram` keeps the products from call to call."""
    rows, lanes = sums.shape[0], sums.shape[1]
    matrix = np.empty((used, used))
    right = np.empty(used)
    scale = np.empty(used)
    for lane in range(lanes):
        for h in range(used):
            a = 0.0
            b = 0.0
            for i in range(rows):
                a += sums[i, lane, h, 0]
                b += sums[i, lane, h, 1]
            gram[lane, h, slot] = a
            gram[lane, slot, h] = a
            right[h] = b
        largest = 0.0
        for h in range(used):
            largest = max(largest, gram[lane, h, h])
        for h in range(used):
            gamma[lane, h] = 0.0
        if not (largest > 0.0 and largest < np.inf):
            continue
        for h in range(used):  # equilibrated: old residuals are far larger than new ones
            scale[h] = 1.0 / np.sqrt(max(gram[lane, h, h], 1e-300))
        for h in range(used):
            for m in range(used):
                matrix[h, m] = gram[lane, h, m] * scale[h] * scale[m]
            matrix[h, h] += _RIDGE
            right[h] *= scale[h]
        ok = True
        for c in range(used):  # Cholesky, then both triangles
            for h in range(c, used):
                total = matrix[h, c]
                for m in range(c):
                    total -= matrix[h, m] * matrix[c, m]
                if h == c:
                    if not total > 0.0:
                        ok = False
                        total = 1.0
                    matrix[c, c] = np.sqrt(total)
                else:
                    matrix[h, c] = total / matrix[c, c]
        if not ok:
            continue
        for h in range(used):
            for m in range(h):
                right[h] -= matrix[h, m] * right[m]
            right[h] /= matrix[h, h]
        for h in range(used - 1, -1, -1):
            for m in range(h + 1, used):
                right[h] -= matrix[m, h] * right[m]
            right[h] /= matrix[h, h]
        for h in range(used):
            gamma[lane, h] = right[h] * scale[h]


@_COMPILED
def mix(begin, end, lanes, used, gamma, images, mapped):  # pragma: no cover - compiled
    """Takes the weighted differences off `mapped`, rows `begin:end`."""
    width = mapped.shape[1]
    for i in range(begin, end):
        out = mapped[i]
        for h in range(used):
            row = images[h, i]
            for j in range(width // lanes):
                for lane in range(lanes):
                    out[j * lanes + lane] -= gamma[lane, h] * row[j * lanes + lane]


def share_out(pool: Executor | None, job: Callable[[int], None], count: int) -> None:
    """Does a number of jobs, on a pool's threads if there is one."""
    if pool is None or count == 1:
        for piece in range(count):
            job(piece)
    else:
        list(pool.map(job, range(count)))


class Mixing:
    """Anderson's mixing of one read, its work shared among threads by rows.

    Args:
        rows: Of the voltages' array.
        columns: Of it.
        pieces: Rows that a thread takes at a time, as `(begin, end)`.

    Attributes:
        on: Whether it has begun.
    """

    def __init__(self, rows: int, columns: int, pieces: list[tuple[int, int]]) -> None:
        self.on = False
        self._shape, self._pieces = (rows, columns), pieces
        self._remembered = 0

    def switch_on(self) -> None:
        """Begins to mix, after the next sweep."""
        rows = self._shape[0]
        self.on = True
        self._x, self._residual, self._mapped = (np.empty(self._shape) for _ in range(3))
        self._residuals, self._images = np.empty((DEPTH, *self._shape)), np.empty((DEPTH, *self._shape))
        self._sums = np.empty((rows, 1, DEPTH, 2))
        self._gram, self._gamma = np.empty((1, DEPTH, DEPTH)), np.empty((1, DEPTH))

    def begin(self, vs: NDArray[np.float64]) -> None:
        """Remembers the voltages before a sweep."""
        if self.on:
            self._x[:] = vs

    def step(self, vs: NDArray[np.float64], pool: Executor | None) -> None:
        """Replaces the voltages after a sweep by mixed ones."""
        if not self.on:
            return
        used, slot = min(self._remembered, DEPTH), (self._remembered - 1) % DEPTH

        def remember(piece: int) -> None:
            record(
                *self._pieces[piece], 1, slot, used, self._x, vs, self._residual, self._mapped, self._residuals,
                self._images, self._sums,
            )  # fmt: skip

        share_out(pool, remember, len(self._pieces))
        if used:
            weights(slot, used, self._sums, self._gram, self._gamma)
            share_out(
                pool, lambda piece: mix(*self._pieces[piece], 1, used, self._gamma, self._images, vs), len(self._pieces)
            )
        self._remembered += 1
