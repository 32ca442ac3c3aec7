"""The text of a CSV file: lines, cells, and the place of a cell as `file:line:column`."""

import csv
import io
from pathlib import Path

from ftj_spice.common.errors import DataError


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a text file in UTF-8, without their ends.

    Raises:
        DataError: It can't be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"can't read {path}: {(error.strerror or str(error)).lower()}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise DataError(f"{path}:{line}:{column}: not text in UTF-8") from None
    return [line.rstrip("\n") for line in io.StringIO(text, newline=None)]


def split_cells(path: Path, number: int, line: str, separator: str) -> list[str]:
    """Returns the cells of line `number`, without blanks around them.

    Raises:
        DataError: Quotes do not match.
    """
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        return [
            cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
        ]
    except csv.Error as error:
        raise DataError(f"{path}:{number}:{line.index(chr(34)) + 1}: quotes that do not match ({error})") from None


def place_of(path: Path, number: int, line: str, cell: int, separator: str) -> str:
    """Returns `file:line:column` of a cell, counted in characters from 1."""
    position, quoted = 0, False
    for k, character in enumerate(line):
        if cell == 0:
            break
        quoted ^= character == '"'
        if character == separator and not quoted:
            cell -= 1
            position = k + 1
    while position < len(line) and line[position] == " ":
        position += 1
    return f"{path}:{number}:{position + 1}"
