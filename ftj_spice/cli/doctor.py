"""`ftj-spice doctor`: what was found on this machine, and what to do about what is missing."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ftj_spice.cli.output import say, say_json


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog="Example:  ftj-spice doctor --json | python3 -m json.tool")(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Say what was found: ngspice with version and options, PySpice, optional extras. Exit 0 when generate can run."""
    from ftj_spice.studies.doctor import examine

    findings = examine()
    if as_json:
        say_json(findings)
    else:
        say(_text(findings))
    if not findings["ready"]:
        raise typer.Exit(1)


def _text(findings: dict[str, Any]) -> str:
    lines = list(_rows({k: v for k, v in findings.items() if k not in {"problems", "ready", "extras"}}))
    lines += [f"{'extra ' + name:<27} {_shown(value)}" for name, value in findings["extras"].items()]
    lines += ["", *(f"missing: {problem['what']}\n     do: {problem['hint']}" for problem in findings["problems"])]
    lines.append("ready: ftj-spice generate can run" if findings["ready"] else "not ready: see above")
    return "\n".join(lines)


def _rows(group: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in group.items():
        if isinstance(value, dict):
            yield from _rows(value, f"{prefix}{name} ")
        else:
            yield f"{prefix + name:<27} {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return (
        {True: "yes", False: "no", None: "not found"}[value] if value is None or isinstance(value, bool) else str(value)
    )
