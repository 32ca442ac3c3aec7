"""Waveforms in ngspice's binary .raw format, as waveform viewers read them.

The header is text, the samples follow point by point as little-endian doubles (complex plots: real and imaginary
part). Files written here hold one real plot and no date, so that equal waveforms give equal bytes. They hold no
`Command:` line either: ngspice would execute it when it loads the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.common.files import reason, writing

Kind = Literal["time", "voltage", "current"]
KINDS = ("time", "voltage", "current")
"""Kinds of vectors that `write_raw` writes, by ngspice's names."""

_BINARY = b"Binary:\n"


@dataclass(frozen=True)
class RawFile:
    """One plot of a raw file.

    Attributes:
        title: First line of the netlist, as the simulator wrote it.
        plot_name: Kind of analysis, e.g. `Transient Analysis`.
        names: Vector names in the file's order; the first is the scale.
        kinds: Kind of each vector: `time`, `voltage`, `current`, `frequency`, ...
        vectors: Samples by name, each of shape `(points,)`, float64 or, in a complex plot, complex128; in SI units.
    """

    title: str
    plot_name: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    vectors: dict[str, NDArray[Any]]

    @property
    def scale(self) -> NDArray[Any]:
        """The first vector: time in s, or frequency in Hz."""
        return self.vectors[self.names[0]]


def write_raw(path: Path, title: str, plot_name: str, vectors: Mapping[str, tuple[Kind, ArrayLike]]) -> None:
    """Writes one real plot as a binary raw file.

    Args:
        path: File to write; an existing one is replaced.
        title: One line.
        plot_name: One line; viewers know `Transient Analysis`.
        vectors: Kind and samples by name (`time`, `v(out)`, `i(vsense)`, ...), each of shape `(points,)` in SI units.
            The first is the scale.

    Raises:
        ValueError: A name, kind, title or shape that the format can't hold.
        OutputError: The file can't be written.
    """
    _check_line("title", title)
    _check_line("plot name", plot_name)
    if not vectors:
        raise ValueError("a raw file needs at least one vector")
    columns = []
    for name, (kind, samples) in vectors.items():
        if not name or not name.isascii() or not name.isprintable() or " " in name:
            raise ValueError(f"vector name {name!r} must be printable ASCII without spaces")
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} of {name!r} is none of {', '.join(KINDS)}")
        columns.append(np.asarray(samples, float))
    if len({name.lower() for name in vectors}) < len(vectors):
        raise ValueError("two vectors have the same name (ngspice takes capital and small letters for the same)")
    if columns[0].ndim != 1 or not columns[0].size or any(c.shape != columns[0].shape for c in columns):
        raise ValueError("all vectors of a raw file must be of one shape (points,), with at least one point")
    lines = [
        f"Title: {title}",
        f"Plotname: {plot_name}",
        "Flags: real",
        f"No. Variables: {len(vectors)}",
        f"No. Points: {len(columns[0])}",
        "Variables:",
        *(f"\t{number}\t{name}\t{kind}" for number, (name, (kind, _)) in enumerate(vectors.items())),
    ]
    header = "".join(f"{line}\n" for line in lines).encode() + _BINARY
    samples = np.stack(columns, axis=1).astype("<f8")
    with writing(path), path.open("wb") as file:
        file.write(header)
        file.write(samples.data)


def read_raw(path: Path, plot: int | None = None) -> RawFile:
    """Reads a binary raw file: ngspice's, real or complex, or one of `write_raw`.

    Args:
        path: The file.
        plot: Which plot of a file with several, from 0; none insists on a file with a single one.

    Raises:
        DataError: The file can't be read, is no binary raw file, is cut short or damaged, or holds several plots and
            none was chosen.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"can't read {path}: {reason(error)}") from error
    plots: list[RawFile] = []
    position = 0
    while position < len(data):
        try:
            found, position = _read_plot(data, position)
            plots.append(found)
        except ValueError as error:
            raise DataError(f"{path}: not a whole ngspice raw file: {error}") from None
    if not plots:
        raise DataError(f"{path}: not a whole ngspice raw file: it is empty")
    if plot is None and len(plots) > 1:
        names = ", ".join(f"{number}: {entry.plot_name}" for number, entry in enumerate(plots))
        raise DataError(f"{path}: holds {len(plots)} plots ({names}); say which to read")
    if plot is not None and not 0 <= plot < len(plots):
        raise DataError(f"{path}: has no plot {plot}; it holds {len(plots)}, numbered from 0")
    return plots[plot or 0]


def _check_line(what: str, text: str) -> None:
    if not text.isprintable() or text != text.strip() or not text:
        raise ValueError(f"the {what} {text!r} must be one line of printable characters")


def _read_plot(data: bytes, begin: int) -> tuple[RawFile, int]:
    """Reads the plot at `begin`; returns it and the position after it. Raises ValueError with the reason."""
    split = data.find(_BINARY, begin)
    if split < 0:
        if b"\nValues:\n" in data[begin:]:
            raise ValueError("its samples are text; let ngspice write binary ones (set filetype=binary)")
        raise ValueError("no 'Binary:' line")
    lines = data[begin:split].decode("utf-8", errors="replace").splitlines()
    fields: dict[str, str] = {}
    while lines:
        key, colon, value = lines.pop(0).partition(":")
        if key == "Variables" and not value.strip():
            break
        if not colon:
            raise ValueError(f"header line {key[:40]!r} is not 'name: value'")
        fields[key] = value.strip()
    count, points = (_number(fields, key) for key in ("No. Variables", "No. Points"))
    flags = fields.get("Flags", "").lower().split()
    if ("real" in flags) == ("complex" in flags) or "unpadded" in flags:
        raise ValueError(f"flags {fields.get('Flags')!r}, neither 'real' nor 'complex'")
    rows = [line.split() for line in lines]
    if len(rows) != count or any(len(row) < 3 or row[0] != str(k) for k, row in enumerate(rows)):
        raise ValueError(f"the list of variables is not {count} lines of number, name and kind")
    names, kinds = tuple(row[1] for row in rows), tuple(row[2] for row in rows)
    if len(set(names)) < count:
        raise ValueError("two vectors have the same name")
    dtype = np.dtype("<f8") if "real" in flags else np.dtype("<c16")
    start = split + len(_BINARY)
    end = start + points * count * dtype.itemsize
    if end > len(data):
        raise ValueError(f"{points} points of {count} vectors need {end - start} bytes, {len(data) - start} are there")
    table = np.frombuffer(data, dtype, points * count, start).reshape(points, count)
    columns = np.ascontiguousarray(table.T).astype(dtype.newbyteorder("="), copy=False)
    vectors = dict(zip(names, columns, strict=True))
    return RawFile(fields.get("Title", ""), fields.get("Plotname", ""), names, kinds, vectors), end


def _number(fields: Mapping[str, str], key: str) -> int:
    text = fields.get(key, "")
    if not text.isdecimal():
        raise ValueError(f"no '{key}'")
    if int(text) == 0:  # ngspice writes the number last: zero in a run that was cut off
        raise ValueError(f"'{key}' is 0, so the simulation was cut off")
    return int(text)
