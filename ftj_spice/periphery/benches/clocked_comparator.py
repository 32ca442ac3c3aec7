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
from ftj_spice.periphery.deciding import input_range, times_over_input
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.power import given, supplied
from ftj_spice.periphery.probe import device_path, transconductance
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.waveform import Waveforms, value_at

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
            high=rig.condition.core,
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
        return ClockedCircuit(session, self.parse(rig), rig.variant.name, rig.condition.core)

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
                ("input_low", "input_high"): lambda: _input_range(circuit, curves),
                ("noise",): lambda: {"noise": _noise(self, rig, netlist, notes)},
                ("static_power",): lambda: {"static_power": _static_power(rig, session)},
            }
            for names, way in ways.items():
                findings.attempt(names, way)
            if rig.condition.mismatch is None and "decision_time" in findings.figures:
                curves["decision time"] = times_over_input(circuit.decision_time, settings.overdrives, "the threshold")
                operation = _operation(rig, circuit)
        return Measurement(findings.figures, operation, curves, findings.failures, notes, {self.name: netlist.text})


def _memory(circuit: ClockedCircuit) -> float:
    """Returns how far the threshold stands apart after clear decisions either way."""
    clear = circuit.settings.search
    return abs(circuit.threshold(before=clear) - circuit.threshold(before=-clear))


def _energy(rig: Rig, circuit: ClockedCircuit) -> dict[str, float]:
    """Returns the energy of one period by supply, and of charging the clock's input."""
    s = circuit.settings
    currents = [f"i(v{port})" for port in rig.supplies]
    result = circuit.cycle(circuit.threshold() + s.overdrive, (*currents, "i(vclk)"))
    time = result["time"]
    begin = circuit.start - s.edge
    parts = supplied(rig, time, result.vectors, begin, begin + s.period)
    # The ideal clock gets its charge back; a driver takes it from the supply and gives it to ground.
    parts["energy_clk"] = given(time, result["i(vclk)"], circuit.high, begin, begin + 0.25 * s.period)
    return parts | {"energy": parts["energy"] + parts["energy_clk"]}


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


def _input_range(circuit: ClockedCircuit, curves: dict[str, Curve]) -> dict[str, float]:
    s = circuit.settings
    ends, curves["decision time over the common mode"] = input_range(
        lambda level: circuit.decision_time(s.overdrive, vcommon=level),
        s.slowest * circuit.decision_time(s.overdrive),
        s.common_mode,
        circuit.high,
        s.common_step,
        "common mode (V)",
    )
    circuit.session.alter(vcommon=s.common_mode)
    return ends


def _noise(bench: ClockedComparatorBench, rig: Rig, netlist: Netlist, notes: dict[str, str]) -> float:
    s = bench.parse(rig)
    paths = [device_path(netlist, rig.condition.process, device) for device in s.pair]
    with rig.open(bench.netlist(rig, paths)) as session:
        circuit = bench.circuit(rig, session)
        gates = tuple(map(transconductance, paths))
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
