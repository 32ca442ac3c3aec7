"""`ftj-spice periphery macromodel`: fits a read-out chain for `--periphery`."""

from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.output import say
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice periphery macromodel integrator_sar -o mine.json -j 2\n\n"
    "  ftj-spice periphery macromodel tia --process sky130 --converter sky130/integrator_sar -o tia.json\n\n"
    "  ftj-spice generate --engine fast --periphery mine.json -o drawn"
)


def register(app: typer.Typer) -> None:
    """Adds the command to `ftj-spice periphery`."""
    app.command("macromodel", epilog=EPILOG)(macromodel)


def macromodel(
    chain: Annotated[str, typer.Argument(help="Read-out chain: a packaged name or a .toml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .json file to write.")],
    process: Annotated[str, typer.Option(help="Process: generic, sky130 or a .toml file.")] = "generic",
    corner: Annotated[str, typer.Option(help="Its corner.")] = "tt",
    converter: Annotated[
        str | None, typer.Option(help="Macromodel whose converter goes behind a chain with an ideal one.")
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", help="ngspice workers side by side.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
) -> None:
    """Fit a macromodel to transients of a read-out chain, and state its error against fresh ones."""
    from ftj_spice.studies.macromodel import make_macromodel

    with progress_bars({"fit": "reads through transistors (ngspice)"}, quiet) as observer:
        result = make_macromodel(
            chain, out, process=process, corner=corner, converter=converter, jobs=jobs, force=force, observer=observer
        )
    if not quiet:
        fit = result.model.fit
        assert fit is not None
        unit = "LSB" if fit.unit == "LSB" else "of the range"
        say(
            f"macromodel in {out}; fit error {fit.rms:.2g} {unit} rms, {fit.largest:.2g} at most, "
            f"over {fit.compared} fresh reads\nuse it with: ftj-spice generate --engine fast --periphery {out}"
        )
