"""Reads of arrays in ngspice: one DC sweep per netlist, chunks of the batch side by side."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.arrays import Progress, ReadResult
from ftj_spice.engines.chunks import Chunk, assemble, held_columns, split
from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.ngspice.arraytime import sweep_seconds
from ftj_spice.engines.ngspice.pool import NgspiceEngine, Open
from ftj_spice.engines.ngspice.session import DEFAULT_TIME_LIMIT
from ftj_spice.engines.protocol import Sweep
from ftj_spice.netlist.benches import read_bench
from ftj_spice.netlist.circuit import ArrayCircuit, Drive

READS_PER_NETLIST = 256
"""Reads of one sweep, at most."""
LONGEST = 6 * 3600.0
"""Seconds that a call may take by the estimate."""

_PSEUDO = "Transient op"  # ngspice's last resort, which may end anywhere and is reported as a success
_STUCK = "ngspice found no steady state of the array, only the end of a transient; use the fast engine"


class NgspiceReader:
    """Reads arrays in ngspice.

    Args:
        engine: A running engine to use; it stays open. Without it the reader starts its own.
        jobs: Workers of the reader's own engine.
        time_limit: Seconds that one request to the engine may take.
        reads_per_netlist: Reads of one sweep, at most; fewer where a sweep would exceed the time limit.
        longest: Seconds that a call may take by the estimate.
    """

    name = "ngspice"

    def __init__(
        self,
        engine: NgspiceEngine | None = None,
        jobs: int = 1,
        time_limit: float = DEFAULT_TIME_LIMIT,
        reads_per_netlist: int = READS_PER_NETLIST,
        longest: float = LONGEST,
    ) -> None:
        self._own = engine is None
        self._engine = NgspiceEngine(jobs, time_limit) if engine is None else engine
        self._time_limit = time_limit
        self._chunk = reads_per_netlist
        self._longest = longest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers, where they are the reader's own."""
        if self._own:
            self._engine.close()

    def netlist(self, circuit: ArrayCircuit, drive: Drive) -> str:
        """Returns the netlist of a batch of reads; plain `ngspice -b` runs it.

        Raises:
            RenderError: A value is not fit for a netlist.
        """
        return read_bench(circuit, drive)

    def estimate(self, tasks: Sequence[tuple[ArrayCircuit, Drive]]) -> float:
        """Returns about how many seconds reading several arrays takes."""
        klu = bool(self._engine.features()["klu"])
        seconds = 0.0
        for circuit, drive in tasks:
            first, each = sweep_seconds(circuit, klu)
            netlists = -(-len(drive) // self._chunk)
            seconds += netlists * first + (len(drive) - netlists) * each
        return seconds / self._engine.jobs

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
        """Reads several arrays, with as many netlists side by side as there are workers.

        Args:
            tasks: Arrays and their drives.
            progress: Called with finished and all netlists.

        Raises:
            EngineError: A simulation failed.
            RenderError: A value is not fit for a netlist.
            SettingsError: The reads would take too long; the sentence gives the estimate.
        """
        size = self._affordable(tasks)
        chunks = split(tasks, size)
        told = None if progress is None else (lambda done: progress(done, len(chunks)))
        return assemble(chunks, self._engine.map(self._run, chunks, told))

    def _run(self, open_netlist: Open, chunk: Chunk) -> ReadResult:
        circuit, drive = chunk.circuit, chunk.drive
        held = held_columns(circuit, drive)
        currents = np.zeros((len(drive), circuit.shape[1]))
        methods = {"newton": len(drive)}
        if not held.any():  # nothing to see, and nothing to simulate
            return ReadResult(currents, self.name, methods=methods)
        names = [f"i(vsense{j})" for j in np.flatnonzero(held)]
        with open_netlist(self.netlist(circuit, drive)) as session:
            result = session.run(Sweep("vindex", len(drive)), names)
        if any(_PSEUDO in line for line in result.messages):
            raise ConvergenceError(_STUCK)
        currents[:, held] = np.stack([result[name] for name in names], axis=1)
        return ReadResult(currents, result.engine, (result.netlist_hash,), result.status, methods)

    def _affordable(self, tasks: Sequence[tuple[ArrayCircuit, Drive]]) -> int:
        """Returns how many reads one sweep may hold.

        Raises:
            SettingsError: Even one read, or all of them together, would take too long.
        """
        klu = bool(self._engine.features()["klu"])
        size = self._chunk
        for circuit, drive in tasks:
            first, each = sweep_seconds(circuit, klu)
            if first > self._time_limit:
                raise SettingsError(_too_long(circuit, 1, first, self._time_limit))
            if first + (min(size, len(drive)) - 1) * each > 0.5 * self._time_limit:  # the estimate is a rough one
                size = min(size, 1 + int(max(0.5 * self._time_limit - first, 0.0) / each))
        seconds = self.estimate(tasks)
        if seconds > self._longest:
            circuit = max((circuit for circuit, _ in tasks), key=lambda c: c.cells.strength.size)
            raise SettingsError(_too_long(circuit, sum(len(drive) for _, drive in tasks), seconds, self._longest))
        return size


def _too_long(circuit: ArrayCircuit, reads: int, seconds: float, limit: float) -> str:
    rows, columns = circuit.shape
    what = "one read" if reads == 1 else f"{reads} reads"
    return (
        f"{what} of arrays of up to {rows} x {columns} cells would take ngspice about {_duration(seconds)}, more than "
        f"the {_duration(limit)} allowed: take the fast engine, smaller tiles or fewer reads"
    )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
