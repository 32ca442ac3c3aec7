"""Files of random bits: text, packed binary or .npy, as one stream or several, never held in memory as a whole.

**Text**: the characters 0 and 1 with any white space between. **Packed**: eight bits a byte, the most significant
first, as NIST's SP 800-22 tool reads them. **npy**: integers 0 and 1, one dimension, or `(streams, bits)`.

How a file splits into streams is told by the caller, else by the file FILE.json beside it (`SIDECAR`), else by the
content: rows of an .npy matrix, or lines of a text where there are several, all with equally many bits and at least
`SHORTEST_LINE` (shorter ones are one stream that somebody wrapped); otherwise the file is one stream.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.common.files import read_regular, reason, writing
from ftj_spice.common.npyfile import open_npy
from ftj_spice.randomness.ascii_bits import WHITE, scan

FORMATS = ("auto", "ascii", "packed", "npy")
"""What `open_bits` takes; `write_bits` takes the second and third."""
SHORTEST_LINE = 1000
"""Lines of a text with fewer bits are no streams of their own."""
KIND = "random bits"
"""Value of `kind` in a FILE.json that tells about the bit file beside it."""

_LARGEST_SIDECAR = 1 << 20  # bytes of a FILE.json; ours have some thousand
_DEEPEST_SIDECAR = 20  # levels of lists and dictionaries in it; ours have three
_SAMPLE = 1 << 16  # bytes looked at to tell text from binary
_TEXT_SHARE = 0.45  # of them 0, 1 or white space: text (two-byte characters too); packed random bits have 3 %
_PRINTABLE = bytes(range(0x20, 0x7F)) + WHITE


@dataclass(frozen=True)
class BitStreams:
    """A file of bits, opened: streams of equal length that are read one at a time.

    Attributes:
        path: The file.
        format: `ascii`, `packed` or `npy`.
        streams: Number of streams.
        stream_bits: Bits of each.
        unused: Bits after the last stream.
        told_by: What tells how the file splits into streams.
        origin: What the FILE.json beside it says; empty without one.
    """

    path: Path
    format: str
    streams: int
    stream_bits: int
    unused: int
    told_by: str
    origin: dict[str, Any]
    _read: Callable[[int, int], NDArray[np.uint8]] = field(repr=False)

    def __len__(self) -> int:
        return self.streams

    @property
    def lengths(self) -> tuple[int, ...]:
        """Bits of each stream."""
        return (self.stream_bits,) * self.streams

    @property
    def description(self) -> str:
        """What the file was taken for, e.g. `packed binary, 100 streams of 1,000,000 bits (by bits.bin.json)`."""
        name = {"ascii": "text of 0 and 1", "packed": "packed binary", "npy": ".npy file"}[self.format]
        rest = f"; the last {self.unused:,} bits are not used" if self.unused else ""
        return f"{name}, {self.streams:,} stream{'s' * (self.streams > 1)} of {self.stream_bits:,} bits " + (
            f"({self.told_by}){rest}"
        )

    def stream(self, number: int) -> NDArray[np.uint8]:
        """Returns the bits of one stream, 0 or 1, shape `(stream_bits,)`; nothing else is read from the disk.

        Raises:
            DataError: The file can't be read, changed since it was opened, or (npy) holds other numbers.
            IndexError: There is no such stream.
        """
        if not 0 <= number < self.streams:
            raise IndexError(f"stream {number} of {self.streams}")
        try:
            return self._read(number * self.stream_bits, self.stream_bits)
        except OSError as error:
            raise DataError(f"can't read bits from {self.path}: {reason(error)}") from error
        except EOFError:
            raise DataError(f"{self.path} became shorter while it was read") from None


def sidecar(path: Path) -> Path:
    """Returns where the description of a bit file lies: FILE.json."""
    return path.with_name(path.name + ".json")


def open_bits(
    path: str | Path, *, file_format: str = "auto", streams: int | None = None, stream_bits: int | None = None
) -> BitStreams:
    """Opens a file of bits and splits it into streams.

    A text is read through once, in chunks, to check its characters; of the other formats only the size is looked at.

    Args:
        path: The file; what lies beside it as FILE.json is read too.
        file_format: One of `FORMATS`; `auto` goes by FILE.json, else by the content.
        streams: Number of streams; with nothing else told, the bits are divided evenly.
        stream_bits: Bits of each; with nothing else told, as many streams as there are.

    Raises:
        SettingsError: Unknown format, or a number below 1.
        DataError: The file can't be read, is empty, holds other characters, or too few bits.
    """
    path = Path(path)
    if file_format not in FORMATS:
        raise SettingsError(f"unknown format {file_format[:40]!r} of bits; known: {', '.join(FORMATS)}")
    for name, number in (("streams", streams), ("bits of a stream", stream_bits)):
        if number is not None and number < 1:
            raise SettingsError(f"the number of {name} must be at least 1, got {number}")
    try:
        if not path.is_file():
            raise DataError(f"{path} is {'no file' if path.exists() else 'not there'}; give a file of bits")
        origin = _origin(path)
        if file_format == "auto":
            file_format = origin.get("format") or _guess(path)
        total, read, natural = _reader(path, file_format)
    except OSError as error:
        raise DataError(f"can't read bits from {path}: {reason(error)}") from error
    if total == 0:
        raise DataError(f"{path} is empty: it holds no bits")
    if streams is not None or stream_bits is not None:
        told_by = "as asked"
    elif origin:
        told_by, streams, stream_bits = f"by {sidecar(path).name}", origin["streams"], origin["stream_bits"]
    elif natural is not None:
        told_by, streams, stream_bits = natural
    else:
        told_by, streams = "one stream", 1
    count, length = _split(path, total, streams, stream_bits, told_by)
    unused = _unused(file_format, origin, total, count * length)
    return BitStreams(path, file_format, count, length, unused, told_by, origin, read)


def _split(path: Path, total: int, streams: int | None, stream_bits: int | None, told_by: str) -> tuple[int, int]:
    length = stream_bits if stream_bits is not None else max(total // (streams or 1), 1)
    count = streams if streams is not None else max(total // length, 1)
    if count * length > total:
        raise DataError(
            f"{path} holds {total:,} bits, fewer than {count:,} stream{'s' * (count > 1)} of {length:,} bits "
            f"({told_by}); was it cut short?"
        )
    return count, length


def _unused(file_format: str, origin: dict[str, Any], total: int, used: int) -> int:
    """Returns how many bits are left over; the zeros that fill the last byte of a file we wrote are no bits."""
    padding = total - used
    ours = origin and origin["streams"] * origin["stream_bits"] == used and file_format == "packed" and padding < 8
    return 0 if ours else padding


Natural = tuple[str, int, int] | None
Reader = Callable[[int, int], NDArray[np.uint8]]


def _reader(path: Path, file_format: str) -> tuple[int, Reader, Natural]:
    """Returns the number of bits, how to read some, and the streams that the content itself shows."""
    if file_format == "ascii":
        text = scan(path)
        natural = None
        if text.lines > 1 and text.line_bits is not None and text.line_bits >= SHORTEST_LINE:
            natural = "one stream a line", text.lines, text.line_bits
        return text.bits, text.read, natural
    if file_format == "packed":
        return 8 * path.stat().st_size, lambda first, count: _read_packed(path, first, count), None
    array = open_npy(path, "bits")
    if array.ndim not in (1, 2) or array.dtype.kind not in "iu":
        raise DataError(
            f"{path}: bits are integers of shape (bits,) or (streams, bits), got {array.dtype} of shape {array.shape}"
        )
    natural = ("one stream a row", *array.shape) if array.ndim == 2 else None
    return array.size, lambda first, count: _read_npy(path, array, first, count), natural


def _read_packed(path: Path, first: int, count: int) -> NDArray[np.uint8]:
    begin, end = first // 8, -(-(first + count) // 8)
    packed = np.fromfile(path, np.uint8, count=end - begin, offset=begin)
    if len(packed) < end - begin:
        raise EOFError
    return np.unpackbits(packed)[first - 8 * begin :][:count]


def _read_npy(path: Path, array: NDArray[Any], first: int, count: int) -> NDArray[np.uint8]:
    part = np.asarray(array.reshape(-1)[first : first + count] if array.ndim == 1 else _rows(array, first, count))
    odd = (part != 0) & (part != 1)
    if odd.any():
        at = int(np.argmax(odd))
        raise DataError(f"{path}: element {first + at} is {part[at]}, but a bit is 0 or 1")
    return part.astype(np.uint8)


def _rows(array: NDArray[Any], first: int, count: int) -> NDArray[Any]:
    """Returns elements in row order of a matrix that may be stored column by column."""
    columns = array.shape[1]
    top, bottom = first // columns, -(-(first + count) // columns)
    return array[top:bottom].reshape(-1)[first - top * columns :][:count]


def _guess(path: Path) -> str:
    """Tells the format by the first bytes: text that holds other characters is still text, and refused as such."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    if sample.startswith(b"\x93NUMPY"):
        return "npy"
    bits = len(sample) - len(sample.translate(None, b"01" + WHITE))
    text = not sample.translate(None, _PRINTABLE) or bits >= _TEXT_SHARE * len(sample)
    return "ascii" if text else "packed"


