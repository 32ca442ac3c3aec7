"""Bench of operational amplifiers, the building blocks of others: ports `inp inn out`.

The loop is closed in three ways: only at dc, for the open loop's gain over frequency; as a follower, for offset, noise
and steps; and with the output led over its range at a fixed common mode, for the output range.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ftj_spice.common.quantities import Farads, Seconds, Volts, in_unit
from ftj_spice.common.settings import Strict
from ftj_spice.engines.protocol import Noise, OperatingPoint, Result, SmallSignal, Transient
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.power import bias_power, supplied
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.spectra import noise_curve, rms, spectrum_curve
from ftj_spice.periphery.waveform import Waveforms, first_crossing, settling_time, value_at

FloatArray = NDArray[np.float64]
Loop = Literal["servo", "follower", "led"]

_TEMPLATE = "periphery/benches/amplifier.cir.j2"
_OPEN = ("voltage_gain", "unity_gain_frequency", "phase_margin")
_STEPPED = ("slew_rate", "settling_time", "energy")


class AmplifierSettings(Strict):
    """Settings of the bench."""

    common_mode: Volts = 0.9
    """Voltage that the inputs stand at."""
    load: Annotated[Farads, Field(gt=0)] = 0.5e-12
    """Capacitance at the output."""
    conductance: Annotated[float, in_unit("S"), Field(ge=0)] = 0.0
    """Conductance from the output to the common mode."""
    step: Annotated[Volts, Field(gt=0)] = 0.2
    """Height of the follower's steps, around the common mode."""
    window: Annotated[Seconds, Field(gt=0)] = 3e-6
    """How long a step lasts."""
    ramp: Annotated[Seconds, Field(gt=0)] = 2e-3
    """How long the output takes over its whole range."""
    range_error: Annotated[Volts, Field(gt=0)] = 5e-3
    """Input that the output needs more than in its middle at the ends of its range."""
    lowest_frequency: Annotated[float, in_unit("Hz"), Field(gt=0)] = 1.0
    """Where spectra begin."""
    highest_frequency: Annotated[float, in_unit("Hz"), Field(gt=0)] = 1e9
    """Where they end."""


@dataclass(frozen=True)
class Stand:
    """One amplifier under one condition, in one of its loops."""

    rig: Rig
    settings: AmplifierSettings

    def netlist(self, loop: Loop, stop: float, points: list[list[float]], lead: list[list[float]]) -> Netlist:
        """Returns the bench; `points` are corners of the input's voltage, `lead` those of the led output's."""
        s = self.settings
        return self.rig.netlist(
            _TEMPLATE,
            nodes={"inp": "inp", "inn": "inn", "out": "out"},
            loop=loop,
            common_mode=s.common_mode,
            points=points,
            lead=lead,
            load=s.load,
            conductance=s.conductance,
            step=stop / 1000,
            stop=stop,
        )

    def still(self, loop: Loop) -> Netlist:
        """Returns the bench with nothing that moves."""
        return self.netlist(loop, self.settings.window, [], [])

    def transient(self, netlist: Netlist, stop: float) -> Result:
        """Runs a transient."""
        vectors = ["time", "v(out)", "v(inp)", "v(inn)", *(f"i(v{port})" for port in self.rig.supplies)]
        with self.rig.open(netlist) as session:
            return session.run(Transient(stop / 1000, stop, stop / 1000), vectors)

    def stepped(self) -> Result:
        """Runs a follower's step up and down again."""
        s = self.settings
        low, high = s.common_mode - 0.5 * s.step, s.common_mode + 0.5 * s.step
        edge = 1e-3 * s.window
        corners = [
            [0.0, low],
            [s.window, low],
            [s.window + edge, high],
            [2 * s.window, high],
            [2 * s.window + edge, low],
        ]
        return self.transient(self.netlist("follower", 3.0 * s.window, corners, []), 3.0 * s.window)


