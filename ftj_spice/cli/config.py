"""`ftj-spice config`: the commented default settings."""

import typer

from ftj_spice.cli.output import say


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog="Example:  ftj-spice config > mine.toml && ftj-spice generate --config mine.toml -o mine")(
        config
    )


def config() -> None:
    """Print every setting of a run with its default, as a commented TOML file."""
    from ftj_spice.studies.settings import default_toml

    say(default_toml())
