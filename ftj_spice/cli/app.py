"""`ftj-spice`: verbs on the command line. Errors a user can put right are one sentence and a non-zero exit."""

import sys
from typing import Annotated

import typer

from ftj_spice.cli import config, doctor, generate, netlist, replay, train
from ftj_spice.common.errors import FtjSpiceError

app = typer.Typer(
    name="ftj-spice",
    help="Circuit-level simulation of ferroelectric tunnel junction arrays: noise that samples, conductances that "
    "compute, images that come out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps:  ftj-spice doctor   then   ftj-spice generate -o run1",
)
for verb in (generate, netlist, train, replay, doctor, config):
    verb.register(app)


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        sys.stdout.write(f"ftj-spice {version('ftj-spice')}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line; exit status 0 on success, 130 on Ctrl-C, the error's own otherwise."""
    try:
        app()
    except FtjSpiceError as error:
        sys.stderr.write(f"ftj-spice: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("ftj-spice: interrupted; nothing was left behind\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
