"""Bench of column multiplexers: ports `in0 ... in(n-1) out a0 ... `, one line at a time to the output.

The line under test, the last one, carries a real column; the others their capacitance. Behind the output stands an
ideal virtual ground, whose current says everything: what arrives, what leaks, what switching injects.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.quantities import Farads, Number, Seconds, Volts
from ftj_spice.common.settings import Strict
from ftj_spice.engines.protocol import OperatingPoint, Result, Transient
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.stimulus import steps
from ftj_spice.periphery.waveform import Waveforms, charge, mean_over, settling_time, value_at

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/benches/multiplexer.cir.j2"
_SWITCHED = ("settling_time", "energy", "static_power")
_SENSE = 1e3
"""Resistance in ohm to the virtual ground: a nanosecond with a line; much less would drown pA in rounding."""
_FORCE = 1e3
"""Resistance in ohm through which a line is held at a voltage."""
_FLOATING = 1e12
"""Resistance in ohm in place of the virtual ground, for what reaches a line that nothing holds."""


class MultiplexerSettings(Strict):
    """Settings of the bench."""

    channels: Annotated[int, Field(ge=2, le=64)] = 8
    """Lines; the variant has as many ports `in0 ...` and `a0 ...` for their address."""
    rows: Annotated[int, Field(ge=1, le=1024)] = 64
    """Cells of a line; all of them in the low-resistance state at V_VMM are its current."""
    wire: Annotated[Farads, Field(ge=0)] = 0.13e-12
    """Capacitance of each line's wire; the cells bring their own."""
    ground: Volts = 0.9
    """Virtual ground."""
    lowest: Volts = 0.4
    """Lowest voltage of a line for the on-resistance."""
    highest: Volts = 1.4
    """Highest one."""
    off_line: Volts = 0.1
    """How far the other lines stand off the virtual ground for the leakage, either way."""
    window: Annotated[Seconds, Field(gt=0)] = 5e-6
    """How long an address stands."""
    edge: Annotated[Seconds, Field(gt=0)] = 0.2e-9
    """Rise and fall time of the address."""
    step_height: Annotated[Volts, Field(gt=0)] = 0.1
    """Step of a neighbouring line for the crosstalk."""
    load: Annotated[Farads, Field(ge=0)] = 50e-15
    """Capacitance of the wire at the output."""
    settled_within: Annotated[Number, Field(gt=0, lt=1)] = 0.01
    """Distance of the output's current from its last value, as a part of it, that ends the settling time."""


class Stand:
    """One multiplexer under one condition, with its lines.

    Args:
        rig: The circuit and its condition.

    Raises:
        SettingsError: The settings are wrong.
    """

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        where = f"variant '{rig.variant.name}', settings"
        self.settings = s = MultiplexerSettings.parse(dict(rig.variant.settings), where)
        self.bits = (s.channels - 1).bit_length()
        if s.channels != 2**self.bits:
            raise SettingsError(f"{where}: 'channels' must be a power of two, got {s.channels}")
        card = rig.card
        one = Cells.of(card, np.array([[card.on_conductance]]))
        self.cells = replace(one, strength=s.rows * one.strength, capacitance=s.rows * one.capacitance)
        self.current = s.rows * card.on_conductance * card.vmm_voltage
        self.target = s.channels - 1
        self.high = max(rig.supplies.values())

    def netlist(self, addresses: list[int], *, reading: bool = False, floating: bool = False) -> Netlist:
        """Returns the bench: one address after another, each for a window.

        Args:
            addresses: Selected lines.
            reading: Whether the column's rows stand at V_VMM, or rest.
            floating: Whether nothing holds the output.
        """
        s = self.settings
        bits = np.array(addresses)[:, np.newaxis] >> np.arange(self.bits) & 1
        ports = ["out", *(f"in{k}" for k in range(s.channels)), *(f"a{bit}" for bit in range(self.bits))]
        return self.rig.netlist(
            _TEMPLATE,
            nodes={port: port for port in ports},
            channels=s.channels,
            rows=s.rows,
            target=self.target,
            neighbour=self.target - 1,
            cells=cell_values(self.cells),
            wire=s.wire,
            line=s.wire + self.cells.capacitance,
            row_level=s.ground + (self.rig.card.vmm_voltage if reading else 0.0),
            address_steps=[steps(self.high * bits[:, b], s.window, 0.0, s.edge) for b in range(self.bits)],
            ground=s.ground,
            step_height=s.step_height,
            step_time=0.2 * s.window,
            edge=s.edge,
            sense_resistance=_FLOATING if floating else _SENSE,
            load=s.load,
            step=s.window / 200,
            stop=len(addresses) * s.window,
        )

    def run(self, netlist: Netlist, windows: int, **alters: float) -> Result:
        """Runs a transient over some windows."""
        s, step = self.settings, self.settings.window / 200
        address = [f"{kind}(a{b})" if kind == "v" else f"i(va{b})" for b in range(self.bits) for kind in "vi"]
        currents = [f"i(v{port})" for port in self.rig.supplies]
        with self.rig.open(netlist) as session:
            session.alter(**alters)
            vectors = ["time", "v(out)", f"v(in{self.target})", "i(vsense)", *address, *currents]
            return session.run(Transient(step, windows * s.window, step), vectors)

    def switched(self, reading: bool) -> Result:
        """Selects another line, the column's, and the other one again; all bits of the address change."""
        return self.run(self.netlist([0, self.target, 0], reading=reading), 3)


