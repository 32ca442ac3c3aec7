"""Retention: polarization against time to the stretched exponential `exp(-(t/tau)^b)`.

tau lies far beyond the data as a rule: the fit runs in the logarithm of the loss at the middle of the data and in ln b,
and tau = t_m exp(-loss/b); its interval comes from the likelihood's profile.
"""

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.card import Card
from ftj_spice.device.fitting.outcome import FitError, NotIdentifiedError, Outcome, Panel, Series
from ftj_spice.device.fitting.solver import solve
from ftj_spice.device.fitting.table import Table
from ftj_spice.device.fitting.unknown import Unknown, free
from ftj_spice.device.reliability import retained

PARAMETERS = ("retention_time", "retention_exponent")
"""What retention tables may give."""

_FEWEST = 5
_WIDEST_TIME = math.log(1e9)  # half width of ln(tau): an extrapolation over many decades of time may be this vague
_FARTHEST = 10.0  # factor between the largest measured polarization and the fitted initial one
_SMALLEST, _LARGEST = 1e-5, 6.0  # losses -ln(P/P0) at a table's middle that are tried as starts


def fit_retention(
    tables: Sequence[Table], card: Card, held: Collection[str] = (), varied: Collection[str] = ()
) -> Outcome:
    """Fits the stretched exponential to tables of time and polarization.

    A polarization without unit is the fraction of the initial one; in C/m^2 the initial one is fitted along, per file.

    Args:
        tables: Of kind `retention`.
        card: Gives the values of what is held.
        held: Parameters not to fit.
        varied: Nothing more can be fitted.

    Raises:
        DataError: Too few rows, a negative time, a polarization that is not positive or absurdly large.
        NotIdentifiedError: A parameter is not determined by the data.
        FitError: The stretched exponential does not describe the data.
    """
    for table in tables:
        table.at_least(_FEWEST, "the fit of retention")
        table.require(table["time"] >= 0.0, "time", "a time must not be negative, got {} s")
        table.require_polarization("a retained polarization", "initial")
    time = np.concatenate([t["time"] for t in tables])
    owner = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    size = np.array([t["polarization"].max() if t.units["polarization"] != "1" else 1.0 for t in tables])
    measured = np.concatenate([t["polarization"] for t in tables]) / size[owner]
    absolute = [k for k, table in enumerate(tables) if table.units["polarization"] != "1"]
    names = [name for name in PARAMETERS if name not in held]
    middle = math.exp(float(np.mean(np.log(time[time > 0.0])))) if (time > 0.0).any() else 1.0
    _check_spread(names, time, measured)

    def model(values: dict[str, float]) -> NDArray[np.float64]:
        initial = np.array([values.get(f"initial_{k}", 1.0) for k in range(len(tables))])
        changed = card.model_copy(update={name: values[name] for name in names})
        return initial[owner] * retained(changed, time)

    initials = [
        Unknown(f"initial_{k}", 1.0, True, 1.0 / _FARTHEST, _FARTHEST, walled=True, natural=(True, True))
        for k in absolute
    ]
    loss = float(np.clip(-math.log(np.median(measured)), _SMALLEST, _LARGEST))
    starts = [
        {"retention_exponent": b, "retention_time": middle * loss ** (-1.0 / b)} for b in (0.05, 0.1, 0.2, 0.4, 0.8)
    ]
    solution = solve(
        lambda values: measured - model(values),
        [free(card, n, widest=_WIDEST_TIME if n == "retention_time" else None) for n in names] + initials,
        starts=[{}, *starts],
        profile=names,
    )
    for k in absolute:
        if f"initial_{k}" in solution.edges:
            way = "above" if solution.values[f"initial_{k}"] > 1.0 else "below"
            raise FitError(
                f"{tables[k].at(0, 'polarization')}: the initial polarization comes out {_FARTHEST:g} times {way} the "
                "largest measured one: the law does not describe these data, or they begin too late"
            )
    fitted = model(solution.values)
    notes = [] if not absolute else ["the initial polarization of a file in absolute units is fitted along"]
    return Outcome(
        "retention", tuple(e for e in solution.estimates if e.name in PARAMETERS),
        {name: getattr(card, name) for name in PARAMETERS if name not in names}, {}, len(time),
        tuple(table.path for table in tables), (solution.scatter, "polarization/initial"),
        {pair: r for pair, r in solution.correlations.items() if set(pair) <= set(PARAMETERS)},
        (*notes, *solution.remarks()),
        (_panel(tables, time, measured, fitted, owner),),
    )  # fmt: skip


def _check_spread(names: list[str], time: NDArray[np.float64], measured: NDArray[np.float64]) -> None:
    if not names:
        return
    if len(np.unique(time[time > 0.0])) < 3:
        raise NotIdentifiedError(names[-1], "fewer than three different times")
    if np.ptp(measured) == 0.0:
        raise NotIdentifiedError(names[0], "the polarization is the same in all rows")


def _panel(
    tables: Sequence[Table], time: NDArray[np.float64], measured: NDArray[np.float64], fitted: NDArray[np.float64],
    owner: NDArray[np.int64],
) -> Panel:  # fmt: skip
    shown = time > 0.0
    series = tuple(
        Series(t.path.name, time[mine], measured[mine], fitted[mine])
        for k, t in enumerate(tables)
        if (mine := shown & (owner == k)).any()
    )
    return Panel("Retention", ("time", "s"), ("polarization / initial", ""), "x", series)
