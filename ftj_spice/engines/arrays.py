"""What reads an array: one face for ngspice, the fast engine and VACASK."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ftj_spice.netlist.circuit import ArrayCircuit, Drive

Progress = Callable[[int, int], None]
"""Called with finished and all parts."""


@dataclass(frozen=True)
class ReadResult:
    """What a batch of reads gives.

    Attributes:
        currents: Currents of the sensed lines in A, positive out of the array, shape `(batch, columns)`.
        engine: Engine and version, e.g. `ngspice-39` or `fast-1`.
        netlist_hashes: SHA-256 of the netlists that were run; none for engines without netlists.
        status: `ok`, or what was needed to get there (rungs of the convergence ladder, a direct solve).
        methods: How many reads each method solved, e.g. `{"relaxation": 998, "direct": 2}`.
    """

    currents: NDArray[np.float64]
    engine: str
    netlist_hashes: tuple[str, ...] = ()
    status: str = "ok"
    methods: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: "Iterable[ReadResult]") -> "ReadResult":
        """Returns several batches as one."""
        reads = list(parts)
        methods: dict[str, int] = {}
        for read in reads:
            for name, count in read.methods.items():
                methods[name] = methods.get(name, 0) + count
        rungs = sorted({read.status for read in reads} - {"ok"})
        return cls(
            np.concatenate([read.currents for read in reads]),
            reads[0].engine,
            tuple(h for read in reads for h in read.netlist_hashes),
            ", ".join(rungs) or "ok",
            methods,
        )


class ArrayReader(Protocol):
    """An engine's way to read arrays; a context manager that lets go of what it holds."""

    name: str

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def read(self, circuit: ArrayCircuit, drive: Drive, progress: Progress | None = None) -> ReadResult:
        """Reads the steady state of an array once per entry of the drive's batch.

        Raises:
            EngineError: The simulation failed.
            SettingsError: The array is out of this engine's reach; the sentence gives the estimate.
        """
        ...


def read_all(
    reader: ArrayReader, tasks: Sequence[tuple[ArrayCircuit, Drive]], progress: Progress | None = None
) -> list[ReadResult]:
    """Reads several arrays: side by side where the reader can (`read_many`), else one after another.

    Args:
        reader: What reads them.
        tasks: Arrays and their drives.
        progress: Called with finished and all arrays.

    Raises:
        EngineError: A simulation failed.
        SettingsError: An array is out of this engine's reach.
    """
    many = getattr(reader, "read_many", None)
    if many is not None:
        return many(tasks, progress)
    answers = []
    for circuit, drive in tasks:
        answers.append(reader.read(circuit, drive))
        if progress is not None:
            progress(len(answers), len(tasks))
    return answers
