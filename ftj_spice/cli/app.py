"""`ftj-spice`: verbs on the command line. Errors a user can put right are one sentence and a non-zero exit."""

import errno
import io
import sys
from typing import Annotated, Any

import typer

from ftj_spice.cli import (
    card,
    characterize,
    config,
    doctor,
    fit,
    generate,
    netlist,
    pdk,
    periphery,
    program,
    puf,
    replay,
    sample,
    train,
    trng,
    vmm,
)
from ftj_spice.cli.output import NobodyReadsError, abandon_output, complain, say
from ftj_spice.cli.signals import Interruption
from ftj_spice.common.errors import FtjSpiceError

_USAGE_ERROR: Any = typer.BadParameter.__base__
"""The parser's own class; newer versions of typer carry their own copy of click."""

_EXHAUSTED = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
}

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
_VERBS = (
    generate, sample, trng, puf, card, characterize, fit, netlist, periphery, program, vmm, train, replay, pdk, doctor,
    config,
)  # fmt: skip
for verb in _VERBS:
    verb.register(app)


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        say(f"ftj-spice {version('ftj-spice')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line.

    The exit status is 0 on success, the error's own for errors a user can put right (1, or 2 for settings and usage),
    130 on Ctrl-C, 143 on SIGTERM, 141 when nobody reads the output. Programming errors keep their traceback.
    """
    interruption, status = Interruption(), 1
    interruption.watch()
    _write_any_name()
    try:
        status = app(prog_name="ftj-spice", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except FtjSpiceError as error:
        complain(str(error))
        status = error.exit_code
    except _USAGE_ERROR as error:
        status = _explain(error)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except (NobodyReadsError, BrokenPipeError):
        abandon_output()
        status = 141
    except Exception as error:  # Ctrl-C may come out as something else: Python wraps it while a class is made
        if interruption.status is None:
            _explain_exhaustion(error)
    if interruption.status is not None:
        interruption.ignore()
        complain("interrupted; nothing half-done was left behind")
        status = interruption.status
    sys.exit(status)


def _write_any_name() -> None:
    """Lets messages hold file names that are not UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _explain_exhaustion(error: Exception) -> None:
    """Says in one sentence what the machine has run out of; anything else is a programming error and goes on."""
    if isinstance(error, MemoryError):
        complain("the machine has not enough memory for this")
    elif isinstance(error, OSError) and (error.errno in _EXHAUSTED or "temporary directory" in str(error)):
        abandon_output()
        complain(f"the machine has no room left for this: {error.strerror or error}")
    else:
        raise error


def _explain(error: Any) -> int:
    """Says what is wrong with the command line in one sentence; a bare `ftj-spice` gets the help page instead."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return 2
    text = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if getattr(error, "ctx", None) else "ftj-spice"
    complain(f"{text[:1].lower()}{text[1:]}; see {path} --help")
    return 2
