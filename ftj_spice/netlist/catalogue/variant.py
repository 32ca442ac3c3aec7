"""Periphery variants: one TOML file and one template beside it, and nothing in Python.

The template is the body of a subcircuit in plain SPICE, with roles in place of models:

    m1 out in 0 0 nmos w={{ w_n }} l={{ l }}
    c1 out 0 {{ load }}
    xbuf in out vdd buffer w_n={{ w_n }}

See `ftj_spice.netlist.catalogue.body` for what it may hold.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.packaged import Packaged, read_text, read_toml
from ftj_spice.common.quantities import in_unit
from ftj_spice.common.settings import Line, Strict

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Kind = Literal["sense", "decide", "convert", "drive"]
KINDS: tuple[Kind, ...] = ("sense", "decide", "convert", "drive")
PACKAGED = Packaged("periphery variant", lambda: [resources.netlists() / "periphery" / kind for kind in KINDS])


class Parameter(Strict):
    """One number of a variant."""

    value: float | str
    """Default: a quantity such as `"8 um"`; a plain number where it has no unit."""
    unit: Literal["1", "m", "s", "V", "A", "ohm", "F"]
    """SI unit that the template gets it in."""
    source: Line
    """Why this value: publication, derivation or reason."""
    processes: dict[Identifier, float | str] = Field(default_factory=dict)
    """Values for certain processes, where they differ."""

    def number(self, process: str) -> float:
        """Returns the value for a process in SI units."""
        return in_unit(self.unit).func(self.processes.get(process, self.value))  # type: ignore[call-arg]

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for process in ("", *self.processes):
            self.number(process)
        return self


class Limit(Strict):
    """What a figure must keep to."""

    max: float | Line | None = None
    """Largest value allowed, with unit."""
    min: float | Line | None = None
    """Smallest value allowed, with unit."""
    why: Line
    """What the limit comes from."""


class Variant(Strict):
    """One circuit of the catalogue."""

    name: Identifier
    """Identifier; the files' name."""
    kind: Kind
    """What it does for the array."""
    title: Line
    """A few words, for tables and plots."""
    description: Line
    """One or two sentences: how it works, what it is good for."""
    sources: tuple[Line, ...] = ()
    """Publications of the circuit."""
    template: Identifier | None = None
    """Template's name without `.cir.j2`, where it is not the variant's."""
    ports: dict[Identifier, Line]
    """Terminals in order, and what each is."""
    supplies: dict[Identifier, Literal["core", "high"]] = Field(default_factory=dict)
    """Ports that are supplies."""
    biases: dict[Identifier, Line] = Field(default_factory=dict)
    """Further ports that stand at an ideal voltage (`"0.9 V"`) or take an ideal current into them (`"1 uA"`)."""
    parameters: dict[Identifier, Parameter] = Field(default_factory=dict)
    """Numbers of the template."""
    bench: Identifier | None = None
    """Test bench that measures it; none for a building block of others."""
    settings: dict[Identifier, bool | int | float | Line | list[float | Line]] = Field(default_factory=dict)
    """Settings of the test bench."""
    measure: tuple[Identifier, ...] = ()
    """Figures to measure; all that the bench can where empty."""
    limits: dict[Identifier, Limit] = Field(default_factory=dict)
    """Limits of figures; yield is the share of Monte Carlo draws that keep them all."""
    folder: Path = Field(default=Path(), exclude=True)
    """Folder of the files."""
    ours: bool = Field(default=False, exclude=True)
    """Whether it is packaged: its template needs no guard."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for supply in self.supplies:
            if supply not in self.ports:
                raise ValueError(f"the supply '{supply}' is not among the ports ({', '.join(self.ports)})")
        for bias in self.biases:
            if bias not in self.ports or bias in self.supplies:
                raise ValueError(f"the bias '{bias}' must be a port that is no supply ({', '.join(self.ports)})")
            self.bias(bias)
        return self

    def bias(self, port: str) -> tuple[Literal["V", "A"], float]:
        """Returns the unit and the value of what an ideal source gives a port."""
        text = self.biases[port]
        try:
            return "V", in_unit("V").func(text)  # type: ignore[call-arg]
        except ValueError:
            return "A", in_unit("A").func(text)  # type: ignore[call-arg]

    def numbers(self, process: str, changes: dict[str, float] | None = None) -> dict[str, float]:
        """Returns the template's numbers in SI units.

        Args:
            process: Name of the process.
            changes: Numbers to take instead of the defaults.

        Raises:
            SettingsError: A change names no parameter.
        """
        values = {name: parameter.number(process) for name, parameter in self.parameters.items()}
        for name in changes or {}:
            if name not in values:
                raise SettingsError(
                    f"variant '{self.name}' has no parameter '{name}'; it has {', '.join(values) or 'none'}"
                )
        return values | (changes or {})

    def text(self) -> str:
        """Returns the template's text.

        Raises:
            SettingsError: It can't be read.
        """
        return read_text(self.folder / f"{self.template or self.name}.cir.j2")


def available_variants(kind: Kind | None = None) -> list[str]:
    """Returns the names of the packaged variants, by kind."""
    return [path.stem for path in PACKAGED.files() if kind in (None, path.parent.name)]


def load_variant(variant: str | Path) -> Variant:
    """Returns a variant.

    Args:
        variant: Name of a packaged one, or a .toml file with the template beside it.

    Raises:
        SettingsError: No such variant, unreadable or malformed files, or a TOML file that does not fit the model.
    """
    path, ours = PACKAGED.find(variant)
    return Variant.parse(read_toml(path), str(path)).model_copy(update={"folder": path.parent, "ours": ours})
