"""Columns of cells read through transistors: read after read in one transient, code after code.

Every column is a netlist of its own with devices of its own: mismatch is that of the instances `column{j}.sense` and
`column{j}.convert`. Reads are cut into chunks, each a transient that starts in reset; workers take columns and chunks
side by side. Before a chunk's first read stands the read before it (before the very first, that read itself), whose
result is dropped: so every read meets what the one before has left behind, and no result depends on the chunks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.pool import Open
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.render import render
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.chain import Chain
from ftj_spice.periphery.conversion import check_codes, done_node
from ftj_spice.periphery.power import driven, given
from ftj_spice.periphery.rig import Condition
from ftj_spice.periphery.stimulus import pulses, steps
from ftj_spice.periphery.waveform import Waveforms, charge, value_at

FloatArray = NDArray[np.float64]

CHUNK = 10
"""Reads of one transient, beside the one before them."""

_TEMPLATE = "periphery/readout.cir.j2"


@dataclass(frozen=True)
class ColumnReads:
    """What columns gave.

    Attributes:
        outputs: Output of the sense block when the chain says it counts, in V, shape `(batch, columns)`.
        codes: Codes, shape `(batch, columns)`.
        ground: Bit line minus the intended virtual ground at that moment, in V, shape `(batch, columns)`.
        energies: Energy of each read in J, shape `(batch, columns)`: `array`, what the cells turn into heat (their
            voltage times their current); `sense_column`, what the same current brings to the front end at its virtual
            ground; `clocks`, what their drivers take (`power.driven`); and `BLOCK_PORT` for every supply and bias
            (`power.given`; bias currents count as taken from the core supply).
        areas: Area of each block in m^2.
        operation: Waveforms of the first read of the first column.
        netlist: Its netlist.
    """

    outputs: FloatArray
    codes: NDArray[np.int64]
    ground: FloatArray
    energies: dict[str, FloatArray]
    areas: dict[str, float]
    operation: Waveforms
    netlist: str


@dataclass(frozen=True)
class _Part:
    """Reads of one column in one transient."""

    outputs: FloatArray
    codes: NDArray[np.int64]
    ground: FloatArray
    energies: dict[str, FloatArray]
    areas: dict[str, float]
    operation: Waveforms
    netlist: str


def read_columns(
    chain: Chain,
    condition: Condition,
    card: Card,
    conductance: ArrayLike,
    voltages: ArrayLike,
    engine: NgspiceEngine,
    *,
    chunk: int = CHUNK,
    progress: Callable[[int, int], None] | None = None,
) -> ColumnReads:
    """Reads columns through a chain's transistors.

    Args:
        chain: The chain.
        condition: Process, corner, temperature, supplies, mismatch.
        card: Card of the cells.
        conductance: In S at V_VMM, shape `(rows, columns)`; the cells are quiet.
        voltages: Inputs of the rows above the virtual ground in V, shape `(batch, rows)`.
        engine: Its workers take columns and chunks side by side.
        chunk: Reads of one transient.
        progress: Called with the number of finished transients and of all.

    Raises:
        DataError: Shapes don't fit, or a value is not finite or negative.
        SettingsError: The chain's blocks don't fit it.
        EngineError: A netlist does not load or converge; `ConversionError`: a converter gave no code.
    """
    g, v = np.asarray(conductance, float), np.asarray(voltages, float)
    if g.ndim != 2 or g.size == 0:
        raise DataError(f"conductances must have shape (rows, columns), not {g.shape}")
    if v.ndim != 2 or len(v) == 0 or v.shape[1] != len(g):
        raise DataError(f"voltages must have shape (batch, {len(g)}), not {v.shape}")
    if not (np.isfinite(g).all() and np.isfinite(v).all()):
        raise DataError("conductances and voltages must be finite, in siemens and volts")
    if g.min() < 0:
        raise DataError("conductances must not be negative")
    if chunk < 1:
        raise DataError(f"a chunk holds one read at least, not {chunk}")
    starts = range(0, len(v), chunk)
    tasks = [(column, start) for column in range(g.shape[1]) for start in starts]

    def job(open_session: Open, task: tuple[int, int]) -> _Part:
        column, start = task
        reads = np.concatenate([v[max(start - 1, 0)][np.newaxis], v[start : start + chunk]])
        return _read(chain, condition, card, column, g[:, column], reads, open_session)

    parts = engine.map(job, tasks, None if progress is None else lambda done: progress(done, len(tasks)))
    by_column = [parts[k : k + len(starts)] for k in range(0, len(parts), len(starts))]

    def joined(get: Callable[[_Part], NDArray[Any]]) -> NDArray[Any]:
        return np.stack([np.concatenate([get(part) for part in column]) for column in by_column], axis=1)

    return ColumnReads(
        outputs=joined(lambda part: part.outputs),
        codes=joined(lambda part: part.codes),
        ground=joined(lambda part: part.ground),
        energies={name: joined(lambda part, name=name: part.energies[name]) for name in parts[0].energies},
        areas=parts[0].areas,
        operation=parts[0].operation,
        netlist=parts[0].netlist,
    )


def _read(
    chain: Chain,
    condition: Condition,
    card: Card,
    column: int,
    conductance: FloatArray,
    voltages: FloatArray,
    open_session: Open,
) -> _Part:
    """Runs one transient; the first read only stands before the others."""
    reads, rows = voltages.shape
    blocks, areas, text = chain_blocks(chain, condition, column, reads)
    levels = {f"{b['kind']}_{port}": volts for b in blocks for port, volts in b["voltages"].items()}
    clocks = {f"{b['kind']}_{port}": points for b in blocks for port, points in b["clocks"].items()}
    bits = [] if chain.convert is None else [f"convert_{port}" for port in chain.convert.bits]
    done = done_node(chain)
    watched = [*bits, *([] if done is None else [done])]
    row_steps = [
        steps(chain.virtual_ground + voltages[:, i], chain.period, 5.0 * chain.clock_edge, chain.row_edge)
        for i in range(rows)
    ]
    bench = render(
        _TEMPLATE,
        rows=rows,
        reads=reads,
        period=chain.period,
        step=chain.step,
        row_steps=row_steps,
        cells=cell_values(Cells.of(card, conductance[:, np.newaxis])),
        wire=chain.wire,
        blocks=blocks,
        bits=bits,
        load=0.0 if chain.convert is None else chain.convert.load,
        saved=[*watched, *clocks],
        sources=[*levels, *clocks],
    )
    title, _, rest = bench.partition("\n")
    netlist = f"{title}\n.temp {condition.temperature - 273.15:.6g}\n{text}{rest}"
    vectors = ["time", "v(bl)", "v(out)", *(f"v({name})" for name in [*watched, *clocks])]
    vectors += [f"i(v{name})" for name in [*levels, *clocks]] + [f"i(vrow{i})" for i in range(rows)]
    session = open_session(netlist)
    try:
        result = session.run(Transient(chain.step, reads * chain.period, chain.step), vectors)
    finally:
        session.close()
    begins = chain.period * np.arange(1, reads)
    time = result["time"]
    outputs = value_at(time, result["v(out)"], begins + chain.sense.output_at)
    ground = value_at(time, result["v(bl)"], begins + chain.sense.output_at) - chain.virtual_ground
    high = condition.core
    codes = chain_codes(chain, result, begins, outputs, high)
    if chain.convert is not None:
        check_codes(chain, result.vectors, begins, outputs, codes, high, f"chain '{chain.name}', column {column}")
    biases = {f"{b['kind']}_{port}": high * abs(amperes) for b in blocks for port, amperes in b["currents"].items()}
    energies = _energies(result, begins, chain.period, levels, biases, clocks, row_steps)
    return _Part(outputs, codes, ground, energies, areas, _operation(chain, result, levels, clocks), netlist)


def chain_blocks(
    chain: Chain, condition: Condition, column: int, reads: int
) -> tuple[list[dict[str, Any]], dict[str, float], str]:
    """Returns a column's blocks as the template takes them, their areas in m^2, and models with subcircuits as text."""
    deck = Deck(condition.process, condition.corner, condition.mismatch)
    blocks, areas, before = [], {}, 0.0
    for kind, block in chain.blocks.items():
        variant, signals = chain.variant(kind), chain.ports(kind)
        name = deck.block(f"column{column}.{kind}", variant, **chain.parameters(kind))
        areas[kind], before = deck.area - before, deck.area
        supplies = {
            port: condition.process.supplies[level] * condition.supply for port, level in variant.supplies.items()
        }
        biases = {port: variant.bias(port) for port in variant.biases}
        high = max(supplies.values(), default=condition.core)
        clocks = {
            port: pulses(
                c.begin, c.end, c.count, c.every or 0.0, reads, chain.period, high, chain.clock_edge
            )
            for port, c in block.clocks.items()
        }  # fmt: skip
        blocks.append(
            {
                "kind": kind,
                "name": name,
                "nodes": [signals.get(port, f"{kind}_{port}") for port in variant.ports],
                "voltages": supplies | {port: value for port, (unit, value) in biases.items() if unit == "V"},
                "currents": {port: value for port, (unit, value) in biases.items() if unit == "A"},
                "clocks": clocks,
            }
        )
    return blocks, areas, deck.text()


