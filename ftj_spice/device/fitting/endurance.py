"""Endurance: remanent polarization against cycles to wake-up and fatigue.

`[1 + g (1 - exp(-N/N_w))] / [1 + (N/N_f)^m]` times the fresh value; the scatter is relative.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.device.card import Card
from ftj_spice.device.fitting.outcome import NotIdentifiedError, Outcome, Panel, Series
from ftj_spice.device.fitting.solver import solve
from ftj_spice.device.fitting.table import Table
from ftj_spice.device.fitting.unknown import free
from ftj_spice.device.reliability import cycled

PARAMETERS = ("wakeup_gain", "wakeup_cycles", "fatigue_cycles", "fatigue_exponent")
"""What endurance tables may give, beside `remanent_polarization` where P_r is given in C/m^2."""

_FEWEST = 6


def fit_endurance(
    tables: Sequence[Table], card: Card, held: Collection[str] = (), varied: Collection[str] = ()
) -> Outcome:
    """Fits wake-up and fatigue to tables of cycles and remanent polarization.

    A polarization without unit is relative to the fresh one; where it has one, the fresh one is fitted as
    `remanent_polarization`.

    Args:
        tables: Of kind `endurance`.
        card: Gives the values of what is held.
        held: Parameters not to fit.
        varied: Nothing more can be fitted.

    Raises:
        DataError: Too few rows, negative cycles, a polarization that is not positive or absurdly large, absolute and
            relative ones mixed.
        NotIdentifiedError: A parameter is not determined by the data.
    """
    units = {table.units["polarization"] for table in tables}
    if len(units) > 1:
        other = next(t for t in tables if t.units["polarization"] != tables[0].units["polarization"])
        raise DataError(f"{other.at(0, 'polarization')}: absolute and relative polarizations can't be mixed")
    absolute = units == {"C/m^2"}
    for table in tables:
        table.at_least(_FEWEST, "the fit of endurance")
        table.require(table["cycles"] >= 0.0, "cycles", "cycles must not be negative, got {}")
        table.require_polarization("a remanent polarization", "fresh")
    cycles = np.concatenate([t["cycles"] for t in tables])
    measured = np.log(np.concatenate([t["polarization"] for t in tables]))
    everything = (*PARAMETERS, *(["remanent_polarization"] if absolute else []))
    names, notes = [name for name in everything if name not in held], []
    if card.wakeup_gain == 0.0 and "wakeup_gain" in held and "wakeup_cycles" in names:
        names.remove("wakeup_cycles")
        notes.append("wakeup_cycles is held: without wake-up it has no effect")
    if len(np.unique(cycles[cycles > 0.0])) < 3:
        raise NotIdentifiedError(names[0] if names else PARAMETERS[0], "fewer than three different numbers of cycles")

    def model(values: dict[str, float]) -> NDArray[np.float64]:
        changed = card.model_copy(update=values)
        fresh = changed.remanent_polarization if absolute else 1.0
        return np.log(np.maximum(fresh * cycled(changed, cycles), 1e-300))

    last = float(cycles.max())
    starts = [
        {"wakeup_gain": 0.1, "wakeup_cycles": last**early, "fatigue_cycles": last * late, "fatigue_exponent": 0.7}
        for early in (0.25, 0.5)
        for late in (0.1, 1.0, 10.0)
    ]
    if absolute:
        starts = [start | {"remanent_polarization": math.exp(measured[int(np.argmin(cycles))])} for start in starts]
    solution = solve(
        lambda values: measured - model(values),
        [replace(free(card, name), walled=name == "wakeup_gain") for name in names],
        starts=[{}, *starts],
        profile=names,
    )
    gain = next((e for e in solution.estimates if e.name == "wakeup_gain"), None)
    if gain is not None and gain.low <= 0.0 and "wakeup_cycles" in names:
        why = f"no wake-up stands out of the scatter (the interval of wakeup_gain is {gain.low:.2g} to {gain.high:.2g})"
        raise NotIdentifiedError("wakeup_cycles", f"{why}, --fix wakeup_gain=0 says that there is none")
    fitted = model(solution.values)
    return Outcome(
        "endurance", solution.estimates, {name: getattr(card, name) for name in everything if name not in names}, {},
        len(cycles), tuple(table.path for table in tables), (solution.scatter, "ln(polarization)"),
        solution.correlations, (*notes, *solution.remarks()),
        (_panel(tables, cycles, np.exp(measured), np.exp(fitted), absolute),),
    )  # fmt: skip


def _panel(
    tables: Sequence[Table], cycles: NDArray[np.float64], measured: NDArray[np.float64], fitted: NDArray[np.float64],
    absolute: bool,
) -> Panel:  # fmt: skip
    owner = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    shown = cycles > 0.0
    series = tuple(
        Series(t.path.name, cycles[mine], measured[mine], fitted[mine])
        for k, t in enumerate(tables)
        if (mine := shown & (owner == k)).any()
    )
    quantity = ("remanent polarization", "C/m^2") if absolute else ("remanent polarization / fresh", "")
    return Panel("Endurance", ("cycles", ""), quantity, "x", series)
