"""Bench of references: port `out` is a voltage, `iout`, where there is one, a current out of it.

Every value is the end of a transient that begins with the supplies at 0 V: a reference that finds its other, dead
solution does not pass.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ftj_spice.common.quantities import Farads, Number, Seconds, Volts, in_unit
from ftj_spice.common.settings import Strict
from ftj_spice.engines.protocol import Noise, Result, Transient
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.spectra import noise_curve, rms
from ftj_spice.periphery.waveform import Waveforms, mean_over

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/benches/reference.cir.j2"
_ZERO = 273.15


class ReferenceSettings(Strict):
    """Settings of the bench."""

    ramp: Annotated[Seconds, Field(gt=0)] = 10e-6
    """How long the supplies take to rise."""
    stop: Annotated[Seconds, Field(gt=0)] = 100e-6
    """When it must stand."""
    load: Annotated[Farads, Field(ge=0)] = 1e-12
    """Capacitance at the output."""
    iout_level: Volts = 0.6
    """Voltage that the current output works into."""
    settled_within: Annotated[Number, Field(gt=0, lt=1)] = 0.01
    """Distance from the last value, relative, that ends the start-up."""
    drift: Annotated[Number, Field(gt=0, lt=1)] = 0.002
    """Relative change in the last fifth of the transient that still counts as standing."""
    temperatures: tuple[float, ...] = (-20.0, 10.0, 40.0, 85.0)
    """For the temperature coefficient, in °C."""
    supplies: tuple[Number, ...] = (0.9, 1.0, 1.1)
    """Factors of the supplies for the line sensitivity."""
    lowest_frequency: Annotated[float, in_unit("Hz"), Field(gt=0)] = 1.0
    """Where the noise spectrum begins."""
    highest_frequency: Annotated[float, in_unit("Hz"), Field(gt=0)] = 1e9
    """Where it ends."""


@dataclass(frozen=True)
class Start:
    """One start of a reference.

    Attributes:
        rig: The circuit and its condition.
        settings: The bench's settings.
        netlist: What was run.
        result: Its waveforms.
    """

    rig: Rig
    settings: ReferenceSettings
    netlist: Netlist
    result: Result

    @classmethod
    def of(cls, rig: Rig, settings: ReferenceSettings) -> "Start":
        """Runs the transient."""
        current = "iout" in rig.variant.ports
        step = settings.stop / 500
        netlist = rig.netlist(
            _TEMPLATE,
            nodes={"out": "out"} | ({"iout": "iout"} if current else {}),
            current=current,
            iout_level=settings.iout_level,
            ramp=settings.ramp,
            load=settings.load,
            step=step,
            stop=settings.stop,
        )
        vectors = ["time", "v(out)", *(["i(viout)"] if current else []), *_ports(rig, "v(%s)", "i(v%s)")]
        with rig.open(netlist) as session:
            return cls(rig, settings, netlist, session.run(Transient(step, settings.stop, step), vectors))

    def end(self, name: str) -> float:
        """Returns a vector's mean over the last fifth.

        Raises:
            MeasurementError: It still moves.
        """
        time, signal = self.result["time"], self.result[name]
        late = time >= 0.8 * self.settings.stop
        value = mean_over(time, signal, 0.8 * self.settings.stop, self.settings.stop)
        if np.ptp(signal[late]) > self.settings.drift * abs(value) + 1e-12:
            raise MeasurementError(
                f"{name} still moves by {np.ptp(signal[late]):.3g} around {value:.3g} at {self.settings.stop:.3g} s "
                f"after the supplies' start"
            )
        return value

    def value(self) -> float:
        """Returns the output's voltage.

        Raises:
            MeasurementError: It does not start, or still moves.
        """
        value, nominal = self.end("v(out)"), self.rig.values.get("nominal")
        if nominal is not None and not 0.5 < value / nominal < 1.5:
            raise MeasurementError(
                f"the output stands at {value:.3g} V where the design aims at {nominal:.3g} V: it does not start"
            )
        return value

    def time(self) -> float:
        """Returns when the output stays within its last value, from the supplies' start."""
        value = self.value()
        off = np.abs(self.result["v(out)"] - value) > self.settings.settled_within * abs(value)
        return float(self.result["time"][min(np.flatnonzero(off)[-1] + 1, len(off) - 1)])

    def power(self) -> float:
        """Returns the power at the end."""
        return sum(-volts * self.end(f"i(v{port})") for port, volts in self.rig.supplies.items())


