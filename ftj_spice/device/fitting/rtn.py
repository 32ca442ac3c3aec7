"""Random telegraph noise: traces of the sampled current to dwell times, their voltage dependence and amplitude.

`ftj_spice.device.fitting.levels` reads each trace. The card's law,
`ln tau = ln tau_0 - k (V - V_R) + (E_B/k)(1/T - 1/T0)`, is then fitted to the traces' times, weighted with their
information.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE
from ftj_spice.device.fitting.levels import Telegraph, telegraph
from ftj_spice.device.fitting.outcome import Outcome, Panel, Series
from ftj_spice.device.fitting.solver import NOTHING_LEFT, Solution, solve
from ftj_spice.device.fitting.table import Table
from ftj_spice.device.fitting.unknown import free

TIMES = ("capture_time", "emission_time", "capture_slope", "emission_slope", "trap_barrier")
AMPLITUDES = {-1: "rtn_amplitude_off", 1: "rtn_amplitude_on"}

_FEWEST = 100
_JITTER = 0.01  # of the sampling interval
_SAME = 1e-3  # V, and K over 300 K: traces this near each other stand at the same operating point
_STEADY = 0.01  # part by which the voltage of a trace may move
_EXTREME = 0.5  # |s| from which a state counts as one of the extremes
_UNREST = 1.5  # scatter about the levels over that of neighbouring samples from which it is told
_SHOWN = 400  # samples in a plot
_WIDEST_SLOPE = 20.0
_BOLTZMANN_EV = Boltzmann / elementary_charge


def parameters(card: Card) -> tuple[str, ...]:
    """Returns the parameters that RTN traces may give."""
    return (*TIMES, *AMPLITUDES.values())


def fit_rtn(tables: Sequence[Table], card: Card, held: Collection[str] = (), varied: Collection[str] = ()) -> Outcome:
    """Fits the dominant trap to traces, each at one voltage.

    Args:
        tables: Of kind `rtn`, each with a voltage.
        card: Gives the voltage at which times are wanted, and the values of what is held.
        held: Parameters not to fit.
        varied: Nothing more can be fitted.

    Raises:
        DataError: Uneven samples, a voltage that moves, no or few transitions.
        NotIdentifiedError: A parameter is not determined by the data.
    """
    traces, points = [], []
    for table in tables:
        interval = _interval(table)
        traces.append(telegraph(table["current"], interval, table.at(0, "current")))
        points.append((_steady(table, "voltage", 0.0), _steady(table, "temperature", REFERENCE_TEMPERATURE)))
    volts, kelvin = np.array(points).T
    notes = [_levels_note(table, trace) for table, trace in zip(tables, traces, strict=True)]
    notes += [
        f"{table.path}: the samples scatter {trace.unrest:.2g} times more about the levels than from one to the next: "
        "drift, spikes, or an instrument that averages over transitions; times and step are less sure than they look"
        for table, trace in zip(tables, traces, strict=True)
        if trace.unrest > _UNREST
    ]
    names = [n for n in _names(volts, kelvin) if n not in held]
    reference = float(np.clip(card.trap_voltage, volts.min(), volts.max()))
    moves = reference != card.trap_voltage and not {"capture_time", "emission_time"} & set(held)
    derived = {"trap_voltage": reference} if moves else {}
    if np.abs(kelvin - REFERENCE_TEMPERATURE).max() > 1.0 and "trap_barrier" not in names:
        notes.append("the times at 300 K follow with the base card's trap_barrier")
    if "capture_slope" not in names and "emission_slope" not in names:
        notes.append(f"one voltage ({volts[0]:g} V): the slopes are the base card's")
    base = card.model_copy(update=derived)
    measured = np.array([trace.log_times for trace in traces])
    weight = [np.linalg.cholesky(trace.information).T for trace in traces]

    def residuals(values: dict[str, float]) -> NDArray[np.float64]:
        off = measured - _law(base.model_copy(update=values), volts, kelvin)
        return np.concatenate([w @ row for w, row in zip(weight, off, strict=True)])

    solutions: list[Solution] = []
    if names:
        starts = {"capture_time": math.exp(measured[:, 0].mean()), "emission_time": math.exp(measured[:, 1].mean())}
        wide = dict.fromkeys(("capture_slope", "emission_slope"), _WIDEST_SLOPE)
        chosen = [free(base, name, starts.get(name), wide.get(name)) for name in names]
        solutions.append(solve(residuals, chosen, known_scatter=True))
    solutions += _amplitudes(tables, traces, base, held, notes)
    if not solutions:
        raise SettingsError(NOTHING_LEFT)
    values = {name: value for solution in solutions for name, value in solution.values.items()}
    fitted = base.model_copy(update=values)
    for solution in solutions:
        notes += solution.remarks()
    everything = [n for n in parameters(card) if n not in values]
    return Outcome(
        "rtn", tuple(e for s in solutions for e in s.estimates), {n: getattr(card, n) for n in everything}, derived,
        sum(len(table) for table in tables), tuple(table.path for table in tables),
        (float(np.mean([trace.noise / (trace.levels[0] - trace.levels[trace.first_filled]) for trace in traces])),
         "noise/step"),
        {pair: r for s in solutions for pair, r in s.correlations.items()}, tuple(notes),
        (*(_trace_panel(t, trace) for t, trace in zip(tables, traces, strict=True)),
         *([_times_panel(volts, measured, _law(fitted, volts, kelvin))] if len(tables) > 1 else [])),
    )  # fmt: skip


def _interval(table: Table) -> float:
    table.at_least(_FEWEST, "an RTN trace")
    steps = np.diff(table["time"])
    interval = float(np.median(steps))
    even = np.concatenate([[True], np.abs(steps - interval) <= _JITTER * interval])
    if not even.all():
        row = int(np.argmin(even))
        raise DataError(
            f"{table.at(row, 'time')}: samples must be evenly spaced; this one comes {steps[row - 1]:.6g} s after "
            f"the one before it, most others {interval:.6g} s"
        )
    return float((table["time"][-1] - table["time"][0]) / (len(table) - 1))


def _steady(table: Table, role: str, otherwise: float) -> float:
    if role not in table:
        if role == "voltage":
            raise DataError(
                f"{table.at(0, 'time')}: no voltage for this trace; add a column 'voltage', a comment "
                "'# voltage = 1.5 V', or pass --rtn-voltage"
            )
        return otherwise
    values = table[role]
    middle = float(np.median(values))
    table.require(
        np.abs(values - middle) <= _STEADY * abs(middle), role,
        f"the {role} of a trace must stand still; here it is {{}}, mostly {middle:g}",
    )  # fmt: skip
    return middle


def _names(volts: NDArray[np.float64], kelvin: NDArray[np.float64]) -> list[str]:
    names = ["capture_time", "emission_time"]
    if np.ptp(volts) > _SAME:
        names += ["capture_slope", "emission_slope"]
    if np.ptp(kelvin) > _SAME * REFERENCE_TEMPERATURE:
        names.append("trap_barrier")
    return names


def _law(card: Card, volts: NDArray[np.float64], kelvin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns ln of capture and emission time, shape `(traces, 2)`."""
    times = np.log([card.capture_time, card.emission_time])
    slopes = np.array([card.capture_slope, card.emission_slope])
    heat = card.trap_barrier / _BOLTZMANN_EV * (1.0 / kelvin - 1.0 / REFERENCE_TEMPERATURE)
    return times - slopes * (volts - card.trap_voltage)[:, None] + heat[:, None]


