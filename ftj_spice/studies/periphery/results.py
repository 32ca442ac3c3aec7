"""What a variant measured: figures, draws, conditions, curves; to JSON and back from a run directory."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.common.files import read_regular, reason
from ftj_spice.periphery.bench import Curve
from ftj_spice.periphery.figures import figure
from ftj_spice.periphery.waveform import Waveforms
from ftj_spice.results.rundir import is_run_directory
from ftj_spice.studies.periphery.grouping import of_figures
from ftj_spice.studies.periphery.limits import SIGMA, Bound, broken_limits
from ftj_spice.studies.periphery.settings import condition_label
from ftj_spice.studies.periphery.statistics import Yield, sigma_of, yield_of
from ftj_spice.studies.periphery.subjects import Subject

RESULTS = "results.json"
_LARGEST_FILE = 2**30


@dataclass(frozen=True)
class ConditionResults:
    """Figures under one condition, nominal devices.

    Attributes:
        corner: Corner's name.
        temperature: In K.
        supply: Factor of the supplies.
        figures: SI values by name.
        failures: Figures that could not be had, and why.
        error: Why nothing could be measured.
    """

    corner: str
    temperature: float
    supply: float
    figures: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def label(self) -> str:
        """The condition in a few characters."""
        return condition_label(self.corner, self.temperature, self.supply)


@dataclass(frozen=True)
class VariantResults:
    """Everything measured of one variant in one process. All figures in SI units.

    Attributes:
        variant: Its name.
        process: Name of the process.
        kind: sense, decide, convert or drive; empty where the variant's file can't be read.
        title: A few words.
        bench: Its test bench.
        figures: In the nominal condition; `NAME_sigma` where there are draws.
        sigma_errors: Standard error of each `NAME_sigma`.
        failures: Figures that could not be had in the nominal condition, and why.
        notes: What the bench declares: sources of noise, what is ideal.
        error: Why nothing could be measured, in one sentence.
        bounds: Limits by figure.
        draws: Monte Carlo draws by figure, shape `(draws,)`, NaN where one failed.
        draw_errors: Why draws failed, by their number.
        conditions: All conditions, the nominal one first.
        curves: Transfer curves by title.
        operation: Waveforms of a typical operation; none in results read back from a run directory without them.
        devices: Number and area in m^2 (without the layout factor) of the devices by kind.
        ideals: Ideal elements by path.
    """

    variant: str
    process: str
    kind: str = ""
    title: str = ""
    bench: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    sigma_errors: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    bounds: dict[str, Bound] = field(default_factory=dict)
    draws: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    draw_errors: dict[int, str] = field(default_factory=dict)
    conditions: tuple[ConditionResults, ...] = ()
    curves: dict[str, Curve] = field(default_factory=dict)
    operation: Waveforms | None = None
    devices: dict[str, tuple[int, float]] = field(default_factory=dict)
    ideals: tuple[str, ...] = ()

    @property
    def broken(self) -> dict[str, str]:
        """How limits are broken, by figure."""
        return broken_limits(self.figures, self.bounds)

    @property
    def yielded(self) -> Yield | None:
        """Share of the draws that work and keep every limit on a drawn figure; none without draws."""
        return yield_of(self.draws, self.bounds)

    @property
    def useless(self) -> bool:
        """Whether none of its draws works and keeps its limits."""
        yielded = self.yielded
        return yielded is not None and yielded.good == 0

    def as_data(self) -> dict[str, Any]:
        """Returns the results as plain data, the waveforms of the operation left out."""
        yielded = self.yielded
        return {
            "kind": self.kind, "title": self.title, "bench": self.bench, "error": self.error,
            "figures": dict(sorted(self.figures.items())), "sigma_standard_errors": self.sigma_errors,
            "failures": self.failures, "limits": {
                name: {"min": b.low, "max": b.high, "why": b.why, "broken": self.broken.get(name)}
                for name, b in self.bounds.items()
            },
            "yield": None if yielded is None else yielded.as_data(),
            "notes": self.notes, "devices": {k: {"count": n, "area": a} for k, (n, a) in self.devices.items()},
            "ideal_elements": list(self.ideals),
            "conditions": [
                {
                    "corner": c.corner, "temperature": c.temperature, "supply": c.supply,
                    "figures": dict(sorted(c.figures.items())), "failures": c.failures, "error": c.error,
                }
                for c in self.conditions
            ],
            "draws": self.draws, "draw_errors": {str(k): text for k, text in self.draw_errors.items()},
            "curves": {
                title: {"x_label": c.x_label, "y_label": c.y_label, "x": c.x, "y": c.y}
                for title, c in self.curves.items()
            },
        }  # fmt: skip


def assemble(subject: Subject, process: str, records: Iterable[Mapping[str, Any]], draws: int) -> VariantResults:
    """Puts the measured tasks of one variant in one process together.

    Args:
        subject: The variant.
        process: Name of the process.
        records: Its tasks, as `measure_task` returns them, in the order of the tasks.
        draws: Number of Monte Carlo draws.
    """
    variant = subject.variant
    result = VariantResults(
        subject.name, process, error=subject.fault, bounds=subject.bounds,
        kind="" if variant is None else variant.kind, title="" if variant is None else variant.title,
        bench="" if variant is None else variant.bench or "",
    )  # fmt: skip
    records = list(records)
    fixed = [record for record in records if record["draw"] is None]
    if not fixed:
        return result
    conditions = tuple(
        ConditionResults(
            r["corner"], r["temperature"], r["supply"], r.get("figures", {}), r.get("failures", {}), r.get("error")
        )
        for r in (_with_area(r) for r in fixed)
    )
    first = fixed[0]
    drawn = {name: np.full(draws, np.nan) for name in subject.drawn} if draws else {}
    errors: dict[int, str] = {}
    for record in records:
        number = record["draw"]
        if number is None:
            continue
        for name, values in drawn.items():
            values[number] = record.get("figures", {}).get(name, np.nan)
        text = record.get("error") or of_figures(record.get("failures", {}))
        if text:
            errors[number] = text
    spread = {f"{name}{SIGMA}": sigma_of(values) for name, values in drawn.items()}
    operation = first.get("operation")
    return replace(
        result,
        figures=conditions[0].figures | {name: found[0] for name, found in spread.items() if found is not None},
        sigma_errors={name: found[1] for name, found in spread.items() if found is not None},
        failures=conditions[0].failures,
        notes=first.get("notes", {}),
        error=conditions[0].error,
        draws=drawn,
        draw_errors=errors,
        conditions=conditions,
        curves={title: _curve(data) for title, data in first.get("curves", {}).items()},
        operation=None if operation is None else _waveforms(operation["time"], operation["panels"]),
        devices={kind: (int(count), float(area)) for kind, (count, area) in first.get("devices", {}).items()},
        ideals=tuple(first.get("ideals", ())),
    )


def _with_area(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Adds the area where the bench did not give it."""
    if "area" not in record or "figures" not in record:
        return record
    return {**record, "figures": {"area": record["area"]} | record["figures"]}


