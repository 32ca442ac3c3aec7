"""Compiled passes of the line relaxation: along the rows, down the columns, over one row's cells.

All arrays hold one row of cells per row and, innermost, all lanes (reads solved side by side) of each column:
`a[i, j * lanes + lane]`. A line's tridiagonal system is solved as a ladder of conductances, from its last cell to its
first and back: only sums and products of positive numbers, so that weakly held lines lose no digits.

With the cells linearised, `I = offset + G_d v_d - G_s v_s`. A pass along driven lines takes `v_s` and gives `v_d`; the
pass along sensed lines takes `v_d` and gives `v_s`.
"""

import numba
import numpy as np

from ftj_spice.common.compiling import CACHE
from ftj_spice.engines.fast.lanes import LANES, larger, load, magnitude, spread, store, turn

CHAIN, LUMPED, FIXED = 0, 1, 2
"""How a line's nodes are tied: a chain of segments, one node, or one node whose voltage is given."""
ROWS = 4
"""Rows that are solved together, so that one's divisions overlap with the others'."""
SINGLE_GROUPS = 2
"""The same for single reads, whose rows are solved eight by eight."""

_COMPILED = numba.njit(cache=CACHE, nogil=True, error_model="numpy", fastmath={"contract"})


@_COMPILED
def _chain_rows(
    start, rows, columns, width, segment, first, last, source, offset, gd, gs, vd, vs, change, y, b, ratio, norton
):  # pragma: no cover - compiled
    """Solves `rows` chains from row `start` on, all lanes of each at once."""
    many = ROWS * LANES
    for r in range(rows):
        f = load(source, (start + r) * LANES) * last[start + r]
        store(y, r * LANES, spread(last[start + r]))
        store(b, r * LANES, f)
    for j in range(columns - 1, -1, -1):
        for r in range(rows):
            w, at = r * LANES, (start + r) * width + j * LANES
            tail, drive = load(y, w), load(b, w)
            if j < columns - 1:
                inverse = 1.0 / (tail + segment)
                store(ratio, (j + 1) * many + w, inverse)
                store(norton, (j + 1) * many + w, drive)
                part = inverse * segment
                tail = tail * part
                drive = drive * part
            store(y, w, tail + load(gd, at))
            store(b, w, drive + (load(gs, at) * load(vs, at) - load(offset, at)))
    for r in range(rows):
        w, f = r * LANES, first[start + r]
        store(b, w, (load(source, (start + r) * LANES) * f + load(b, w)) / (load(y, w) + f))
    for j in range(columns):
        moved = load(change, j * LANES)
        for r in range(rows):
            w, at = r * LANES, (start + r) * width + j * LANES
            v = load(b, w)
            if j > 0:
                v = (v * segment + load(norton, j * many + w)) * load(ratio, j * many + w)
                store(b, w, v)
            moved = larger(moved, magnitude(v - load(vd, at)))
            store(vd, at, v)
            store(offset, at, load(offset, at) + load(gd, at) * v)
        store(change, j * LANES, moved)


