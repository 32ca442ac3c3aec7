"""CSV tables of measurements: columns by role in SI units, every complaint with file, line and column.

A table is text in UTF-8: comments (`#`), a header, rows. Cells are separated by commas, semicolons or tabs, whichever
the header has. A header cell is a name with a unit in brackets, `current [nA]` or `current (nA)`. A comment
`# role = value unit` (or with a colon) gives a value that holds for all rows.
"""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.common.quantities import UnitError, convert, number_and_unit
from ftj_spice.device.fitting.csvtext import place_of, read_lines, split_cells
from ftj_spice.device.fitting.roles import ROLES, Kind, Layout, Role
from ftj_spice.device.fitting.table import Table

STATES = {"on": 1.0, "lrs": 1.0, "up": 1.0, "off": -1.0, "hrs": -1.0, "down": -1.0}
"""Names of the two extreme states and their normalised polarization."""

_HEADER = re.compile(r"(.*?)\s*(?:\[([^\[\]]*)\]|\(([^()]*)\))?", re.DOTALL)
_REMARK = re.compile(r"#\s*([A-Za-z][\w ]*?)\s*[=:]\s*(.*?)\s*", re.DOTALL)
_ALWAYS_COLUMNS = frozenset({"time", "current", "cycles", "fraction"})  # never one value for all rows


def read_table(path: Path, kind: Kind, layout: Layout | None = None) -> Table:
    """Reads a table.

    Args:
        path: The file.
        kind: What it holds.
        layout: Columns and units that the command line declares.

    Raises:
        DataError: The file can't be read, a column is missing or named twice, a cell is no finite number, a unit can't
            be read or does not fit, a row has too many or too few cells or repeats another, times or cycles do not
            ascend.
    """
    layout = layout or Layout()
    text = read_lines(path)
    start = next((k for k, line in enumerate(text) if line.strip() and not line.lstrip().startswith("#")), None)
    if start is None:
        raise DataError(f"{path}:1:1: the file has no header; its first line must name the columns, with units")
    separator = next((mark for mark in ("\t", ";") if mark in text[start]), ",")
    header = split_cells(path, start + 1, text[start], separator)
    if all(number_and_unit(cell) for cell in header):
        raise DataError(f"{path}:{start + 1}:1: the first line holds numbers where the columns' names should stand")
    places, written = _places(path, kind, layout, header, start + 1, text[start], separator)
    remarks = _remarks(path, kind, text)
    _complete(path, kind, {*places, *remarks}, start + 1)
    for role, (line, _, _) in remarks.items():
        if role in places:
            raise DataError(f"{path}:{line}:1: '{role}' is given here and as a column; one of them must go")
    rows, lines = _rows(path, text, start + 1, separator, len(header))
    said = {role: f"{path}:{line}:{column}" for role, (line, column, _) in remarks.items()}
    table = Table(path, kind, {}, {}, np.array(lines, np.int64), places, said, text, separator)
    for role in ROLES[kind]:
        if role.name in places:
            cells = [row[places[role.name]] for row in rows]
            values = _words(table, cells) if not role.units else _numbers(table, role.name, cells)
            place = place_of(path, start + 1, text[start], places[role.name], separator)
            unit = written[role.name]
        elif role.name in remarks:
            place = said[role.name]
            value, unit = _remark_value(role, remarks[role.name][2], place)
            values = np.full(len(lines), value)
        else:
            continue
        unit = layout.units.get((kind, role.name), unit)
        try:
            si, table.units[role.name] = convert(values, unit, role.units) if role.units else (values, "1")
        except UnitError as error:
            raise DataError(f"{place}: column '{role.name}': {error}, or pass --unit {role.name}=...") from None
        table.columns[role.name] = si
    if "state" in table:
        table.columns["polarization"] = table.columns.pop("state")
        for where in (table.places, table.remarks):
            if "state" in where:
                where["polarization"] = where.pop("state")
    _check_order(table)
    return table


def _places(
    path: Path, kind: Kind, layout: Layout, header: list[str], number: int, line: str, separator: str
) -> tuple[dict[str, int], dict[str, str]]:
    """Returns which column has which role, and the units that the header gives."""
    parts = [match for cell in header if (match := _HEADER.fullmatch(cell))]
    names = [match[1].strip() for match in parts]
    units = [match[2] or match[3] or "" for match in parts]
    places: dict[str, int] = {}
    for role in ROLES[kind]:
        wanted = layout.columns.get((kind, role.name))
        if wanted is not None:
            hits = [k for k, cell in enumerate(header) if wanted in (cell, names[k])]
            if not hits:
                raise DataError(
                    f"{path}:{number}:1: no column is called {wanted!r}, as --column {role.name}=... says; "
                    f"there are: {', '.join(header)}"
                )
        else:
            plain = [" ".join(name.lower().replace("_", " ").split()) for name in names]
            hits = [k for k, name in enumerate(plain) if name == role.name]
            hits = hits or [k for k, name in enumerate(plain) if name in role.aliases]
        if len(hits) > 1:
            raise DataError(
                f"{place_of(path, number, line, hits[1], separator)}: a second column for '{role.name}'; "
                f"choose one with --column {role.name}=NAME"
            )
        if hits:
            places[role.name] = hits[0]
    return places, {role: units[k] for role, k in places.items()}


