"""Samples of flickering columns read through transistors: one read of an integrating chain per sample and column.

A chain of integrators integrates for tens of microseconds, a sample takes milliseconds: `lengthened` leaves its reset
and its conversion as they are, moves the clocks' edges in between so that it integrates over the sample's window, and
gives it the integration capacitor that makes its steps those of the sample phase. So the cells stand at V_RTN with
their own currents, their traps switch within the read when they do in the sample phase, an ideal source takes the
reference current off, and what switches leak over the window is in the codes.

As in `readout`, columns have devices of their own, chunks of reads are transients that start in reset, and before a
chunk's first read stands the read before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.traps import TrapHistory
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.pool import Open
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.render import render
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.chain import Block, Chain, Clock
from ftj_spice.periphery.conversion import check_codes, done_node
from ftj_spice.periphery.readout import CHUNK, chain_blocks, chain_codes
from ftj_spice.periphery.rig import Condition
from ftj_spice.periphery.stimulus import steps
from ftj_spice.periphery.waveform import value_at

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/sampled.cir.j2"
_UNIT = 1e-9  # A per volt of the reference's source: its numbers stay near 1
_STEPS = 400  # of a window, at least
_CAPACITOR = "c_int"  # parameter of every integrator


def integrates(chain: Chain) -> bool:
    """Returns whether a chain's front end is an integrator: charge counts from the fall of `sample` to `hold`."""
    variant = chain.variant("sense")
    known = {"sample", "hold"} <= set(chain.sense.clocks) and _CAPACITOR in variant.parameters
    return variant.bench == "integrator" and known


def lengthened(chain: Chain, process: str, window: float, pause: float, lsb: float) -> Chain:
    """Returns a chain that integrates over a sample's window.

    Args:
        chain: Its front end is an integrator.
        process: Name of the process: sizes may differ between them.
        window: In s.
        pause: From a window's end to the next one's begin, in s: conversion and reset lie in it.
        lsb: Mean current over the window of one step of the converter, in A.

    Raises:
        SettingsError: The front end does not integrate, or the pause is too short for it.
    """
    variant, clocks = chain.variant("sense"), chain.sense.clocks
    if not integrates(chain):
        raise SettingsError(
            f"chain '{chain.name}' does not integrate: it reads a column's current of an instant, and a sample is its "
            "mean over milliseconds; take a chain with an integrator, or the macromodel"
        )
    begin, end = clocks["sample"].end, clocks["hold"].begin
    longer, rest = window - (end - begin), pause - (chain.period - (end - begin))
    if longer < 0 or rest < 0:
        raise SettingsError(
            f"chain '{chain.name}' integrates for {end - begin:.3g} s and takes {chain.period - (end - begin):.3g} s "
            f"for reset and conversion, more than the sample's window of {window:.3g} s and its reset of {pause:.3g} "
            "s: raise sample.time or sample.reset_fraction"
        )
    capacitor = chain.parameters("sense").get(_CAPACITOR, variant.parameters[_CAPACITOR].number(process))
    larger = lsb * window / (chain.lsb * (end - begin))

    def later(time: float) -> float:
        return time if time == 0.0 else time + rest + (longer if time > begin else 0.0)

    def moved(clock: Clock) -> Clock:
        return clock.model_copy(update={"begin": later(clock.begin), "end": later(clock.end)})

    def moved_clocks(block: Block) -> dict[str, Clock]:
        return {port: moved(clock) for port, clock in block.clocks.items()}

    sense = chain.sense.model_copy(
        update={
            "clocks": moved_clocks(chain.sense),
            "output_at": later(chain.sense.output_at),
            "parameters": chain.sense.parameters | {_CAPACITOR: f"{larger * capacitor:.9g} F"},
        }
    )
    convert = chain.convert
    if convert is not None:
        changed = {"clocks": moved_clocks(convert), "bits_at": later(convert.bits_at)}
        convert = convert.model_copy(update=changed)
    period = window + pause
    return chain.model_copy(
        update={"sense": sense, "convert": convert, "period": period, "step": window / _STEPS}
    )  # fmt: skip


@dataclass(frozen=True)
class FlickeringColumn:
    """One column as its chain reads it, sample after sample.

    Attributes:
        chain: What reads it, from `lengthened`.
        number: Of the column: its devices are those of `columnNUMBER`.
        conductance: Of its cells in S at V_VMM, shape `(rows,)`.
        amplitude: Relative drop of each cell's current when its trap is filled, same shape.
        reference: Current that is taken off in each sample in A, shape `(samples,)`.
        occupancy: State of each trap where it stands still, shape `(rows,)`.
        history: What the traps do: sample n's window ends at n + 1 periods; none: they stand still.
        edge: Time that a transition takes in s.
    """

    chain: Chain
    number: int
    conductance: FloatArray
    amplitude: FloatArray
    reference: FloatArray
    occupancy: FloatArray
    history: TrapHistory | None = None
    edge: float = 1e-8

    def corners(self, trap: int, begin: float, end: float) -> list[list[float]]:
        """Returns the corners of a trap's state between two times of its history, in s from the first of them."""
        if self.history is None:
            return [[0.0, float(self.occupancy[trap])]]
        times, states = self.history.of(trap)
        before = int(np.searchsorted(times, begin, side="right"))
        level = float(states[before - 1] if before else self.history.initial[trap])
        found, last = [[0.0, level]], 0.0
        for moment, state in zip(times[before:] - begin, states[before:], strict=True):
            if moment >= end - begin:
                break
            start = max(moment - 0.5 * self.edge, last + 0.1 * self.edge)  # transitions nearer than an edge shift by it
            found += [[start, level], [start + self.edge, float(state)]]
            level, last = float(state), start + self.edge
        return found


