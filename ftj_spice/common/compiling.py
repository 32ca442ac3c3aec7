"""Whether compiled code can be kept on the disk from one run to the next."""

import numba


def _probe() -> None:
    pass


def _can_cache() -> bool:
    try:
        numba.njit(cache=True)(_probe)
    except RuntimeError:  # neither this folder nor the user's cache can be written
        return False
    return True


CACHE = _can_cache()
"""For `numba.njit(cache=CACHE)`: false in a read-only installation whose user has no home."""
