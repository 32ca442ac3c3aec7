"""Bench of charge integrators: ports `bl out reset sample hold`, on a real column of cells.

Read after read in one transient. In each, `reset` falls first, then `sample` (from here the charge counts), and `hold`
rises at the window's end. A read's input is a number of cells whose rows stand at the card's V_VMM above the bit line;
a current beside them goes beyond full scale and below zero.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ftj_spice.common.quantities import Amperes, Farads, Number, Seconds, Volts, in_unit
from ftj_spice.common.settings import Strict
from ftj_spice.engines.errors import EngineError
from ftj_spice.engines.protocol import Noise, Result, Transient
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.charge_noise import doubly_sampled
from ftj_spice.periphery.column import Column
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.power import bias_power, supplied
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.stimulus import steps
from ftj_spice.periphery.waveform import Waveforms, mean_over, settling_time, value_at

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/benches/integrator.cir.j2"
_NOISE_TEMPLATE = "periphery/benches/integrator_noise.cir.j2"
_PATH = 1e-10  # S: with a picofarad slower than 10 ms, far below what double sampling leaves
_PORTS = {name: name for name in ("bl", "out", "reset", "sample", "hold")}
_CURVE = np.concatenate([np.linspace(0.0, 1.0, 9), [1.1, 1.2, 1.3, 1.4, 1.5, -0.1, -0.2, -0.3, -0.4]])
_QUICK = np.array([0.0, 0.5, 1.0])
_CLOCKS = ("reset", "sample", "hold")


class IntegratorSettings(Strict):
    """Settings of the bench: of integrators, and of amplifiers that are clocked as they are."""

    rows: Annotated[int, Field(ge=2, le=1024)] = 64
    """Cells of the column; all of them in the low-resistance state at V_VMM are full scale."""
    full_scale: Annotated[Amperes, Field(gt=0)] | None = None
    """Current of the whole column where it is not the card's: the cells' currents are scaled to it."""
    wire: Annotated[Farads, Field(ge=0)] = 0.13e-12
    """Capacitance of the bit line's wire; the cells bring their own."""
    ground: Volts = 0.9
    """Intended voltage of the bit line."""
    zero: Volts = 0.4
    """Intended output without a current."""
    nominal_gain: Annotated[float, in_unit("V/A"), Field(gt=0)]
    """Gain that the design aims at: what `gain_error` compares with."""
    reset_time: Annotated[Seconds, Field(gt=0)] = 1e-6
    """How long reset lasts."""
    settle_time: Annotated[Seconds, Field(gt=0)] = 1e-6
    """From reset's fall to that of sample."""
    window: Annotated[Seconds, Field(gt=0)] = 10e-6
    """From sample's fall to the rise of hold."""
    hold_time: Annotated[Seconds, Field(gt=0)] = 1e-6
    """How long the output is held, for a converter."""
    droop_time: Annotated[Seconds, Field(gt=0)] = 20e-6
    """How long it is held to see how fast it leaks away."""
    edge: Annotated[Seconds, Field(gt=0)] = 1e-9
    """Rise and fall time of clocks."""
    row_edge: Annotated[Seconds, Field(gt=0)] = 10e-9
    """Rise and fall time of rows."""
    load: Annotated[Farads, Field(ge=0)] = 0.3e-12
    """Capacitance at the output: the converter's."""
    steps_per_window: Annotated[int, Field(ge=20, le=100000)] = 50
    """Steps of the transient in a window, at least."""
    linear_within: Annotated[Number, Field(gt=0, lt=1)] = 0.01
    """Deviation from the straight line that bounds the range, in parts of full scale."""
    time_constant: Annotated[Seconds, Field(gt=0)] | None = None
    """Of a resistive feedback: the output follows the current, and a longer window makes it no larger; none: charge is
    collected."""
    paths: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]* [a-z][a-z0-9_]*$")], ...] = ()
    """Pairs of nodes of the template, such as `inn amp`, across amplifiers whose feedback is a capacitor: for the noise
    analysis an ideal conductance gives each its operating point."""

    @property
    def averaging(self) -> float:
        """Time in s over which a read averages the current; of a time constant twice that, by its noise bandwidth."""
        return self.window if self.time_constant is None else 2.0 * self.time_constant


