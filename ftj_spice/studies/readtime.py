"""About how long reads of tiles take, and what a machine can't hold: said before a run, not after it.

Read as factors, not as digits; cores are taken to be free.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ftj_spice.array.mapping import grid
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.engines.netlist_reader import LONGEST, READS_PER_NETLIST
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.arraytime import sweep_seconds

LONG = 60.0
"""Longer runs are announced, in s."""
FAST_CELL = 1.2e-9
"""Seconds per cell and read of the fast engine, with coding, noise and converters: 10,000 images of 5.4e6 of them each
took 66 s."""

Shape = tuple[int, int]


def duration(seconds: float) -> str:
    """Returns a time in words, such as `3 minutes`."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def tile_shapes(shape: Shape, settings: ReadSettings) -> list[Shape]:
    """Returns the cells of each tile of a layer, rows and columns.

    Args:
        shape: Inputs (a bias row included) and outputs.
        settings: Settings of the read phase.
    """
    each, more = settings.columns_per_output, settings.columns_per_tile
    return [
        (own.stop - own.start, (outputs.stop - outputs.start) * each + more) for own, outputs in grid(shape, settings)
    ]


class ReadTimes:
    """Times of reads in ngspice, by the tile's shape.

    Args:
        card: Device card.
        settings: Settings of the read phase.
        klu: Whether ngspice solves by KLU.
    """

    def __init__(self, card: Card, settings: ReadSettings, klu: bool = False) -> None:
        self._card, self._settings, self._klu = card, settings, klu
        self._known: dict[Shape, tuple[float, float]] = {}

    def of(self, shape: Shape) -> tuple[float, float]:
        """Returns the seconds of a netlist's first read, with loading, and of each one after it."""
        if shape not in self._known:
            circuit = array_circuit(np.full(shape, self._card.off_conductance), self._card, self._settings)
            self._known[shape] = sweep_seconds(circuit, self._klu)
        return self._known[shape]

    def reads(self, shape: Shape, count: int) -> float:
        """Returns the seconds of some reads of one tile."""
        first, each = self.of(shape)
        netlists = -(-count // READS_PER_NETLIST)
        return netlists * first + (count - netlists) * each


@dataclass(frozen=True)
class AuditTime:
    """What the audit of reads asks of ngspice.

    Attributes:
        seconds: About how long it takes, all workers at it.
        first: Seconds until the slowest of the tiles that may be audited gave its first read.
        shape: Rows and columns of that tile.
        reads: Number of reads.
    """

    seconds: float = 0.0
    first: float = 0.0
    shape: Shape = (0, 0)
    reads: int = 0

    def check(self, time_limit: float) -> None:
        """Refuses an audit that can't be had.

        Args:
            time_limit: Seconds that one request to ngspice may take.

        Raises:
            SettingsError: One read, or all of them, take too long; the sentence gives the estimate.
        """
        if self.first > time_limit or self.seconds > LONGEST:
            over = self.first > time_limit
            what = "one read" if over else f"{self.reads} reads"
            rows, columns = self.shape
            raise SettingsError(
                f"the audit would take ngspice about {duration(self.first if over else self.seconds)} for {what} of "
                f"tiles of up to {rows} x {columns} cells, more than the "
                f"{duration(time_limit if over else LONGEST)} allowed: "
                f"switch it off (--audit 0){'' if over else ', audit less'} or take smaller tiles (read.tile_rows, "
                "read.tile_columns)"
            )


def audit_time(
    shapes: Sequence[Sequence[Shape]],
    drawn: Sequence[Sequence[tuple[int, int]]],
    audited: int,
    times: ReadTimes,
    jobs: int = 1,
) -> AuditTime:
    """Returns about how long ngspice takes for the reads that were drawn.

    Args:
        shapes: Cells of each tile, layer by layer (`tile_shapes`).
        drawn: Pairs of tile and read that were drawn, by layer (`ftj_spice.array.audit.draw_reads`), to spare.
        audited: How many of them are read, the layers in turn.
        times: Times of reads.
        jobs: Workers side by side.
    """
    depth = max(map(len, drawn), default=0)
    turns = [(layer, pairs[k][0]) for k in range(depth) for layer, pairs in enumerate(drawn) if k < len(pairs)]
    if not turns or not audited:
        return AuditTime()
    counts: dict[tuple[int, int], int] = {}
    for place in turns[:audited]:
        counts[place] = counts.get(place, 0) + 1
    each = [times.reads(shapes[layer][tile], count) for (layer, tile), count in counts.items()]
    possible = {shapes[layer][tile] for layer, tile in turns}  # any of them may be read in a silent one's place
    slowest = max(possible, key=lambda shape: times.of(shape)[0])
    return AuditTime(max(sum(each) / jobs, *each), times.of(slowest)[0], slowest, sum(counts.values()))


def solves_by_klu() -> bool:
    """Returns whether ngspice solves by KLU; starts a worker to ask.

    Raises:
        EngineNotFoundError: There is no library.
    """
    with NgspiceEngine() as engine:
        return bool(engine.features()["klu"])


def check_memory(what: str, size: float) -> None:
    """Refuses what the machine's memory can't hold.

    Args:
        what: What needs it, for the sentence.
        size: How much, in bytes.

    Raises:
        SettingsError: It is more than there is.
    """
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    if size > memory:
        raise SettingsError(
            f"{what} would take about {size / 1e9:.3g} GB of memory; this machine has {memory / 1e9:.3g} GB"
        )
