"""`ftj-spice fit`: measured tables to a device card."""

from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.output import say, say_json
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Tables are CSV files (commas, semicolons or tabs) with a header; a name is followed by its unit: 'voltage [V]' "
    "or 'current (nA)'. A comment '# voltage = 1.5 V' above the rows gives a value that holds for all of them. "
    "Columns:\n\n"
    "  iv: voltage, current, polarization (s, -1 to 1) or state (on, off); temperature\n\n"
    "  switching: width, amplitude (on the cell) or field (in the ferroelectric), fraction\n\n"
    "  rtn: time (evenly spaced), current; voltage, state or polarization, temperature; one voltage per file\n\n"
    "  retention: time, polarization (of the initial one, or in uC/cm^2)\n\n"
    "  endurance: cycles, polarization (of the fresh one, or in uC/cm^2)\n\n"
    "Examples:\n\n"
    "  ftj-spice fit --iv iv.csv --area '1 um^2' -o mine.toml\n\n"
    "  ftj-spice fit --rtn a.csv --rtn b.csv --rtn-voltage '1.4 V' --rtn-voltage '1.5 V' --unit current=nA\n\n"
    "  ftj-spice fit --switching sw.csv --column 'amplitude=Vg' --fix weibull_exponent=2 -o mine.toml --plot plots"
)

_Files = list[Path] | None


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(fit)


def fit(
    iv: Annotated[_Files, typer.Option("--iv", help="I-V table; may be repeated, as all tables.")] = None,
    switching: Annotated[_Files, typer.Option("--switching", help="Table of switched fractions.")] = None,
    rtn: Annotated[_Files, typer.Option("--rtn", help="Trace of the sampled current.")] = None,
    retention: Annotated[_Files, typer.Option("--retention", help="Polarization against time.")] = None,
    endurance: Annotated[_Files, typer.Option("--endurance", help="Remanent polarization against cycles.")] = None,
    base: Annotated[
        str, typer.Option(help="Card to start from: a packaged name or a .toml file.")
    ] = "hzo_mfis_nominal",
    name: Annotated[str | None, typer.Option(help="Name of the new card; else the file's.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Card to write (.toml).")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="[KIND.]ROLE=NAME", help="Name of the column that has a role; may be repeated."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(metavar="[KIND.]ROLE=UNIT", help="Unit of a column; goes before the header's; may be repeated."),
    ] = None,
    area: Annotated[str | None, typer.Option(help="Junction area, such as '1 um^2'.")] = None,
    rtn_voltage: Annotated[
        list[str] | None, typer.Option(metavar="VOLTAGE", help="Of the RTN traces: once for all, or once per file.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the base card, such as 'area=1 um^2'; may be repeated."
        ),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=VALUE]", help="Hold a parameter, at the base card's value or another."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Fit a parameter that is held as a rule: gb2_a, gb2_p, gb2_q, trap_depth, ..."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for PNG plots of data against fit.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar, no table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print parameters and intervals as JSON.")] = False,
) -> None:
    """Fit a device card to measured tables: parameters with 95 % intervals, a card, plots of data against fit."""
    from ftj_spice.studies.fit import FitOrder
    from ftj_spice.studies.fit import fit as run
    from ftj_spice.studies.fit_report import fit_data, fit_text

    order = FitOrder(
        files={
            "iv": iv or [], "switching": switching or [], "rtn": rtn or [], "retention": retention or [],
            "endurance": endurance or [],
        },
        base=base, name=name, columns=column or [], units=unit or [], changes=change or [], area=area, fixed=fix or [],
        varied=vary or [], rtn_voltages=rtn_voltage or [],
    )  # fmt: skip
    with progress_bars({"fit": "fits"}, quiet or as_json) as observer:
        result = run(order, out, plot, force=force, observer=observer)
    if as_json:
        say_json(fit_data(result))
    elif not quiet:
        say(fit_text(result))
