"""Reader of the IDX format in which MNIST is distributed: a big-endian header and unsigned bytes, plain or gzipped.

Header: two zero bytes, one byte for the element type (8: unsigned byte), one for the number of dimensions, then each
dimension as a 32-bit unsigned integer (http://yann.lecun.com/exdb/mnist/).
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 8


def read_idx(path: str | Path, ndim: int) -> NDArray[np.uint8]:
    """Reads an IDX file of unsigned bytes; gzip is recognised by its content, not by the file's name.

    Args:
        path: The file.
        ndim: The number of dimensions that it must have: 3 for images, 1 for labels.

    Returns:
        A read-only array of the file's shape.

    Raises:
        DataError: The file can't be read, is damaged or truncated, goes on after its data, or holds something else.
    """
    try:
        content = Path(path).read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip data is damaged or truncated: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    start = 4 + 4 * ndim
    expected = bytes((0, 0, _UNSIGNED_BYTE, ndim))
    if content[:4] != expected:
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes with {ndim} dimension{'s' * (ndim > 1)}: "
            f"it starts with {content[:4].hex() or 'nothing'} instead of {expected.hex()}"
        )
    if len(content) < start:
        raise DataError(f"{path}: truncated inside its header, {len(content)} bytes instead of {start}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", ndim, offset=4))
    size = math.prod(shape)
    if len(content) - start != size:
        raise DataError(
            f"{path}: the header promises {size} bytes of data {shape}, the file holds {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
