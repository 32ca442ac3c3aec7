"""`ftj-spice card`: device cards, listed, shown, compared, checked."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.common.errors import SettingsError

card_app = typer.Typer(
    no_args_is_help=True,
    help="Device cards: every parameter of a junction with value, unit, kind and source.",
    epilog="Examples:\n\n"
    "  ftj-spice card list\n\n"
    "  ftj-spice card show hzo_mfis_nominal\n\n"
    "  ftj-spice card show hzo_mfis_nominal --toml > mine.toml     a card of your own to edit\n\n"
    "  ftj-spice card diff hzo_mfis_nominal mine.toml\n\n"
    "  ftj-spice card validate mine.toml",
)

Name = Annotated[str, typer.Argument(metavar="CARD", help="Name of a packaged card, or a .toml file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.add_typer(card_app, name="card")


@card_app.command("list")
def list_cards(as_json: AsJson = False) -> None:
    """List the packaged cards."""
    from ftj_spice.studies.cards import card_list

    entries = card_list()
    if as_json:
        say_json([asdict(entry) for entry in entries])
        return
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        counted = ", ".join(f"{count} {kind}" for kind, count in entry.kinds.items())
        say(f"{entry.name:<{width}}  {entry.description}\n{'':<{width}}  {counted}")


@card_app.command()
def show(
    card: Name,
    toml: Annotated[bool, typer.Option("--toml", help="Print the whole card as TOML, nothing extended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every parameter of a card: value, unit, kind, source."""
    from ftj_spice.device.card import card_toml, load_card
    from ftj_spice.studies.cards import card_lines

    loaded = load_card(card)
    lines = card_lines(loaded)
    if toml:
        say(card_toml(loaded))
        return
    if as_json:
        say_json({"name": loaded.name, "description": loaded.description, "parameters": [asdict(x) for x in lines]})
        return
    say(f"{loaded.name}: {loaded.description}")
    width = max(len(line.name) for line in lines)
    section = ""
    for line in lines:
        if line.section != section:
            section = line.section
            say(f"\n{section}")
        value = line.value if isinstance(line.value, str) else f"{line.value:.6g}"
        unit = "" if line.unit in (None, "1") else f" {line.unit}"
        interval = f" [{line.interval[0]:.4g}, {line.interval[1]:.4g}]" if line.interval else ""
        kind = f"{line.kind}: {line.source}" if line.kind else line.meaning
        say(f"  {line.name:<{width}}  {value + unit + interval:<18}  {kind}")


@card_app.command()
def diff(first: Name, second: Name, as_json: AsJson = False) -> None:
    """Show the parameters in which two cards differ (exit status 1 where they do)."""
    from ftj_spice.device.card import load_card
    from ftj_spice.studies.cards import card_differences

    a, b = load_card(first), load_card(second)
    differences = card_differences(a, b)
    if as_json:
        say_json([asdict(entry) for entry in differences])
    elif not differences:
        say(f"{a.name} and {b.name} have the same values")
    else:
        width = max(len(entry.name) for entry in differences)
        say(f"{'':<{width}}  {a.name:<22}  {b.name:<22}")
        for entry in differences:
            unit = "" if entry.unit in (None, "1") else entry.unit
            say(f"{entry.name:<{width}}  {_text(entry.first):<22}  {_text(entry.second):<22}  {unit}".rstrip())
    if differences:
        raise typer.Exit(1)


@card_app.command()
def validate(
    cards: Annotated[list[str], typer.Argument(metavar="CARD...", help="Names of packaged cards, or .toml files.")],
) -> None:
    """Check cards: keys, units, ranges, and whether the values hang together (exit status 2 for a bad one)."""
    from ftj_spice.device.card import load_card
    from ftj_spice.studies.cards import card_remarks, kinds

    bad = False
    for name in cards:
        try:
            card = load_card(Path(name) if name.endswith(".toml") else name)
        except SettingsError as error:
            complain(str(error))
            bad = True
            continue
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds(card).items())
        say(f"{name}: ok ({counted})")
        for remark in card_remarks(card):
            say(f"  note: {remark}")
    if bad:
        raise typer.Exit(2)


def _text(value: float | str | None) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:.6g}"
