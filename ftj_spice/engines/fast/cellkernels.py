"""Compiled cell currents: linear, sinh and physical junctions, alone or with a select transistor.

The arrays' layout is that of `ftj_spice.engines.fast.passes`.
"""

import math

import numba

from ftj_spice.common.compiling import CACHE
from ftj_spice.engines.fast.lanes import LANES, load, spread, store

LINEAR, SINH, PHYSICAL = 0, 1, 2
"""Laws."""
CLOSE = 1e-6
"""Step of the node between junction and transistor, in V, after which its cell is not evaluated again."""
REACH = 0.65
"""Largest argument of the polynomials for sinh and cosh; larger ones are halved first and doubled afterwards."""
_COMPILED = numba.njit(cache=CACHE, nogil=True, error_model="numpy", fastmath={"contract"})


@_COMPILED
def hyperbolic(x, doublings):  # pragma: no cover - compiled
    """Returns sinh and cosh of lanes.

    Taylor polynomials of the argument over 2^doublings, then `sinh 2y = 2 sinh y cosh y`, `cosh 2y = 1 + 2 sinh^2 y`.
    """
    y = x * 0.5**doublings
    z = y * y
    s = z * (1.0 / 1307674368000.0) + 1.0 / 6227020800.0
    s = s * z + 1.0 / 39916800.0
    s = s * z + 1.0 / 362880.0
    s = s * z + 1.0 / 5040.0
    s = s * z + 1.0 / 120.0
    s = s * z + 1.0 / 6.0
    s = s * z * y + y
    c = z * (1.0 / 20922789888000.0) + 1.0 / 87178291200.0
    c = c * z + 1.0 / 479001600.0
    c = c * z + 1.0 / 3628800.0
    c = c * z + 1.0 / 40320.0
    c = c * z + 1.0 / 720.0
    c = c * z + 1.0 / 24.0
    c = c * z + 0.5
    c = c * z + 1.0
    for _ in range(doublings):
        twice = s + s
        s, c = twice * c, twice * s + 1.0
    return s, c


@_COMPILED
def _extreme_states(p, voltage):  # pragma: no cover - compiled
    """The currents of both states of the physical law; see `PhysicalLaw.states`."""
    v = p[0] * voltage
    ratio = v / p[1]
    ratio *= ratio
    ratio *= ratio
    x = v / (1.0 + ratio * ratio) ** 0.125
    a, b = p[2] + 0.5 * x, p[3] - 0.5 * x
    roots = math.sqrt(a) + math.sqrt(b)
    g = 1.0 / roots
    tall = (a + math.sqrt(a * b) + b) * g
    off = p[4] * math.exp(-p[5] * tall) * roots * roots * math.sinh(0.75 * p[5] * g * x)
    off += p[6] * v * abs(v) * math.exp(-p[7] / math.sqrt(v * v + p[8] * p[8]))
    root = math.sqrt(math.sqrt(v * v + p[11] * p[11]))
    return off + p[9] * v * math.exp((p[10] * root - p[12]) / p[13]), off


@_COMPILED
def _physical(p, share, voltage):  # pragma: no cover - compiled
    on, off = _extreme_states(p, voltage)
    if p[14] == 0.0:
        return (1.0 - share) * off + share * on
    if off == 0.0:
        return 0.0
    return off * (on / off) ** share


@_COMPILED
def junction(law, p, strength, share, voltage):  # pragma: no cover - compiled
    """Returns current and slope of one junction; `p` holds 1/V0 (sinh) or the physical law's constants."""
    if law == LINEAR:
        return strength * voltage, strength
    if law == SINH:
        grow = math.exp(min(abs(voltage) * p[0], 600.0))
        shrink = 1.0 / grow
        x = voltage * p[0]
        if abs(x) < 1e-2:
            z = x * x
            return strength * x * (1.0 + z / 6.0 * (1.0 + z / 20.0 * (1.0 + z / 42.0))), strength * p[0] * 0.5 * (
                grow + shrink
            )
        return strength * math.copysign(0.5 * (grow - shrink), voltage), strength * p[0] * 0.5 * (grow + shrink)
    if strength == 0.0:
        return 0.0, 0.0
    step = 1e-5
    low, high = _physical(p, share, voltage - step), _physical(p, share, voltage + step)
    return strength * _physical(p, share, voltage), strength * (high - low) / (2.0 * step)


