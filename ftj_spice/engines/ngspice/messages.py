"""Turns what ngspice printed about a failed request into a typed error with one sentence.

Whether a request failed is decided by its outcome (a refused netlist, a missing vector, an end not reached), never by
a warning: harmless ones differ from version to version. The text only tells which failure it was.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ftj_spice.engines.errors import (
    ConvergenceError,
    EngineError,
    IterationLimitError,
    NetlistError,
    SingularMatrixError,
    TimestepError,
    UnknownModelError,
)

_CHANNEL = re.compile(r"^(stdout|stderr)\s?")
_SHOUT = re.compile(r"^(?:(?:fatal |pt)?error|warning)\s*[:,-]*\s*", re.I)
_LINE = re.compile(r"(?:error on line|in line no\.?|original line no\.?)\s*:?\s*(\d+)", re.I)
_INLINE = re.compile(r"[,:]?\s*\bat line (\d+)\b.*", re.I)
_REFUSED = re.compile(
    r"^(?:Error on line|Error: unknown subckt|Error: circuit not parsed|Error: there aren't any circuits"
    r"|Error: \.end statement|Error: Could not find include file|Too few parameters for subcircuit"
    r"|Error: no circuit|Error: incomplete or empty netlist)",
    re.I,
)
_MODEL_NAME = re.compile(
    r"can't find model '([^']+)'|unable to find definition of model '?([^\s']+)|no such model:? '?([^\s']+)"
    r"|model '?([^\s']+?)'? (?:was )?not found",
    re.I,
)
_MODEL = re.compile(r"could not find a valid modelname|unable to find definition of model|no such model", re.I)
_SUBCIRCUIT = re.compile(r"unknown subckt:\s*(.*)", re.I)
_PARAMETER = re.compile(r"undefined (?:parameter|function|number) \[([^\]]+)\]", re.I)
_INCLUDE = re.compile(r"could not find include file (\S+)", re.I)
_COMPLAINT = re.compile(
    r"error|unknown|undefined|incomplete|mismatch|missing|not (?:allowed|found|defined)|too few|no such"
    r"|can't|cannot|could not|unimplemented",
    re.I,
)
_EMPTY_PHRASES = re.compile(
    r"cannot recover|is not properly|aborted|^ngspice left with|parameter value out of range or the wrong type"
    r"|will cause subsequent|circuit not parsed|aren't any circuits|simulation interrupted|run simulation",
    re.I,
)

_CONVERGENCE: tuple[tuple[re.Pattern[str], type[ConvergenceError], str], ...] = (
    (re.compile(r"singular matrix:?\s*(.*)", re.I), SingularMatrixError, "singular matrix"),
    (re.compile(r"transient op (failed).*", re.I), ConvergenceError, "no operating point: even the last resort, a "
     "transient, has"),
    (re.compile(r"timestep too small(?:;|:)?\s*(.*)", re.I), TimestepError, "time step too small"),
    (re.compile(r"(?:iteration limit reached|too many iterations)\s*(.*)", re.I), IterationLimitError,
     "iteration limit reached"),
    (re.compile(r"(?:no convergence|not converge|stepping failed)\s*(.*)", re.I), ConvergenceError, "no convergence"),
)  # fmt: skip


def clean(output: Sequence[str]) -> list[str]:
    """Returns ngspice's lines without their channel prefix and without empty ones."""
    lines = (_CHANNEL.sub("", line).strip() for line in output)
    return [line for line in lines if line]


def looks_refused(output: Sequence[str]) -> bool:
    """Whether ngspice says that it holds no usable circuit: it loads what it can and only complains."""
    return any(_REFUSED.search(line) for line in clean(output))


def is_empty(netlist: str) -> bool:
    """Whether a netlist has no line beyond title, comments and `.end`: ngspice leaves when it sees one."""
    lines = (line.strip().lower() for line in netlist.splitlines()[1:])
    return all(not line or line[0] in "*$;" or line == ".end" for line in lines)


