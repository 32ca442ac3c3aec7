"""Reads as matrix products: exact for linear cells, to second order in the wires' drops for cells at one voltage.

**Linear cells**: column currents are `sources @ T + offset`; T comes from one read per driven line.

**Cells driven at V or 0** (bit-serial and pulse-width inputs b), two-terminal, columns held at 0 V. With currents f and
slopes f' of the cells at V, slopes g at 0 V, and the wires' Green's functions D (driven) and S (sensed), the first
order of the drops gives

    I_j = sum_i b_i f_ij - sum_i b_i f'_ij (f_i D)_j - sum_ik [b_i f'_ij + (1 - b_i) g_ij] S_ik b_k f_kj.

All terms but one are linear in b (bits are their own squares). The one left is a quadratic form of each column, with
the matrix S between `(f' - g)_ij` and `f_kj`. S is smooth: a few of its eigenvectors make it two matrix products each,
and what they leave is taken at the inputs' mean.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from ftj_spice.engines.fast.laws import junction_current
from ftj_spice.engines.fast.wiring import Lines, Wiring

Matrix = NDArray[np.float64]
WATCHED = 8
"""How many of the eigenvectors that are left out tell a coherent read."""
MODES = (0, 1, 3, 8)
"""Numbers of eigenvectors that are tried."""
_ROOM = 0.3  # of what second-order drops may make of the limit before a try is worth while
PART = 2048
"""Reads per matrix product, few enough to stay in the cache."""


def chain_green(lines: Lines) -> Matrix:
    """Returns the voltage at each cell of a line per current into each cell, in ohm, shape `(length, length)`.

    All lines must be alike and none may float.
    """
    n = lines.length
    if lines.fixed.all():
        return np.zeros((n, n))
    if lines.lumped:
        return np.full((n, n), 1.0 / lines.first[0])
    main = np.full(n, 2.0 * lines.segment)
    main[0] -= lines.segment
    main[-1] -= lines.segment
    main[0] += lines.first[0]
    main[-1] += lines.last[0]
    matrix = np.diag(main)
    index = np.arange(n - 1)
    matrix[index, index + 1] = matrix[index + 1, index] = -lines.segment
    return np.linalg.inv(matrix)


@lru_cache(maxsize=64)
def _modes_of(matrix: bytes, size: int) -> tuple[Matrix, Matrix]:
    """Returns eigenvalues and eigenvectors of a symmetric matrix: the same for all tiles of a size."""
    values, vectors = np.linalg.eigh(np.frombuffer(matrix).reshape(size, size))
    return values, vectors


@dataclass(frozen=True)
class Response:
    """A quadratic response: `I = b @ linear + constant - sum_p (b @ left_p) * (b @ right_p)`.

    Attributes:
        voltage: V of the bits.
        linear: Shape `(rows, columns)`.
        constant: Shape `(columns,)`.
        left: Shape `(modes, rows, columns)`.
        right: The same.
        mean: Share of bits that are on in the batch that this was made for.
        watched: The next eigenvectors, which are left out, times the roots of their values, shape `(rows, modes)`.
    """

    voltage: float
    linear: Matrix
    constant: Matrix
    left: Matrix
    right: Matrix
    mean: float
    watched: Matrix

    def coherence(self, sources: Matrix, pool: Executor | None) -> Matrix:
        """Returns for each read how much of what is left out it excites, shape `(batch,)`, in ohm.

        What is left out is a quadratic form of a read's bits less their mean. It is small for scattered patterns and
        large for coherent ones, such as all rows of one end; up to a factor that the columns give, it is this number.
        """
        shifted = (sources != 0.0) - self.mean
        return np.sum(product(shifted, self.watched, pool) ** 2, axis=1)

    def currents(self, sources: Matrix, pool: Executor | None = None) -> Matrix:
        """Returns the column currents in A for sources at V or 0, shape `(batch, rows)`; threads take fixed parts."""
        columns = self.linear.shape[1]
        out = np.empty((len(sources), columns))
        factors = np.concatenate([self.linear, *self.left, *self.right], axis=1)

        def work(begin: int) -> None:
            products = (sources[begin : begin + PART] / self.voltage) @ factors
            blocks = [products[:, k : k + columns] for k in range(0, factors.shape[1], columns)]
            part = np.add(blocks[0], self.constant, out=out[begin : begin + PART])
            modes = len(self.left)
            for left, right in zip(blocks[1 : 1 + modes], blocks[1 + modes :], strict=True):
                part -= np.multiply(left, right, out=left)

        by_parts(work, len(sources), pool)
        return out


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Holds BLAS to one thread, whose sums don't depend on how many there are."""
    return _blas().limit(limits=1, user_api="blas")


