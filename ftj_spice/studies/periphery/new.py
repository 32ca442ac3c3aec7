"""A new variant from one that works: its two files under another name, measured once by their own test bench."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ftj_spice.common.errors import FtjSpiceError, OutputError, SettingsError
from ftj_spice.common.files import replace_file, writing
from ftj_spice.common.packaged import read_text
from ftj_spice.netlist.catalogue.variant import Variant, available_variants, load_variant
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.study import PeripheryResult, periphery_run

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class NewVariant:
    """A new variant.

    Attributes:
        toml: Its TOML file.
        template: Its template.
        result: What its bench measured; none for a building block without a bench.
    """

    toml: Path
    template: Path
    result: PeripheryResult | None

    @property
    def missing(self) -> list[str]:
        """What does not work yet, one sentence each."""
        return [] if self.result is None else self.result.problems


def periphery_new(
    name: str,
    template: str,
    folder: str | Path = ".",
    *,
    settings: PeripherySettings | None = None,
    jobs: int = 1,
    observer: Observer = silent,
) -> NewVariant:
    """Copies a variant under a new name and measures the copy.

    Args:
        name: New name.
        template: Name of a packaged variant, or a .toml file.
        folder: Where `NAME.toml` and `NAME.cir.j2` go; made if missing, nothing there is replaced.
        settings: Processes and card for the measurement.
        jobs: ngspice processes side by side.
        observer: Told about progress.

    Raises:
        SettingsError: The name is no identifier or is taken, or there is no such variant.
        OutputError: The files exist or can't be written.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name[:60]!r} is no variant's name: a small letter, then small letters, digits and '_'")
    if name in available_variants():
        raise SettingsError(f"a packaged variant is called '{name}'; choose another name")
    source = load_variant(template)
    toml, circuit = Path(folder) / f"{name}.toml", Path(folder) / f"{name}.cir.j2"
    for path in (toml, circuit):
        if os.path.lexists(path):
            raise OutputError(f"{path} exists; choose another name or another -o")
    file = Path(template) if Path(template).suffix == ".toml" else source.folder / f"{source.name}.toml"
    text = _renamed(read_text(file), source, name)
    circuit_text = source.text()
    with writing(toml.parent):
        toml.parent.mkdir(parents=True, exist_ok=True)
    replace_file(circuit, circuit_text.encode())
    try:
        replace_file(toml, text.encode())
        made = load_variant(toml)
        if made.name != name:
            raise SettingsError(f"{file}: its name can't be replaced; write it as 'name = \"{source.name}\"' on a line")
    except FtjSpiceError:  # both files or none
        circuit.unlink()
        toml.unlink(missing_ok=True)
        raise
    if made.bench is None:
        return NewVariant(toml, circuit, None)
    settings = (settings or PeripherySettings()).model_copy(update={"variants": (str(toml),)})
    return NewVariant(toml, circuit, periphery_run(settings=settings, jobs=jobs, observer=observer))


def _renamed(text: str, source: Variant, name: str) -> str:
    """Returns a variant's TOML text with another name and title; everything else stays, comments too."""
    text = re.sub(r"(?m)^name\s*=.*$", f'name = "{name}"', text, count=1)
    text = re.sub(r"(?m)^title\s*=.*$", f'title = "{name.replace("_", " ")}, begun from {source.name}"', text, count=1)
    return re.sub(r"(?m)^template\s*=.*\n", "", text, count=1)
