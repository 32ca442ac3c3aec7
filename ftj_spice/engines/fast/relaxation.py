"""Alternating line relaxation: every driven line solved for given sensed lines, then the other way round.

One sweep evaluates the law once: driven lines are solved with the cells linearised at the present voltages, sensed
lines with the same linearisation. The iteration contracts by at most `kappa` in the largest voltage (`contraction`),
so the last change bounds the error; what linearising costs is bounded by the law's curvature. Where it contracts
slowly, Anderson's mixing takes over.
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.engines.fast.cellkernels import LINEAR, PHYSICAL, junction, row_currents
from ftj_spice.engines.fast.lanes import LANES
from ftj_spice.engines.fast.mixing import DEPTH, mix, record, weights
from ftj_spice.engines.fast.passes import CHAIN, FIXED, ROWS, ladder_columns, ladder_rows

GO_ON, MIX, DONE, HALF, FAILED = 0, 1, 2, 3, 4
"""What to do after a sweep; `HALF`: the driven lines need one more solution, the sensed ones don't."""
_ROUNDING = 4e-16  # V; smaller changes say nothing about the contraction
_STRIP = 64  # lines whose contraction is found together
_SLOWEST = 0.9995  # contraction per sweep beyond which a direct solve is the safer way
_COMPILED = numba.njit(cache=CACHE, nogil=True, error_model="numpy", fastmath={"contract"})


@_COMPILED
def _steepest(law, p, strength, share, voltage, slopes):  # pragma: no cover - compiled
    """Puts each cell's largest slope up to a voltage into `slopes`; only the physical law differs from cell to cell."""
    rows, columns = strength.shape
    for i in range(rows):
        for j in range(columns):
            if law == PHYSICAL or (i == 0 and j == 0):
                s, h = (strength[i, j], share[i, j]) if law == PHYSICAL else (1.0, 0.0)
                slope = 0.0
                for v in (0.0, voltage, -voltage):
                    slope = max(slope, junction(law, p, s, h, v)[1])
            slopes[i, j] = slope if law == PHYSICAL else slope * strength[i, j]


def _largest_share(
    line: tuple[int, float], first: NDArray[np.float64], last: NDArray[np.float64], slopes: NDArray[np.float64]
) -> float:
    """Returns the largest voltage of lines whose cells' far sides stand at 1 V and whose sources stand at 0 V.

    `slopes` has shape `(cells, lines)`. Lines are taken some at a time, as the caches hold them.
    """
    cells, lines = slopes.shape
    largest = np.zeros(_STRIP)
    for begin in range(0, lines, _STRIP):
        many = min(_STRIP, lines - begin)
        g = np.zeros((cells, _STRIP))
        g[:, :many] = slopes[:, begin : begin + many]
        near, far = np.ones(_STRIP), np.zeros(_STRIP)
        near[:many], far[:many] = first[begin : begin + many], last[begin : begin + many]
        ladder_columns(0, _STRIP, *line, near, far, np.zeros(_STRIP), g.copy(), g, np.zeros_like(g), largest)
    return float(largest.max())


def contraction(
    law: int, p: NDArray[np.float64], strength: NDArray[np.float64], share: NDArray[np.float64], voltage: float,
    along_rows: bool, driven: tuple[int, float], sensed: tuple[int, float],
    d_first: NDArray[np.float64], d_last: NDArray[np.float64], s_first: NDArray[np.float64],
    s_last: NDArray[np.float64],
) -> tuple[float, float]:  # fmt: skip
    """Returns kappa, a bound on the factor by which one sweep reduces the largest error, and the driven lines' part.

    For arrays without transistors. A line is a resistive divider between its source and the far sides of its cells:
    errors there reach it with at most the weight found by standing all far sides at 1 V. Slopes are those at the
    largest voltage a cell can see.
    """
    slopes = np.empty_like(strength)
    _steepest(law, p, strength, share, voltage, slopes)
    by_driven = _largest_share(driven, d_first, d_last, slopes.T if along_rows else slopes)
    return by_driven * _largest_share(sensed, s_first, s_last, slopes), by_driven


