"""`ftj-spice train`: trains a decoder again from images."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.output import say
from ftj_spice.cli.progress import progress_bars


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(
        epilog="Examples:\n\n"
        "  ftj-spice train --dataset mnist -o mine.npz              downloads MNIST (11 MB) first\n\n"
        "  ftj-spice train --data ./mnist --epochs 3 -o quick.npz\n\n"
        "  ftj-spice generate --set decoder=mine.npz -o mine"
    )(train)


def train(
    out: Annotated[Path, typer.Option("-o", "--out", help="Decoder file to write.")] = Path("decoder.npz"),
    dataset: Annotated[str, typer.Option(help="Data set: mnist.")] = "mnist",
    data: Annotated[Path | None, typer.Option(help="Folder with the four IDX files; else they are downloaded.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the autoencoder.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
) -> None:
    r"""Train a decoder (needs PyTorch: pip install 'ftj-spice\[train]')."""
    from ftj_spice.studies.train import train as run

    with progress_bars({"train": "epochs"}, quiet) as observer:
        decoder = run(dataset, out, data=data, epochs=epochs, seed=seed, force=force, observer=observer)
    if not quiet:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in decoder.record["figures"].items())
        say(f"{out}: {figures}\nuse it with: ftj-spice generate --set {shlex.quote(f'decoder={out}')}")
