"""Compiled switching of many cells under pulses: the laws of `ftj_spice.device` with closed forms for trapezoids.

A group's states, and a domain's, depend on its clock `theta = integral r dt` alone while the field keeps its sign. A
pulse with linear edges is therefore one step of the clock: the rate at its top times `width + 2 edge F(y)`, where
`y = (E_a/E)^alpha` and `F(y) = integral over x from 0 to 1 of exp(y - y x^-alpha)`, tabulated once. Cells are
independent of each other: the result does not depend on the number of threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.domains import domain_cost as _cost
from ftj_spice.device.streams import exponential
from ftj_spice.device.switching import GONE, RUN_DOWN, slopes

LARGEST_BARRIER = 60.0
"""(E_a/E)^alpha beyond which a domain does not move: its rate is below 1e-26 of the attempt rate."""
SMALLEST_CLOCK = 1e-9
"""A clock below this is nothing: the share that it moves is its square, or its product with a history."""
SMALLEST_EXPOSURE = 1e-5
"""The same for a clock that half-select pulses have gathered: a thousand of them move a share by 1e-4."""
_EDGE_NODES = 601
_LITTLE = 5e-3  # share of a group below which longer steps are taken
_PART = 0.5  # of their inverse hazard
_STEP = 0.125  # of the clock, else
_SHORT = 0.01
_FEW = 2048  # cells that one thread takes: starting others would take longer, or wait for busy cores


def edge_table(alpha: float) -> NDArray[np.float64]:
    """Returns 1/F at even steps of y from 0 to `LARGEST_BARRIER`, shape `(601,)`; nearly a straight line."""
    x, weight = np.polynomial.legendre.leggauss(100)
    x, weight = 0.5 * (x + 1.0), 0.5 * weight
    y = np.linspace(0.0, LARGEST_BARRIER, _EDGE_NODES)
    with np.errstate(over="ignore", invalid="ignore"):
        inner = np.exp(y[:, None] * -np.expm1(-alpha * np.log(x)))
    return 1.0 / (np.nan_to_num(inner) @ weight)


@contextmanager
def threads_for(cells: int) -> Iterator[None]:
    """Lets one thread work where there is too little for several."""
    before = numba.get_num_threads()
    if cells < _FEW:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@numba.njit(cache=CACHE, inline="always")
def _lasting(y, width, edge, table):  # pragma: no cover - compiled
    """Length of a flat pulse that acts as the trapezoid on a domain with `y` at its top."""
    place = y * ((_EDGE_NODES - 1) / LARGEST_BARRIER)
    k = min(int(place), _EDGE_NODES - 2)
    part = place - k
    return width + 2.0 * edge / (table[k] + part * (table[k + 1] - table[k]))


@numba.njit(cache=CACHE, inline="always")
def _advance(n, a, b, theta, beta):  # pragma: no cover - compiled
    """Advances a group as `ftj_spice.device.switching` does, in longer steps where next to nothing is left of it.

    There the shares fade as a power of the clock and the hazard is small, so that steps may go with its inverse. The
    tests hold the two together within 1e-5.
    """
    if b > 0.0:
        fall = RUN_DOWN * theta
        b *= np.exp(-fall) if fall > 1e-3 else 1.0 - fall + 0.5 * fall * fall
    left = theta
    while left > 0.0 and n > GONE:
        d = _STEP
        n1, a1 = slopes(n, a, beta)
        if left < _SHORT:  # the middle of the step is good enough
            n2, a2 = slopes(n + 0.5 * left * n1, a + 0.5 * left * a1, beta)
            n += left * n2
            a += left * a2
            break
        if n < _LITTLE and n > 0.0:
            d = max(d, min(-_PART * n / n1, _PART * a / abs(a1))) if n1 < 0.0 and a1 != 0.0 else d
        d = min(left, d)
        n2, a2 = slopes(n + 0.5 * d * n1, a + 0.5 * d * a1, beta)
        n3, a3 = slopes(n + 0.5 * d * n2, a + 0.5 * d * a2, beta)
        n4, a4 = slopes(n + d * n3, a + d * a3, beta)
        n += d * (n1 + 2.0 * n2 + 2.0 * n3 + n4) / 6.0
        a += d * (a1 + 2.0 * a2 + 2.0 * a3 + a4) / 6.0
        left -= d
    if n <= GONE:
        return 0.0, 0.0, b
    return n, max(a, 0.0), b


@numba.njit(cache=CACHE, parallel=True)
def pulse_groups(
    up, to_up, to_down, barrier, scale, offset, volts, gain, imprint, width, edge, table, tau0, alpha, beta
):  # pragma: no cover - compiled
    """Applies one pulse of its own voltage to each cell of the mean model.

    Args:
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
    for cell in numba.prange(up.shape[0]):
        if volts[cell] == 0.0:
            continue
        field = gain * volts[cell] - imprint
        e, power = field, (scale[cell] / max(abs(field), 1.0)) ** alpha
        for k in range(up.shape[1]):
            if scattered:
                e = field + offset[k]
                power = (scale[cell] / max(abs(e), 1.0)) ** alpha
            y = barrier[k] * power
            if y > LARGEST_BARRIER:
                continue
            theta = np.exp(-y) * _lasting(y, width, edge, table) / tau0
            if theta < SMALLEST_CLOCK:
                continue
            if e > 0.0:
                n, a, b = _advance(1.0 - up[cell, k], to_up[cell, k], to_down[cell, k], theta, beta)
                up[cell, k], to_up[cell, k], to_down[cell, k] = 1.0 - n, a, b
            else:
                n, b, a = _advance(up[cell, k], to_down[cell, k], to_up[cell, k], theta, beta)
                up[cell, k], to_up[cell, k], to_down[cell, k] = n, a, b


