"""Checks a run by its own files: every netlist again, through the plain `ngspice -b`, against the stored currents."""

import contextlib
import json
import re
import subprocess
import tempfile
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError, OutputError
from ftj_spice.common.rawfile import read_raw
from ftj_spice.device.card import Card
from ftj_spice.engines.errors import EngineError, WorkerTimeoutError
from ftj_spice.engines.ngspice.locate import find_command
from ftj_spice.results.datasets import read_dataset
from ftj_spice.results.manifest import sha256_text
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.digitisers import FULL_SCALE, Digitiser, make_digitiser
from ftj_spice.studies.circuits import load_periphery
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.settings import RunSettings, check_jobs

SECONDS = 3600.0
"""Time limit of one netlist."""


@dataclass(frozen=True)
class Replay:
    """One netlist's comparison.

    Attributes:
        netlist: File name.
        quantity: What was compared.
        points: How many values.
        deviation: Largest deviation, relative to the scale below.
        scale: What 1 stands for.
        limit: Largest deviation allowed.
    """

    netlist: str
    quantity: str
    points: int
    deviation: float
    scale: str
    limit: float

    @property
    def agrees(self) -> bool:
        """Whether the deviation is within its limit."""
        return self.deviation <= self.limit


READ_LIMIT = 1e-6
"""Relative to the largest column current: the benches' own `reltol`."""
SAMPLE_LIMIT = 2e-4
"""In standard deviations: the replayed edges last 1e-4 of a relaxation time, the co-simulated ones none."""
BIT_LIMIT = 0.01
"""Share of samples whose sum of bits may differ: transitions within a comparator's lag of the sampling instant."""

CALIBRATED_LIMIT = 1e-4
"""In parts of the converter's full scale, for columns of a calibrated array: their cells may be far faster."""

_NAME = re.compile(r"sample_(?:array|column\d+)_\d+\.cir|column\d+\.cir|read_(?:layer\d+_)?tile\d+\.cir")
_TITLE = "* ftj-spice: "
_ELEMENTS = frozenset("bcfirsvx")
_CARDS = frozenset({".dc", ".end", ".meas", ".model", ".options", ".print", ".save", ".subckt", ".ends", ".tran"})
"""What a run's netlists hold, and nothing else is replayed: others (`.control`, `*ng_script`, ...) can run commands."""


def replay(directory: str | Path, *, jobs: int = 1, observer: Observer = silent) -> list[Replay]:
    """Runs every netlist of a run directory again and compares.

    Args:
        directory: A directory that `generate` or `vmm` wrote.
        jobs: ngspice processes side by side.
        observer: Told about progress.

    Raises:
        SettingsError: `jobs` is out of range.
        DataError: Not a run directory, or a netlist that was changed since.
        EngineError: ngspice is missing or refuses a netlist.
    """
    check_jobs(jobs)
    run = _Run.open(Path(directory))
    processes = _Processes(find_command())
    done = 0
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="replay")
    try:
        futures = [pool.submit(run.check, name, processes) for name in run.netlists]
        pending = set(futures)
        while pending:
            finished, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
            for future in finished:
                future.result()
            done += len(finished)
            observer("replay", done, len(futures))
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        processes.stop()  # ends what still runs after an error or an interruption
        pool.shutdown(wait=True)


