"""Atomic file writing."""

import os
import tempfile
from pathlib import Path

from ftj_spice.common.errors import OutputError


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
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error
