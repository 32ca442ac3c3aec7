"""What drives a column in a simulation: rows that step from read to read, clocks that pulse in every read."""

import numpy as np
from numpy.typing import NDArray


def steps(values: NDArray[np.float64], period: float, delay: float, edge: float) -> list[list[float]]:
    """Returns the corners of a source that takes one value after another.

    Corners stand only where the value changes: each costs the simulator time.

    Args:
        values: In V or A, shape `(periods,)`.
        period: Time of each in s.
        delay: From the start of a period to the start of its edge, in s.
        edge: Time that a change takes in s.

    Returns:
        `[time, value]` of each corner, the first at 0.
    """
    corners = [[0.0, float(values[0])]]
    for k in range(1, len(values)):
        if values[k] != values[k - 1]:
            start = k * period + delay
            corners += [[start, float(values[k - 1])], [start + edge, float(values[k])]]
    return corners


def pulses(
    begin: float, end: float, count: int, every: float, reads: int, period: float, high: float, edge: float
) -> list[list[float]]:
    """Returns the corners of a clock that pulses `count` times in every read.

    Args:
        begin: Rise of a read's first pulse in s; at 0 it is high from the start.
        end: Its fall.
        count: Pulses of a read.
        every: From one rise to the next, in s.
        reads: Number of reads.
        period: Time of each in s.
        high: Level in V; it rests at 0.
        edge: Time that a rise or fall takes, in s.

    Returns:
        `[time, volts]` of each corner, the first at 0.
    """
    corners = [[0.0, high if begin == 0.0 else 0.0]]
    for read in range(reads):
        for pulse in range(count):
            start = read * period + pulse * every
            if start + begin > 0.0:
                corners += [[start + begin, 0.0], [start + begin + edge, high]]
            corners += [[start + end, high], [start + end + edge, 0.0]]
    return corners
