"""Bench of clocked comparators: ports `inp inn clk outp outn`, they decide while the clock is high.

What it asks of the circuit is in `ftj_spice.periphery.clocked`.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import OperatingPoint
from ftj_spice.periphery.aperture import input_noise
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.clocked import ClockedCircuit, ClockedComparatorSettings, sampling_aperture
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.probe import device_path
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.waveform import Waveforms, charge, value_at

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/benches/clocked_comparator.cir.j2"
_PORTS = {name: name for name in ("inp", "inn", "clk", "outp", "outn")}
_WIRE = 1e-3


class ClockedComparatorBench:
    """Offset, speed, energy, kickback, input range and noise of a clocked comparator."""

    name = "clocked_comparator"
    figures = (
        "offset",
        "hysteresis",
        "decision_time",
        "energy",
        "kickback",
        "input_low",
        "input_high",
        "noise",
        "static_power",
        "area",
    )
    drawn = ("offset", "decision_time")
    settings = ClockedComparatorSettings

    def parse(self, rig: Rig) -> ClockedComparatorSettings:
        """Returns the variant's settings."""
        return ClockedComparatorSettings.parse(dict(rig.variant.settings), f"settings of '{rig.variant.name}'")

    def netlist(self, rig: Rig, probes: Sequence[Sequence[str]] = ()) -> Netlist:
        """Returns the bench with the circuit in it.

        Args:
            rig: The circuit and its condition.
            probes: Transistors whose transconductance is saved, see `device_path`.

        Raises:
            FtjSpiceError: Template or settings are wrong.
        """
        s = self.parse(rig)
        return rig.netlist(
            _TEMPLATE,
            nodes=_PORTS,
            high=_clock_level(rig),
            common_mode=s.common_mode,
            start=0.125 * s.period,
            period=s.period,
            edge=s.edge,
            load=s.load,
            resistance=_WIRE,
            probes=[list(path) for path in probes],
        )

    def circuit(self, rig: Rig, session: NgspiceSession) -> ClockedCircuit:
        """Returns the loaded netlist as something to ask for decisions."""
        return ClockedCircuit(session, self.parse(rig), rig.variant.name, _clock_level(rig))

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures; see `Bench.measure`."""
        netlist, settings = self.netlist(rig), self.parse(rig)
        findings = Findings(frozenset(figures))
        curves: dict[str, Curve] = {}
        notes = {"area": f"layout factor {rig.condition.process.layout_factor:g}"}
        operation = None
        with rig.open(netlist) as session:
            circuit = self.circuit(rig, session)
            ways: dict[tuple[str, ...], Callable[[], dict[str, float]]] = {
                ("area",): lambda: {"area": netlist.deck.area},
                ("offset",): lambda: {"offset": circuit.threshold()},
                ("hysteresis",): lambda: {"hysteresis": _memory(circuit)},
                ("decision_time",): lambda: {"decision_time": circuit.decision_time(settings.overdrive)},
                ("energy",): lambda: _energy(rig, circuit),
                ("kickback",): lambda: {"kickback": _kickback(circuit, curves, notes)},
                ("input_low", "input_high"): lambda: _input_range(rig, circuit, curves),
                ("noise",): lambda: {"noise": _noise(self, rig, netlist, notes)},
                ("static_power",): lambda: {"static_power": _static_power(rig, session)},
            }
            for names, way in ways.items():
                findings.attempt(names, way)
            if rig.condition.mismatch is None and "decision_time" in findings.figures:
                curves["decision time"] = _decision_times(circuit)
                operation = _operation(rig, circuit)
        return Measurement(findings.figures, operation, curves, findings.failures, notes, {self.name: netlist.text})


def _clock_level(rig: Rig) -> float:
    return rig.condition.process.supplies["core"] * rig.condition.supply


def _memory(circuit: ClockedCircuit) -> float:
    """Returns how far the threshold stands apart after clear decisions either way."""
    clear = circuit.settings.search
    return abs(circuit.threshold(before=clear) - circuit.threshold(before=-clear))


def _energy(rig: Rig, circuit: ClockedCircuit) -> dict[str, float]:
    """Returns the energy of one period by supply, and of charging the clock's input."""
    s = circuit.settings
    currents = {port: f"i(v{port})" for port in rig.supplies}
    result = circuit.cycle(circuit.threshold() + s.overdrive, (*currents.values(), "i(vclk)"))
    time = result["time"]
    begin = circuit.start - s.edge
    parts = {
        f"energy_{port}": -rig.supplies[port] * charge(time, result[current], begin, begin + s.period)
        for port, current in currents.items()
    }
    # The ideal clock gets its charge back; a driver takes it from the supply and gives it to ground.
    rising = -charge(time, result["i(vclk)"], begin, begin + 0.25 * s.period)
    parts["energy_clk"] = circuit.high * max(rising, 0.0)
    return parts | {"energy": float(sum(parts.values()))}


