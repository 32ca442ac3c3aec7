"""Writing files: system errors become one sentence."""

import errno
import os
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
