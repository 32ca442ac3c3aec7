"""The audit of a calibrated array: some of its columns in ngspice, at their trims, with the same trap events.

The calibration's own reads draw trap histories that nothing else can repeat. So the audit follows the columns' traps
from candidate events (`ftj_spice.engines.fast.events`) at the trimmed voltages, and has ngspice do the same with row
voltages, virtual ground, reference and capacitor as calibrated. Wires and drivers are in both: their drop, which the
chip leaves out, shifts a column's mean by up to 1e-3 of the converter's range, and a calibration takes it away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.seeds import generator
from ftj_spice.device.traps import BOUND_RATE, Candidates, TrapHistory, Traps
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.fast.events import Bank, Windows, follow
from ftj_spice.engines.fast.integrator import operating_point
from ftj_spice.engines.ngspice import NgspiceEngine, Open, Resolution, TrapPlan
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.benches import RESET_EDGE, SampleArray, TrapSource, integrator_bench
from ftj_spice.netlist.circuit import Cells, Line
from ftj_spice.sampling.audit import LIMIT
from ftj_spice.sampling.calibration.chip import draw_cells
from ftj_spice.sampling.calibration.state import Calibration
from ftj_spice.sampling.transients import BIAS_MARGIN

MOST_EVENTS = 2e5
"""Candidate events per transient, about: a column of fast cells gets fewer windows."""


@dataclass(frozen=True)
class _Column:
    """One calibrated column and what its traps do over some windows."""

    number: int
    windows: int
    candidates: Candidates
    history: TrapHistory
    values: NDArray[np.float64]


def draw_columns(calibration: Calibration, audited: int, seed: int) -> list[int]:
    """Returns a random choice of the columns that deliver latents, at most `audited` of them, in their order.

    Args:
        calibration: Of the array.
        audited: How many.
        seed: The run's seed.
    """
    size = min(audited, len(calibration.latents))
    return sorted(generator(seed, "calibrated-audit").choice(calibration.latents, size, replace=False).tolist())


def audit_calibration(
    calibration: Calibration,
    engine: NgspiceEngine,
    progress: Callable[[int, int], None] | None = None,
    *,
    columns: Sequence[int] | None = None,
) -> Audit:
    """Simulates columns in ngspice and compares each window's mean current.

    Args:
        calibration: Of the array.
        engine: Where the transients run.
        progress: Called with finished and all columns.
        columns: Which; none draws as many as the calibration's settings say at random.

    Raises:
        EngineError: A simulation failed.
    """
    s = calibration.settings
    if columns is None:
        every = len(calibration.controls.column)
        drawn = generator(s.seed, "calibration-audit").choice(every, min(s.audit, every), replace=False)
        columns = sorted(drawn.tolist())
    followed, count = [_follow(calibration, j) for j in columns], len(columns)

    def run(open_netlist: Open, column: _Column) -> tuple[NDArray[np.float64], TrapHistory, str, str]:
        return _simulate(open_netlist, calibration, column)

    outcomes = engine.map(run, followed, (lambda done: progress(done, count)) if progress else None)
    full_scale = 2**calibration.design.adc_bits * calibration.controls.lsb(calibration.design.adc_bits)
    deviations, transitions, differing = [], 0, 0
    timing = calibration.controls.timing
    for column, (values, history, _, _) in zip(followed, outcomes, strict=True):
        ours, theirs = (set(zip(h.traps.tolist(), h.times.tolist(), strict=True)) for h in (column.history, history))
        transitions += len(ours | theirs)
        differing += len(ours ^ theirs)
        deviations.append(((values - column.values) / full_scale[column.number])[_same(column, history, timing.period)])
    found = np.concatenate(deviations)
    return Audit(
        reads=found.size,
        # Nothing compared is nothing shown: the audit fails where every window's histories differ.
        largest=float(np.max(np.abs(found))) if found.size else np.nan,
        rms=float(np.sqrt(np.mean(found**2))) if found.size else np.nan,
        limit=LIMIT,
        engine=outcomes[0][3],
        netlists={f"column{c.number:02d}.cir": o[2] for c, o in zip(followed, outcomes, strict=True)},
        scale="full scale of the converter",
        transitions=transitions,
        differing=differing,
        values={f"column{c.number:02d}": o[0] for c, o in zip(followed, outcomes, strict=True)},
        things="windows of calibrated columns",
    )


def _same(column: _Column, history: TrapHistory, period: float) -> NDArray[np.bool_]:
    """Returns in which windows all traps did the same in both histories, shape `(windows,)`.

    A candidate event within a few parts in 1e7 of its threshold may be accepted in one engine only: the cells' biases
    differ by that much. Such transitions are counted, and their windows left out.
    """
    edges = period * np.arange(column.windows + 1)
    traps = range(len(history.initial))
    return np.all(
        [np.abs(column.history.averages(t, edges) - history.averages(t, edges)) < 1e-12 for t in traps], axis=0
    )


def _cells(calibration: Calibration, number: int) -> tuple[Cells, Traps, NDArray[np.float64]]:
    """Returns a column's raised cells as a circuit, their traps, and the voltage between driver and virtual ground."""
    array = draw_cells(calibration.card, calibration.settings, calibration.pool, 1)
    controls = calibration.controls
    rows = controls.chosen[number]
    conductance, amplitude = array.conductance[rows, number], array.amplitude[rows, number]
    cells = Cells.of(calibration.card, conductance[:, np.newaxis], amplitude[:, np.newaxis])
    traps = array.traps.take(number * calibration.pool + rows)
    ground = _ground(calibration, number)
    return cells, traps, array.voltage + controls.row_trims()[number] - ground


