"""Piecewise-linear voltages: what a generator applies, in pieces short enough to integrate switching rates over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

LARGEST_RAMP = 0.05
"""Largest change of the voltage within one piece, in V."""


@dataclass(frozen=True)
class Waveform:
    """A piecewise-linear voltage.

    Attributes:
        times: Corners in s, ascending from 0, shape `(corners,)`.
        voltages: In V, same shape.
    """

    times: NDArray[np.float64]
    voltages: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.times.shape != self.voltages.shape or self.times.ndim != 1 or len(self.times) < 2:
            raise ValueError("a waveform needs two corners or more, one voltage for each")
        if self.times[0] != 0 or np.any(np.diff(self.times) <= 0):
            raise ValueError("the corners of a waveform must ascend from 0")

    @classmethod
    def pulses(cls, amplitudes: Sequence[float], width: float, edge: float, gap: float) -> Self:
        """Returns a train of trapezoidal pulses, each after a gap; the last gap follows the last pulse.

        Args:
            amplitudes: Of the pulses, in V.
            width: Time at the full amplitude, in s.
            edge: Rise and fall time, in s.
            gap: Time at 0 V before, between and after the pulses, in s.
        """
        times, voltages = [0.0], [0.0]
        for amplitude in amplitudes:
            for duration, level in ((gap, 0.0), (edge, amplitude), (width, amplitude), (edge, 0.0)):
                times.append(times[-1] + duration)
                voltages.append(level)
        times.append(times[-1] + gap)
        voltages.append(0.0)
        return cls(np.array(times), np.array(voltages))

    @classmethod
    def triangle(cls, amplitude: float, frequency: float, periods: float = 1.0) -> Self:
        """Returns a triangular wave from 0 up to `amplitude`, down to its negative and back, in whole quarters."""
        quarters = round(4 * periods)
        levels = np.array([0.0, amplitude, 0.0, -amplitude])
        return cls(np.arange(quarters + 1) / (4.0 * frequency), levels[np.arange(quarters + 1) % 4])

    @property
    def duration(self) -> float:
        """End in s."""
        return float(self.times[-1])

    def at(self, when: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the voltage at the times `when` in s."""
        return np.interp(when, self.times, self.voltages)

    def grid(self, points: int = 0) -> NDArray[np.float64]:
        """Returns ascending times that hold the corners, enough points on each ramp, and `points` even ones."""
        grids = [self.times, np.linspace(0.0, self.duration, points)] if points else [self.times]
        for (t0, t1), (v0, v1) in self._segments():
            pieces = int(np.ceil(abs(v1 - v0) / LARGEST_RAMP - 1e-9))
            if pieces > 1:
                grids.append(np.linspace(t0, t1, pieces + 1))
        return np.unique(np.concatenate(grids))

    def _segments(self) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
        for k in range(len(self.times) - 1):
            yield (
                (float(self.times[k]), float(self.times[k + 1])),
                (
                    float(self.voltages[k]),
                    float(self.voltages[k + 1]),
                ),
            )
