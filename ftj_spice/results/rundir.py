"""Run directories: all of a run or nothing of it.

A run writes into a hidden folder beside its final place, on the same file system. Only when everything is written is
that folder renamed to the final name, in one step. So a folder with that name is always a whole run.
"""

import errno
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.common.errors import OutputError
from ftj_spice.common.files import FULL, reason, writing
from ftj_spice.results.jsontext import to_json

MANIFEST = "manifest.json"
"""Every run directory holds this file; its field `program` tells our run directories from other folders."""

PROGRAM = "ftj-spice"
"""Value of `program` in the manifest."""


def is_run_directory(path: Path) -> bool:
    """Says whether `path` is a folder, not a link, that holds a manifest of this program."""
    if path.is_symlink() or not path.is_dir():
        return False
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("program") == PROGRAM


class RunDirectory:
    """Context manager that writes a run directory atomically.

    The body writes its files, the manifest among them. When it ends well the folder appears under its final name;
    when it raises anything (Ctrl-C included) nothing is left, and an earlier run in that place is untouched.

    Example:
        ```python
        with RunDirectory(Path("out/run1")) as run:
            run.write_npy("latents.npy", latents)
            run.write_json("manifest.json", build_manifest(...))
        ```

    Args:
        path: Final place. Missing parent folders are made.
        force: Replace what is there, if it is an empty folder or a run directory of this program; nothing else is
            ever removed.
        inputs: Files that the run reads: a folder that holds one of them is not replaced.

    Attributes:
        path: Final place, absolute.

    Raises:
        OutputError: On entering: `path` exists and may not be replaced, or can't be made. On leaving: the disk is full,
            a file can't be written, or something took the place meanwhile.
        RuntimeError: On leaving: the body wrote no manifest of this program.
    """

    def __init__(self, path: Path, force: bool = False, inputs: Iterable[Path] = ()) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link in the last place
        self._force = force
        self._inputs = [Path(file) for file in inputs]
        self._partial: Path | None = None
        self._made_parents: list[Path] = []

    def __enter__(self) -> Self:
        self._check_target()
        for file in self._inputs:
            if file.resolve().is_relative_to(self.path.resolve()):
                raise OutputError(f"{file} lies inside {self.path}, which would be replaced; choose another -o")
        parent = self.path.parent
        partial = parent / f".{self.path.name}.partial-{secrets.token_hex(4)}"
        missing = [folder for folder in (parent, *parent.parents) if not os.path.lexists(folder)]
        try:
            for folder in reversed(missing):
                folder.mkdir()
                self._made_parents.insert(0, folder)
            self._partial = partial  # before it is made: a signal may come in between
            partial.mkdir()
        except OSError as error:
            self._partial = None
            self._remove_parents()
            raise OutputError(f"can't make the run directory {self.path}: {reason(error)}") from error
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            self._partial = None
            self._remove_parents()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        partial = self._inside()
        try:
            if error is None:
                self._finish(partial)
        except BaseException as late:
            error = late
            raise
        finally:
            sentence = self._sentence(error)
            self._partial = None
            if error is not None:
                shutil.rmtree(partial, ignore_errors=True)
                self._remove_parents()
            if sentence is not None:
                raise sentence from error

    def check(self) -> None:
        """Refuses, before long work, a place that entering would refuse.

        Raises:
            OutputError: `path` exists and may not be replaced.
        """
        self._check_target()

    def file(self, name: str) -> Path:
        """Returns where to write the file `name` (with `/` for subfolders, which are made) while the run is on.

        Raises:
            ValueError: `name` is absolute or leads out of the run directory.
            OutputError: A subfolder can't be made.
            RuntimeError: Outside the `with` block.
        """
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or "\0" in name:
            raise ValueError(f"{name!r} is not a relative file name inside the run directory")
        path = self._inside().joinpath(*parts)
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_text(self, name: str, text: str) -> Path:
        """Writes a UTF-8 text file with line feeds; returns where. Errors are those of `file` and of the disk."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Writes a file; returns where. Errors are those of `file` and of the disk."""
        path = self.file(name)
        with writing(path):
            path.write_bytes(content)
        return path

    def write_json(self, name: str, data: Mapping[str, Any]) -> Path:
        """Writes JSON in the order given; numpy values become numbers and lists, NaN and infinities null."""
        return self.write_text(name, to_json(data))

    def write_npy(self, name: str, array: ArrayLike) -> Path:
        """Writes one array as .npy (no pickled objects)."""
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array), allow_pickle=False)
        return self.write_bytes(name, buffer.getvalue())

    def _inside(self) -> Path:
        if self._partial is None:
            raise RuntimeError("a run directory can only be written inside its 'with' block")
        return self._partial

    def _check_target(self) -> None:
        if not self.path.name:
            raise OutputError(f"{self.path} can't be a run directory; choose another -o")
        try:
            if not os.path.lexists(self.path):
                return
            empty = not self.path.is_symlink() and self.path.is_dir() and not any(self.path.iterdir())
        except OSError as error:
            raise OutputError(f"can't look into {self.path}: {reason(error)}") from error
        if not self._force:
            raise OutputError(f"{self.path} exists; choose another -o or pass --force")
        if not empty and not is_run_directory(self.path):
            raise OutputError(
                f"{self.path} exists and is no run directory of {PROGRAM}, so --force does not replace it; "
                "choose another -o"
            )

    def _finish(self, partial: Path) -> None:
        """Checks for the manifest, brings the files to the disk and moves the folder to its place."""
        if not is_run_directory(partial):
            raise RuntimeError(f"the run wrote no {MANIFEST} with program = {PROGRAM!r}")
        _sync(partial / MANIFEST)
        _sync(partial)
        self._check_target()  # something may have come there meanwhile
        aside = None
        if os.path.lexists(self.path):
            aside = self.path.parent / f".{self.path.name}.replaced-{secrets.token_hex(4)}"
            self.path.rename(aside)
        try:
            partial.rename(self.path)
        except BaseException:
            if aside is not None:
                aside.rename(self.path)
            raise
        _sync(self.path.parent)
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)

    def _sentence(self, error: BaseException | None) -> OutputError | None:
        """Returns the error to show instead of `error`: for a full disk, and for files of this run."""
        cause = error.__cause__ if isinstance(error, OutputError) else error
        if not isinstance(cause, OSError):
            return None
        names = [str(name) for name in (cause.filename, cause.filename2) if name is not None]
        ours = any(Path(name).is_relative_to(self._inside()) for name in names)
        taken = cause.errno in {errno.ENOTEMPTY, errno.EEXIST} and str(self.path) in names
        if cause.errno in FULL or ours or taken:
            return OutputError(f"can't write the run directory {self.path}: {reason(cause)}; nothing was kept")
        return None

    def _remove_parents(self) -> None:
        for folder in self._made_parents:
            try:
                folder.rmdir()
            except OSError:
                return


def _sync(path: Path) -> None:
    """Brings a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
