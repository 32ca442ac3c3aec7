"""A loaded netlist in an ngspice worker: alter values, run many times, get numpy arrays.

The session keeps the netlist and the altered values, so that a worker that died can be replaced and its request asked
once more. A run that does not converge climbs a ladder before it gives up; each rung keeps what the ones before added,
and starts from the freshly loaded netlist:

1. as given;
2. more Newton iterations per point (`itl1 itl2 itl4`);
3. fixed gmin and source stepping for the operating point (`gminsteps srcsteps`);
4. transient steps smaller by ten.

What a rung added is gone at the next run.
"""

import hashlib
import math
import re
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
    NetlistError,
    WorkerCrashError,
    WorkerTimeoutError,
)
from ftj_spice.engines.ngspice.cosim import TrapPlan
from ftj_spice.engines.ngspice.messages import (
    clean,
    is_empty,
    last_words,
    looks_refused,
    netlist_error,
    simulation_error,
)
from ftj_spice.engines.ngspice.process import RequestFailedError, WorkerLostError, WorkerProcess
from ftj_spice.engines.protocol import Analysis, Noise, Result, Sweep, Transient

DEFAULT_TIME_LIMIT = 600.0
"""Seconds a request may take before its worker is replaced."""

BIAS_TOLERANCE = 1e-6
"""A cell's voltage may leave the range of its trap events by this much, in V."""

_ELEMENT = re.compile(r"[A-Za-z@][\w.:#@\[\]$+-]*")
_VOLTAGE = re.compile(r"[vV]\([\w.#]+(,[\w.#]+)?\)")
_KLU = re.compile(r"(?im)^[ \t]*\.options?\b.*\bklu\b")
_END = re.compile(r"(?im)^[ \t]*\.end[ \t]*$")
_INTERPOLATES = re.compile(r"(?im)^[ \t]*[.+].*\binterp\b")


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
    """A place for one worker; starts it on first use and replaces it after a loss.

    Attributes:
        holder: The session whose netlist the worker holds.
        models: Whether the worker holds Verilog-A models: new callbacks make ngspice forget them.
        interpolates: Whether the worker saw `.options interp`: ngspice never forgets it.
    """

    def __init__(self) -> None:
        self._worker: WorkerProcess | None = None
        self._stopped = False
        self.holder: object = None
        self.interpolates = False
        self.models = False

    @property
    def worker(self) -> WorkerProcess:
        """The running worker."""
        if self._worker is not None and self._worker.closed:
            self.drop()
        if self._stopped:
            raise EngineError("the engine was stopped")
        if self._worker is None:
            self._worker = WorkerProcess()
        return self._worker

    def drop(self) -> None:
        """Ends the worker, if there is one."""
        self.holder = None
        self.interpolates = self.models = False
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def stop(self) -> None:
        """Ends what runs here, from another thread; no further worker starts until `restart`."""
        self._stopped = True
        worker = self._worker
        if worker is not None:
            worker.kill()

    def restart(self) -> None:
        """Lets workers start again."""
        self._stopped = False


