"""Binned transistors: a subcircuit with one transistor and its BSIM models, each for a box of widths and lengths.

A library such as SKY130's defines each transistor as a subcircuit of some hundred models with random mismatch terms.
Here it is taken apart once and put together again with the models that hold a size in use (two to four where boxes
touch), in the library's order, the random terms turned into parameters of the instance.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ftj_spice.netlist.process.cards import clean_cards
from ftj_spice.netlist.process.places import ProcessError

_MODEL = re.compile(r"(?im)^\.model\s+(\S+)")
_BOX = re.compile(r"\b([lw]m(?:in|ax))\s*=\s*([0-9.]+(?:e[+-]?\d+)?)", re.IGNORECASE)
_RANDOM = re.compile(
    r"(?i)^(\+\s*(\w+)\s*=\s*\{[^}]*?)(?:MC_MM_SWITCH\s*\*\s*)?"
    r"AGAUSS\s*\(\s*0(?:\.0*)?\s*,\s*1(?:\.0*)?\s*,\s*1(?:\.0*)?\s*\)"
)
_ASSIGNED = re.compile(r"(\w+)[ \t]*=[ \t]*(\{[^}\n]*\}|'[^'\n]*'|[-+*/().\w]+)")
_BRACED = re.compile(r"\{([^}]*)\}|'([^']*)'")
_WORD = re.compile(r"[a-z_]\w*", re.IGNORECASE)
# Numbers have exponents and units that look like names.
_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[a-z]*", re.IGNORECASE)
_LENGTHS = frozenset(["l", "w", "pd", "ps", "sa", "sb", "sd"])
_AREAS = frozenset(["ad", "as"])
_FUNCTIONS = frozenset(
    [
        "sqrt",
        "pow",
        "pwr",
        "exp",
        "log",
        "ln",
        "min",
        "max",
        "abs",
        "int",
        "floor",
        "ceil",
        "sin",
        "cos",
        "tan",
        "tanh",
        "temper",
        "e",
        "sgn",
        "nint",
    ]
)
_NEAR = 1e-12  # sizes come in whole nanometres


@dataclass(frozen=True)
class Bin:
    """One model.

    Attributes:
        start: First character in the library's text.
        end: First character behind it.
        lengths: Shortest and longest in m.
        widths: Narrowest and widest finger in m.
    """

    start: int
    end: int
    lengths: tuple[float, float]
    widths: tuple[float, float]

    def holds(self, width: float, length: float) -> bool:
        """Returns whether a size falls into the closed box."""
        return (
            self.lengths[0] - _NEAR <= length <= self.lengths[1] + _NEAR
            and self.widths[0] - _NEAR <= width <= self.widths[1] + _NEAR
        )


@dataclass(frozen=True)
class Binned:
    """A subcircuit taken apart.

    Attributes:
        source: The library's text.
        head: First character of the subcircuit in it.
        mismatch: Model parameters that have a random term.
        bins: The models in the library's order.
    """

    source: str
    head: int
    mismatch: tuple[str, ...]
    bins: tuple[Bin, ...]

    def chosen(self, width: float, length: float) -> list[Bin]:
        """Returns the bins that hold a size: none, one, or the neighbours that share an edge."""
        return [one for one in self.bins if one.holds(width, length)]


def split(text: str, model: str, where: str) -> Binned:
    """Takes a library's subcircuit apart.

    Args:
        text: Of the file.
        model: Name of the subcircuit.
        where: The file; it opens the error's sentence.

    Raises:
        ProcessError: The subcircuit is not there, not whole, or not of the expected form.
    """
    name = re.escape(model)
    start = re.search(rf"(?im)^\.subckt[ \t]+{name}[ \t].*$", text)
    end = re.compile(rf"(?im)^\.ends[ \t]+{name}[ \t]*$").search(text, start.end()) if start else None
    if start is None or end is None:
        raise ProcessError(f"{where} is damaged: it does not define the whole subcircuit {model}")
    marks = [match.start() for match in _MODEL.finditer(text, start.end(), end.start())]
    if not marks:
        raise ProcessError(f"{where} is damaged: the subcircuit {model} holds no model")
    _head(text, start.start(), marks[0], model, where)
    found: set[str] = set()
    bins = []
    for first, last in zip(marks, [*marks[1:], end.start()], strict=True):
        part, names = _model(text, first, last, where)
        found |= names
        box = {key.lower(): float(value) for key, value in _BOX.findall(part)}
        if set(box) != {"lmin", "lmax", "wmin", "wmax"}:
            raise ProcessError(f"{where} is damaged: {part.split()[1]} is no model of one box of widths and lengths")
        bins.append(Bin(first, last, (box["lmin"], box["lmax"]), (box["wmin"], box["wmax"])))
    return Binned(text, start.start(), tuple(sorted(found)), tuple(bins))


@dataclass(frozen=True)
class Reduced:
    """A subcircuit with some of its models.

    Attributes:
        text: Its definition.
        names: Names, in lower case, that it refers to and that somebody else defines.
    """

    text: str
    names: frozenset[str]


def join(binned: Binned, model: str, bins: Sequence[Bin], where: str) -> Reduced:
    """Puts a subcircuit together again with some of its models.

    Lengths of its transistor are put into m, random terms become parameters: `z` + name of the model parameter.

    Raises:
        ProcessError: See `split`.
    """
    nodes, parameters, line = _head(binned.source, binned.head, binned.bins[0].start, model, where)
    parameters = parameters | {f"z{name}": "0" for name in binned.mismatch}
    body = "\n".join(_model(binned.source, one.start, one.end, where)[0] for one in bins)
    defaults = " ".join(f"{name}={value}" for name, value in parameters.items())
    text = f".subckt {model} {nodes} {defaults}\n{line}\n{body}\n.ends {model}"
    return Reduced(text, frozenset(names_in(text) - set(parameters)))


def names_in(text: str) -> set[str]:
    """Returns the names of parameters, in lower case, in the expressions of a text."""
    braced = {part for parts in _BRACED.findall(text) for part in parts}
    return {word.lower() for part in braced for word in _WORD.findall(_NUMBER.sub(" ", part))} - _FUNCTIONS


def assignments(text: str) -> dict[str, str]:
    """Returns the parameters that `.param` lines define, names in lower case, the last definition of each."""
    text = re.sub(r"(?m)(?:;|(?<=\s)\$|^[ \t]*\*).*$", "", text)
    lines = re.findall(r"(?im)^\.param\b((?:.*\n?)(?:^(?:\+.*)?\n?)*)", text)
    return {name.lower(): value for line in lines for name, value in _ASSIGNED.findall(line)}


def resolve(names: Collection[str], known: Mapping[str, str]) -> dict[str, str]:
    """Returns the definitions of names and of all that these refer to, in an order that defines before it uses.

    Names that are not known are left out.
    """
    done: dict[str, str] = {}

    def add(name: str, above: frozenset[str]) -> None:
        if name in done or name in above or name not in known:
            return
        for other in sorted(names_in(known[name])):
            add(other, above | {name})
        done[name] = known[name]

    for name in sorted(names):
        add(name, frozenset())
    return done


def _head(source: str, start: int, end: int, model: str, where: str) -> tuple[str, dict[str, str], str]:
    """Returns the nodes, the parameters with their defaults, and the line of the transistor."""
    lines = re.sub(r"\n\+", " ", clean_cards(source[start:end], where, first=_line(source, start))).splitlines()
    transistors = [line for line in lines if line[0] in "mM"]
    declared = [line for line in lines if re.match(r"\.param\b", line, re.IGNORECASE)]
    if len(transistors) != 1 or len(lines) != 2 + len(declared):
        raise ProcessError(f"{where} is damaged: the subcircuit {model} is not one transistor and its models")
    first = re.sub(r"\bparams:", " ", lines[0].split(None, 2)[2], flags=re.IGNORECASE)
    assigned = [pair for line in (first, *declared) for pair in _ASSIGNED.findall(line)]
    nodes = " ".join(_ASSIGNED.sub("", first).split())
    return nodes, {name.lower(): value for name, value in assigned}, _ASSIGNED.sub(_in_metres, transistors[0])


def _model(source: str, start: int, end: int, where: str) -> tuple[str, set[str]]:
    """Returns a model's lines with its random terms as parameters, and whose terms they are."""
    found: set[str] = set()

    def named(match: re.Match[str]) -> str:
        found.add(match[2].lower())
        return f"{match[1]}z{match[2].lower()}"

    lines = clean_cards(source[start:end], where, first=_line(source, start), random=True).split("\n")
    lines = [_RANDOM.sub(named, line) if "gauss" in line.lower() else line for line in lines]
    for line in lines[1:]:
        if line[0] != "+" or "gauss" in line.lower():
            raise ProcessError(f"{where} is damaged: {line[:60]!r} does not belong into the model above it")
    text = "\n".join(lines)
    return text, found


def _in_metres(match: re.Match[str]) -> str:
    """Writes a geometry of the transistor in m or m^2: the library counts in um (`.option scale=1.0u`)."""
    name, value = match[1].lower(), match[2].strip("{}' ")
    factor = "*1e-6" if name in _LENGTHS else "*1e-12" if name in _AREAS else ""
    return f"{match[1]}={{({value}){factor}}}" if factor else f"{match[1]}={{{value}}}"


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1
