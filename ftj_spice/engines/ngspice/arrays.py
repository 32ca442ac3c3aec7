"""Reads of arrays in ngspice: one DC sweep per netlist, chunks of the batch side by side."""

from collections.abc import Callable

from ftj_spice.engines.arrays import ReadResult
from ftj_spice.engines.chunks import Chunk
from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.netlist_reader import LONGEST, READS_PER_NETLIST, NetlistReader
from ftj_spice.engines.ngspice.arraytime import sweep_seconds
from ftj_spice.engines.ngspice.pool import NgspiceEngine, Open
from ftj_spice.engines.ngspice.session import DEFAULT_TIME_LIMIT
from ftj_spice.engines.protocol import Result, Sweep
from ftj_spice.netlist.benches import read_bench
from ftj_spice.netlist.circuit import ArrayCircuit, Drive

_PSEUDO = "Transient op"  # ngspice's last resort, which may end anywhere and is reported as a success
_STUCK = "ngspice found no steady state of the array, only the end of a transient; use the fast engine"


class NgspiceReader(NetlistReader):
    """Reads arrays in ngspice.

    Args:
        engine: A running engine to use; it stays open. Without it the reader starts its own.
        jobs: Workers of the reader's own engine.
        time_limit: Seconds that one request to the engine may take.
        reads_per_netlist: Reads of one sweep, at most; fewer where a sweep would exceed the time limit.
        longest: Seconds that a call may take by the estimate.
    """

    name = title = "ngspice"
    current = "i(vsense{})"

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
        super().__init__(self._engine.jobs, time_limit, reads_per_netlist, longest)

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

    def _seconds(self, circuit: ArrayCircuit) -> tuple[float, float]:
        return sweep_seconds(circuit, bool(self._engine.features()["klu"]))

    def _run_all(self, chunks: list[Chunk], told: Callable[[int], None] | None) -> list[ReadResult]:
        return self._engine.map(self._run, chunks, told)

    def _run(self, open_netlist: Open, chunk: Chunk) -> ReadResult:
        def solve(names: list[str]) -> tuple[Result, str]:
            with open_netlist(self.netlist(chunk.circuit, chunk.drive)) as session:
                result = session.run(Sweep("vindex", len(chunk.drive)), names)
            if any(_PSEUDO in line for line in result.messages):
                raise ConvergenceError(_STUCK)
            return result, result.status

        return self._currents(chunk, self.name, solve)
