"""Compiled switching of many cells under pulses: the laws of `ftj_spice.device` with closed forms for trapezoids.

A group's states, and a domain's, depend on its clock `theta = integral r dt` alone while the field keeps its sign. A
pulse with linear edges is therefore one step of the clock: the rate at its top times `width + 2 edge F(y)`, where
`y = (E_a/E)^alpha` and `F(y) = integral over x from 0 to 1 of exp(y - y x^-alpha)`, tabulated once. Cells are
independent of each other: the result does not depend on the number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.advance import advance
from ftj_spice.common.compiling import CACHE
from ftj_spice.device.domains import domain_cost as _cost
from ftj_spice.device.streams import exponential

LARGEST_BARRIER = 60.0
"""(E_a/E)^alpha beyond which a domain does not move: its rate is below 1e-26 of the attempt rate."""
SMALLEST_CLOCK = 1e-9
"""A clock below this is nothing: the share that it moves is its square, or its product with a history."""
SMALLEST_EXPOSURE = 1e-5
"""The same for a clock that half-select pulses have gathered: a thousand of them move a share by 1e-4."""
FRESH, SPARED = -1, -2
"""Rows that have seen nothing of what waits, and rows that are left alone; see `expose_groups`."""
_EDGE_NODES = 601
_FEW = 2048  # cells that one thread takes: starting others would take longer, or wait for busy cores


def edge_table(alpha: float) -> NDArray[np.float64]:
    """Returns 1/F at even steps of y from 0 to `LARGEST_BARRIER`, shape `(601,)`; nearly a straight line."""
    x, weight = np.polynomial.legendre.leggauss(100)
    x, weight = 0.5 * (x + 1.0), 0.5 * weight
    y = np.linspace(0.0, LARGEST_BARRIER, _EDGE_NODES)
    with np.errstate(over="ignore", invalid="ignore"):
        inner = np.exp(y[:, None] * -np.expm1(-alpha * np.log(x)))
    return 1.0 / (np.nan_to_num(inner) @ weight)


def in_threads(kernel: Callable[..., None], parts: int, cells: int, *arguments: object) -> None:
    """Runs a kernel over `parts` cells or rows, which hold `cells` cells, in as many threads as are worth it."""
    threads = 1 if cells < _FEW else min(numba.get_num_threads(), parts)
    if threads == 1:
        kernel(0, parts, *arguments)
        return
    bounds = [parts * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(kernel, i, j, *arguments) for i, j in pairwise(bounds)]:
            done.result()


@numba.njit(cache=CACHE, inline="always")
def _lasting(y, width, edge, table):  # pragma: no cover - compiled
    """Length of a flat pulse that acts as the trapezoid on a domain with `y` at its top."""
    place = y * ((_EDGE_NODES - 1) / LARGEST_BARRIER)
    k = min(int(place), _EDGE_NODES - 2)
    part = place - k
    return width + 2.0 * edge / (table[k] + part * (table[k + 1] - table[k]))


@numba.njit(cache=CACHE, nogil=True)
def pulse_groups(
    begin, end, up, to_up, to_down, barrier, scale, offset, volts, gain, imprint, width, edge, table, tau0, alpha, beta
):  # pragma: no cover - compiled
    """Applies one pulse of its own voltage to each cell of the mean model.

    Args:
        begin: First cell.
        end: The one behind the last.
        up: Share of each group that points up, shape `(cells, groups)`; changed, as are the next two.
        to_up: History towards up.
        to_down: History towards down.
        barrier: Activation fields (V/m) to the power alpha, shape `(groups,)`.
        scale: Factor of each cell on the activation fields, shape `(cells,)`.
        offset: Offset fields in V/m: one per group, or a single 0.
        volts: Of each cell's pulse, shape `(cells,)`.
        gain: Field per voltage, in 1/m.
        imprint: Built-in field in V/m.
        width: At full amplitude, in s.
        edge: Rise and fall time in s.
        table: Of `edge_table`.
        tau0: Attempt time in s.
        alpha: Exponent of the field dependence.
        beta: Weibull exponent.
    """
    scattered = len(offset) > 1
    highest = min(LARGEST_BARRIER, np.log((width + 2.0 * edge) / (tau0 * SMALLEST_CLOCK)))
    for cell in range(begin, end):
        if volts[cell] == 0.0:
            continue
        field = gain * volts[cell] - imprint
        e, power = field, (scale[cell] / max(abs(field), 1.0)) ** alpha
        for k in range(up.shape[1]):
            if scattered:
                e = field + offset[k]
                power = (scale[cell] / max(abs(e), 1.0)) ** alpha
            y = barrier[k] * power
            if y > highest:
                if scattered:
                    continue
                break  # groups stand in the order of their barriers
            up_now = e > 0.0
            if up_now and up[cell, k] == 1.0 and to_down[cell, k] == 0.0:
                continue  # nothing is left that could move
            if not up_now and up[cell, k] == 0.0 and to_up[cell, k] == 0.0:
                continue
            theta = np.exp(-y) * _lasting(y, width, edge, table) / tau0
            if up_now:
                n, a, b = advance(1.0 - up[cell, k], to_up[cell, k], to_down[cell, k], theta, beta)
                up[cell, k], to_up[cell, k], to_down[cell, k] = 1.0 - n, a, b
            else:
                n, b, a = advance(up[cell, k], to_down[cell, k], to_up[cell, k], theta, beta)
                up[cell, k], to_up[cell, k], to_down[cell, k] = n, a, b


@numba.njit(cache=CACHE, nogil=True)
def pulse_domains(
    begin, end, up, history, budget, barrier, stream, power, towards, width, edge, table, tau0, beta
):  # pragma: no cover - compiled
    """Applies one pulse of its own voltage to each cell of the stochastic model.

    Args:
        begin: First cell.
        end: The one behind the last.
        up: 1 where a domain points up, shape `(cells, domains)`; changed, as are the next two and `stream`.
        history: Of each domain.
        budget: What is left until it flips.
        barrier: Activation field to the power alpha, same shape.
        stream: Random state of each cell.
        power: Field of each cell's pulse to the power -alpha, shape `(cells,)`; 0 for no pulse.
        towards: Whether that field points up, shape `(cells,)`.
        width: At full amplitude, in s.
        edge: Rise and fall time in s.
        table: Of `edge_table`.
        tau0: Attempt time in s.
        beta: Weibull exponent.
    """
    for cell in range(begin, end):
        if power[cell] == 0.0:
            continue
        for k in range(up.shape[1]):
            y = barrier[cell, k] * power[cell]
            if y > LARGEST_BARRIER:
                continue
            theta = np.exp(-y) * _lasting(y, width, edge, table) / tau0
            _move(up, history, budget, stream, cell, k, towards[cell], theta, beta)


@numba.njit(cache=CACHE, inline="always")
def _move(up, history, budget, stream, cell, k, towards, theta, beta):  # pragma: no cover - compiled
    """Advances one domain's clock."""
    h = history[cell, k]
    if (up[cell, k] == 1) == towards:
        history[cell, k] = max(0.0, h - theta)
        return
    left = budget[cell, k] - (_cost(h + theta, beta) - _cost(h, beta))
    if left > 0.0:
        history[cell, k], budget[cell, k] = h + theta, left
    else:
        up[cell, k] = 1 - up[cell, k]
        history[cell, k] = 0.0
        budget[cell, k] = exponential(stream, cell)


