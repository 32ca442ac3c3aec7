"""What an unfinished run has measured so far: a file of lines, each with its checksum, that outlives any interruption.

The first line says what run it is; each further one is a measured task. A line that was cut off, and whatever stands
behind it, is dropped when the file is opened again.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.common.files import writing

SUFFIX = ".unfinished"


def journal_path(out: Path) -> Path:
    """Returns where the journal of a run directory lies: beside it."""
    return out.with_name(out.name + SUFFIX)


class Journal:
    """Context manager over the journal of one run.

    Args:
        path: The file.
        identity: What makes the run what it is, as nested plain data; a resumed run must have the same.
        resume: Go on with what is there; else the file must not be there.
        replace: Without `resume`: begin anew whatever is there.

    Attributes:
        records: Measured tasks by key.

    Raises:
        OutputError: On entering: the file is there, is not, is something else, can't be written, or another run is
            writing it.
        SettingsError: On entering: it is the journal of a run with other settings; the sentence names them.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], resume: bool = False, replace: bool = False) -> None:
        self.path = path
        self.records: dict[str, dict[str, Any]] = {}
        self._identity = json.loads(json.dumps(identity))
        self._resume, self._replace = resume, replace
        self._lock = Lock()

    def __enter__(self) -> Self:
        exists = os.path.lexists(self.path)
        if exists and (self.path.is_symlink() or not self.path.is_file()):
            raise OutputError(f"{self.path} is no file of an unfinished run; remove it, or choose another -o")
        if exists and not (self._resume or self._replace):
            raise OutputError(
                f"{self.path} holds an unfinished run: pass --resume to go on with it, or --force to begin anew"
            )
        if self._resume and not exists:
            raise OutputError(f"there is nothing to resume: no unfinished run {self.path}")
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("r+b" if exists else "x+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise OutputError(f"another run is writing {self.path}; wait for it, or choose another -o") from None
        try:
            self._begin()
        except BaseException:
            self._file.close()
            if not exists:
                self.path.unlink(missing_ok=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, key: str, record: dict[str, Any]) -> None:
        """Stores a measured task, on the disk when it returns.

        Raises:
            OutputError: It can't be written.
        """
        with self._lock:
            self._write({"key": key, "record": record})
            self.records[key] = record

    def remove(self) -> None:
        """Deletes the file: the run is finished."""
        with writing(self.path):
            self.path.unlink()

    def _begin(self) -> None:
        content = self._file.read()
        lines, whole = _read(content)
        if content and not lines:  # somebody else's: neither --resume nor --force may empty it
            raise OutputError(f"{self.path} is no file of an unfinished run; remove it, or choose another -o")
        if not self._resume:
            lines, whole = [], 0
        with writing(self.path):
            self._file.truncate(whole)
            self._file.seek(whole)
        if not lines:
            self._write({"identity": self._identity})
            return
        before = lines[0].get("identity")
        differing = _differences(before, self._identity)
        if differing:
            raise SettingsError(
                f"the unfinished run {self.path} is another one: {'; '.join(differing)}; resume it as it was, or pass "
                f"--force without --resume to begin anew"
            )
        self.records = {line["key"]: line["record"] for line in lines[1:]}

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        with writing(self.path):
            self._file.write(hashlib.sha256(text).hexdigest().encode() + b" " + text + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def _read(content: bytes) -> tuple[list[dict[str, Any]], int]:
    """Returns the whole lines, and how many bytes they take."""
    lines: list[dict[str, Any]] = []
    whole = 0
    for line in content.splitlines(keepends=True):
        digest, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or hashlib.sha256(text).hexdigest().encode() != digest:
            break
        data = json.loads(text)
        if not isinstance(data, dict) or set(data) != ({"key", "record"} if lines else {"identity"}):
            break
        lines.append(data)
        whole += len(line)
    return lines, whole


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Returns what differs, as `mc was 100, is 50`."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys([*before, *now]))
        return [
            text
            for key in keys
            for text in _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if before == now else [f"'{name}' was {_short(before)}, is {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