@dataclass(frozen=True)
class Reads:
    """A transient of reads.

    Attributes:
        inputs: Input currents in A, shape `(reads,)`.
        outputs: Held output at the end of each in V, shape `(reads,)`.
        ground: Bit line minus its intended voltage, mean over the window, in V, shape `(reads,)`.
        result: All waveforms.
        netlist: What was run.
    """

    inputs: FloatArray
    outputs: FloatArray
    ground: FloatArray
    result: Result
    netlist: Netlist


class IntegratorBench:
    """Bench of charge integrators; see the module."""

    name = "integrator"
    figures = (
        "gain", "gain_error", "offset_current", "offset_charge", "ground_error", "input_resistance", "range_low",
        "range_high", "nonlinearity", "noise_charge", "noise_current", "droop", "settling_time", "conversion_time",
        "energy", "static_power", "area",
    )  # fmt: skip
    drawn = ("gain", "gain_error", "offset_current", "offset_charge", "ground_error")
    settings = IntegratorSettings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures an integrator; see `Bench.measure`."""
        s = IntegratorSettings.parse(dict(rig.variant.settings), f"variant '{rig.variant.name}'")
        asked = set(figures)
        wanted = asked | {"noise_charge"} if "noise_current" in asked else asked
        whole = not wanted <= set(self.drawn)
        parts = _CURVE if whole else _QUICK
        reads = _run(rig, s, parts, s.hold_time)
        inside = (parts >= 0) & (parts <= 1)
        gain, zero = np.polyfit(reads.inputs[inside], reads.outputs[inside], 1)
        full = float(reads.inputs[inside].max())
        if not 0.1 * s.nominal_gain < gain < 10 * s.nominal_gain:
            raise MeasurementError(
                f"the output moves by {gain:.3g} V/A over the input's range; the design aims at {s.nominal_gain:.3g}"
            )
        offset = (float(reads.outputs[parts == 0][0]) - s.zero) / gain
        ground = reads.ground
        found: dict[str, float] = {
            "gain": gain,
            "gain_error": gain / s.nominal_gain - 1.0,
            "offset_current": offset,
            "offset_charge": offset * s.window,
            "ground_error": float(ground[parts == 0.5][0]),
            "input_resistance": float(ground[parts == 1.0][0] - ground[parts == 0.0][0]) / full,
            "conversion_time": _times(s, s.hold_time)["hold"],
            "area": reads.netlist.deck.area,
        }
        failures: dict[str, str] = {}
        notes = {
            "gain": f"over {s.window:.3g} s: {gain / s.window:.4g} V/C; the charge counts from the fall of sample",
            "input": f"{s.rows} cells of card '{rig.card.name}' at {rig.card.vmm_voltage:g} V: {full:.4g} A"
            + ("" if s.full_scale is None else ", scaled to the full scale that the variant is made for"),
            "energy": "of one read from the supplies; bias currents count as taken from the core supply",
            "ideal": "rows, clocks and bias voltages come from ideal sources; their energy is not in 'energy'",
        }
        curves: dict[str, Curve] = {}
        operation = None
        if whole:
            found |= _linearity(reads, parts, s, gain, zero, full) | _energies(rig, reads, s, parts)
            curves, operation = _curves(reads, gain, zero, full), _operation(rig, reads, s, parts)
            for name, measured in (("settling_time", _settling), ("droop", _droop), ("noise_charge", _noise)):
                if name in wanted:
                    try:
                        found[name], note = measured(rig, s, reads, gain)
                        notes[name] = note
                    except (MeasurementError, EngineError) as error:
                        failures[name] = str(error)
            if "noise_current" in asked and "noise_charge" in found:
                found["noise_current"] = found["noise_charge"] / s.window
            elif "noise_current" in asked:
                failures["noise_current"] = failures["noise_charge"]
        chosen = {k: v for k, v in found.items() if k in asked or (k.startswith("energy_") and "energy" in asked)}
        return Measurement(chosen, operation, curves, failures, notes, {"reads": reads.netlist.text})


def _run(rig: Rig, s: IntegratorSettings, parts: FloatArray, hold: float) -> Reads:
    """Runs one read per input, given in parts of full scale."""
    card = rig.card
    column = Column.of(card, s.rows, s.full_scale)
    count = np.clip(np.rint(parts * s.rows), 0, s.rows)
    cell = column.full_scale / s.rows
    beside = np.where((parts < 0) | (parts > 1), parts * s.rows - count, 0.0) * cell
    on = count[:, np.newaxis] > np.arange(s.rows)
    rows = s.ground + card.vmm_voltage * on
    t = _times(s, hold)
    step = s.window / s.steps_per_window
    delay = 5.0 * s.edge
    netlist = rig.netlist(
        _TEMPLATE,
        nodes=_PORTS,
        rows=s.rows,
        cells=cell_values(column.cells),
        wire=s.wire,
        row_steps=[steps(rows[:, i], t["period"], delay, s.row_edge) for i in range(s.rows)],
        extra_steps=steps(1e9 * beside, t["period"], delay, s.row_edge),
        high=max(rig.supplies.values()),
        t=t,
        edge=s.edge,
        load=s.load,
        step=step,
        reads=len(parts),
    )
    vectors = [
        "time",
        "v(out)",
        "v(bl)",
        *(f"v({name})" for name in _CLOCKS),
        *(f"i(v{name})" for name in rig.supplies),
    ]
    session = rig.open(netlist)
    try:
        result = session.run(Transient(step, len(parts) * t["period"], step), vectors)
    finally:
        session.close()
    time, begins = result["time"], t["period"] * np.arange(len(parts))
    outputs = value_at(time, result["v(out)"], begins + t["period"] - 2.0 * s.edge)
    ground = [mean_over(time, result["v(bl)"], k + t["sample"], k + t["hold"]) - s.ground for k in begins]
    return Reads(count * cell + beside, outputs, np.array(ground), result, netlist)


def _times(s: IntegratorSettings, hold: float) -> dict[str, float]:
    """Returns when clocks switch, from a read's begin, and how long a read takes."""
    sample = s.reset_time + s.settle_time
    end = sample + s.window
    return {"reset": s.reset_time, "sample": sample, "hold": end, "period": end + hold}