def _ground(calibration: Calibration, number: int) -> float:
    """Returns the voltage of a column's virtual ground in V: its trim, and its circuit's error."""
    circuits = calibration.circuits
    error = 0.0 if circuits is None else float(circuits.ground[number])
    return error - float(calibration.controls.column[number])


def _follow(calibration: Calibration, number: int) -> _Column:
    s, controls = calibration.settings, calibration.controls
    cells, traps, across = _cells(calibration, number)
    timing = controls.timing
    voltages = (-BIAS_MARGIN, float(across.max()) + BIAS_MARGIN)
    rate = float(np.sum(traps.table(*voltages)[:, BOUND_RATE])) * timing.period
    windows = int(np.clip(MOST_EVENTS / rate, 1, s.audit_windows))
    point = operating_point(
        cells,
        traps.occupancy(across)[:, np.newaxis],
        across[:, np.newaxis],
        word_resistance=s.sample.word_line_resistance,
        bit_resistance=s.sample.bit_line_resistance,
        driver_resistance=s.sample.driver_resistance,
        lead=number,
    )
    bank = Bank(
        traps, voltages, calibration.design.voltage, s.seed, [(number, int(i)) for i in controls.chosen[number]]
    )
    # The reset switch opens as its signal begins to fall: its edge is integrated, too.
    lead = RESET_EDGE * timing.pause
    (stretch,) = follow(bank, Windows(timing.period, timing.pause - lead, point.bias), windows, windows)
    candidates, history = stretch.cut(0, windows)
    current = point.columns(stretch.states)[:, 0]
    reference = controls.reference[number]
    return _Column(
        number, windows, candidates, history, reference + (current - reference) * (1.0 + lead / timing.window)
    )


def _simulate(
    open_netlist: Open, calibration: Calibration, column: _Column
) -> tuple[NDArray[np.float64], TrapHistory, str, str]:
    s, controls, timing = calibration.settings, calibration.controls, calibration.controls.timing
    cells, traps, across = _cells(calibration, column.number)
    ground = np.array([_ground(calibration, column.number)])
    array = SampleArray(
        cells,
        lead=column.number,
        word_line=Line(s.sample.word_line_resistance, s.sample.word_line_capacitance),
        bit_line=Line(s.sample.bit_line_resistance, s.sample.bit_line_capacitance),
        driver_resistance=s.sample.driver_resistance,
    )
    plus, minus = array.nodes()
    reference = controls.reference[column.number]
    capacitance = float(controls.capacitance[column.number])
    edge = 1e-4 * min(timing.window, float(traps.relaxation_time(across).min()))
    step = timing.period / s.sample.steps_per_sample

    def bench(source: TrapSource, saved: list[str]) -> str:
        return integrator_bench(
            array,
            traps=source,
            voltage=calibration.design.voltage + controls.row_trims()[column.number],
            ground=ground,
            reference=np.array([reference]),
            capacitance=capacitance,
            window=timing.window,
            reset_time=timing.pause,
            samples=column.windows,
            step=step,
            saved=saved,
        )

    with open_netlist(bench(TrapSource(), sorted({*plus, *minus}))) as session:
        result = session.simulate(
            Transient(step, column.windows * timing.period, step),
            ["time", "v(out0)"],
            TrapPlan(column.candidates, tuple(plus), tuple(minus), Resolution.AVERAGES, edge),
        )
        engine = session.engine
    history = result.history
    assert history is not None
    ends = timing.period * np.arange(1, column.windows + 1)
    values = reference + np.interp(ends, result["time"], result["v(out0)"]) * capacitance / timing.window
    return values, history, bench(TrapSource.replay(history, edge, centred=True), []), engine
