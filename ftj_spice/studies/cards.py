"""Looking at device cards: what one says, how two differ, and what a physicist should notice about one."""

from dataclasses import dataclass

from ftj_spice.device.card import Card, available_cards, load_card
from ftj_spice.device.parameters import DESCRIPTIONS, PARAMETERS, SECTIONS, unit_of
from ftj_spice.device.switching import switched_fraction
from ftj_spice.device.traps import Traps

LARGEST_FIELD = 1e9
"""Hafnia films break down at some 4 to 10 MV/cm; a full write pulse should stay below this, in V/m."""


@dataclass(frozen=True)
class Line:
    """One parameter of a card.

    Attributes:
        section: Heading it stands under.
        name: Of the parameter.
        value: Number or name; none where the card's choices do not use it.
        unit: SI unit or eV; none for a choice.
        kind: `measured`, `derived` or `estimate`; none for a choice.
        source: Where the value comes from; none for a choice.
        interval: 95 % confidence interval of a fitted value.
        meaning: What the parameter is.
    """

    section: str
    name: str
    value: float | str | None
    unit: str | None
    kind: str | None
    source: str | None
    interval: tuple[float, float] | None
    meaning: str


def card_lines(card: Card) -> list[Line]:
    """Returns every parameter that a card uses, in order."""
    lines = []
    for section in SECTIONS:
        for name in section.model_fields:
            value = getattr(card, name)
            if value is None:
                continue
            entry = card.provenance.get(name)
            lines.append(
                Line(
                    (section.__doc__ or "").strip().rstrip("."),
                    name,
                    value,
                    unit_of(name),
                    entry.kind if entry else None,
                    entry.source if entry else None,
                    entry.interval if entry else None,
                    DESCRIPTIONS[name],
                )
            )
    return lines


@dataclass(frozen=True)
class Difference:
    """One parameter that two cards give differently.

    Attributes:
        name: Of the parameter.
        unit: SI unit or eV; none for a choice.
        first: Value on the first card; none where it does not use it.
        second: Value on the second card.
    """

    name: str
    unit: str | None
    first: float | str | None
    second: float | str | None


def card_differences(first: Card, second: Card) -> list[Difference]:
    """Returns the parameters in which two cards differ, in order; sources are not compared."""
    return [
        Difference(name, unit_of(name), getattr(first, name), getattr(second, name))
        for name in PARAMETERS
        if getattr(first, name) != getattr(second, name)
    ]


def card_remarks(card: Card) -> list[str]:
    """Returns what is possible but strange about a card: one sentence each, none for a card that hangs together."""
    remarks = []
    field = float(card.electrostatics.field(card.write_voltage))
    if field > LARGEST_FIELD:
        remarks.append(
            f"a full write pulse of {card.write_voltage:g} V puts {field / 1e8:.1f} MV/cm on the ferroelectric: films "
            f"break down at 4 to 10 MV/cm"
        )
    if card.switching == "nls":
        switched = float(switched_fraction(card, field, card.write_time))
        if switched < 0.9:
            remarks.append(
                f"a full write pulse ({card.write_voltage:g} V, {card.write_time:g} s) switches only {switched:.0%} of "
                f"the domains"
            )
    traps = Traps.from_card(card, 1)
    if (quiet := float(traps.occupancy(card.vmm_voltage)[0])) > 0.1:
        remarks.append(f"at the read voltage of {card.vmm_voltage:g} V the trap is filled {quiet:.0%} of the time")
    duty = float(traps.occupancy(card.rtn_voltage)[0])
    if not 0.05 < duty < 0.95:
        remarks.append(
            f"at rtn_voltage, {card.rtn_voltage:g} V, the trap is filled {duty:.1%} of the time: little noise"
        )
    if card.rtn_amplitude_on > card.rtn_amplitude_off:
        remarks.append("the low-resistance state is noisier than the high-resistance one, unlike published memories")
    return remarks


@dataclass(frozen=True)
class Entry:
    """One packaged card in the list.

    Attributes:
        name: Of the card.
        description: Its sentence.
        kinds: How many of its quantities are measured, derived and estimated.
    """

    name: str
    description: str
    kinds: dict[str, int]


def card_list() -> list[Entry]:
    """Returns the packaged cards."""
    return [Entry(card.name, card.description, kinds(card)) for card in map(load_card, available_cards())]


def kinds(card: Card) -> dict[str, int]:
    """Returns how many quantities of a card are `measured`, `derived` and `estimate`."""
    found = [entry.kind for entry in card.provenance.values()]
    return {kind: found.count(kind) for kind in ("measured", "derived", "estimate")}
