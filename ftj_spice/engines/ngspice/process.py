"""The parent's end of one worker process: start, ask, time limit, kill."""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice import wire
from ftj_spice.engines.ngspice.locate import find_library

LAUNCHER_VARIABLE = "FTJ_SPICE_LAUNCHER"
"""A command put before each worker's own, for example `taskset -c 1` or `srun -n 1`."""

_START_SECONDS = 120.0


class WorkerLostError(Exception):
    """The worker died or was killed for exceeding its time; internal: the session decides what to do.

    Attributes:
        timed_out: Whether the time limit was the cause.
        log: The end of what the worker printed.
    """

    def __init__(self, timed_out: bool, log: str) -> None:
        super().__init__("time limit" if timed_out else "worker died")
        self.timed_out = timed_out
        self.log = log


class RequestFailedError(Exception):
    """ngspice could not fulfil the request; the worker is still good. Internal.

    Attributes:
        kind: Which failure, see `worker.Failure`.
        reason: What was missing.
        output: The lines ngspice printed.
    """

    def __init__(self, kind: str, reason: str, output: list[str]) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.output = output


class _Pipe:
    """One end of a pipe that blocks, but gives up at a deadline."""

    def __init__(self, stream: IO[bytes], event: int) -> None:
        self._fd = stream.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._fd, event)
        self._buffer = bytearray()
        self.deadline = float("inf")

    def _wait(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0 or not self._selector.select(None if left == float("inf") else left):
            raise TimeoutError

    def close(self) -> None:
        self._selector.close()


class _TimedWriter(_Pipe):
    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, selectors.EVENT_WRITE)
        os.set_blocking(self._fd, False)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait()
            view = view[os.write(self._fd, view[: 1 << 20]) :]

    def flush(self) -> None:
        """Nothing is held back."""


class _TimedReader(_Pipe):
    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, selectors.EVENT_READ)

    def _fill(self) -> None:
        self._wait()
        data = os.read(self._fd, 1 << 20)
        if not data:
            raise wire.Disconnected
        self._buffer += data

    def readline(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill()
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


def _environment() -> dict[str, str]:
    """The worker's environment: one thread each, and this very package where it is not installed."""
    variables = dict(os.environ, OMP_THREAD_LIMIT="1", OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    home = Path(__file__).resolve().parents[3]
    if home.name not in ("site-packages", "dist-packages"):
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), str(home)]))
    return variables


class WorkerProcess:
    """One worker, from start to end.

    Raises:
        EngineNotFoundError: The library is missing or can't be loaded.
    """

    def __init__(self) -> None:
        library = find_library()
        launcher = os.environ.get(LAUNCHER_VARIABLE, "")
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - lives as long as the worker
        try:
            self._process = subprocess.Popen(
                [*shlex.split(launcher), sys.executable, "-P", "-m", "ftj_spice.engines.ngspice.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C reaches the parent only; it then ends the workers itself
            )
        except (OSError, ValueError) as error:
            self._log.close()
            detail = error.strerror if isinstance(error, OSError) else error
            raise EngineNotFoundError(f"can't start a worker by {LAUNCHER_VARIABLE}='{launcher}': {detail}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._writer = _TimedWriter(self._process.stdin)
        self._reader = _TimedReader(self._process.stdout)
        try:
            self.features, _ = self.ask("start", _START_SECONDS, {"library": library})
        except RequestFailedError as refused:
            self.close()
            raise EngineNotFoundError(f"{library} can't be loaded: {refused.reason}") from None
        except WorkerLostError as lost:
            last = (lost.log.strip().splitlines() or ["no message"])[-1]
            if lost.timed_out:
                last = f"no answer within {_START_SECONDS:g} s"
            by = f" by {LAUNCHER_VARIABLE}='{launcher}'" if launcher else ""
            raise EngineNotFoundError(f"a worker started{by} for {library} did not come up: {last}") from None

    def ask(
        self, verb: str, seconds: float, message: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Sends one request and waits for its answer.

        Raises:
            WorkerLostError: The worker died or took longer than `seconds`; it is closed.
            RequestFailedError: ngspice refused.
        """
        self._writer.deadline = self._reader.deadline = time.monotonic() + seconds
        try:
            wire.send(self._writer, dict(message, verb=verb), arrays)
            answer, result = wire.receive(self._reader)
        except (wire.Disconnected, OSError) as error:
            self.kill()
            log = self.log()
            self.close()
            raise WorkerLostError(isinstance(error, TimeoutError), log) from None
        except BaseException:
            self.close()  # interrupted in the middle of an answer: this worker is of no use any more
            raise
        if not answer.pop("ok"):
            raise RequestFailedError(answer["kind"], answer["reason"], answer["output"])
        return answer, result

    def log(self) -> str:
        """Returns the end of what the worker printed."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 20_000))
        return self._log.read().decode("utf-8", "replace")

    @property
    def pid(self) -> int:
        """Process id of the worker (of its launcher, where there is one)."""
        return self._process.pid

    @property
    def closed(self) -> bool:
        """Whether the worker was ended."""
        return self._log.closed

    def kill(self) -> None:
        """Ends the worker and its launcher, which share a session of their own; any thread may call this."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Ends the worker and lets go of its pipes."""
        if self._log.closed:
            return
        self.kill()
        self._reader.close()
        self._writer.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # unsent bytes to a dead worker
                    stream.close()
        self._log.close()
