"""What of ngspice is on this machine, and what to do about what is missing: the data behind `doctor`."""

import importlib.metadata
import re
import subprocess
from typing import Any

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice.locate import (
    COMMAND_VARIABLE,
    LIBRARY_VARIABLE,
    find_command,
    find_library,
    install_hint,
)
from ftj_spice.engines.ngspice.process import LAUNCHER_VARIABLE, WorkerProcess

OLDEST, NEWEST = 36, 46
"""Versions of ngspice that the engine is made for."""

_NONE = {"path": None, "version": None, "xspice": False, "osdi": False, "klu": False}


def inspect() -> dict[str, Any]:
    """Returns what is found of ngspice, as JSON-ready data; nothing missing makes it fail.

    Returns:
        `library` with `path`, `version`, `xspice`, `osdi` and `klu`, as a worker found them; `command` with `path` and
        `version`; `pyspice`, the binding's version; `problems`, a list of `{"what": ..., "hint": ...}`; and `ready`,
        whether the engine works. The command is only needed to replay netlists by hand: without it, the engine is
        ready all the same.
    """
    problems: list[dict[str, str]] = []
    library = _library(problems)
    command = _command(problems)
    pyspice = _pyspice(problems)
    version = library["version"]
    ready = version is not None
    if version is not None and not OLDEST <= version <= NEWEST:
        problems.append(
            {
                "what": f"ngspice {version} is outside the versions {OLDEST} to {NEWEST} that the engine is made for",
                "hint": f"install another ngspice, and set {LIBRARY_VARIABLE} to its library",
            }
        )
    if ready and not library["xspice"]:
        problems.append(
            {
                "what": "this libngspice has no XSPICE: netlists with digital elements will be refused",
                "hint": "install a libngspice that was configured with --enable-xspice",
            }
        )
    return {"library": library, "command": command, "pyspice": pyspice, "problems": problems, "ready": ready}


def _library(problems: list[dict[str, str]]) -> dict[str, Any]:
    try:
        path = find_library()
    except EngineNotFoundError as error:
        problems.append({"what": str(error), "hint": _hint(LIBRARY_VARIABLE)})
        return dict(_NONE)
    try:
        worker = WorkerProcess()
    except FtjSpiceError as error:
        hint = f"check {LAUNCHER_VARIABLE}; or {_hint(LIBRARY_VARIABLE)}"
        problems.append({"what": str(error), "hint": hint})
        return dict(_NONE, path=path)
    features = worker.features
    worker.close()
    return {"path": path} | {name: features[name] for name in ("version", "xspice", "osdi", "klu")}


def _command(problems: list[dict[str, str]]) -> dict[str, Any]:
    try:
        path = find_command()
    except EngineNotFoundError as error:
        problems.append({"what": str(error), "hint": _hint(COMMAND_VARIABLE)})
        return {"path": None, "version": None}
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        told = ""
    match = re.search(r"ngspice-(\d+)", told)
    if match is None:
        problems.append({"what": f"{path} does not tell ngspice's version", "hint": _hint(COMMAND_VARIABLE)})
        return {"path": path, "version": None}
    return {"path": path, "version": int(match.group(1))}


def _pyspice(problems: list[dict[str, str]]) -> str | None:
    try:
        return importlib.metadata.version("PySpice")
    except importlib.metadata.PackageNotFoundError:
        problems.append({"what": "the Python package PySpice is missing", "hint": "python -m pip install PySpice"})
        return None


def _hint(variable: str) -> str:
    return f"run '{install_hint()}', or set {variable} to its path"
