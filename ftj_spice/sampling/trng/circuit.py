"""Bits of a digitiser's circuit in ngspice, beside those of its event rule on the same trap histories."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.traps import TrapHistory, draw_candidates
from ftj_spice.engines.ngspice import NgspiceEngine, Open, Resolution, TrapPlan
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.netlist.benches import SampleArray, TrapSource
from ftj_spice.netlist.circuit import Cells, Line
from ftj_spice.netlist.digitisers import digitiser_bench
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import BIAS_MARGIN, Waveform
from ftj_spice.sampling.trng.design import Design
from ftj_spice.sampling.trng.rules import Digitiser, reference_level

STEPS = 20
"""Time steps per interval, at least."""
EDGE = 1e-5
"""Rise time of a transition, in relaxation times."""
FACTOR = 4.0
"""A bit hangs on the comparator's lag where a lag this many times longer or shorter, or instants this many lags earlier
or later, would give another."""
MARGIN = 1e-4
"""A bit hangs on the comparator's level where one this much higher or lower would give another, in nominal swings."""
SOFT = 5.0
"""Likewise with this many of the comparator's `sensitivity`, where the variant has such a parameter."""
WIRES = SampleSettings()
"""Wires and drivers are those of the sample phase."""


@dataclass(frozen=True)
class CircuitStream:
    """One digitiser after one power-up.

    Attributes:
        bits: Of the circuit, shape `(bits,)`.
        rule: Of the event rule, on the circuit's own trap histories.
        doubtful: Where the rule's own event (see `events`) hangs on the comparator's lag or level: there, and only
            there, circuit and rule may differ. Same shape.
        history: What the traps did since power-up.
        netlist: Netlist that makes the same bits with plain `ngspice -b`.
        waveform: Ports and cell currents.
        cell_energy: Of the cells, from the current of the row driver, in J per bit.
        edges: Edges that the rule counts per interval, on average.
        engine: Simulator and version.
    """

    bits: NDArray[np.uint8]
    rule: NDArray[np.uint8]
    doubtful: NDArray[np.bool_]
    history: TrapHistory
    netlist: str
    waveform: Waveform
    cell_energy: float
    edges: float
    engine: str