class NgspiceSession:
    """One netlist, loaded in the worker of a slot.

    Several sessions may share a slot: each loads its netlist again when it finds another's there.

    Args:
        slot: Where the worker lives.
        netlist: The netlist's text.
        time_limit: Seconds one request may take.
        models: Compiled Verilog-A models (.osdi files) that the netlist needs.

    Raises:
        EngineError: The netlist is refused; the subclass says why.
    """

    def __init__(
        self, slot: Slot, netlist: str, time_limit: float = DEFAULT_TIME_LIMIT, models: Sequence[Path] = ()
    ) -> None:
        if is_empty(netlist):
            raise NetlistError("the netlist is empty: it holds no element")
        self._models = [str(model.resolve()) for model in models]
        self._slot = slot
        self._netlist = netlist
        self._hash = hashlib.sha256(netlist.encode()).hexdigest()
        self._time_limit = time_limit
        self._altered: dict[str, float] = {}
        self._pending: dict[str, float] = {}  # altered, but not yet in the worker's circuit
        self._load_output: list[str] = []
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
        self._forget()

    def alter(self, **values: float) -> None:
        """Sets source values or element parameters for the runs that follow.

        Args:
            **values: SI values by element name, e.g. `vrow3=0.5`.

        Raises:
            EngineError: A name is none, or a value is not finite. That the netlist has no such element shows at the
                next run.
        """
        checked = {_element(name): float(value) for name, value in values.items()}
        for name, value in checked.items():
            if not math.isfinite(value):
                raise EngineError(f"'{name}' can't be altered to {value}")
        self._altered |= checked
        self._pending |= checked

    def run(self, analysis: Analysis, vectors: Sequence[str]) -> Result:
        """Runs one analysis.

        EXTERNAL sources stand at 0 V: the traps are empty.

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

        The last row stays for the runs that follow, as with `alter`.

        Args:
            analysis: What to run.
            vectors: Names of the vectors to return; each comes back with shape `(runs, points)`.
            names: Elements to alter before each run.
            values: Their values, shape `(runs, len(names))`.

        Raises:
            ValueError: `values` does not have one column per name, or no row.
            EngineError: As in `run`.
        """
        values = np.atleast_2d(np.asarray(values, float))
        names = [_element(name) for name in names]
        if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
            raise ValueError(f"{len(names)} names need values of shape (runs, {len(names)}), not {values.shape}")
        if not np.all(np.isfinite(values)):
            raise EngineError("an element can't be altered to a value that is not finite")
        result = self._climb(analysis, list(vectors), runs=len(values), names=names, values=values)
        self._altered |= dict(zip(names, values[-1].tolist(), strict=True))
        if len(values) == 1:
            stacked = {name: vector[np.newaxis] for name, vector in result.vectors.items()}
            return Result(stacked, result.engine, result.netlist_hash, result.status, None, result.messages)
        return result

    def simulate(self, analysis: Transient, vectors: Sequence[str], plan: TrapPlan) -> Result:
        """Runs one transient with trap noise on the netlist's EXTERNAL sources.

        The netlist must save the plan's nodes.

        Raises:
            BiasRangeError: A cell's voltage left the range that its trap events were drawn for.
            EngineError: As in `run`; or sources, nodes or time span of plan and netlist don't fit.
        """
        if self._models:
            raise EngineError(
                "trap noise can't be co-simulated with a Verilog-A model: ngspice forgets it when noise callbacks are "
                "put in place; take the subcircuit model, or a recorded history"
            )
        if self._slot.models:
            self._slot.drop()
        c = plan.candidates
        if analysis.stop > c.duration * (1.0 + 1e-9):
            raise EngineError(
                f"the trap events were drawn for {c.duration:g} s, but the transient takes {analysis.stop:g} s"
            )
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
        if isinstance(analysis, Sweep | Noise):
            _element(analysis.source)
        if isinstance(analysis, Noise) and not _VOLTAGE.fullmatch(analysis.output):
            raise EngineError(f"{analysis.output!r} is no voltage whose noise can be had: write v(node)")
        failure: tuple[EngineError, list[str], str] | None = None
        options: list[str] = []
        for rung in LADDER:
            if rung.step_division != 1.0 and not isinstance(analysis, Transient):
                continue
            options += rung.options
            attempt = analysis.finer(rung.step_division)
            command = attempt.command()
            request: dict[str, Any] = {
                "verb": "run",
                "analysis": command,
                "scale": analysis.scale,
                "end": analysis.end,
                "vectors": vectors,
                "options": options,
                "alters": names,
                "runs": runs,
            }
            arrays = {"values": values} if names else {}
            if noise is not None:
                request |= {"verb": "simulate"} | noise[0]
                arrays = noise[1]
            try:
                answer, result = self._ask_twice(request, arrays)
            except RequestFailedError as refused:
                self._forget()  # whatever state the failure left behind, the next request starts afresh
                error = self._translate(refused)
                if not isinstance(error, ConvergenceError):
                    raise type(error)(str(error), self._keep(refused.output, command)) from None
                failure = failure or (error, refused.output, command)
                continue
            self._pending.clear()
            if options:
                self._forget()  # the rung's options must not stay
            return self._result(answer, result, vectors, rung, noise, attempt)
        assert failure is not None
        error, output, command = failure
        raise type(error)(str(error), self._keep(output, command))

    def _translate(self, refused: RequestFailedError) -> EngineError:
        """Turns a failed request into the error that the user sees."""
        if refused.kind == "alter":
            self._altered.pop(refused.reason, None)
            return NetlistError(f"'{refused.reason}' can't be altered: {last_words(refused.output)}")
        if refused.kind == "vector":
            return EngineError(f"the simulation gave {refused.reason}: the netlist has or saves no such vector")
        if refused.kind == "length":
            return EngineError(f"{refused.reason}: run them one by one, or on a fixed grid (.options interp)")
        if refused.kind == "trap":
            return NetlistError(refused.reason)
        if looks_refused(refused.output):
            return netlist_error([*self._load_output, *refused.output], self._netlist, None)
        return simulation_error(refused.reason, refused.output, None)

    def _result(
        self,
        answer: dict[str, Any],
        result: dict[str, NDArray[Any]],
        vectors: list[str],
        rung: Rung,
        noise: tuple[Any, Any, TrapPlan] | None,
        analysis: Analysis,
    ) -> Result:
        history = None
        if noise is not None:
            candidates = noise[2].candidates
            low, high = candidates.voltages
            lowest, highest = answer["bias_range"]
            if lowest < low - BIAS_TOLERANCE or highest > high + BIAS_TOLERANCE:
                raise BiasRangeError(
                    f"the cells' voltages spanned {lowest:.4g} to {highest:.4g} V, but their trap events were drawn "
                    f"for {low:g} to {high:g} V: draw them for a wider range",
                    self._keep(answer["output"], analysis.command()),
                )
            history = TrapHistory(
                result["history_initial"],
                result["history_times"],
                result["history_traps"],
                result["history_states"],
                analysis.end,
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
        self, request: dict[str, Any] | None, arrays: dict[str, NDArray[Any]] | None = None
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Asks the worker, on a fresh one once more where it is lost; `None` only loads."""
        for attempt in (1, 2):
            loading = True
            try:
                self._load()
                loading = False
                if request is None:
                    return {}, {}
                message = {key: value for key, value in request.items() if key != "verb"}
                message["settings"] = list(self._pending.items())
                return self._slot.worker.ask(request["verb"], self._time_limit, message, arrays)
            except WorkerLostError as lost:
                self._slot.drop()
                if attempt == 1:
                    continue
                raise self._lost(lost, loading, request["analysis"] if request else "load") from None
        raise AssertionError("unreachable")

    def _load(self) -> None:
        """Loads the netlist where the worker does not hold it."""
        worker = self._slot.worker
        if self._slot.holder is self:
            return
        if self._models and not worker.features["osdi"]:
            raise EngineError(
                f"ngspice {worker.features['version']} here can't load Verilog-A models: it was built without OSDI; "
                f"take another ngspice (Debian 13 and Homebrew ship one that can), or the subcircuit model"
            )
        netlist = self._netlist
        interpolates = _INTERPOLATES.search(netlist) is not None
        if self._slot.interpolates and not interpolates:
            self._slot.drop()
            worker = self._slot.worker
        self._slot.interpolates = interpolates
        self._slot.models |= bool(self._models)
        if worker.features["klu"] and not self._models and not _KLU.search(netlist):  # OSDI models crash KLU on a rerun
            netlist = _END.sub(".options klu\n.end", netlist, count=1)
        self._slot.holder = None
        self._pending = dict(self._altered)
        try:
            answer, _ = worker.ask("load", self._time_limit, {"netlist": netlist, "models": self._models})
        except RequestFailedError as refused:
            kept = self._keep(refused.output, "load")
            raise netlist_error(refused.output, self._netlist, kept) from None
        self._load_output = answer["output"]
        if looks_refused(self._load_output):
            raise netlist_error(self._load_output, self._netlist, self._keep(self._load_output, "load"))
        self._slot.holder = self

    def _forget(self) -> None:
        """Makes the next request load the netlist again."""
        if self._slot.holder is self:
            self._slot.holder = None

    def _lost(self, lost: WorkerLostError, loading: bool, command: str) -> EngineError:
        output = lost.log.splitlines()
        kept = self._keep(output, command)
        if lost.timed_out:
            return WorkerTimeoutError(f"ngspice took longer than {self._time_limit:g} s, twice ({command})", kept)
        left = any(line.startswith("ngspice left with") for line in output)
        if left and loading:
            return netlist_error(output, self._netlist, kept)
        if left:
            return WorkerCrashError(f"ngspice left, twice on the same task ({command}): {last_words(output)}", kept)
        last = next(reversed(clean(output)), "no message")
        return WorkerCrashError(f"ngspice's worker died twice on the same task ({command}; last words: {last})", kept)

    def _keep(self, output: Sequence[str], command: str) -> Path:
        """Writes netlist and log where the user finds them."""
        folder = Path(tempfile.mkdtemp(prefix="ftj-spice-failed-"))
        (folder / "netlist.cir").write_text(self._netlist, encoding="utf-8")
        alters = [f"* alter {name} = {value!r}" for name, value in self._altered.items()]
        log = [*alters, f"* {command}", *clean(output)]
        (folder / "engine.log").write_text("\n".join(log) + "\n", encoding="utf-8")
        return folder


def _element(name: str) -> str:
    """Returns an element's name, as ngspice knows it, after a check that it is one.

    Raises:
        EngineError: It is none: it would change the command it is put into.
    """
    if not _ELEMENT.fullmatch(name):
        raise EngineError(f"{name!r} is no element's name")
    return name.lower()


def discard(kept: Path | None) -> None:
    """Removes what a failure kept, for callers that expected it."""
    if kept is not None:
        shutil.rmtree(kept, ignore_errors=True)