@numba.njit(cache=CACHE, parallel=True)
def pulse_domains(
    up, history, budget, barrier, stream, power, towards, width, edge, table, tau0, beta
):  # pragma: no cover - compiled
    """Applies one pulse of its own voltage to each cell of the stochastic model.

    Args:
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
    for cell in numba.prange(up.shape[0]):
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
def _clock(z, lowest, spacing, logs):  # pragma: no cover - compiled
    """Clock of a barrier `z` by a table of logarithms; 0 beyond its end."""
    place = (z - lowest) / spacing
    if place >= len(logs) - 1:
        return 0.0
    k = max(int(place), 0)
    return np.exp(logs[k] + (place - k) * (logs[k + 1] - logs[k]))


@numba.njit(cache=CACHE, parallel=True)
def expose_groups(
    up, to_up, to_down, barrier, scale, columns, logs, first, lowest, spacing, beta
):  # pragma: no cover - compiled
    """Applies the clocks that half-select pulses have gathered, by column, to cells of the mean model.

    Args:
        up: As in `pulse_groups`, as are the next two.
        to_up: History towards up.
        to_down: History towards down.
        barrier: Activation fields to the power alpha, in units of the table's reference, shape `(groups,)`.
        scale: Factor of each cell on the activation fields, to the power alpha, shape `(cells,)`.
        columns: Column of each cell.
        logs: Logarithm of the clock by direction (down, up), column, kind of group and barrier,
            shape `(2, columns, kinds, nodes)`; one kind, or one for each group.
        first: Direction that comes first, 0 (down) or 1 (up).
        lowest: Barrier of node 0.
        spacing: Distance of the nodes.
        beta: Weibull exponent.
    """
    kinds = logs.shape[2]
    for cell in numba.prange(up.shape[0]):
        column = columns[cell]
        for turn in range(2):
            side = first if turn == 0 else 1 - first
            for k in range(up.shape[1]):
                theta = _clock(scale[cell] * barrier[k], lowest, spacing, logs[side, column, k if kinds > 1 else 0])
                if theta < SMALLEST_EXPOSURE:
                    if kinds == 1:
                        break  # groups stand in the order of their barriers
                    continue
                if side == 1:
                    n, a, b = _advance(1.0 - up[cell, k], to_up[cell, k], to_down[cell, k], theta, beta)
                    up[cell, k], to_up[cell, k], to_down[cell, k] = 1.0 - n, a, b
                else:
                    n, b, a = _advance(up[cell, k], to_down[cell, k], to_up[cell, k], theta, beta)
                    up[cell, k], to_up[cell, k], to_down[cell, k] = n, a, b


@numba.njit(cache=CACHE, parallel=True)
def expose_domains(
    up, history, budget, barrier, stream, columns, logs, first, lowest, spacing, unit, beta
):  # pragma: no cover - compiled
    """The same for the stochastic model; `unit` is the reference field to the power -alpha."""
    top = lowest + spacing * (logs.shape[3] - 1)
    for cell in numba.prange(up.shape[0]):
        column = columns[cell]
        for turn in range(2):
            side = first if turn == 0 else 1 - first
            for k in range(up.shape[1]):
                z = barrier[cell, k] * unit
                if z >= top:
                    continue
                theta = _clock(z, lowest, spacing, logs[side, column, 0])
                if theta >= SMALLEST_EXPOSURE:
                    _move(up, history, budget, stream, cell, k, side == 1, theta, beta)