@numba.njit(cache=CACHE, inline="always")
def _clock(z, lowest, spacing, clocks, seen, slot, side, column, kind):  # pragma: no cover - compiled
    """Clock of a barrier `z` that a cell has not seen yet, interpolated in its logarithm; 0 where it is nothing."""
    place = (z - lowest) / spacing
    if place >= clocks.shape[3] - 1:
        return 0.0
    k = max(int(place), 0)
    here, after = clocks[side, column, kind, k], clocks[side, column, kind, k + 1]
    if slot >= 0:
        here -= seen[slot, side, column, kind, k]
        after -= seen[slot, side, column, kind, k + 1]
    if here < SMALLEST_EXPOSURE:  # clocks fall with the barrier
        return 0.0
    return here * np.exp((place - k) * np.log(max(after, 1e-300) / here))


@numba.njit(cache=CACHE, nogil=True)
def expose_groups(
    begin, end, up, to_up, to_down, barrier, scale, clocks, seen, slots, first, lowest, spacing, beta
):  # pragma: no cover - compiled
    """Applies the clocks that half-select pulses have gathered, by column, to whole rows of cells of the mean model.

    Args:
        begin: First row.
        end: The one behind the last.
        up: As in `pulse_groups`, as are the next two.
        to_up: History towards up.
        to_down: History towards down.
        barrier: Activation fields to the power alpha, in units of the table's reference, shape `(groups,)`.
        scale: Factor of each cell on the activation fields, to the power alpha, shape `(cells,)`.
        clocks: By direction (down, up), column, kind of group and barrier, shape `(2, columns, kinds, nodes)`; one
            kind, or one for each group.
        seen: What some rows have seen of them before, shape `(slots, 2, columns, kinds, nodes)`.
        slots: Where that stands for each row; `FRESH` for rows that have seen nothing, `SPARED` for rows left alone.
        first: Direction that comes first, 0 (down) or 1 (up).
        lowest: Barrier of node 0.
        spacing: Distance of the nodes.
        beta: Weibull exponent.
    """
    columns, kinds = clocks.shape[1], clocks.shape[2]
    for row in range(begin, end):
        slot = slots[row]
        if slot == SPARED:
            continue
        for column in range(columns):
            cell = row * columns + column
            for turn in range(2):
                side = first if turn == 0 else 1 - first
                for k in range(up.shape[1]):
                    kind = k if kinds > 1 else 0
                    theta = _clock(scale[cell] * barrier[k], lowest, spacing, clocks, seen, slot, side, column, kind)
                    if theta < SMALLEST_EXPOSURE:
                        if kinds == 1:
                            break  # groups stand in the order of their barriers
                        continue
                    if side == 1:
                        n, a, b = advance(1.0 - up[cell, k], to_up[cell, k], to_down[cell, k], theta, beta)
                        up[cell, k], to_up[cell, k], to_down[cell, k] = 1.0 - n, a, b
                    else:
                        n, b, a = advance(up[cell, k], to_down[cell, k], to_up[cell, k], theta, beta)
                        up[cell, k], to_up[cell, k], to_down[cell, k] = n, a, b


