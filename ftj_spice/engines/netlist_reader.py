"""What readers that run netlists share: batches cut into runs of an affordable length, and currents put together."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.arrays import Progress, ReadResult
from ftj_spice.engines.chunks import Chunk, assemble, held_columns, split
from ftj_spice.engines.protocol import Result
from ftj_spice.netlist.circuit import ArrayCircuit, Drive

READS_PER_NETLIST = 256
"""Reads of one netlist, at most."""
LONGEST = 6 * 3600.0
"""Seconds that a call may take by the estimate."""

Task = tuple[ArrayCircuit, Drive]


class NetlistReader(ABC):
    """Reads arrays by running netlists.

    Args:
        jobs: Runs side by side.
        time_limit: Seconds that one run may take.
        reads_per_netlist: Reads of one run, at most; fewer where a run would exceed the time limit.
        longest: Seconds that a call may take by the estimate.
    """

    name: str
    title: str
    """What errors call the engine."""
    current: str
    """Vector of a column's current, with the column's number for `{}`."""

    def __init__(self, jobs: int, time_limit: float, reads_per_netlist: int, longest: float) -> None:
        self._jobs = jobs
        self._time_limit = time_limit
        self._chunk = reads_per_netlist
        self._longest = longest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Lets go of what the reader holds."""

    @abstractmethod
    def _seconds(self, circuit: ArrayCircuit) -> tuple[float, float]:
        """Returns about how many seconds the first read of a run takes, with loading, and each one after it."""

    @abstractmethod
    def _run_all(self, chunks: list[Chunk], told: Callable[[int], None] | None) -> list[ReadResult]:
        """Runs the netlist of each chunk, `jobs` of them side by side, and tells how many are done."""

    def estimate(self, tasks: Sequence[Task]) -> float:
        """Returns about how many seconds reading several arrays takes."""
        seconds = 0.0
        for circuit, drive in tasks:
            first, each = self._seconds(circuit)
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

    def read_many(self, tasks: Sequence[Task], progress: Progress | None = None) -> list[ReadResult]:
        """Reads several arrays, with as many netlists side by side as there are jobs.

        Args:
            tasks: Arrays and their drives.
            progress: Called with finished and all netlists.

        Raises:
            EngineError: A simulation failed.
            RenderError: A value is not fit for a netlist.
            SettingsError: The reads would take too long; the sentence gives the estimate.
        """
        chunks = split(tasks, self._affordable(tasks))
        told = None if progress is None else (lambda done: progress(done, len(chunks)))
        return assemble(chunks, self._run_all(chunks, told))

    def _currents(self, chunk: Chunk, engine: str, solve: Callable[[list[str]], tuple[Result, str]]) -> ReadResult:
        """Returns the reads of a chunk.

        Args:
            chunk: The chunk.
            engine: What it says where there is nothing to simulate.
            solve: Returns the result of a run that holds the named vectors, and its status.
        """
        held = held_columns(chunk.circuit, chunk.drive)
        reads = len(chunk.drive)
        currents, methods = np.zeros((reads, chunk.circuit.shape[1])), {"newton": reads}
        if not held.any():
            return ReadResult(currents, engine, methods=methods)
        names = [self.current.format(j) for j in np.flatnonzero(held)]
        result, status = solve(names)
        currents[:, held] = np.stack([result[name] for name in names], axis=1)
        return ReadResult(currents, result.engine, (result.netlist_hash,), status, methods)

    def _affordable(self, tasks: Sequence[Task]) -> int:
        """Returns how many reads one run may hold.

        Raises:
            SettingsError: Even one read, or all of them together, would take too long.
        """
        size = self._chunk
        for circuit, drive in tasks:
            first, each = self._seconds(circuit)
            if first > self._time_limit:
                raise SettingsError(self._too_long(circuit, 1, first, self._time_limit))
            if first + (min(size, len(drive)) - 1) * each > 0.5 * self._time_limit:  # the estimate is a rough one
                size = min(size, 1 + int(max(0.5 * self._time_limit - first, 0.0) / each))
        seconds = self.estimate(tasks)
        if seconds > self._longest:
            circuit = max((circuit for circuit, _ in tasks), key=lambda c: c.cells.strength.size)
            raise SettingsError(self._too_long(circuit, sum(len(drive) for _, drive in tasks), seconds, self._longest))
        return size

    def _too_long(self, circuit: ArrayCircuit, reads: int, seconds: float, limit: float) -> str:
        rows, columns = circuit.shape
        what = "one read" if reads == 1 else f"{reads} reads"
        return (
            f"{what} of arrays of up to {rows} x {columns} cells would take {self.title} about "
            f"{self._duration(seconds)}, more than the {self._duration(limit)} allowed: take the fast engine, smaller "
            "tiles or fewer reads"
        )

    @staticmethod
    def _duration(seconds: float) -> str:
        for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
            if seconds >= 2 * size:
                return f"{seconds / size:.0f} {unit}"
        return f"{seconds:.0f} s"
