"""`ftj-spice program`: write a matrix into an array, pulse by pulse."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice program --target W.npy -o prog1                        levels (integers) or siemens (floats)\n\n"
    "  ftj-spice program --target W.npy --unit fraction --levels 8      0 to 1 over the levels' range\n\n"
    "  ftj-spice program --target W.npy --scheme v2 --stuck 0.01 -o v2  another scheme, 1 % stuck devices\n\n"
    "  ftj-spice program --target small.npy --engine ngspice -o spice   every pulse a transient; up to 32 cells\n\n"
    "  ftj-spice program --target W.npy --set tolerance=0.1 --set set.step=0.05 -o fine\n\n"
    "  ftj-spice program --show-settings > p.toml; ftj-spice program --target W.npy --config p.toml"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(program)


def program(
    target: Annotated[Path | None, typer.Option(help="A .npy file of shape (rows, columns).")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-program"),
    unit: Annotated[
        str, typer.Option(help="What the target holds: siemens, fraction, level, or auto (integers are levels).")
    ] = "auto",
    levels: Annotated[int | None, typer.Option(help="Conductance levels.")] = None,
    scheme: Annotated[str | None, typer.Option(help="Unselected lines: v2, v3, or inhibit (transistors).")] = None,
    stuck: Annotated[float | None, typer.Option(help="Share of stuck devices.")] = None,
    card: Annotated[str | None, typer.Option(help="Device card: a packaged name or a .toml file.")] = None,
    engine: Annotated[str, typer.Option(help="Who simulates: fast or ngspice.")] = "fast",
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random draw.")] = 0,
    jobs: Jobs = ALL,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); see --show-settings.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 where cells failed.")] = False,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the settings as TOML; no run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON on standard output.")] = False,
) -> None:
    """Write a matrix into an array: pulses with verify reads, half-select disturb, and every cell that failed."""
    from ftj_spice.array.writing.settings import ProgramSettings
    from ftj_spice.common.errors import SettingsError
    from ftj_spice.results.jsontext import plain
    from ftj_spice.results.units import engineering
    from ftj_spice.studies.program import load_program_settings
    from ftj_spice.studies.program import program as run
    from ftj_spice.studies.settings import default_toml

    if show_settings:
        say(default_toml(ProgramSettings, "program"))
        return
    if target is None:
        raise SettingsError("--target names the matrix to write, a .npy file; see ftj-spice program --help")
    changes = list(change or [])
    for name, value in (("levels", levels), ("scheme", scheme), ("stuck", stuck), ("card", card)):
        if value is not None:
            changes.append(f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}")
    settings = load_program_settings(config, changes)
    names = {"program": f"rows ({engine})", "report": "files and report"}
    with progress_bars(names, quiet) as observer:
        study = run(
            target, out, settings=settings, unit=unit, engine=engine, seed=seed, jobs=workers(jobs),
            force=force, observer=observer, command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    m = study.metrics
    if as_json:
        say_json(plain(m))
    elif not quiet:
        reasons = ", ".join(f"{count} {name}" for name, count in m["failed_by_reason"].items())
        failed = (
            f"{m['failed']} cells failed ({reasons}): see {out / 'failed.csv'}" if m["failed"] else "no cell failed"
        )
        say(
            f"{m['cells']} cells to {settings.levels} levels ({study.targets.unit} in): "
            f"{m['pulses']['mean']:.1f} pulses and {engineering(m['energy_J']['mean'], 'J')} per cell, "
            f"{100 * m['within_tolerance']:.2f} % within ±{settings.tolerance:g} level steps\n"
            f"{failed}\n"
            f"open {out / 'report.html'}; the conductances are in {out / 'conductance.npy'}"
        )
    if study.ladder is not None and not study.ladder.passes:
        complain(f"{study.ladder.sentence}; use --engine ngspice, or wires that carry less")
        raise typer.Exit(1)
    if m["failed"] == m["cells"]:
        complain("no cell reached its target: check the wires' resistance, the pulses and the targets")
        raise typer.Exit(1)
    if m["failed"] and strict:
        complain(f"{m['failed']} of {m['cells']} cells failed (--strict)")
        raise typer.Exit(1)