class MultiplexerBench:
    """Bench of column multiplexers; see the module."""

    name = "multiplexer"
    figures = ("on_resistance", "leakage", "injected_charge", "crosstalk", *_SWITCHED, "area")
    drawn = ("on_resistance", "leakage", "injected_charge")
    settings = MultiplexerSettings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures a multiplexer; see `Bench.measure`."""
        stand = Stand(rig)
        found = Findings(frozenset(figures))
        curves: dict[str, Curve] = {}
        netlist = stand.netlist([0, stand.target, 0], reading=True)
        operation = None
        found.attempt(("area",), lambda: {"area": netlist.deck.area})
        found.attempt(("on_resistance",), lambda: {"on_resistance": _on_resistance(stand, curves)})
        found.attempt(("leakage",), lambda: {"leakage": _leakage(stand)})
        found.attempt(("injected_charge",), lambda: {"injected_charge": _injected(stand)})
        found.attempt(("crosstalk",), lambda: {"crosstalk": _crosstalk(stand)})
        if found.asks(_SWITCHED):
            result = stand.switched(reading=True)
            ways: dict[str, Callable[[Stand, Result], dict[str, float]]] = {
                "settling_time": _settling,
                "energy": _energy,
                "static_power": _static_power,
            }
            for name, way in ways.items():
                found.attempt((name,), lambda way=way: way(stand, result))
            operation = _operation(stand, result)
        return Measurement(found.figures, operation, curves, found.failures, _notes(stand), {self.name: netlist.text})


def _on_resistance(stand: Stand, curves: dict[str, Curve]) -> float:
    """Returns the largest resistance of the closed switch over the range, at the column's current."""
    s = stand.settings
    levels = np.linspace(0.0, stand.high, 37)
    levels = np.unique(np.concatenate([levels, [s.lowest, s.ground, s.highest]]))
    values = np.stack([np.full_like(levels, stand.current), levels, levels], axis=1)
    node = f"v(in{stand.target})"
    with stand.rig.open(stand.netlist([stand.target])) as session:
        result = session.run_many(OperatingPoint(), [node, "v(out)"], ["itest", "vsense", "vrow0"], values)
    resistance = (result[node] - result["v(out)"])[:, 0] / stand.current
    curves["On-resistance"] = Curve(levels, 1e-3 * resistance, "Level of the line (V)", "On-resistance (kohm)")
    return float(resistance[(levels >= s.lowest) & (levels <= s.highest)].max())


def _leakage(stand: Stand) -> float:
    """Returns the current of the virtual ground with the other lines off their level, the larger direction."""
    s = stand.settings
    others = [k for k in range(s.channels) if k != stand.target]
    with stand.rig.open(stand.netlist([stand.target])) as session:
        session.alter(**{f"rforce{k}": _FORCE for k in others})
        values = np.array([[s.ground + sign * s.off_line] * len(others) for sign in (-1.0, 1.0)])
        result = session.run_many(OperatingPoint(), ["i(vsense)"], [f"vforce{k}" for k in others], values)
    return float(np.abs(result["i(vsense)"]).max())


