"""A loaded netlist in an ngspice worker: alter values, run many times, get numpy arrays.

The session keeps the netlist and the altered values, so that a worker that died can be replaced and its request asked
once more. A run that does not converge climbs a ladder before it gives up:

1. as given;
2. more Newton iterations per point (`itl1 itl2 itl4`);
3. fixed gmin and source stepping for the operating point (`gminsteps srcsteps`);
4. transient steps smaller by ten.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.traps import TrapHistory
from ftj_spice.engines.errors import (
    BiasRangeError,
    ConvergenceError,
    EngineError,
    WorkerCrashError,
    WorkerTimeoutError,
)
from ftj_spice.engines.ngspice.cosim import TrapPlan
from ftj_spice.engines.ngspice.messages import clean, looks_refused, netlist_error, simulation_error
from ftj_spice.engines.ngspice.process import RequestFailedError, WorkerLostError, WorkerProcess
from ftj_spice.engines.protocol import Analysis, Result, Transient, reached_end

DEFAULT_TIME_LIMIT = 600.0
"""Seconds a request may take before its worker is replaced."""


@dataclass(frozen=True)
class Rung:
    """One rung of the convergence ladder."""

    name: str
    options: tuple[str, ...] = ()
    step_division: float = 1.0


LADDER = (
    Rung("ok"),
    Rung("more iterations", ("option itl1=1000", "option itl2=1000", "option itl4=200")),
    Rung("gmin and source stepping", ("option gminsteps=50", "option srcsteps=200")),
    Rung("smaller step", step_division=10.0),
)


class Slot:
    """A place for one worker; starts it on first use and replaces it after a loss."""

    def __init__(self) -> None:
        self._worker: WorkerProcess | None = None

    @property
    def worker(self) -> WorkerProcess:
        """The running worker."""
        if self._worker is None:
            self._worker = WorkerProcess()
        return self._worker

    def drop(self) -> None:
        """Ends the worker, if there is one."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


