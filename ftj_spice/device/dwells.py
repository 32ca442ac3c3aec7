"""Traps at a constant bias: exact simulation by alternating exponential dwells.

That is Gillespie's method (J. Phys. Chem. 81, 2340 (1977)) for two states: one draw per transition, whatever the ratio
of the two times. Under a moving bias `ftj_spice.device.traps` thins candidate events instead. Every trap has a random
stream of its own, other than that of its candidate events.
"""

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.streams import exponential, stream_words
from ftj_spice.device.traps import MAX_CANDIDATES, TrapHistory, Traps


@numba.njit(cache=CACHE)
def _alternate(words, occupancy, capture, emission, duration, start, room):  # pragma: no cover - compiled
    """Runs every trap; `start` below 0 draws its initial state from the occupancy."""
    initial = np.empty(len(words), np.int64)
    time, trap, new = np.empty(room), np.empty(room, np.int64), np.empty(room, np.int64)
    count = 0
    for i in range(len(words)):
        # exp(-x) of a unit exponential x is uniform on (0, 1)
        filled = np.exp(-exponential(words, i)) < occupancy[i]
        state = np.int64(filled) if start < 0 else start
        initial[i] = state
        now = 0.0
        while True:
            now += exponential(words, i) * (capture[i] if state == 0 else emission[i])
            if now > duration:
                break
            if count == room:
                room *= 2
                more_time, more_trap, more_new = np.empty(room), np.empty(room, np.int64), np.empty(room, np.int64)
                more_time[:count], more_trap[:count], more_new[:count] = time, trap, new
                time, trap, new = more_time, more_trap, more_new
            state = 1 - state
            time[count], trap[count], new[count] = now, i, state
            count += 1
    return initial, time[:count], trap[:count], new[:count]


def simulate_constant(
    traps: Traps,
    voltage: ArrayLike,
    duration: float,
    seed: int,
    streams: list[tuple[int, ...]],
    start: int | None = None,
    purpose: str = "dwell",
) -> TrapHistory:
    """Simulates traps at a constant bias; a trap's history depends on seed, stream and its own parameters alone.

    A longer duration only adds transitions at the end.

    Args:
        traps: The traps, at their temperature.
        voltage: Bias in V, one for all or one per trap.
        duration: Span of time in s.
        seed: The run's seed.
        streams: Index of each trap's stream, one tuple per trap.
        start: Initial state of all traps; none draws each from its stationary distribution.
        purpose: Name of the seed stream.

    Returns:
        The transitions, ordered by trap, then time.

    Raises:
        FtjSpiceError: More than `MAX_CANDIDATES` transitions are to be expected.
    """
    count = len(traps)
    if len(streams) != count:
        raise ValueError(f"{count} traps need as many streams, not {len(streams)}")
    volts = np.broadcast_to(np.asarray(voltage, float), count)
    capture, emission = traps.capture_time_at(volts), traps.emission_time_at(volts)
    expected = _expected(capture, emission, duration)
    if expected > MAX_CANDIDATES:
        raise FtjSpiceError(
            f"{expected:.2g} trap transitions in {duration:g} s at up to {volts.max():g} V are more than "
            f"{MAX_CANDIDATES:.1g}: shorten the time or lower the voltage"
        )
    room = int(expected + 6.0 * np.sqrt(expected) + 2 * count + 16)
    words = stream_words(seed, purpose, streams)
    occupancy = emission / (capture + emission)
    first = -1 if start is None else start
    initial, times, which, states = _alternate(words, occupancy, capture, emission, float(duration), first, room)
    return TrapHistory(initial, times, which, states, duration)


def _expected(capture: NDArray[np.float64], emission: NDArray[np.float64], duration: float) -> float:
    """Returns the stationary mean number of transitions."""
    return float(np.sum(2.0 * duration / (capture + emission)))
