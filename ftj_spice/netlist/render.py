"""Strict rendering of the netlist templates in `netlists/`.

Whatever enters a netlist passes one gate: a context holds finite numbers, booleans, identifiers (a letter, then
letters, digits and `_`) and arrays, sequences or mappings of them, nothing else. A newline, a brace or a control line
can't get in from a setting, a card or a file name. Templates use Jinja2 with undefined variables as errors; numbers are
written with 12 digits, and one that a template computed is refused as well where it is not finite.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import jinja2
import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ftj_spice.common import resources
from ftj_spice.common.errors import FtjSpiceError

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class RenderError(FtjSpiceError):
    """A value is not fit for a netlist, or a template asks for one that is missing."""


def check(value: Any, where: str) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """Returns a value that is fit for a netlist, arrays as nested lists.

    Args:
        value: The candidate.
        where: Its name, for the error's sentence.

    Raises:
        RenderError: The value is not a finite number, an identifier, or made of such.
    """
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            raise RenderError(f"'{where}' is {number}: only finite numbers may enter a netlist")
        return number
    if isinstance(value, str):
        text = str.__str__(value)  # its own characters, whatever a subclass says they are
        if not _IDENTIFIER.fullmatch(text):
            raise RenderError(
                f"'{where}' is {text[:40]!r}: only a letter, then up to 63 letters, digits and '_' may enter a netlist"
            )
        return text
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub":
            raise RenderError(f"'{where}' is an array of {value.dtype}: only numbers may enter a netlist")
        with np.errstate(over="ignore"):  # of wider floats: found just below
            numbers = np.asarray(value, float if value.dtype.kind == "f" else None)
        if not np.isfinite(numbers).all():
            raise RenderError(f"'{where}' holds a value that is not finite: only finite numbers may enter a netlist")
        return numbers.tolist()
    if isinstance(value, Mapping):
        return {check(key, where): check(entry, f"{where}.{key}") for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [check(entry, where) for entry in value]
    raise RenderError(f"'{where}' is a {type(value).__name__}: only numbers and identifiers may enter a netlist")


def _write(value: Any) -> Any:
    """Writes one number the way ngspice reads it; text of our own macros passes."""
    kind = value.__class__
    if kind is float:
        if not math.isfinite(value):
            raise RenderError(f"a template computed {value} from its values: they are too large or too small")
        return f"{value:.12g}"
    if kind is str or kind is int or isinstance(value, jinja2.Undefined):  # the last raises when it is written
        return value
    if kind is bool:
        return int(value)
    raise RenderError(f"a template writes a {kind.__name__}: only numbers and identifiers may enter a netlist")


_JINJA: dict[str, Any] = {
    "undefined": jinja2.StrictUndefined,
    "finalize": _write,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "autoescape": False,  # a netlist is not HTML, and `check` lets nothing in that could need escaping
}


@cache
def _environment(sandboxed: bool = False) -> jinja2.Environment:
    kind = ImmutableSandboxedEnvironment if sandboxed else jinja2.Environment
    return kind(loader=jinja2.FileSystemLoader(resources.netlists()), **_JINJA)


def render(template: str, /, **context: Any) -> str:
    """Renders one template.

    Args:
        template: Path below `netlists/`, e.g. `benches/read.cir.j2`.
        **context: Its variables; see `check` for what may enter.

    Raises:
        RenderError: A value is not fit for a netlist, the template asks for a variable that is not given, or there is
            no such template.
    """
    return _fill(lambda: _environment().get_template(template), template, context)


def render_text(source: str, where: str, /, **context: Any) -> str:
    """Renders a template that may come from elsewhere, in Jinja's sandbox; it may import the packaged macros.

    What it writes besides values is not checked here.

    Args:
        source: The template's text.
        where: What it came from; it opens the error's sentence.
        **context: Its variables; see `check` for what may enter.

    Raises:
        RenderError: As in `render`, or the template does what the sandbox forbids.
    """
    try:
        return _fill(lambda: _compiled(source), where, context)
    except RenderError:
        raise
    except Exception as error:  # whatever a stranger's template does is its own fault
        raise RenderError(f"template {where}: {str(error) or type(error).__name__}") from None


@lru_cache(maxsize=256)
def _compiled(source: str) -> jinja2.Template:
    """Returns a text as a template of the sandbox; Monte Carlo renders the same one hundreds of times."""
    return _environment(sandboxed=True).from_string(source)


def _fill(get: Callable[[], jinja2.Template], where: str, context: Mapping[str, Any]) -> str:
    safe = {name: check(value, name) for name, value in context.items()}
    try:
        text = get().render(safe)
    except jinja2.TemplateNotFound as error:
        raise RenderError(f"there is no netlist template {error.name!r}") from None
    except (jinja2.TemplateError, ArithmeticError) as error:
        raise RenderError(f"template {where}: {error}") from None
    return re.sub(r"\n{2,}", "\n", text)
