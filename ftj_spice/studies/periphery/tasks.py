"""One task of a run: one variant under one condition, measured, as plain data."""

import re
import shutil
import traceback
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import Card
from ftj_spice.engines.errors import EngineError
from ftj_spice.engines.ngspice import Open
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.process.process import Process
from ftj_spice.periphery.bench import Measurement
from ftj_spice.periphery.rig import Condition, Rig
from ftj_spice.results.jsontext import plain
from ftj_spice.results.manifest import without_places
from ftj_spice.studies.periphery.noting import Noting
from ftj_spice.studies.periphery.settings import PeripherySettings, conditions_of
from ftj_spice.studies.periphery.subjects import Subject

LONGEST_WAVEFORM = 4000
"""Points of an operation's waveform that are kept; the extremes between them stay."""
_KEPT = re.compile(r"; netlist and log are kept in \S+")


@dataclass(frozen=True)
class Task:
    """One measurement.

    Attributes:
        subject: Variant and bench.
        condition: Process, corner, temperature, supply; the seed and number of a draw.
        nominal: Whether it is the condition that figures are quoted for, with nominal devices.
    """

    subject: Subject
    condition: Condition
    nominal: bool

    @property
    def key(self) -> str:
        """Identifies the task within its run."""
        c = self.condition
        draw = "nominal" if c.mismatch is None else f"draw{c.mismatch[1]}"
        return f"{c.process.name}/{self.subject.name}/{c.corner}/{c.temperature:g}/{c.supply:g}/{draw}"


def tasks_of(settings: PeripherySettings, subjects: Sequence[Subject], processes: Sequence[Process]) -> list[Task]:
    """Returns all tasks: nominal ones first, then the other conditions, then the draws; within each, converters first.

    Converters take longest: begun last, one of them would keep the other workers waiting.
    """
    nominal, conditions, draws = [], [], []
    for process in processes:
        first, *others = conditions_of(settings, process)
        chips = [replace(first, mismatch=(settings.seed, draw)) for draw in range(settings.mc)]
        for subject in subjects:
            if subject.fault is None:
                nominal.append(Task(subject, first, True))
                conditions += [Task(subject, condition, False) for condition in others]
                draws += [Task(subject, chip, False) for chip in chips if subject.drawn]
    return [task for group in (nominal, conditions, draws) for task in sorted(group, key=_after_converters)]


def _after_converters(task: Task) -> bool:
    return task.subject.variant is not None and task.subject.variant.kind != "convert"


def measure_task(task: Task, card: Card, open_netlist: Open) -> dict[str, Any]:
    """Measures, and returns what came out or what went wrong as plain data; nothing but an interruption gets out."""
    condition, record = task.condition, empty_record(task)
    variant, bench = task.subject.variant, task.subject.bench
    assert variant is not None and bench is not None
    wanted = task.subject.figures if condition.mismatch is None else task.subject.drawn
    try:
        worker = Noting(open_netlist)
        measurement = bench.measure(Rig(variant, condition, card, worker), wanted)  # type: ignore[arg-type]
        record |= _measured(measurement, wanted, task.nominal)
        if task.nominal:
            texts = {file_name(f"{variant.name}_{name}"): text for name, text in measurement.netlists.items()}
            record["netlists"] = {name: worker.runnable(text, name) for name, text in texts.items()}
            record |= _inventory(task)
    except FtjSpiceError as error:
        record |= {"error": sentence(error)} | _evidence(error, task.nominal)
    except Exception as error:  # a bench's own mistake stops its variant, not the run; its traceback is kept
        trace = without_places("".join(traceback.format_exception(error)))
        text = f"the test bench '{bench.name}' is broken: {type(error).__name__}: {error}"
        record |= {"error": text, "traceback": trace}
    return plain(record)