class ReferenceBench:
    """Bench of references; see the module."""

    name = "reference"
    figures = (
        "value", "value_error", "reference_current", "temperature_coefficient", "line_sensitivity", "startup_time",
        "noise", "static_power", "area",
    )  # fmt: skip
    drawn = ("value", "value_error", "reference_current")
    settings = ReferenceSettings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures a reference; see `Bench.measure`."""
        s = ReferenceSettings.parse(dict(rig.variant.settings), f"variant '{rig.variant.name}', settings")
        found = Findings(frozenset(figures))
        curves: dict[str, Curve] = {}
        start = Start.of(rig, s)
        found.attempt(("value",), lambda: {"value": start.value()})
        found.attempt(("value_error",), lambda: {"value_error": _error(start)})
        found.attempt(("reference_current",), lambda: {"reference_current": _current(start)})
        found.attempt(("startup_time",), lambda: {"startup_time": start.time()})
        found.attempt(("static_power",), lambda: {"static_power": start.power()})
        found.attempt(("area",), lambda: {"area": start.netlist.deck.area})
        found.attempt(("temperature_coefficient",), lambda: _over_temperature(rig, s, curves))
        found.attempt(("line_sensitivity",), lambda: _over_supply(rig, s, curves))
        found.attempt(("noise",), lambda: {"noise": _noise(start, curves)})
        notes = {
            "value": f"{s.stop:.3g} s after the supplies begin to rise from 0 V",
            "noise": (
                f"small-signal analysis, thermal and flicker noise of transistors and resistors, "
                f"{s.lowest_frequency:g} Hz to {s.highest_frequency:g} Hz, at the output"
            ),
            "temperature_coefficient": f"from {min(s.temperatures):g} to {max(s.temperatures):g} °C, by the box",
        }
        netlists = {self.name: start.netlist.text}
        return Measurement(found.figures, _operation(start), curves, found.failures, notes, netlists)


def _ports(rig: Rig, *patterns: str) -> list[str]:
    return [pattern % port for port in rig.supplies for pattern in patterns]


def _error(start: Start) -> float:
    nominal = start.rig.values.get("nominal")
    if nominal is None:
        raise MeasurementError("the variant has no parameter 'nominal': the voltage that it aims at")
    return start.value() / nominal - 1.0


def _current(start: Start) -> float:
    if "iout" not in start.rig.variant.ports:
        raise MeasurementError("the variant has no port 'iout'")
    start.value()
    return start.end("i(viout)")


def _over_temperature(rig: Rig, s: ReferenceSettings, curves: dict[str, Curve]) -> dict[str, float]:
    """Returns the span over the temperatures, relative to the mean, per kelvin (box method)."""
    celsius = np.array(s.temperatures)
    conditions = [replace(rig.condition, temperature=one + _ZERO) for one in s.temperatures]
    values = np.array([Start.of(replace(rig, condition=one), s).value() for one in conditions])
    curves["Temperature"] = Curve(celsius, 1e3 * values, "Temperature (°C)", "Output (mV)")
    return {"temperature_coefficient": float(np.ptp(values) / values.mean() / np.ptp(celsius))}


def _over_supply(rig: Rig, s: ReferenceSettings, curves: dict[str, Curve]) -> dict[str, float]:
    """Returns the span over the supply's range, relative to the mean, per volt."""
    factors = rig.condition.supply * np.array(s.supplies)
    conditions = [replace(rig.condition, supply=float(one)) for one in factors]
    values = np.array([Start.of(replace(rig, condition=one), s).value() for one in conditions])
    volts = factors / rig.condition.supply * max(rig.supplies.values())
    curves["Supply"] = Curve(volts, 1e3 * values, "Supply (V)", "Output (mV)")
    return {"line_sensitivity": float(np.ptp(values) / values.mean() / np.ptp(volts))}


def _noise(start: Start, curves: dict[str, Curve]) -> float:
    """Returns the output's noise, rms."""
    s, port = start.settings, next(iter(start.rig.supplies))
    start.value()
    with start.rig.open(start.netlist) as session:
        analysis = Noise(s.lowest_frequency, s.highest_frequency, 20, "v(out)", f"v{port}")
        result = session.run(analysis, ["frequency", "onoise_spectrum"])
    frequency, density = result["frequency"], result["onoise_spectrum"]
    curves["Output noise"] = noise_curve(frequency, density)
    return rms(frequency, density)


def _operation(start: Start) -> Waveforms:
    result = start.result
    panels: dict[str, dict[str, FloatArray]] = {
        "Voltage (V)": {"out": result["v(out)"], **{p: result[f"v({p})"] for p in start.rig.supplies}},
        "Current (uA)": {p: -1e6 * result[f"i(v{p})"] for p in start.rig.supplies},
    }
    if "iout" in start.rig.variant.ports:
        panels["Current (uA)"]["iout"] = 1e6 * result["i(viout)"]
    return Waveforms(result["time"], panels)


BENCH = ReferenceBench()
