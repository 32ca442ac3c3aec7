"""Turns what VACASK printed about a failed run into a typed error with one sentence.

VACASK's exit status tells only of a refused netlist; a failed analysis shows by what is printed and by the missing
result.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ftj_spice.engines.errors import (
    ConvergenceError,
    EngineError,
    NetlistError,
    SingularMatrixError,
    TimestepError,
    UnknownModelError,
)

_BANNER = re.compile(
    r"^(?:This is vacask|\(c\)\d|https?://|OpenMP parallel|Cadnip foreign|Available CPUs:|CPUs used:|OpenBLAS CPUs:)"
)
_PLACE = re.compile(r"^(\d+):\d+ \(0x[0-9a-f]+\) in ")
_ABORTED = re.compile(r"Analysis '[^']*' aborted|analysis aborted", re.I)
_FAILED = re.compile(rf"{_ABORTED.pattern}|^Failed to bind|^Initial circuit setup failed", re.I)
_KINDS: tuple[tuple[re.Pattern[str], type[EngineError], str], ...] = (
    (re.compile(r"Master '([^']+)' not found"), UnknownModelError, "no such model: '{0}'"),
    (re.compile(r"(zero pivot @ (?:node '[^']+'|column \d+)|Matrix is close to singular|Singular Jacobian)"),
     SingularMatrixError, "singular matrix: {0}"),
    (re.compile(r"(Timestep too small)"), TimestepError, "time step too small"),
    (re.compile(r"(NR solver failed|Homotopy failed|OP analysis failed|failed to converge|NaN found|Inf found)", re.I),
     ConvergenceError, "no convergence"),
)  # fmt: skip


def clean(output: str) -> list[str]:
    """Returns what VACASK printed, without its greeting and empty lines."""
    lines = (line.strip() for line in output.splitlines())
    return [line for line in lines if line and not _BANNER.match(line)]


def failed(lines: Sequence[str]) -> bool:
    """Whether VACASK says that an analysis was given up."""
    return any(_FAILED.search(line) for line in lines)


def run_error(lines: Sequence[str], netlist: str, kept: Path) -> EngineError:
    """Says why a run gave no result, with the netlist's line where VACASK tells it."""
    for pattern, kind, sentence in _KINDS:
        match = next((m for line in lines if (m := pattern.search(line))), None)
        if match:
            return kind(sentence.format(match.group(1).rstrip(".")) + _where(lines, netlist), kept)
    told = f"{_where(lines, netlist)}: {lines[0].rstrip('.') if lines else 'VACASK does not say why'}"
    if any(_ABORTED.search(line) for line in lines):
        return EngineError(f"the simulation gave no result{told}", kept)
    return NetlistError(f"the netlist can't be simulated{told}", kept)


def _where(lines: Sequence[str], netlist: str) -> str:
    source = netlist.splitlines()
    for line in lines:
        match = _PLACE.match(line)
        if match and 0 < (number := int(match.group(1))) <= len(source):
            return f", line {number} '{source[number - 1].strip()}'"
    return ""
