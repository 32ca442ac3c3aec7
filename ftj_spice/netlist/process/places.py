"""Where a process's model files are on this machine, and whether they are the ones that were tried."""

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.common.files import read_regular, reason
from ftj_spice.netlist.process.process import Device, Process

LARGEST_MODEL_FILE = 2**24
"""Most bytes of one model file."""


class ProcessError(FtjSpiceError):
    """A process's models are missing, damaged, or have no device of a size that is asked for."""


def place(process: Process) -> Path:
    """Returns the folder of the process's models: the first of its places that holds its first transistor.

    Raises:
        ProcessError: None of them does.
    """
    device = next(iter(process.devices.values()))
    for root in _roots(process):
        if _found(root, process, device, process.typical_file(device)) is not None:
            return root
    if process.models.requirement:
        raise ProcessError(
            f"the models of process '{process.name}' are not here: run 'ftj-spice pdk install {process.name}', or set "
            f"PDK_ROOT to a tree that holds them"
        )
    places = " or ".join(str(process.folder / pattern) for pattern in process.models.places)
    raise ProcessError(
        f"the models of process '{process.name}' are not here: no {process.typical_file(device)} in {places}"
    )


def model_files(process: Process, device: Device, corner: str) -> list[Path]:
    """Returns the files that define a transistor in one corner.

    Raises:
        ProcessError: One is missing.
    """
    root, suffix = place(process), process.corner(corner).files
    paths = []
    for pattern in device.files:
        name = device.filled(pattern, suffix)
        path = _found(root, process, device, name)
        if path is None:
            raise ProcessError(f"process '{process.name}': there is no {name} in {root}")
        paths.append(path)
    return paths


def parameter_files(process: Process, device: Device, corner: str) -> Iterator[Path]:
    """Yields the files of parameters that a transistor's models may refer to, as far as they are there."""
    root, suffix = place(process), process.corner(corner).files
    for pattern in process.models.parameters:
        path = _found(root, process, device, device.filled(pattern, suffix))
        if path is not None:
            yield path


def content(path: Path) -> str:
    """Returns a model file's text.

    Raises:
        ProcessError: It can't be read.
    """
    return _bytes(path).decode("utf-8", "replace")


def digest(path: Path) -> str:
    """Returns the SHA-256 of a model file; an unchanged file is read once.

    Raises:
        ProcessError: It can't be read.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise ProcessError(f"can't read the model file {path}: {reason(error)}") from None
    return _digest(path, state.st_mtime_ns, state.st_size)


def process_notes(process: Process, corner: str) -> list[str]:
    """Returns what somebody who uses the process's models should know, a sentence each; nothing where all is as tried.

    Raises:
        ProcessError: The models are not here.
    """
    notes = []
    library, root = process.models, place(process)
    pdk_root = os.environ.get("PDK_ROOT")
    if pdk_root and any("{pdk_root}" in one for one in library.places) and not root.is_relative_to(pdk_root):
        notes.append(f"PDK_ROOT ({pdk_root}) holds no models of process '{process.name}'; those in {root} are taken")
    installed = _version(process) if pdk_root is None or not root.is_relative_to(pdk_root) else None
    if installed is not None and library.version is not None and installed != library.version:
        notes.append(
            f"process '{process.name}' was tried with version {library.version} of its package, this is {installed}"
        )
    strange = []
    for device in process.devices.values():
        for path in (*model_files(process, device, corner), *parameter_files(process, device, corner)):
            known = library.checksums.get(path.name)
            if known is not None and known != digest(path) and path.name not in strange:
                strange.append(path.name)
    if strange:
        shown = ", ".join(strange[:3]) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
        notes.append(
            f"model files of process '{process.name}' differ from those that were tried (version {library.version}): "
            f"{shown}; figures may differ from published ones"
        )
    return notes


def _version(process: Process) -> str | None:
    if process.models.package is None:
        return None
    try:
        return metadata.version(process.models.package)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=256)
def _digest(path: Path, _modified: int, _size: int) -> str:
    return hashlib.sha256(_bytes(path)).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, LARGEST_MODEL_FILE)
    except OSError as error:
        raise ProcessError(f"can't read the model file {path}: {reason(error)}") from None


def _roots(process: Process) -> Iterator[Path]:
    for pattern in process.models.places:
        if "{pdk_root}" in pattern:
            root = os.environ.get("PDK_ROOT")
            if not root:
                continue
            pattern = pattern.replace("{pdk_root}", root)  # noqa: PLW2901
        if "{package}" in pattern:
            spec = importlib.util.find_spec(process.models.package or "")
            if spec is None or not spec.submodule_search_locations:
                continue
            pattern = pattern.replace("{package}", next(iter(spec.submodule_search_locations)))  # noqa: PLW2901
        path = process.folder / pattern
        if path.name.endswith("*"):  # folders by version: the newest first
            yield from sorted(path.parent.glob(path.name), key=_by_version, reverse=True)
        else:
            yield path


def _by_version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _found(root: Path, process: Process, device: Device, name: str) -> Path | None:
    for folder in process.models.folders:
        path = root / device.filled(folder, "") / name
        if path.is_file():
            return path
    return None
