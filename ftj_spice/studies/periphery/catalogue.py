"""The catalogue as people look at it: listed, shown, expanded into SPICE."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import Kind, Variant, available_variants, load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.benches import bench, benches
from ftj_spice.periphery.figures import figure
from ftj_spice.results.units import engineering


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue.

    Attributes:
        name: Identifier.
        kind: What it does for the array.
        title: A few words.
        bench: Its test bench; none for a building block of others.
        description: How it works, what it is good for.
        fault: Why its files can't be read; then the rest is empty.
    """

    name: str
    kind: str
    title: str
    bench: str | None
    description: str
    fault: str | None = None


def catalogue(kind: Kind | None = None) -> list[Entry]:
    """Returns the packaged variants, by kind; one that can't be read has its `fault`."""
    found = []
    for name in available_variants(kind):
        try:
            one = load_variant(name)
            found.append(Entry(name, one.kind, one.title, one.bench, one.description))
        except FtjSpiceError as error:
            found.append(Entry(name, kind or "", "", None, "", str(error)))
    return found


def expanded(variant: Variant, process: str | Path, corner: str | None = None) -> str:
    """Returns a variant as SPICE: models, subcircuits, its own last.

    Args:
        variant: The variant.
        process: Name of a packaged process, or a .toml file.
        corner: Name of its corner; none means the typical one.

    Raises:
        FtjSpiceError: The template is wrong, or the process can't be had.
    """
    loaded = load_process(process)
    chosen = corner or loaded.typical
    loaded.corner(chosen)
    deck = Deck(loaded, chosen)
    name = deck.block("dut", variant)
    return f"* {variant.title} in {loaded.title}: subcircuit {name}\n{deck.text()}"


def variant_lines(variant: Variant, process: str) -> list[str]:
    """Returns everything about a variant as lines of text.

    Args:
        variant: The variant.
        process: Name of the process whose values are shown.
    """
    lines = [f"{variant.name}: {variant.title} ({variant.kind})", variant.description, ""]
    lines += [f"  {source}" for source in variant.sources]
    feeds = {port: f"supply, {kind}" for port, kind in variant.supplies.items()} | dict(variant.biases)
    lines += ["", "ports"]
    lines += _columns([[port, feeds.get(port, ""), what] for port, what in variant.ports.items()])
    lines += ["", f"parameters ({process})"]
    lines += _columns(
        [
            [name, f"{engineering(one.number(process), one.unit)}", one.source]
            for name, one in variant.parameters.items()
        ]
    )
    lines += ["", f"test bench: {variant.bench or 'none, a building block of others'}"]
    lines += _columns([[name, str(value)] for name, value in variant.settings.items()])
    if variant.measure:
        lines.append(f"  measures {', '.join(variant.measure)}")
    if variant.limits:
        lines += ["", "limits"]
        lines += _columns(
            [
                [
                    name,
                    " ".join(f"{side} {v}" for side, v in (("min", one.min), ("max", one.max)) if v is not None),
                    one.why,
                ]
                for name, one in variant.limits.items()
            ]
        )
    return lines


def bench_lines(name: str | None = None) -> list[str]:
    """Returns the test benches as lines of text; with a name, what that one measures, its settings and who uses it.

    Raises:
        SettingsError: There is no such bench.
    """
    if name is None:
        return _columns([[one, ", ".join(its.figures)] for one, its in sorted(benches().items())])
    its = bench(name, "periphery bench")
    lines = [f"{name}: figures (* is drawn anew for every Monte Carlo draw)"]
    lines += _columns(
        [
            [("* " if one in its.drawn else "  ") + one, "" if figure(one).unit == "1" else figure(one).unit, meaning]
            for one, meaning in ((one, figure(one).meaning) for one in its.figures)
        ]
    )
    lines += ["", 'settings of a variant, defaults in SI units (a variant writes them with the unit: "0.5 V")']
    defaults = {key: field.get_default(call_default_factory=True) for key, field in its.settings.model_fields.items()}
    rows = [[key, _value(value), " ".join((its.settings.model_fields[key].description or "").split())]
            for key, value in defaults.items()]  # fmt: skip
    lines += _columns(rows)
    users = [one for one in available_variants() if load_variant(one).bench == name]
    lines += ["", f"variants: {', '.join(users) or 'none'}"]
    if users:
        ports = load_variant(users[0]).ports
        lines += ["", f"ports of {users[0]}", *_columns([[port, what] for port, what in ports.items()])]
    return lines


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_value(one) for one in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
