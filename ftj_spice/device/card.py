"""Device cards: every parameter of a junction with its value, unit, source and kind, read from and written to TOML.

A card gives numbers only; the equations live beside it in this room. Values are in SI units (energies in eV). Each
parameter says where it comes from: `measured` (a publication or a fit to data), `derived` (how) or `estimate` (ours, to
be overridden). A card may extend a packaged one and then lists only what differs.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.files import read_regular, replace_file
from ftj_spice.common.packaged import LARGEST_FILE, Packaged
from ftj_spice.common.settings import Strict, describe
from ftj_spice.device.conduction import ConductionLaw, LinearLaw, SinhLaw
from ftj_spice.device.electrostatics import Electrostatics
from ftj_spice.device.parameters import (
    CHOICES,
    DISTRIBUTION_PARAMETERS,
    PARAMETERS,
    QUANTITIES,
    Bias,
    Conduction,
    Geometry,
    Noise,
    Polarization,
    Reliability,
    Variability,
    unit_of,
)

if TYPE_CHECKING:
    from ftj_spice.device.physical import PhysicalLaw

PACKAGED = Packaged("device card", lambda: [resources.models() / "cards"])
_STEEPEST = 150.0  # largest voltage over V0 of the sinh law
_HEAD = ("name", "description", "extends")
_ENTRY = ("value", "unit", "kind", "source", "interval")


class Provenance(Strict):
    """Where one parameter's value comes from."""

    unit: str
    """SI unit of the value (or eV)."""
    source: str
    """Publication, derivation or reason."""
    kind: Literal["measured", "derived", "estimate"]
    """How far to trust it."""
    interval: tuple[float, float] | None = None
    """95 % confidence interval, where the value comes from a fit."""


class Card(Geometry, Conduction, Polarization, Bias, Noise, Reliability, Variability):
    """One kind of cell; see `ftj_spice.device.parameters` for its parameters."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    """Identifier, lower case."""
    description: str
    """One sentence: the stack, and what the card is for."""
    provenance: dict[str, Provenance] = Field(default_factory=dict)
    """Unit, source and kind of every quantity, by name."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, entry in self.provenance.items():
            if entry.unit != unit_of(name):
                raise ValueError(f"'{name}' must be given in {unit_of(name)}, not in {entry.unit!r}")
            if entry.interval and not entry.interval[0] <= getattr(self, name) <= entry.interval[1]:
                raise ValueError(f"the interval of '{name}' must hold its value, low end first")
        for kind, names in DISTRIBUTION_PARAMETERS.items():
            for name in names:
                given = getattr(self, name) is not None
                if given != (kind == self.activation_distribution):
                    verb = "does not use" if given else "needs"
                    raise ValueError(f"the activation distribution '{self.activation_distribution}' {verb} '{name}'")
        steepest = max(self.write_voltage, self.rtn_voltage, self.reference_voltage) / self.voltage_scale
        if self.law == "sinh" and steepest > _STEEPEST:
            raise ValueError(
                f"'voltage_scale' of {self.voltage_scale:g} V lets the current grow by e^{steepest:.0f} up to the "
                f"card's largest voltage; more than e^{_STEEPEST:.0f} is no current"
            )
        low, high = self.rtn_voltage_low, self.rtn_voltage_high
        if (low is None) != (high is None) or (low is not None and high is not None and low >= high):
            raise ValueError("'rtn_voltage_low' and 'rtn_voltage_high' are given together, the lower one first")
        if self.saturation_polarization <= self.remanent_polarization:
            raise ValueError("'saturation_polarization' must exceed 'remanent_polarization'")
        return self

    @property
    def conduction(self) -> ConductionLaw:
        """The array's I-V law, by the conductance at V_VMM."""
        if self.law == "linear":
            return LinearLaw()
        if self.law == "physical":
            return self._physical
        return SinhLaw(self.voltage_scale, self.vmm_voltage)

    @property
    def _physical(self) -> "PhysicalLaw":
        from ftj_spice.device.physical import PhysicalLaw  # which reads cards itself

        return PhysicalLaw.of(self)

    @property
    def on_conductance(self) -> float:
        """Conductance of the low-resistance state at V_VMM, in S."""
        if self.law == "physical":  # its current is no conductance times one function of the voltage
            return self._physical.on_conductance
        law = self.conduction
        at_reference = float(law.current(1.0, self.reference_voltage))
        return self.area * self.on_current_density / at_reference

    @property
    def off_conductance(self) -> float:
        """Conductance of the high-resistance state at V_VMM, in S."""
        if self.law == "physical":
            return self._physical.off_conductance
        return self.on_conductance / self.on_off_ratio

    @property
    def spread_scale(self) -> float:
        """Factor on the card's spreads of current: they are stated at 1 um^2 and go with 1/sqrt(area)."""
        return (1e-12 / self.area) ** 0.5

    @property
    def electrostatics(self) -> Electrostatics:
        """The stack's fields and charges."""
        return Electrostatics.of(self, self.imprint_field)

    @property
    def capacitance(self) -> float:
        """Small-signal capacitance of one cell, in F."""
        return self.area * self.electrostatics.capacitance_density

    def with_values(self, **values: Any) -> "Card":
        """Returns the card with other values; quantities lose their source, which no longer holds.

        Args:
            **values: New values by parameter name.

        Raises:
            SettingsError: A name is unknown or a value does not fit.
        """
        data = self.model_dump() | values
        for name in set(values) & set(self.provenance):
            data["provenance"][name] |= {"kind": "estimate", "source": "set by hand", "interval": None}
        return Card.parse(data, f"card '{self.name}'")


