"""Batches of reads cut into netlists, and put together again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.arrays import ReadResult
from ftj_spice.netlist.circuit import ArrayCircuit, Drive


@dataclass(frozen=True)
class Chunk:
    """The reads of one netlist.

    Attributes:
        task: Number of the array they belong to.
        circuit: The array.
        drive: The reads.
    """

    task: int
    circuit: ArrayCircuit
    drive: Drive


def split(tasks: Sequence[tuple[ArrayCircuit, Drive]], size: int) -> list[Chunk]:
    """Returns the batches of all arrays in parts of at most `size` reads, in order."""
    return [
        Chunk(task, circuit, drive.take(slice(k, k + size)))
        for task, (circuit, drive) in enumerate(tasks)
        for k in range(0, len(drive), size)
    ]


def assemble(chunks: Sequence[Chunk], parts: Sequence[ReadResult]) -> list[ReadResult]:
    """Returns one result for each array from those of its chunks."""
    found: dict[int, list[ReadResult]] = {}
    for chunk, part in zip(chunks, parts, strict=True):
        found.setdefault(chunk.task, []).append(part)
    return [ReadResult.joined(found[task]) for task in sorted(found)]


def held_columns(circuit: ArrayCircuit, drive: Drive) -> NDArray[np.bool_]:
    """Returns which columns have a current: those that do not float, shape `(columns,)`."""
    if drive.floating_columns is None:
        return np.ones(circuit.shape[1], bool)
    return ~np.asarray(drive.floating_columns, bool)
