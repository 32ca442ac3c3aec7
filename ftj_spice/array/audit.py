"""The audit of reads: random reads of an engine again in ngspice, with the same conductances and inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ftj_spice.array.layer import KeptRead
from ftj_spice.common.errors import DataError
from ftj_spice.common.seeds import generator
from ftj_spice.engines.arrays import ArrayReader, Progress, ReadResult, read_all
from ftj_spice.engines.audit import Audit
from ftj_spice.netlist.benches import read_bench
from ftj_spice.netlist.circuit import ArrayCircuit, Drive

LIMIT = 1e-6
"""Largest deviation of a column current allowed, in parts of the largest one of its tile's reads: far above what the
bench's `reltol` (`netlist.benches.READ_TOLERANCE`) leaves, far below what a read-out resolves."""
SPARE = 4
"""Times as many reads as asked for are kept: those without a driven row say nothing, and are passed over."""

Kept = Mapping[str, Sequence[KeptRead]]
"""Reads by the name of their layer."""


def draw_reads(plans: Sequence[Sequence[int]], audited: int, seed: int) -> list[list[tuple[int, int]]]:
    """Draws reads of the layers in turn, evenly over each layer's tiles and reads; some to spare.

    Args:
        plans: Number of reads of each tile, layer by layer (`ftj_spice.array.layer.read_plan`).
        audited: How many reads there are to be; `SPARE` times as many are drawn.
        seed: The run's seed.

    Returns:
        For each layer, pairs of tile and read in the order drawn, without repeats.
    """
    rng = generator(seed, "read-audit")
    chosen: list[list[tuple[int, int]]] = [[] for _ in plans]
    seen: set[tuple[int, int, int]] = set()
    turns = rng.permutation(len(plans))
    for k in range(SPARE * audited):
        layer = int(turns[k % len(plans)])
        tile = int(rng.integers(len(plans[layer])))
        pair = (tile, int(rng.integers(plans[layer][tile])))
        if (layer, *pair) not in seen:
            seen.add((layer, *pair))
            chosen[layer].append(pair)
    return chosen


def pick_reads(kept: Kept, drawn: Mapping[str, Sequence[tuple[int, int]]], audited: int) -> dict[str, list[KeptRead]]:
    """Returns at most `audited` of the reads kept, the layers in turn, in the order drawn; silent ones last.

    Args:
        kept: All reads kept.
        drawn: In which order they were drawn, by layer.
        audited: How many.
    """
    queues = []
    for name, reads in kept.items():
        place = {pair: k for k, pair in enumerate(drawn[name])}
        order = sorted(reads, key=lambda read: (not np.any(_input(read)), place[(read.tile, read.read)]))
        queues.append([(name, read) for read in order])
    turns = [entry for k in range(max(map(len, queues), default=0)) for queue in queues for entry in queue[k : k + 1]]
    turns.sort(key=lambda entry: not np.any(_input(entry[1])))  # stable
    picked: dict[str, list[KeptRead]] = {}
    for name, read in turns[:audited]:
        picked.setdefault(name, []).append(read)
    return {name: sorted(picked[name], key=lambda r: (r.tile, r.read)) for name in kept if name in picked}


def _input(read: KeptRead) -> np.ndarray:
    """What carries a read's input: the gates that are on, or the lines' voltages."""
    if read.circuit.wiring.gate_input and read.drive.gates is not None:
        return read.drive.gates != read.circuit.transistor.off_voltage
    return read.drive.lines


def by_tile(kept: Kept | Sequence[KeptRead]) -> dict[str, list[KeptRead]]:
    """Returns reads by the name of their tile, in order: `read_tile003`, or `read_layer1_tile003` by layer."""
    layers = kept if isinstance(kept, Mapping) else {"": kept}
    tiles: dict[str, list[KeptRead]] = {}
    for layer, reads in layers.items():
        for read in sorted(reads, key=lambda r: (r.tile, r.read)):
            tiles.setdefault(f"read_{layer}{'_' if layer else ''}tile{read.tile:03d}", []).append(read)
    return tiles


def joint_drive(reads: Sequence[KeptRead]) -> Drive:
    """Returns the drive of some reads of one tile, as one batch."""
    first = reads[0].drive
    gates = None if first.gates is None else np.concatenate([np.asarray(read.drive.gates) for read in reads])
    return replace(first, lines=np.concatenate([read.drive.lines for read in reads]), gates=gates)


def read_netlists(kept: Kept | Sequence[KeptRead]) -> dict[str, str]:
    """Returns netlists by file name, one per tile, that carry out the reads kept with plain `ngspice -b`."""
    return {f"{name}.cir": read_bench(reads[0].circuit, joint_drive(reads)) for name, reads in by_tile(kept).items()}


def audit_reads(
    kept: Kept | Sequence[KeptRead],
    reader: ArrayReader,
    limit: float = LIMIT,
    progress: Progress | None = None,
) -> Audit:
    """Reads again what another engine read, and compares the column currents.

    A deviation is a difference of column currents over the largest one of its tile's reads.

    Args:
        kept: Reads, or reads by layer.
        reader: ngspice.
        limit: Largest deviation allowed.
        progress: Called with finished and all tiles.

    Raises:
        DataError: There is nothing to compare.
        EngineError: A simulation failed.
    """
    tiles = by_tile(kept)
    if not tiles:
        raise DataError("an audit needs at least one read")
    tasks: list[tuple[ArrayCircuit, Drive]] = [(reads[0].circuit, joint_drive(reads)) for reads in tiles.values()]
    answers: list[ReadResult] = read_all(reader, tasks, progress)
    ours = [np.stack([read.currents for read in reads]) for reads in tiles.values()]
    largest = [float(np.max(np.abs(answer.currents))) for answer in answers]
    top = max(largest) or 1.0
    deviations = np.concatenate(
        [
            (np.abs(own - answer.currents) / (scale or top)).ravel()
            for own, answer, scale in zip(ours, answers, largest, strict=True)
        ]
    )
    return Audit(
        reads=sum(len(reads) for reads in tiles.values()),
        largest=float(np.max(deviations)),
        rms=float(np.sqrt(np.mean(deviations**2))),
        limit=limit,
        engine=answers[0].engine,
        netlists=read_netlists(kept),
    )
