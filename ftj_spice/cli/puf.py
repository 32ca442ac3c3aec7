"""`ftj-spice puf`: the array as a fingerprint."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice puf -o puf1                                            48 x 48 cells, 32 chips\n\n"
    "  ftj-spice puf --set rows_on=1 --set challenges=48 --set attacked=0 -o bits    independent bits only\n\n"
    "  ftj-spice puf --card high_current --chips 100 -o puf2\n\n"
    "  ftj-spice puf --show-settings > puf.toml; ftj-spice puf --config puf.toml -o puf3"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(puf)


def puf(
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-puf"),
    chips: Annotated[int | None, typer.Option(help="Chips that are compared.")] = None,
    challenges: Annotated[int | None, typer.Option(help="Random sets of rows that every chip is asked.")] = None,
    card: Annotated[str | None, typer.Option(help="Device card: a packaged name or a .toml file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.")] = None,
    audit: Annotated[int | None, typer.Option(help="Reads that ngspice repeats; 0: none.")] = None,
    jobs: Jobs = ALL,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); see --show-settings.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the settings as TOML; no run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON on standard output.")] = False,
) -> None:
    """Use arrays of pristine cells as fingerprints: uniqueness, uniformity, reliability, and what can be learnt."""
    from ftj_spice.array.fingerprint.settings import FingerprintSettings
    from ftj_spice.results.jsontext import plain
    from ftj_spice.studies.fingerprint.study import fingerprint, load_fingerprint_settings
    from ftj_spice.studies.settings import default_toml

    if show_settings:
        say(default_toml(FingerprintSettings, "puf"))
        return
    changes = list(change or [])
    given = {"chips": chips, "challenges": challenges, "card": card, "seed": seed, "audit": audit}
    changes += [
        f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}"
        for name, value in given.items()
        if value is not None
    ]
    settings = load_fingerprint_settings(config, changes)
    names = {"chips": "chips", "attack": "attack", "audit": "audit (ngspice)"}
    with progress_bars(names, quiet) as observer:
        result = fingerprint(
            out, settings=settings, jobs=workers(jobs), force=force, observer=observer,
            command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    if as_json:
        say_json(plain(result.metrics))
    elif not quiet:
        say("\n".join([*result.summary, f"open {out / 'report.html'}"]))
    if result.audit is not None and not result.passes:
        complain(f"the audit found a deviation beyond its limit: {result.audit.sentence}; see the report")
        raise typer.Exit(1)
