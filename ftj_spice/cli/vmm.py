"""`ftj-spice vmm`: any vector-matrix product on arrays."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars

if TYPE_CHECKING:
    from ftj_spice.studies.vmm_estimate import Expected

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice vmm --weights W.npy --inputs X.npy -o vmm1            your own matrix and inputs\n\n"
    "  ftj-spice vmm --weights mnist:2 -o vmm2                         a decoder's layer with its own activations\n\n"
    "  ftj-spice vmm --weights W.npy --set read.line_resistance=50 --set read.topology=1t1f -o vmm3"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(vmm)


def vmm(
    weights: Annotated[
        str,
        typer.Option(help="A .npy file of shape (inputs, outputs), or a decoder's layer, such as mnist:2."),
    ],
    inputs: Annotated[
        Path | None,
        typer.Option(help="A .npy file of shape (batch, inputs); else random latents, or a layer's own activations."),
    ] = None,
    bias: Annotated[Path | None, typer.Option(help="A .npy file of shape (outputs,).")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-vmm"),
    vectors: Annotated[int, typer.Option(help="Random input vectors where no file gives them.")] = 64,
    engine: Annotated[
        str | None, typer.Option(help="Who reads the arrays: fast, ngspice or vacask.", show_default="fast")
    ] = None,
    audit: Annotated[
        int | None, typer.Option(help="Random reads that ngspice repeats; 0 for none.", show_default="8")
    ] = None,
    budget: Annotated[bool, typer.Option(help="Make the error budget.")] = True,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.", show_default="0")] = None,
    jobs: Jobs = ALL,
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
    """Multiply vectors by a matrix on arrays, and tell where the error comes from."""
    from ftj_spice.results.jsontext import plain
    from ftj_spice.studies.settings import load_settings
    from ftj_spice.studies.vmm import vmm as run

    given = {"seed": seed, "audit": audit, "engine.read": engine}
    changes = [*(change or []), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    if periphery is not None:
        changes.append(f"periphery={json.dumps(periphery, ensure_ascii=False)}")
    settings = load_settings(config, changes)
    names = {
        "macromodel": "product by macromodel", "product": f"product ({settings.engine.read})",
        "budget": "error budget", "audit": "audit (ngspice)",
    }  # fmt: skip

    def notice(expected: "Expected") -> None:
        if expected.long and not quiet:
            complain(expected.sentence)

    with progress_bars(names, quiet) as observer:
        result = run(
            weights, inputs, out, bias=bias, settings=settings, vectors=vectors, budget=budget, jobs=workers(jobs),
            force=force, observer=observer, command=["ftj-spice", *sys.argv[1:]], notice=notice,
        )  # fmt: skip
    if as_json:
        say_json(plain(result.metrics))
    elif not quiet:
        error = result.metrics["error_against_ideal_weights"]
        share = error["rms_relative_to_full_scale"]
        lines = [
            f"{result.outputs.size} products in {out / 'outputs.npy'}; rms error {error['rms']:.3g}"
            + (f", {share:.2%} of full scale, {error['effective_bits']:.1f} effective bits" if share else "")
        ]
        if result.audit is not None:
            lines.append(f"audit: {result.audit.sentence}")
        elif settings.engine.read == "ngspice":
            lines.append("no audit: ngspice itself read the arrays, and nothing needs one")
        if (both := result.metrics.get("transistors")) is not None:
            lines.append(
                f"read through transistors; the macromodel differs by {both['rms_difference']:.3g} rms"
                + (", and the error budget is its own" if result.budget is not None else "")
            )
        check = f"; check with: ftj-spice replay {shlex.quote(str(out))}" if result.netlists else ""
        say("\n".join([*lines, f"open {out / 'report.html'}{check}"]))
    if result.audit is not None and not result.passes:
        complain(f"the audit found a deviation beyond its limit: {result.audit.sentence}; see the report")
        raise typer.Exit(1)