def _complete(path: Path, kind: Kind, given: set[str], number: int) -> None:
    """Refuses a table in which a role is missing, or two say the same thing."""
    for role in ROLES[kind]:
        if role.required and role.name not in given:
            raise DataError(
                f"{path}:{number}:1: no column '{role.name}'; name one so, or pass --column {role.name}=NAME"
            )
    for one, other, needed in (("amplitude", "field", True), ("polarization", "state", kind == "iv")):
        if not any(role.name == other for role in ROLES[kind]):
            continue
        if one in given and other in given:
            raise DataError(f"{path}:{number}:1: '{one}' and '{other}' are both given; one of them must go")
        if needed and one not in given and other not in given:
            raise DataError(
                f"{path}:{number}:1: no column '{one}' or '{other}'; name one so, or write '# {one} = ...' above"
            )


def _remarks(path: Path, kind: Kind, text: list[str]) -> dict[str, tuple[int, int, str]]:
    """Returns line, column and text of the values that comments give, by role."""
    known = {role.name for role in ROLES[kind]} - _ALWAYS_COLUMNS
    found: dict[str, tuple[int, int, str]] = {}
    for number, line in enumerate(text, 1):
        if not line.lstrip().startswith("#"):
            continue
        match = _REMARK.fullmatch(line.strip())
        if match is None or match[1].lower() not in known:
            continue
        if match[1].lower() in found:
            raise DataError(f"{path}:{number}:1: '{match[1]}' is given a second time")
        found[match[1].lower()] = (number, len(line.rstrip()) - len(match[2]) + 1, match[2])
    return found


def _remark_value(role: Role, text: str, place: str) -> tuple[float, str]:
    if not role.units:
        if text.lower() not in STATES:
            raise DataError(f"{place}: a state is one of {', '.join(STATES)}, not {text!r}")
        return STATES[text.lower()], "1"
    parts = number_and_unit(text)
    if parts is None:
        raise DataError(f"{place}: '{role.name}' must be a number with a unit, not {text!r}")
    return parts


def _rows(path: Path, text: list[str], begin: int, separator: str, width: int) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, line in enumerate(text[begin:], begin + 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = split_cells(path, number, line, separator)
        if len(cells) != width:
            raise DataError(f"{path}:{number}:1: {len(cells)} cells in this row, {width} in the header")
        rows.append(cells)
        lines.append(number)
    if not rows:
        raise DataError(f"{path}:{begin}:1: no rows below the header")
    return rows, lines


def _numbers(table: Table, role: str, cells: list[str]) -> NDArray[np.float64]:
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in cell:
            what = f"{cell!r} is not a finite number" if cell else "the cell is empty"
            hint = " (write a decimal point)" if re.fullmatch(r"[+-]?\d+,\d+", cell) else ""
            raise DataError(f"{table.at(row, role)}: column '{role}': {what}{hint}")
        values[row] = value
    return values


def _words(table: Table, cells: list[str]) -> NDArray[np.float64]:
    for row, cell in enumerate(cells):
        if cell.lower() not in STATES:
            raise DataError(f"{table.at(row, 'state')}: a state is one of {', '.join(STATES)}, not {cell!r}")
    return np.array([STATES[cell.lower()] for cell in cells])


def _check_order(table: Table) -> None:
    """Refuses times and cycles that do not ascend, and whole rows that come twice."""
    role = {"rtn": "time", "retention": "time", "endurance": "cycles"}.get(table.kind)
    if role is not None:
        values = table[role]
        good = np.concatenate([[True], np.diff(values) > 0])
        if not good.all():
            row = int(np.argmin(good))
            how = "repeats" if values[row] == values[row - 1] else "comes after"
            raise DataError(
                f"{table.at(row, role)}: {role} {values[row]:g} {how} {values[row - 1]:g} of line "
                f"{table.lines[row - 1]}; rows must ascend in {role}"
            )
        return
    seen: dict[str, int] = {}
    for number in table.lines:
        line = table.text[number - 1].strip()
        if line in seen:
            raise DataError(
                f"{table.path}:{number}:1: this row repeats line {seen[line]}; delete it, or number the runs in a "
                "column of their own if the same values were measured twice"
            )
        seen[line] = int(number)
