"""The datasheet of a device card: one page with plots, and a JSON of the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ftj_spice.device.card import Card, card_toml, load_card
from ftj_spice.engines.witness import open_witness
from ftj_spice.results.manifest import Stopwatch, build_manifest
from ftj_spice.results.plots.style import save_figure
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.datasheet.measure import Datasheet, measure
from ftj_spice.studies.datasheet.page import figures, render
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.observer import Observer, silent

PAGE = "datasheet.html"
"""The page."""
NUMBERS = "datasheet.json"
"""The numbers behind it."""


@dataclass(frozen=True)
class CharacterizeResult:
    """What a datasheet run gives.

    Attributes:
        sheet: All quantities.
        numbers: As in `datasheet.json`.
        path: The folder, where one was written.
    """

    sheet: Datasheet
    numbers: dict[str, Any]
    path: Path | None = None


def characterize(
    card: str | Path | Card,
    out: str | Path | None = None,
    *,
    engine: str = "numpy",
    model: str = "subcircuit",
    seed: int = 0,
    settings: DatasheetSettings | None = None,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> CharacterizeResult:
    """Measures a card's datasheet and writes it.

    Args:
        card: Name of a packaged card, a TOML file, or a card.
        out: Folder to write: page, numbers, figures as SVG, the card, a manifest; none writes nothing.
        engine: Who is asked: `numpy`, `ngspice` or `vacask`.
        model: Form of the model in a simulator: `subcircuit` or `verilog-a`.
        seed: Of every draw.
        settings: How finely to measure.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Card, engine, simulation or output; the subclass and its sentence say what.
    """
    chosen, fine = load_card(card), settings or DatasheetSettings()
    watch = Stopwatch()

    def run() -> Datasheet:
        with watch("simulate"), open_witness(engine, model, fine.groups) as witness:
            return measure(chosen, witness, fine, seed, observer)

    if out is None:
        sheet = run()
        return CharacterizeResult(sheet, sheet.numbers())
    with RunDirectory(Path(out), force=force) as directory:
        sheet = run()
        result = CharacterizeResult(sheet, sheet.numbers())
        with watch("page"):
            _write_page(directory, result, observer)
        directory.write_text("card.toml", card_toml(chosen))
        directory.write_json(
            "manifest.json",
            build_manifest(
                command,
                fine.model_dump(),
                seed,
                {},
                watch.durations,
                {"name": sheet.engine, "version": sheet.version, "model": model},
                {"card": {"name": chosen.name, "sha256": sheet.card_hash}},
            ),
        )
    return replace(result, path=Path(out))


def _write_page(directory: RunDirectory, result: CharacterizeResult, observer: Observer) -> None:
    """Draws the figures, writes them and the page."""
    drawn = figures(result.sheet)
    for number, (name, figure) in enumerate(drawn.items()):
        save_figure(directory.file(f"figures/{name}.svg"), figure)
        observer("page", number + 1, len(drawn) + 1)
    directory.write_text(PAGE, render(result.sheet, drawn))
    directory.write_json(NUMBERS, result.numbers)
    observer("page", len(drawn) + 1, len(drawn) + 1)
