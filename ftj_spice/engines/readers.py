"""Array readers by name."""

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.arrays import ArrayReader

READERS = ("fast", "ngspice", "vacask")
"""Names of the engines that read arrays."""


def open_reader(name: str, jobs: int = 1, time_limit: float = 600.0) -> ArrayReader:
    """Returns an engine's reader, a context manager.

    Args:
        name: One of `READERS`.
        jobs: Threads (fast) or processes (ngspice, VACASK) side by side; results don't depend on it.
        time_limit: Seconds one request to ngspice or VACASK may take.

    Raises:
        SettingsError: Unknown engine.
        EngineNotFoundError: It is not installed.
    """
    if name == "fast":
        from ftj_spice.engines.fast import FastReader

        return FastReader(jobs=jobs)
    if name == "ngspice":
        from ftj_spice.engines.ngspice.arrays import NgspiceReader

        return NgspiceReader(jobs=jobs, time_limit=time_limit)
    if name == "vacask":
        from ftj_spice.engines.vacask.arrays import VacaskReader

        return VacaskReader(jobs=jobs, time_limit=time_limit)
    raise SettingsError(f"unknown engine {name!r}; known: {', '.join(READERS)}")
