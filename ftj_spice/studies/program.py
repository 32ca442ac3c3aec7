"""Programming an array: targets in, conductances, pulses, energies and the list of failed cells out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing import outcome
from ftj_spice.array.writing.check import LadderCheck, check_ladder
from ftj_spice.array.writing.chip import Chip
from ftj_spice.array.writing.devices import Devices, draw_devices
from ftj_spice.array.writing.disturb import HalfSelect, half_select
from ftj_spice.array.writing.ladder import RowLadder
from ftj_spice.array.writing.outcome import ProgramResult, failures_csv
from ftj_spice.array.writing.sequence import program as run_sequence
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.array.writing.spice import NgspiceChip, check_size
from ftj_spice.array.writing.targets import Targets, read_targets
from ftj_spice.array.writing.vector import VectorChip
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.common.npyfile import open_npy
from ftj_spice.common.seeds import check_seed
from ftj_spice.device.card import Card, card_toml, load_card
from ftj_spice.engines.fast import FastReader
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.program_report import render_program_report
from ftj_spice.studies.settings import check_jobs, read_settings

ENGINES = ("fast", "ngspice")
"""Who may simulate the programming."""
LARGEST_MEMORY = 8e9
"""An array that needs more than this, in bytes, is refused."""
LONGEST = 24 * 3600.0
"""One that would take longer than this, in s, is refused."""
LEAST_SHARE = 0.01
"""Part of a read's voltage that must be left for the farthest cell."""
HALF_SELECT_COUNTS = np.array([1, 10, 100, 1000, 10_000])
"""Numbers of pulses of the half-select table."""


@dataclass(frozen=True)
class ProgramStudy:
    """What a programming run gives.

    Attributes:
        result: Conductances, pulses, energies, failures.
        targets: What was wanted.
        devices: The array's devices; which are stuck is known here, not to the sequence.
        settings: The sequence's settings.
        card: The device card.
        seed: Of every draw.
        half_select: Disturb of one cell by pulses on its neighbours.
        ladder: Check of the verify reads against the whole array; none where ngspice ran it anyway.
        metrics: As in `metrics.json`.
        path: The run directory, where one was written.
    """

    result: ProgramResult
    targets: Targets
    devices: Devices
    settings: ProgramSettings
    card: Card
    seed: int
    half_select: tuple[HalfSelect, ...]
    ladder: LadderCheck | None
    metrics: dict[str, Any]
    path: Path | None = None


