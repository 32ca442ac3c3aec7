"""Where each model stands in a library is kept: in memory, and in the user's cache from one run to the next.

An entry belongs to the SHA-256 of its model file, so another version of the library gets entries of its own; its first
line is the SHA-256 of the rest, so a damaged entry is made again.
"""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from ftj_spice.common.errors import OutputError
from ftj_spice.common.files import read_regular, replace_file
from ftj_spice.netlist.process.bins import Bin, Binned, split
from ftj_spice.netlist.process.places import content, digest

FORMAT = 1
"""Rises with every change of what an entry holds."""
_LARGEST_ENTRY = 2**20


def binned(file: Path, model: str) -> Binned:
    """Returns a library's subcircuit taken apart; a file of a megabyte is parsed once.

    Raises:
        ProcessError: The file can't be read or is damaged.
    """
    return _binned(digest(file), file, model)


def cache_folder() -> Path:
    """Returns where entries are kept: `ftj-spice/processes` in XDG_CACHE_HOME, else in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The standard says that a relative path is to be ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111 - never raises
    return root / "ftj-spice" / "processes"


@lru_cache(maxsize=16)
def _binned(key: str, file: Path, model: str) -> Binned:
    text = content(file)
    entry = cache_folder() / f"{hashlib.sha256(f'{FORMAT} {key} {model}'.encode()).hexdigest()[:40]}.json"
    kept = _load(entry, text)
    if kept is None:
        kept = split(text, model, str(file))
        _store(entry, kept)
    return kept


def _load(entry: Path, text: str) -> Binned | None:
    try:
        check, _, payload = read_regular(entry, _LARGEST_ENTRY).partition(b"\n")
        if hashlib.sha256(payload).hexdigest().encode() != check:
            return None
        fields: dict[str, Any] = json.loads(payload)
        bins = (Bin(start, end, tuple(lengths), tuple(widths)) for start, end, lengths, widths in fields["bins"])
        return Binned(text, fields["head"], tuple(fields["mismatch"]), tuple(bins))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _store(entry: Path, made: Binned) -> None:
    bins = [(one.start, one.end, one.lengths, one.widths) for one in made.bins]
    payload = json.dumps({"head": made.head, "mismatch": made.mismatch, "bins": bins}).encode()
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        replace_file(entry, hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
    except (OSError, OutputError):
        return  # a read-only home: the next run parses again
