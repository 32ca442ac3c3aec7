"""Digitiser variants: one TOML file and one netlist template each, and nothing in Python.

The TOML file names the event rule (what a bit is, in a few primitives), the parameters with unit and source, the
ports, and the energy of the periphery. The template holds the same digitiser as a circuit.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ftj_spice.common import resources
from ftj_spice.common.packaged import Packaged, read_text, read_toml
from ftj_spice.common.settings import Strict

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Unit = Literal["1", "s", "V", "A", "ohm", "F", "relaxation", "interval", "swing"]

RULE_PARAMETERS: dict[str, tuple[Unit, ...]] = {
    "lag": ("s", "relaxation", "interval"),
    "threshold": ("swing",),
    "hysteresis": ("swing",),
    "average": ("s", "relaxation", "interval"),
    "reset": ("s", "relaxation", "interval"),
    "range": ("swing",),
    "adc_bits": ("1",),
}
"""Names of the parameters that event rules know, each with the units it may be given in.

`lag`: time constant of the comparator. `threshold`: level over the reference that the comparator decides at.
`hysteresis`: half the distance of its two levels. `average`: time constant of a running reference. `reset`: dead time
at an interval's begin, for a mean. `range`, `adc_bits`: full range and resolution of the converter, for its parity.
"""
PACKAGED = Packaged("digitiser", lambda: [resources.netlists() / "digitisers"])


class Rule(Strict):
    """What a bit is: a signal against a reference, and what is taken from it once per interval."""

    read: Literal["state", "mean", "edges"]
    """Comparator's output at the interval's end; the signal's mean over the interval; or the comparator's edges."""
    reference: Literal["mid", "mean", "running", "partner"]
    """The cell's half-way level; its closed-form mean current; its running average; or a second cell's current."""
    output: Literal["level", "any", "parity", "toggle"]
    """Whether the value lies above its reference; whether there was an edge; parity of the edges in the interval, or of
    the converter's code; or parity of all edges since power-up."""
    edge: Literal["rising", "falling"] | None = None
    """Which edges of the comparator's output count."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        allowed = {"state": ("level",), "mean": ("level", "parity"), "edges": ("any", "parity", "toggle")}[self.read]
        if self.output not in allowed:
            raise ValueError(f"the rule's output for read = '{self.read}' must be one of {', '.join(allowed)}")
        if (self.read == "edges") != (self.edge is not None):
            raise ValueError("a rule gives 'edge' where it reads edges, and only there")
        if self.read == "mean" and self.reference in {"running", "partner"}:
            raise ValueError("a rule that reads a mean compares it with 'mid' or 'mean'")
        return self


class Parameter(Strict):
    """One number of a variant."""

    value: float
    """Default."""
    unit: Unit
    """SI unit; or `relaxation` (tau_eff of a nominal cell), `interval`, `swing` (the current a nominal trap takes)."""
    kind: Literal["published", "derived", "estimate", "choice"]
    """How far to trust it; `choice` is a setting of the design."""
    source: str
    """Publication, derivation or reason."""


class Block(Strict):
    """One block of the periphery and its energy."""

    block: str
    """What it is."""
    energy: Annotated[float, Field(ge=0)]
    """Per operation, in J."""
    per: Literal["interval", "edge"]
    """Operation: once per interval, or once per counted edge."""
    kind: Literal["published", "derived", "estimate"]
    """How far to trust it."""
    source: str
    """Publication, derivation or reason."""


class Variant(Strict):
    """One way to turn cell noise into bits."""

    name: Identifier
    """Identifier."""
    description: str
    """One sentence."""
    template: Identifier | None = None
    """Template's name without `.cir.j2`, where it is not the variant's."""
    cells: Annotated[int, Field(ge=1, le=2)] = 1
    """Cells that one digitiser reads."""
    settling: Annotated[float, Field(ge=0, le=1e6)] = 20.0
    """Time from power-up to the first bit's interval, in relaxation times."""
    rule: Rule
    """Event rule."""
    ports: dict[Identifier, str]
    """Nodes of the template by name, and what each carries; `bit` must be among them (0 or 1 at an interval's end)."""
    overlay: tuple[Identifier, ...] = ()
    """Ports that carry a current in nA as a voltage, drawn over the cells' currents."""
    parameters: dict[Identifier, Parameter] = Field(default_factory=dict)
    """Parameters of the template and the rule."""
    periphery: tuple[Block, ...] = ()
    """Energy of everything beside the cells."""

    @property
    def nodes(self) -> list[str]:
        """The ports beside the cells' virtual grounds."""
        return [port for port in self.ports if not re.fullmatch(r"sense\d+", port)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "bit" not in self.ports:
            raise ValueError("the ports must name 'bit', the node that carries the bit")
        for name in self.overlay:
            if name not in self.nodes:
                raise ValueError(f"the overlay names '{name}', which is no node among the ports")
        if (self.rule.reference == "partner") != (self.cells == 2):
            raise ValueError("two cells go with the reference 'partner', one with any other")
        needed = set()
        if self.rule.reference == "running":
            needed |= {"average"}
        if self.rule.read == "mean" and self.rule.output == "parity":
            needed |= {"range", "adc_bits"}
        for name in sorted(needed - set(self.parameters)):
            raise ValueError(f"this rule needs the parameter '{name}'")
        for name, units in RULE_PARAMETERS.items():
            if name in self.parameters and self.parameters[name].unit not in units:
                raise ValueError(f"the parameter '{name}' must be given in {' or '.join(units)}")
        return self


def available_variants() -> list[str]:
    """Returns the names of the packaged variants."""
    return PACKAGED.names()


def load_variant(digitiser: str | Path) -> tuple[Variant, str]:
    """Returns a variant, and the text of its template.

    Args:
        digitiser: Name of a packaged one, or a .toml file with the template beside it.

    Raises:
        SettingsError: No such variant, unreadable or malformed files, or a TOML file that does not fit the model.
    """
    path, _ = PACKAGED.find(digitiser)
    variant = Variant.parse(read_toml(path), str(path))
    return variant, read_text(path.parent / f"{variant.template or variant.name}.cir.j2")
