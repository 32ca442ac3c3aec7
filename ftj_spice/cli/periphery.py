"""`ftj-spice periphery`: read-out circuits at transistor level, listed, shown, measured, compared, begun anew."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ftj_spice.cli import macromodel
from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars
from ftj_spice.common.errors import SettingsError

periphery_app = typer.Typer(
    no_args_is_help=True,
    help="Sense amplifiers, comparators, converters and drivers at transistor level: measured, judged, compared.",
    epilog="Examples:\n\n"
    "  ftj-spice periphery list                                      the catalogue\n\n"
    "  ftj-spice periphery show strongarm                            ports, parameters with sources, limits\n\n"
    "  ftj-spice periphery bench clocked_comparator                  what a test bench measures and needs\n\n"
    "  ftj-spice periphery run -o periphery                          every variant, nominal\n\n"
    "  ftj-spice periphery run --variants strongarm,double_tail --process sky130 --mc 100 -o comparators\n\n"
    "  ftj-spice periphery compare strongarm double_tail --from comparators\n\n"
    "  ftj-spice periphery new my_latch --from strongarm             a variant of your own",
)

Name = Annotated[str, typer.Argument(metavar="VARIANT", help="Name of a packaged variant, or a .toml file.")]
Processes = Annotated[
    list[str] | None,
    typer.Option("--process", help="generic, sky130 or a .toml file; may be repeated.", show_default="generic"),
]
Draws = Annotated[int | None, typer.Option("--mc", min=0, help="Monte Carlo draws of mismatch.", show_default="0")]
Seed = Annotated[int | None, typer.Option(help="Seed of the draws.", show_default="0")]
Card = Annotated[
    str | None,
    typer.Option(help="Card of the FTJ column: packaged or a .toml file.", show_default="hzo_mfis_nominal"),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    macromodel.register(periphery_app)
    app.add_typer(periphery_app, name="periphery")


@periphery_app.command(
    "list",
    epilog="Examples:\n\n  ftj-spice periphery list\n\n  ftj-spice periphery list --kind sense\n\n"
    "  ftj-spice periphery list --json",
)
def list_variants(
    kind: Annotated[str | None, typer.Option(help="Only sense, decide, convert or drive.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the packaged variants."""
    from ftj_spice.netlist.catalogue.variant import KINDS
    from ftj_spice.studies.periphery.catalogue import catalogue

    if kind is not None and kind not in KINDS:
        raise SettingsError(f"unknown kind {kind[:40]!r}; known: {', '.join(KINDS)}")
    entries = catalogue(kind)  # type: ignore[arg-type]
    if as_json:
        say_json([asdict(entry) for entry in entries])
        return
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        bench = "building block" if entry.bench is None else f"bench {entry.bench}"
        say(f"{entry.kind:<8} {entry.name:<{width}}  {entry.fault or f'{entry.title} ({bench})'}")