def _linearity(
    reads: Reads, parts: FloatArray, s: IntegratorSettings, gain: float, zero: float, full: float
) -> dict[str, float]:
    deviation = (reads.outputs - zero - gain * reads.inputs) / (gain * full)
    inside = (parts >= 0) & (parts <= 1)
    order = np.argsort(parts)
    good = np.abs(deviation[order]) <= s.linear_within
    sorted_inputs = reads.inputs[order]
    middle = int(np.flatnonzero(parts[order] == 0.5)[0])
    low = high = middle
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(good) - 1 and good[high + 1]:
        high += 1
    return {
        "nonlinearity": float(np.abs(deviation[inside]).max()),
        "range_low": float(sorted_inputs[low]),
        "range_high": float(sorted_inputs[high]),
    }


def _energies(rig: Rig, reads: Reads, s: IntegratorSettings, parts: FloatArray) -> dict[str, float]:
    """Energy of the half-scale read from each supply and bias current, and power at rest, at the end of a reset."""
    t = _times(s, s.hold_time)
    begin = t["period"] * int(np.flatnonzero(parts == 0.5)[0])
    time, rest = reads.result["time"], sum(bias_power(rig).values())
    for port, volts in rig.supplies.items():
        current = -reads.result[f"i(v{port})"]
        rest += volts * mean_over(time, current, begin + 0.5 * s.reset_time, begin + 0.9 * s.reset_time)
    return supplied(rig, time, reads.result.vectors, begin, begin + t["period"]) | {"static_power": rest}