def load_results(path: str | Path, process: str | None = None) -> dict[str, VariantResults]:
    """Reads the results of a run directory of `ftj-spice periphery run`.

    Args:
        path: The run directory.
        process: Name of the process; none means the run's first.

    Returns:
        The variants by name, in the order of the run.

    Raises:
        DataError: It is no such run directory, is damaged, or has no such process.
    """
    runs = load_run(path)
    name = next(iter(runs)) if process is None else process
    if name not in runs:
        raise DataError(f"{path} has no process '{name}'; it has {', '.join(runs)}")
    return runs[name]


def load_run(path: str | Path) -> dict[str, dict[str, VariantResults]]:
    """Reads the results of a run directory by process and variant; errors are those of `load_results`."""
    folder = Path(path)
    file = folder / RESULTS
    if not is_run_directory(folder) or not file.is_file():
        raise DataError(f"{path} is no run directory of 'ftj-spice periphery run'")
    try:
        data = json.loads(read_regular(file, _LARGEST_FILE).decode())
        if not data["processes"]:
            raise ValueError("no process")
        return {
            process: {name: _variant(folder, process, name, one) for name, one in group["variants"].items()}
            for process, group in data["processes"].items()
        }
    except OSError as error:
        raise DataError(f"can't read {file}: {reason(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} is damaged: {type(error).__name__} ({error})") from None


def waveform_file(process: str, variant: str) -> str:
    """Returns the name of the file that holds a variant's operation, below the run directory."""
    return f"waveforms/{process}_{variant}.csv"


def waveform_csv(operation: Waveforms) -> str:
    """Returns waveforms as CSV: time, then each curve as `panel | name`."""
    names = [f"{panel} | {name}" for panel, curves in operation.panels.items() for name in curves]
    columns = [operation.time, *(y for curves in operation.panels.values() for y in curves.values())]
    lines = [",".join(f'"{name.replace(chr(34), "")}"' for name in ["time (s)", *names])]
    lines += [",".join(f"{value:.10g}" for value in row) for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"


def _variant(folder: Path, process: str, name: str, data: Mapping[str, Any]) -> VariantResults:
    conditions = tuple(
        ConditionResults(
            str(c["corner"]),
            float(c["temperature"]),
            float(c["supply"]),
            _figures(c["figures"]),
            _texts(c["failures"]),
            _text(c["error"]),
        )
        for c in data["conditions"]
    )
    return VariantResults(
        name, process, str(data["kind"]), str(data["title"]), str(data["bench"]), _figures(data["figures"]),
        _figures(data["sigma_standard_errors"]), _texts(data["failures"]), _texts(data["notes"]),
        _text(data["error"]),
        {figure(k).name: Bound(_number(b["min"]), _number(b["max"]), str(b["why"])) for k, b in data["limits"].items()},
        {figure(k).name: _draws(values) for k, values in data["draws"].items()},
        {int(k): str(text) for k, text in data["draw_errors"].items()}, conditions,
        {title: _curve(c) for title, c in data["curves"].items()},
        _read_waveforms(folder / waveform_file(process, name)),
        {k: (int(d["count"]), float(d["area"])) for k, d in data["devices"].items()}, tuple(data["ideal_elements"]),
    )  # fmt: skip


def _figures(data: Mapping[str, Any]) -> dict[str, float]:
    """Returns figures that this program knows; a damaged file may hold anything."""
    return {figure(name).name: float(value) for name, value in data.items()}


def _draws(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else float(value) for value in values])


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(text) for name, text in data.items()}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _read_waveforms(file: Path) -> Waveforms | None:
    if not file.is_file():
        return None
    header, *rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
    values = np.array(rows, float)
    panels: dict[str, dict[str, Sequence[float]]] = {}
    for column, name in enumerate(header[1:], start=1):
        panel, _, curve = name.partition(" | ")
        panels.setdefault(panel, {})[curve] = values[:, column]  # type: ignore[assignment]
    return _waveforms(values[:, 0], panels)


def _curve(data: Mapping[str, Any]) -> Curve:
    return Curve(np.array(data["x"], float), np.array(data["y"], float), data["x_label"], data["y_label"])


def _waveforms(time: Any, panels: Mapping[str, Mapping[str, Any]]) -> Waveforms:
    return Waveforms(
        np.asarray(time, float),
        {label: {name: np.asarray(y, float) for name, y in panel.items()} for label, panel in panels.items()},
    )
