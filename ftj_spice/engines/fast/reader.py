"""The fast engine's face to everything that reads arrays."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.arrays import Progress, ReadResult
from ftj_spice.engines.errors import ConvergenceError, EngineError
from ftj_spice.engines.fast.direct import DirectSolver
from ftj_spice.engines.fast.lanes import LANES
from ftj_spice.engines.fast.mixing import share_out
from ftj_spice.engines.fast.problem import Problem
from ftj_spice.engines.fast.relaxation import solve_blocks
from ftj_spice.engines.fast.response import bit_voltage, product, responses
from ftj_spice.engines.fast.single import SingleSolver, relax_single
from ftj_spice.engines.fast.sizes import (
    FEW_LARGE,
    HUGE,
    LARGE,
    available_memory,
    check_reach,
    direct_estimate,
    estimate,
    threads,
)
from ftj_spice.engines.fast.solution import Solution, complete
from ftj_spice.engines.fast.wiring import Wiring
from ftj_spice.netlist.circuit import ArrayCircuit, Drive

Method = Literal["auto", "relaxation", "direct", "transfer"]
METHODS: tuple[Method, ...] = ("auto", "relaxation", "direct", "transfer")
"""How reads are solved."""
VERSION = "fast-1"
TRANSFER_LIMIT = 1e-7
"""Largest error of the transfer path on checked reads, relative to their largest column current."""
_SWEEPS = 150
_IMBALANCE = 1e-6  # of a column, relative to the largest current; agreement is far better, this finds failures
_UNIT_TOLERANCE = 1e-13  # V per volt, for transfer matrices
_CHECKED = LANES  # reads that decide whether the transfer path holds
_FEW = 0.2  # share of a batch that may be left to relaxation
_SPREAD = 3.0  # how much more a read may err than another of the same coherence
_TINY = 1e-300
_WORTH = 32  # reads per checked read from which on trying it is worth while
_BLOCKS = 4  # blocks a thread takes at a time
_LONGEST_DIRECT = 3600.0  # s


class FastReader:
    """Reads arrays without a circuit simulator.

    `auto` takes, for each batch, the cheapest way that is exact enough:

    - *transfer*: one matrix product, where the cells are linear, or where all inputs are 0 or one voltage and eight
      reads of the batch (evenly spaced ones, the densest, and those most coherent along the columns) agree with full
      solves to `TRANSFER_LIMIT`; reads whose coherence makes them doubtful are relaxed;
    - *relaxation*: alternating line solves, to `tolerance` in every node voltage, with the bound on the error computed;
    - *direct*: sparse Newton on all nodes, for reads whose relaxation does not converge. It is counted in
      `ReadResult.methods` and named in its status.

    The same input gives the same bits whatever the number of threads. A read's currents depend on the other reads of
    its batch only within the tolerance (blocks of reads stop together; `transfer` is chosen for a batch as a whole).

    Args:
        jobs: Threads; 0 for one per processor.
        method: One of `METHODS`; all but `auto` solve every read that way. `relaxation` raises where it does not
            converge.
        tolerance: Largest error of a node voltage in V.

    Raises:
        SettingsError: An argument is out of range.
    """

    name = "fast"

    def __init__(self, jobs: int = 0, method: Method = "auto", tolerance: float = 1e-9) -> None:
        if jobs < 0:
            raise SettingsError(f"jobs must be 0 (all processors) or more, got {jobs}")
        if method not in METHODS:
            raise SettingsError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
        if not 1e-14 <= tolerance <= 1e-3:
            raise SettingsError(f"tolerance must lie between 1e-14 and 1e-3 V, got {tolerance!r}")
        self.jobs = jobs
        self.method = method
        self.tolerance = tolerance
        self._threads = threads(jobs)
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def read(self, circuit: ArrayCircuit, drive: Drive, progress: Progress | None = None) -> ReadResult:
        """Reads the steady state of an array once per entry of the drive's batch.

        Args:
            circuit: The array.
            drive: What it is driven with.
            progress: Called with finished and all reads.

        Raises:
            DataError: The drive does not fit the array.
            SettingsError: The array is out of reach, or `method` does not suit it; the sentence says why.
            EngineError: A read could not be solved.
        """
        wiring = Wiring.of(circuit, drive)
        count = len(wiring.sources)
        if self.method == "direct":
            return self._direct_result(wiring, progress)
        check_reach(circuit, count, self.jobs)
        result = None
        if self.method in ("auto", "transfer"):
            result = self._by_transfer(wiring)
            if result is None and self.method == "transfer":
                raise SettingsError(
                    "the transfer path does not hold for this array and these inputs: cells must be linear, or "
                    "inputs 0 or one voltage and the drop along the lines small"
                )
        if result is None:
            result = self._by_relaxation(wiring, progress)
        if progress:
            progress(count, count)
        return result

    def solve(self, circuit: ArrayCircuit, drive: Drive) -> Solution:
        """Returns all node voltages and branch currents, read by read.

        Raises:
            DataError: The drive does not fit the array.
            SettingsError: The array is out of reach.
            EngineError: A read could not be solved.
        """
        wiring = Wiring.of(circuit, drive)
        check_reach(circuit, len(drive), self.jobs)
        problem = None if self.method == "direct" else Problem.of(wiring)
        solver: DirectSolver | None = None
        reads = []
        for number in range(len(drive)):
            if problem is not None:
                single = relax_single(problem, number, self.tolerance, _SWEEPS, self._threads_for(circuit))
                if single.imbalance <= _IMBALANCE:
                    reads.append((single.driven, single.sensed, "relaxation"))
                    continue
                if self.method == "relaxation":
                    raise self._stalled(1)
            solver = solver or self._direct(wiring, len(drive) - number)
            direct = solver.solve(number)
            reads.append((direct.driven, direct.sensed, "direct"))
        return complete(wiring, reads)

    def reach(self, circuit: ArrayCircuit, voltage: float) -> float:
        """Returns the smallest part of the driver voltage that stands across a cell when all rows are driven.

        Near 1 on wires that don't matter; near 0 where nothing reaches the far end.

        Raises:
            SettingsError: The voltage is 0 or not finite.
            EngineError: The read could not be solved.
        """
        if not np.isfinite(voltage) or voltage == 0.0:
            raise SettingsError(f"the voltage must be finite and not 0, got {voltage!r}")
        solution = self.solve(circuit, circuit.drive_rows(np.full((1, circuit.shape[0]), voltage)))
        return float(((solution.driven - solution.sensed) / voltage).min())

    def estimate(self, circuit: ArrayCircuit, reads: int) -> tuple[float, float]:
        """Returns roughly what reads cost by relaxation: seconds and bytes."""
        return estimate(circuit, reads, self.jobs)

    def _threads_for(self, circuit: ArrayCircuit) -> ThreadPoolExecutor | None:
        rows, columns = circuit.shape
        return self._executor() if rows * columns > FEW_LARGE else None

    def _executor(self) -> ThreadPoolExecutor | None:
        if self._threads == 1:
            return None
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="ftj-spice-fast")
        return self._pool

    def _by_transfer(self, wiring: Wiring) -> ReadResult | None:  # noqa: PLR0911 - each condition leaves
        """Returns the reads as matrix products, where that is exact enough and worth while."""
        count, forced = len(wiring.sources), self.method == "transfer"
        circuit = wiring.circuit
        if circuit.cells.law == "linear" and not circuit.wiring.transistor:
            lines = wiring.driven.count
            if not forced and count <= lines + 1:
                return None
            return self._linear(wiring)
        if not forced and count < _WORTH * _CHECKED:
            return None
        voltage = bit_voltage(wiring)
        if voltage is None:
            return None
        # Without sense voltages a silent read has no currents; a response is fitted to the others only.
        live = np.flatnonzero(wiring.sources.any(axis=1))
        awake = wiring.take(live)
        candidates = responses(awake, voltage, TRANSFER_LIMIT)
        if not candidates:
            return None
        lit = np.count_nonzero(awake.sources, axis=1)
        even = np.linspace(0, len(live) - 1, _CHECKED // 2).astype(np.int64)
        for response in candidates:
            coherence = response.coherence(awake.sources, self._executor())
            worst = np.argsort(-coherence, kind="stable")[: _CHECKED // 2]
            checked = np.unique(np.concatenate([even, worst, [lit.argmax(), lit.argmin()]]))
            part = awake.take(checked)
            exact = self._by_relaxation(part, None).currents
            error = np.abs(response.currents(part.sources, None) - exact).max(axis=1)
            bad = error > TRANSFER_LIMIT * np.abs(exact).max(axis=1)
            if bad[np.isin(checked, even)].any():
                continue
            found = response.currents(awake.sources, self._executor())
            # Errors grow with the coherence: what the most coherent reads show holds for all others.
            top = np.isin(checked, worst)
            most = float(np.max(error[top] / np.maximum(coherence[checked[top]], _TINY)))
            left = np.flatnonzero(_SPREAD * most * coherence > TRANSFER_LIMIT * np.abs(found).max(axis=1))
            if len(left) > _FEW * len(live):
                continue
            if len(left):
                found[left] = self._by_relaxation(awake.take(left), None).currents
            currents = np.zeros((count, wiring.shape[1]))
            currents[live] = found
            methods = {"transfer": count - len(left), "relaxation": len(left)}
            return ReadResult(currents, VERSION, methods={k: n for k, n in methods.items() if n})
        return None

    def _linear(self, wiring: Wiring) -> ReadResult | None:
        """Linear cells: one read per driven line, and one of the sense voltages alone if there are any."""
        lines = wiring.driven.count
        still = replace(wiring, sources=np.zeros((1, lines)))
        units = replace(wiring, sources=np.eye(lines), holds=np.zeros_like(wiring.holds))
        strict = FastReader(self.jobs, "auto", _UNIT_TOLERANCE)
        strict._pool = self._executor()
        matrix = strict._by_relaxation(units, None)
        currents = product(wiring.sources, matrix.currents, self._executor())
        if wiring.holds.any():
            currents += strict._by_relaxation(still, None).currents
        direct = matrix.methods.get("direct", 0)
        return ReadResult(currents, VERSION, status=_status(direct, lines), methods={"transfer": len(currents)})

    def _by_relaxation(self, wiring: Wiring, progress: Progress | None) -> ReadResult:
        problem = Problem.of(wiring)
        rows, columns = wiring.shape
        count = len(wiring.sources)
        currents, wrong = np.empty((count, columns)), np.empty(count)
        if rows * columns > (FEW_LARGE if count < LANES // 2 else LARGE):
            self._relax_singly(problem, currents, wrong, progress)
        else:
            self._relax_blocks(problem, currents, wrong, progress)
        alone = np.flatnonzero(~(wrong <= _IMBALANCE)) if rows * columns <= LARGE else []
        for read in alone:  # a read that stalls takes its block with it
            single = relax_single(problem, int(read), self.tolerance, _SWEEPS, self._threads_for(wiring.circuit))
            currents[read], wrong[read] = single.currents, single.imbalance
        failed = np.flatnonzero(~(wrong <= _IMBALANCE))
        if len(failed):
            if self.method == "relaxation":
                raise self._stalled(len(failed))
            solver = self._direct(wiring, len(failed))
            for read in failed:
                currents[read] = solver.solve(int(read)).cells.current.sum(axis=0)
        currents[:, wiring.sensed.floating] = 0.0
        methods = {"relaxation": count - len(failed), "direct": len(failed)}
        return ReadResult(
            currents, VERSION, status=_status(len(failed), count), methods={k: n for k, n in methods.items() if n}
        )

    def _relax_singly(
        self, problem: Problem, currents: NDArray[np.float64], wrong: NDArray[np.float64], progress: Progress | None
    ) -> None:
        """Reads one at a time: a thread for each of several, or all threads on each."""
        count = len(currents)
        apart = count >= self._threads and problem.strength.size <= HUGE
        workers = self._threads if apart else 1
        done = itertools.count(1)
        lock = Lock()

        def work(first: int) -> None:
            solver = SingleSolver(problem, None if apart else self._executor())
            for read in range(first, count, workers):
                single = solver.read(read, self.tolerance, _SWEEPS)
                currents[read], wrong[read] = single.currents, single.imbalance
                if progress:
                    with lock:
                        progress(next(done), count)

        share_out(self._executor() if apart else None, work, workers)

    def _relax_blocks(
        self, problem: Problem, currents: NDArray[np.float64], wrong: NDArray[np.float64], progress: Progress | None
    ) -> None:
        wiring = problem.wiring
        count, columns = currents.shape
        ends = problem.terminations(LANES)
        d_first, d_last, s_first, s_last, hold, start = ends
        width = problem.width(LANES)
        strength, share = problem.filled(LANES)
        portion = _BLOCKS * LANES

        def work(begin: int) -> int:
            reads = np.arange(begin, min(begin + portion, count))
            sources, level, gates = problem.blocks(reads, LANES)
            out = np.empty((len(sources), width))
            off = np.empty((len(sources), LANES))
            solve_blocks(
                0, len(sources), columns, problem.law, problem.constants, problem.doublings, problem.curvature,
                problem.kappa, problem.kappa_driven, strength, share, wiring.circuit.wiring.transistor, problem.device,
                gates, wiring.along_rows, problem.driven, problem.sensed, d_first, d_last, s_first, s_last, sources,
                hold, level, start, self.tolerance, _SWEEPS, out, off, np.zeros(len(sources), np.int64),
            )  # fmt: skip
            by_read = out.reshape(len(sources), -1, LANES)[:, :columns].transpose(0, 2, 1).reshape(-1, columns)
            currents[reads], wrong[reads] = by_read[: len(reads)], off.reshape(-1)[: len(reads)]
            return len(reads)

        begins = range(0, count, portion)
        pool = self._executor() if len(begins) > 1 else None
        done = 0
        for finished in pool.map(work, begins) if pool else map(work, begins):
            done += finished
            if progress:
                progress(done, count)

    def _direct(self, wiring: Wiring, reads: int) -> DirectSolver:
        seconds, needed = direct_estimate(wiring.circuit, reads)
        if seconds > _LONGEST_DIRECT or needed > available_memory():
            rows, columns = wiring.shape
            raise EngineError(
                f"the relaxation of {reads} reads of this {rows} x {columns} array did not converge, and direct solves "
                f"would take about {seconds:.2g} s and {needed / 1e9:.2g} GB; use shorter lines or smaller conductances"
            )
        return DirectSolver(wiring)

    def _direct_result(self, wiring: Wiring, progress: Progress | None) -> ReadResult:
        count = len(wiring.sources)
        solver = self._direct(wiring, count)
        currents = np.empty((count, wiring.shape[1]))
        for read in range(count):
            currents[read] = solver.solve(read).cells.current.sum(axis=0)
            if progress:
                progress(read + 1, count)
        currents[:, wiring.sensed.floating] = 0.0
        return ReadResult(currents, VERSION, status=_status(count, count), methods={"direct": count})

    @staticmethod
    def _stalled(reads: int) -> ConvergenceError:
        return ConvergenceError(
            f"the relaxation of {reads} reads did not converge in {_SWEEPS} sweeps; use the method 'auto' or 'direct'"
        )


def _status(direct: int, reads: int) -> str:
    return f"direct for {direct} of {reads}" if direct else "ok"
