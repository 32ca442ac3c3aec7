"""The best straight line through levels or widths, by code."""

from dataclasses import dataclass

import numpy as np

from ftj_spice.periphery.waveform import FloatArray


@dataclass(frozen=True)
class Line:
    """A straight line by least squares.

    Attributes:
        slope: Per code.
        intercept: At code 0.
        deviations: Points less the line, in steps of the slope; shape `(codes,)`.
    """

    slope: float
    intercept: float
    deviations: FloatArray


def straight_line(codes: FloatArray, values: FloatArray) -> Line:
    """Fits the line."""
    slope, intercept = (float(one) for one in np.polyfit(codes, values, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = (values - (slope * codes + intercept)) / slope
    return Line(slope, intercept, deviations)
