"""From variants to transistors: subcircuits of one process, with mismatch, and an inventory of their devices."""

import hashlib
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.netlist.catalogue.body import Ideal, Instance, Passive, Transistor, parse_body
from ftj_spice.netlist.catalogue.variant import Variant, load_variant
from ftj_spice.netlist.process.models import ProcessError, Size, model_text
from ftj_spice.netlist.process.process import Device, Process
from ftj_spice.netlist.render import RenderError, render_text
from ftj_spice.netlist.stranger import render_apart

DEEPEST = 8
"""Levels of variants within variants, at most."""
MOST_BLOCKS = 2000
"""Variants in one netlist, each instance counted: eight levels could hold more than any machine."""


@dataclass(frozen=True)
class Part:
    """One device of a block.

    Attributes:
        path: Names of instances and element, joined by dots: it seeds the mismatch.
        kind: Role of a transistor, `capacitor`, `resistor`, or `ideal`.
        value: F or ohm of a passive; 0 otherwise.
        width: Width of a transistor times its multiplier in m; 0 otherwise.
        length: Its length in m.
        area: Area on silicon in m^2, before the layout factor.
    """

    path: str
    kind: str
    value: float
    width: float
    length: float
    area: float


@dataclass
class Deck:
    """Collects the subcircuits of one netlist.

    Attributes:
        process: The process.
        corner: Name of its corner.
        mismatch: Seed and number of the Monte Carlo draw; none for nominal devices.
        parts: What was put in, every instance counted.
    """

    process: Process
    corner: str
    mismatch: tuple[int, int] | None = None
    parts: list[Part] = field(default_factory=list)
    _subcircuits: dict[str, str] = field(default_factory=dict)
    _sizes: set[Size] = field(default_factory=set)
    _blocks: int = 0

    def block(self, path: str, variant: Variant, **changes: float) -> str:
        """Adds one instance of a variant.

        Args:
            path: Name of the instance, unique in the netlist: mismatch is drawn by it.
            variant: The variant.
            **changes: Parameters that differ from the defaults, SI units.

        Returns:
            Name of its subcircuit; its nodes are the variant's ports, in order.

        Raises:
            RenderError: The template is wrong.
            SettingsError: A parameter is unknown.
        """
        return self._expand(path, variant, changes, 0)

    def text(self) -> str:
        """Returns the models and subcircuits.

        Raises:
            ProcessError: See `model_text`.
        """
        return model_text(self.process, self.corner, self._sizes) + "\n".join(self._subcircuits.values()) + "\n"

    @property
    def area(self) -> float:
        """Area of all parts with the process's layout factor, in m^2."""
        return self.process.layout_factor * math.fsum(part.area for part in self.parts)

    def _expand(self, path: str, variant: Variant, changes: Mapping[str, float], depth: int) -> str:
        where = str(variant.folder / f"{variant.template or variant.name}.cir.j2")
        if depth > DEEPEST:
            raise RenderError(f"{where}: variants stand within variants more than {DEEPEST} deep")
        self._blocks += 1
        if self._blocks > MOST_BLOCKS:
            raise RenderError(f"{where}: the netlist holds more than {MOST_BLOCKS} variants, each instance counted")
        values = variant.numbers(self.process.name, dict(changes))
        supplies = {f"{name}_voltage": volts for name, volts in self.process.supplies.items()}
        fill = render_text if variant.ours else render_apart
        body = parse_body(fill(variant.text(), where, **supplies, **values), where, list(self.process.devices))
        used = {node for line in body.lines for node in _nodes(line)}
        for port in variant.ports:
            if port not in used:
                raise RenderError(f"{where}: nothing is connected to the port '{port}'")
        lines = []
        for line in body.lines:
            lines.append(self._line(line, f"{path}.{getattr(line, 'name', '')}", where, variant, depth))
        text = "\n".join(lines)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        name = f"{variant.name}_{digest}"
        self._subcircuits.setdefault(name, f".subckt {name} {' '.join(variant.ports)}\n{text}\n.ends {name}")
        return name

    def _line(
        self, line: Transistor | Passive | Instance | Ideal, path: str, where: str, variant: Variant, depth: int
    ) -> str:
        if isinstance(line, Transistor):
            return self._transistor(line, path, where)
        if isinstance(line, Passive):
            return self._passive(line, path)
        if isinstance(line, Instance):
            inner = self._find(line.variant, variant)
            if len(line.nodes) != len(inner.ports):
                raise RenderError(
                    f"{where}: '{line.name}' gives {len(line.nodes)} nodes to '{inner.name}', which has "
                    f"{len(inner.ports)} ports ({', '.join(inner.ports)})"
                )
            name = self._expand(path, inner, line.values, depth + 1)
            return f"{line.name} {' '.join(line.nodes)} {name}"
        if line.name != ".model":
            self.parts.append(Part(path, "ideal", 0.0, 0.0, 0.0, 0.0))
        return line.text

    def _find(self, name: str, outer: Variant) -> Variant:
        beside = outer.folder / f"{name}.toml"
        try:
            return load_variant(name)
        except SettingsError:
            if not outer.ours and beside.is_file():
                return load_variant(beside)
            raise

    def _transistor(self, line: Transistor, path: str, where: str) -> str:
        device: Device = self.process.devices[line.role]  # type: ignore[index]
        finger = line.width / line.fingers
        tolerance = 1e-12
        if not (
            device.min_width - tolerance <= finger <= device.max_width + tolerance
            and device.min_length - tolerance <= line.length <= device.max_length + tolerance
        ):
            raise ProcessError(
                f"{where}: '{line.name}' is W/L = {1e6 * finger:g}/{1e6 * line.length:g} um a finger; process "
                f"'{self.process.name}' makes {line.role} of W = {1e6 * device.min_width:g} to "
                f"{1e6 * device.max_width:g} and L = {1e6 * device.min_length:g} to {1e6 * device.max_length:g} um"
            )
        self._sizes.add(Size(line.role, finger, line.length))
        width = line.width * line.multiplier
        self.parts.append(Part(path, line.role, 0.0, width, line.length, width * line.length))
        d = 1e6 * device.diffusion
        # Fingers share diffusions: nf fingers have nf + 1 regions, drains between sources.
        drains, sources = (line.fingers + 1) // 2, line.fingers // 2 + 1
        f = 1e6 * finger
        geometry = (
            f"ad={drains * f * d:.6g} pd={drains * 2 * (f + d):.6g} as={sources * f * d:.6g} "
            f"ps={sources * 2 * (f + d):.6g}"
        )
        z = self._normals(path, len(device.mismatch))
        skew = "".join(f" z{name}={value:.9g}" for name, value in zip(device.mismatch, z, strict=True) if value)
        size = f"w={1e6 * line.width:.9g} l={1e6 * line.length:.9g}"
        return (
            f"x{line.name} {' '.join(line.nodes)} {device.model} {size} nf={line.fingers} "
            f"m={line.multiplier} mult={line.multiplier} {geometry}{skew}"
        )

    def _passive(self, line: Passive, path: str) -> str:
        initial = "" if line.initial is None else f" ic={line.initial:.9g}"
        if line.parasitic:
            return f"{line.name} {' '.join(line.nodes)} {line.value:.9g}{initial}"
        passives, corner = self.process.passives, self.process.corner(self.corner)
        if line.kind == "c":
            kind, area = "capacitor", line.value / passives.capacitor_density
            sigma, factor = passives.capacitor_mismatch / math.sqrt(area), corner.capacitance
        else:
            kind, area = "resistor", line.value / passives.sheet_resistance * passives.resistor_width**2
            sigma, factor = passives.resistor_mismatch / math.sqrt(area), corner.resistance
        self.parts.append(Part(path, kind, line.value, 0.0, 0.0, area))
        value = line.value * factor * (1.0 + sigma * float(self._normals(path, 1)[0]))
        return f"{line.name} {' '.join(line.nodes)} {value:.9g}{initial}"

    def _normals(self, path: str, count: int) -> np.ndarray:
        if self.mismatch is None:
            return np.zeros(count)
        seed, draw = self.mismatch
        return generator(seed, "mismatch", draw, zlib.crc32(path.encode())).standard_normal(count)


def _nodes(line: Transistor | Passive | Instance | Ideal) -> set[str]:
    if isinstance(line, Ideal):
        return set(re.findall(r"[a-z][a-z0-9_]*", line.text.lower()))
    return set(line.nodes)
