"""Seed streams: one independent, named stream of random numbers per purpose and index.

Every draw of a run comes from a stream spawned from the run's seed by what it is for (`"trap"`, `"spread"`, ...) and
by integers that say which one (column, row, tile, ...). So a draw depends on nothing but seed, purpose and index: not
on the number of workers, nor on what was drawn before.
"""

import zlib

import numpy as np

from ftj_spice.common.errors import SettingsError


def seed_sequence(seed: int, purpose: str, *index: int) -> np.random.SeedSequence:
    """Returns the seed sequence of one stream.

    Args:
        seed: The run's seed, a non-negative integer of any size.
        purpose: What the stream is for, e.g. `"trap"`; its CRC-32 is the first spawn key.
        *index: Non-negative integers that tell streams of one purpose apart.
    """
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *index))


def generator(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """Returns a PCG64 generator on the stream of `seed_sequence`."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, purpose, *index)))


def check_seed(seed: int) -> None:
    """Refuses what is no seed.

    Raises:
        SettingsError: It is not a whole number, or negative.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SettingsError(f"the seed must be a whole number, not negative, got {seed!r}")
