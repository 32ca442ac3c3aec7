"""`ftj-spice sample`: what the sampling array draws, over voltage and time; and its calibration."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars

if TYPE_CHECKING:
    from ftj_spice.studies.calibration.draw import DrawResult
    from ftj_spice.studies.calibration.study import CalibrateResult
    from ftj_spice.studies.sample_map.study import MapResult

EPILOG = (
    "Examples:\n\n"
    "  ftj-spice sample                                                          the card's own operating point\n\n"
    "  ftj-spice sample --sweep-voltage 1.2:1.8:13 --sweep-time 0.1ms:50ms:13 -o map -j 2     a map\n\n"
    "  ftj-spice sample --sweep-time 0.1ms:50ms:25 --set sample.voltage=1.6 --goal fastest -o line\n\n"
    "  ftj-spice sample --set sample.time_constant_spread=1 --set columns=64 -o spread      cells that differ\n\n"
    "  ftj-spice sample --calibrate -o calibrated                                calibrate an array that spreads\n\n"
    "  ftj-spice sample --calibration calibrated/calibration.npz -n 10000 -o latents      latents from that array\n\n"
    "  ftj-spice sample --periphery integrator_sar --sweep-time 1ms:20ms:9 -o sar   read by circuits\n\n"
    "  ftj-spice sample --show-settings > map.toml; ftj-spice sample --config map.toml -o map"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(sample)


def sample(
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-sample"),
    sweep_voltage: Annotated[
        str | None, typer.Option(metavar="START:STOP:POINTS", help="Read voltages, evenly spaced: 1.2:1.8:13.")
    ] = None,
    sweep_time: Annotated[
        str | None,
        typer.Option(metavar="START:STOP:POINTS", help="Sampling times, on a logarithmic scale: 0.1ms:50ms:13."),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="What to recommend a point for: gaussian, fastest or lowest-energy.", show_default="gaussian"
        ),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Calibrate an array through its read-out, and store what was found.")
    ] = False,
    calibration: Annotated[
        Path | None, typer.Option(help="Draw latents from the calibrated array of this file (.npz).")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("-n", "--samples", help="Latent vectors to draw with --calibration.", show_default="10000"),
    ] = None,
    periphery: Annotated[
        str | None,
        typer.Option(help="Circuits that read the columns: NAME, PROCESS/NAME or a .json macromodel; see the docs."),
    ] = None,
    card: Annotated[str | None, typer.Option(help="Device card: a packaged name or a .toml file.")] = None,
    audit: Annotated[
        int | None, typer.Option(help="Random points, or columns, that ngspice repeats; 0 for none.", show_default="4")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.", show_default="0")] = None,
    jobs: Jobs = ALL,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); see --show-settings.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the settings as TOML; no run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON on standard output.")] = False,
) -> None:
    """Look at the sampling array: its law, memory, entropy, rate and energy, over voltage and time."""
    from ftj_spice.common.errors import SettingsError

    shared = {"card": card, "audit": audit, "seed": seed, "periphery": periphery}
    swept = {"sweep_voltage": sweep_voltage, "sweep_time": sweep_time, "goal": goal}
    drawn = {"calibration": None if calibration is None else str(calibration), "samples": samples}
    if calibrate and calibration is not None:
        raise SettingsError("--calibrate does not go with --calibration: calibrate first, then draw by what was stored")
    if calibration is None and samples is not None:
        raise SettingsError("-n goes with --calibration only; a map takes --set samples=..., of each column")
    given = [name for name, value in swept.items() if value is not None]
    if given and (calibrate or calibration is not None):
        other = "--calibrate: a calibration" if calibrate else "--calibration: a calibrated array"
        raise SettingsError(f"--{given[0].replace('_', '-')} does not go with {other} sweeps nothing")
    changes = [*(change or []), *_changes(shared | swept | drawn)]
    if show_settings:
        say(_settings_toml(calibrate, calibration is not None))
        return
    order = _Order(out, config, changes, workers(jobs), force, quiet, as_json)
    if calibrate:
        _calibrate(order)
    elif calibration is not None:
        _draw(order)
    else:
        _map(order)


@dataclass(frozen=True)
class _Order:
    """What was asked for, whichever study does it."""

    out: Path
    config: Path | None
    changes: list[str]
    jobs: int
    force: bool
    quiet: bool
    as_json: bool


def _changes(values: dict[str, Any]) -> list[str]:
    """Returns options as changes of settings."""
    given = {name: value for name, value in values.items() if value is not None}
    return [
        f"{name}={json.dumps(value, ensure_ascii=False) if isinstance(value, str) else value}"
        for name, value in given.items()
    ]


def _settings_toml(calibrate: bool, draw: bool) -> str:
    from ftj_spice.sampling.calibration.settings import CalibrateSettings
    from ftj_spice.studies.calibration.draw import DrawSettings
    from ftj_spice.studies.sample_map.settings import MapSettings
    from ftj_spice.studies.settings import default_toml

    if draw:
        return default_toml(DrawSettings, "sample --calibration")
    return default_toml(CalibrateSettings, "sample --calibrate") if calibrate else default_toml(MapSettings, "sample")


def _map(order: _Order) -> None:
    from ftj_spice.studies.sample_map.settings import load_map_settings
    from ftj_spice.studies.sample_map.study import sample_map

    settings = load_map_settings(order.config, order.changes)
    names = {"sample": "operating points", "audit": "audit (ngspice)", "report": "files and report"}
    with progress_bars(names, order.quiet) as observer:
        result = sample_map(
            order.out, settings=settings, jobs=order.jobs, force=order.force, observer=observer,
            command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    for warning in result.warnings:
        complain(f"warning: {warning}")
    _close(order, result, f"; the figures are in {order.out / 'map.csv'}")


def _calibrate(order: _Order) -> None:
    from ftj_spice.studies.calibration.study import CALIBRATION_FILE, calibrate, load_calibrate_settings

    settings = load_calibrate_settings(order.config, order.changes)
    names = {"calibrate": "calibrated arrays", "store": "stored array", "audit": "audit (ngspice)"}
    with progress_bars(names, order.quiet) as observer:
        result = calibrate(
            order.out, settings=settings, jobs=order.jobs, force=order.force, observer=observer,
            command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    _close(order, result, f"; the calibration is in {order.out / CALIBRATION_FILE}")


def _draw(order: _Order) -> None:
    from ftj_spice.studies.calibration.draw import draw_latents, load_draw_settings

    settings = load_draw_settings(order.config, order.changes)
    names = {"draw": "latents", "audit": "audit (ngspice)"}
    with progress_bars(names, order.quiet) as observer:
        result = draw_latents(
            order.out, settings=settings, jobs=order.jobs, force=order.force, observer=observer,
            command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    _close(order, result, f"; the latents are in {order.out / 'latents.npy'}")


def _close(order: _Order, result: "MapResult | CalibrateResult | DrawResult", where: str) -> None:
    """Prints what came out; a study that does not agree with ngspice or its closed forms is an error."""
    from ftj_spice.results.jsontext import plain

    report = order.out / "report.html"
    if order.as_json:
        say_json(plain(result.metrics))
    elif not order.quiet:
        say("\n".join([*result.summary, f"open {report}{where}"]))
    if not result.passes:
        complain(f"the audit, or the agreement with the closed forms, is beyond its limit; see {report}")
        raise typer.Exit(1)