def available_cards() -> list[str]:
    """Returns the names of the packaged cards."""
    return PACKAGED.names()


def load_card(card: "str | Path | Card") -> Card:
    """Returns a card by the name of a packaged one or from a TOML file.

    Raises:
        SettingsError: No such card, malformed TOML, unknown or missing parameter, wrong unit, value out of range.
    """
    if isinstance(card, Card):
        return card
    path, _ = PACKAGED.find(card)
    try:
        text = read_regular(path, LARGEST_FILE).decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"can't read the device card {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    return parse_card(text, str(path))


def parse_card(text: str, where: str) -> Card:
    """Builds a card from TOML: name, description, maybe `extends`, choices, and one table per quantity.

    Args:
        text: The TOML.
        where: What it came from; it opens the error's sentence.

    Raises:
        SettingsError: See `load_card`; the sentence tells line and column.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: not valid TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"{where}: not a card: its brackets are nested too deeply") from None
    flat, provenance = _flatten(data, text, where)
    if "name" not in flat or "description" not in flat:
        raise SettingsError(f'{where}: a card begins with name = "..." and description = "..."')
    if "extends" in flat:
        parent = flat.pop("extends")
        if parent not in available_cards():
            raise SettingsError(
                f"{_place(text, where, 'extends')}: extends must name a packaged card "
                f"({', '.join(available_cards())}), got {parent!r}"
            )
        base = load_card(parent)
        inherited = base.model_dump(exclude={"name", "description", "provenance"})
        chosen = flat.get("activation_distribution", base.activation_distribution)
        for kind, names in DISTRIBUTION_PARAMETERS.items():
            if kind != chosen:
                inherited |= dict.fromkeys(names)
        kept = {name: entry for name, entry in base.provenance.items() if inherited.get(name) is not None}
        flat, provenance = inherited | flat, {k: v.model_dump() for k, v in kept.items()} | provenance
    try:
        card = Card.model_validate({**flat, "provenance": provenance})
    except ValidationError as error:
        first = error.errors()[0]
        located = [part for part in first["loc"] if part != "provenance"]
        if not located:  # a finding about the card as a whole names its parameter in its sentence
            located = [name for name in re.findall(r"'(\w+)'", first["msg"]) if name in PARAMETERS][:1]
        key, entry = [*(str(part) for part in located), "", ""][:2]
        place = _place(text, where, key, entry or "value")
        raise SettingsError(f"{place}: {_range_sentence(first) or describe(error, Card)}") from None
    missing = [name for name in QUANTITIES if getattr(card, name) is not None and name not in card.provenance]
    if missing:
        raise SettingsError(f"{where}: '{missing[0]}' needs a table with value, unit, source and kind")
    return card


def _flatten(data: dict[str, Any], text: str, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits a card's TOML into values and provenance, refusing what is no parameter."""
    flat: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    for key, entry in data.items():
        place = _place(text, where, key)
        if key in QUANTITIES:
            if not isinstance(entry, dict):
                raise SettingsError(f"{place}: '{key}' needs a table with value, unit, source and kind")
            strange = [name for name in entry if name not in _ENTRY]
            if strange:
                raise SettingsError(
                    f"{_place(text, where, key, strange[0])}: '{key}' has an unknown entry '{strange[0]}'; "
                    f"known here: {', '.join(_ENTRY)}"
                )
            if "value" not in entry:
                raise SettingsError(f"{place}: '{key}' has no value; write value = ..., unit = \"{unit_of(key)}\", ...")
            flat[key] = entry["value"]
            provenance[key] = {k: v for k, v in entry.items() if k != "value"}
        elif key in CHOICES or key in _HEAD:
            flat[key] = entry
        else:
            near = difflib.get_close_matches(key, (*PARAMETERS, *_HEAD), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise SettingsError(f"{place}: unknown card parameter '{key}'{hint}")
    return flat, provenance


def _range_sentence(finding: Any) -> str:
    """Returns a sentence for a value out of its range; empty for any other finding."""
    if finding["type"] not in {"greater_than_equal", "less_than_equal"}:
        return ""
    name = str(finding["loc"][-1])
    low, high = (next(getattr(m, k) for m in Card.model_fields[name].metadata if hasattr(m, k)) for k in ("ge", "le"))
    unit = unit_of(name)
    return (
        f"'{name}' must lie between {low:g} and {high:g}{'' if unit == '1' else f' {unit}'}, got {finding['input']!r}"
    )


def _place(text: str, where: str, key: str = "", entry: str | None = None) -> str:
    """Returns `file:line:column` of a key, or of an entry in its table, as far as it is found."""
    inside = False
    found: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*\[\s*{re.escape(key)}\s*\]", line) or re.match(rf"\s*{re.escape(key)}\s*=", line):
            found = found or f"{where}:{number}:{line.index(key) + 1}"
            inside = line.lstrip().startswith("[")
        elif line.lstrip().startswith("["):
            inside = False
        elif inside and entry and (match := re.match(rf"\s*{re.escape(entry)}\s*=\s*", line)):
            return f"{where}:{number}:{match.end() + 1}"
    return found or where


def card_toml(card: Card) -> str:
    """Returns a card as TOML, whole (nothing extended), in the order of `PARAMETERS`; `parse_card` gives it back."""
    data: dict[str, Any] = {"name": card.name, "description": card.description}
    data |= {name: getattr(card, name) for name in CHOICES}
    for name in QUANTITIES:
        value = getattr(card, name)
        if value is not None:
            entry = card.provenance[name].model_dump(exclude_none=True)
            data[name] = {"value": value, **{key: entry[key] for key in _ENTRY if key in entry}}
    return "# A device card: every parameter with value, unit, kind and source.\n" + tomli_w.dumps(data)


def write_card(card: Card, path: Path) -> None:
    """Writes a card as TOML, beside its final place first.

    Raises:
        OutputError: The file can't be written.
    """
    replace_file(path, card_toml(card).encode())
