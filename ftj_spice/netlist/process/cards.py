"""What a model file may bring into a netlist: models, subcircuits, parameters and plain elements, nothing that acts."""

import re
from typing import NoReturn

from ftj_spice.netlist.process.places import ProcessError

_DOTS = frozenset(".model .subckt .ends .param .func .if .elseif .else .endif".split())  # noqa: SIM905
_ELEMENTS = frozenset("bcdefghijlmqrvx")
_MODELS = frozenset("nmos pmos vdmos npn pnp d r c l njf pjf nmf pmf sw csw".split())  # noqa: SIM905
# Quotes and backslashes have no use in a model; a source may neither read a file nor wait for a program.
_STRANGE = re.compile(r"[^\n\t\x20\x21\x23-\x5b\x5d-\x5f\x61-\x7e]")
_READING = re.compile(r"\bfile\b|\w_?file\s*=|\bexternal\b")
_RANDOM = re.compile(r"\b(agauss|gauss|aunif|unif|limit)\s*\(")
_NAME = re.compile(r"[\w.+-]+")  # a comma or an equals sign would end it for ngspice
_COMMENT = re.compile(r"(?m)(?:;|(?<=\s)\$).*$")


def clean_cards(text: str, where: str, *, first: int = 1, random: bool = False) -> str:
    """Returns the lines of a model file that matter, without comments, after a look at each.

    Args:
        text: Of the file.
        where: The file; it opens the error's sentence.
        first: Number of the text's first line in the file.
        random: Whether terms that the simulator draws at random may stand: the caller replaces them.

    Raises:
        ProcessError: A line is not allowed; the sentence names it.
    """
    bare = _bare(text)
    lines = [stripped for line in bare.split("\n") if (stripped := line.strip()) and stripped[0] != "*"]
    # A library has a hundred thousand lines: look at the whole first, at single ones only where something is wrong.
    whole = "\n".join(lines)
    lower = whole.lower()
    if (
        _STRANGE.search(whole)
        or (("file" in lower or "external" in lower) and _READING.search(lower))
        or (not random and _RANDOM.search(lower))
        or (lines and lines[0][0] == "+")
        or not all(line[0] == "+" or _allowed(line) for line in lines)
    ):
        _complain(bare, where, first, random)
    return whole


def _bare(text: str) -> str:
    text = text.replace("\r\n", "\n")
    return _COMMENT.sub("", text) if ";" in text or "$" in text else text


def _complain(bare: str, where: str, first: int, random: bool) -> NoReturn:
    before = False
    for number, line in enumerate(bare.split("\n"), start=first):
        stripped = line.strip()
        if not stripped or stripped[0] == "*":
            continue
        lower = stripped.lower()
        trouble = _STRANGE.search(stripped) or _READING.search(lower) or (not random and _RANDOM.search(lower))
        if trouble or not (before if stripped[0] == "+" else _allowed(stripped)):
            raise ProcessError(f"{where}: line {number}, {stripped[:60]!r}, is not allowed: {_why(lower)}")
        before = True
    raise AssertionError("unreachable")


def _allowed(line: str) -> bool:
    words = line.lower().replace("(", " ").split()
    if words[0] == ".model":
        return len(words) > 2 and _NAME.fullmatch(words[1]) is not None and words[2] in _MODELS
    return words[0] in _DOTS if words[0][0] == "." else words[0][0] in _ELEMENTS


def _why(line: str) -> str:
    if _RANDOM.search(line):
        return "mismatch is drawn by ftj-spice; make it a parameter of the subcircuit and name it in the process's TOML"
    if re.match(r"\.(include|inc|lib)\b", line):
        return "name the file in the process's TOML instead"
    if line[0] == ".":
        return f"a process file holds {', '.join(sorted(_DOTS))} of plain devices, and elements"
    return "a process file holds models, subcircuits, parameters and plain elements"
