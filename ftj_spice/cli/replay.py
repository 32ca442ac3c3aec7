"""`ftj-spice replay`: a run's netlists again, through plain ngspice."""

from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import say, say_json
from ftj_spice.cli.progress import progress_bars


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog="Example:  ftj-spice generate -o run1 && ftj-spice replay run1 -j 2")(replay)


def replay(
    directory: Annotated[Path, typer.Argument(help="A run directory that generate or vmm wrote.")],
    jobs: Jobs = ALL,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars; lines only for what differs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Run every netlist of a run again with plain `ngspice -b` and compare with the stored column currents."""
    from ftj_spice.studies.replay import replay as run

    with progress_bars({"replay": "netlists"}, quiet) as observer:
        results = run(directory, jobs=workers(jobs), observer=observer)
    if as_json:
        say_json([dict(vars(r), agrees=r.agrees) for r in results])
    else:
        width = max(len(r.netlist) for r in results)
        for r in results:
            if r.agrees and quiet:
                continue
            verdict = "agrees" if r.agrees else "DIFFERS"
            say(
                f"{r.netlist:<{width}}  {verdict:7}  largest deviation {r.deviation:.1e} of 1 {r.scale} "
                f"(allowed {r.limit:g}), {r.points} values"
            )
    if not all(r.agrees for r in results):
        raise typer.Exit(1)