class AmplifierBench:
    """Bench of operational amplifiers; see the module."""

    name = "amplifier"
    figures = (*_OPEN, "offset", "noise", "output_low", "output_high", *_STEPPED, "static_power", "area")
    drawn = ("offset",)
    settings = AmplifierSettings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures an amplifier; see `Bench.measure`."""
        s = AmplifierSettings.parse(dict(rig.variant.settings), f"variant '{rig.variant.name}', settings")
        stand = Stand(rig, s)
        found = Findings(frozenset(figures))
        curves: dict[str, Curve] = {}
        operation = None
        follower = stand.still("follower")
        netlists = {"follower": follower.text, "open loop": stand.still("servo").text}
        found.attempt(("area",), lambda: {"area": follower.deck.area})
        found.attempt(("offset", "static_power"), lambda: _rest(stand, follower))
        found.attempt(_OPEN, lambda: _open_loop(stand, curves))
        found.attempt(("noise",), lambda: {"noise": _noise(stand, follower, curves)})
        found.attempt(("output_low", "output_high"), lambda: _output_range(stand, curves))
        if found.asks(_STEPPED):
            result = stand.stepped()
            operation = Waveforms(result["time"], {"Follower (V)": {"in": result["v(inp)"], "out": result["v(out)"]}})
            found.attempt(("slew_rate",), lambda: {"slew_rate": _slew_rate(s, result)})
            found.attempt(("settling_time", "energy"), lambda: _settling(stand, result))
        notes = {
            "load": f"{1e12 * s.load:g} pF, {1e6 * s.conductance:g} uS",
            "noise": (
                f"of a follower, at its output: thermal and flicker noise of the transistors, "
                f"{s.lowest_frequency:g} Hz to {s.highest_frequency:g} Hz"
            ),
            "energy": f"of the supplies, from a follower's step of {s.step:g} V until it has settled",
        }
        return Measurement(found.figures, operation, curves, found.failures, notes, netlists)


def _rest(stand: Stand, follower: Netlist) -> dict[str, float]:
    currents = {port: f"i(v{port})" for port in stand.rig.supplies}
    with stand.rig.open(follower) as session:
        result = session.run(OperatingPoint(), ["v(out)", *currents.values()])
    power = sum(-volts * float(result[currents[port]][0]) for port, volts in stand.rig.supplies.items())
    power += sum(bias_power(stand.rig).values())
    return {"offset": float(result["v(out)"][0]) - stand.settings.common_mode, "static_power": power}


def _open_loop(stand: Stand, curves: dict[str, Curve]) -> dict[str, float]:
    """Returns the open loop's gain at the lowest frequency, and frequency and phase where it has fallen to 1.

    Raises:
        MeasurementError: The gain is below 1, or does not fall to it.
    """
    s = stand.settings
    with stand.rig.open(stand.still("servo")) as session:
        result = session.run(SmallSignal(s.lowest_frequency, s.highest_frequency, 40), ["frequency", "v(out)"])
    frequency, response = result["frequency"].real, result["v(out)"]
    gain, phase = np.abs(response), np.degrees(np.unwrap(np.angle(response)))
    curves["Open-loop gain"] = spectrum_curve(frequency, 20.0 * np.log10(gain), "Gain (dB)")
    curves["Open-loop phase"] = spectrum_curve(frequency, phase, "Phase (°)")
    below = np.flatnonzero(gain < 1.0)
    if gain[0] < 1.0 or not len(below):
        raise MeasurementError(f"the open loop's gain is {gain[0]:.3g} and never crosses 1")
    k = int(below[0])
    share = np.log(gain[k - 1]) / np.log(gain[k - 1] / gain[k])
    unity = frequency[k - 1] * (frequency[k] / frequency[k - 1]) ** share
    at_unity = phase[k - 1] + share * (phase[k] - phase[k - 1])
    return {
        "voltage_gain": float(gain[0]),
        "unity_gain_frequency": float(unity),
        "phase_margin": float(180.0 + at_unity - 360.0 * np.round(phase[0] / 360.0)),
    }


def _noise(stand: Stand, follower: Netlist, curves: dict[str, Curve]) -> float:
    s = stand.settings
    with stand.rig.open(follower) as session:
        analysis = Noise(s.lowest_frequency, s.highest_frequency, 20, "v(out)", "vin")
        result = session.run(analysis, ["frequency", "onoise_spectrum"])
    frequency, density = result["frequency"], result["onoise_spectrum"]
    curves["Follower's noise"] = noise_curve(frequency, density)
    return rms(frequency, density)


def _output_range(stand: Stand, curves: dict[str, Curve]) -> dict[str, float]:
    """Returns how far the output can be led before the input has to move away."""
    s, top = stand.settings, max(stand.rig.supplies.values())
    out, error = [], []
    for end in (0.0, top):  # from the middle both ways: an end may be hard to leave
        lead = [[0.0, s.common_mode], [0.05 * s.ramp, s.common_mode], [0.5 * s.ramp, end]]
        result = stand.transient(stand.netlist("led", 0.5 * s.ramp, [], lead), 0.5 * s.ramp)
        middle = value_at(result["time"], result["v(inn)"], 0.05 * s.ramp)
        moved = result["v(inn)"] - middle
        left = np.flatnonzero(np.abs(moved) > s.range_error)
        last = int(left[0]) if len(left) else len(moved) - 1
        out.append(float(result["v(out)"][last]))
        error.append((result["v(out)"][: last + 1], moved[: last + 1]))
    x = np.concatenate([error[0][0][::-1], error[1][0]])
    y = np.concatenate([error[0][1][::-1], error[1][1]])
    curves["Input that the output needs"] = Curve(x, 1e3 * y, "Output (V)", "Differential input (mV)")
    return {"output_low": out[0], "output_high": out[1]}


def _slew_rate(s: AmplifierSettings, result: Result) -> float:
    """Returns the slower direction's slope from 20 to 80 % of the step."""
    levels = s.common_mode + s.step * np.array([-0.3, 0.3])
    time, out = result["time"], result["v(out)"]
    rates = []
    for begin, (first, second), direction in ((s.window, levels, "rising"), (2.0 * s.window, levels[::-1], "falling")):
        moments = [first_crossing(time, out, one, "the follower's output", direction, begin) for one in (first, second)]
        rates.append(0.6 * s.step / (moments[1] - moments[0]))
    return float(min(rates))


def _settling(stand: Stand, result: Result) -> dict[str, float]:
    s, time = stand.settings, result["time"]
    took = []
    for begin in (s.window, 2.0 * s.window):
        inside = (time >= begin) & (time <= begin + 0.99 * s.window)
        took.append(settling_time(time[inside], result["v(out)"][inside], begin, 0.01))
    return {"settling_time": max(took), **supplied(stand.rig, time, result.vectors, s.window, s.window + max(took))}


BENCH = AmplifierBench()
