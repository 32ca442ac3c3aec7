"""Measures periphery circuits in every process and condition: side by side, interruptible, one bad one stops nobody."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import Any

from ftj_spice.common.errors import FtjSpiceError, SettingsError
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.process.models import place, process_notes
from ftj_spice.netlist.process.process import Process, load_process
from ftj_spice.results.manifest import Stopwatch
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.periphery.files import metrics_of, write_run
from ftj_spice.studies.periphery.journal import Journal, journal_path
from ftj_spice.studies.periphery.results import VariantResults, assemble
from ftj_spice.studies.periphery.settings import PeripherySettings, conditions_of
from ftj_spice.studies.periphery.subjects import Subject, choose
from ftj_spice.studies.periphery.tasks import Task, measure_task, tasks_of
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
        engine: Simulator and version.
        path: The run directory, where one was written.
    """

    settings: PeripherySettings
    card: Card
    processes: dict[str, Process]
    subjects: tuple[Subject, ...]
    variants: dict[str, dict[str, VariantResults]]
    records: dict[str, dict[str, Any]] = field(repr=False)
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
        """What could not be measured in the nominal condition, one sentence each."""
        lines = [f"{one.name}: {one.fault}" for one in self.subjects if one.fault is not None]
        for process, variants in self.variants.items():
            for name, one in variants.items():
                if one.error is not None and one.conditions:
                    lines.append(f"{name} ({process}): {one.error}")
                lines += [f"{name} ({process}), {figure}: {text}" for figure, text in one.failures.items()]
        return lines

    @property
    def summary(self) -> list[str]:
        """Lines to print: each variant with what it breaks, then what could not be measured."""
        lines = []
        for process, variants in self.variants.items():
            for name, one in variants.items():
                yielded = one.yielded
                parts = [f"{len(one.figures)} figures"] if one.error is None else ["not measured"]
                parts += [f"yield {yielded.good} of {yielded.count}"] if yielded is not None else []
                parts += [f"fails its limit of {', '.join(one.broken)}"] if one.broken else []
                lines.append(f"{process:<10} {one.kind:<8} {name:<22} {'; '.join(parts)}")
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
    if out is None:
        return _measure(settings, card, processes, subjects, tasks, None, jobs, observer, watch)
    path = Path(out)
    inputs = [Path(name) for name in (*settings.variants, *settings.processes) if name.endswith(".toml")]
    directory = RunDirectory(path, force=force, inputs=inputs)
    directory.check()
    identity = _identity(settings, card, subjects, processes)
    with Journal(journal_path(path), identity, resume, replace=force) as journal:
        result = _measure(settings, card, processes, subjects, tasks, journal, jobs, observer, watch)
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

    def run(open_netlist: Open, task: Task) -> None:
        record = measure_task(task, card, open_netlist)
        if engine.stopping:
            return
        if journal is not None:
            journal.add(task.key, record)
        with lock:
            records[task.key] = record

    with watch("measure"), NgspiceEngine(jobs, settings.time_limit) as engine:
        version = str(engine.features()["version"])
        engine.map(run, left, lambda done: observer("measure", before + done, len(tasks)))
    notes = [note for process in processes.values() for note in process_notes(process, process.typical)]
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
        settings, card, processes, tuple(subjects), variants, ordered, tuple(notes), f"ngspice-{version}"
    )  # fmt: skip


def _identity(
    settings: PeripherySettings, card: Card, subjects: Sequence[Subject], processes: Mapping[str, Process]
) -> dict[str, Any]:
    """Returns what a resumed run must have in common with the one before: settings, and what the files say."""
    decks = {
        f"{one.name} in {process.name}": _deck_hash(one, process) for one in subjects for process in processes.values()
    }
    return settings.model_dump(mode="json") | {
        "program version": metadata.version("ftj-spice"),
        "content of card": _hash(card.model_dump_json(exclude={"provenance"})),
        "content of variant": decks,
    }


def _deck_hash(one: Subject, process: Process) -> str:
    """Returns the hash of a variant's settings and of its transistors with their models."""
    if one.variant is None or one.fault is not None:
        return _hash(one.fault or "")
    try:
        deck = Deck(process, process.typical)
        deck.block("dut", one.variant)
        text = deck.text()
    except FtjSpiceError as error:
        text = str(error)
    return _hash(one.variant.model_dump_json() + text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
