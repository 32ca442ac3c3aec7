"""Pulse-width drivers: the width of the pulse that each code gives."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ftj_spice.common.quantities import Farads, Seconds
from ftj_spice.common.settings import Strict
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Transient
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.power import currents, energy, power
from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.straight import straight_line
from ftj_spice.periphery.waveform import FloatArray, Waveforms, crossings, first_crossing

TEMPLATE = "periphery/benches/pulse.cir.j2"
POINTS_PER_STEP = 16
"""Fewest time steps while one step of the code lasts."""
_EDGE = 1e-10
_LAST = 8
"""Steps beyond those of the code that a pulse may take, for delay and slow corners."""


class Settings(Strict):
    """Settings of the bench."""

    bits: Annotated[int, Field(ge=1, le=8)] = 4
    """Its inputs are `b0` (the least significant) to `b{bits - 1}`."""
    step: Annotated[Seconds, Field(gt=1e-9)]
    """Width that one step of the code is meant to add."""
    load: Annotated[Farads, Field(gt=0)] = 5e-15
    """At the output: a word-line driver's logic."""

    @property
    def begin(self) -> float:
        """When the pulse is asked for, in s."""
        return self.step

    @property
    def finish(self) -> float:
        """When the driver is reset, in s."""
        return self.begin + (2**self.bits + _LAST) * self.step

    def end(self, code: int) -> float:
        """By when the pulse of a code is over, in s."""
        return self.begin + (code + _LAST) * self.step

    @property
    def stop(self) -> float:
        """End of the waveform, in s."""
        return self.finish + self.step


@dataclass(frozen=True)
class Pulse:
    """Waveforms of one pulse.

    Attributes:
        time: In s.
        out: The pulse in V.
        vectors: Other vectors by name.
    """

    time: FloatArray
    out: FloatArray
    vectors: dict[str, FloatArray]

    def width(self, half: float) -> float:
        """Returns how long the output is above a level, in s; 0 where it never rises.

        Raises:
            MeasurementError: It rises more than once, or is high at the start or the end.
        """
        edges = crossings(self.time, self.out, half)
        if not len(edges) and self.out[-1] < half:
            return 0.0
        if len(edges) != 2 or self.out[0] > half:
            raise MeasurementError(f"the output crosses half its supply {len(edges)} times instead of twice")
        return float(edges[1] - edges[0])


class PulseWidth:
    """The bench. An operation is one pulse of the highest code, from its start to the end of the reset."""

    name = "pulse"
    figures = (
        "pulse_step",
        "pulse_offset",
        "gain_error",
        "inl",
        "dnl",
        "resolution",
        "edge_time",
        "energy",
        "static_power",
        "area",
    )
    drawn = ("pulse_step", "pulse_offset", "gain_error", "inl", "dnl")
    settings = Settings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """See `Bench.measure`."""
        settings = Settings.parse(rig.variant.settings, f"variant '{rig.variant.name}', settings")
        netlist = rig.netlist(
            TEMPLATE,
            nodes={port: port for port in ("start", "out", *(f"b{bit}" for bit in range(settings.bits)))},
            bits=settings.bits,
            begin=settings.begin,
            finish=settings.finish,
            stop=settings.stop,
            step=settings.step / POINTS_PER_STEP,
            edge=_EDGE,
            load=settings.load,
        )
        supply = rig.supplies["vdd"]
        codes = np.arange(2**settings.bits)
        findings, curves = Findings(frozenset(figures)), {}
        with rig.open(netlist) as session:
            longest = _run(rig, session, settings, int(codes[-1]), settings.stop)
            findings.attempt(("edge_time",), lambda: _edges(longest, supply))
            findings.attempt(("energy",), lambda: energy(rig, longest.time, longest.vectors, 0.0, settings.stop))
            findings.attempt(
                ("static_power",),
                lambda: {"static_power": power(rig, longest.time, longest.vectors, 0.5 * settings.begin)},
            )

            def linearity() -> dict[str, float]:
                widths = [
                    _run(rig, session, settings, int(code), settings.end(int(code))).width(0.5 * supply)
                    for code in codes
                ]
                line = straight_line(codes, np.array(widths))
                if line.slope <= 0:
                    raise MeasurementError("the pulse does not grow with its code")
                curves["pulse width"] = Curve(codes, np.array(widths), "code", "pulse width (s)")
                curves["deviation from the straight line"] = Curve(codes, line.deviations, "code", "deviation (LSB)")
                return {
                    "pulse_step": line.slope,
                    "pulse_offset": line.intercept,
                    "gain_error": line.slope / settings.step - 1.0,
                    "inl": float(np.abs(line.deviations).max()),
                    "dnl": float(np.abs(np.diff(widths) / line.slope - 1.0).max()),
                }

            findings.attempt(("pulse_step", "pulse_offset", "gain_error", "inl", "dnl"), linearity)
        findings.attempt(("resolution",), lambda: {"resolution": float(settings.bits)})
        findings.attempt(("area",), lambda: {"area": netlist.deck.area})
        notes = {
            "energy": f"of one pulse of code {codes[-1]}, from its start to the end of its reset",
            "jitter": "not simulated: transients have no thermal noise",
            "ideal": "biases are ideal sources; the bias current counts as taken from the core supply",
        }
        panels = {"logic (V)": {"start": longest.vectors["v(start)"], "pulse": longest.out}}
        return Measurement(
            findings.figures, Waveforms(longest.time, panels), curves, findings.failures, notes, {"pulse": netlist.text}
        )


def _run(rig: Rig, session: NgspiceSession, settings: Settings, code: int, stop: float) -> Pulse:
    supply = rig.supplies["vdd"]
    session.alter(**{f"vin{bit}": supply * (code >> bit & 1) for bit in range(settings.bits)})
    step = settings.step / POINTS_PER_STEP
    names = ["time", "v(out)", "v(start)", *currents(rig)]
    result = session.run(Transient(step, stop, step), names)
    return Pulse(result["time"], result["v(out)"], {name: result[name] for name in names[2:]})


def _edges(pulse: Pulse, supply: float) -> dict[str, float]:
    what = "the pulse"
    low, high = 0.1 * supply, 0.9 * supply
    rise = first_crossing(pulse.time, pulse.out, high, what, "rising") - first_crossing(
        pulse.time, pulse.out, low, what, "rising"
    )
    fall = first_crossing(pulse.time, pulse.out, low, what, "falling") - first_crossing(
        pulse.time, pulse.out, high, what, "falling"
    )
    return {"edge_time": max(rise, fall)}


BENCH = PulseWidth()
