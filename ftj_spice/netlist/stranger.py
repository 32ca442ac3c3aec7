"""A stranger's template, rendered in a process of its own: one that never ends or fills the memory ends only itself.

Jinja's sandbox keeps a template from Python, but not from `9**(9**9)` or from loops in loops, which no signal stops.
"""

import json
import resource
import subprocess
import sys
from functools import lru_cache
from typing import Any

from ftj_spice.netlist.render import RenderError, check, render_text

SECONDS = 20
"""Time that a template gets; the packaged ones take milliseconds."""
MEMORY = 2**31
"""Bytes of address space that it gets."""


def render_apart(source: str, where: str, /, **context: Any) -> str:
    """Renders as `render_text` does, within `SECONDS` and `MEMORY`.

    Args:
        source: The template's text.
        where: What it came from; it opens the error's sentence.
        **context: Its variables; see `check` for what may enter.

    Raises:
        RenderError: As in `render_text`, or the template takes too much.
    """
    return _rendered(json.dumps([source, where, {name: check(value, name) for name, value in context.items()}]), where)


@lru_cache(maxsize=256)  # Monte Carlo draws render one template again and again
def _rendered(request: str, where: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ftj_spice.netlist.stranger"],
            input=request.encode(), capture_output=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RenderError(f"template {where}: it is not rendered after {SECONDS} s; does it ever end?") from None
    kind, _, text = done.stdout.decode().partition("\n")
    if kind == "error":
        raise RenderError(text)
    if kind != "text" or done.returncode:
        raise RenderError(f"template {where}: it can't be rendered within {SECONDS} s and {MEMORY >> 30} GiB of memory")
    return text


def _answer() -> None:  # pragma: no cover - in a process of its own
    """Renders what standard input asks for; limits hold for what the template does, and if nobody waits any more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    source, where, context = json.loads(sys.stdin.buffer.read())
    try:
        answer = "text\n" + render_text(source, where, **context)
    except RenderError as error:
        answer = f"error\n{error}"
    sys.stdout.buffer.write(answer.encode())


if __name__ == "__main__":
    _answer()