def empty_record(task: Task) -> dict[str, Any]:
    """Returns what identifies a task in its record."""
    condition = task.condition
    return {
        "process": condition.process.name, "variant": task.subject.name, "corner": condition.corner,
        "temperature": condition.temperature, "supply": condition.supply,
        "draw": None if condition.mismatch is None else condition.mismatch[1],
    }  # fmt: skip


def sentence(error: Exception | str) -> str:
    """Returns an error's sentence without the places of this machine, the folder of a kept netlist among them."""
    return without_places(_KEPT.sub("", str(error)))


def file_name(text: str) -> str:
    """Returns a text as part of a file's name: letters, digits and a few signs."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)


def _evidence(error: FtjSpiceError, keep: bool) -> dict[str, Any]:
    """Returns netlist and log of a failed simulation, and removes the temporary folder that they were kept in."""
    if not isinstance(error, EngineError) or error.kept is None:
        return {}
    files = {path.name: path.read_text(errors="replace") for path in sorted(error.kept.glob("*")) if path.is_file()}
    shutil.rmtree(error.kept, ignore_errors=True)
    return {"evidence": {name: without_places(text) for name, text in files.items()}} if keep else {}


def _measured(measurement: Measurement, wanted: Collection[str], nominal: bool) -> dict[str, Any]:
    finite = {name: float(value) for name, value in measurement.figures.items() if np.isfinite(value)}
    failures = {name: sentence(text) for name, text in measurement.failures.items()}
    for name, value in measurement.figures.items():
        if name not in finite:
            failures.setdefault(name, f"the bench gave {float(value)}")
    for name in wanted:
        if name not in finite and name != "area":
            failures.setdefault(name, "its waveforms do not contain it")
    record: dict[str, Any] = {"figures": finite, "failures": failures}
    if not nominal:
        return record
    curves = {
        title: {"x": _digits(c.x), "y": _digits(c.y), "x_label": c.x_label, "y_label": c.y_label}
        for title, c in measurement.curves.items()
    }
    record |= {
        "notes": dict(measurement.notes),
        "curves": curves,
        "operation": None,
    }
    operation = measurement.operation
    if operation is not None:
        kept = _thinned(operation.time, [y for panel in operation.panels.values() for y in panel.values()])
        panels = {
            label: {name: _digits(np.asarray(y)[kept]) for name, y in panel.items()}
            for label, panel in operation.panels.items()
        }
        record["operation"] = {"time": _digits(np.asarray(operation.time)[kept], 10), "panels": panels}
    return record


def _inventory(task: Task) -> dict[str, Any]:
    """Returns what the variant is made of: devices by kind with their area, ideal elements by path."""
    assert task.subject.variant is not None
    deck = Deck(task.condition.process, task.condition.corner)
    deck.block("dut", task.subject.variant)
    devices: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    ideals = [part.path.removeprefix("dut.") for part in deck.parts if part.kind == "ideal"]
    for part in deck.parts:
        if part.kind != "ideal":
            devices[part.kind][0] += 1
            devices[part.kind][1] += part.area
    return {"devices": dict(devices), "ideals": ideals, "area": deck.area}


def _thinned(time: NDArray[np.float64], signals: Sequence[NDArray[np.float64]]) -> NDArray[np.intp]:
    """Returns indices of at most about `LONGEST_WAVEFORM` points, the extremes of every signal in every bin kept."""
    count = len(time)
    if count <= LONGEST_WAVEFORM:
        return np.arange(count)
    edges = np.linspace(0, count, max(LONGEST_WAVEFORM // (2 * max(len(signals), 1)), 50) + 1).astype(int)
    kept = {0, count - 1}
    for low, high in pairwise(edges.tolist()):
        for signal in signals:
            part = np.asarray(signal)[low:high]
            kept |= {low + int(np.argmin(part)), low + int(np.argmax(part))}
    return np.array(sorted(kept))


def _digits(values: NDArray[np.float64], digits: int = 7) -> list[float]:
    """Returns numbers with so many significant digits, so that files stay small."""
    return [float(f"{value:.{digits}g}") for value in np.asarray(values, float)]
