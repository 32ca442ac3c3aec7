"""Device cards: every parameter of a junction with its value, unit, source and kind, read from TOML.

A card gives numbers only; the equations live beside it in this room. Values are in SI units. Each parameter says
where it comes from: `measured` (a publication), `derived` (how) or `estimate` (ours, to be overridden).
"""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.settings import Strict, describe
from ftj_spice.device.conduction import ConductionLaw, LinearLaw, SinhLaw

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Provenance(Strict):
    """Where one parameter's value comes from."""

    unit: str
    """SI unit of the value."""
    source: str
    """Publication, derivation or reason."""
    kind: Literal["measured", "derived", "estimate"]
    """How far to trust it."""


UNITS = {
    "area": "m^2",
    "voltage_scale": "V",
    "reference_voltage": "V",
    "on_current_density": "A/m^2",
    "on_off_ratio": "1",
    "capacitance_density": "F/m^2",
    "vmm_voltage": "V",
    "rtn_voltage": "V",
    "levels": "1",
    "on_spread": "1",
    "off_spread": "1",
    "capture_time": "s",
    "emission_time": "s",
    "capture_slope": "1/V",
    "emission_slope": "1/V",
    "trap_voltage": "V",
    "rtn_amplitude_off": "1",
    "rtn_amplitude_spread": "1",
    "time_constant_spread": "1",
}


class Card(Strict):
    """One kind of cell."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    """Identifier, lower case."""
    description: str
    """One sentence: the stack, and what the card is for."""
    law: Literal["sinh", "linear"]
    """Conduction law."""

    area: Positive
    """Junction area in m^2."""
    voltage_scale: Positive | None = None
    """V0 of the sinh law in V."""
    reference_voltage: Positive
    """Voltage at which the current density is given, in V."""
    on_current_density: Positive
    """Current density of the low-resistance state at the reference voltage, in A/m^2."""
    on_off_ratio: Annotated[float, Field(gt=1)]
    """Current ratio of the two extreme states at the reference voltage."""
    capacitance_density: NonNegative
    """Small-signal capacitance per area, in F/m^2."""
    vmm_voltage: Positive
    """Read voltage of the vector-matrix product, in V."""
    rtn_voltage: Positive
    """Read voltage at which the trap flickers, in V."""
    levels: Annotated[int, Field(ge=2, le=4096)]
    """Programmable conductance levels."""
    on_spread: NonNegative
    """Device-to-device sigma of ln(current), low-resistance state, at 1 um^2."""
    off_spread: NonNegative
    """The same for the high-resistance state."""

    capture_time: Positive
    """Mean time to capture (trap empty) at `trap_voltage`, in s."""
    emission_time: Positive
    """Mean time to emission (trap filled) at `trap_voltage`, in s."""
    capture_slope: NonNegative
    """-d ln(capture time)/dV in 1/V."""
    emission_slope: NonNegative
    """-d ln(emission time)/dV in 1/V."""
    trap_voltage: float
    """Voltage at which the two times hold, in V."""
    rtn_amplitude_off: Annotated[float, Field(ge=0, lt=1)]
    """Relative drop of the current when the trap is filled, high-resistance state."""
    rtn_amplitude_spread: NonNegative
    """Cell-to-cell sigma of ln(amplitude)."""
    time_constant_spread: NonNegative
    """Cell-to-cell sigma of ln(time constants)."""

    provenance: dict[str, Provenance] = Field(default_factory=dict)
    """Unit, source and kind of every parameter, by name."""

    @model_validator(mode="after")
    def _complete(self) -> "Card":
        if self.law == "sinh" and self.voltage_scale is None:
            raise ValueError("the sinh law needs 'voltage_scale' (V0 in volts)")
        for name, entry in self.provenance.items():
            if entry.unit != UNITS[name]:
                raise ValueError(f"'{name}' must be given in {UNITS[name]}, not in {entry.unit!r}")
        return self

    @property
    def conduction(self) -> ConductionLaw:
        """The card's I-V law."""
        if self.law == "linear":
            return LinearLaw()
        assert self.voltage_scale is not None
        return SinhLaw(self.voltage_scale, self.vmm_voltage)

    @property
    def on_conductance(self) -> float:
        """Conductance of the low-resistance state at V_VMM, in S."""
        law = self.conduction
        at_reference = float(law.current(1.0, self.reference_voltage))
        return self.area * self.on_current_density / at_reference

    @property
    def off_conductance(self) -> float:
        """Conductance of the high-resistance state at V_VMM, in S."""
        return self.on_conductance / self.on_off_ratio

    @property
    def spread_scale(self) -> float:
        """Factor on the card's spreads of current: they are stated at 1 um^2 and go with 1/sqrt(area)."""
        return (1e-12 / self.area) ** 0.5

    @property
    def capacitance(self) -> float:
        """Small-signal capacitance of one cell, in F."""
        return self.area * self.capacitance_density


def available_cards() -> list[str]:
    """Returns the names of the packaged cards."""
    return sorted(path.stem for path in (resources.models() / "cards").glob("*.toml"))


def load_card(card: "str | Path | Card") -> Card:
    """Returns a card by the name of a packaged one or from a TOML file.

    Raises:
        SettingsError: No such card, malformed TOML, unknown or missing parameter, wrong unit, value out of range.
    """
    if isinstance(card, Card):
        return card
    path = Path(card)
    if path.suffix != ".toml":
        if str(card) not in available_cards():
            near = difflib.get_close_matches(str(card), available_cards(), n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(available_cards())}; or a .toml file"
            raise SettingsError(f"no device card named {str(card)!r}; {hint}")
        path = resources.models() / "cards" / f"{card}.toml"
    return _read(path)


def _read(path: Path) -> Card:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"can't read the device card {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    return parse_card(data, str(path))


def parse_card(data: dict[str, Any], where: str) -> Card:
    """Builds a card from its TOML form: `name`, `description`, `law` and one table per parameter.

    Raises:
        SettingsError: See `load_card`.
    """
    flat: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    for key, entry in data.items():
        if isinstance(entry, dict):
            if "value" not in entry:
                raise SettingsError(f"{where}: '{key}' has no value; write {key} = {{ value = ..., unit = ..., ... }}")
            flat[key] = entry["value"]
            provenance[key] = {k: v for k, v in entry.items() if k != "value"}
        elif key in UNITS:
            raise SettingsError(f"{where}: '{key}' needs a table with value, unit, source and kind")
        else:
            flat[key] = entry
    unknown = [key for key in provenance if key not in UNITS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], UNITS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise SettingsError(f"{where}: unknown card parameter '{unknown[0]}'{hint}")
    try:
        return Card.model_validate({**flat, "provenance": provenance})
    except ValidationError as error:
        raise SettingsError(f"{where}: {describe(error, Card)}") from None
