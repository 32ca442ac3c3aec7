"""Finds ngspice on this machine: the shared library the workers load, and the `ngspice` command users replay with.

`FTJ_SPICE_LIBNGSPICE` and `FTJ_SPICE_NGSPICE` override what is found.
"""

import ctypes.util
import os
import platform
import shutil
from pathlib import Path

from ftj_spice.engines.errors import EngineNotFoundError

LIBRARY_VARIABLE = "FTJ_SPICE_LIBNGSPICE"
COMMAND_VARIABLE = "FTJ_SPICE_NGSPICE"

_FOLDERS = (
    "/usr/lib/{arch}-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/opt/homebrew/lib",
    "/opt/homebrew/opt/libngspice/lib",
    "/usr/local/opt/libngspice/lib",
)
_NAMES = ("libngspice.so.0", "libngspice.so", "libngspice.0.dylib", "libngspice.dylib")


def install_hint() -> str:
    """Returns the command that installs ngspice on this kind of machine."""
    if platform.system() == "Darwin":
        return "brew install libngspice ngspice"
    return "sudo apt-get install ngspice libngspice0"


def find_library() -> str:
    """Returns the path of libngspice.

    Raises:
        EngineNotFoundError: None is found, or the override names a file that does not exist.
    """
    override = os.environ.get(LIBRARY_VARIABLE)
    if override:
        if not Path(override).is_file():
            raise EngineNotFoundError(f"{LIBRARY_VARIABLE} names {override}, which is not a file")
        return override
    for folder in _FOLDERS:
        for name in _NAMES:
            path = Path(folder.format(arch=platform.machine())) / name
            if path.is_file():
                return str(path)
    found = ctypes.util.find_library("ngspice")
    if found:
        return found
    raise EngineNotFoundError(
        f"ngspice's shared library is not installed: run '{install_hint()}', or set {LIBRARY_VARIABLE} to its path"
    )


def find_command() -> str:
    """Returns the path of the `ngspice` command.

    Raises:
        EngineNotFoundError: None is found, or the override names a file that can't be run.
    """
    override = os.environ.get(COMMAND_VARIABLE)
    found = shutil.which(override or "ngspice")
    if found:
        return found
    if override:
        raise EngineNotFoundError(f"{COMMAND_VARIABLE} names {override}, which can't be run")
    raise EngineNotFoundError(
        f"the ngspice command is not installed: run '{install_hint()}', or set {COMMAND_VARIABLE} to its path"
    )
