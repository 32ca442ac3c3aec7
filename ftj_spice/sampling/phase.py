"""The sample phase: FTJ noise, simulated by ngspice, becomes latent vectors.

Each column of a NOR-type array at V_RTN gives one latent dimension. One transient yields many samples; long runs go on
in a further transient with the traps' states handed over. Latents are standardised with the closed-form mean and
variance, never with the sample's own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.traps import Candidates, TrapHistory, draw_candidates
from ftj_spice.engines.ngspice import NgspiceEngine, Open, Resolution, TrapPlan
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.benches import Cells, Line, SampleArray, TrapSource
from ftj_spice.sampling.array import ColumnMoments, SamplingArray
from ftj_spice.sampling.digitisers import Digitiser, make_digitiser
from ftj_spice.sampling.settings import SampleSettings

BIAS_MARGIN = 0.02
"""Trap events are drawn for biases up to V_RTN and this many volts more."""


@dataclass(frozen=True)
class Waveform:
    """One simulated transient of one column.

    Attributes:
        time: In s.
        vectors: Node voltages (V) and branch currents (A) by ngspice name.
    """

    time: NDArray[np.float64]
    vectors: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class SampleResult:
    """What the sample phase gives.

    Attributes:
        latents: Standardised latent vectors, shape `(samples, columns)`.
        codes: What the digitiser put out (ADC codes or counts of bits), same shape.
        values: The read-out's value before digitisation, same shape: mean column current over the window in A, or, for
            comparators, the number of rows whose comparator stood high.
        moments: Closed-form moments of `values`.
        array: The array that was simulated.
        digitiser: What turned currents into codes.
        histories: What the traps of each column did, over the whole run.
        netlists: Replay netlists by file name, one per transient: each runs with plain `ngspice -b` and gives its part
            of `values` again.
        waveform: The first transient of column 0.
        engine: Simulator and version.
        resolution: How transitions met time steps.
    """

    latents: NDArray[np.float64]
    codes: NDArray[np.int64]
    values: NDArray[np.float64]
    moments: ColumnMoments
    array: SamplingArray
    digitiser: Digitiser
    histories: list[TrapHistory]
    netlists: dict[str, str]
    waveform: Waveform
    engine: str
    resolution: Resolution


def sample(
    card: Card,
    settings: SampleSettings,
    *,
    count: int,
    columns: int,
    seed: int,
    engine: NgspiceEngine,
    progress: Callable[[int, int], None] | None = None,
) -> SampleResult:
    """Draws latent vectors.

    Args:
        card: Device card.
        settings: Settings of the phase.
        count: Number of latent vectors.
        columns: Latent dimensions.
        seed: The run's seed.
        engine: Where the transients run.
        progress: Called with finished and all netlists.

    Raises:
        SettingsError: `count` or `columns` is not positive, or the settings leave no noise to sample.
        EngineError: A simulation failed.
    """
    if count < 1:
        raise SettingsError(f"count must be at least 1, got {count}")
    array = SamplingArray.draw(card, settings, columns, seed)
    digitiser = make_digitiser(settings, array, seed)
    parts = [list(range(columns))] if settings.whole_array else [[j] for j in range(columns)]

    def run(open_netlist: Open, part: list[int]) -> _Outcome:
        return _simulate_part(open_netlist, part, array, settings, digitiser, count, seed)

    total = len(parts)
    outcomes = engine.map(run, parts, (lambda done: progress(done, total)) if progress else None)
    values = np.concatenate([outcome.values for outcome in outcomes], axis=1)
    codes = digitiser.codes(values)
    histories = [history for outcome in outcomes for history in outcome.histories]
    netlists = {
        f"sample_{'array' if settings.whole_array else f'column{part[0]:02d}'}_{k:02d}.cir": netlist
        for part, outcome in zip(parts, outcomes, strict=True)
        for k, netlist in enumerate(outcome.netlists)
    }
    return SampleResult(
        latents=digitiser.latents(codes),
        codes=codes,
        values=values,
        moments=digitiser.moments,
        array=array,
        digitiser=digitiser,
        histories=histories,
        netlists=netlists,
        waveform=outcomes[0].waveform,
        engine=outcomes[0].engine,
        resolution=digitiser.resolution,
    )


@dataclass(frozen=True)
class _Outcome:
    values: NDArray[np.float64]
    histories: list[TrapHistory]
    netlists: list[str]
    waveform: Waveform
    engine: str


def _simulate_part(
    open_netlist: Open,
    columns: list[int],
    array: SamplingArray,
    settings: SampleSettings,
    digitiser: Digitiser,
    count: int,
    seed: int,
) -> _Outcome:
    """Simulates some columns over all samples, transient after transient."""
    rows, _ = array.shape
    bench_array = SampleArray(
        Cells.of(array.card, array.conductance[:, columns], array.amplitude[:, columns]),
        lead=columns[0],
        word_line=Line(settings.word_line_resistance, settings.word_line_capacitance),
        bit_line=Line(settings.bit_line_resistance, settings.bit_line_capacitance),
        driver_resistance=settings.driver_resistance,
    )
    plus, minus = bench_array.nodes()
    saved = sorted({*plus, *minus} - {f"sense{j}" for j in range(len(columns))})
    order = np.array([j * rows + i for j in columns for i in range(rows)])
    candidates = draw_candidates(
        array.traps.take(order),
        count * digitiser.period,
        (-BIAS_MARGIN, array.voltage + BIAS_MARGIN),
        seed,
        [(j, i) for j in columns for i in range(rows)],
        initial_voltage=array.voltage,
    )
    values, pieces, netlists, waveform, engine = [], [], [], None, ""
    begin = 0
    state = candidates.initial
    while begin < count:
        samples = min(settings.samples_per_transient, count - begin)
        span = (begin * digitiser.period, (begin + samples) * digitiser.period)
        netlist = digitiser.bench(bench_array, columns, samples, TrapSource(), saved)
        with open_netlist(netlist) as session:
            result = session.simulate(
                Transient(digitiser.step, samples * digitiser.period, digitiser.step),
                ["time", *(f"v(out{k})" for k in range(len(columns))), *(f"i(vsense{k})" for k in range(len(columns)))],
                TrapPlan(
                    _cut(candidates, span, state),
                    tuple(_ground_sense(plus)),
                    tuple(_ground_sense(minus)),
                    digitiser.resolution,
                    digitiser.edge_time,
                ),
            )
            engine = session.engine
        outputs = np.stack([result[f"v(out{k})"] for k in range(len(columns))], axis=1)
        values.append(digitiser.values(result["time"], outputs, columns, samples))
        assert result.history is not None
        replay = TrapSource.replay(
            result.history, digitiser.edge_time, centred=digitiser.resolution is Resolution.AVERAGES
        )
        netlists.append(digitiser.bench(bench_array, columns, samples, replay, []))
        pieces.append(replace(result.history, times=result.history.times + span[0]))
        state = _final_state(result.history)
        if waveform is None:
            waveform = Waveform(result["time"], {k: v for k, v in result.vectors.items() if k != "time"})
        begin += samples
    assert waveform is not None
    history = TrapHistory(
        candidates.initial,
        np.concatenate([piece.times for piece in pieces]),
        np.concatenate([piece.traps for piece in pieces]),
        np.concatenate([piece.states for piece in pieces]),
        count * digitiser.period,
    )
    return _Outcome(
        np.concatenate(values),
        [_of_column(history, k, rows) for k in range(len(columns))],
        netlists,
        waveform,
        engine,
    )


def _ground_sense(nodes: list[str]) -> list[str]:
    """The sense nodes are held at 0 V by ideal sources: ground, for a cell's bias."""
    return ["0" if node.startswith("sense") else node for node in nodes]