def load_program_settings(path: str | Path | None = None, changes: Iterable[str] = ()) -> ProgramSettings:
    """Returns the settings of a TOML file (or the defaults), changed by `key=value` strings.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    return read_settings(ProgramSettings, path, changes)


def estimate(shape: tuple[int, int], card: Card, settings: ProgramSettings) -> tuple[float, float]:
    """Returns about how many bytes and seconds the vectorised engine needs.

    Measured on two cores: some 0.3 ms a pulse of a row, and 1.2 us a cell; 3 us for 100 domains.
    """
    cells = shape[0] * shape[1]
    stochastic = settings.model == "domains"
    domains = max(1, round(card.domains * card.area / 1e-12))
    memory = cells * (25.0 * domains if stochastic else 24.0 * settings.groups) + 500.0 * cells
    one = 3e-8 * domains if stochastic else 7.5e-8 * settings.groups
    rows = min(60.0, 5.0 * len(settings.set.amplitudes()))
    return memory, shape[0] * rows * (3e-4 + shape[1] * one) + cells * (1e-4 if stochastic else 1e-5)


def program(
    target: NDArray[Any] | str | Path,
    out: str | Path | None = None,
    *,
    settings: ProgramSettings | None = None,
    unit: str = "auto",
    engine: str = "fast",
    seed: int = 0,
    jobs: int = 0,
    stuck: NDArray[np.int8] | None = None,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> ProgramStudy:
    """Programs an array to a matrix of targets.

    Args:
        target: Matrix, or a .npy file; see `read_targets`.
        out: Run directory to write; none writes nothing.
        settings: Card, levels, pulses, wires.
        unit: How the matrix is meant: `auto`, `siemens`, `fraction` or `level`.
        engine: `fast` (vectorised) or `ngspice` (transients; small arrays).
        seed: Of every draw.
        jobs: Threads; 0 takes all. The result does not depend on it.
        stuck: Which devices are stuck (1 on, -1 off, 0 none); drawn from the settings by default.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Target, settings, card, engine, simulation or output; the subclass and its sentence say what.
    """
    chosen = settings or ProgramSettings()
    if engine not in ENGINES:
        raise SettingsError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    if jobs:
        check_jobs(jobs)
    card = load_card(chosen.card)
    named = isinstance(target, str | Path)
    matrix = open_npy(target, "the target") if isinstance(target, str | Path) else _matrix(target)
    check_seed(seed)
    if matrix.ndim == 2 and matrix.size:  # before every cell is looked at; other shapes are refused below
        _check_reach(matrix.shape, card, chosen, engine)
    targets = read_targets(matrix, card, chosen, unit, str(target) if named else "the target")
    _check_wires(targets, card, chosen)
    devices = draw_devices(card, targets.conductance.shape, chosen, seed, stuck)
    watch = Stopwatch()
    if out is None:
        return _run(targets, devices, chosen, card, engine, seed, jobs, observer, watch)
    with RunDirectory(Path(out), force=force, inputs=[Path(target)] if named else ()) as directory:
        study = _run(targets, devices, chosen, card, engine, seed, jobs, observer, watch)
        with watch("report"):
            observer("report", 0, 1)
            _write(directory, study, watch)
            observer("report", 1, 1)
        directory.write_json(
            "manifest.json",
            build_manifest(
                command,
                chosen.model_dump(), seed, {}, watch.durations, {"name": engine, "version": study.result.engine},
                {"card": {"name": card.name, "sha256": sha256_text(card_toml(card))}},
            ),
        )  # fmt: skip
    return replace(study, path=Path(out))


def _matrix(target: Any) -> NDArray[Any]:
    try:
        return np.asarray(target)
    except (TypeError, ValueError):
        raise DataError("the target must be a matrix of numbers") from None


def _check_wires(targets: Targets, card: Card, settings: ProgramSettings) -> None:
    """Refuses wires that leave next to nothing of a write pulse or a read for the far end of the array.

    Raises:
        SettingsError: The sentence says how much arrives.
    """
    rows, columns = targets.conductance.shape
    row = rows - 1 if settings.sense == "first" else 0  # the one whose columns have the longest way
    ladder = RowLadder.of(card.conduction, settings, row, rows)
    wires = f"line_resistance of {settings.line_resistance:g} ohm (with drivers and sense amplifiers) leaves"
    across, _ = ladder.solve(targets.conductance[row], card.vmm_voltage, np.zeros(columns))
    share = float(np.min(np.abs(across))) / card.vmm_voltage
    if share < LEAST_SHARE:
        raise SettingsError(
            f"{wires} {share:.1e} of a read's voltage for the farthest cell of a row, so nothing can be verified; at "
            f"least {LEAST_SHARE:g} must arrive"
        )
    far = 0 if settings.drive == "last" else columns - 1
    alone = np.zeros(columns)  # one cell that is written, and no current in the others: the best that can be
    alone[far] = card.off_conductance
    across, _ = ladder.solve(alone, settings.set.limit, np.zeros(columns))
    if across[far] < settings.set.start:
        raise SettingsError(
            f"{wires} {across[far]:.2g} V of the largest pulse ({settings.set.limit:g} V) for the far cell, under "
            f"the smallest pulse ({settings.set.start:g} V): nothing can be written"
        )


def _check_reach(shape: tuple[int, ...], card: Card, settings: ProgramSettings, engine: str) -> None:
    """Refuses what is out of reach before anything is drawn; ngspice tells its own limit."""
    rows, columns = shape
    if engine == "ngspice":
        check_size((rows, columns), settings)
        return
    memory, seconds = estimate((rows, columns), card, settings)
    if memory > LARGEST_MEMORY or seconds > LONGEST:
        raise SettingsError(
            f"programming {rows} x {columns} cells would take some {memory / 1e9:.3g} GB and {seconds / 3600:.3g} "
            f"hours; at most {LARGEST_MEMORY / 1e9:g} GB and {LONGEST / 3600:g} hours: program tiles one by one"
        )


def _run(
    targets: Targets,
    devices: Devices,
    settings: ProgramSettings,
    card: Card,
    engine: str,
    seed: int,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
) -> ProgramStudy:
    trace = _traced(targets)
    threads = numba.get_num_threads()
    if jobs:
        numba.set_num_threads(min(jobs, numba.config.NUMBA_NUM_THREADS))
    try:
        chip: Chip = (
            VectorChip(card, devices, settings, seed) if engine == "fast" else NgspiceChip(card, devices, settings)
        )
        with watch("program"), chip:
            result = run_sequence(chip, targets, settings, seed, trace, part_of(observer, "program"))
        ladder = None
        if engine == "fast":
            with watch("check"), FastReader() as reader:
                ladder = check_ladder(card, settings, result.conductance, result.read, result.step, reader)
    finally:
        numba.set_num_threads(threads)
    disturbs = tuple(half_select(card, 3.5, 1e-6, counts=HALF_SELECT_COUNTS))
    study = ProgramStudy(result, targets, devices, settings, card, seed, disturbs, ladder, {})
    return replace(study, metrics=measure(study))


def _traced(targets: Targets) -> tuple[tuple[int, int], ...]:
    """Returns a cell of a middle and one of the highest level, whose ways are kept."""
    level = targets.level
    cells = [
        np.unravel_index(int(np.argmin(np.abs(level - goal))), level.shape) for goal in (level.max(), level.max() // 2)
    ]
    return tuple(dict.fromkeys((int(i), int(j)) for i, j in cells))


def measure(study: ProgramStudy) -> dict[str, Any]:
    """Returns the numbers of a run, for `metrics.json`."""
    r, stuck = study.result, study.devices.stuck != 0
    failed, tolerance = r.failed, study.settings.tolerance
    within = np.abs(r.error) <= tolerance
    listed = np.zeros(failed.shape, bool)
    for failure in r.failures:
        listed[failure.row, failure.column] = failure.reason == outcome.STUCK
    good = ~failed
    numbers: dict[str, Any] = {
        "status": r.status,
        "engine": r.engine,
        "cells": int(failed.size),
        "failed": len(r.failures),
        "failed_by_reason": dict(Counter(f.reason for f in r.failures)),
        "within_tolerance": float(within.mean()),
        "tolerance_steps": tolerance,
        "level_step_S": r.step,
        "passes": r.passes,
        "pulses": {
            "mean": float(r.pulses.mean()), "largest": int(r.pulses.max()), "total": int(r.pulses.sum()),
            "per_row_mean": float(r.row_pulses.mean()), "per_row_largest": int(r.row_pulses.max()),
        },
        "energy_J": {
            "mean": float(r.energy.mean()), "total": float(r.energy.sum()), "erase_mean": float(r.erase_energy.mean()),
        },
        "error_steps": _spread(r.error[good]),  # of the cells that hold their target
        "error_steps_of_all": _spread(r.error.ravel()),
        "error_by_level": [
            {"level": int(k), **_spread(r.error[good & (study.targets.level == k)])}
            for k in np.unique(study.targets.level[good])
        ],
        "disturb_steps": {
            "largest": float(np.max(np.abs(r.disturb))), "rms": float(np.sqrt(np.mean(r.disturb**2))),
            "domain_groups": study.settings.groups if study.settings.model == "mean" else None,
        },
        "stuck": {
            "devices": int(stuck.sum()),
            "listed": int((stuck & failed).sum()),
            "holding_their_target": int((stuck & good).sum()),
            "listed_as_stuck_but_not": int((listed & ~stuck).sum()),
        },
        "half_select": [
            {
                "scheme": h.scheme, "place": h.place, "voltage_V": h.voltage, "flips_one_pulse": float(h.flips[0]),
                "flips_by_groups": float(h.grouped[0]),
            }
            for h in study.half_select
        ],
    }  # fmt: skip
    if study.ladder is not None:
        k = study.ladder
        numbers["verify_against_whole_array"] = {
            "engine": k.engine, "rows": k.rows, "largest_steps": k.largest, "rms_steps": k.rms, "status": k.status,
            "limit_steps": k.limit, "passes": k.passes,
        }  # fmt: skip
    return numbers


def _spread(errors: NDArray[np.float64]) -> dict[str, Any]:
    """Returns count, mean, standard deviation and quantiles."""
    if len(errors) == 0:
        return {"cells": 0, "mean": None, "sigma": None, "quantiles_5_50_95": None, "largest": None}
    return {
        "cells": len(errors),
        "mean": float(errors.mean()),
        "sigma": float(errors.std()),
        "quantiles_5_50_95": [float(q) for q in np.quantile(errors, (0.05, 0.5, 0.95))],
        "largest": float(np.max(np.abs(errors))),
    }


def _write(directory: RunDirectory, study: ProgramStudy, watch: Stopwatch) -> None:
    r = study.result
    directory.write_npy("conductance.npy", r.conductance)
    directory.write_npy("target.npy", r.target)
    directory.write_npy("pulses.npy", r.pulses)
    directory.write_npy("energy.npy", r.energy)
    directory.write_text("failed.csv", failures_csv(r.failures))
    directory.write_text("card.toml", card_toml(study.card))
    directory.write_json("metrics.json", study.metrics)
    directory.write_text("report.html", render_program_report(study, dict(watch.durations)))
