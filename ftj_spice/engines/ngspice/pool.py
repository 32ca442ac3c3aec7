"""Several ngspice workers side by side: one `map` over independent jobs, results in order."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, Self, TypeVar

from ftj_spice.engines.ngspice.session import DEFAULT_TIME_LIMIT, NgspiceSession, Slot

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Open = Callable[[str], NgspiceSession]


class NgspiceEngine:
    """The reference engine: libngspice in worker processes of our own.

    Args:
        jobs: Workers side by side.
        time_limit: Seconds one request may take.

    Attributes:
        stopping: Whether a `map` is being given up: its workers are ended, and what its jobs find now means nothing.
    """

    name = "ngspice"

    def __init__(self, jobs: int = 1, time_limit: float = DEFAULT_TIME_LIMIT) -> None:
        self.jobs = jobs
        self._time_limit = time_limit
        self._slots = [Slot() for _ in range(jobs)]
        self.stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers."""
        for slot in self._slots:
            slot.drop()

    def open(self, netlist: str, models: Sequence[Path] = ()) -> NgspiceSession:
        """Loads a netlist in the first worker.

        Args:
            netlist: The netlist's text.
            models: Compiled Verilog-A models (.osdi files) that it needs.

        Raises:
            EngineError: See `NgspiceSession`.
        """
        return NgspiceSession(self._slots[0], netlist, self._time_limit, models)

    def features(self) -> dict[str, Any]:
        """Returns what the library can do: `version`, `xspice`, `osdi`, `klu`, `banner`.

        Raises:
            EngineNotFoundError: There is no library.
        """
        return dict(self._slots[0].worker.features)

    def map(
        self,
        job: Callable[[Open, Task], Answer],
        tasks: Iterable[Task],
        progress: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """Runs a job on every task, each with a worker of its own at hand; the first error ends the rest.

        Args:
            job: Called with a function that opens a session, and the task. It must not depend on what ran before it
                in the same worker, so that results don't depend on the number of workers.
            tasks: The tasks.
            progress: Called with the number of finished tasks.

        Returns:
            The answers in the order of the tasks.
        """
        free: SimpleQueue[Slot] = SimpleQueue()
        for slot in self._slots:
            free.put(slot)
        done = 0
        lock = Lock()

        def run(task: Task) -> Answer:
            nonlocal done
            slot = free.get()
            try:
                answer = job(lambda netlist: NgspiceSession(slot, netlist, self._time_limit), task)
            finally:
                free.put(slot)
            with lock:
                done += 1
                if progress is not None:
                    progress(done)
            return answer

        pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="ngspice")
        try:
            futures = [pool.submit(run, task) for task in tasks]
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done() and (error := future.exception()) is not None:
                    raise error
            return [future.result() for future in futures]
        except BaseException:
            self.stopping = True
            pool.shutdown(wait=False, cancel_futures=True)
            for slot in self._slots:
                slot.stop()  # ends what still runs, at once
            pool.shutdown(wait=True)
            self.close()
            raise
        finally:
            pool.shutdown(wait=True)
            self.stopping = False
            for slot in self._slots:
                slot.restart()