def simulate_bits(
    design: Design,
    engine: NgspiceEngine,
    *,
    streams: int,
    bits: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[CircuitStream]:
    """Makes bits in ngspice: some streams, each with cells of its own and a power-up of its own.

    Args:
        design: The digitiser at its operating point; `combine` does not count, every stream is one digitiser.
        engine: Where the transients run.
        streams: How many.
        bits: Per stream.
        progress: Called with finished and all streams.

    Raises:
        SettingsError: `streams` or `bits` is not positive.
        RenderError: The variant's template is not fit for a netlist.
        EngineError: A simulation failed.
    """
    if streams < 1 or bits < 1:
        raise SettingsError(f"streams and bits must be at least 1, got {streams} and {bits}")
    return engine.map(
        lambda open_netlist, stream: _simulate(open_netlist, design, stream, bits),
        range(streams),
        (lambda done: progress(done, streams)) if progress else None,
    )


def bench(design: Design, stream: int, bits: int, traps: TrapSource, saved: Sequence[str] = ()) -> str:
    """Returns the netlist of one stream.

    Raises:
        RenderError: The variant's template is not fit for a netlist.
    """
    cells = design.cells(stream)
    reference = reference_level(design.variant.rule.reference, design.numbers(cells, 0))
    return digitiser_bench(
        _array(design, stream),
        design.template,
        f"digitiser {design.variant.name}",
        name=design.variant.name,
        ports=design.variant.nodes,
        values={
            "p": design.parameters,
            "output": design.variant.rule.output,
            "offset": design.settings.comparator_offset * design.swing,
            "reference": reference * design.swing,
        },
        traps=traps,
        voltage=design.voltage,
        interval=design.interval,
        settling=design.settling,
        bits=bits,
        step=design.interval / STEPS,
        saved=saved,
    )


def _array(design: Design, stream: int) -> SampleArray:
    cells = design.cells(stream)
    own = slice(0, design.variant.cells)
    return SampleArray(
        Cells.of(design.card, cells.conductance[np.newaxis, own], cells.amplitude[np.newaxis, own]),
        word_line=Line(WIRES.word_line_resistance, WIRES.word_line_capacitance),
        bit_line=Line(WIRES.bit_line_resistance, WIRES.bit_line_capacitance),
        driver_resistance=WIRES.driver_resistance,
    )


def _simulate(open_netlist: Open, design: Design, stream: int, bits: int) -> CircuitStream:
    size = design.variant.cells
    stop = design.settling + bits * design.interval
    step = design.interval / STEPS
    edge = EDGE * design.relaxation_time
    cells = design.cells(stream)
    candidates = draw_candidates(
        cells.traps.take(slice(0, size)),
        stop,
        (-BIAS_MARGIN, design.voltage + BIAS_MARGIN),
        design.settings.seed,
        [(stream, k) for k in range(size)],
        initial_voltage=0.0,
        purpose="trng-trap",
    )
    plus, minus = _array(design, stream).nodes()
    names = [*(f"v({node})" for node in design.variant.nodes), "i(vrow0)"]
    names += [f"i(vsense{k})" for k in range(size)]
    with open_netlist(bench(design, stream, bits, TrapSource(), sorted({*plus, *minus}))) as session:
        result = session.simulate(
            Transient(step, stop, step),
            ["time", *names],
            TrapPlan(candidates, tuple(plus), tuple(minus), Resolution.EVENTS, edge),
        )
        engine = session.engine
    history = result.history
    assert history is not None
    instants = design.settling + design.interval * np.arange(1, bits + 1)
    found = np.interp(instants, result["time"], result["v(bit)"]) > 0.5
    rule, doubtful, edges = _by_rule(design, stream, history, bits)
    return CircuitStream(
        found.astype(np.uint8),
        rule,
        doubtful,
        history,
        bench(design, stream, bits, TrapSource.replay(history, edge, centred=False)),
        Waveform(result["time"], {name: result[name] for name in names}),
        _cell_energy(design, result) / bits,
        edges,
        engine,
    )


def _by_rule(
    design: Design, stream: int, history: TrapHistory, bits: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], float]:
    """Returns the bits of the event rule, which of their events hang on a hair, and the edges per interval."""
    cells = design.numbers(design.cells(stream), 0)

    def follow(late: float = 0.0, **changed: float) -> tuple[NDArray[np.uint8], int]:
        out = np.zeros(bits, np.uint8)
        numbers = design.rule_numbers | changed
        settling = max(design.settling + late, 0.0)
        digitiser = Digitiser(design.variant.rule, cells, numbers, design.interval, settling, history=history)
        digitiser.read(out)
        return out, digitiser.edges

    rule, edges = follow()
    lag, offset = design.rule_numbers.get("lag", 0.0), design.rule_numbers["offset"]
    others = [follow(late=late) for late in (-FACTOR * lag, FACTOR * lag)]
    others += [follow(lag=changed) for changed in (lag / FACTOR, lag * FACTOR)]
    margin = max(MARGIN, SOFT * design.parameters.get("sensitivity", 0.0) / design.swing)
    others += [follow(offset=changed) for changed in (offset - margin, offset + margin)]
    doubtful = np.zeros(bits, bool)
    for other, _ in others:
        doubtful |= events(design, other) != events(design, rule)
    return rule, doubtful, edges / bits


def events(design: Design, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns what each interval adds: its bit, or for an output that toggles, whether it changed the output.

    So an edge that only one of two toggles saw is one difference, not one in every bit that follows. What the first
    interval of a toggle adds is not known: 0.
    """
    if design.variant.rule.output == "toggle":
        return np.diff(bits, prepend=bits[:1]).astype(np.uint8) & 1
    return bits


def _cell_energy(design: Design, result: Result) -> float:
    """Returns the energy that the row driver gave after the settling time, in J."""
    time, current = result["time"], -result["i(vrow0)"]
    inside = time >= design.settling
    return float(design.voltage * np.trapezoid(current[inside], time[inside]))
