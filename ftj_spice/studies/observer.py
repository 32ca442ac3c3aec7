"""How a long job tells what it is doing: one callback, called from any thread."""

from collections.abc import Callable

Observer = Callable[[str, int, int | None], None]
"""Called with the phase's name, how many of its parts are done, and how many there are (`None`: not known)."""


def silent(phase: str, done: int, total: int | None) -> None:
    """Ignores everything."""


def part_of(observer: Observer, phase: str) -> Callable[[int, int], None]:
    """Returns the callback of one phase."""
    return lambda done, total: observer(phase, done, total)