def _cut(candidates: Candidates, span: tuple[float, float], state: NDArray[np.int64]) -> Candidates:
    """Returns the candidates of one transient, in its own time."""
    times, draws, lengths = [], [], [0]
    for trap in range(len(candidates.initial)):
        own = slice(candidates.offsets[trap], candidates.offsets[trap + 1])
        first, last = np.searchsorted(candidates.times[own], span, side="right")
        times.append(candidates.times[own][first:last] - span[0])
        draws.append(candidates.draws[own][first:last])
        lengths.append(last - first)
    return Candidates(
        np.concatenate(times),
        np.concatenate(draws),
        np.cumsum(lengths).astype(np.int64),
        state,
        candidates.table,
        span[1] - span[0],
        candidates.voltages,
    )


def _final_state(history: TrapHistory) -> NDArray[np.int64]:
    state = history.initial.copy()
    state[history.traps] = history.states  # in time order: the last one stands
    return state


def _of_column(history: TrapHistory, column: int, rows: int) -> TrapHistory:
    """Returns the part of a history that belongs to one of its columns."""
    own = history.traps // rows == column
    return TrapHistory(
        history.initial[column * rows : (column + 1) * rows],
        history.times[own],
        history.traps[own] - column * rows,
        history.states[own],
        history.duration,
    )
