"""Compiles the Verilog-A model with openvaf-r, once: the result is kept in the user's cache folder.

The key holds the source text, the compiler's version and size, and the kind of machine, but no path. Code is generated
for the generic processor, so that machines that share a home folder may share the cache, and numbers do not depend on
the processor.
"""

import atexit
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from ftj_spice.common import resources
from ftj_spice.engines.errors import EngineError
from ftj_spice.engines.vacask.locate import Tool, find_compiler

MODEL = "ftj.va"
"""The cell's Verilog-A module, below `models/`."""

_OPTIONS = ("--target_cpu", "generic", "--deny", "warnings")
_SECONDS = 300
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ModelCompileError(EngineError):
    """The Verilog-A compiler refuses a model, or warns of it."""


def compile_model(source: Path | None = None) -> Path:
    """Returns the compiled model (OSDI shared library) of a Verilog-A file.

    Args:
        source: The file; by default the packaged model of the cell.

    Raises:
        EngineNotFoundError: openvaf-r is not installed.
        ModelCompileError: The compiler refuses the file or warns of it, or the file can't be read.
    """
    path = source or resources.models() / MODEL
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ModelCompileError(f"can't read {path}: {(error.strerror or str(error)).lower()}") from error
    compiler = find_compiler()
    name = f"{path.stem}-{_key(text, compiler)}.osdi"
    for folder in (_cache_folder(), None):
        place = folder or _private_folder()
        target = place / name
        if target.is_file():
            return target
        try:
            place.mkdir(parents=True, exist_ok=True)
            work = tempfile.mkdtemp(prefix=".compiling-", dir=place)
        except OSError:
            if folder is None:
                raise
            continue  # a read-only home: compile for this process only
        try:
            _compile(compiler, text, path, Path(work))
            (Path(work) / "model.osdi").replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return target
    raise AssertionError("unreachable")


def _key(text: bytes, compiler: Tool) -> str:
    identity = [compiler.version, Path(compiler.path).stat().st_size, platform.system(), platform.machine(), *_OPTIONS]
    return hashlib.sha256(text + b"\0" + repr(identity).encode()).hexdigest()[:32]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The standard says that a relative path is to be ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111 - never raises
    return root / "ftj-spice" / "osdi"


@cache
def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ftj-spice-osdi-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _compile(compiler: Tool, text: bytes, path: Path, work: Path) -> None:
    (work / path.name).write_bytes(text)
    try:
        done = subprocess.run(
            [compiler.path, *_OPTIONS, "-I", str(path.resolve().parent), "-o", "model.osdi", path.name],
            cwd=work, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ModelCompileError(f"{compiler.path} took longer than {_SECONDS} s for {path.name}") from None
    except OSError as error:
        raise ModelCompileError(f"{compiler.path} can't be run: {(error.strerror or str(error)).lower()}") from error
    told = _COLOUR.sub("", done.stdout + done.stderr)
    complaints = [line.strip() for line in told.splitlines() if re.match(r"\s*(error|warning)", line)]
    if complaints or done.returncode or not (work / "model.osdi").is_file():
        words = complaints[0] if complaints else f"exit status {done.returncode}, no message"
        at = re.search(rf"{re.escape(path.name)}:(\d+)", told)
        where = f", line {at.group(1)}" if at else ""
        raise ModelCompileError(f"openvaf-r can't compile {path.name}{where}: {words}{_linker(words)}")


def _linker(words: str) -> str:
    return " (openvaf-r needs the program ld: install binutils)" if "linker not found" in words else ""
