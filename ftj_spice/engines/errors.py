"""What can go wrong in a simulation, as types.

Every error's text is one sentence; where a simulation was under way it names the netlist and log that were kept.
"""

from pathlib import Path

from ftj_spice.common.errors import FtjSpiceError


class EngineError(FtjSpiceError):
    """A simulation could not be carried out.

    Attributes:
        kept: Folder with `netlist.cir` and `engine.log` of the failed simulation, where one was under way.
    """

    def __init__(self, message: str, kept: Path | None = None) -> None:
        super().__init__(message if kept is None else f"{message}; netlist and log are kept in {kept}")
        self.kept = kept


class EngineNotFoundError(EngineError):
    """The simulator is not installed or can't be loaded."""


class NetlistError(EngineError):
    """The netlist can't be parsed."""


class UnknownModelError(NetlistError):
    """An element refers to a model or subcircuit that is not defined."""


class ConvergenceError(EngineError):
    """No solution was found, on any rung of the ladder."""


class SingularMatrixError(ConvergenceError):
    """The circuit has no unique solution: a floating node or a loop of voltage sources."""


class TimestepError(ConvergenceError):
    """The transient's step became too small."""


class IterationLimitError(ConvergenceError):
    """Newton's iteration did not settle."""


class BiasRangeError(EngineError):
    """A cell's voltage left the range its trap events were drawn for."""


class WorkerCrashError(EngineError):
    """A worker process died, twice on the same task."""


class WorkerTimeoutError(EngineError):
    """A worker process exceeded its time limit, twice on the same task."""
