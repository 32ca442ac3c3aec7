"""The messages between the user's process and a worker: one JSON header line, then the arrays' raw bytes.

No pickle: a message holds JSON values and numeric arrays only. A header opens with a mark, so that whatever a launcher
prints before the worker speaks is passed over.
"""

import json
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_MARK = b"ftj-spice "
_DTYPES = frozenset({"float64", "int64", "complex128"})


class Disconnected(Exception):  # noqa: N818 - an end, seldom an error
    """The other side closed the pipe."""


class Writer(Protocol):
    """What `send` needs of a stream."""

    def write(self, data: bytes, /) -> Any:
        """Writes all of `data`."""
        ...

    def flush(self) -> Any:
        """Sends what is still held back."""
        ...


class Reader(Protocol):
    """What `receive` needs of a stream."""

    def readline(self) -> bytes:
        """Returns the next line with its line feed."""
        ...

    def read(self, size: int, /) -> bytes:
        """Returns `size` bytes, fewer only at the end."""
        ...


def send(stream: Writer, message: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None) -> None:
    """Writes one message and its arrays, and flushes."""
    payload = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    header = dict(message, arrays=[[name, a.dtype.name, list(a.shape)] for name, a in payload.items()])
    stream.write(_MARK + json.dumps(header).encode() + b"\n")
    for array in payload.values():
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: Reader) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Reads one message and its arrays.

    Raises:
        Disconnected: The stream ended.
    """
    line = b""
    while not line.startswith(_MARK):
        line = stream.readline()
        if not line.endswith(b"\n"):
            raise Disconnected
    message = json.loads(line.removeprefix(_MARK))
    arrays = {}
    for name, dtype, shape in message.pop("arrays"):
        if dtype not in _DTYPES:
            raise Disconnected(f"array of type {dtype} on the wire")
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        data = stream.read(size)
        if len(data) != size:
            raise Disconnected
        arrays[name] = np.frombuffer(data, dtype).reshape(shape)
    return message, arrays
