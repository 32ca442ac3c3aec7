"""What goes by the name of a packaged file or as a .toml file of one's own: cards, processes, circuits, chains."""

import difflib
import json
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.files import read_regular, reason

LARGEST_FILE = 2**20
"""Bytes of such a file or of the template beside it, at most; the packaged ones have some thousand."""


@dataclass(frozen=True)
class Packaged:
    """The packaged files of one kind.

    Attributes:
        kind: What errors call it.
        folders: Says where the files are; asked anew each time, since an installation may lack them.
    """

    kind: str
    folders: Callable[[], Sequence[Path]]

    def files(self) -> list[Path]:
        """Returns the packaged files, folder by folder."""
        return [path for folder in self.folders() for path in sorted(folder.glob("*.toml"))]

    def names(self) -> list[str]:
        """Returns their names."""
        return [path.stem for path in self.files()]

    def find(self, name: str | Path) -> tuple[Path, bool]:
        """Returns the file that a packaged name or a .toml file stands for, and whether it is packaged.

        Raises:
            SettingsError: There is none of this name; the sentence names one that is near, or all.
        """
        path = Path(name)
        if path.suffix == ".toml":
            return path, False
        found = {file.stem: file for file in self.files()}
        if str(name) not in found:
            near = difflib.get_close_matches(str(name), found, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(found))}; or a .toml file"
            raise SettingsError(f"no {self.kind} named {str(name)[:60]!r}; {hint}")
        return found[str(name)], True


def read_text(path: Path) -> str:
    """Returns the text of a file that somebody else may have made.

    Raises:
        SettingsError: It can't be read, is no regular file, is too large, or is not UTF-8.
    """
    try:
        return read_regular(path, LARGEST_FILE).decode()
    except OSError as error:
        raise SettingsError(f"can't read {path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text") from None


def read_toml(path: Path, what: str = "") -> dict[str, Any]:
    """Returns the content of a TOML file.

    Args:
        path: The file.
        what: What the error calls it, if anything, with a space behind.

    Raises:
        SettingsError: It can't be read, is no regular file, is too large, or is not valid TOML.
    """
    return _parsed(path, what, LARGEST_FILE, "TOML", tomllib.loads)


def read_json(path: Path, what: str = "", largest: int = LARGEST_FILE) -> Any:
    """Returns the content of a JSON file in which every key stands once and every number is finite.

    Args:
        path: The file.
        what: As in `read_toml`.
        largest: Most bytes of the file.

    Raises:
        SettingsError: It can't be read, is no regular file, is too large, or is not valid JSON.
    """
    return _parsed(path, what, largest, "JSON", partial(json.loads, parse_constant=_refuse, object_pairs_hook=_once))


def _parsed(path: Path, what: str, largest: int, language: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(read_regular(path, largest).decode())
    except OSError as error:
        raise SettingsError(f"can't read {what}{path}: {reason(error)}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, too
        raise SettingsError(f"{path}: not valid {language}: {error}") from None


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON knows")


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"'{key}' stands twice")
        data[key] = value
    return data
