"""Reads of arrays in VACASK: operating points of a lean Verilog-A cell, chunks of the batch side by side."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Self

import numpy as np

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.arrays import Progress, ReadResult
from ftj_spice.engines.chunks import Chunk, assemble, held_columns, split
from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.vacask.compiler import compile_model
from ftj_spice.engines.vacask.engine import DEFAULT_TIME_LIMIT, VacaskEngine
from ftj_spice.netlist.circuit import ArrayCircuit, Drive
from ftj_spice.netlist.verilog_a_arrays import ANALYSIS, MODELS, array_bench, has_dead_lines

READS_PER_NETLIST = 256
"""Reads of one run, at most."""
LONGEST = 6 * 3600.0
"""Seconds that a call may take by the estimate."""
HELD = "switched-off floating lines held"
"""Status of reads in which VACASK found a solution only with such lines held at the columns' mean level."""

# Measured on one core, nonlinear cells with line resistance; read as factors, not as digits.
_START = 0.03  # s
_FIRST = 1.3  # s to load 128 x 128 cells and find their operating point
_EACH = 0.7  # s of each further read
_GROWTH = 1.5  # with the number of cells
_TRANSISTOR = 2.0


class VacaskReader:
    """Reads arrays in VACASK.

    The same input gives the same bits whatever the number of jobs. Where VACASK finds no level for floating lines whose
    transistors are all off, they are held (`array_bench` says how) and the status tells it.

    Args:
        jobs: Runs side by side.
        time_limit: Seconds one run may take.
        reads_per_netlist: Reads of one run, at most; fewer where a run would exceed the time limit.
        longest: Seconds that a call may take by the estimate.

    Raises:
        EngineNotFoundError: VACASK or openvaf-r is not installed.
        ModelCompileError: A model can't be compiled.
        SettingsError: `jobs` is not 1 or more.
    """

    name = "vacask"

    def __init__(
        self,
        jobs: int = 1,
        time_limit: float = DEFAULT_TIME_LIMIT,
        reads_per_netlist: int = READS_PER_NETLIST,
        longest: float = LONGEST,
    ) -> None:
        if jobs < 1:
            raise SettingsError(f"jobs must be 1 or more, got {jobs}")
        models = {file: compile_model(resources.models() / source) for file, source in MODELS.items()}
        self._engine = VacaskEngine(time_limit, models)
        self._jobs = jobs
        self._time_limit = time_limit
        self._chunk = reads_per_netlist
        self._longest = longest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held: every run has its own process."""

    def netlist(self, circuit: ArrayCircuit, drive: Drive) -> str:
        """Returns the netlist of a batch of reads; it runs beside the compiled models `MODELS` names.

        Raises:
            RenderError: A value is not fit for a netlist.
        """
        return array_bench(circuit, drive)

    def estimate(self, tasks: Sequence[tuple[ArrayCircuit, Drive]]) -> float:
        """Returns about how many seconds reading several arrays takes."""
        seconds = 0.0
        for circuit, drive in tasks:
            first, each = _run_seconds(circuit)
            runs = -(-len(drive) // self._chunk)
            seconds += runs * first + (len(drive) - runs) * each
        return seconds / self._jobs

    def read(self, circuit: ArrayCircuit, drive: Drive, progress: Progress | None = None) -> ReadResult:
        """Reads the steady state of an array once per entry of the drive's batch.

        Raises:
            EngineError: The simulation failed.
            RenderError: A value is not fit for a netlist.
            SettingsError: The reads would take too long; the sentence gives the estimate.
        """
        return self.read_many([(circuit, drive)], progress)[0]

    def read_many(
        self, tasks: Sequence[tuple[ArrayCircuit, Drive]], progress: Progress | None = None
    ) -> list[ReadResult]:
        """Reads several arrays, with as many runs side by side as there are jobs.

        Args:
            tasks: Arrays and their drives.
            progress: Called with finished and all runs.

        Raises:
            EngineError: A simulation failed.
            RenderError: A value is not fit for a netlist.
            SettingsError: The reads would take too long; the sentence gives the estimate.
        """
        chunks = split(tasks, self._affordable(tasks))
        parts: list[ReadResult] = []
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="vacask") as pool:
            futures = [pool.submit(self._run, chunk) for chunk in chunks]
            try:
                for future in futures:
                    parts.append(future.result())
                    if progress is not None:
                        progress(len(parts), len(chunks))
            except BaseException:  # an interrupt included: the runs have process groups of their own
                pool.shutdown(wait=False, cancel_futures=True)
                while wait(futures, timeout=0.05).not_done:  # a run may be just about to start
                    self._engine.end_runs()
                raise
        return assemble(chunks, parts)

    def _run(self, chunk: Chunk) -> ReadResult:
        circuit, drive = chunk.circuit, chunk.drive
        held = held_columns(circuit, drive)
        currents = np.zeros((len(drive), circuit.shape[1]))
        methods = {"newton": len(drive)}
        if not held.any():  # nothing to see, and nothing to simulate
            return ReadResult(currents, self._engine.engine, methods=methods)
        names = [f"vsense{j}:flow(br)" for j in np.flatnonzero(held)]
        status = "ok"
        try:
            result = self._engine.run(self.netlist(circuit, drive), names, ANALYSIS)
        except ConvergenceError as error:
            if not has_dead_lines(circuit, drive):
                raise
            if error.kept is not None:
                shutil.rmtree(error.kept, ignore_errors=True)
            result = self._engine.run(array_bench(circuit, drive, hold=True), names, ANALYSIS)
            status = HELD
        currents[:, held] = np.stack([result[name] for name in names], axis=1)
        return ReadResult(currents, result.engine, (result.netlist_hash,), status, methods)

    def _affordable(self, tasks: Sequence[tuple[ArrayCircuit, Drive]]) -> int:
        """Returns how many reads one run may hold.

        Raises:
            SettingsError: Even one read, or all of them together, would take too long.
        """
        size = self._chunk
        for circuit, drive in tasks:
            first, each = _run_seconds(circuit)
            if first > self._time_limit:
                raise SettingsError(_too_long(circuit, 1, first, self._time_limit))
            if first + (min(size, len(drive)) - 1) * each > 0.5 * self._time_limit:  # the estimate is a rough one
                size = min(size, 1 + int(max(0.5 * self._time_limit - first, 0.0) / each))
        seconds = self.estimate(tasks)
        if seconds > self._longest:
            circuit = max((circuit for circuit, _ in tasks), key=lambda c: c.cells.strength.size)
            raise SettingsError(_too_long(circuit, sum(len(drive) for _, drive in tasks), seconds, self._longest))
        return size


def _run_seconds(circuit: ArrayCircuit) -> tuple[float, float]:
    """Returns about how many seconds the first read of a run takes, with loading, and each one after it."""
    rows, columns = circuit.shape
    size = (rows * columns / 128.0**2) ** _GROWTH * (_TRANSISTOR if circuit.wiring.transistor else 1.0)
    return _START + _FIRST * size, 1e-4 + _EACH * size


def _too_long(circuit: ArrayCircuit, reads: int, seconds: float, limit: float) -> str:
    rows, columns = circuit.shape
    what = "one read" if reads == 1 else f"{reads} reads"
    return (
        f"{what} of arrays of up to {rows} x {columns} cells would take VACASK about {seconds:.3g} s, more than the "
        f"{limit:g} s allowed: take the fast engine, smaller tiles or fewer reads"
    )