@_COMPILED
def decide(
    sweep, moved, before, both, kappa, kappa_driven, curvature, tolerance, seen, mixing
):  # pragma: no cover - compiled
    """Returns what to do after a sweep, and the contraction seen last.

    An error e of the sensed lines before a sweep leaves at most `kappa e` of it there and `kappa_driven e` on the
    driven lines; e is at most `moved / (1 - kappa)`. Where kappa is no help, the measured contraction is, with half its
    distance from 1.

    Args:
        sweep: Number of sweeps so far.
        moved: Largest change of a sensed line's voltage, in V.
        before: The same in the sweep before.
        both: Largest change of a cell's voltage.
        kappa: Bound on the contraction; 1 or more where there is none.
        kappa_driven: The driven lines' part of it.
        curvature: Bound on the law's I''/I', in 1/V.
        tolerance: Largest error of a voltage.
        seen: Contraction of the last sweep without mixing.
        mixing: Whether mixing is on.
    """
    if not moved < 1e6:
        return FAILED, seen
    ratio = moved / before if before > 0.0 and moved > _ROUNDING else 0.0
    rate = kappa
    if sweep >= 3 and kappa > 0.5:
        measured = seen if mixing else max(seen, ratio)
        if measured < _SLOWEST:
            rate = min(rate, 0.5 + 0.5 * measured)
    if not mixing:
        seen = ratio
    linearised = 0.5 * curvature * both * both * math.exp(min(curvature * both, 30.0))
    room = tolerance * (1.0 - rate)
    if rate < 1.0 and rate * moved + linearised <= room:
        return (DONE if kappa_driven * moved + linearised <= room else HALF), seen
    certain = kappa < _SLOWEST
    if not mixing and ratio > 0.4 and sweep >= (3 if certain else 8):
        return (MIX if certain or ratio < _SLOWEST else FAILED), ratio
    return GO_ON, seen


@_COMPILED
def linearise(
    begin, end, law, p, doublings, strength, share, transistor, device, gates, lanes, vd, vs, inner, offset, gd, gs
):  # pragma: no cover - compiled
    """Evaluates rows `begin:end`: `I = offset + gd vd - gs vs` near the present voltages."""
    width = vd.shape[1]
    for i in range(begin, end):
        c, a, b = offset[i], gd[i], gs[i]
        v, u = vd[i], vs[i]
        row_currents(
            law, p, doublings, strength[i], share[i], transistor, device, gates[i], lanes, v, u, inner[i], c, a, b
        )
        if law != LINEAR or transistor:
            if transistor:
                for k in range(width):
                    c[k] += b[k] * u[k] - a[k] * v[k]
            else:
                for k in range(width):
                    c[k] -= a[k] * (v[k] - u[k])
        else:
            for k in range(width):
                c[k] = 0.0


@_COMPILED
def driven_columns(
    begin, end, mode, segment, first, last, source, offset, gd, gs, vd, vs, work, change
):  # pragma: no cover - compiled
    """Solves driven lines along columns, elements `begin:end`; turns `offset` into `offset + gd vd`."""
    rows = vd.shape[0]
    if mode != FIXED:
        for i in range(rows):
            for k in range(begin, end):
                work[0, i, k] = gs[i, k] * vs[i, k] - offset[i, k]
                work[1, i, k] = gd[i, k]
        ladder_columns(begin, end, mode, segment, first, last, source, work[0], work[1], vd, change)
    for i in range(rows):
        for k in range(begin, end):
            offset[i, k] += gd[i, k] * vd[i, k]


@_COMPILED
def column_currents(offset, gs, vs, out):  # pragma: no cover - compiled
    """Puts the sums of each column's cell currents into `out`."""
    rows, width = vs.shape
    for k in range(width):
        out[k] = 0.0
    for i in range(rows):
        for k in range(width):
            out[k] += offset[i, k] - gs[i, k] * vs[i, k]


