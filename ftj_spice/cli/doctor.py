"""`ftj-spice doctor`: what was found on this machine, and what to do about what is missing."""

import json
import sys
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog="Example:  ftj-spice doctor --json | python3 -m json.tool")(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Say what was found: ngspice with its version and options, PySpice, optional extras. Exit 0 when generate can run."""
    from ftj_spice.studies.doctor import examine

    findings = examine()
    sys.stdout.write((json.dumps(findings, indent=2) if as_json else _text(findings)) + "\n")
    if not findings["ready"]:
        raise typer.Exit(1)


def _text(findings: dict[str, Any]) -> str:
    lines = [f"{name:<22} {_shown(value)}" for name, value in findings.items() if name not in {"problems", "ready", "extras"}]
    lines += [f"{'extra ' + name:<22} {_shown(value)}" for name, value in findings["extras"].items()]
    lines += ["", *(f"missing: {problem['what']}\n     do: {problem['hint']}" for problem in findings["problems"])]
    lines.append("ready: ftj-spice generate can run" if findings["ready"] else "not ready: see above")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return {True: "yes", False: "no", None: "not found"}.get(value, str(value)) if not isinstance(value, str) else value