def _injected(stand: Stand) -> float:
    """Returns the charge into the virtual ground when a quiet line is selected."""
    s = stand.settings
    result = stand.switched(reading=False)
    time, current = result["time"], result["i(vsense)"]
    rest = mean_over(time, current, 1.8 * s.window, 1.95 * s.window)
    return abs(charge(time, current - rest, s.window - s.edge, 1.95 * s.window))


def _crosstalk(stand: Stand) -> float:
    """Returns the largest move of a selected line that nothing holds, over its neighbour's step."""
    s = stand.settings
    result = stand.run(stand.netlist([stand.target], floating=True), 1, **{f"rforce{stand.target - 1}": _FORCE})
    before = value_at(result["time"], result["v(out)"], 0.19 * s.window)
    after = result["time"] > 0.2 * s.window
    return float(np.abs(result["v(out)"][after] - before).max() / s.step_height)


def _settling(stand: Stand, result: Result) -> dict[str, float]:
    s = stand.settings
    time, current = result["time"], result["i(vsense)"]
    inside = (time >= s.window) & (time <= 2.0 * s.window - s.edge)
    final = current[inside][-1]
    if abs(final) < 0.5 * stand.current:
        raise MeasurementError(
            f"{abs(final):.3g} A of the column's {stand.current:.3g} A arrive {s.window:.3g} s after it is selected"
        )
    arriving = np.append(0.0, current[inside][1:])  # before, the other line's current: what settles is all of it
    return {"settling_time": settling_time(time[inside], arriving, s.window, s.settled_within)}


def _energy(stand: Stand, result: Result) -> dict[str, float]:
    """Returns the mean energy of a change of address: supplies, and the address lines' drivers."""
    s, time = stand.settings, result["time"]
    begin, end = s.window - s.edge, 2.95 * s.window
    found = {}
    for port, volts in stand.rig.supplies.items():
        current = -result[f"i(v{port})"]
        rest = mean_over(time, current, 0.5 * s.window, 0.95 * s.window)
        found[f"energy_{port}"] = 0.5 * volts * charge(time, current - rest, begin, end)
    driven = sum(
        charge(time, np.maximum(-result[f"i(va{b})"] * result[f"v(a{b})"], 0.0), begin, end) for b in range(stand.bits)
    )
    found["energy_address"] = 0.5 * driven
    return {"energy": sum(found.values()), **found}


def _static_power(stand: Stand, result: Result) -> dict[str, float]:
    s = stand.settings
    power = sum(
        -volts * mean_over(result["time"], result[f"i(v{port})"], 1.5 * s.window, 1.95 * s.window)
        for port, volts in stand.rig.supplies.items()
    )
    return {"static_power": power}


def _operation(stand: Stand, result: Result) -> Waveforms:
    s, time = stand.settings, result["time"]
    shown = (time >= 0.96 * s.window) & (time <= 1.2 * s.window)
    t, current = time[shown], result["i(vsense)"][shown]
    arrived = np.append(0.0, np.cumsum(0.5 * (current[1:] + current[:-1]) * np.diff(t)))
    return Waveforms(
        t,
        {
            "Address (V)": {f"a{b}": result[f"v(a{b})"][shown] for b in range(stand.bits)},
            "Line (mV)": {f"in{stand.target}": 1e3 * (result[f"v(in{stand.target})"][shown] - s.ground)},
            "Charge at the output (fC)": {"virtual ground": 1e15 * arrived},
        },
    )


def _notes(stand: Stand) -> dict[str, str]:
    s = stand.settings
    return {
        "on_resistance": f"largest from {s.lowest:g} to {s.highest:g} V, at {stand.current:.3g} A",
        "leakage": f"the other lines {1e3 * s.off_line:g} mV off the virtual ground, the larger direction",
        "energy": "of a change of all address bits, mean of both directions",
        "ideal": "the virtual ground, the resting level and the address's drivers are ideal sources",
    }


BENCH = MultiplexerBench()
