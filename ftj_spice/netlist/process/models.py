"""The models a netlist needs, out of a process's library: no more than the bins that its transistors fall in.

What goes into a netlist is a transistor's subcircuit with the two to four models whose box of widths and lengths holds
a size in use, the `.param`s they refer to, and the random terms turned into parameters of the instance (standard normal
numbers, 0 unless given): so that mismatch comes from our own seeds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ftj_spice.netlist.process.bins import Binned, Reduced, assignments, join, resolve
from ftj_spice.netlist.process.cache import binned
from ftj_spice.netlist.process.cards import clean_cards
from ftj_spice.netlist.process.places import (
    ProcessError,
    content,
    digest,
    model_files,
    parameter_files,
    place,
    process_notes,
)
from ftj_spice.netlist.process.process import Device, Process

__all__ = ["ProcessError", "Size", "model_text", "place", "process_notes"]


@dataclass(frozen=True)
class Size:
    """One transistor's size: role, width of a finger, length in m."""

    role: str
    width: float
    length: float


def model_text(process: Process, corner: str, sizes: Iterable[Size]) -> str:
    """Returns the definitions of every subcircuit that transistors of these sizes need.

    Args:
        process: The process.
        corner: Name of its corner.
        sizes: Sizes in use.

    Raises:
        ProcessError: Files are missing or damaged, or no model holds a size.
        SettingsError: There is no such corner or role.
    """
    process.corner(corner)
    by_role: dict[str, set[tuple[float, float]]] = {}
    for size in sizes:
        by_role.setdefault(size.role, set()).add((size.width, size.length))
    parts = [f".options {option}" for option in process.models.options] if by_role else []
    whole: dict[Path, None] = {}
    for role in sorted(by_role):
        device = process.device(role)
        files = model_files(process, device, corner)
        if process.models.kind == "plain":
            whole |= dict.fromkeys(files)
        else:
            parts.append(_reduced(process, device, corner, files[0], sorted(by_role[role])))
    parts += [_whole(path, digest(path)) for path in whole]
    return "\n".join(parts) + "\n"


def _reduced(process: Process, device: Device, corner: str, file: Path, sizes: list[tuple[float, float]]) -> str:
    library = binned(file, device.model)
    strange = set(library.mismatch) - set(device.mismatch)
    if strange:
        raise ProcessError(
            f"process '{process.name}': {file} draws {', '.join(sorted(strange))} of {device.model} at random, which "
            f"its mismatch list does not name"
        )
    kept: set[int] = set()
    for width, length in sizes:
        found = library.chosen(width, length)
        if not found:
            raise ProcessError(_no_bin(process, device, library, width, length))
        kept.update(library.bins.index(one) for one in found)
    reduced = _joined(digest(file), file, device.model, tuple(sorted(kept)))
    lines = [f".param {name}={value}" for name, value in _parameters(process, device, corner, reduced.names).items()]
    parameters = clean_cards("\n".join(lines), f"parameters of {device.model}")
    return "\n".join([parameters, reduced.text])


def _parameters(process: Process, device: Device, corner: str, names: frozenset[str]) -> dict[str, str]:
    """Returns the parameters that models refer to, from the files of parameters, the first that has one."""
    known: dict[str, str] = {}
    for path in parameter_files(process, device, corner):
        if names <= set(known):
            break
        known = _assignments(path, digest(path)) | known
    missing = names - set(known)
    if missing:
        raise ProcessError(
            f"process '{process.name}': the models of {device.model} refer to {', '.join(sorted(missing)[:3])}, which "
            f"no file of parameters in {place(process)} defines"
        )
    return resolve(names, known)


def _no_bin(process: Process, device: Device, library: Binned, width: float, length: float) -> str:
    """Says which sizes there are near one that is not."""
    at_length = [one.widths for one in library.bins if one.holds(one.widths[0], length)]
    at_width = [one.lengths for one in library.bins if one.holds(width, one.lengths[0])]
    every = [(one.widths, one.lengths) for one in library.bins]
    if at_length:
        has = f"at this length it has W = {_span(at_length)}"
    elif at_width:
        has = f"at this width it has L = {_span(at_width)}"
    else:
        has = f"it has W = {_span([w for w, _ in every])} and L = {_span([length for _, length in every])}"
    return (
        f"process '{process.name}' has no model of {device.model} for W = {1e6 * width:g} um a finger, "
        f"L = {1e6 * length:g} um; {has}"
    )


def _span(boxes: list[tuple[float, float]]) -> str:
    return f"{1e6 * min(low for low, _ in boxes):g} to {1e6 * max(high for _, high in boxes):g} um"


@lru_cache(maxsize=256)
def _joined(_key: str, file: Path, model: str, bins: tuple[int, ...]) -> Reduced:
    library = binned(file, model)
    return join(library, model, [library.bins[index] for index in bins], str(file))


@lru_cache(maxsize=64)
def _whole(path: Path, _key: str) -> str:
    return clean_cards(content(path), str(path))


@lru_cache(maxsize=64)
def _assignments(path: Path, _key: str) -> dict[str, str]:
    return assignments(content(path))
