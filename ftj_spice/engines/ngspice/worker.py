"""One ngspice in one process, started as a command and told what to do over its pipes.

    python -m ftj_spice.engines.ngspice.worker

The parent writes requests to standard input and reads answers from the worker's original standard output (see
`wire`); whatever ngspice itself prints goes to standard error. libngspice is global state that may crash or exit:
here it takes nobody with it. When the parent goes, the worker goes too, even in the middle of a run.
"""

import contextlib
import math
import os
import select
import sys
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.traps import Candidates
from ftj_spice.engines.ngspice import wire
from ftj_spice.engines.ngspice.cosim import IDLE, CoSimulation, Resolution, TrapPlan

_LOGGED_LINES = 200  # lines of one request that also go to standard error, for the log of a worker that is lost
_KEPT_LINES = 4000  # lines of one request that are kept at each end; what a long run prints between is dropped


@dataclass
class Failure(Exception):  # noqa: N818 - travels to the parent, which turns it into a typed error
    """A request that ngspice could not fulfil, with what it printed meanwhile.

    `kind` is `library` (can't be loaded), `load` (netlist refused), `alter` (no such element), `run` (no result),
    `vector` (a result, but without this vector), `length` (runs of unequal length) or `trap` (sources or nodes don't
    fit the plan).
    """

    kind: str
    reason: str
    output: list[str] = field(default_factory=list)


