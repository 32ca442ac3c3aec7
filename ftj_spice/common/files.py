"""Writing files: whole or not at all, and system errors as one sentence."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftj_spice.common.errors import OutputError

FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
"""Error numbers that say that nothing more fits: disk full, file size limit, quota."""


def reason(error: OSError) -> str:
    """Returns what went wrong in a few words, without a path."""
    if error.errno in FULL:
        return f"nothing more fits on the disk ({os.strerror(error.errno or 0).lower()})"
    return (error.strerror or str(error)).lower()


def read_regular(path: Path, largest: int) -> bytes:
    """Returns the content of a file that somebody else may have made: no pipe or device to wait for, and not too large.

    Args:
        path: The file.
        largest: Most bytes that are read.

    Raises:
        OSError: It can't be read, is no regular file, or is larger.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EINVAL, f"it has more than {largest:,} bytes", str(path))
    return content


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a system error in the body into an `OutputError` that names `path` and keeps the error as its cause.

    Raises:
        OutputError: The body raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"can't write {path}: {reason(error)}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Writes `content` to a temporary file beside `path` and moves it there in one step.

    Raises:
        OutputError: The file can't be written.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
            temporary = Path(stream.name)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise OutputError(f"can't write {path}: {reason(error)}") from error