def _kickback(circuit: ClockedCircuit, curves: dict[str, Curve], notes: dict[str, str]) -> float:
    s = circuit.settings
    resistances = np.array(sorted({*s.source_resistances, s.source_resistance}))
    single, differential = [], []
    for resistance in resistances:
        _, _, result = circuit.decide(
            circuit.threshold() + s.overdrive, more=("v(inp)", "v(inn)"), rinp=resistance, rinn=resistance
        )
        moves = [result[node] - result[node][0] for node in ("v(inp)", "v(inn)")]
        single.append(max(float(np.abs(move).max()) for move in moves))
        differential.append(float(np.abs(moves[0] - moves[1]).max()))
    circuit.session.alter(rinp=_WIRE, rinn=_WIRE)
    curves["kickback"] = Curve(resistances, np.array(single), "resistance of each source (ohm)", "kickback (V)")
    curves["differential kickback"] = Curve(
        resistances, np.array(differential), "resistance of each source (ohm)", "kickback (V)"
    )
    at = int(np.flatnonzero(resistances == s.source_resistance)[0])
    notes["kickback"] = (
        f"at either input from {s.source_resistance:g} ohm; between the inputs {1e3 * differential[at]:.3g} mV"
    )
    return single[at]


def _input_range(rig: Rig, circuit: ClockedCircuit, curves: dict[str, Curve]) -> dict[str, float]:
    s = circuit.settings
    limit = s.slowest * circuit.decision_time(s.overdrive)
    top = _clock_level(rig)
    times: dict[float, float] = {}
    ends = {}
    for name, direction in (("input_low", -1.0), ("input_high", 1.0)):
        ends[name] = s.common_mode
        count = int((s.common_mode if direction < 0 else top - s.common_mode) / s.common_step + 1e-9)
        for k in range(count + 1):
            level = s.common_mode + direction * k * s.common_step
            try:
                times[level] = circuit.decision_time(s.overdrive, vcommon=level)
            except MeasurementError:
                break
            if times[level] > limit:
                break
            ends[name] = level
    circuit.session.alter(vcommon=s.common_mode)
    levels = np.array(sorted(times))
    curves["decision time over the common mode"] = Curve(
        levels, np.array([times[level] for level in levels]), "common mode (V)", "decision time (s)"
    )
    return ends


def _noise(bench: ClockedComparatorBench, rig: Rig, netlist: Netlist, notes: dict[str, str]) -> float:
    s = bench.parse(rig)
    paths = [device_path(netlist, rig.condition.process, device) for device in s.pair]
    with rig.open(bench.netlist(rig, paths)) as session:
        circuit = bench.circuit(rig, session)
        gates = tuple(f"@{'.'.join(path)}[gm]" for path in paths)
        steps, share = sampling_aperture(circuit)
        _, _, quiet = circuit.decide(circuit.threshold(), more=gates)
    middles = 0.5 * (steps[1:] + steps[:-1])
    gm = np.array([value_at(quiet["time"] - circuit.start, quiet[gate], middles) for gate in gates])
    notes["noise"] = (
        f"channel noise of the input pair ({', '.join(s.pair)}) alone, {s.excess_noise:g} x 4 k T gm, weighed with the "
        f"sampling aperture; the latch adds to it"
    )
    return input_noise(steps, share, gm, rig.condition.temperature, s.excess_noise)


def _static_power(rig: Rig, session: NgspiceSession) -> float:
    result = session.run(OperatingPoint(), [f"i(v{port})" for port in rig.supplies])
    return float(sum(-volts * result[f"i(v{port})"][0] for port, volts in rig.supplies.items()))


def _decision_times(circuit: ClockedCircuit) -> Curve:
    pairs = []
    for overdrive in circuit.settings.overdrives:
        try:
            pairs.append((overdrive, circuit.decision_time(overdrive)))
        except MeasurementError:
            continue
    x, y = np.array(pairs).T
    return Curve(x, y, "input beyond the threshold (V)", "decision time (s)")


def _operation(rig: Rig, circuit: ClockedCircuit) -> Waveforms:
    """Returns a decision low, then one high, 10 mV from the threshold."""
    s = circuit.settings
    base = circuit.threshold()
    more = ("v(clk)", "v(inp)", "v(inn)", *(f"i(v{port})" for port in rig.supplies))
    _, _, result = circuit.decide(base + s.overdrive, base - s.overdrive, more)
    panels = {
        "clock (V)": {"clk": result["v(clk)"]},
        "outputs (V)": {"outp": result["v(outp)"], "outn": result["v(outn)"]},
        "input (mV)": {"inp - inn": 1e3 * (result["v(inp)"] - result["v(inn)"])},
        "supply current (uA)": {port: -1e6 * result[f"i(v{port})"] for port in rig.supplies},
    }
    return Waveforms(result["time"], panels)


BENCH = ClockedComparatorBench()
