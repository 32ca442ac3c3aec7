"""The body of a variant: plain SPICE lines, checked and taken apart.

What a body may hold, one element a line:

- `mNAME drain gate source bulk ROLE w=.. l=.. [nf=..] [m=..]`: a transistor; the role is one of the process's
  (`nmos`, `pmos`, `nmos_hv`, ...), `w` the width of one of the `m` devices over its `nf` fingers, in m;
- `cNAME plus minus VALUE [ic=..]`, `rNAME plus minus VALUE`: a capacitor or resistor of the process, in F or ohm; a
  capacitor with `parasitic=1` is one that wires and films bring along: without area of its own, corner or mismatch;
- `xNAME node ... VARIANT [parameter=..]`: another variant of the catalogue, nodes in the order of its ports;
- ideal elements: `b e f g h i s v` and `a` with their `.model`; they take no area and are named in reports;
- `.model` lines of switches and of XSPICE models that read no file and start nothing; comments, continuation lines
  with `+`.

Sources that the simulator draws at random (`trnoise`, `trrandom`) are refused: equal seeds could not give equal runs.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ftj_spice.netlist.render import RenderError

_IDEAL = frozenset("abefghisv")
_TEXT = re.compile(r"[\t\x20-\x7e]*")
_STRANGE = re.compile(r"[`\"'\\$;{}]|\bfile\b|_file\b|\bexternal\b|\.lib\b|\.inc", re.IGNORECASE)
_MODELS = re.compile(
    "sw|csw|adc_bridge|dac_bridge|bidi_bridge|d_buffer|d_inverter|d_and|d_nand|d_or|d_nor|d_xor|d_xnor|d_tristate|"
    "d_pullup|d_pulldown|d_open_c|d_open_e|d_dff|d_jkff|d_tff|d_srff|d_dlatch|d_srlatch|d_fdiv|d_osc|gain|summer|mult|"
    "divide|limit|climit|ilimit|pwl|hyst|aswitch|int|d_dt|s_xfer|slew|oneshot|sine|square|triangle"
)
"""Models that a variant may define; XSPICE's others read files (`filesource`, `d_source`, `d_state`, `table2d`) or
start programs (`d_process`, `d_cosim`)."""
_RANDOM = re.compile(r"\b(trnoise|trrandom|a?gauss|a?unif)\b", re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NODE = re.compile(r"0|[a-z][a-z0-9_]{0,63}")
MOST_LINES = 20_000
"""Lines of one body."""
LONGEST_LINE = 10_000
"""Characters of one line, continuations joined: ngspice takes minutes over an expression of a megabyte."""
MOST_COPIES = 10_000
"""Fingers of a transistor, and transistors side by side."""
_PASSIVE = (1e-30, 1e30)
"""Smallest and largest value in F or ohm: nothing that is built comes near, and no area or spread overflows."""


@dataclass(frozen=True)
class Transistor:
    """One transistor line."""

    name: str
    nodes: tuple[str, ...]
    role: str
    width: float
    length: float
    fingers: int
    multiplier: int


@dataclass(frozen=True)
class Passive:
    """One capacitor or resistor line."""

    name: str
    kind: str
    nodes: tuple[str, ...]
    value: float
    initial: float | None
    parasitic: bool = False


@dataclass(frozen=True)
class Instance:
    """One line that stands for another variant."""

    name: str
    nodes: tuple[str, ...]
    variant: str
    values: dict[str, float]


@dataclass(frozen=True)
class Ideal:
    """A line that is taken as it is: an ideal element, or a model of one."""

    name: str
    text: str


@dataclass(frozen=True)
class Body:
    """All lines of a body, in order."""

    lines: tuple[Transistor | Passive | Instance | Ideal, ...] = field(default=())


def parse_body(text: str, where: str, roles: Sequence[str]) -> Body:
    """Takes a rendered body apart.

    Args:
        text: The rendered template.
        where: What it came from; it opens the error's sentence.
        roles: Transistor roles that the process has.

    Raises:
        RenderError: A line is not allowed or not understood; the sentence names it.
    """
    lines: list[Transistor | Passive | Instance | Ideal] = []
    seen: set[str] = set()
    joined = _joined(text)
    if len(joined) > MOST_LINES:
        raise RenderError(f"{where} renders {len(joined)} lines; a variant has {MOST_LINES} at most")
    for number, line in joined:
        place = f"{where}: line {number} of what it renders"
        if not _TEXT.fullmatch(line) or _STRANGE.search(line):
            raise RenderError(f"{place}, {line.strip()[:60]!r}, holds what no variant may write")
        if len(line) > LONGEST_LINE:
            raise RenderError(f"{place}, {line.strip()[:60]!r}, has more than {LONGEST_LINE} characters")
        if _RANDOM.search(line):
            raise RenderError(
                f"{place}, {line.strip()[:60]!r}, lets the simulator draw at random; draws come from ftj-spice's seeds"
            )
        words = line.lower().replace("(", " ( ").replace(")", " ) ").split()
        name = words[0]
        if name == ".model":
            if len(words) < 3 or not _NAME.fullmatch(words[1]) or not _MODELS.fullmatch(words[2]):
                raise RenderError(
                    f"{place}, {line.strip()[:60]!r}, is not allowed: a variant may define models, by a plain name, of "
                    f"{_MODELS.pattern.replace('|', ', ')}; others are the process's, read files or start programs"
                )
            lines.append(Ideal(name, line.strip()))
            continue
        if not _NAME.fullmatch(name) or name[0] not in _IDEAL | frozenset("mcrx"):
            raise RenderError(
                f"{place}, {line.strip()[:60]!r}, is not allowed: a variant holds transistors (m), capacitors (c), "
                f"resistors (r), other variants (x), ideal elements ({', '.join(sorted(_IDEAL))}) and .model lines"
            )
        if name in seen:
            raise RenderError(f"{place} defines {name!r} a second time")
        seen.add(name)
        try:
            lines.append(_element(name, line, roles))
        except ValueError as error:
            raise RenderError(f"{place}, {line.strip()[:60]!r}: {error}") from None
    return Body(tuple(lines))


def _element(name: str, line: str, roles: Sequence[str]) -> Transistor | Passive | Instance | Ideal:
    if name[0] in _IDEAL:
        if len(line.split()) < (3 if name[0] == "a" else 4):  # a_zero node pulldown
            raise ValueError("an ideal element is its nodes, and what it does")
        return Ideal(name, line.strip())
    words = line.lower().split()[1:]
    plain = [word for word in words if "=" not in word]
    values = dict(_assigned(word) for word in words if "=" in word)
    if name[0] == "m":
        return _transistor(name, plain, values, roles)
    if name[0] in "cr":
        if len(plain) != 3 or set(values) - ({"ic", "parasitic"} if name[0] == "c" else set()):
            raise ValueError("a capacitor or resistor is two nodes and a value; a capacitor may take ic=, parasitic=")
        value = _number(plain[2])
        if not _PASSIVE[0] <= value <= _PASSIVE[1]:
            raise ValueError(f"the value must be {_PASSIVE[0]:g} to {_PASSIVE[1]:g}, in F or ohm")
        return Passive(name, name[0], _nodes(plain[:2]), value, values.get("ic"), bool(values.get("parasitic")))
    if len(plain) < 2:
        raise ValueError("an instance is nodes and the name of a variant")
    if not _NAME.fullmatch(plain[-1]):
        raise ValueError(f"{plain[-1]!r} is no variant's name")
    return Instance(name, _nodes(plain[:-1]), plain[-1], values)


def _transistor(name: str, plain: list[str], values: dict[str, float], roles: Sequence[str]) -> Transistor:
    if len(plain) != 5:
        raise ValueError("a transistor is drain, gate, source, bulk and a role")
    if plain[4] not in roles:
        raise ValueError(f"the process has no transistor {plain[4]!r}; it has {', '.join(roles)}")
    if not {"w", "l"} <= set(values) <= {"w", "l", "nf", "m"}:
        raise ValueError("a transistor takes w= and l=, and may take nf= and m=")
    for what in ("nf", "m"):
        count = values.get(what, 1.0)
        if not 1 <= count <= MOST_COPIES or count != round(count):
            raise ValueError(f"{what} must be a whole number from 1 to {MOST_COPIES}, not {count:g}")
    if min(values["w"], values["l"]) <= 0:
        raise ValueError("w and l must be positive")
    fingers, multiplier = int(values.get("nf", 1)), int(values.get("m", 1))
    return Transistor(name, _nodes(plain[:4]), plain[4], values["w"], values["l"], fingers, multiplier)


def _joined(text: str) -> list[tuple[int, str]]:
    """Returns numbered lines without comments, continuations joined."""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("*"):
            continue
        if line.lstrip().startswith("+") and lines:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line.lstrip()[1:].strip()}")
        else:
            lines.append((number, line))
    return lines


def _nodes(words: list[str]) -> tuple[str, ...]:
    for word in words:
        if not _NODE.fullmatch(word):
            raise ValueError(f"{word!r} is no node: a letter, then letters, digits and '_', or 0 for ground")
    return tuple(words)


def _assigned(word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no parameter's name")
    return name, _number(value)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number (SI units, such as 2e-06; no letters behind it)")
    return value