@dataclass(frozen=True)
class SampledReads:
    """What the columns gave; arrays of shape `(samples, columns)`.

    Attributes:
        codes: Codes.
        ground: Bit line less the intended virtual ground at the windows' middle, in V.
        netlists: The first transient of each column.
    """

    codes: NDArray[np.int64]
    ground: FloatArray
    netlists: tuple[str, ...]


def read_samples(
    condition: Condition,
    card: Card,
    columns: Sequence[FlickeringColumn],
    voltage: float,
    engine: NgspiceEngine,
    *,
    chunk: int = CHUNK,
    progress: Callable[[int, int], None] | None = None,
) -> SampledReads:
    """Reads samples of columns through their chains' transistors.

    Args:
        condition: Process, corner, temperature, supplies, mismatch.
        card: Card of the cells.
        columns: With equally many samples.
        voltage: V_RTN, of all rows above the virtual ground, in V.
        engine: Its workers take columns and chunks side by side.
        chunk: Samples of one transient.
        progress: Called with the number of finished transients and of all.

    Raises:
        DataError: There is no column or sample, or their numbers differ.
        SettingsError: The chain's blocks don't fit it.
        EngineError: A netlist does not load or converge, or a converter gave no code.
    """
    counts = {len(column.reference) for column in columns}
    if len(counts) != 1 or 0 in counts:
        raise DataError("columns to read through transistors must have equally many samples, and one at least")
    count = counts.pop()
    starts = range(0, count, chunk)
    tasks = [(k, start) for k in range(len(columns)) for start in starts]

    def job(open_session: Open, task: tuple[int, int]) -> tuple[NDArray[np.int64], FloatArray, str]:
        k, start = task
        return _read(condition, card, columns[k], start, min(start + chunk, count), voltage, open_session)

    parts = engine.map(job, tasks, None if progress is None else lambda done: progress(done, len(tasks)))
    by_column = [parts[k : k + len(starts)] for k in range(0, len(parts), len(starts))]
    return SampledReads(
        codes=np.stack([np.concatenate([part[0] for part in own]) for own in by_column], axis=1),
        ground=np.stack([np.concatenate([part[1] for part in own]) for own in by_column], axis=1),
        netlists=tuple(own[0][2] for own in by_column),
    )


def _read(
    condition: Condition,
    card: Card,
    column: FlickeringColumn,
    start: int,
    stop: int,
    voltage: float,
    open_session: Open,
) -> tuple[NDArray[np.int64], FloatArray, str]:
    """Runs one transient; the first read only stands before the others."""
    chain = column.chain
    reads, rows, period = stop - start + 1, len(column.conductance), chain.period
    blocks, _, text = chain_blocks(chain, condition, column.number, reads)
    bits = [] if chain.convert is None else [f"convert_{port}" for port in chain.convert.bits]
    done = done_node(chain)
    watched = [*bits, *([] if done is None else [done])]
    window_end = chain.sense.clocks["hold"].begin
    # The read before the very first one sees the traps as they begin.
    first = start * period - window_end
    reference = column.reference[np.maximum(np.arange(start - 1, stop), 0)]
    bench = render(
        _TEMPLATE,
        rows=rows,
        reads=reads,
        period=period,
        step=chain.step,
        row_voltage=chain.virtual_ground + voltage,
        cells=cell_values(Cells.of(card, column.conductance[:, np.newaxis])),
        amplitudes=column.amplitude.tolist(),
        states=[column.corners(i, first, first + reads * period) for i in range(rows)],
        reference=steps(reference / _UNIT, period, 5.0 * chain.clock_edge, chain.row_edge),
        unit=_UNIT,
        wire=chain.wire,
        blocks=blocks,
        bits=bits,
        load=0.0 if chain.convert is None else chain.convert.load,
        saved=watched,
    )
    title, _, rest = bench.partition("\n")
    netlist = f"{title}\n.temp {condition.temperature - 273.15:.6g}\n{text}{rest}"
    session = open_session(netlist)
    try:
        result = session.run(
            Transient(chain.step, reads * period, chain.step),
            ["time", "v(bl)", "v(out)", *(f"v({name})" for name in watched)],
        )
    finally:
        session.close()
    begins = period * np.arange(1, reads)
    time = result["time"]
    outputs = value_at(time, result["v(out)"], begins + chain.sense.output_at)
    middle = begins + 0.5 * (chain.sense.clocks["sample"].end + window_end)
    ground = value_at(time, result["v(bl)"], middle) - chain.virtual_ground
    high = condition.core
    codes = chain_codes(chain, result, begins, outputs, high)
    if chain.convert is not None:
        where = f"chain '{chain.name}', column {column.number}"
        check_codes(chain, result.vectors, begins, outputs, codes, high, where)
    return codes, ground, netlist
