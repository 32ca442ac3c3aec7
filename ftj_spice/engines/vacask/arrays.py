"""Reads of arrays in VACASK: operating points of a lean Verilog-A cell, chunks of the batch side by side."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.arrays import ReadResult
from ftj_spice.engines.chunks import Chunk
from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.netlist_reader import LONGEST, READS_PER_NETLIST, NetlistReader
from ftj_spice.engines.protocol import Result
from ftj_spice.engines.vacask.compiler import compile_model
from ftj_spice.engines.vacask.engine import DEFAULT_TIME_LIMIT, VacaskEngine
from ftj_spice.netlist.circuit import ArrayCircuit, Drive
from ftj_spice.netlist.verilog_a_arrays import ANALYSIS, MODELS, array_bench, has_dead_lines

HELD = "switched-off floating lines held"
"""Status of reads in which VACASK found a solution only with such lines held at the columns' mean level."""

# Measured on one core, nonlinear cells with line resistance; read as factors, not as digits.
_START = 0.03  # s
_FIRST = 1.3  # s to load 128 x 128 cells and find their operating point
_EACH = 0.7  # s of each further read
_GROWTH = 1.5  # with the number of cells
_TRANSISTOR = 2.0


class VacaskReader(NetlistReader):
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
    title = "VACASK"
    current = "vsense{}:flow(br)"

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
        super().__init__(jobs, time_limit, reads_per_netlist, longest)

    def close(self) -> None:
        """Nothing is held: every run has its own process."""

    def netlist(self, circuit: ArrayCircuit, drive: Drive) -> str:
        """Returns the netlist of a batch of reads; it runs beside the compiled models `MODELS` names.

        Raises:
            RenderError: A value is not fit for a netlist.
        """
        return array_bench(circuit, drive)

    def _seconds(self, circuit: ArrayCircuit) -> tuple[float, float]:
        rows, columns = circuit.shape
        size = (rows * columns / 128.0**2) ** _GROWTH * (_TRANSISTOR if circuit.wiring.transistor else 1.0)
        return _START + _FIRST * size, 1e-4 + _EACH * size

    def _run_all(self, chunks: list[Chunk], told: Callable[[int], None] | None) -> list[ReadResult]:
        parts: list[ReadResult] = []
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="vacask") as pool:
            futures = [pool.submit(self._run, chunk) for chunk in chunks]
            try:
                for future in futures:
                    parts.append(future.result())
                    if told is not None:
                        told(len(parts))
            except BaseException:  # an interrupt included: the runs have process groups of their own
                pool.shutdown(wait=False, cancel_futures=True)
                while wait(futures, timeout=0.05).not_done:  # a run may be just about to start
                    self._engine.end_runs()
                raise
        return parts

    def _run(self, chunk: Chunk) -> ReadResult:
        circuit, drive = chunk.circuit, chunk.drive

        def solve(names: list[str]) -> tuple[Result, str]:
            try:
                return self._engine.run(self.netlist(circuit, drive), names, ANALYSIS), "ok"
            except ConvergenceError as error:
                if not has_dead_lines(circuit, drive):
                    raise
                if error.kept is not None:
                    shutil.rmtree(error.kept, ignore_errors=True)
            return self._engine.run(array_bench(circuit, drive, hold=True), names, ANALYSIS), HELD

        return self._currents(chunk, self._engine.engine, solve)

    @staticmethod
    def _duration(seconds: float) -> str:
        return f"{seconds:.0f} s"
