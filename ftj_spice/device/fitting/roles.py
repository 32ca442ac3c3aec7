"""What the columns of each kind of measured table may be, and the changes to that from the command line."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ftj_spice.common.errors import SettingsError

Kind = Literal["iv", "switching", "rtn", "retention", "endurance"]


@dataclass(frozen=True)
class Role:
    """What a column means.

    Attributes:
        name: Name of the role, and of a column that has it.
        units: SI units it may have, of different dimensions; `1` for a pure number, none for words.
        aliases: Other names of such a column, lower case.
        required: Whether the table must have it.
    """

    name: str
    units: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    required: bool = False


_VOLTAGE = ("v", "bias")
_POLARIZATION = ("polarisation", "p", "pr")
_STATES = (
    Role("polarization", ("1",), ("polarisation", "s")),
    Role("state", ()),
    Role("temperature", ("K",), ("t_k",)),
)

ROLES: dict[Kind, tuple[Role, ...]] = {
    "iv": (Role("voltage", ("V",), _VOLTAGE, True), Role("current", ("A",), ("i",), True), *_STATES),
    "switching": (
        Role("width", ("s",), ("pulse width",), True),
        Role("amplitude", ("V",), ("voltage", "pulse amplitude")),
        Role("field", ("V/m",)),
        Role("fraction", ("1",), ("switched fraction",), True),
    ),
    "rtn": (
        Role("time", ("s",), ("t",), True),
        Role("current", ("A",), ("i",), True),
        Role("voltage", ("V",), _VOLTAGE),
        *_STATES,
    ),
    "retention": (
        Role("time", ("s",), ("t",), True),
        Role("polarization", ("1", "C/m^2"), _POLARIZATION, True),
    ),
    "endurance": (
        Role("cycles", ("1",), ("n", "cycle"), True),
        Role("polarization", ("1", "C/m^2"), _POLARIZATION, True),
    ),
}
"""Roles of each kind of table."""


@dataclass(frozen=True)
class Layout:
    """Column names and units that the command line declares, by kind and role.

    Attributes:
        columns: Name of the column that has a role.
        units: Unit of a role's column; it goes before the header's.
    """

    columns: dict[tuple[Kind, str], str] = field(default_factory=dict)
    units: dict[tuple[Kind, str], str] = field(default_factory=dict)

    @classmethod
    def parse(cls, columns: Iterable[str] = (), units: Iterable[str] = ()) -> "Layout":
        """Reads `ROLE=NAME` and `ROLE=UNIT`; `KIND.ROLE=...` holds for one kind of table only.

        Raises:
            SettingsError: No such role, or no `=`.
        """
        return cls(_declared(columns, "--column", "NAME"), _declared(units, "--unit", "UNIT"))


def _declared(words: Iterable[str], option: str, value: str) -> dict[tuple[Kind, str], str]:
    found: dict[tuple[Kind, str], str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key, text = key.strip(), text.strip()
        if not (equals and key and text):
            raise SettingsError(f"{option} {word!r}: write ROLE={value} or KIND.ROLE={value}")
        kind, dot, name = key.partition(".")
        hits = [
            (k, role.name)
            for k, roles in ROLES.items()
            for role in roles
            if (role.name == name and k == kind if dot else role.name == key)
        ]
        if not hits:
            known = sorted({role.name for roles in ROLES.values() for role in roles})
            raise SettingsError(
                f"{option} {word!r}: no column can be a {key!r}; known: {', '.join(known)}, "
                f"with one of {', '.join(ROLES)} and a dot before it where only one kind is meant"
            )
        found |= dict.fromkeys(hits, text)
    return found
