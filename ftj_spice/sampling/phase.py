"""The sample phase: FTJ noise becomes latent vectors, in ngspice or by events.

Each column of a NOR-type array at V_RTN gives one latent dimension. In ngspice one transient yields many samples; long
runs go on in a further transient with the traps' states handed over. By events (`ftj_spice.engines.fast.events`) the
same traps are followed without time steps. Latents are standardised with the closed-form mean and variance, never with
the sample's own.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.traps import Candidates, TrapHistory, draw_candidates
from ftj_spice.engines.ngspice import NgspiceEngine, Open, Resolution
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.array import ColumnMoments, SamplingArray
from ftj_spice.sampling.circuits import ColumnCircuits
from ftj_spice.sampling.digitisers import Digitiser, make_digitiser
from ftj_spice.sampling.events import Readings, read_events
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import (
    Part,
    Waveform,
    bias_range,
    cut,
    final_state,
    of_column,
    plan,
    simulate_part,
    trap_order,
)


@dataclass(frozen=True)
class KeptPart:
    """A transient's worth of the fast engine's samples, with all that ngspice needs to draw them again.

    Attributes:
        part: Which columns and samples.
        candidates: Of its traps, states handed over, in its own time.
        history: What the traps did, in its own time.
        values: The read-out's values, shape `(samples, columns)`.
    """

    part: Part
    candidates: Candidates
    history: TrapHistory
    values: NDArray[np.float64]


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
        histories: What the traps of each column did: all columns over the whole run in ngspice; column 0 over the first
            transient's time in the fast engine.
        netlists: Replay netlists by file name, one per transient: each runs with plain `ngspice -b` and gives its part
            of `values` again. None from the fast engine.
        waveform: The first transient of column 0; none for the comparators of the fast engine.
        engine: Simulator and version.
        resolution: How transitions met time steps.
        kept: What was to be kept for an audit.
    """

    latents: NDArray[np.float64]
    codes: NDArray[np.int64]
    values: NDArray[np.float64]
    moments: ColumnMoments
    array: SamplingArray
    digitiser: Digitiser
    histories: list[TrapHistory]
    netlists: dict[str, str]
    waveform: Waveform | None
    engine: str
    resolution: Resolution
    kept: tuple[KeptPart, ...] = ()


def sample(
    card: Card,
    settings: SampleSettings,
    *,
    count: int,
    columns: int,
    seed: int,
    engine: NgspiceEngine | Literal["fast"],
    keep: Collection[Part] = (),
    progress: Callable[[int, int], None] | None = None,
    periphery: Macromodel | None = None,
    circuits: ColumnCircuits | None = None,
) -> SampleResult:
    """Draws latent vectors.

    Args:
        card: Device card.
        settings: Settings of the phase.
        count: Number of latent vectors.
        columns: Latent dimensions.
        seed: The run's seed.
        engine: Where the transients run; `"fast"` follows the traps by events instead.
        keep: With `"fast"`: parts of the plan to keep for an audit.
        progress: Called with finished and all groups of columns.
        periphery: Circuits that read the columns; none: ideal ones.
        circuits: The columns' own circuits, where they are known; none: drawn from the periphery.

    Raises:
        SettingsError: `count` or `columns` is not positive, or the settings leave no noise to sample.
        EngineError: A simulation failed.
    """
    if count < 1:
        raise SettingsError(f"count must be at least 1, got {count}")
    array = SamplingArray.draw(card, settings, columns, seed)
    digitiser = make_digitiser(settings, array, seed, periphery, circuits)
    groups = plan(settings, columns, count)

    if engine == "fast":
        readings = [
            read_events(group, array, settings, digitiser, seed, _told(progress, k, len(groups)), set(keep))
            for k, group in enumerate(groups)
        ]
        first = readings[0]
        result = _result(readings, array, digitiser)
        return replace(
            result,
            histories=[of_column(first.history, 0, array.shape[0])],
            waveform=first.waveform,
            engine="fast",
            kept=tuple(KeptPart(*kept) for reading in readings for kept in reading.kept),
        )

    def run(open_netlist: Open, group: list[Part]) -> _Simulated:
        return _simulate_group(open_netlist, group, array, settings, digitiser, seed)

    total = len(groups)
    outcomes = engine.map(run, groups, (lambda done: progress(done, total)) if progress else None)
    return replace(
        _result(outcomes, array, digitiser),
        histories=[history for outcome in outcomes for history in outcome.histories],
        netlists={name: text for outcome in outcomes for name, text in outcome.netlists.items()},
        waveform=outcomes[0].waveform,
        engine=outcomes[0].engine,
    )


def _told(progress: Callable[[int, int], None] | None, done: int, total: int) -> Callable[[], None] | None:
    return None if progress is None else lambda: progress(done + 1, total)


def _result(parts: "list[Readings] | list[_Simulated]", array: SamplingArray, digitiser: Digitiser) -> SampleResult:
    values = np.concatenate([part.values for part in parts], axis=1)
    codes = digitiser.codes(values)
    return SampleResult(
        latents=digitiser.latents(codes),
        codes=codes,
        values=values,
        moments=digitiser.moments,
        array=array,
        digitiser=digitiser,
        histories=[],
        netlists={},
        waveform=None,
        engine="",
        resolution=digitiser.resolution,
    )


@dataclass(frozen=True)
class _Simulated:
    values: NDArray[np.float64]
    histories: list[TrapHistory]
    netlists: dict[str, str]
    waveform: Waveform
    engine: str


def _simulate_group(
    open_netlist: Open,
    group: list[Part],
    array: SamplingArray,
    settings: SampleSettings,
    digitiser: Digitiser,
    seed: int,
) -> _Simulated:
    """Simulates some columns over all samples, transient after transient."""
    rows, _ = array.shape
    columns = group[0].columns
    order, streams = trap_order(rows, columns)
    period = digitiser.period
    duration = sum(part.samples for part in group) * period
    candidates = draw_candidates(
        array.traps.take(order),
        duration,
        bias_range(array, digitiser),
        seed,
        streams,
        initial_voltage=array.voltage,
    )
    outcomes, pieces = [], []
    state = candidates.initial
    for part in group:
        span = (part.begin * period, (part.begin + part.samples) * period)
        outcome = simulate_part(open_netlist, part, cut(candidates, span, state), array, settings, digitiser)
        # Of all transients but the first only the samples, the history and the netlist are kept.
        outcomes.append(outcome if not outcomes else replace(outcome, waveform=Waveform(np.empty(0), {})))
        pieces.append(replace(outcome.history, times=outcome.history.times + span[0]))
        state = final_state(outcome.history)
    history = TrapHistory(
        candidates.initial,
        np.concatenate([piece.times for piece in pieces]),
        np.concatenate([piece.traps for piece in pieces]),
        np.concatenate([piece.states for piece in pieces]),
        duration,
    )
    return _Simulated(
        np.concatenate([outcome.values for outcome in outcomes]),
        [of_column(history, k, rows) for k in range(len(columns))],
        {f"{part.name}.cir": outcome.netlist for part, outcome in zip(group, outcomes, strict=True)},
        outcomes[0].waveform,
        outcomes[0].engine,
    )
