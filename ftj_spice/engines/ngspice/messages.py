"""Turns what ngspice printed about a failed request into a typed error with one sentence.

Whether a request failed is decided by its outcome (a refused netlist, a missing vector, an end not reached), never by
text: harmless warnings differ from version to version. The text only tells which failure it was.
"""

import re
from collections.abc import Callable
from pathlib import Path

from ftj_spice.engines.errors import (
    ConvergenceError,
    EngineError,
    IterationLimitError,
    NetlistError,
    SingularMatrixError,
    TimestepError,
    UnknownModelError,
)

_NOISE = re.compile(r"^(stdout|stderr)\s?")
_MODEL = re.compile(
    r"(?:could not find a valid modelname|unable to find definition of model|can't find model|"
    r"unknown (?:model|subckt)|no such model).*", re.I
)  # fmt: skip
_LINE = re.compile(r"(?:error on line|line|in line no\.?|Original line no\.:)\s*:?\s*(\d+)", re.I)
_ERROR = re.compile(r"error|unknown|undefined|incomplete|not (?:allowed|found|defined)|too few|no such", re.I)

_REFUSED = re.compile(r"^(?:stderr\s)?(?:Error on line|Error: unknown subckt|Error: circuit not parsed|"
                      r"Error: there aren't any circuits)")  # fmt: skip

_CONVERGENCE: tuple[tuple[re.Pattern[str], type[ConvergenceError], str], ...] = (
    (re.compile(r"singular matrix:?\s*(?:check nodes?\s*(.*))?", re.I), SingularMatrixError, "singular matrix"),
    (re.compile(r"timestep too small.*", re.I), TimestepError, "time step too small"),
    (re.compile(r"iteration limit reached|too many iterations", re.I), IterationLimitError, "iteration limit reached"),
    (re.compile(r"no convergence|not converge|gmin step|source stepping failed", re.I), ConvergenceError,
     "no convergence"),
)  # fmt: skip


def clean(output: list[str]) -> list[str]:
    """Returns ngspice's lines without their channel prefix and without empty ones."""
    lines = (_NOISE.sub("", line).strip() for line in output)
    return [line for line in lines if line]


def looks_refused(output: list[str]) -> bool:
    """Whether ngspice says that it holds no usable circuit: it loads what it can and only complains."""
    return any(_REFUSED.search(line) for line in output)


def netlist_error(output: list[str], kept: Path | None) -> NetlistError:
    """Says why a netlist was refused, with ngspice's own line number where it gave one."""
    lines = clean(output)
    for k, line in enumerate(lines):
        if _MODEL.search(line):
            context = next(
                (near for near in lines[max(0, k - 2) : k + 3] if near is not line and "error on" in near.lower()), ""
            )
            detail = f"{line} ({context})" if context else line
            return UnknownModelError(f"no such model or subcircuit: {_sentence(detail)}", kept)
    number = next((m.group(1) for line in lines if (m := _LINE.search(line))), None)
    complaints = [line for line in lines if _ERROR.search(line)]
    where = f" at line {number}" if number else ""
    detail = (
        "; ".join(dict.fromkeys(_sentence(line) for line in complaints[:2])) or "ngspice refused it without saying why"
    )
    return NetlistError(f"the netlist can't be parsed{where}: {detail}", kept)


def simulation_error(reason: str, output: list[str], kept: Path | None) -> EngineError:
    """Says why an analysis gave no (complete) result."""
    lines = clean(output)
    for pattern, kind, sentence in _CONVERGENCE:
        for line in lines:
            if pattern.search(line):
                return kind(f"{sentence}: {_sentence(line)}", kept)
    if any(_MODEL.search(line) for line in lines):
        return netlist_error(output, kept)
    complaints = [line for line in lines if _ERROR.search(line)]
    detail = _sentence(complaints[0]) if complaints else "ngspice gave no reason"
    return EngineError(f"the simulation gave no result ({reason}): {detail}", kept)


def _sentence(line: str) -> str:
    """Takes ngspice's shouting off a line."""
    strip: Callable[[str], str] = lambda text: re.sub(r"^(fatal |warning|error)[:,]?\s*", "", text, flags=re.I)  # noqa: E731
    return strip(strip(line)).rstrip(".")