@_COMPILED
def _chain_rows_single(  # noqa: PLR0912 - one compiled function for all rows at once
    start, groups, columns, segment, first, last, source, offset, gd, gs, vd, vs, change, y, b, ratio, norton, tile
):  # pragma: no cover - compiled
    """The same for a single read, `groups` times eight rows: eight by eight cells are transposed on the way."""
    many = SINGLE_GROUPS * LANES
    width = vd.shape[1]
    square = LANES * LANES
    spare = 2 * square * groups
    for g in range(groups):
        i = start + g * LANES
        store(y, g * LANES, load(last, i))
        store(b, g * LANES, load(last, i) * load(source, i))
    for begin in range((columns - 1) // LANES * LANES, -1, -LANES):
        for g in range(groups):
            at, t = (start + g * LANES) * width + begin, 2 * square * g
            for r in range(LANES):
                k = at + r * width
                store(tile, spare + r * LANES, load(gs, k) * load(vs, k) - load(offset, k))
            turn(gd, at, width, tile, t, LANES)
            turn(tile, spare, LANES, tile, t + square, LANES)
        for j in range(min(begin + LANES, columns) - 1, begin - 1, -1):
            for g in range(groups):
                w, t = g * LANES, 2 * square * g + (j - begin) * LANES
                tail, drive = load(y, w), load(b, w)
                if j < columns - 1:
                    inverse = 1.0 / (tail + segment)
                    store(ratio, (j + 1) * many + w, inverse)
                    store(norton, (j + 1) * many + w, drive)
                    part = inverse * segment
                    tail = tail * part
                    drive = drive * part
                store(y, w, tail + load(tile, t))
                store(b, w, drive + load(tile, t + square))
    for g in range(groups):
        w, f = g * LANES, load(first, start + g * LANES)
        store(b, w, (load(source, start + g * LANES) * f + load(b, w)) / (load(y, w) + f))
    for begin in range(0, columns, LANES):
        for j in range(begin, min(begin + LANES, columns)):
            for g in range(groups):
                w = g * LANES
                v = load(b, w)
                if j > 0:
                    v = (v * segment + load(norton, j * many + w)) * load(ratio, j * many + w)
                    store(b, w, v)
                store(tile, square * g + (j - begin) * LANES, v)
        for j in range(columns - begin, LANES):
            for g in range(groups):
                store(tile, square * g + j * LANES, spread(0.0))
        moved = load(change, begin)
        for g in range(groups):
            at = (start + g * LANES) * width + begin
            turn(tile, square * g, LANES, tile, spare, LANES)
            for r in range(LANES):
                k = at + r * width
                v = load(tile, spare + r * LANES)
                moved = larger(moved, magnitude(v - load(vd, k)))
                store(vd, k, v)
                store(offset, k, load(offset, k) + load(gd, k) * v)
        store(change, begin, moved)


@_COMPILED
def ladder_rows(
    begin, end, columns, lanes, mode, segment, first, last, source, offset, gd, gs, vd, vs, change
):  # pragma: no cover - compiled
    """Solves driven lines along rows `begin:end` for `vd`; turns `offset` into `offset + gd vd`.

    Chains must have `LANES` lanes; single ones are solved by `ladder_rows_single`.

    Raises `change`, shape `(width,)`, to the largest change of `vd`.
    """
    width = vd.shape[1]
    many = ROWS * LANES
    y = np.empty(many)
    b = np.empty(many)
    ratio = np.empty(columns * many)
    norton = np.empty(columns * many)
    for start in range(begin, end, ROWS):
        rows = min(ROWS, end - start)
        if mode == CHAIN:
            _chain_rows(
                start, rows, columns, width, segment, first, last, source, offset, gd, gs, vd, vs, change, y, b,
                ratio, norton,
            )  # fmt: skip
            continue
        for i in range(start, start + rows):
            if mode == LUMPED:
                for lane in range(lanes):
                    y[lane] = first[i]
                    b[lane] = first[i] * source[i, lane]
                for j in range(columns):
                    for lane in range(lanes):
                        k = j * lanes + lane
                        y[lane] += gd[i, k]
                        b[lane] += gs[i, k] * vs[i, k] - offset[i, k]
                for lane in range(lanes):
                    v = b[lane] / y[lane]
                    change[lane] = max(change[lane], abs(v - vd[i, lane]))
                    for j in range(columns):
                        vd[i, j * lanes + lane] = v
            for k in range(columns * lanes):
                offset[i, k] += gd[i, k] * vd[i, k]


@_COMPILED
def ladder_rows_single(
    begin, end, columns, mode, segment, first, last, source, offset, gd, gs, vd, vs, change
):  # pragma: no cover - compiled
    """The same for a single read; rows are filled up to whole groups of eight. Apart, as it is slow to compile."""
    if mode != CHAIN:
        ladder_rows(begin, end, columns, 1, mode, segment, first, last, source, offset, gd, gs, vd, vs, change)
        return
    many = SINGLE_GROUPS * LANES
    y = np.empty(many)
    b = np.empty(many)
    ratio = np.empty(columns * many)
    norton = np.empty(columns * many)
    tile = np.empty((2 * SINGLE_GROUPS + 1) * LANES * LANES)
    for start in range(begin, end, many):
        groups = -(-min(many, end - start) // LANES)
        _chain_rows_single(
            start, groups, columns, segment, first, last, source, offset, gd, gs, vd, vs, change, y, b, ratio, norton,
            tile,
        )  # fmt: skip


@_COMPILED
def ladder_columns(
    begin, end, mode, segment, first, last, source, rhs, conductance, voltage, change
):  # pragma: no cover - compiled
    """Solves lines along columns, elements `begin:end` of each row (whole vectors), for `voltage`.

    `rhs` and `conductance` (of the cells, into each node) are used up. `first`, `last` and `source` have one entry per
    element. Raises `change` to the largest change of `voltage`.
    """
    rows, width = voltage.shape
    if mode == FIXED:
        return
    y = np.empty(width)
    b = np.empty(width)
    for k in range(begin, end, LANES):
        store(y, k, load(last, k))
        store(b, k, load(last, k) * load(source, k))
    for i in range(rows - 1, -1, -1):
        for k in range(begin, end, LANES):
            at = i * width + k
            tail, drive = load(y, k), load(b, k)
            if i < rows - 1 and mode == CHAIN:
                inverse = 1.0 / (tail + segment)
                store(conductance, at + width, inverse)
                store(rhs, at + width, drive)
                part = inverse * segment
                tail = tail * part
                drive = drive * part
            store(y, k, tail + load(conductance, at))
            store(b, k, drive + load(rhs, at))
    for k in range(begin, end, LANES):
        f = load(first, k)
        v = (f * load(source, k) + load(b, k)) / (f + load(y, k))
        store(change, k, larger(load(change, k), magnitude(v - load(voltage, k))))
        store(voltage, k, v)
    for i in range(1, rows):
        for k in range(begin, end, LANES):
            at = i * width + k
            v = load(voltage, at - width)
            if mode == CHAIN:
                v = (v * segment + load(rhs, at)) * load(conductance, at)
                store(change, k, larger(load(change, k), magnitude(v - load(voltage, at))))
            store(voltage, at, v)
