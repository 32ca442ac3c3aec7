"""One ngspice in one process, started as a command and told what to do over its pipes.

    python -m ftj_spice.engines.ngspice.worker

The parent writes requests to standard input and reads answers from the worker's original standard output (see
`wire`); whatever ngspice itself prints goes to standard error. libngspice is global state that may crash or exit:
here it takes nobody with it.
"""

import os
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.ngspice import wire


@dataclass
class Failure(Exception):  # noqa: N818 - travels to the parent, which turns it into a typed error
    """A request that ngspice could not fulfil, with what it printed meanwhile."""

    reason: str
    output: list[str] = field(default_factory=list)


class Ngspice:
    """The loaded library with its callbacks, through PySpice's binding.

    PySpice loads the library and declares its interface; commands and vectors go through its cffi handle, because the
    binding's own `plot()` costs milliseconds and memory per run. A second `ngSpice_Init` puts our callbacks in place:
    the user pointer is then free for the noise callbacks' address table.
    """

    def __init__(self, library: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PySpice's docstrings hold invalid escapes on newer Pythons
            from PySpice.Spice.NgSpice import Shared
        Shared._module_logger.disabled = True
        Shared.NgSpiceShared._logger.disabled = True
        Shared.NgSpiceShared.LIBRARY_PATH = library
        binding = Shared.NgSpiceShared.new_instance(send_data=True)  # without, ngspice never reports points again
        self.version = binding.ngspice_version
        self._ffi: Any = Shared.ffi
        self._lib: Any = binding._ngspice_shared
        self._binding = binding
        self.output: list[str] = []
        self.init_vectors: list[str] = []
        self.on_init: Any = None
        ffi = self._ffi
        self._callbacks = (
            ffi.callback("int (char *, int, void *)", self._keep_line),
            ffi.callback("int (char *, int, void *)", lambda message, ident, user: 0),
            ffi.callback("int (int, bool, bool, int, void *)", self._exit),
            ffi.callback("int (pvecinfoall, int, void *)", self._vectors_known),
            ffi.callback("int (bool, int, void *)", lambda running, ident, user: 0),
        )
        self._ignore_data = ffi.callback("int (pvecvaluesall, int, int, void *)", lambda data, count, ident, user: 0)
        self.detach_noise()
        self.command("set num_threads=1")
        self.command("set nomoremode")
        self.command("set ngbehavior=")
        self.command("unset ngbehavior")

    def _attach(self, source: Any, data: Any, sync: Any, user: Any) -> None:
        char, stat, leave, init_data, background = self._callbacks
        self._lib.ngSpice_Init(char, stat, leave, data, init_data, background, user)
        self._lib.ngSpice_Init_Sync(source, self._ffi.NULL, sync, self._ffi.NULL, self._ffi.NULL)

    def attach_noise(self, cosimulation: Any) -> None:
        """Puts the native noise callbacks in place for the next runs."""
        cast = self._ffi.cast
        self._attach(
            cast("GetVSRCData *", cosimulation.source.address),
            cast("SendData *", cosimulation.accepted_data.address),
            cast("GetSyncData *", cosimulation.synchronise.address),
            cast("void *", cosimulation.address),
        )
        self.on_init = cosimulation.bind

    def detach_noise(self) -> None:
        """Takes the noise callbacks out again."""
        null = self._ffi.NULL
        self.on_init = None
        self._attach(null, self._ignore_data, null, null)

    def _keep_line(self, message: Any, ident: int, user: Any) -> int:
        self.output.append(self._ffi.string(message).decode("utf-8", "replace"))
        return 0

    def _exit(self, status: int, immediate: bool, quit_: bool, ident: int, user: Any) -> int:
        sys.stderr.write("\n".join([*self.output, f"ngspice left with status {status}"]) + "\n")
        sys.stderr.flush()
        os._exit(70)  # the library is unusable from here on; the parent starts another worker

    def _vectors_known(self, data: Any, ident: int, user: Any) -> int:
        names = [self._ffi.string(data.vecs[i].vecname).decode() for i in range(data.veccount)]
        self.init_vectors = names
        if self.on_init is not None:
            try:
                self.on_init(names)
            except KeyError as error:
                self.output.append(f"Error: node {error} is not among the saved vectors")
        return 0

    def command(self, text: str) -> int:
        """Runs one ngspice command."""
        return self._lib.ngSpice_Command(text.encode())

    def circuit(self, lines: list[str]) -> int:
        """Loads a netlist."""
        ffi = self._ffi
        keep = [ffi.new("char[]", line.encode()) for line in lines]
        return self._lib.ngSpice_Circ(ffi.new("char *[]", [*keep, ffi.NULL]))

    def plot(self) -> str:
        """Returns the name of the current plot."""
        return self._ffi.string(self._lib.ngSpice_CurPlot()).decode()

    def vector(self, name: str) -> NDArray[Any] | None:
        """Returns a copy of a vector of the current plot, or None where there is none."""
        info = self._lib.ngGet_Vec_Info(name.encode())
        if info == self._ffi.NULL or info.v_length == 0:
            return None
        if info.v_realdata != self._ffi.NULL:
            return np.frombuffer(self._ffi.buffer(info.v_realdata, info.v_length * 8), np.float64).copy()
        return np.frombuffer(self._ffi.buffer(info.v_compdata, info.v_length * 16), np.complex128).copy()


class Worker:
    """Answers requests; each public method is one request of the same name."""

    def __init__(self, ngspice: Ngspice) -> None:
        self._ng = ngspice
        self._loaded = False

    def probe(self) -> dict[str, Any]:
        """What the library can do, asked of the library itself."""
        ng = self._ng
        ng.output.clear()
        ng.command("version -f")
        version = list(ng.output)
        ng.output.clear()
        ng.command("osdi")  # unknown where ngspice was built without it
        osdi = not any("no such command" in line.lower() for line in ng.output)
        ng.output.clear()
        ng.circuit(["probe", "v1 a 0 1", "r1 a 0 1", ".options klu", ".op", ".end"])
        ng.command("run")
        klu = any("klu" in line.lower() and "direct linear" in line.lower() for line in [*ng.output, *version])
        ng.command("remcirc")
        ng.command("destroy all")
        xspice = any("xspice" in line.lower() for line in version)
        return {"version": ng.version, "xspice": xspice, "osdi": osdi, "klu": klu, "banner": version}

    def load(self, netlist: str) -> dict[str, Any]:
        """Loads a netlist in place of the one before."""
        ng = self._ng
        if self._loaded:
            ng.command("remcirc")
            ng.command("destroy all")
            self._loaded = False
        ng.output.clear()
        if ng.circuit(netlist.splitlines()):
            raise Failure("load", list(ng.output))
        self._loaded = True
        return {"output": self._lines()}

    def options(self, commands: list[str]) -> dict[str, Any]:
        """Runs `option ...`-like commands on the loaded circuit."""
        for command in commands:
            self._ng.command(command)
        return {"output": self._lines()}

    def run(
        self,
        analysis: str,
        vectors: list[str],
        alters: list[str],
        runs: int,
        arrays: dict[str, NDArray[Any]],
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Runs one analysis `runs` times, before each the alters; returns the vectors, stacked where runs > 1."""
        ng = self._ng
        ng.output.clear()
        values = arrays.get("values")
        collected: list[list[NDArray[Any]]] = [[] for _ in vectors]
        for k in range(runs):
            for j, name in enumerate(alters):
                assert values is not None
                ng.command(f"alter {name} = {values[k, j]:.17g}")
            ng.command(analysis)
            for column, name in zip(collected, vectors, strict=True):
                vector = ng.vector(name)
                if vector is None:
                    raise Failure(f"run {k + 1} of {runs} gave no {name}" if runs > 1 else f"no {name}", self._lines())
                column.append(vector)
            ng.command("destroy all")
            if k < runs - 1:
                ng.output.clear()
        lengths = {len(vector) for column in collected for vector in column}
        if runs > 1 and len(lengths) != 1:
            raise Failure("runs of unequal length", self._lines())
        result = {
            name: (column[0] if runs == 1 else np.stack(column))
            for name, column in zip(vectors, collected, strict=True)
        }
        return {"output": self._lines()}, result

    def simulate(
        self, analysis: str, vectors: list[str], plan: dict[str, Any], arrays: dict[str, NDArray[Any]]
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Runs one transient with trap noise; see `cosim`."""
        from ftj_spice.device.traps import Candidates
        from ftj_spice.engines.ngspice.cosim import CoSimulation, Resolution, TrapPlan

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
        self._ng.attach_noise(cosimulation)
        try:
            answer, result = self.run(analysis, ["time", *vectors], [], 1, {})
        finally:
            self._ng.detach_noise()
        cosimulation.finish(result["time"][-1])
        if cosimulation.unknown_source:
            raise Failure("external source without a trap", answer["output"])
        history = cosimulation.history()
        result["history_initial"] = history.initial
        result["history_times"] = history.times
        result["history_traps"] = history.traps
        result["history_states"] = history.states
        return dict(answer, out_of_range=cosimulation.out_of_range), result

    def _lines(self) -> list[str]:
        lines = list(self._ng.output)
        self._ng.output.clear()
        return lines


def serve() -> None:
    """Answers requests until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    worker: Worker | None = None
    while True:
        try:
            message, arrays = wire.receive(requests)
        except wire.Disconnected:
            return
        verb = message.pop("verb")
        try:
            if verb == "start":
                worker = Worker(Ngspice(message["library"]))
                answer = worker.probe()
                wire.send(answers, {"ok": True, **answer})
                continue
            assert worker is not None
            result = getattr(worker, verb)(**message, **({"arrays": arrays} if verb in ("run", "simulate") else {}))
            answer, vectors = result if isinstance(result, tuple) else (result, {})
            wire.send(answers, {"ok": True, **answer}, vectors)
        except Failure as failure:
            wire.send(answers, {"ok": False, "reason": failure.reason, "output": failure.output})


if __name__ == "__main__":
    serve()
    os._exit(0)  # libngspice's own exit handlers are not needed and may hang
