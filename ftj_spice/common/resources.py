"""Finds the packaged `models/` and `netlists/` folders, in a checkout as in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def _folder(name: str) -> Path:
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def models() -> Path:
    """Returns the folder of device cards, simulator models and trained decoders."""
    return _folder("models")


def netlists() -> Path:
    """Returns the folder of netlist templates."""
    return _folder("netlists")
