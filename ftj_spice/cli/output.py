"""Standard output and standard error: whole or an error, and no control characters from names and files."""

import contextlib
import json
import os
import sys
from typing import Any

from ftj_spice.common.errors import OutputError


class NobodyReadsError(Exception):
    """Whoever read standard output has left, as `head` does."""


def say(text: str) -> None:
    """Writes lines to standard output.

    Raises:
        OutputError: It can't take them, for example because a disk is full.
        NobodyReadsError: Nobody reads on.
    """
    if sys.stdout is None:
        raise OutputError("can't write to standard output: it is closed")
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise NobodyReadsError from None
    except OSError as error:
        abandon_output()
        raise OutputError(f"can't write to standard output: {error.strerror}") from None


def abandon_output() -> None:
    """Lets what is still buffered go nowhere, so that Python does not stumble over it when it leaves."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_json(data: Any) -> None:
    """Writes data as JSON to standard output; errors are those of `say`."""
    say(json.dumps(data, indent=2))


def complain(sentence: str) -> None:
    """Writes one sentence to standard error, control characters made visible."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in sentence)
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"ftj-spice: {line}\n")
            sys.stderr.flush()