@periphery_app.command(
    epilog="Examples:\n\n  ftj-spice periphery show strongarm\n\n"
    "  ftj-spice periphery show strongarm --netlist --process sky130 --corner ss > strongarm_ss.cir\n\n"
    "  ftj-spice periphery show my_latch.toml --json"
)
def show(
    variant: Name,
    netlist: Annotated[bool, typer.Option("--netlist", help="Print it as SPICE, models included.")] = False,
    process: Annotated[str, typer.Option(help="Process of --netlist and of the values shown.")] = "generic",
    corner: Annotated[str | None, typer.Option(help="Corner of --netlist.", show_default="typical")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a variant: ports, parameters with their sources, limits; or the SPICE that it becomes."""
    from ftj_spice.netlist.catalogue.variant import load_variant
    from ftj_spice.netlist.process.process import load_process
    from ftj_spice.studies.periphery.catalogue import expanded, variant_lines

    loaded = load_variant(variant)
    if netlist:
        say(expanded(loaded, process, corner))
    elif as_json:
        say_json(loaded.model_dump(mode="json"))
    else:
        say("\n".join(variant_lines(loaded, load_process(process).name)))


@periphery_app.command(
    epilog="Examples:\n\n  ftj-spice periphery bench\n\n  ftj-spice periphery bench clocked_comparator"
)
def bench(
    name: Annotated[str | None, typer.Argument(metavar="[BENCH]", help="Name of a test bench.")] = None,
) -> None:
    """List the test benches; or one bench's figures, settings and ports, for variants of your own."""
    from ftj_spice.studies.periphery.catalogue import bench_lines

    say("\n".join(bench_lines(name)))


@periphery_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice periphery run -o periphery                                   the whole catalogue, nominal\n\n"
    "  ftj-spice periphery run --process sky130 --process generic --mc 100 -o both    100 draws each\n\n"
    "  ftj-spice periphery run --variants strongarm,my_latch.toml --corners tt,ss,ff --temperatures 233,300,398 "
    "--supplies 0.9,1,1.1 -o corners\n\n"
    "  ftj-spice periphery run --process sky130 --process generic --mc 100 -o both --resume   after a break\n\n"
    "What is wrong with one variant stops no other; the exit status is then 1."
)
def run(
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-periphery"),
    variants: Annotated[
        str | None,
        typer.Option(help="Names or .toml files, with commas between; all: the catalogue.", show_default="all"),
    ] = None,
    process: Processes = None,
    corners: Annotated[
        str | None, typer.Option(help="Corners, with commas between, such as tt,ss,ff.", show_default="typical")
    ] = None,
    temperatures: Annotated[
        str | None, typer.Option(help="Temperatures in K, or with a unit: 233,300,125degC.", show_default="300")
    ] = None,
    supplies: Annotated[
        str | None, typer.Option(help="Factors of the supplies, such as 0.9,1,1.1.", show_default="1")
    ] = None,
    mc: Draws = None,
    seed: Seed = None,
    card: Card = None,
    jobs: Jobs = ALL,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run of these settings.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); see --show-settings.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the settings as TOML; no run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure variants by their test benches, over processes, corners, temperatures, supplies and mismatch.

    Every corner is measured at every temperature and supply; Monte Carlo draws are made in the nominal condition.
    """
    from ftj_spice.studies.periphery.journal import journal_path
    from ftj_spice.studies.periphery.settings import PeripherySettings
    from ftj_spice.studies.periphery.study import periphery_run
    from ftj_spice.studies.settings import default_toml, read_settings

    if show_settings:
        say(default_toml(PeripherySettings, "periphery run"))
        return
    given = {
        "variants": _names(variants, "--variants"), "processes": process, "corners": _names(corners, "--corners"),
        "temperatures": _numbers(temperatures, "K", "--temperatures"),
        "supplies": _numbers(supplies, "1", "--supplies"), "mc": mc, "seed": seed, "card": card,
    }  # fmt: skip
    settings = read_settings(PeripherySettings, config, change or ())
    settings = _changed(settings, given)
    try:
        with progress_bars({"measure": "circuits (ngspice)", "report": "files and report"}, quiet) as observer:
            result = periphery_run(
                out, settings=settings, jobs=workers(jobs), resume=resume, force=force,
                observer=observer, command=["ftj-spice", *sys.argv[1:]],
            )  # fmt: skip
    except KeyboardInterrupt:
        if journal_path(out).exists():
            complain(f"what was measured is kept in {journal_path(out)}; go on with --resume")
        raise
    for note in result.notes:
        complain(f"warning: {note}")
    if as_json:
        say_json(result.metrics)
    elif not quiet:
        say("\n".join([*result.summary, f"open {out / 'report.html'}; the figures are in {out / 'results.csv'}"]))
    if not result.passes:
        for problem in result.problems:
            complain(problem)
        complain(f"not everything could be measured ({len(result.problems)} problems); see {out / 'report.html'}")
        raise typer.Exit(1)


@periphery_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice periphery compare strongarm double_tail                       freshly measured\n\n"
    "  ftj-spice periphery compare strongarm double_tail --mc 50 --process sky130\n\n"
    "  ftj-spice periphery compare strongarm my_latch --from run1              both from a run directory\n\n"
    "  ftj-spice periphery compare strongarm strongarm --from before --from after    one circuit in two runs"
)
def compare(
    first: Name,
    second: Name,
    runs: Annotated[
        list[Path] | None, typer.Option("--from", help="Run directory that holds both; twice: one for each.")
    ] = None,
    process: Processes = None,
    mc: Draws = None,
    seed: Seed = None,
    card: Card = None,
    jobs: Jobs = ALL,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Set two variants side by side: every figure, the ratio, which is better, and whether draws can tell."""
    from ftj_spice.results.jsontext import plain
    from ftj_spice.studies.periphery.compare import periphery_compare
    from ftj_spice.studies.periphery.settings import PeripherySettings

    given = {"processes": process, "mc": mc, "seed": seed, "card": card}
    if runs and any(value is not None for value in given.values()):
        raise SettingsError("--process, --mc, --seed and --card are for a fresh measurement, not for --from")
    settings = _changed(PeripherySettings(), given)
    with progress_bars({"measure": "circuits (ngspice)"}, quiet) as observer:
        found = periphery_compare(
            first, second, runs=runs or (), settings=settings,
            jobs=workers(jobs), observer=observer,
        )  # fmt: skip
    if as_json:
        say_json(plain([one.metrics for one in found]))
    else:
        say("\n\n".join("\n".join(one.lines) for one in found))
    if any(one.error is not None for pair in found for one in (pair.first, pair.second)):
        complain("one of them could not be measured")
        raise typer.Exit(1)


@periphery_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice periphery new my_latch --from strongarm             my_latch.toml and my_latch.cir.j2, here\n\n"
    "  ftj-spice periphery new my_tia --from tia_two_stage -o circuits --process sky130\n\n"
    "Then edit the two files and run: ftj-spice periphery run --variants my_latch.toml -o mine"
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new variant.")],
    template: Annotated[str, typer.Option("--from", help="Variant to begin from: packaged, or a .toml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the two files.")] = Path(),
    process: Processes = None,
    card: Card = None,
    jobs: Jobs = ALL,
    quiet: Quiet = False,
) -> None:
    """Begin a variant of your own: two files copied under a new name, then measured by their own test bench."""
    from ftj_spice.studies.periphery.new import periphery_new
    from ftj_spice.studies.periphery.settings import PeripherySettings

    settings = _changed(PeripherySettings(), {"processes": process, "card": card})
    with progress_bars({"measure": "its test bench (ngspice)"}, quiet) as observer:
        made = periphery_new(name, template, out, settings=settings, jobs=workers(jobs), observer=observer)
    if not quiet:
        say(f"{made.toml}: ports, parameters, test bench, limits\n{made.template}: the circuit")
        if made.result is None:
            say("it is a building block: use it on x lines of other variants, or give it a 'bench'")
        else:
            say("\n".join([*made.result.summary, f"next: ftj-spice periphery run --variants {made.toml} -o {name}"]))
    if made.missing:
        for sentence in made.missing:
            complain(sentence)
        raise typer.Exit(1)


def _changed(settings: Any, given: dict[str, Any]) -> Any:
    """Returns settings with the options that were given, checked."""
    values = {name: value for name, value in given.items() if value is not None}
    return type(settings).parse(settings.model_dump() | values, "settings")


def _names(text: str | None, option: str) -> list[str] | None:
    names = None if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if names == []:
        raise SettingsError(f"{option} is empty; give one at least, with commas between, or leave it out")
    return names


def _numbers(text: str | None, unit: str, option: str) -> list[float] | None:
    from ftj_spice.common.quantities import quantity

    return None if text is None else [quantity(name, unit, option) for name in _names(text, option) or ()]