def _settling(rig: Rig, s: IntegratorSettings, reads: Reads, gain: float) -> tuple[float, str]:
    t = _times(s, s.hold_time)
    time = reads.result["time"]
    first = (time >= t["sample"]) & (time <= t["hold"])
    if not np.any(first):
        raise MeasurementError("the transient has no window")
    took = settling_time(time[first], reads.result["v(out)"][first], float(time[first][0]), 0.01)
    return took, "of the output after the fall of sample, without a current"


def _droop(rig: Rig, s: IntegratorSettings, reads: Reads, gain: float) -> tuple[float, str]:
    held = _run(rig, s, np.array([1.0]), s.droop_time)
    t = _times(s, s.droop_time)
    time, out = held.result["time"], held.result["v(out)"]
    begin, end = t["hold"] + 0.2 * s.droop_time, t["period"] - 2.0 * s.edge
    first, last = value_at(time, out, begin), value_at(time, out, end)
    return abs(float(last - first)) / (
        end - begin
    ), f"at full scale, over {s.droop_time:.3g} s while the current flows on"


def _noise(rig: Rig, s: IntegratorSettings, reads: Reads, gain: float) -> tuple[float, str]:
    """Output noise while it integrates, sampled twice, over the gain per charge."""
    lowest, highest, points = 1.0, 1e9, 20
    netlist = rig.netlist(
        _NOISE_TEMPLATE,
        nodes=_PORTS,
        ports=list(rig.variant.ports),
        ground=s.ground,
        line=s.wire + s.rows * rig.card.capacitance,
        conductance=Column.of(rig.card, s.rows, s.full_scale).conductance,
        load=s.load,
        paths=[pair.split() for pair in s.paths],
        path=_PATH,
        points=points,
        lowest=lowest,
        highest=highest,
    )
    session = rig.open(netlist)
    try:
        result = session.run(Noise(lowest, highest, points, "v(out)", "iline"), ["frequency", "onoise_spectrum"])
    finally:
        session.close()
    rms = doubly_sampled(result["frequency"].real, np.abs(result["onoise_spectrum"]), s.window)
    return rms * s.window / gain, (
        f"ngspice's noise analysis while it integrates, {lowest:g} Hz to {highest:g} Hz, two samples {s.window:.3g} s "
        f"apart subtracted: {rms:.3g} V at the output; without the cells' shot noise"
    )


def _curves(reads: Reads, gain: float, zero: float, full: float) -> dict[str, Curve]:
    order = np.argsort(reads.inputs)
    current, out, ground = reads.inputs[order], reads.outputs[order], reads.ground[order]
    error = (out - zero - gain * current) / (gain * full)
    inside = (current > -0.25 * full) & (current < 1.25 * full)
    unit, name = (1e9, "nA") if full < 1e-7 else (1e6, "uA")
    label = f"Input current ({name})"
    return {
        "Transfer": Curve(unit * current, out, label, "Output (V)"),
        "Deviation from the straight line": Curve(
            unit * current[inside], 100 * error[inside], label, "Deviation (% of full scale)"
        ),
        "Virtual ground": Curve(unit * current[inside], 1e3 * ground[inside], label, "Bit-line error (mV)"),
    }


def _operation(rig: Rig, reads: Reads, s: IntegratorSettings, parts: FloatArray) -> Waveforms:
    t = _times(s, s.hold_time)
    begin = t["period"] * int(np.flatnonzero(parts == 0.5)[0])
    time = reads.result["time"]
    shown = (time >= begin) & (time <= begin + t["period"])

    def cut(name: str, factor: float = 1.0, level: float = 0.0) -> FloatArray:
        return factor * (reads.result[name][shown] - level)

    panels: dict[str, dict[str, Any]] = {
        "Clocks (V)": {name: cut(f"v({name})") for name in _CLOCKS},
        "Output (V)": {"out": cut("v(out)")},
        "Bit line (mV)": {"error": cut("v(bl)", 1e3, s.ground)},
        "Supply (uA)": {port: cut(f"i(v{port})", -1e6) for port in rig.supplies},
    }
    return Waveforms(time[shown] - begin, panels)


BENCH = IntegratorBench()
