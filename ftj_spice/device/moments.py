r"""Closed forms of two-state noise: spectrum, and the moments of its average over a window.

With occupancy p, `y = s - p`, `m = 1 - 2p`, `v = p (1 - p)` and `rho = exp(-lag / tau_eff)`, the chain's transition
operator gives for ordered times with gaps a, b, c

    E[y1 y2] = v rho_a,   E[y1 y2 y3] = v m rho_a rho_b,   E[y1 y2 y3 y4] = v rho_a rho_c (v + m^2 rho_b).

(`y^2 = v + m y` and every operator maps y to rho y.) Integrated over the ordered window, by Laplace transform with
`x = T / tau_eff`, this gives the moments below; the variance is the form `2 r (1 - r (1 - exp(-1/r)))` with r = 1/x.
Machlup, J. Appl. Phys. 25, 341 (1954) gives the spectrum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SERIES_BELOW = 0.05  # below this T/tau_eff the closed forms lose digits to cancellation; a series takes over


def machlup_spectrum(
    frequency: ArrayLike, capture_time: float, emission_time: float, amplitude: float = 1.0
) -> NDArray[np.float64]:
    """Returns the one-sided power spectral density of two-state noise (Machlup 1954, eq. 12).

    Args:
        frequency: In Hz.
        capture_time: Mean dwell in the empty state, in s.
        emission_time: Mean dwell in the filled state, in s.
        amplitude: Difference of the two levels; the result is in its unit squared per Hz.
    """
    rate = 1.0 / capture_time + 1.0 / emission_time
    omega = 2.0 * np.pi * np.asarray(frequency, float)
    return 4.0 * amplitude**2 / ((capture_time + emission_time) * (rate**2 + omega**2))


@dataclass(frozen=True)
class WindowMoments:
    """Moments of one trap's state averaged over a window; arrays broadcast over traps.

    Attributes:
        mean: Mean state, the occupancy.
        variance: Central second moment.
        third: Central third moment.
        fourth: Central fourth moment.
        covariance: Covariance of two successive windows.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    third: NDArray[np.float64]
    fourth: NDArray[np.float64]
    covariance: NDArray[np.float64]


def window_moments(
    occupancy: ArrayLike, relaxation_time: ArrayLike, window: float, pause: float = 0.0
) -> WindowMoments:
    """Returns the moments of the state averaged over `window` seconds, for a stationary trap.

    Args:
        occupancy: Stationary occupancy p.
        relaxation_time: tau_eff in s.
        window: Averaging time T in s; 0 gives the moments of a point sample.
        pause: Time between the end of one window and the begin of the next, at the same bias, in s.
    """
    p = np.asarray(occupancy, float)
    tau = np.asarray(relaxation_time, float)
    v, m = p * (1.0 - p), 1.0 - 2.0 * p
    x = window / tau
    second, third, fourth_v, fourth_m, edge = _shapes(x)
    return WindowMoments(
        mean=p,
        variance=v * second,
        third=v * m * third,
        fourth=v * (v * fourth_v + m**2 * fourth_m),
        covariance=v * edge**2 * np.exp(-pause / tau),
    )


def _shapes(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Returns the dimensionless integrals over the ordered window: second, third, fourth (two parts) and edge."""
    x = np.asarray(x, float)
    safe = np.maximum(x, _SERIES_BELOW)
    e = np.exp(-safe)
    closed = (
        2.0 * (safe - 1.0 + e) / safe**2,
        6.0 * (safe - 2.0 + (safe + 2.0) * e) / safe**3,
        24.0 * (safe**2 / 2.0 - 2.0 * safe + 3.0 - (safe + 3.0) * e) / safe**4,
        24.0 * (safe - 3.0 + (safe**2 / 2.0 + 2.0 * safe + 3.0) * e) / safe**4,
        -np.expm1(-safe) / safe,
    )
    # Taylor series: the integrand is a product of exponentials of the gaps; gap means over the ordered unit window.
    series = (
        1.0 - x / 3.0 + x**2 / 12.0 - x**3 / 60.0 + x**4 / 360.0,
        1.0 - x / 2.0 + 3.0 * x**2 / 20.0 - x**3 / 30.0 + x**4 / 168.0,
        1.0 - 2.0 * x / 5.0 + x**2 / 10.0 - 2.0 * x**3 / 105.0 + x**4 / 336.0,
        1.0 - 3.0 * x / 5.0 + x**2 / 5.0 - x**3 / 21.0 + x**4 / 112.0,
        1.0 - x / 2.0 + x**2 / 6.0 - x**3 / 24.0 + x**4 / 120.0,
    )
    return tuple(np.where(x < _SERIES_BELOW, s, c) for s, c in zip(series, closed, strict=True))


def summed_moments(traps: WindowMoments, weight: ArrayLike, cell: ArrayLike, cells: int) -> WindowMoments:
    """Returns the moments of each cell's weighted sum of independent traps: cumulants add.

    Args:
        traps: Moments of each trap's state, arrays of shape `(traps,)`.
        weight: Weight of each trap in its cell's sum, shape `(traps,)`.
        cell: Cell of each trap, shape `(traps,)`.
        cells: Number of cells.

    Returns:
        Moments of the sums, arrays of shape `(cells,)`.
    """
    w, owner = np.asarray(weight, float), np.asarray(cell)

    def total(cumulant: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(owner, cumulant, minlength=cells)

    variance = total(w**2 * traps.variance)
    excess = total(w**4 * (traps.fourth - 3.0 * traps.variance**2))  # fourth cumulant
    return WindowMoments(
        mean=total(w * traps.mean),
        variance=variance,
        third=total(w**3 * traps.third),
        fourth=excess + 3.0 * variance**2,
        covariance=total(w**2 * traps.covariance),
    )
