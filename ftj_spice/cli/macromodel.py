"""`ftj-spice periphery macromodel`: fits a read-out chain or a variant for `--periphery`."""

from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import say
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice periphery macromodel integrator_sar -o mine.json -j 2\n\n"
    "  ftj-spice periphery macromodel strongarm --process sky130 --draws 100 -o strongarm.json\n\n"
    "  ftj-spice periphery macromodel tia --process sky130 --converter sky130/integrator_sar -o tia.json\n\n"
    "  ftj-spice generate --engine fast --periphery mine.json -o drawn"
)


def register(app: typer.Typer) -> None:
    """Adds the command to `ftj-spice periphery`."""
    app.command("macromodel", epilog=EPILOG)(macromodel)


def macromodel(
    circuit: Annotated[
        str,
        typer.Argument(help="Read-out chain or variant: a packaged name (a chain where both have it) or a .toml file."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .json file to write.")],
    process: Annotated[str, typer.Option(help="Process: generic, sky130 or a .toml file.")] = "generic",
    corner: Annotated[str | None, typer.Option(help="Its corner; the typical one if not given.")] = None,
    card: Annotated[
        str | None, typer.Option(help="Card of the column that a variant reads; a chain names its own.")
    ] = None,
    converter: Annotated[
        str | None, typer.Option(help="Macromodel whose converter goes behind a front end with an ideal one.")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(help="Monte Carlo draws that the spreads come from; 12 of a chain, 24 of a variant if not given."),
    ] = None,
    jobs: Jobs = ALL,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
) -> None:
    """Fit a macromodel to transients of a read-out chain or a variant, and state its error against fresh ones."""
    from ftj_spice.studies.macromodel import make_macromodel

    with progress_bars({"fit": "measured by transistors (ngspice)"}, quiet) as observer:
        result = make_macromodel(
            circuit, out, process=process, corner=corner, card=card, converter=converter, draws=draws,
            jobs=workers(jobs), force=force, observer=observer,
        )  # fmt: skip
    if quiet:
        return
    model, fit = result.model, result.model.fit
    words = {"LSB": "LSB", "range": "of the range", "probability": "of probability"}
    error = (
        "its fit error is not known"
        if fit is None
        else f"fit error {fit.rms:.2g} {words[fit.unit]} rms, {fit.largest:.2g} at most, over {fit.compared} "
        f"{fit.against}"
    )
    say(f"macromodel in {out}; {error}; {model.draws} draws of mismatch")
    bits = " --set sample.digitiser=comparator" if model.kind == "decide" else ""
    say(f"use it with: ftj-spice generate --engine fast{bits} --periphery {out}")
