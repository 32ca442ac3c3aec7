"""Cards before and after a fit: changes by hand, and what was fitted with its interval and source."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.quantities import quantity
from ftj_spice.device.card import Card
from ftj_spice.device.fitting.outcome import Outcome
from ftj_spice.device.fitting.unknown import card_range
from ftj_spice.device.parameters import CHOICES, DISTRIBUTION_PARAMETERS, PARAMETERS, QUANTITIES, unit_of

BY_HAND = "set by hand"
"""Source of values that were set on the command line."""

_FITTED = "; fitted to measurements: "


def read_value(name: str, text: str, what: str) -> Any:
    """Reads a card value from the command line: a number with or without unit, or a choice's name.

    Raises:
        SettingsError: No such parameter, no number, or a unit that does not fit.
    """
    if name not in PARAMETERS:
        raise SettingsError(f"{what}: a card has no parameter {name!r}")
    if name in CHOICES:
        return text.strip().strip("\"'")
    value = quantity(text, unit_of(name) or "1", what)
    whole = Card.model_fields[name].annotation is int
    return int(value) if whole and value.is_integer() else value


def read_changes(words: Iterable[str], option: str) -> dict[str, Any]:
    """Reads `KEY=VALUE` words.

    Raises:
        SettingsError: No `=`, or see `read_value`.
    """
    changes: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (equals and text.strip()):
            raise SettingsError(f"{option} {word!r}: write KEY=VALUE, for example area=0.25 um^2")
        changes[name.strip()] = read_value(name.strip(), text, f"{option} {word!r}")
    return changes


def changed_card(base: Card, changes: dict[str, Any]) -> Card:
    """Returns a card with values set by hand; parameters of the other activation distribution go where it changes.

    Raises:
        SettingsError: A value does not fit.
    """
    if not changes:
        return base
    data = base.model_dump() | changes
    kept = DISTRIBUTION_PARAMETERS.get(str(data["activation_distribution"]), ())
    for names in DISTRIBUTION_PARAMETERS.values():
        for name in names:
            if name not in kept and name not in changes:
                data[name] = None
                data["provenance"].pop(name, None)
    for name in changes:
        if name not in CHOICES:
            data["provenance"][name] = {"unit": unit_of(name), "kind": "estimate", "source": BY_HAND}
    return _parse(data, f"card '{base.name}'")


def fitted_card(base: Card, name: str, outcomes: Sequence[Outcome]) -> Card:
    """Returns the base card with what was fitted.

    Args:
        base: As the fits took it.
        name: Name of the new card.
        outcomes: The fits.

    Raises:
        SettingsError: The name is no card name, or the fitted values contradict the rest of the card.
    """
    data = base.model_dump()
    for outcome in outcomes:
        files = (
            ", ".join(path.name for path in outcome.files).encode(errors="replace").decode()
        )  # names may be no UTF-8
        tools = ("hmmlearn", "lmfit") if outcome.kind == "rtn" else ("lmfit",)
        used = ", ".join(f"{tool} {version(tool)}" for tool in tools)
        source = f"fit to {files} ({outcome.points} points, {used})"
        data |= outcome.values
        for entry in outcome.estimates:
            data["provenance"][entry.name] = {
                "unit": unit_of(entry.name), "kind": "measured", "source": source, "interval": (entry.low, entry.high),
            }  # fmt: skip
        for derived in outcome.derived:
            data["provenance"][derived] = {"unit": unit_of(derived), "kind": "measured", "source": f"of {files}"}
    what = ", ".join(dict.fromkeys(outcome.kind for outcome in outcomes))
    data |= {"name": name, "description": f"{base.description.partition(_FITTED)[0]}{_FITTED}{what}"}
    return _parse(data, f"fitted card '{name}'")


def _parse(data: dict[str, Any], where: str) -> Card:
    """Builds a card; a number out of its range is told with range and unit."""
    for name in QUANTITIES:
        low, high = card_range(name)
        if data[name] is not None and not low <= data[name] <= high:
            unit = "" if unit_of(name) == "1" else f" {unit_of(name)}"
            raise SettingsError(f"{where}: '{name}' must lie between {low:g} and {high:g}{unit}, got {data[name]:g}")
    return Card.parse(data, where)


def card_name(name: str) -> str:
    """Returns a name for a card made from any text: lower case, letters, digits and underscores."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"card_{plain}"
