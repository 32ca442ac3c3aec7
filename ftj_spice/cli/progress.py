"""Progress bars with time left, one per phase."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.studies.observer import Observer, silent


@contextmanager
def progress_bars(names: dict[str, str], quiet: bool) -> Iterator[Observer]:
    """Yields an observer that draws bars on standard error.

    Args:
        names: What each phase is called on its bar; a phase that is not here goes by its own name.
        quiet: Draws nothing.
    """
    if quiet:
        yield silent
        return
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    bars = Progress(*columns, console=Console(file=sys.stderr))
    tasks: dict[str, TaskID] = {}
    lock = threading.Lock()

    def observe(phase: str, done: int, total: int | None) -> None:
        with lock:
            if not tasks:
                bars.start()
            if phase not in tasks:
                tasks[phase] = bars.add_task(names.get(phase, phase), total=total)
            bars.update(tasks[phase], completed=done, total=total)

    try:
        yield observe
    except FtjSpiceError:
        for task in bars.tasks:  # what will not be finished is not left standing above the error's sentence
            bars.update(task.id, visible=task.finished)
        raise
    finally:
        if tasks:
            bars.stop()
