"""The sample phase by events: what the fast engine reads off some columns, without a circuit simulator."""

from collections.abc import Callable, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.traps import Candidates, TrapHistory
from ftj_spice.engines.fast.events import Bank, Slots, Windows, follow
from ftj_spice.engines.fast.integrator import OperatingPoint, operating_point
from ftj_spice.netlist.benches import COMPARATOR_LAG, RESET_EDGE, SAMPLE_POINT, SLOT_EDGE
from ftj_spice.netlist.circuit import Cells
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.digitisers import ComparatorReadout, Digitiser, IntegratorReadout
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import Part, Waveform, bias_range, trap_order

STRETCH = 1024
"""Samples that are held at a time, about."""


@dataclass(frozen=True)
class Readings:
    """What some columns give.

    Attributes:
        values: The read-out's values, shape `(samples, columns)`.
        history: What the traps did over the first part, in its own time.
        waveform: Of the first column over the first part; none for comparators.
        kept: Parts that were to be kept: each with its candidates, its history and its values.
    """

    values: NDArray[np.float64]
    history: TrapHistory
    waveform: Waveform | None
    kept: list[tuple[Part, Candidates, TrapHistory, NDArray[np.float64]]]


def read_events(
    group: list[Part],
    array: SamplingArray,
    settings: SampleSettings,
    digitiser: Digitiser,
    seed: int,
    done: Callable[[], None] | None = None,
    keep: Set[Part] = frozenset(),
) -> Readings:
    """Samples some columns.

    Args:
        group: Their parts, in order.
        array: The whole array.
        settings: Settings of the phase.
        digitiser: Read-out of the array.
        seed: The run's seed.
        done: Called at the end.
        keep: Parts to keep.
    """
    rows, _ = array.shape
    columns = group[0].columns
    order, streams = trap_order(rows, columns)
    traps = array.traps.take(order)
    bank = Bank(traps, bias_range(array, digitiser), array.voltage, seed, streams)
    point: OperatingPoint | None = None
    if isinstance(digitiser, IntegratorReadout):
        point = column_operating_point(array, settings, list(columns), digitiser.ground)
        # The reset switch opens as its signal begins to fall: its edge is integrated, too.
        lead = RESET_EDGE * digitiser.reset_time
        reading: Windows | Slots = Windows(digitiser.period, digitiser.reset_time - lead, point.bias)
    else:
        assert isinstance(digitiser, ComparatorReadout)
        # The comparator answers a transition after half its edge and the time its pole takes to half-way.
        late = digitiser.edge_time / 2.0 + np.log(2.0) * COMPARATOR_LAG * digitiser.slot + digitiser.lag
        instant = SAMPLE_POINT * digitiser.slot - late
        edge = SLOT_EDGE * digitiser.slot
        reading = Slots(digitiser.slot, edge, instant, array.voltage, (rows, len(columns)))
    size = settings.samples_per_transient
    stretch = -(-STRETCH // size) * size  # whole parts
    count = sum(part.samples for part in group)
    values: list[NDArray[np.float64]] = []
    kept, first = [], None
    for piece in follow(bank, reading, count, stretch):
        if point is not None:
            assert isinstance(digitiser, IntegratorReadout)
            values.append(_charge(point.columns(piece.states), digitiser, list(columns)))
        else:
            assert isinstance(digitiser, ComparatorReadout)
            values.append(_bits(piece.states, array, digitiser, list(columns)))
        for part in group[piece.first // size : (piece.first + len(piece.states) - 1) // size + 1]:
            if part in keep or part is group[0]:
                candidates, history = piece.cut(part.begin, part.samples)
                own = slice(part.begin - piece.first, part.begin - piece.first + part.samples)
                if part is group[0]:
                    first = history
                if part in keep:
                    kept.append((part, candidates, history, values[-1][own]))
    assert first is not None
    waveform = None
    if point is not None and isinstance(digitiser, IntegratorReadout):
        waveform = _waveform(point, first, digitiser, columns[0], group[0].samples)
    if done is not None:
        done()
    return Readings(np.concatenate(values), first, waveform, kept)


def column_operating_point(
    array: SamplingArray, settings: SampleSettings, columns: list[int], ground: NDArray[np.float64] | None = None
) -> OperatingPoint:
    """Returns the operating point of some columns with their wires and drivers, every trap at its mean state.

    Args:
        array: The whole array.
        settings: Settings of the phase.
        columns: Which columns.
        ground: Voltage of every column's virtual ground in V; none: 0.
    """
    rows, every = array.shape
    occupancy = array.traps.occupancy(array.voltage).reshape(every, rows).T
    return operating_point(
        Cells.of(array.card, array.conductance[:, columns], array.amplitude[:, columns]),
        occupancy[:, columns],
        array.voltage if ground is None or not np.any(ground[columns]) else _across(array, ground[columns]),
        word_resistance=settings.word_line_resistance,
        bit_resistance=settings.bit_line_resistance,
        driver_resistance=settings.driver_resistance,
        lead=columns[0],
    )


def _across(array: SamplingArray, ground: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the voltage between row driver and virtual ground of each cell in V, shape `(rows, columns)`."""
    return np.broadcast_to(array.voltage - ground, (array.shape[0], len(ground)))


def _charge(currents: NDArray[np.float64], digitiser: IntegratorReadout, columns: list[int]) -> NDArray[np.float64]:
    """Returns the read-out's values: the charge over the reference's, edge of the reset included, per window."""
    reference = digitiser.reference[columns]
    longer = 1.0 + RESET_EDGE * digitiser.reset_time / digitiser.window
    return reference + (currents - reference) * longer


def _bits(
    states: NDArray[np.float64], array: SamplingArray, digitiser: ComparatorReadout, columns: list[int]
) -> NDArray[np.float64]:
    """Returns the number of rows whose cell's current lies above its threshold, shape `(samples, columns)`."""
    above = array.empty_current[:, columns] - array.swing[:, columns] * states - digitiser.threshold[:, columns]
    return np.sum(above > digitiser.offset[columns], axis=1).astype(float)


def _waveform(
    point: OperatingPoint, history: TrapHistory, digitiser: IntegratorReadout, column: int, samples: int
) -> Waveform:
    """Returns the integrator's output, exact at every transition and at the ends of each window.

    As in the co-simulation, the current at a point is its mean since the point before.
    """
    period, reset = digitiser.period, digitiser.reset_time * (1.0 - RESET_EDGE)
    begins = period * np.arange(samples)
    cleared = begins + 1e-3 * reset
    time = np.unique(np.concatenate([begins, cleared, begins + reset, [samples * period], history.times]))
    rows, columns = point.bias.shape
    current = np.full(len(time) - 1, float(point.current[0] - np.sum(point.slope[0] * point.occupancy)))
    for trap in range(rows * columns):
        current += point.slope[0][trap % rows, trap // rows] * history.state_at(trap, time[:-1])
    middle = (time[:-1] + time[1:]) / 2.0
    inside = middle % period > reset
    steps = np.where(inside, (current - digitiser.reference[column]) * np.diff(time) / digitiser.capacitance, 0.0)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    which = np.clip(np.ceil(time / period * (1.0 - 1e-12)).astype(int) - 1, 0, samples - 1)
    start = np.interp(begins + reset, time, total)
    output = np.where(time <= begins[which] + reset, 0.0, total - start[which])
    return Waveform(time, {"v(out0)": output, "i(vsense0)": np.concatenate([current[:1], current])})