@_COMPILED
def balance(current, vs, lanes, sensed, first, last, hold, wrong):  # pragma: no cover - compiled
    """Puts each lane's largest imbalance of a column, relative to its largest current, into `wrong`.

    A column's current is the sum of its cells'; what leaves it through its terminations must be the same. The
    difference is Kirchhoff's law for the whole column, less what rounding of voltages makes of it.
    """
    rows, width = vs.shape
    for lane in range(lanes):
        wrong[lane] = 0.0
        largest = 0.0
        for k in range(lane, width, lanes):
            largest = max(largest, abs(current[k]))
            if not abs(current[k]) < math.inf:
                wrong[lane] = math.inf
        if sensed[0] == FIXED:
            continue
        for k in range(lane, width, lanes):
            near, far = first[k] * (vs[0, k] - hold[k]), last[k] * (vs[rows - 1, k] - hold[k])
            reach = max(abs(vs[0, k]), abs(vs[rows - 1, k]), abs(hold[k]))
            rounding = 1e-15 * (first[k] + last[k] + (sensed[1] if sensed[0] == CHAIN else 0.0)) * reach
            excess = abs(current[k] - near - far) - rounding
            if excess > 0.0 or not excess < math.inf:
                wrong[lane] = max(wrong[lane], excess / largest if largest > 0.0 else math.inf)


