"""`ftj-spice generate`: the main job."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.output import say, say_json
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice generate                                       64 digits into ./ftj-run\n\n"
    "  ftj-spice generate -n 16 --seed 7 -o run7 -j 2           16 digits, two ngspice workers\n\n"
    "  ftj-spice generate --set sample.voltage=1.4 -o low       another operating point\n\n"
    "  ftj-spice config > mine.toml; ftj-spice generate --config mine.toml -o mine"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(generate)


def generate(
    samples: Annotated[int | None, typer.Option("-n", "--samples", help="Images to draw.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-run"),
    jobs: Annotated[int, typer.Option("-j", "--jobs", help="ngspice workers side by side.")] = 1,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); see ftj-spice config.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON on standard output.")] = False,
) -> None:
    """Draw images: FTJ noise becomes latents, latents become images, ngspice simulates the array."""
    from ftj_spice.studies.generate import generate as run
    from ftj_spice.studies.settings import load_settings

    changes = list(change or [])
    changes += [f"{key}={value}" for key, value in (("samples", samples), ("seed", seed)) if value is not None]
    settings = load_settings(config, changes)
    names = {"sample": "sample phase (ngspice)", "read": "first layer (ngspice)", "report": "files and report"}
    with progress_bars(names, quiet) as observer:
        result = run(settings, out, jobs=jobs, force=force, observer=observer, command=["ftj-spice", *sys.argv[1:]])
    if as_json:
        say_json(result.metrics)
    elif not quiet:
        m = result.metrics
        say(
            f"{m['images']['count']} images in {out / 'images.png'}\n"
            f"latents: variance {m['latents']['simulated']['variance']:.3f} (closed form 1), first layer: "
            f"{m['first_layer']['effective_bits']:.1f} effective bits over {m['first_layer']['reads']} ngspice reads\n"
            f"open {out / 'report.html'}; check with: ftj-spice replay {shlex.quote(str(out))}"
        )