class Ngspice:
    """The loaded library with its callbacks, through PySpice's binding.

    PySpice loads the library and declares its interface; commands and vectors go through its cffi handle, because the
    binding's own `plot()` costs milliseconds and memory per run. A second `ngSpice_Init` puts our callbacks in place:
    the user pointer is then free for the noise callbacks' address table.

    ngspice never forgets that a callback was once given: between noise runs there are idle ones, from the start, so
    that a plain run gives the same result whatever ran before it.
    """

    def __init__(self, library: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PySpice's docstrings hold invalid escapes on newer Pythons
            from PySpice.Spice.NgSpice import Shared
        Shared._module_logger.disabled = True
        Shared.NgSpiceShared._logger.disabled = True
        Shared.NgSpiceShared.LIBRARY_PATH = library.replace("{", "{{").replace("}", "}}")  # PySpice formats it
        binding = Shared.NgSpiceShared.new_instance(send_data=True)  # without, ngspice never reports points again
        self.version = binding.ngspice_version
        self._ffi: Any = Shared.ffi
        self._lib: Any = binding._ngspice_shared
        self._binding = binding
        self.output: list[str] = []
        self._logged = 0
        self._cosimulation: CoSimulation | None = None
        self.unsaved: str | None = None
        self._models: set[str] = set()
        ffi = self._ffi
        self._callbacks = (
            ffi.callback("int (char *, int, void *)", self._keep_line),
            ffi.callback("int (char *, int, void *)", lambda message, ident, user: 0),
            ffi.callback("int (int, bool, bool, int, void *)", self._exit),
            ffi.callback("int (pvecinfoall, int, void *)", self._vectors_known),
            ffi.callback("int (bool, int, void *)", lambda running, ident, user: 0),
        )
        self.detach_noise()
        self._constants = frozenset(self._names("const"))
        self.command("set num_threads=1")
        self.command("set nomoremode")
        self.command("set ngbehavior=")
        self.command("unset ngbehavior")

    def _attach(self, callbacks: Any) -> None:
        char, stat, leave, init_data, background = self._callbacks
        cast, null = self._ffi.cast, self._ffi.NULL
        user = cast("void *", callbacks.address)
        data = cast("SendData *", callbacks.accepted_data.address)
        self._lib.ngSpice_Init(char, stat, leave, data, init_data, background, user)
        source = cast("GetVSRCData *", callbacks.source.address)
        self._lib.ngSpice_Init_Sync(source, null, cast("GetSyncData *", callbacks.synchronise.address), null, null)

    def add_model(self, path: str) -> None:
        """Loads a compiled Verilog-A model (.osdi file), once; new callbacks make ngspice forget it for good."""
        if path not in self._models:
            self._models.add(path)
            folder, file = os.path.split(path)
            os.chdir(folder)  # so that no blank in the path cuts the command short
            self.command(f"osdi {file}")

    def attach_noise(self, cosimulation: CoSimulation) -> None:
        """Puts the native noise callbacks in place for the next runs."""
        self._cosimulation = cosimulation
        self.unsaved = None
        self._attach(cosimulation)

    def detach_noise(self) -> None:
        """Takes the noise callbacks out again: EXTERNAL sources stand at 0."""
        self._cosimulation = None
        self._attach(IDLE)

    def end_at(self, stop: float) -> None:
        """Says where the next transient ends; 0 for other analyses."""
        (self._cosimulation or IDLE).end_at(min(stop, as_read(stop)))

    def _keep_line(self, message: Any, ident: int, user: Any) -> int:
        line = self._ffi.string(message).decode("utf-8", "replace")
        self.output.append(line)
        if len(self.output) > 2 * _KEPT_LINES:
            del self.output[_KEPT_LINES:-_KEPT_LINES]
        if self._logged < _LOGGED_LINES:
            self._logged += 1
            os.write(2, (line + "\n").encode())
        return 0

    def new_log(self) -> None:
        """Begins standard error afresh, where it is the parent's file: it holds one request only."""
        self._logged = 0
        self.output.clear()
        with contextlib.suppress(OSError):
            os.ftruncate(2, 0)

    def _exit(self, status: int, immediate: bool, quit_: bool, ident: int, user: Any) -> int:
        tail = self.output[-50:] if self._logged >= _LOGGED_LINES else []
        os.write(2, ("\n".join([*tail, f"ngspice left with status {status}"]) + "\n").encode())
        os._exit(70)  # the library is unusable from here on; the parent starts another worker

    def _vectors_known(self, data: Any, ident: int, user: Any) -> int:
        if self._cosimulation is not None:
            names = [self._ffi.string(data.vecs[i].vecname).decode() for i in range(data.veccount)]
            try:
                self._cosimulation.bind(names)
            except KeyError as error:
                self.unsaved = str(error.args[0])
        return 0

    def command(self, text: str) -> int:
        """Runs one ngspice command."""
        return self._lib.ngSpice_Command(text.encode())

    def forget_commands(self) -> None:
        """Frees the commands so far, which ngspice keeps: hundreds of bytes each."""
        self._lib.ngSpice_Command(self._ffi.NULL)

    def circuit(self, lines: list[str]) -> int:
        """Loads a netlist."""
        ffi = self._ffi
        keep = [ffi.new("char[]", line.encode()) for line in lines]
        return self._lib.ngSpice_Circ(ffi.new("char *[]", [*keep, ffi.NULL]))

    def plot(self) -> str:
        """Returns the name of the current plot; `const` where no analysis left one."""
        return self._ffi.string(self._lib.ngSpice_CurPlot()).decode()

    def has_result(self) -> bool:
        """Whether the last analysis left a vector with points."""
        plot = self.plot()
        return plot != "const" and any(self.vector(name) is not None for name in self._names(plot))

    def _names(self, plot: str) -> list[str]:
        """Returns the names of a plot's vectors."""
        names = self._lib.ngSpice_AllVecs(plot.encode())
        found = []
        while names != self._ffi.NULL and names[len(found)] != self._ffi.NULL:
            found.append(self._ffi.string(names[len(found)]).decode())
        return found

    def scale(self, name: str) -> NDArray[Any] | None:
        """Returns a copy of the last analysis' scale, as `vector`, and makes its plot the current one.

        A noise analysis leaves its totals, which have no such scale, above its spectra.
        """
        vector = self.vector(name)
        plots, at = self._lib.ngSpice_AllPlots(), 0
        while vector is None and plots[at] != self._ffi.NULL:
            plot = self._ffi.string(plots[at]).decode()
            if name in self._names(plot):
                self.command(f"setplot {plot}")
                vector = self.vector(name)
            at += 1
        return vector

    def vector(self, name: str) -> NDArray[Any] | None:
        """Returns a copy of a vector of the current plot, or None where there is none."""
        if name.lower() in self._constants and name.lower() not in self._names(self.plot()):
            return None  # ngspice would answer with its own `pi`, `planck`, ...
        info = self._lib.ngGet_Vec_Info(name.encode())
        if info == self._ffi.NULL or info.v_length == 0:
            return None
        if info.v_realdata != self._ffi.NULL:
            return np.frombuffer(self._ffi.buffer(info.v_realdata, info.v_length * 8), np.float64).copy()
        return np.frombuffer(self._ffi.buffer(info.v_compdata, info.v_length * 16), np.complex128).copy()


def as_read(value: float) -> float:
    """Returns a number as ngspice reads it from a command: digits times a power of ten, which may be one ulp off."""
    digits, _, exponent = repr(float(value)).partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    return float(int(whole + fraction)) * 10.0 ** (int(exponent or 0) - len(fraction))


def reached_end(scale: NDArray[Any] | None, end: float) -> bool:
    """Whether a run's scale vector reaches the analysis' end."""
    if scale is None:
        return False
    last = float(scale[-1].real)
    return last > end or math.isclose(last, end, rel_tol=1e-9)


class Worker:
    """Answers requests; each public method is one request of the same name."""

    def __init__(self, ngspice: Ngspice) -> None:
        self._ng = ngspice

    def probe(self) -> dict[str, Any]:
        """What the library can do, asked of the library itself."""
        ng = self._ng
        ng.new_log()
        ng.command("version -f")
        version = list(ng.output)
        ng.new_log()
        ng.command("osdi")  # unknown where ngspice was built without it
        osdi = not any("no such command" in line.lower() for line in ng.output)
        ng.new_log()
        ng.circuit(["probe", "v1 a 0 1", "r1 a 0 1", ".options klu", ".end"])
        ng.command("op")
        klu = any("klu" in line.lower() and "direct linear" in line.lower() for line in [*ng.output, *version])
        ng.command("remcirc")
        ng.command("destroy all")
        xspice = any("xspice" in line.lower() for line in version)
        return {"version": ng.version, "xspice": xspice, "osdi": osdi, "klu": klu, "banner": version}

    def load(self, netlist: str, models: list[str]) -> dict[str, Any]:
        """Loads a netlist in place of the one before, and the compiled Verilog-A models (.osdi files) it needs."""
        ng = self._ng
        ng.command("remcirc")
        ng.command("destroy all")
        ng.forget_commands()
        ng.new_log()
        for model in models:
            ng.add_model(model)
        if ng.circuit(netlist.splitlines()):
            raise Failure("load", "the netlist is refused", list(ng.output))
        return {"output": self._lines()}

    def run(
        self,
        analysis: str,
        scale: str | None,
        end: float,
        vectors: list[str],
        settings: list[tuple[str, float]],
        options: list[str],
        alters: list[str],
        runs: int,
        arrays: dict[str, NDArray[Any]],
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Runs one analysis `runs` times, before each the alters; returns the vectors, stacked where runs > 1.

        Args:
            analysis: The command.
            scale: The vector that must reach `end`; none where the analysis has no scale.
            end: See `scale`.
            vectors: Vectors to return.
            settings: Elements to alter once, before the first run, with their values.
            options: Commands to run once, before the first run.
            alters: Elements to alter before each run.
            runs: How many runs.
            arrays: `values`, shape `(runs, len(alters))`, where there are alters.

        Raises:
            Failure: A run gave no result.
        """
        ng = self._ng
        ng.new_log()
        ng.end_at(end)
        for name, value in settings:
            self._alter(name, value)
        for command in options:
            ng.command(command)
        values = arrays.get("values")
        result: dict[str, NDArray[Any]] = {}
        for k in range(runs):
            if k:
                ng.output.clear()
            which = f" (run {k + 1} of {runs})" if runs > 1 else ""
            if values is not None:
                for name, value in zip(alters, values[k].tolist(), strict=True):
                    self._alter(name, value)
            ng.command(analysis)
            if scale is not None and not reached_end(ng.scale(scale), end):
                raise Failure("run", f"it stopped before its end{which}", self._lines())
            for name in vectors:
                vector = ng.vector(name)
                if vector is None:
                    kind = "vector" if ng.has_result() else "run"
                    raise Failure(kind, f"no {name}{which}", self._lines())
                if runs == 1:
                    result[name] = vector
                    continue
                if k == 0:
                    result[name] = np.empty((runs, len(vector)), vector.dtype)
                if len(vector) != result[name].shape[1]:
                    raise Failure("length", "the runs have different numbers of points", self._lines())
                result[name][k] = vector
            ng.command("destroy all")
            ng.forget_commands()
        return {"output": self._lines()}, result

    def simulate(
        self, plan: dict[str, Any], arrays: dict[str, NDArray[Any]], **request: Any
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Runs one transient with trap noise; see `cosim`. Further arguments as in `run`."""
        candidates = Candidates(
            **{name: arrays[name] for name in ("times", "draws", "offsets", "initial", "table")},
            duration=plan["duration"],
            voltages=tuple(plan["voltages"]),
        )
        cosimulation = CoSimulation(
            TrapPlan(
                candidates,
                tuple(plan["plus"]),
                tuple(plan["minus"]),
                Resolution(plan["resolution"]),
                plan["edge_time"],
            )
        )
        request["vectors"] = ["time", *(name for name in request["vectors"] if name != "time")]
        self._ng.attach_noise(cosimulation)
        try:
            answer, result = self.run(**request, arrays={})
        except Failure as failure:
            if self._ng.unsaved is not None:
                raise Failure("trap", self._unsaved(), failure.output) from None
            raise
        finally:
            self._ng.detach_noise()
        if self._ng.unsaved is not None:
            raise Failure("trap", self._unsaved(), answer["output"])
        cosimulation.finish(result["time"][-1])
        misfit = cosimulation.misfit
        if misfit is not None:
            raise Failure("trap", misfit, answer["output"])
        history = cosimulation.history()
        result["history_initial"] = history.initial
        result["history_times"] = history.times
        result["history_traps"] = history.traps
        result["history_states"] = history.states
        return dict(answer, bias_range=cosimulation.bias_range), result

    def _unsaved(self) -> str:
        return f"the trap plan needs the voltage of node '{self._ng.unsaved}', which the netlist does not save"

    def _alter(self, name: str, value: float) -> None:
        """Alters one element; ngspice says nothing where it worked."""
        ng = self._ng
        before = len(ng.output)
        ng.command(f"alter {name} = {value!r}")
        if len(ng.output) > before and any("error" in line.lower() for line in ng.output[before:]):
            raise Failure("alter", name, self._lines())

    def _lines(self) -> list[str]:
        lines = list(self._ng.output)
        self._ng.output.clear()
        return lines


def _leave_with_parent(requests: int) -> None:
    """Ends this process as soon as nobody holds the other end of the request pipe, even while ngspice runs."""
    poll = select.poll()
    poll.register(requests, 0)  # hang-up is always reported
    while not any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll()):
        pass
    os._exit(0)


def serve() -> None:
    """Answers requests until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    threading.Thread(target=_leave_with_parent, args=(requests.fileno(),), daemon=True).start()
    worker: Worker | None = None
    while True:
        try:
            message, arrays = wire.receive(requests)
        except wire.Disconnected:
            return
        verb = message.pop("verb")
        try:
            if verb == "start":
                worker = Worker(_open(message["library"]))
                wire.send(answers, {"ok": True, **worker.probe()})
                continue
            assert worker is not None
            result = getattr(worker, verb)(**message, **({"arrays": arrays} if verb in ("run", "simulate") else {}))
            answer, vectors = result if isinstance(result, tuple) else (result, {})
            wire.send(answers, {"ok": True, **answer}, vectors)
        except Failure as failure:
            wire.send(answers, {"ok": False, "kind": failure.kind, "reason": failure.reason, "output": failure.output})


def _open(library: str) -> Ngspice:
    try:
        return Ngspice(library)
    except (OSError, AttributeError, NameError) as error:  # not a library, another library, or it refuses
        raise Failure("library", " ".join(str(error).split())) from None
    except ImportError as error:
        raise Failure("library", f"the Python package {error.name} is missing") from None


if __name__ == "__main__":
    serve()
    sys.stderr.flush()
    os._exit(0)  # libngspice's own exit handlers are not needed and may hang
