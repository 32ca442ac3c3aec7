"""Bench of continuous comparators: ports `inp inn out` (two inputs) or `in out` (an edge detector).

What it asks of the circuit is in `ftj_spice.periphery.continuous`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.seeds import generator
from ftj_spice.engines.protocol import Transient
from ftj_spice.periphery.aperture import window_noise
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.continuous import ContinuousCircuit, ContinuousComparatorSettings
from ftj_spice.periphery.deciding import input_range, times_over_input
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.power import bias_energy, bias_power
from ftj_spice.periphery.probe import device_path, transconductance
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.telegraph import disagreement, edge_errors
from ftj_spice.periphery.waveform import Waveforms, charge, crossings, mean_over, value_at

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/benches/continuous_comparator.cir.j2"
_WIRE = 1e-3


class ContinuousComparatorBench:
    """Trip points, speed, energy, kickback, input range, noise and telegraph errors of a continuous comparator."""

    name = "continuous_comparator"
    figures = (
        "offset",
        "hysteresis",
        "smallest_edge",
        "decision_time",
        "dead_time",
        "energy",
        "kickback",
        "input_low",
        "input_high",
        "noise",
        "disagreement",
        "missed_edges",
        "false_edges",
        "static_power",
        "area",
    )
    drawn = ("offset", "hysteresis", "smallest_edge", "decision_time")
    settings = ContinuousComparatorSettings

    def parse(self, rig: Rig) -> ContinuousComparatorSettings:
        """Returns the variant's settings."""
        return ContinuousComparatorSettings.parse(dict(rig.variant.settings), f"settings of '{rig.variant.name}'")

    def netlist(self, rig: Rig, times: Sequence[float] = (), probes: Sequence[Sequence[str]] = ()) -> Netlist:
        """Returns the bench with the circuit in it.

        Args:
            rig: The circuit and its condition.
            times: When the input goes from its second to its third value and back, by turns, in s; once where empty.
            probes: Transistors whose transconductance is saved, see `device_path`.

        Raises:
            FtjSpiceError: Template or settings are wrong.
        """
        s = self.parse(rig)
        edges = "in" in rig.variant.ports
        source, reference = ("in", False) if edges else ("inp", "inn")
        nodes = {"in": "in"} if edges else {"inp": "inp", "inn": "inn"}
        return rig.netlist(
            _TEMPLATE,
            nodes=nodes | {"out": "out"},
            level=s.level,
            times=[s.rest, *(times or (2.0 * s.rest,))],
            edge=s.edge,
            load=s.load,
            resistance=_WIRE,
            input=source,
            reference=reference,
            probes=[list(path) for path in probes],
        )

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures; see `Bench.measure`."""
        s = self.parse(rig)
        netlist = self.netlist(rig)
        findings = Findings(frozenset(figures))
        curves: dict[str, Curve] = {}
        notes = {"area": f"layout factor {rig.condition.process.layout_factor:g}"}
        operation = None
        with rig.open(netlist) as session:
            circuit = ContinuousCircuit(session, s, rig.variant.name, rig.condition.core, "in" in rig.variant.ports)
            telegraph = ("disagreement", "missed_edges", "false_edges")
            ways: dict[tuple[str, ...], Callable[[], dict[str, float]]] = {
                ("area",): lambda: {"area": netlist.deck.area},
                ("offset",): lambda: {"offset": 0.5 * (circuit.trip(1.0) - circuit.trip(-1.0))},
                ("hysteresis",): lambda: {"hysteresis": circuit.trip(1.0) + circuit.trip(-1.0)},
                ("smallest_edge",): lambda: {"smallest_edge": _smallest_edge(circuit)},
                ("decision_time",): lambda: {"decision_time": circuit.decision_time(s.overdrive)},
                ("dead_time",): lambda: {"dead_time": _dead_time(self, rig, circuit)},
                ("energy", "static_power"): lambda: _power(rig, circuit, notes),
                ("kickback",): lambda: {"kickback": _kickback(rig, circuit)},
                ("input_low", "input_high"): lambda: _input_range(circuit, curves),
                ("noise",): lambda: {"noise": _noise(self, rig, netlist, circuit, notes)},
                telegraph: lambda: _telegraph(self, rig, circuit, notes),
            }
            for names, way in ways.items():
                findings.attempt(names, way)
            if rig.condition.mismatch is None and "decision_time" in findings.figures:
                curves["decision time"] = times_over_input(circuit.decision_time, s.overdrives, "the trip point")
                operation = _operation(self, rig, circuit)
        return Measurement(findings.figures, operation, curves, findings.failures, notes, {self.name: netlist.text})


def _smallest_edge(circuit: ContinuousCircuit) -> float:
    if not circuit.detects_edges:
        return circuit.trip(1.0) + circuit.trip(-1.0)
    return max(circuit.trip(1.0), circuit.trip(-1.0))


def _span(circuit: ContinuousCircuit) -> tuple[float, float]:
    """Returns the two inputs in V between which a signal goes that is `overdrive` beyond either trip point.

    Around its mean an edge detector sees half of a fast signal's height: it needs as much as a comparator.
    """
    overdrive = circuit.settings.overdrive
    return -circuit.trip(-1.0) - overdrive, circuit.trip(1.0) + overdrive


def _dead_time(bench: ContinuousComparatorBench, rig: Rig, circuit: ContinuousCircuit) -> float:
    """Returns the shortest pulse in s whose both edges come through at the output, by halving its length."""
    s = circuit.settings
    low, high = 2.0 * s.edge, s.wait
    if not _passes(bench, rig, circuit, high):
        raise MeasurementError(f"a pulse of {1e6 * high:g} us does not come through '{circuit.name}'")
    while high > 1.05 * low:
        middle = (low * high) ** 0.5
        if _passes(bench, rig, circuit, middle):
            high = middle
        else:
            low = middle
    return high


def _passes(bench: ContinuousComparatorBench, rig: Rig, circuit: ContinuousCircuit, width: float) -> bool:
    s = circuit.settings
    down, up = _span(circuit)
    with rig.open(bench.netlist(rig, (circuit.begin, circuit.begin + width))) as session:
        session.alter(vfirst=0.0 if circuit.detects_edges else down, vsecond=down, vthird=up)
        result = session.run(
            Transient(s.edge, circuit.begin + width + s.wait, min(s.wait / 50.0, width / 10.0)), ["time", "v(out)"]
        )
    found = crossings(result["time"], result["v(out)"], 0.5 * circuit.high)
    return len(found[found > circuit.begin]) == 2


def _power(rig: Rig, circuit: ContinuousCircuit, notes: dict[str, str]) -> dict[str, float]:
    """Returns the energy of a decision by supply, and the power at rest."""
    s = circuit.settings
    begin, end = circuit.begin, circuit.begin + s.wait
    resting, took = 0.0, 0.0
    parts = {f"energy_{port}": 0.0 for port in rig.supplies}
    for sign in (1.0, -1.0):
        height = circuit.trip(sign) + s.overdrive
        result = circuit.step(sign, height, [f"i(v{port})" for port in rig.supplies])
        decided = min(begin + circuit.delay(sign, height) + 5.0 * s.edge, end)
        took += 0.5 * (decided - begin)
        for port, volts in rig.supplies.items():
            time, power = result["time"], -volts * result[f"i(v{port})"]
            parts[f"energy_{port}"] += 0.5 * charge(time, power, begin, decided)
            resting += 0.25 * (
                mean_over(time, power, begin - 0.1 * s.rest, begin) + mean_over(time, power, end - 0.1 * s.wait, end)
            )
    parts |= bias_energy(rig, took)
    taken = sum(bias_power(rig).values())
    notes["static_power"] = (
        f"with {1e6 * taken / rig.condition.core:g} uA of bias current from the core supply; mean of both states"
    )
    notes["energy"] = (
        "from a step of the input until the output has switched, standing power and bias current included; "
        "mean of both ways"
    )
    return parts | {"energy": float(sum(parts.values())), "static_power": float(resting + taken)}


def _kickback(rig: Rig, circuit: ContinuousCircuit) -> float:
    s = circuit.settings
    node = "v(in)" if circuit.detects_edges else "v(inp)"
    alters = {"rin": s.source_resistance} | ({} if circuit.detects_edges else {"rref": s.source_resistance})
    largest = 0.0
    for sign in (1.0, -1.0):
        height = circuit.trip(sign) + s.overdrive
        result = circuit.step(sign, height, [node], **alters)
        time = result["time"]
        after = time > circuit.begin + 2.0 * s.edge  # the source's own edge is over
        # An edge detector takes the charge of its capacitor: kickback is what comes when the output moves.
        moved = np.abs(result[node][after] - result[node][-1])
        around = np.abs(time[after] - circuit.begin - circuit.delay(sign, height)) < 5.0 * s.edge
        largest = max(largest, float(moved[around].max(initial=0.0)))
    circuit.session.alter(**dict.fromkeys(alters, _WIRE))
    return largest


def _input_range(circuit: ContinuousCircuit, curves: dict[str, Curve]) -> dict[str, float]:
    s = circuit.settings

    def decision_time(level: float) -> float:
        heights = {sign: circuit.trip(sign) + s.overdrive for sign in (1.0, -1.0)}
        return max(circuit.delay(sign, height, vlevel=level) for sign, height in heights.items())

    limit = s.slowest * circuit.decision_time(s.overdrive)
    ends, curves["decision time over the level"] = input_range(
        decision_time, limit, s.level, circuit.high, s.level_step, "level of the input (V)"
    )
    circuit.session.alter(vlevel=s.level)
    return ends


def _noise(
    bench: ContinuousComparatorBench, rig: Rig, netlist: Netlist, circuit: ContinuousCircuit, notes: dict[str, str]
) -> float:
    s = circuit.settings
    paths = [device_path(netlist, rig.condition.process, device) for device in s.pair]
    height = circuit.trip(1.0) + s.overdrive
    delay = circuit.delay(1.0, height)
    gates = list(map(transconductance, paths))
    with rig.open(bench.netlist(rig, probes=paths)) as session:
        result = replace(circuit, session=session).step(1.0, height, gates)
    during = np.linspace(circuit.begin + s.edge, circuit.begin + delay, 50)
    gm = np.array([value_at(result["time"], result[gate], during).mean() for gate in gates])
    notes["noise"] = (
        f"channel noise of the input pair ({', '.join(s.pair)}) alone, {s.excess_noise:g} x 4 k T gm, averaged over "
        f"the decision time"
    )
    return window_noise(gm, delay, rig.condition.temperature, s.excess_noise)


def _telegraph(
    bench: ContinuousComparatorBench, rig: Rig, circuit: ContinuousCircuit, notes: dict[str, str]
) -> dict[str, float]:
    """Returns how the output follows a telegraph signal of exponential dwell times."""
    s = circuit.settings
    down, up = _span(circuit)
    dwells = np.maximum(generator(0, "telegraph").exponential(s.dwell, s.edges), 2.0 * s.edge)
    times = circuit.begin + np.concatenate([[0.0], np.cumsum(dwells)])
    with rig.open(bench.netlist(rig, times.tolist())) as session:
        session.alter(vfirst=0.0 if circuit.detects_edges else down, vsecond=down, vthird=up)
        stop = float(times[-1])
        result = session.run(Transient(s.edge, stop, s.dwell / 20.0), ["time", "v(out)"])
    out = crossings(result["time"], result["v(out)"], 0.5 * circuit.high)
    state = bool(value_at(result["time"], result["v(out)"], times[0]) > 0.5 * circuit.high)
    share = disagreement(times[:-1], False, out, state, (float(times[0]), stop))
    missed, false = edge_errors(times[:-1], False, out, state, (float(times[0]), stop))
    notes["disagreement"] = (
        f"telegraph signal of {1e3 * (up - down):.3g} mV, {s.edges} edges, exponential dwell times of "
        f"{1e6 * s.dwell:g} us on the mean, no noise"
    )
    return {"disagreement": share, "missed_edges": missed, "false_edges": false}


def _operation(bench: ContinuousComparatorBench, rig: Rig, circuit: ContinuousCircuit) -> Waveforms:
    """Returns two dwells of a telegraph signal."""
    s = circuit.settings
    down, up = _span(circuit)
    times = [circuit.begin, circuit.begin + 0.5 * s.wait, circuit.begin + s.wait]
    source = "v(in)" if circuit.detects_edges else "v(inp)"
    currents = [f"i(v{port})" for port in rig.supplies]
    with rig.open(bench.netlist(rig, times)) as session:
        session.alter(vfirst=0.0 if circuit.detects_edges else down, vsecond=down, vthird=up)
        stop = circuit.begin + 1.5 * s.wait
        result = session.run(Transient(s.edge, stop, s.edge), ["time", source, "v(out)", *currents])
    shown = result["time"] > circuit.begin - 0.2 * s.wait
    panels = {
        "input (V)": {"input": result[source][shown]},
        "output (V)": {"out": result["v(out)"][shown]},
        "supply current (uA)": {port: -1e6 * result[f"i(v{port})"][shown] for port in rig.supplies},
    }
    return Waveforms(result["time"][shown] - result["time"][shown][0], panels)


BENCH = ContinuousComparatorBench()