@_COMPILED
def solve_blocks(  # noqa: PLR0912, PLR0915 - one compiled function for the whole of a block
    begin, end, columns, law, p, doublings, curvature, kappa, kappa_driven, strength, share, transistor, device, gates,
    along_rows, driven, sensed, d_first, d_last, s_first, s_last, sources, hold, level, start, tolerance, sweeps,
    currents, wrong, used_sweeps,
):  # pragma: no cover - compiled  # fmt: skip
    """Solves blocks `begin:end` of `LANES` reads each.

    Args:
        begin: First block.
        end: Behind the last one.
        columns: Of the array; rows of all arrays may be filled up with open cells.
        law: One of the laws of `cellkernels`.
        p: Its constants.
        doublings: Of the sinh polynomials.
        curvature: Bound on I''/I' in 1/V.
        kappa: Bound on the contraction.
        kappa_driven: The driven lines' part of it.
        strength: Of the cells, shape `(rows, width / LANES)`.
        share: Mixing shares, the same shape.
        transistor: Whether there are select transistors.
        device: Their constants.
        gates: Gate voltages, shape `(blocks, rows, LANES)`.
        along_rows: Whether driven lines run along rows.
        driven: Mode and segment conductance of the driven lines.
        sensed: The same of the sensed lines.
        d_first: Termination of each driven line at its first cell; per element of a row where they run along columns.
        d_last: The same at the last cell.
        s_first: Termination of the sensed lines, per element of a row.
        s_last: The same at the last cell.
        sources: Source voltages, shape `(blocks, driven lines, LANES)`.
        hold: Sense voltages, per element of a row.
        level: Where driven lines start, shaped like `sources`.
        start: Where sensed lines start, per element of a row.
        tolerance: Largest error of a voltage, in V.
        sweeps: Most sweeps.
        currents: Receives the columns' currents, shape `(blocks, width)`.
        wrong: Receives each read's relative imbalance, shape `(blocks, LANES)`; infinite where there is no solution.
        used_sweeps: Receives each block's number of sweeps.
    """
    rows = strength.shape[0]
    width = strength.shape[1] * LANES
    vd = np.empty((rows, width))
    vs = np.empty((rows, width))
    offset = np.empty((rows, width))
    gd = np.empty((rows, width))
    gs = np.empty((rows, width)) if transistor else gd
    inner = np.empty((rows, width)) if transistor else np.empty((rows, 1))
    work = np.empty((2, rows, width)) if not along_rows else np.empty((2, 1, 1))
    change_d = np.empty(width)
    change_s = np.empty(width)
    step = ROWS
    chunk = max(64, min(width, 65536 // rows // 8 * 8))
    x = np.empty((0, 0))
    last_residual = x
    last_mapped = x
    residuals = np.empty((0, 0, 0))
    images = residuals
    sums = np.empty((0, 0, 0, 0))
    gram = np.empty((LANES, DEPTH, DEPTH))
    gamma = np.empty((LANES, DEPTH))
    for block in range(begin, end):
        flat = np.zeros(width)
        for i in range(rows):
            for j in range(width // LANES):
                for lane in range(LANES):
                    k = j * LANES + lane
                    vd[i, k] = 0.0
                    if j < columns:
                        vd[i, k] = level[block, i, lane] if along_rows else level[block, j, lane]
                        if not along_rows:
                            flat[k] = sources[block, j, lane]
                    vs[i, k] = start[k]
                    if transistor:
                        inner[i, k] = 0.5 * (vd[i, k] + vs[i, k])
        before = 0.0
        seen = 0.0
        mixing = False
        remembered = 0
        code = GO_ON
        count = 0
        for sweep in range(1, sweeps + 2):
            final = code in (DONE, HALF)
            if not final:
                if code == FAILED or sweep > sweeps:
                    break
                count = sweep
            for k in range(width):
                change_d[k] = 0.0
                change_s[k] = 0.0
            if mixing and not final:
                for i in range(rows):
                    for k in range(width):
                        x[i, k] = vs[i, k]
            tied = FIXED if code == DONE else driven[0]  # at the end, the driven lines are solved again only for HALF
            for i in range(0, rows, step):
                until = min(i + step, rows)
                linearise(
                    i, until, law, p, doublings, strength, share, transistor, device, gates[block], LANES, vd, vs,
                    inner, offset, gd, gs,
                )  # fmt: skip
                if along_rows:
                    ladder_rows(
                        i, until, columns, LANES, tied, driven[1], d_first, d_last, sources[block], offset, gd, gs, vd,
                        vs, change_d,
                    )  # fmt: skip
            for k in range(0, width, chunk):
                until = min(k + chunk, width)
                if not along_rows:
                    driven_columns(
                        k, until, tied, driven[1], d_first, d_last, flat, offset, gd, gs, vd, vs, work, change_d
                    )
                if not final:
                    ladder_columns(k, until, sensed[0], sensed[1], s_first, s_last, hold, offset, gs, vs, change_s)
            if final:
                break
            moved = 0.0
            moved_d = 0.0
            total = 0.0
            for k in range(width):
                moved = max(moved, change_s[k])
                moved_d = max(moved_d, change_d[k])
                total += vs[0, k] + vd[0, k]
            if not abs(total) < math.inf:
                moved = math.inf
            if sensed[0] == FIXED:
                moved = moved_d
            code, seen = decide(
                sweep, moved, before, moved + moved_d, kappa, kappa_driven, curvature, tolerance, seen, mixing
            )
            before = moved
            if code == MIX:
                mixing = True
                remembered = 0
                if len(residuals) == 0:
                    x = np.empty((rows, width))
                    last_residual = np.empty((rows, width))
                    last_mapped = np.empty((rows, width))
                    residuals = np.empty((DEPTH, rows, width))
                    images = np.empty((DEPTH, rows, width))
                    sums = np.empty((rows, LANES, DEPTH, 2))
            elif mixing and code == GO_ON:
                used = min(remembered, DEPTH)
                slot = (remembered - 1) % DEPTH
                record(0, rows, LANES, slot, used, x, vs, last_residual, last_mapped, residuals, images, sums)
                if used > 0:
                    weights(slot, used, sums, gram, gamma)
                    mix(0, rows, LANES, used, gamma, images, vs)
                remembered += 1
        used_sweeps[block] = count
        out = currents[block]
        column_currents(offset, gs, vs, out)
        balance(out, vs, LANES, sensed, s_first, s_last, hold, wrong[block])
        if code not in (DONE, HALF):
            for lane in range(LANES):
                wrong[block, lane] = math.inf
