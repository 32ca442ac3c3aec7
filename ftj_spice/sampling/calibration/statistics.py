"""What a controller beside the array computes of codes: running moments, correlation, distance to the normal.

Everything but the exact Kolmogorov distance needs only a few running sums per column.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

from ftj_spice.common.compiling import CACHE

_GRID = np.linspace(-3.5, 3.5, 141)
_DENSITY = np.exp(-(_GRID**2) / 2.0) / np.sqrt(2.0 * np.pi)


@dataclass(frozen=True)
class Figures:
    """Sample figures of each column; arrays of shape `(columns,)`.

    Attributes:
        mean: Mean.
        sigma: Standard deviation.
        autocorrelation: Of successive samples; 1 where nothing moves.
        skewness: Third standardised moment.
        kurtosis: Excess kurtosis.
    """

    mean: NDArray[np.float64]
    sigma: NDArray[np.float64]
    autocorrelation: NDArray[np.float64]
    skewness: NDArray[np.float64]
    kurtosis: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64] | NDArray[np.int16]) -> "Figures":
        """Returns the figures of values of shape `(columns, samples)`."""
        mean = values.mean(axis=1, dtype=float)
        y = values - mean[:, np.newaxis]
        variance = np.mean(y**2, axis=1)
        moves = variance > 0
        safe = np.where(moves, variance, 1.0)
        return cls(
            mean,
            np.sqrt(variance),
            np.where(moves, np.mean(y[:, 1:] * y[:, :-1], axis=1) / safe, 1.0),
            np.mean(y**3, axis=1) / safe**1.5,
            np.where(moves, np.mean(y**4, axis=1) / safe**2 - 3.0, 0.0),
        )


def expected_distance(figures: Figures) -> NDArray[np.float64]:
    """Returns the Kolmogorov distance to the normal that skewness and kurtosis stand for, shape `(columns,)`.

    First terms of Edgeworth's series (Kolassa, Series Approximation Methods in Statistics, Springer 2006, eq. 3.1):
    `F(u) - Phi(u) = -phi(u) [g (u^2 - 1) / 6 + k (u^3 - 3 u) / 24 + g^2 (u^5 - 10 u^3 + 15 u) / 72]`. Its sampling
    error is some `0.07 sqrt(6 / n)`, far below that of the distance itself, and four sums per column are enough.
    """
    u = _GRID
    g, k = figures.skewness[:, np.newaxis], figures.kurtosis[:, np.newaxis]
    series = (
        g * (u**2 - 1.0) / 6.0
        + k * (u**3 - 3.0 * u) / 24.0
        + g**2 * (u**5 - 10.0 * u**3 + 15.0 * u) / 72.0
    )  # fmt: skip
    return np.minimum(np.max(np.abs(_DENSITY * series), axis=1), 1.0)


def kolmogorov(latents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the Kolmogorov distance of each column's sample to the standard normal, shape `(columns,)`.

    Args:
        latents: Shape `(columns, samples)`. Steps of the converter count: a jump is compared at both its ends.
    """
    ordered = np.sort(latents, axis=1)
    count = ordered.shape[1]
    law = special.ndtr(ordered)
    rank = np.arange(count)
    return np.maximum(np.max((rank + 1) / count - law, axis=1), np.max(law - rank / count, axis=1))


@dataclass(frozen=True)
class Running:
    """Running mean and variance of each column's codes; arrays of shape `(columns,)`.

    Attributes:
        mean: In codes.
        variance: In codes squared.
        count: Samples seen.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    count: int

    @classmethod
    def start(cls, columns: int) -> "Running":
        """Returns statistics that have seen nothing."""
        return cls(np.zeros(columns), np.zeros(columns), 0)

    def follow(
        self, codes: NDArray[np.int16], memory: int, *, adapt: bool = True
    ) -> "tuple[NDArray[np.float64], Running]":
        """Standardises codes one by one, each by the statistics of those before it.

        A sample's weight is one over the number of samples so far (Welford, Technometrics 4, 419 (1962)), or over
        `memory` once there are more: an exponentially weighted mean and variance (West, CACM 22, 532 (1979)).

        Args:
            codes: Shape `(columns, samples)`.
            memory: 0 never forgets.
            adapt: Let the statistics go on.

        Returns:
            Latents of shape `(columns, samples)`, 0 where nothing is known yet, and the statistics afterwards.
        """
        mean, variance = self.mean.copy(), self.variance.copy()
        latents = np.empty(codes.shape)
        _follow(codes, mean, variance, self.count, memory, adapt, latents)
        return latents, Running(mean, variance, self.count + (codes.shape[1] if adapt else 0))


@numba.njit(cache=CACHE, nogil=True)
def _follow(codes, mean, variance, count, memory, adapt, latents):  # pragma: no cover - compiled
    for j in range(codes.shape[0]):
        m, v = mean[j], variance[j]
        for n in range(codes.shape[1]):
            difference = codes[j, n] - m
            latents[j, n] = difference / np.sqrt(v) if v > 0.0 else 0.0
            if adapt:
                seen = count + n + 1
                weight = 1.0 / (seen if memory == 0 else min(seen, memory))
                m += weight * difference
                v = (1.0 - weight) * (v + weight * difference * difference)
        mean[j], variance[j] = m, v
