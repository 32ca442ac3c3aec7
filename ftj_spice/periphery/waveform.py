"""What a waveform says: crossings, settling, charges. All arrays are one-dimensional and of one length."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ftj_spice.periphery.figures import MeasurementError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Waveforms:
    """Waveforms of one operation, for plots.

    Attributes:
        time: In s, shape `(points,)`.
        panels: Per panel (its axis label, with unit) the curves by name, shape `(points,)` each.
    """

    time: FloatArray
    panels: dict[str, dict[str, FloatArray]] = field(default_factory=dict)


def crossings(
    time: FloatArray, signal: FloatArray, level: float, direction: Literal["rising", "falling", "either"] = "either"
) -> FloatArray:
    """Returns the times at which a signal crosses a level, by linear interpolation."""
    above = signal > level
    change = np.flatnonzero(above[1:] != above[:-1])
    if direction != "either":
        change = change[above[change + 1] == (direction == "rising")]
    x0, x1 = signal[change], signal[change + 1]
    return time[change] + (level - x0) / (x1 - x0) * (time[change + 1] - time[change])


def first_crossing(
    time: FloatArray,
    signal: FloatArray,
    level: float,
    what: str,
    direction: Literal["rising", "falling", "either"] = "either",
    after: float = -np.inf,
) -> float:
    """Returns the first crossing after a time.

    Raises:
        MeasurementError: There is none; `what` names the signal.
    """
    found = crossings(time, signal, level, direction)
    found = found[found >= after]
    if not len(found):
        raise MeasurementError(
            f"{what} never crosses {level:.4g}: it stays from {signal.min():.4g} to {signal.max():.4g}"
        )
    return float(found[0])


def value_at(time: FloatArray, signal: FloatArray, moment: float | FloatArray) -> FloatArray:
    """Returns the signal's values at moments, by linear interpolation."""
    return np.interp(moment, time, signal)


def settling_time(time: FloatArray, signal: FloatArray, start: float, band: float) -> float:
    """Returns how long after `start` the signal comes within `band` of its last value for good; relative to its change.

    Raises:
        MeasurementError: It has not settled before the last twentieth of the waveform.
    """
    final, first = signal[-1], float(np.interp(start, time, signal))
    outside = np.flatnonzero((time >= start) & (np.abs(signal - final) > band * abs(final - first)))
    if not len(outside):
        return 0.0
    last = time[min(outside[-1] + 1, len(time) - 1)]
    if last > time[-1] - 0.05 * (time[-1] - start):
        raise MeasurementError(f"the output has not settled {time[-1] - start:.3g} s after its input's step")
    return float(last - start)


def mean_over(time: FloatArray, signal: FloatArray, begin: float, end: float) -> float:
    """Returns the signal's mean over a span."""
    return charge(time, signal, begin, end) / (end - begin)


def charge(time: FloatArray, current: FloatArray, begin: float, end: float) -> float:
    """Returns the integral over a span, by the trapezoidal rule."""
    inside = (time > begin) & (time < end)
    t = np.concatenate([[begin], time[inside], [end]])
    return float(np.trapezoid(np.interp(t, time, current), t))
