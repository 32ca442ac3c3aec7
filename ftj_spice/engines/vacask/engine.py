"""Runs netlists in VACASK, each in a process and a temporary folder of its own."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ftj_spice.common.errors import DataError
from ftj_spice.common.rawfile import read_raw
from ftj_spice.engines.errors import EngineError, EngineNotFoundError, WorkerCrashError, WorkerTimeoutError
from ftj_spice.engines.protocol import Result
from ftj_spice.engines.vacask.compiler import compile_model
from ftj_spice.engines.vacask.locate import find_simulator
from ftj_spice.engines.vacask.messages import clean, failed, run_error

DEFAULT_TIME_LIMIT = 600.0
"""Seconds a run may take."""

MODEL_FILE = "ftj.osdi"
"""Under this name a netlist finds the compiled model: `load "ftj.osdi"`."""

_NETLIST = "netlist.sim"
_SETTINGS = "settings.toml"  # an empty one, so that no file of the user's changes a result
_LOG = "engine.log"


class VacaskEngine:
    """VACASK with the Verilog-A model of the cell.

    Args:
        time_limit: Seconds a run may take.
        model: The compiled model; by default the packaged one, compiled where the cache does not hold it. Or several
            compiled models, by the file names under which netlists load them.

    Raises:
        EngineNotFoundError: VACASK or openvaf-r is not installed.
        ModelCompileError: The model can't be compiled.
    """

    def __init__(self, time_limit: float = DEFAULT_TIME_LIMIT, model: Path | Mapping[str, Path] | None = None) -> None:
        self._simulator = find_simulator()
        self._time_limit = time_limit
        self._models = model if isinstance(model, Mapping) else {MODEL_FILE: model or compile_model()}
        self._running: set[subprocess.Popen[bytes]] = set()

    @property
    def engine(self) -> str:
        """Simulator and version, e.g. `vacask-0.3.4`."""
        return f"vacask-{self._simulator.version}"

    def run(self, netlist: str, vectors: Sequence[str] | None = None, analysis: str | None = None) -> Result:
        """Runs a netlist and returns the waveforms of one of its analyses.

        Post-processing steps and embedded files of the netlist are not carried out.

        Args:
            netlist: The text, in VACASK's dialect; it finds the model by `load "ftj.osdi"`.
            vectors: Names to return, as VACASK writes them: a node's own, `vsource:flow(br)` for a source's current,
                `instance.variable`; all by default.
            analysis: Name of the analysis; may be left out where the netlist has a single one.

        Raises:
            NetlistError: VACASK refuses the netlist.
            ConvergenceError: An analysis found no solution.
            WorkerTimeoutError: The time limit was exceeded.
            EngineError: Any other failure, or an analysis or vector that the netlist does not give.
        """
        with tempfile.TemporaryDirectory(prefix="ftj-spice-vacask-") as name:
            folder = Path(name)
            (folder / _NETLIST).write_text(netlist, encoding="utf-8")
            (folder / _SETTINGS).touch()
            self._copy_models(folder)
            lines = self._execute(folder, netlist)
            files = {path.stem: path for path in sorted(folder.glob("*.raw"))}
            if analysis is None and len(files) == 1:
                analysis = next(iter(files))
            if analysis is None or analysis not in files:
                wanted = "one analysis" if analysis is None else f"an analysis '{analysis}'"
                raise EngineError(
                    f"the netlist does not give {wanted} but {', '.join(files) or 'none'}", self._keep(netlist, lines)
                )
            try:
                found = read_raw(files[analysis]).vectors
            except DataError as error:
                raise EngineError(f"VACASK's result is damaged: {error}", self._keep(netlist, lines)) from error
        missing = [name for name in vectors or () if name not in found]
        if missing:
            raise EngineError(
                f"the netlist saves no vector '{missing[0]}'; it saves {', '.join(found)}", self._keep(netlist, lines)
            )
        chosen = found if vectors is None else {name: found[name] for name in vectors}
        return Result(chosen, self.engine, hashlib.sha256(netlist.encode()).hexdigest(), messages=lines)

    def end_runs(self) -> None:
        """Ends all runs under way in other threads; they raise `WorkerCrashError`."""
        for process in list(self._running):
            _kill(process)

    def _execute(self, folder: Path, netlist: str) -> list[str]:
        """Runs VACASK; returns what it printed."""
        try:
            process = subprocess.Popen(
                [self._simulator.path, "-qp", "-sp", "-se", "-n", "1", "-b", "1", "--tomlfile", _SETTINGS, _NETLIST],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the parent only; it then ends the simulator itself
            )
        except OSError as error:
            path = self._simulator.path
            raise EngineNotFoundError(f"{path} can't be run: {(error.strerror or str(error)).lower()}") from error
        self._running.add(process)
        late = False
        try:
            output, _ = process.communicate(timeout=self._time_limit)
        except subprocess.TimeoutExpired:
            late = True
            _kill(process)
            output, _ = process.communicate()
        except BaseException:
            _kill(process)
            process.communicate()
            raise
        finally:
            self._running.discard(process)
        lines = clean(output.decode("utf-8", "replace").replace(str(folder.resolve()) + os.sep, ""))
        if late:
            raise WorkerTimeoutError(f"VACASK took longer than {self._time_limit:g} s", self._keep(netlist, lines))
        if process.returncode < 0:
            number = -process.returncode
            raise WorkerCrashError(f"VACASK was ended by signal {number}", self._keep(netlist, lines))
        if process.returncode or failed(lines):
            raise run_error(lines, netlist, self._keep(netlist, lines))
        return lines

    def _keep(self, netlist: str, lines: Sequence[str]) -> Path:
        """Writes netlist, model and log where the user finds them and can run them again."""
        folder = Path(tempfile.mkdtemp(prefix="ftj-spice-failed-"))
        (folder / _NETLIST).write_text(netlist, encoding="utf-8")
        (folder / _LOG).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._copy_models(folder)
        return folder

    def _copy_models(self, folder: Path) -> None:
        for name, path in self._models.items():
            shutil.copyfile(path, folder / name)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
