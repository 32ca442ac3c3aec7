"""A group's shares after a time on the clock: the mean model of `ftj_spice.device.switching`, solved.

While a field opposes a share n with total history a, `n' = -n hazard(h)` and `a' = n - a hazard(h)` with
`h = a/(n + eps)`. So `a/n` grows as the clock itself, and what is left is `n' = -n beta (r n/(n + eps))^(beta - 1)`
with `r = r0 + theta`. For beta = 2 that is `ln(n/n0) - eps (1/n - 1/n0) = r0^2 - r^2`, solved here by Newton's method;
for other exponents the steps of the device model are taken, longer ones where next to nothing is left of a group. The
tests hold all of it to the device model.
"""

import numba
import numpy as np

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.switching import GONE, REGULARISATION, RUN_DOWN, slopes

_FORGOTTEN = 1e-15  # a history below this is none
_LITTLE = 5e-3  # share of a group below which longer steps are taken
_PART = 0.5  # of their inverse hazard
_STEP = 0.125  # of the clock, else
_SHORT = 0.01
_STEPS = 50
_SURE = 1e-7  # a step of Newton's method below this leaves an error of its square


@numba.njit(cache=CACHE, inline="always")
def advance(n, a, b, theta, beta):  # pragma: no cover - compiled
    """Advances the share `n` that the field opposes, its history `a`, and the history `b` of the rest by `theta`."""
    if b > 0.0:
        fall = RUN_DOWN * theta
        b *= np.exp(-fall) if fall > 1e-3 else 1.0 - fall + 0.5 * fall * fall
        if b < _FORGOTTEN:
            b = 0.0
    if n > GONE:
        if beta == 2.0:
            n, a = _solved(n, a, theta)
        else:
            n, a = _stepped(n, a, theta, beta)
    if n <= GONE:
        return 0.0, 0.0, b
    return n, max(a, 0.0), b


@numba.njit(cache=CACHE)
def _solved(n, a, theta):  # pragma: no cover - compiled
    """Share and history for beta = 2; the unknown is x = ln(n0/n), each step comes nearer from above."""
    ratio = a / n
    fall = theta * (2.0 * ratio + theta)
    k = REGULARISATION / n
    x, grown, step = fall / (1.0 + k), 1.0, 0.0
    if x > 0.5:
        x = min(x, np.log1p(fall / k))
    else:
        x -= 0.5 * k * x * x / (1.0 + k)
    for _ in range(_STEPS):
        grown = np.exp(x)
        step = (x + k * (grown - 1.0) - fall) / (1.0 + k * grown)
        x -= step
        if abs(step) < _SURE:
            break
    n *= (1.0 + step) / grown
    return n, n * (ratio + theta)


@numba.njit(cache=CACHE)
def _stepped(n, a, theta, beta):  # pragma: no cover - compiled
    """Share and history for any exponent, by the classical Runge-Kutta method."""
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
    return n, a
