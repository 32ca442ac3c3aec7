"""One transient of the sample phase in ngspice: some columns over some samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.traps import Candidates, TrapHistory
from ftj_spice.engines.ngspice import Open, Resolution, TrapPlan
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.benches import SampleArray, TrapSource
from ftj_spice.netlist.circuit import Cells, Line
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.digitisers import Digitiser, IntegratorReadout
from ftj_spice.sampling.settings import SampleSettings

BIAS_MARGIN = 0.02
"""Trap events are drawn for biases up to V_RTN and this many volts more."""


def bias_range(array: SamplingArray, digitiser: Digitiser) -> tuple[float, float]:
    """Returns the lowest and highest bias in V that trap events are drawn for: virtual grounds may be off."""
    ground = digitiser.ground if isinstance(digitiser, IntegratorReadout) else np.zeros(1)
    margin = BIAS_MARGIN + float(np.max(np.abs(ground)))
    return -margin, array.voltage + margin


@dataclass(frozen=True)
class Waveform:
    """One transient of one column.

    Attributes:
        time: In s.
        vectors: Node voltages (V) and branch currents (A) by ngspice name.
    """

    time: NDArray[np.float64]
    vectors: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Part:
    """Columns that are simulated together, and the samples of one transient.

    Attributes:
        name: Of its netlist, without the ending.
        columns: Which columns of the array.
        begin: First sample.
        samples: How many.
    """

    name: str
    columns: tuple[int, ...]
    begin: int
    samples: int

    @property
    def rows_of(self) -> slice:
        """Its samples' place in the run."""
        return slice(self.begin, self.begin + self.samples)


def plan(settings: SampleSettings, columns: int, count: int) -> list[list[Part]]:
    """Returns the transients of a run, one list per group of columns."""
    groups = [list(range(columns))] if settings.whole_array else [[j] for j in range(columns)]
    size = settings.samples_per_transient
    return [
        [
            Part(
                f"sample_{'array' if settings.whole_array else f'column{group[0]:02d}'}_{k:02d}",
                tuple(group),
                begin,
                min(size, count - begin),
            )
            for k, begin in enumerate(range(0, count, size))
        ]
        for group in groups
    ]


def trap_order(rows: int, columns: tuple[int, ...]) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """Returns the numbers of the columns' traps in the array, and their seed streams `(column, row)`."""
    streams = [(j, i) for j in columns for i in range(rows)]
    return np.array([j * rows + i for j, i in streams]), list(streams)


@dataclass(frozen=True)
class Outcome:
    """What a transient gives.

    Attributes:
        values: The read-out's values, shape `(samples, columns)`.
        history: What the traps did, in the transient's own time.
        netlist: Netlist that replays it with plain `ngspice -b`.
        waveform: Everything that was read off.
        engine: Simulator and version.
    """

    values: NDArray[np.float64]
    history: TrapHistory
    netlist: str
    waveform: Waveform
    engine: str


def simulate_part(
    open_netlist: Open,
    part: Part,
    candidates: Candidates,
    array: SamplingArray,
    settings: SampleSettings,
    digitiser: Digitiser,
) -> Outcome:
    """Simulates one transient.

    Args:
        open_netlist: Opens a session.
        part: Which columns and samples.
        candidates: Of its traps, in the transient's own time.
        array: The whole array.
        settings: Settings of the phase.
        digitiser: Read-out of the array.

    Raises:
        EngineError: The simulation failed.
    """
    columns = list(part.columns)
    bench_array = SampleArray(
        Cells.of(array.card, array.conductance[:, columns], array.amplitude[:, columns]),
        lead=columns[0],
        word_line=Line(settings.word_line_resistance, settings.word_line_capacitance),
        bit_line=Line(settings.bit_line_resistance, settings.bit_line_capacitance),
        driver_resistance=settings.driver_resistance,
    )
    plus, minus = bench_array.nodes()
    grounded = not isinstance(digitiser, IntegratorReadout) or not np.any(digitiser.ground[columns])
    if grounded:
        plus, minus = _ground_sense(plus), _ground_sense(minus)
    saved = sorted({*plus, *minus} - {"0"} - {f"sense{j}" for j in range(len(columns))})
    netlist = digitiser.bench(bench_array, columns, part.samples, TrapSource(), saved)
    with open_netlist(netlist) as session:
        result = session.simulate(
            Transient(digitiser.step, part.samples * digitiser.period, digitiser.step),
            ["time", *(f"v(out{k})" for k in range(len(columns))), *(f"i(vsense{k})" for k in range(len(columns)))],
            TrapPlan(
                candidates,
                tuple(plus),
                tuple(minus),
                digitiser.resolution,
                digitiser.edge_time,
            ),
        )
        engine = session.engine
    outputs = np.stack([result[f"v(out{k})"] for k in range(len(columns))], axis=1)
    history = result.history
    assert history is not None
    replay = TrapSource.replay(history, digitiser.edge_time, centred=digitiser.resolution is Resolution.AVERAGES)
    return Outcome(
        digitiser.values(result["time"], outputs, columns, part.samples),
        history,
        digitiser.bench(bench_array, columns, part.samples, replay, []),
        Waveform(result["time"], {k: v for k, v in result.vectors.items() if k != "time"}),
        engine,
    )


def _ground_sense(nodes: list[str]) -> list[str]:
    """Sense nodes that ideal sources hold at 0 V are ground, for a cell's bias."""
    return ["0" if node.startswith("sense") else node for node in nodes]


def cut(candidates: Candidates, span: tuple[float, float], state: NDArray[np.int64]) -> Candidates:
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


def final_state(history: TrapHistory) -> NDArray[np.int64]:
    """Returns the state of each trap at a history's end."""
    state = history.initial.copy()
    state[history.traps] = history.states  # in time order: the last one stands
    return state


def of_column(history: TrapHistory, column: int, rows: int) -> TrapHistory:
    """Returns the part of a history that belongs to one of its columns."""
    own = history.traps // rows == column
    return TrapHistory(
        history.initial[column * rows : (column + 1) * rows],
        history.times[own],
        history.traps[own] - column * rows,
        history.states[own],
        history.duration,
    )
