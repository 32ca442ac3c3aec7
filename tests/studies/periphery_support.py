"""Small variants for the tests of periphery studies: a StrongARM that measures its offset only, and broken ones."""

import re
from pathlib import Path

from ftj_spice.netlist.catalogue.variant import load_variant

STRONGARM = load_variant("strongarm")
TOML = (STRONGARM.folder / "strongarm.toml").read_text()
TEMPLATE = STRONGARM.text()


def write_variant(
    folder: Path,
    name: str,
    *,
    measure: str = '["offset", "area"]',
    toml: dict[str, str] | None = None,
    template: dict[str, str] | None = None,
    limits: str = "",
    more: str = "",
) -> str:
    """Writes a StrongARM under another name, with texts replaced, and returns the path of its TOML file."""
    text = TOML.replace('name = "strongarm"', f'name = "{name}"').replace(
        'bench = "clocked_comparator"', f'bench = "clocked_comparator"\nmeasure = {measure}'
    )
    text = re.sub(r"(?s)\[limits.*", "", text) + limits
    circuit = TEMPLATE + more
    for old, new in (toml or {}).items():
        assert old in text
        text = text.replace(old, new)
    for old, new in (template or {}).items():
        assert old in circuit
        circuit = circuit.replace(old, new)
    (folder / f"{name}.toml").write_text(text)
    (folder / f"{name}.cir.j2").write_text(circuit)
    return str(folder / f"{name}.toml")
