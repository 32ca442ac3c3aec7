"""The bench of a digitiser: cells at V_RTN, and behind them a variant's own template, which may come from a user.

A variant's template is rendered in a sandbox, a stranger's in a process of its own, and what it gives is checked line
by line: it may hold elements, models and subcircuits, but no control block, no include, no analysis, no option,
nothing that reads a file or runs a command, and no element of the bench's.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ftj_spice.common import resources
from ftj_spice.netlist.benches import SampleArray, TrapSource
from ftj_spice.netlist.render import RenderError, render, render_text
from ftj_spice.netlist.stranger import render_apart

_ELEMENTS = frozenset("bcefghirsvx")
_CARDS = frozenset({".model", ".subckt", ".ends"})
_TEXT = re.compile(r"[\t\x20-\x7e]*")
_STRANGE = re.compile(r"[`\"'\\$;{}]|file|\bexternal\b", re.IGNORECASE)


def digitiser_bench(
    array: SampleArray,
    template: str,
    where: str,
    *,
    name: str,
    ports: Sequence[str],
    values: Mapping[str, Any],
    traps: TrapSource,
    voltage: float,
    interval: float,
    settling: float,
    bits: int,
    step: float,
    saved: Sequence[str] = (),
) -> str:
    """Returns the bench that makes bits with one digitiser.

    Bit k (from 0) is whether `v(bit)` lies above one half at the time `settling + (k + 1) * interval`. Cell j's current
    goes into node `sense{j}`, which the template holds at 0 V by a source `vsense{j}`.

    Args:
        array: One row with a cell per column.
        template: Text of the variant's template. Besides `values` it gets `cells`, `interval`, `settling`.
        where: What it came from, for errors.
        name: Of the variant.
        ports: Nodes of the template to save, `bit` among them.
        values: Further variables of the template.
        traps: Where the trap states come from.
        voltage: V_RTN in V.
        interval: Time from bit to bit in s.
        settling: Time before the first interval in s.
        bits: How many.
        step: Largest time step in s.
        saved: Further nodes to save.

    Raises:
        RenderError: A value is not fit for a netlist, or the template gives what is not allowed.
    """
    rows, columns = array.cells.shape
    if rows != 1:
        raise RenderError(f"a digitiser's cells must sit in one row, not in {rows}")
    bench = render(
        "benches/bits.cir.j2",
        **array.context(),
        name=name,
        ports=list(ports),
        traps=traps.kind,
        histories=traps.histories,
        states=traps.states,
        voltage=voltage,
        interval=interval,
        settling=settling,
        bits=bits,
        step=step,
        saved=list(saved),
    )
    fill = render_text if template in _packaged() else render_apart
    body = fill(template, where, **values, cells=columns, interval=interval, settling=settling)
    taken = {line.split()[0].lower() for line in bench.splitlines() if line.strip()}
    _check_body(body, where, taken)
    return f"{bench}{body.strip()}\n.end\n"


@cache
def _packaged() -> frozenset[str]:
    """Returns the templates of our own, which need no process to guard them."""
    return frozenset(path.read_text(encoding="utf-8") for path in (resources.netlists() / "digitisers").glob("*.j2"))


def _check_body(body: str, where: str, taken: set[str]) -> None:
    """Refuses what a digitiser's template must not write."""
    begun = False  # a continuation as its first line would go on with the bench's last
    for number, line in enumerate(body.splitlines(), start=1):
        words = line.lower().split()
        if not words or (words[0] == "*" and _TEXT.fullmatch(line)):
            continue
        word = words[0]
        known = word in _CARDS or word[0] in _ELEMENTS or (word[0] == "+" and begun)
        begun = True
        if not known or not _TEXT.fullmatch(line) or _STRANGE.search(line):
            raise RenderError(
                f"{where}: line {number} of what it renders, {line.strip()[:40]!r}, is not allowed: a digitiser holds "
                f"elements ({', '.join(sorted(_ELEMENTS))}), {', '.join(sorted(_CARDS))} and comments"
            )
        if word in taken and word[0] not in "+.":
            raise RenderError(f"{where}: line {number} of what it renders defines {word!r}, an element of the bench")
