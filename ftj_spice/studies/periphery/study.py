"""Measures periphery circuits in every process and condition: side by side, interruptible, one bad one stops nobody."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.netlist.process.models import place, process_notes
from ftj_spice.netlist.process.process import Process, load_process
from ftj_spice.results.manifest import Stopwatch
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.periphery.files import metrics_of, write_run
from ftj_spice.studies.periphery.grouping import grouped, of_draws
from ftj_spice.studies.periphery.identity import EDITED, Prints, changed, identity_of, prints_of
from ftj_spice.studies.periphery.journal import Journal, journal_path
from ftj_spice.studies.periphery.results import VariantResults, assemble
from ftj_spice.studies.periphery.settings import PeripherySettings, conditions_of
from ftj_spice.studies.periphery.subjects import Subject, choose
from ftj_spice.studies.periphery.tasks import Task, empty_record, measure_task, tasks_of
from ftj_spice.studies.settings import check_jobs


@dataclass(frozen=True)
class PeripheryResult:
    """What a run gives.

    Attributes:
        settings: What was asked for.
        card: Card of the FTJ column.
        processes: Processes by name.
        subjects: Variants, in order.
        variants: Results by process and variant.
        notes: What to know about the processes' models: another version than was tried, other files.
        records: The measured tasks as plain data, by key, in the order of the tasks.
        prints: Hashes of the circuits' files when the run began.
        engine: Simulator and version.
        path: The run directory, where one was written.
    """

    settings: PeripherySettings
    card: Card
    processes: dict[str, Process]
    subjects: tuple[Subject, ...]
    variants: dict[str, dict[str, VariantResults]]
    records: dict[str, dict[str, Any]] = field(repr=False)
    prints: Prints = field(repr=False)
    notes: tuple[str, ...] = ()
    engine: str = ""
    path: Path | None = None

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Figures of the run as plain data, as in `results.json`."""
        return metrics_of(self)

    @property
    def passes(self) -> bool:
        """Whether every figure of every variant could be measured in the nominal condition."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """What could not be measured in the nominal condition, each sentence once with all that it is about."""
        said = [(one.name, one.fault) for one in self.subjects if one.fault is not None]
        for process, variants in self.variants.items():
            for name, one in variants.items():
                if one.error is not None and one.conditions:
                    said.append((f"{name} ({process})", one.error))
                for text, figures in grouped(one.failures.items()).items():
                    said.append((f"{name} ({process}), {', '.join(figures)}", text))
        return [f"{'; '.join(names)}: {text}" for text, names in grouped(said).items()]

    @property
    def summary(self) -> list[str]:
        """Lines to print: each variant with what it breaks, and what went wrong in its draws."""
        lines = []
        for process, variants in self.variants.items():
            for name, one in variants.items():
                yielded = one.yielded
                parts = [f"{len(one.figures)} figures"] if one.error is None else ["not measured"]
                parts += [f"yield {yielded.good} of {yielded.count}"] if yielded is not None else []
                parts += [f"fails its limit of {', '.join(one.broken)}"] if one.broken else []
                lines.append(f"{process:<10} {one.kind:<8} {name:<22} {'; '.join(parts)}")
                lines += [f"{'':<20}{text}" for text in of_draws(one.draw_errors, self.settings.mc)]
        return lines


def periphery_run(
    out: str | Path | None = None,
    *,
    settings: PeripherySettings | None = None,
    jobs: int = 1,
    resume: bool = False,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> PeripheryResult:
    """Measures periphery circuits with the test benches that they name.

    Every measured task is kept in a file beside `out` until the run directory is whole, so that an interrupted run can
    go on. What is wrong with one variant is told in its results and stops no other.

    Args:
        out: Run directory to write; none writes nothing and can't be resumed.
        settings: Variants, processes, conditions.
        jobs: ngspice processes side by side; results don't depend on it.
        resume: Goes on with an interrupted run of the same settings.
        force: Replaces an existing run directory, or an interrupted run.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, a missing process or engine, output; the subclass and its sentence say what.
    """
    settings = settings or PeripherySettings()
    check_jobs(jobs)
    card = load_card(settings.card)
    processes = _processes(settings)
    subjects = choose(settings.variants)
    watch = Stopwatch()
    tasks = tasks_of(settings, subjects, list(processes.values()))
    prints = prints_of(subjects, processes)
    if out is None:
        return _measure(settings, card, processes, subjects, tasks, prints, None, jobs, observer, watch)
    path = Path(out)
    inputs = [Path(name) for name in (*settings.variants, *settings.processes) if name.endswith(".toml")]
    directory = RunDirectory(path, force=force, inputs=inputs)
    directory.check()
    identity = identity_of(settings, card, prints)
    with Journal(journal_path(path), identity, resume, replace=force) as journal:
        result = _measure(settings, card, processes, subjects, tasks, prints, journal, jobs, observer, watch)
        with directory as run:
            write_run(run, result, watch, command, observer)
        journal.remove()
    return replace(result, path=path)


def _processes(settings: PeripherySettings) -> dict[str, Process]:
    """Returns the processes by name; models that are missing are told before anything is simulated."""
    found: dict[str, Process] = {}
    for name in settings.processes:
        process = load_process(name)
        if process.name in found:
            raise SettingsError(f"two of the processes are called '{process.name}'; give each its own name")
        place(process)
        conditions_of(settings, process)
        found[process.name] = process
    return found


def _measure(
    settings: PeripherySettings,
    card: Card,
    processes: dict[str, Process],
    subjects: Sequence[Subject],
    tasks: Sequence[Task],
    prints: Prints,
    journal: Journal | None,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
) -> PeripheryResult:
    records: dict[str, dict[str, Any]] = {} if journal is None else dict(journal.records)
    left = [task for task in tasks if task.key not in records]
    before = len(tasks) - len(left)
    lock = Lock()
    observer("measure", before, len(tasks))

    edited: dict[str, int] = {}

    def run(open_netlist: Open, task: Task) -> None:
        record = measure_task(task, card, open_netlist)
        if engine.stopping:
            return
        if changed(task.subject, task.condition.process, prints):
            with lock:  # it may be of either circuit: not kept, so that a resumed run measures it
                records[task.key] = empty_record(task) | {"error": EDITED}
                edited[task.subject.name] = edited.get(task.subject.name, 0) + 1
            return
        if journal is not None:
            journal.add(task.key, record)
        with lock:
            records[task.key] = record

    with watch("measure"), NgspiceEngine(jobs, settings.time_limit) as engine:
        version = str(engine.features()["version"])
        engine.map(run, left, lambda done: observer("measure", before + done, len(tasks)))
    notes = [note for process in processes.values() for note in process_notes(process, process.typical)]
    notes += [
        f"the files of '{name}' were changed during the run: {count} of its measurements are left out, the others are "
        "of the files as they were when it began"
        for name, count in sorted(edited.items())
    ]
    ordered = {task.key: records[task.key] for task in tasks}
    by_variant: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in ordered.values():
        by_variant.setdefault((record["process"], record["variant"]), []).append(record)
    variants = {
        process: {
            one.name: assemble(one, process, by_variant.get((process, one.name), ()), settings.mc) for one in subjects
        }
        for process in processes
    }
    return PeripheryResult(
        settings, card, processes, tuple(subjects), variants, ordered, prints, tuple(notes), f"ngspice-{version}"
    )  # fmt: skip
