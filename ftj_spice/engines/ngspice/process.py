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
from typing import IO, Any

from numpy.typing import NDArray

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice import wire
from ftj_spice.engines.ngspice.library import find_library

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
        reason: What was missing.
        output: The lines ngspice printed.
    """

    def __init__(self, reason: str, output: list[str]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.output = output


class _TimedReader:
    """A blocking reader on a pipe that gives up at a deadline."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._fd = stream.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._fd, selectors.EVENT_READ)
        self._buffer = bytearray()
        self.deadline = float("inf")

    def _fill(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0 or not self._selector.select(None if left == float("inf") else left):
            raise TimeoutError
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

    def close(self) -> None:
        self._selector.close()


class WorkerProcess:
    """One worker, from start to end.

    Raises:
        EngineNotFoundError: The library is missing or can't be loaded.
    """

    def __init__(self) -> None:
        library = find_library()
        launcher = shlex.split(os.environ.get(LAUNCHER_VARIABLE, ""))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        try:
            self._process = subprocess.Popen(
                [*launcher, sys.executable, "-m", "ftj_spice.engines.ngspice.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=dict(os.environ, OMP_THREAD_LIMIT="1", OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1"),
                start_new_session=True,  # Ctrl-C reaches the parent only; it then ends the workers itself
            )
        except OSError as error:
            self._log.close()
            raise FtjSpiceError(f"can't start a worker by {LAUNCHER_VARIABLE}={launcher}: {error.strerror}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._reader = _TimedReader(self._process.stdout)
        try:
            self.features, _ = self.ask("start", _START_SECONDS, {"library": library})
        except WorkerLostError as lost:
            last = lost.log.strip().splitlines()[-1:] or ["no message"]
            raise EngineNotFoundError(f"{library} can't be loaded: {last[0]}") from None

    def ask(
        self, verb: str, seconds: float, message: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Sends one request and waits for its answer.

        Raises:
            WorkerLostError: The worker died or took longer than `seconds`; it is closed.
            RequestFailedError: ngspice refused.
        """
        self._reader.deadline = time.monotonic() + seconds
        try:
            wire.send(self._stdin, dict(message, verb=verb), arrays)
            answer, result = wire.receive(self._reader)  # type: ignore[arg-type] - has the two methods that are used
        except (wire.Disconnected, TimeoutError, BrokenPipeError, OSError) as error:
            self._kill()
            log = self.log()
            self.close()
            raise WorkerLostError(isinstance(error, TimeoutError), log) from None
        except BaseException:
            self.close()
            raise
        if not answer.pop("ok"):
            raise RequestFailedError(answer["reason"], answer["output"])
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

    def _kill(self) -> None:
        """Ends the worker and its launcher, which share a session of their own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Ends the worker."""
        if self._log.closed:
            return
        self._kill()
        self._reader.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # unsent bytes to a dead worker
                    stream.close()
        self._log.close()