class NgspiceSession:
    """One netlist, loaded in the worker of a slot.

    Args:
        slot: Where the worker lives; one session at a time per slot.
        netlist: The netlist's text.
        time_limit: Seconds one request may take.

    Raises:
        EngineError: The netlist is refused; the subclass says why.
    """

    def __init__(self, slot: Slot, netlist: str, time_limit: float = DEFAULT_TIME_LIMIT) -> None:
        self._slot = slot
        self._netlist = netlist
        self._hash = hashlib.sha256(netlist.encode()).hexdigest()
        self._time_limit = time_limit
        self._altered: dict[str, float] = {}
        self._load_output: list[str] = []
        self._loaded_in: WorkerProcess | None = None
        self._ask_twice(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def engine(self) -> str:
        """Simulator and version."""
        return f"ngspice-{self._slot.worker.features['version']}"

    @property
    def worker_pid(self) -> int:
        """Process id of the worker."""
        return self._slot.worker.pid

    def close(self) -> None:
        """Leaves the worker to the next session."""
        self._loaded_in = None

    def alter(self, **values: float) -> None:
        """Sets source values or element parameters for the runs that follow.

        Args:
            **values: SI values by element name, e.g. `vrow3=0.5`.
        """
        self._altered.update({name: float(value) for name, value in values.items()})

    def run(self, analysis: Analysis, vectors: Sequence[str]) -> Result:
        """Runs one analysis.

        Args:
            analysis: What to run.
            vectors: Names of the vectors to return, e.g. `v(out)` or `i(vsense0)`.

        Raises:
            ConvergenceError: No rung of the ladder gave a solution.
            EngineError: Any other failure; the subclass says which.
        """
        return self._climb(analysis, list(vectors), runs=1, names=[], values=np.empty((1, 0)))

    def run_many(
        self, analysis: Analysis, vectors: Sequence[str], names: Sequence[str], values: NDArray[np.float64]
    ) -> Result:
        """Runs one analysis once per row of `values`, without a round trip in between.

        Args:
            analysis: What to run.
            vectors: Names of the vectors to return; each comes back with shape `(runs, points)`.
            names: Elements to alter before each run.
            values: Their values, shape `(runs, len(names))`.

        Raises:
            EngineError: As in `run`.
        """
        values = np.atleast_2d(np.asarray(values, float))
        result = self._climb(analysis, list(vectors), runs=len(values), names=list(names), values=values)
        if len(values) == 1:
            stacked = {name: vector[np.newaxis] for name, vector in result.vectors.items()}
            return Result(stacked, result.engine, result.netlist_hash, result.status, None, result.messages)
        return result

    def simulate(self, analysis: Transient, vectors: Sequence[str], plan: TrapPlan) -> Result:
        """Runs one transient with trap noise on the netlist's EXTERNAL sources.

        The netlist must save the plan's nodes.

        Raises:
            BiasRangeError: A cell's voltage left the range that its trap events were drawn for.
            EngineError: As in `run`.
        """
        c = plan.candidates
        arrays = {name: getattr(c, name) for name in ("times", "draws", "offsets", "initial", "table")}
        message = {
            "plan": {
                "duration": c.duration,
                "voltages": list(c.voltages),
                "plus": list(plan.plus),
                "minus": list(plan.minus),
                "resolution": int(plan.resolution),
                "edge_time": plan.edge_time,
            }
        }
        return self._climb(analysis, list(vectors), 1, [], np.empty((1, 0)), noise=(message, arrays, plan))

    def _climb(
        self,
        analysis: Analysis,
        vectors: list[str],
        runs: int,
        names: list[str],
        values: NDArray[np.float64],
        noise: tuple[dict[str, Any], dict[str, NDArray[Any]], TrapPlan] | None = None,
    ) -> Result:
        failure: EngineError | None = None
        options: list[str] = []
        for rung in LADDER:
            if rung.step_division != 1.0 and not isinstance(analysis, Transient):
                continue
            options += rung.options
            attempt = analysis.finer(rung.step_division)
            wanted = [*([analysis.scale] if analysis.scale and analysis.scale not in vectors else []), *vectors]
            request: dict[str, Any] = {"analysis": attempt.command(), "vectors": wanted}
            if noise is None:
                request |= {"verb": "run", "alters": names, "runs": runs}
                arrays = {"values": values} if names else {}
            else:
                request |= {"verb": "simulate"} | noise[0]
                arrays = noise[1]
            try:
                answer, result = self._ask_twice(request, arrays, options)
                if analysis.scale and not reached_end(attempt, np.atleast_2d(result[analysis.scale])[-1]):
                    raise RequestFailedError("it stopped before its end", answer["output"])
            except RequestFailedError as refused:
                self._loaded_in = None  # whatever state the failure left behind, the next request starts afresh
                refused_netlist = looks_refused(refused.output)
                error = (
                    netlist_error([*self._load_output, *refused.output], None)
                    if refused_netlist
                    else simulation_error(refused.reason, refused.output, None)
                )
                if not isinstance(error, ConvergenceError):
                    raise type(error)(str(error), self._keep(refused.output)) from None
                failure = failure or type(error)(str(error), self._keep(refused.output))
                continue
            if options:
                self._loaded_in = None  # the rung's options must not stay
            return self._result(answer, result, vectors, rung, noise)
        assert failure is not None
        raise failure

    def _result(
        self,
        answer: dict[str, Any],
        result: dict[str, NDArray[Any]],
        vectors: list[str],
        rung: Rung,
        noise: tuple[Any, Any, TrapPlan] | None,
    ) -> Result:
        history = None
        if noise is not None:
            candidates = noise[2].candidates
            history = TrapHistory(
                result["history_initial"],
                result["history_times"],
                result["history_traps"],
                result["history_states"],
                candidates.duration,
            )
            if answer["out_of_range"]:
                low, high = candidates.voltages
                raise BiasRangeError(
                    f"a cell's voltage left the range {low:g} to {high:g} V that its trap events were drawn for: "
                    "draw them for a wider range"
                )
        return Result(
            {name: result[name] for name in vectors},
            self.engine,
            self._hash,
            rung.name,
            history,
            clean(answer["output"]),
        )

    def _ask_twice(
        self,
        request: dict[str, Any] | None,
        arrays: dict[str, NDArray[Any]] | None = None,
        options: Sequence[str] = (),
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Asks the worker, on a fresh one once more where it is lost; `None` only loads."""
        for attempt in (1, 2):
            loading = True
            try:
                self._prepare(options)
                loading = False
                if request is None:
                    return {}, {}
                return self._slot.worker.ask(
                    request["verb"], self._time_limit, {k: v for k, v in request.items() if k != "verb"}, arrays
                )
            except WorkerLostError as lost:
                self._slot.drop()
                self._loaded_in = None
                if attempt == 1:
                    continue
                raise self._lost(lost, loading) from None
            except BaseException as error:
                if not isinstance(error, RequestFailedError | EngineError):
                    self._slot.drop()  # interrupted in the middle of an answer
                raise
        raise AssertionError("unreachable")

    def _prepare(self, options: Sequence[str]) -> None:
        """Loads the netlist where the worker does not hold it, and applies alters and options."""
        worker = self._slot.worker
        if self._loaded_in is not worker:
            netlist = self._netlist
            if worker.features["klu"]:
                head, rest = netlist.split("\n", 1)
                netlist = f"{head}\n.options klu\n{rest}"
            try:
                answer, _ = worker.ask("load", self._time_limit, {"netlist": netlist})
            except RequestFailedError as refused:
                raise netlist_error(refused.output, self._keep(refused.output)) from None
            self._load_output = answer["output"]
            if looks_refused(self._load_output):
                raise netlist_error(self._load_output, self._keep(self._load_output))
            self._loaded_in = worker
        commands = [f"alter {name} = {value:.17g}" for name, value in self._altered.items()]
        if commands or options:
            worker.ask("options", self._time_limit, {"commands": [*commands, *options]})

    def _lost(self, lost: WorkerLostError, loading: bool) -> EngineError:
        output = lost.log.splitlines()
        kept = self._keep(output)
        if lost.timed_out:
            return WorkerTimeoutError(f"ngspice took longer than {self._time_limit:g} s, twice", kept)
        if loading and any("netlist" in line.lower() for line in output):
            return netlist_error(output, kept)
        last = next((line for line in reversed(clean(output))), "no message")
        return WorkerCrashError(f"ngspice's worker died twice on the same task ({last})", kept)

    def _keep(self, output: Sequence[str]) -> Path:
        """Writes netlist and log where the user finds them."""
        folder = Path(tempfile.mkdtemp(prefix="ftj-spice-failed-"))
        (folder / "netlist.cir").write_text(self._netlist, encoding="utf-8")
        (folder / "engine.log").write_text("\n".join(clean(list(output))) + "\n", encoding="utf-8")
        return folder


def discard(kept: Path | None) -> None:
    """Removes what a failure kept, for callers that expected it."""
    if kept is not None:
        shutil.rmtree(kept, ignore_errors=True)
