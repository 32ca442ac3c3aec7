"""Spectra of small-signal analyses: what they add up to, and how they are shown."""

import numpy as np
from numpy.typing import NDArray

from ftj_spice.periphery.bench import Curve

FloatArray = NDArray[np.float64]

_SHOWN = 40
"""Points of a curve, at most."""


def rms(frequency: FloatArray, density: FloatArray) -> float:
    """Returns the root of the integral of a squared density over its frequencies, by the trapezoidal rule.

    Args:
        frequency: In Hz, shape `(points,)`; 20 points a decade give flicker noise to 0.3 %.
        density: Per root hertz, same shape.
    """
    return float(np.sqrt(np.trapezoid(density**2, frequency)))


def noise_curve(frequency: FloatArray, density: FloatArray) -> Curve:
    """Returns a voltage's noise density for plots, in decibels: it spans decades."""
    level = 20.0 * np.log10(np.maximum(density, 1e-15) / 1e-9)
    return spectrum_curve(frequency, level, "Noise (dB over 1 nV/sqrt(Hz))")


def spectrum_curve(frequency: FloatArray, values: FloatArray, label: str) -> Curve:
    """Returns values over frequency for plots, with no more points than they need."""
    every = -(-len(frequency) // _SHOWN)
    return Curve(frequency[::every], values[::every], "Frequency (Hz)", label)