@_COMPILED
def _forward(pinch_off, channel, double):  # pragma: no cover - compiled
    """The EKV function F and its derivative by minus the channel voltage."""
    u = (pinch_off - channel) / double
    if u > 40.0:
        return u * u, 2.0 * u / double
    e = math.exp(u)
    soft = math.log1p(e)
    return soft * soft, 2.0 * soft * (e / (1.0 + e)) / double


@_COMPILED
def series(law, p, strength, share, device, gate, driven, sensed, start):  # pragma: no cover - compiled
    """Returns current, both derivatives and inner node of a junction in series with a transistor.

    `device` holds I_S, V_T, n and 2 U_T. Newton's method, halving where it leaves the bracket between the lines'
    voltages or moves too slowly. A last step below `CLOSE` is not evaluated but taken to first order: the sweeps around
    this are a Newton iteration themselves, and what is left is of second order, below 1e-10 V.
    """
    pinch_off = (gate - device[1]) / device[2]
    f_source, slope_source = _forward(pinch_off, sensed, device[3])
    gs = device[0] * slope_source
    low, high = min(driven, sensed), max(driven, sensed)
    x = min(max(start, low), high)
    before = high - low
    upper, steep, lower, drain = 0.0, 0.0, 0.0, 0.0
    for _ in range(100):
        upper, steep = junction(law, p, strength, share, driven - x)
        f_drain, slope_drain = _forward(pinch_off, x, device[3])
        lower, drain = device[0] * (f_source - f_drain), device[0] * slope_drain
        excess = upper - lower
        if excess > 0.0:
            low = x
        elif excess < 0.0:
            high = x
        total = steep + drain
        step = excess / total if total > 0.0 else math.inf
        new = x + step
        if abs(step) <= CLOSE and total > 0.0:
            x = min(max(new, low), high)
            part = steep / total
            return upper - steep * step, part * drain, part * gs, x
        if not (low <= new <= high) or 2.0 * abs(step) > before:
            new = 0.5 * (low + high)
        before = abs(new - x)
        x = new
        if before <= 4e-16 * (1.0 + abs(x)):
            break
    current = upper if steep <= drain else lower
    total = steep + drain
    part = steep / total if total > 0.0 else 0.0
    return current, part * drain, part * gs, x


@_COMPILED
def row_currents(
    law, p, doublings, strength, share, transistor, device, gate, lanes, vd, vs, inner, current, gd, gs
):  # pragma: no cover - compiled
    """Puts currents and derivatives of one row's cells into `current`, `gd` and `gs`.

    Without transistors `gs` is left alone. `inner` holds the inner nodes and is kept for the next time.
    """
    width = len(vd)
    if transistor:
        for j in range(width // lanes):
            for lane in range(lanes):
                k = j * lanes + lane
                current[k], gd[k], gs[k], inner[k] = series(
                    law, p, strength[j], share[j], device, gate[lane], vd[k], vs[k], inner[k]
                )
        return
    if law == PHYSICAL:
        for j in range(width // lanes):
            for lane in range(lanes):
                k = j * lanes + lane
                current[k], gd[k] = junction(law, p, strength[j], share[j], vd[k] - vs[k])
        return
    for k in range(0, width, LANES):
        s = spread(strength[k // LANES]) if lanes == LANES else load(strength, k)
        across = load(vd, k) - load(vs, k)
        if law == LINEAR:
            store(gd, k, s)
            store(current, k, s * across)
        else:
            sine, cosine = hyperbolic(across * p[0], doublings)
            store(gd, k, s * p[0] * cosine)
            store(current, k, s * sine)