def _origin(path: Path) -> dict[str, Any]:
    """Returns what FILE.json says; nothing where there is none, or one of another kind."""
    beside = sidecar(path)
    if not os.path.lexists(beside):
        return {}
    try:
        text = read_regular(beside, _LARGEST_SIDECAR).decode()
        data = json.loads(text, parse_constant=_no_number)
        json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair could not be written again
        if not _shallow(data, _DEEPEST_SIDECAR):
            raise RecursionError
    except (OSError, ValueError, RecursionError) as error:
        text = reason(error) if isinstance(error, OSError) else "it is no JSON"
        raise DataError(f"can't tell the streams of {path} by {beside.name}: {text}; mend or remove it") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        return {}
    for name in ("streams", "stream_bits"):
        number = data.get(name)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise DataError(f"{beside}: {name} must be a whole number above 0, got {str(number)[:40]!r}")
    if data.get("format") not in FORMATS[1:]:
        raise DataError(f"{beside}: format must be ascii, packed or npy, got {str(data.get('format'))[:40]!r}")
    return data


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _shallow(value: Any, levels: int) -> bool:
    """Says whether lists and dictionaries lie no deeper in each other; whoever goes through them recurses."""
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_shallow(entry, levels - 1) for entry in entries)


def write_bits(
    path: str | Path, chunks: Iterable[NDArray[np.uint8]], file_format: str = "packed", stream_bits: int | None = None
) -> int:
    """Writes bits as they come to a temporary file and moves it to its place when it is whole.

    Args:
        path: The file; one that is there is replaced.
        chunks: Bits, 0 or 1, in pieces of any size.
        file_format: `packed` (the last byte is filled with zeros) or `ascii`.
        stream_bits: In a text, bits of a line; none puts all into one.

    Returns:
        The number of bits.

    Raises:
        SettingsError: Unknown format.
        OutputError: The file can't be written.
    """
    path = Path(path)
    if file_format not in FORMATS[1:3]:
        raise SettingsError(f"bits are written as ascii or packed, not as {file_format[:40]!r}")
    temporary: Path | None = None
    try:
        with writing(path):
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.partial-", delete=False) as file:
                temporary = Path(file.name)
                total = (
                    _write_packed(file, chunks) if file_format == "packed" else _write_text(file, chunks, stream_bits)
                )
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise
    return total


def _write_packed(file: BinaryIO, chunks: Iterable[NDArray[np.uint8]]) -> int:
    total, left = 0, np.empty(0, np.uint8)
    for chunk in chunks:
        total += len(chunk)
        bits = np.concatenate([left, chunk]) if len(left) else chunk
        whole = len(bits) // 8 * 8
        file.write(np.packbits(bits[:whole]).tobytes())
        left = bits[whole:].copy()
    file.write(np.packbits(left).tobytes())
    return total


def _write_text(file: BinaryIO, chunks: Iterable[NDArray[np.uint8]], line: int | None) -> int:
    total = 0
    for chunk in chunks:
        text, at = (chunk + np.uint8(ord("0"))).tobytes(), 0
        while line is not None and at + (room := line - total % line) <= len(text):
            file.write(text[at : at + room] + b"\n")
            at, total = at + room, total + room
        file.write(text[at:])
        total += len(text) - at
    if line is None or total % line:
        file.write(b"\n")
    return total