def chain_codes(
    chain: Chain, result: Result, begins: FloatArray, outputs: FloatArray, high: float
) -> NDArray[np.int64]:
    """Returns the codes of reads that begin at these times; `high` is the logic's supply in V."""
    if chain.ideal is not None:
        return chain.ideal.codes(outputs)
    assert chain.convert is not None
    moments = begins + chain.convert.bits_at
    levels = [value_at(result["time"], result[f"v(convert_{port})"], moments) for port in chain.convert.bits]
    return chain.convert.codes(np.array(levels) > 0.5 * high)


def _energies(
    result: Result,
    begins: FloatArray,
    period: float,
    levels: dict[str, float],
    biases: dict[str, float],
    clocks: dict[str, list[list[float]]],
    row_steps: list[list[list[float]]],
) -> dict[str, FloatArray]:
    """Returns the energies of the reads; `levels` in V of each source, `biases` in W of each bias current."""
    time = result["time"]

    def each(take: Callable[[float, float], float]) -> FloatArray:
        return np.array([take(begin, begin + period) for begin in begins])

    found = {name: each(partial(given, time, result[f"i(v{name})"], volts)) for name, volts in levels.items()} | {
        name: np.full(len(begins), watts * period) for name, watts in biases.items()
    }
    pulsed = np.zeros(len(begins))
    for name, points in clocks.items():
        pulsed += each(partial(driven, time, result[f"i(v{name})"], max(volts for _, volts in points)))
    heat, through = np.zeros_like(time), np.zeros_like(time)
    for i, points in enumerate(row_steps):
        moments, volts = np.array(points).T
        heat -= (np.interp(time, moments, volts) - result["v(bl)"]) * result[f"i(vrow{i})"]
        through -= result[f"i(vrow{i})"]
    array, column = (each(partial(charge, time, power)) for power in (heat, result["v(bl)"] * through))
    return {"array": array, "clocks": pulsed, "sense_column": np.maximum(column, 0.0)} | found


def _operation(chain: Chain, result: Result, levels: dict[str, float], clocks: dict[str, Any]) -> Waveforms:
    time = result["time"]
    shown = (time >= chain.period) & (time <= 2.0 * chain.period)
    cut = {name: result[name][shown] for name in result.vectors if not name.startswith("i(vrow")}
    panels = {
        "Clocks (V)": {name: cut[f"v({name})"] for name in clocks},
        "Bit line (mV)": {"error": 1e3 * (cut["v(bl)"] - chain.virtual_ground)},
        "Output (V)": {"out": cut["v(out)"]},
        "Supplies (uA)": {name: -1e6 * cut[f"i(v{name})"] for name in levels if name.endswith("vdd")},
    }
    if chain.convert is not None:
        panels["Bits (V)"] = {port: cut[f"v(convert_{port})"] for port in chain.convert.bits}
    return Waveforms(time[shown] - chain.period, panels)
