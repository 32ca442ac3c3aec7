"""The manifest of a run: what was asked, what ran, with which versions, seeds and netlists, and how long it took.

It names no machine, no user and no place: absolute paths are cut down to their last part.
"""

import hashlib
import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ftj_spice.common.errors import DataError
from ftj_spice.common.files import reason
from ftj_spice.results.jsontext import plain
from ftj_spice.results.rundir import PROGRAM

PACKAGES = (
    "ftj-spice",
    "numpy",
    "scipy",
    "numba",
    "PySpice",
    "cffi",
    "jinja2",
    "pydantic",
    "matplotlib",
    "xarray",
    "h5netcdf",
    "h5py",
)
"""Distributions whose versions a manifest gives."""

_ABSOLUTE = re.compile(
    r"(?:^|(?<=[\s=,;'\"(\[<])|(?<=^-\w)|(?<=\s-\w))(?:[A-Za-z]:[\\/]|\\\\|~[\w.-]*/|/(?=[^\s/]))[^\s,;'\"()\[\]<>]*"
)


def versions() -> dict[str, str | None]:
    """Returns the versions of Python, the platform (system, machine, C library) and the packages; none if missing."""
    library = " ".join(platform.libc_ver()).strip()
    found: dict[str, str | None] = {
        "python": platform.python_version(),
        "platform": " ".join(part for part in (platform.system(), platform.machine(), library) if part),
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def sha256_text(text: str) -> str:
    """Returns the SHA-256 of `text` in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 of a file, as 64 hexadecimal digits.

    Raises:
        DataError: The file can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"can't read {path}: {reason(error)}") from error


class Stopwatch:
    """Collects wall-clock times by phase: `with watch("sample"): ...`.

    A phase that comes again adds up. A phase inside another counts in both.

    Attributes:
        durations: Seconds by phase, in the order the phases first ended.
    """

    def __init__(self) -> None:
        self.durations: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Times the body as part of `phase`, also when it raises."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.durations[phase] = self.durations.get(phase, 0.0) + time.perf_counter() - begin


def build_manifest(
    command: Sequence[str],
    settings: Mapping[str, Any],
    seed: int,
    netlist_hashes: Mapping[str, str],
    durations: Mapping[str, float],
    engine: Mapping[str, Any] | str,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the manifest as plain data, ready for `RunDirectory.write_json("manifest.json", ...)`.

    Args:
        command: The command line, one word each; what is not text in a file's name is stored with backslashes.
        settings: All settings of the run, defaults filled in.
        seed: The run's seed.
        netlist_hashes: SHA-256 by netlist name.
        durations: Seconds by phase, as `Stopwatch.durations`.
        engine: Name, or name and version and what else identifies the engine.
        extra: More fields; they may not replace the ones above.

    Raises:
        TypeError: A value has no JSON form.
        ValueError: `extra` repeats a field.
    """
    manifest: dict[str, Any] = {
        "program": PROGRAM,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [word.encode("utf-8", "backslashreplace").decode() for word in command],
        "seed": seed,
        "engine": engine,
        "settings": settings,
        "netlists": netlist_hashes,
        "seconds": {phase: round(value, 3) for phase, value in durations.items()},
        "versions": versions(),
    }
    for key, value in (extra or {}).items():
        if key in manifest:
            raise ValueError(f"the manifest has a field {key!r} already")
        manifest[key] = value
    return _placeless(plain(manifest))


def without_places(text: str) -> str:
    """Returns `text` with every absolute path cut down to `.../` and its last part.

    A text that is a path as a whole may hold spaces; inside a text a path ends at the first space.
    """
    if (
        re.match(r"/[^\s/]|~[\w.-]*/|[A-Za-z]:[\\/]|\\\\", text)
        and "\n" not in text
        and not re.search(r"\s[/~-]", text)
    ):
        return _last(text)
    return _ABSOLUTE.sub(lambda match: _last(match.group()), text)


def _last(path: str) -> str:
    return ".../" + re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _placeless(value: Any) -> Any:
    if isinstance(value, str):
        return without_places(value)
    if isinstance(value, list):
        return [_placeless(entry) for entry in value]
    if isinstance(value, dict):
        return {without_places(key): _placeless(entry) for key, entry in value.items()}
    return value
