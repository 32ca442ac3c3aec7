"""What reads will cost, told before they start."""

import os
from pathlib import Path

from ftj_spice.common.cores import cores
from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.fast.lanes import LANES
from ftj_spice.engines.fast.mixing import DEPTH
from ftj_spice.netlist.circuit import ArrayCircuit

LARGE = 1 << 16
"""Cells from which on reads are relaxed one at a time: eight side by side would not fit into the caches."""
FEW_LARGE = 1 << 14
"""The same where there are too few reads to fill the lanes."""
HUGE = 1 << 22
"""Cells from which on all threads work on one read even where there are several: one set of arrays, not many."""
_ARRAYS = 4 + 3 + 2 * DEPTH  # per cell and lane: voltages, linearisation, and mixing's memory
_SWEEP = 6e-9  # s per cell and sweep on one thread
_TRANSISTOR = 20.0  # times as much with a transistor
_SWEEPS = 6.0  # the last evaluation and what goes before the first one included
_LONGEST = 7 * 24 * 3600.0  # s


def threads(jobs: int) -> int:
    """Returns the number of threads for `jobs`; 0 stands for all processors this process may use."""
    return jobs if jobs > 0 else cores()


def available_memory() -> float:
    """Returns the memory in bytes that can be had without swapping; infinite where it can't be told."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):  # free pages and what the page cache can give back
                return 1024.0 * float(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return float("inf")


def estimate(circuit: ArrayCircuit, reads: int, jobs: int = 0) -> tuple[float, float]:
    """Returns roughly what reads cost by relaxation: seconds and bytes (inputs and results included)."""
    rows, columns = circuit.shape
    cells, many = rows * columns, threads(jobs)
    slow = _TRANSISTOR if circuit.wiring.transistor else 1.0
    seconds = reads * cells * _SWEEP * _SWEEPS * slow / many
    lanes = min(many, -(-reads // LANES)) * LANES
    if cells > LARGE:
        lanes = min(many, reads) if cells <= HUGE else 1
    kinds = _ARRAYS + (4 if circuit.wiring.transistor else 0)
    return seconds, 8.0 * (cells * (lanes * kinds + 3) + 4.0 * reads * (rows + columns))


def direct_estimate(circuit: ArrayCircuit, reads: int) -> tuple[float, float]:
    """Returns the same for sparse direct solves: seconds after SuperLU's from 64 x 64 to 256 x 256, bytes a guess."""
    rows, columns = circuit.shape
    unknowns = 2.0 * rows * columns
    return reads * 8 * 0.036 * (unknowns / 8192.0) ** 1.6, 2e7 * (unknowns / 8192.0) ** 1.35


def check_reach(circuit: ArrayCircuit, reads: int, jobs: int) -> None:
    """Refuses what would not fit into memory or take more than a week.

    Raises:
        SettingsError: The sentence gives the estimate.
    """
    seconds, needed = estimate(circuit, reads, jobs)
    rows, columns = circuit.shape
    free = available_memory()
    if needed > free:
        raise SettingsError(
            f"{reads} reads of a {rows} x {columns} array need about {needed / 1e9:.3g} GB of memory, and "
            f"{free / 1e9:.3g} GB are free; read fewer at a time or a smaller array"
        )
    if seconds > _LONGEST:
        raise SettingsError(
            f"{reads} reads of a {rows} x {columns} array would take about {seconds / 86400.0:.3g} days; "
            "read fewer or a smaller array"
        )
