"""Noise that is left where two samples are subtracted."""

import numpy as np
from numpy.typing import NDArray


def doubly_sampled(frequency: NDArray[np.float64], density: NDArray[np.float64], delay: float) -> float:
    """Returns the rms value of `v(t) - v(t - delay)`.

    `sigma^2 = integral S(f) |1 - exp(-2 pi i f delay)|^2 df`, and `|...|^2 = 2 (1 - cos(2 pi f delay))` (Enz and Temes,
    Proc. IEEE 84, 1584 (1996), section II). The cosine turns many times between two frequencies of a logarithmic grid:
    it is integrated exactly, the density taken as constant between them.

    Args:
        frequency: Rising, in Hz, shape `(points,)`.
        density: Spectral density in V/sqrt(Hz), one-sided, shape `(points,)`.
        delay: Between the samples, in s.
    """
    low, high = frequency[:-1], frequency[1:]
    power = 0.5 * (density[:-1] ** 2 + density[1:] ** 2)
    turn = 2.0 * np.pi * delay
    weight = 2.0 * (high - low) - 2.0 * (np.sin(turn * high) - np.sin(turn * low)) / turn
    return float(np.sqrt(np.sum(power * weight)))
