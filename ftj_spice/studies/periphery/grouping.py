"""Sentences that say the same of several figures, conditions or draws, said once."""

import re
from collections.abc import Iterable, Mapping

FEW = 4
"""Names that are all listed; of more, the first and how many."""
_NUMBER = re.compile(r"(?<![A-Za-z_])[-\N{MINUS SIGN}]?\d+(\.\d+)?(e[-+]?\d+)?")


def grouped(sentences: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Returns the names by sentence, in order; two that differ by their numbers only are one, with the first's.

    Args:
        sentences: Name and sentence.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for name, text in sentences:
        found.setdefault(_NUMBER.sub("#", text), (text, []))[1].append(name)
    return dict(found.values())


def of_figures(failures: Mapping[str, str]) -> str:
    """Returns why figures could not be had: `gain, offset: it never settles; noise: no spectrum`."""
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in grouped(failures.items()).items())


def of_draws(errors: Mapping[int, str], count: int) -> list[str]:
    """Returns what went wrong in how many of `count` draws, the most frequent first."""
    groups = grouped((str(draw), text) for draw, text in sorted(errors.items()))
    lines = []
    for text, draws in sorted(groups.items(), key=lambda group: -len(group[1])):
        which = listing(draws)
        lines.append(f"{len(draws)} of {count} draws ({'draw' if len(draws) == 1 else 'draws'} {which}): {text}")
    return lines


def listing(names: list[str]) -> str:
    """Returns a few names all, of many the first and how many more."""
    return ", ".join(names) if len(names) <= FEW else f"{names[0]}, {names[1]} and {len(names) - 2} more"
