"""Random numbers inside compiled code: one 64-bit stream per cell or trap, seeded from the run's seed.

The generator is splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a stream is one word of state.
"""

from collections.abc import Iterable

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.common.seeds import seed_sequence


def stream_words(seed: int, purpose: str, streams: Iterable[tuple[int, ...]]) -> NDArray[np.uint64]:
    """Returns the first state of each stream, shape `(streams,)`: what `exponential` draws from.

    Args:
        seed: The run's seed.
        purpose: What the streams are for.
        streams: Index of each stream.
    """
    words = [seed_sequence(seed, purpose, *index).generate_state(1, np.uint64)[0] for index in streams]
    return np.array(words, np.uint64)


@numba.njit(cache=CACHE, inline="always")
def exponential(words, stream):  # pragma: no cover - compiled
    """A unit exponential draw from `words[stream]`, which moves on."""
    words[stream] += np.uint64(0x9E3779B97F4A7C15)
    z = words[stream]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return -np.log((np.float64(z >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0))


@numba.njit(cache=CACHE, inline="always")
def normal(words, stream):  # pragma: no cover - compiled
    """A standard normal draw (Box and Muller, Ann. Math. Stat. 29, 610 (1958))."""
    radius = np.sqrt(2.0 * exponential(words, stream))
    return radius * np.cos(2.0 * np.pi * np.exp(-exponential(words, stream)))