def _amplitudes(
    tables: Sequence[Table], traces: Sequence[Telegraph], card: Card, held: Collection[str], notes: list[str]
) -> list[Solution]:
    """Fits the relative drop of the current, of the traces in each of the two extreme states."""
    states = [float(np.median(table.column("polarization", -1.0))) for table in tables]
    solutions = []
    if any("polarization" not in table for table in tables):
        notes.append("no state is given: the amplitude is taken as the high-resistance state's")
    if any(abs(s) < _EXTREME for s in states):
        notes.append("traces between the two extreme states give no amplitude")
    for side, name in AMPLITUDES.items():
        mine = [trace for trace, s in zip(traces, states, strict=True) if side * s >= _EXTREME]
        if not mine or name in held:
            continue
        logs = np.array([trace.log_amplitude for trace in mine])
        errors = np.array([max(trace.log_amplitude_error, 1e-9) for trace in mine])
        start = float(np.exp(np.mean(logs)))
        number = replace(free(card, name, start), logarithmic=True, low=1e-9)

        def residuals(
            values: dict[str, float], name: str = name, logs: NDArray[np.float64] = logs,
            errors: NDArray[np.float64] = errors,
        ) -> NDArray[np.float64]:  # fmt: skip
            return (logs - math.log(values[name])) / errors

        solutions.append(solve(residuals, [number], known_scatter=True))
    return solutions


def _levels_note(table: Table, trace: Telegraph) -> str:
    levels = ", ".join(f"{a:.4g} A ({100 * p:.1f} %)" for a, p in zip(trace.levels, trace.occupancy, strict=True))
    drop = 100.0 * math.exp(trace.log_amplitude)
    moves = f"{trace.transitions} transitions of the step of {drop:.3g} %"
    return f"{table.path}: {len(trace.levels)} levels: {levels}; {moves}"


def _trace_panel(table: Table, trace: Telegraph) -> Panel:
    """Shows a stretch with some transitions."""
    moves = np.flatnonzero(np.diff((trace.path >= trace.first_filled).astype(int)))
    last = int(np.clip(moves[min(len(moves) - 1, 12)] + 20, 50, len(table)))
    first = max(0, int(moves[0]) - 20) if last - int(moves[0]) < _SHOWN else 0
    part = slice(first, min(last, first + _SHOWN))
    sign = 1.0 if table["current"].mean() >= 0.0 else -1.0
    series = Series(table.path.name, table["time"][part], table["current"][part], sign * trace.levels[trace.path[part]])
    return Panel("Trace", ("time", "s"), ("current", "A"), "", (series,))


def _times_panel(volts: NDArray[np.float64], measured: NDArray[np.float64], fitted: NDArray[np.float64]) -> Panel:
    order = np.argsort(volts, kind="stable")
    series = tuple(
        Series(name, volts[order], np.exp(measured[order, k]), np.exp(fitted[order, k]))
        for k, name in enumerate(("capture", "emission"))
    )
    return Panel("Dwell times", ("voltage", "V"), ("mean dwell", "s"), "y", series)
