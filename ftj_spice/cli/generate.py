"""`ftj-spice generate`: the main job."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice generate                                       64 digits into ./ftj-run\n\n"
    "  ftj-spice generate -n 16 --seed 7 -o run7 -j 2           16 digits, two ngspice workers\n\n"
    "  ftj-spice generate -n 1000 --engine fast --audit 20      compiled engines, a part of their work audited\n\n"
    "  ftj-spice generate --set sample.voltage=1.4 -o low       another operating point\n\n"
    "  ftj-spice sample --calibrate -o calibrated; ftj-spice generate --calibration calibrated/calibration.npz\n\n"
    "  ftj-spice generate --engine fast --periphery integrator_sar -o sar       columns read by circuits\n\n"
    "  ftj-spice config > mine.toml; ftj-spice generate --config mine.toml -o mine"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(generate)


def generate(
    samples: Annotated[int | None, typer.Option("-n", "--samples", help="Images to draw.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-run"),
    jobs: Jobs = ALL,
    engine: Annotated[
        str | None, typer.Option(help="Engine of both phases: fast, ngspice, or vacask (reads by VACASK).")
    ] = None,
    audit: Annotated[
        int | None,
        typer.Option(
            help="Random reads that ngspice repeats, and with fast samples also transients (one for every four reads); "
            "0 for none.",
            show_default="8",
        ),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Draw latents from the calibrated array of this file (.npz).")
    ] = None,
    periphery: Annotated[
        str | None,
        typer.Option(help="Circuits that read the columns: NAME, PROCESS/NAME or a .json macromodel; see the docs."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); see ftj-spice config.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON on standard output.")] = False,
) -> None:
    """Draw images: FTJ noise becomes latents, latents become images, every layer on simulated arrays."""
    from ftj_spice.results.jsontext import plain
    from ftj_spice.studies.estimate import estimate
    from ftj_spice.studies.generate import generate as run
    from ftj_spice.studies.settings import engine_changes, load_settings

    changes = [*(change or []), *(engine_changes(engine) if engine is not None else ())]
    given = (("samples", samples), ("seed", seed), ("audit", audit))
    changes += [f"{key}={value}" for key, value in given if value is not None]
    if calibration is not None:
        changes.append(f"calibration={json.dumps(str(calibration), ensure_ascii=False)}")
    if periphery is not None:
        changes.append(f"periphery={json.dumps(periphery, ensure_ascii=False)}")
    settings = load_settings(config, changes)
    expected = estimate(settings, workers(jobs))
    if expected.long and not quiet:
        complain(expected.sentence)
    names = {
        "sample": f"sample phase ({settings.engine.sample if settings.calibration is None else 'calibrated array'})",
        "read": f"decoder layers ({settings.engine.read})",
        "report": "files and report",
    }
    with progress_bars(names, quiet) as observer:
        result = run(
            settings, out, jobs=workers(jobs), force=force, observer=observer, command=["ftj-spice", *sys.argv[1:]]
        )
    m = result.metrics
    if as_json:
        say_json(plain(m))
    elif not quiet:
        bits = ", ".join(f"{layer['effective_bits']:.1f}" for layer in m["layers"])
        say(
            f"{m['images']['count']} images in {out / 'images.png'}\n"
            f"latents: variance {m['latents']['simulated']['variance']:.3f} (closed form 1); layers on arrays: "
            f"{bits} effective bits over {m['reads']} reads ({result.engines['read']})"
        )
        for name, audit_ in result.audits.items():
            say(f"audit of {name}: {audit_.sentence}")
        check = f"; check with: ftj-spice replay {shlex.quote(str(out))}" if result.netlists else ""
        say(f"open {out / 'report.html'}{check}")
    if not result.passes:
        beyond = {name: audit_ for name, audit_ in result.audits.items() if not audit_.passes}
        complain(
            "; ".join(f"the audit of {name} is beyond its limit: {audit_.sentence}" for name, audit_ in beyond.items())
            + f"; the run is in {out}"
        )
        raise typer.Exit(1)
