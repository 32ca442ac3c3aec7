"""`ftj-spice characterize`: the datasheet of a device card."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.output import say, say_json
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice characterize                                       the nominal card, by the numpy model\n\n"
    "  ftj-spice characterize switching_set_a -o set-a              another packaged card\n\n"
    "  ftj-spice characterize mine.toml --engine ngspice -o mine    your own card, simulated by ngspice"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(characterize)


def characterize(
    card: Annotated[str, typer.Argument(help="Device card: a packaged name or a .toml file.")] = "hzo_mfis_nominal",
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")] = Path("ftj-datasheet"),
    engine: Annotated[str, typer.Option(help="Who simulates: numpy, ngspice or vacask.")] = "numpy",
    model: Annotated[str, typer.Option(help="Model in the simulator: subcircuit or verilog-a.")] = "subcircuit",
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random draw.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON on standard output.")] = False,
) -> None:
    """Draw a card's datasheet: I-V, hysteresis, switching, staircases, noise, retention, endurance, spread."""
    from ftj_spice.results.jsontext import plain
    from ftj_spice.studies.characterize import NUMBERS, PAGE
    from ftj_spice.studies.characterize import characterize as run

    names = {"datasheet": f"datasheet ({engine})", "page": "figures and page"}
    with progress_bars(names, quiet) as observer:
        result = run(
            card, out, engine=engine, model=model, seed=seed, force=force, observer=observer,
            command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    if as_json:
        say_json(plain(result.numbers))
    elif not quiet:
        say(f"open {out / PAGE}; the numbers are in {out / NUMBERS}, the figures in {out / 'figures'}")