def netlist_error(output: Sequence[str], netlist: str, kept: Path | None) -> NetlistError:
    """Says why a netlist was refused, with the line where ngspice tells it or the text allows to find it."""
    lines = clean(output)
    source = netlist.splitlines()
    at = next((k for k, line in enumerate(lines) if _LINE.search(line)), None)
    number, echo = None, ""
    if at is not None:
        match = _LINE.search(lines[at])
        assert match is not None
        number = int(match.group(1))
        echo = lines[at + 1] if at + 1 < len(lines) else ""
    elif match := next((m for line in lines if (m := _INLINE.search(line))), None):
        number = int(match.group(1))
    for line in lines:
        if match := _SUBCIRCUIT.search(line):
            words = [word for word in match.group(1).split() if "=" not in word]
            where = _where(source, None, match.group(1))
            return UnknownModelError(f"no such subcircuit: '{words[-1] if words else '?'}'{where}", kept)
        if match := _PARAMETER.search(line):
            name = match.group(1)
            return NetlistError(f"undefined parameter '{name}'{_where(source, None, name, anywhere=True)}", kept)
        if match := _INCLUDE.search(line):
            where = _where(source, None, match.group(1), anywhere=True)
            return NetlistError(f"the include file {match.group(1)} does not exist{where}", kept)
    if any(_MODEL.search(line) for line in lines):
        found = next((m for line in lines if (m := _MODEL_NAME.search(line))), None)
        name = next((group for group in found.groups() if group), "?") if found else _last_name(echo)
        return UnknownModelError(f"no such model: '{name}'{_where(source, number, echo)}", kept)
    return NetlistError(f"the netlist can't be parsed{_where(source, number, echo)}: {_complaint(lines, echo)}", kept)


def simulation_error(reason: str, output: Sequence[str], kept: Path | None) -> EngineError:
    """Says why an analysis gave no (complete) result."""
    lines = clean(output)
    for pattern, kind, sentence in _CONVERGENCE:
        for line in lines:
            if match := pattern.search(line):
                detail = match.group(1).strip(" .:;")
                joint = " " if sentence.endswith("has") else ": "
                return kind(f"{sentence}{joint}{detail}" if detail else sentence, kept)
    return EngineError(f"the simulation gave no result, {reason}: {_complaint(lines, '')}", kept)


def last_words(output: Sequence[str]) -> str:
    """Returns the complaint with which a worker ended."""
    return _complaint(clean(output), "")


def _complaint(lines: list[str], echo: str) -> str:
    """Picks the line that says most: a complaint that is neither the echo of a netlist line nor an empty phrase."""
    told = [line for line in lines if not _EMPTY_PHRASES.search(line)]
    named = [_sentence(line) for line in told if line != echo and _COMPLAINT.search(line) and not _LINE.search(line)]
    if named:
        return named[0]
    rest = [_sentence(line) for line in lines if _COMPLAINT.search(line) and line != echo and not _LINE.search(line)]
    return rest[0] if rest else "ngspice does not say why"


def _sentence(line: str) -> str:
    """Takes ngspice's shouting off a line."""
    text = _INLINE.sub("", _SHOUT.sub("", _SHOUT.sub("", line))).lstrip(" :-").rstrip(" .:!-")
    if "syntax error" in text and "parsing stopped" in text:
        return "syntax error in an expression"
    return text


def _last_name(echo: str) -> str:
    words = [word for word in echo.split() if "=" not in word]
    return words[-1] if words else "?"


def _where(source: list[str], number: int | None, echo: str, anywhere: bool = False) -> str:
    """Returns `, line 4 'd1 b 0 nosuch'` as far as it is known."""
    words = echo.lower().split()
    if number is None and words:
        pattern = re.compile(rf"(?<!\w){re.escape(words[0])}(?!\w)")
        lowered = [line.lower() for line in source]
        for k, line in enumerate(lowered[1:], start=2):
            if pattern.search(line) if anywhere else line.split()[:1] == words[:1]:
                number = k
                break
    if number is None:
        return f" ('{echo}')" if words and not anywhere else ""
    text = source[number - 1].strip() if 0 < number <= len(source) else ""
    if words and not anywhere and text.lower().split()[:1] != words[:1]:
        text = echo  # a line of an included file, or one that ngspice rewrote
    return f", line {number} '{text}'"
