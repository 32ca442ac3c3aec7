"""Bits as text: the characters 0 and 1 with white space between, found and checked without holding the file."""

import bisect
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError

WHITE = b" \t\r\n\v\f"
"""Bytes that may stand between bits."""

_CHUNK = 1 << 20  # bytes read at once
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class AsciiBits:
    """A checked text file of bits.

    Attributes:
        path: The file.
        marks: Number of bits before each chunk of the file, and at the end all of them.
        lines: Lines that hold bits.
        line_bits: Bits of each of them where all hold equally many, else none.
    """

    path: Path
    marks: tuple[int, ...]
    lines: int
    line_bits: int | None

    @property
    def bits(self) -> int:
        """Number of bits in the file."""
        return self.marks[-1]

    def read(self, first: int, count: int) -> NDArray[np.uint8]:
        """Returns `count` bits from bit `first` on; reads only the chunks that hold them.

        Raises:
            OSError: The file can't be read.
            EOFError: It has fewer bits than when it was scanned.
        """
        bits = np.empty(count, np.uint8)
        chunk = bisect.bisect_right(self.marks, first) - 1
        skip, filled = first - self.marks[chunk], 0
        with self.path.open("rb") as file:
            file.seek(chunk * _CHUNK)
            while filled < count:
                content = file.read(_CHUNK)
                if not content:
                    raise EOFError
                found = np.frombuffer(content.translate(None, WHITE), np.uint8)[skip : skip + count - filled]
                bits[filled : filled + len(found)] = found & 1
                skip, filled = 0, filled + len(found)
        return bits


def scan(path: Path) -> AsciiBits:
    """Goes through a text file of bits once, in chunks.

    Raises:
        OSError: The file can't be read.
        DataError: It holds another character; the sentence names it with its line and column.
    """
    marks = [0]
    lines, line_bits, equal = 0, 0, True
    open_bits = 0  # bits of the line that goes on into the next chunk
    newlines, line_begin = 0, 0  # lines ended, and where the present one begins, in bytes from the file's begin
    with path.open("rb") as file:
        while content := file.read(_CHUNK):
            begin = file.tell() - len(content)
            if content.translate(None, b"01" + WHITE):
                raise DataError(_stranger(path, content, begin, newlines, line_begin))
            values = np.frombuffer(content, np.uint8)
            is_bit = (values & 0xFE) == ord("0")
            ends = np.flatnonzero(values == _NEWLINE)
            if len(ends):
                between = np.add.reduceat(is_bit, np.append(0, ends), dtype=np.int64)
                between[0] += open_bits
                open_bits = int(between[-1])
                full = between[:-1][between[:-1] > 0]
                if len(full):
                    line_bits = line_bits or int(full[0])
                    equal = equal and bool(np.all(full == line_bits))
                lines += len(full)
                newlines += len(ends)
                line_begin = begin + int(ends[-1]) + 1
            else:
                open_bits += int(np.count_nonzero(is_bit))
            marks.append(marks[-1] + int(np.count_nonzero(is_bit)))
    if open_bits:
        equal = equal and line_bits in (0, open_bits)
        lines, line_bits = lines + 1, line_bits or open_bits
    return AsciiBits(path, tuple(marks), lines, line_bits if equal and lines else None)


def _stranger(path: Path, content: bytes, begin: int, newlines: int, line_begin: int) -> str:
    """Returns a sentence about the first character of a chunk that is neither a bit nor white space."""
    odd = content.translate(None, b"01" + WHITE)[0]
    at = content.index(bytes([odd]))
    line = newlines + content.count(b"\n", 0, at) + 1
    last = content.rfind(b"\n", 0, at)
    column = at - last if last >= 0 else begin + at - line_begin + 1
    for length in range(1, 5):  # a character of UTF-8 has up to four bytes
        try:
            text = content[at : at + length].decode()
        except UnicodeDecodeError:
            continue
        shown = repr(text) if text.isprintable() else f"U+{ord(text):04X}"
        break
    else:
        shown = f"the byte 0x{odd:02X}"
    return (
        f"{path}: {shown} in line {line}, column {column}, is no bit: a text file of bits holds 0, 1 and white space "
        "only (packed binary needs --format packed)"
    )