def by_parts(work: Callable[[int], None], count: int, pool: Executor | None) -> None:
    """Calls `work` with the beginning of each part of a batch, one BLAS thread each.

    The parts don't depend on the number of threads, and so the bits don't.
    """
    begins = range(0, count, PART)
    with one_thread():
        if pool is None or len(begins) == 1:
            for begin in begins:
                work(begin)
        else:
            list(pool.map(work, begins))


def product(sources: Matrix, matrix: Matrix, pool: Executor | None) -> Matrix:
    """Returns `sources @ matrix`, with the same bits for any number of threads."""
    out = np.empty((len(sources), matrix.shape[1]))

    def work(begin: int) -> None:
        np.matmul(sources[begin : begin + PART], matrix, out=out[begin : begin + PART])

    by_parts(work, len(sources), pool)
    return out


def bit_voltage(wiring: Wiring) -> float | None:
    """Returns the one voltage of all sources not at 0 V; none where there are several, or the form above fails."""
    circuit = wiring.circuit
    if circuit.wiring.transistor or wiring.driven.floating.any() or wiring.sensed.floating.any() or wiring.holds.any():
        return None
    sources = wiring.sources
    high, low = float(sources.max()), float(sources.min())
    voltage = high if high > -low else low
    return voltage if voltage != 0.0 and bool(((sources == 0.0) | (sources == voltage)).all()) else None


def responses(wiring: Wiring, voltage: float, limit: float) -> list[Response]:
    """Returns responses of rising cost and accuracy; none where second-order drops alone exceed the limit.

    Args:
        wiring: The array and its inputs.
        voltage: Of the bits.
        limit: Allowed error, relative to the largest current.
    """
    with one_thread():
        return _responses(wiring, voltage, limit)


def _responses(wiring: Wiring, voltage: float, limit: float) -> list[Response]:
    cells = wiring.circuit.cells
    at = np.full(cells.shape, voltage)
    f, slope = junction_current(cells, at)
    _, rest = junction_current(cells, np.zeros(cells.shape))
    row_green, column_green = chain_green(wiring.driven), chain_green(wiring.sensed)
    drop = f @ row_green
    rise = column_green @ f
    worst = max(float(np.abs(drop).max()), float(np.abs(rise).max()))
    with np.errstate(divide="ignore", invalid="ignore"):
        steep = float(np.nanmax(np.abs(slope / f))) if f.any() else 0.0
    if (worst * steep) ** 2 * _ROOM > limit:
        return []
    linear = f - slope * drop - f * (column_green @ rest)
    excess = slope - rest
    mean = float(np.count_nonzero(wiring.sources)) / wiring.sources.size
    values, vectors = _modes_of(column_green.tobytes(), len(column_green))
    order = np.argsort(-values)
    found = []
    for modes in MODES:
        chosen, next_ones = order[:modes], order[modes : modes + WATCHED]
        phi = vectors[:, chosen].T
        remainder = column_green - (phi.T * values[chosen]) @ phi
        own = np.diag(remainder).copy()
        apart = remainder - np.diag(own)
        towards, back = excess * (apart @ f), f * (apart @ excess)
        found.append(
            Response(
                voltage,
                linear - excess * f * own[:, None] - mean * (towards + back),
                mean**2 * towards.sum(axis=0),
                values[chosen][:, None, None] * phi[:, :, None] * excess,
                phi[:, :, None] * f,
                mean,
                vectors[:, next_ones] * np.sqrt(np.maximum(values[next_ones], 0.0)),
            )
        )
    return found