@numba.njit(cache=CACHE, nogil=True)
def expose_domains(
    begin, end, up, history, budget, barrier, stream, clocks, seen, slots, first, lowest, spacing, unit, beta
):  # pragma: no cover - compiled
    """The same for the stochastic model; `unit` is the reference field to the power -alpha."""
    columns = clocks.shape[1]
    top = lowest + spacing * (clocks.shape[3] - 1)
    for row in range(begin, end):
        slot = slots[row]
        if slot == SPARED:
            continue
        for column in range(columns):
            cell = row * columns + column
            for turn in range(2):
                side = first if turn == 0 else 1 - first
                for k in range(up.shape[1]):
                    z = barrier[cell, k] * unit
                    if z >= top:
                        continue
                    theta = _clock(z, lowest, spacing, clocks, seen, slot, side, column, 0)
                    if theta >= SMALLEST_EXPOSURE:
                        _move(up, history, budget, stream, cell, k, side == 1, theta, beta)


@numba.njit(cache=CACHE)
def gather(clocks, sums, written, side, kind, inhibited):  # pragma: no cover - compiled
    """Adds a phase's clocks to the columns: the first `written` pulses of a written column, the others of it else.

    Args:
        clocks: As in `expose_groups`; changed.
        sums: Clocks of the first 0, 1, ... pulses, shape `(pulses + 1, nodes)`.
        written: Number of pulses in which each column was written, shape `(columns,)`.
        side: Direction.
        kind: Kind of group.
        inhibited: Whether these are the clocks in inhibited columns.
    """
    last = sums.shape[0] - 1
    for column in range(clocks.shape[1]):
        begin, end = (written[column], last) if inhibited else (0, written[column])
        if begin == end:
            continue
        for node in range(clocks.shape[3]):
            clocks[side, column, kind, node] += max(sums[end, node] - sums[begin, node], 0.0)
