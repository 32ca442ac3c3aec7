"""What a test bench works with: a variant under one condition, as netlists and sessions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import Variant
from ftj_spice.netlist.process.process import Process
from ftj_spice.netlist.render import render

ROOM = 300.0
"""Default temperature in K."""


@dataclass(frozen=True)
class Condition:
    """Where and with which devices a circuit is measured.

    Attributes:
        process: The process.
        corner: Name of its corner.
        temperature: In K.
        supply: Factor of every supply voltage.
        mismatch: Seed and number of a Monte Carlo draw; none for nominal devices.
    """

    process: Process
    corner: str
    temperature: float = ROOM
    supply: float = 1.0
    mismatch: tuple[int, int] | None = None

    @property
    def core(self) -> float:
        """Core supply in V: the high level of clocks, controls and logic."""
        return self.process.supplies["core"] * self.supply


@dataclass(frozen=True)
class Netlist:
    """A rendered bench.

    Attributes:
        text: It runs with a plain `ngspice -b FILE`.
        deck: What is in it.
    """

    text: str
    deck: Deck


@dataclass(frozen=True)
class Rig:
    """One variant under one condition.

    Attributes:
        variant: The circuit.
        condition: Corner, temperature, supply, mismatch.
        card: Card of the FTJ column that it reads.
        engine: What simulates it.
        changes: Parameters of the variant that differ from its defaults.
    """

    variant: Variant
    condition: Condition
    card: Card
    engine: NgspiceEngine
    changes: Mapping[str, float] = field(default_factory=dict)

    @property
    def supplies(self) -> dict[str, float]:
        """Voltage of each supply port in V."""
        nominal = self.condition.process.supplies
        return {port: nominal[kind] * self.condition.supply for port, kind in self.variant.supplies.items()}

    @property
    def values(self) -> dict[str, float]:
        """Numbers of the variant in SI units."""
        return self.variant.numbers(self.condition.process.name, dict(self.changes))

    def netlist(self, template: str, *, nodes: Mapping[str, str] | None = None, **context: Any) -> Netlist:
        """Returns a bench with the variant in it.

        The template gets `dut` (name of the subcircuit), `dut_nodes` (its nodes in order), `supplies` and `biases`, and
        writes them with the macro of `periphery/benches/dut.cir.j2`. Its first line is the title.

        Args:
            template: Path below `netlists/`.
            nodes: Node of each port that the bench drives or reads; supplies and biases need none.
            **context: Further variables of the template.

        Raises:
            SettingsError: The variant lacks a port of `nodes`, or has one that nothing drives.
            RenderError: A template is wrong.
        """
        nodes = dict(nodes or {})
        for port in nodes:
            if port not in self.variant.ports:
                raise SettingsError(
                    f"variant '{self.variant.name}' has no port '{port}', which its bench '{self.variant.bench}' "
                    f"needs; it has {', '.join(self.variant.ports)}"
                )
        for port in self.variant.ports:
            if port in self.variant.supplies or port in self.variant.biases:
                nodes.setdefault(port, port)
            elif port not in nodes:
                raise SettingsError(
                    f"variant '{self.variant.name}' has a port '{port}' that its bench '{self.variant.bench}' does not "
                    f"know: make it a supply or a bias, or take another bench"
                )
        condition = self.condition
        deck = Deck(condition.process, condition.corner, condition.mismatch)
        name = deck.block("dut", self.variant, **self.changes)
        biases = [[port, *self.variant.bias(port)] for port in self.variant.biases]
        bench = render(
            template,
            dut=name,
            dut_nodes=[nodes[port] for port in self.variant.ports],
            supplies=self.supplies,
            biases=biases,
            **context,
        )
        title, _, rest = bench.partition("\n")
        celsius = condition.temperature - 273.15
        return Netlist(f"{title}\n.temp {celsius:.6g}\n{deck.text()}{rest}", deck)

    def open(self, netlist: Netlist) -> NgspiceSession:
        """Loads a netlist."""
        return self.engine.open(netlist.text)