@dataclass(frozen=True)
class _Run:
    """A run directory, opened for comparison.

    Attributes:
        directory: Where it lies.
        netlists: SHA-256 by file name, in the names' order.
        stored: The arrays of `columns.h5`.
        settings: Settings of the run.
        digitiser: What turned the sampling array's currents into codes; none without netlists of that phase.
    """

    directory: Path
    netlists: dict[str, str]
    stored: Any
    settings: RunSettings
    digitiser: Digitiser | None

    @classmethod
    def open(cls, directory: Path) -> "_Run":
        path = directory / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            netlists = dict(sorted(manifest["netlists"].items()))
            given, card_data = manifest["settings"], manifest["card"]
        except OSError as error:
            raise DataError(f"{directory} is not a run directory: can't read {path.name}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DataError(f"{path} is not the manifest of a run") from None
        strange = [name for name in netlists if not _NAME.fullmatch(name)]
        if not netlists:
            raise DataError(f"{directory}: this run has no netlists to replay")
        if strange:
            raise DataError(f"{path} names a netlist {strange[0]!r} that generate and vmm don't write")
        settings = RunSettings.parse(given, str(path))
        card = Card.parse(card_data, f"{path}: card")
        stored = read_dataset(directory / "columns.h5")
        digitiser = None
        if any(name.startswith("sample_") for name in netlists):
            columns = _array(stored, "sample_value", 2, directory).shape[1]
            array = SamplingArray.draw(card, settings.sample, columns, settings.seed)
            digitiser = make_digitiser(settings.sample, array, settings.seed, load_periphery(settings))
        return cls(directory, netlists, stored, settings, digitiser)

    def check(self, name: str, processes: "_Processes") -> Replay:
        """Runs one netlist and compares."""
        path = self.directory / "netlists" / name
        try:
            text = path.read_bytes().decode()
        except OSError as error:
            raise DataError(f"can't read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise DataError(f"{path} was changed since the run: it is not text any more") from None
        if sha256_text(text) != self.netlists[name]:
            raise DataError(f"{path} was changed since the run: its checksum differs from the manifest's")
        _refuse_commands(text, path)
        vectors = processes.simulate(text, path)
        try:
            if self.digitiser is not None and name.startswith("sample_"):
                return self._compare_sample(name, vectors, self.digitiser)
            if name.startswith("column"):
                return self._compare_calibrated(name, vectors)
            return self._compare_read(name, vectors)
        except KeyError as error:
            raise DataError(f"{path} does not belong to this run: it gives no vector {error}") from None

    def _compare_sample(self, name: str, vectors: dict[str, NDArray[np.float64]], digitiser: Digitiser) -> Replay:
        expected = _array(self.stored, "sample_value", 2, self.directory)
        columns = expected.shape[1]
        where, chunk = name.removeprefix("sample_").removesuffix(".cir").split("_")
        own = list(range(columns)) if where == "array" else [int(where.removeprefix("column"))]
        if own[-1] >= columns:
            raise DataError(f"{name} is of column {own[-1]}, but columns.h5 holds {columns}")
        size = self.settings.sample.samples_per_transient
        audited = f"{name.removesuffix('.cir')}_value"
        if audited in self.stored:  # the fast engine's trap histories may differ by a transition from ngspice's
            expected = _array(self.stored, audited, 2, self.directory)
            if expected.shape[1] != len(own):
                raise DataError(f"columns.h5 holds {expected.shape[1]} columns of {name}, which is of {len(own)}")
        else:
            expected = expected[int(chunk) * size : (int(chunk) + 1) * size, own]
        if not expected.size:
            raise DataError(f"{name} is of samples that columns.h5 does not hold")
        outputs = np.stack([vectors[f"v(out{k})"] for k in range(len(own))], axis=1)
        values = digitiser.values(vectors["time"], outputs, own, len(expected))
        if self.settings.sample.digitiser == "integrator":
            sigma = np.sqrt(digitiser.moments.variance[own])
            deviation = float(np.max(np.abs(values - expected) / sigma))
            return Replay(
                name, "window-averaged column current", values.size, deviation, "standard deviation", SAMPLE_LIMIT
            )
        differing = float(np.mean(values != expected))
        return Replay(name, "sum of comparator bits", values.size, differing, "share of samples that differ", BIT_LIMIT)

    def _compare_calibrated(self, name: str, vectors: dict[str, NDArray[np.float64]]) -> Replay:
        column = name.removesuffix(".cir")
        times, expected = (_array(self.stored, f"{column}_{k}", 1, self.directory) for k in ("time", "output"))
        if not expected.size or times.shape != expected.shape or times[-1] > vectors["time"][-1] * (1.0 + 1e-9):
            raise DataError(f"{name} does not reach the ends of the windows that columns.h5 holds of it")
        values = np.interp(times, vectors["time"], vectors["v(out0)"])
        deviation = float(np.max(np.abs(values - expected)) / (2.0 * FULL_SCALE))
        return Replay(
            name, "integrator of a calibrated column", values.size, deviation, "full scale of the converter",
            CALIBRATED_LIMIT,
        )  # fmt: skip

    def _compare_read(self, name: str, vectors: dict[str, NDArray[np.float64]]) -> Replay:
        expected = _array(self.stored, f"{name.removesuffix('.cir')}_current", 2, self.directory)
        values = np.stack([vectors[f"i(vsense{j})"] for j in range(expected.shape[1])], axis=1)[: len(expected)]
        if values.shape != expected.shape or not values.size:
            raise DataError(f"{name} gives {values.shape[0]} reads, but columns.h5 holds {expected.shape[0]} of them")
        deviation = float(np.max(np.abs(values - expected)) / (np.max(np.abs(expected)) or 1.0))
        return Replay(
            name, "column current of every read", values.size, deviation, "largest column current", READ_LIMIT
        )


def _array(stored: Any, name: str, axes: int, directory: Path) -> NDArray[np.float64]:
    """Returns an array of `columns.h5`."""
    if name not in stored or stored[name].ndim != axes:
        raise DataError(f"{directory / 'columns.h5'} holds no array {name!r} of {axes} axes")
    return stored[name].to_numpy()


def _refuse_commands(text: str, path: Path) -> None:
    """Refuses a netlist that could do more than simulate: a directory from elsewhere vouches for itself only."""
    for number, line in enumerate(text.splitlines(), start=1):
        word = (line.lower().split() or ["*"])[0]
        known = (
            line.startswith(_TITLE)
            if number == 1
            else word in _CARDS or word[0] in _ELEMENTS or word == "*" or word.startswith("+")
        )
        if not known:
            raise DataError(
                f"{path}, line {number}: {line.strip()[:40]!r} is nothing that a run writes; it is not replayed"
            )


class _Processes:
    """Runs `ngspice -b`, and ends what runs when it is told to stop."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def simulate(self, text: str, path: Path) -> dict[str, NDArray[np.float64]]:
        """Runs a netlist and returns its vectors."""
        try:
            with tempfile.TemporaryDirectory(prefix="ftj-spice-replay-", ignore_cleanup_errors=True) as folder:
                return self._simulate(text, path, Path(folder))
        except OSError as error:
            raise OutputError(f"can't replay {path} in a temporary folder: {error.strerror or error}") from None

    def _simulate(self, text: str, path: Path, folder: Path) -> dict[str, NDArray[np.float64]]:
        netlist, raw = folder / "netlist.cir", folder / "out.raw"
        netlist.write_bytes(text.encode())
        process = subprocess.Popen(
            [self._command, "-b", "-r", raw.name, netlist.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
            cwd=folder, start_new_session=True,
        )  # fmt: skip
        self._running.add(process)
        try:
            if self._stopped:
                process.kill()
            _, messages = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise WorkerTimeoutError(f"ngspice -b took longer than {SECONDS:g} s for {path}") from None
        finally:
            process.kill()
            process.communicate()
            self._running.discard(process)
        if process.returncode or not raw.is_file():
            last = (messages.strip().splitlines() or ["no message"])[-1]
            raise EngineError(f"ngspice -b refuses {path} (status {process.returncode}): {last}")
        return dict(read_raw(raw).vectors)

    def stop(self) -> None:
        """Ends what runs; nothing starts any more."""
        self._stopped = True
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
