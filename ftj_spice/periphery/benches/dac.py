"""Digital-to-analogue converters that drive a row: all codes in turn, then full scale down and up."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ftj_spice.common.quantities import Amperes, Seconds
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Transient
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.benches.driver import Row
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.power import currents, energy, power, sources
from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.straight import straight_line
from ftj_spice.periphery.waveform import FloatArray, Waveforms, settling_time, value_at

TEMPLATE = "periphery/benches/dac.cir.j2"
POINTS_PER_CODE = 60
"""Fewest time steps while a code stands."""
_EDGE = 1e-10
_BAND = 0.01


class Settings(Row):
    """Settings of the bench."""

    bits: Annotated[int, Field(ge=1, le=8)] = 4
    """Its inputs are `b0` (the least significant) to `b{bits - 1}`."""
    hold: Annotated[Seconds, Field(gt=1e-8)] = 1e-6
    """How long each code stands."""
    load_current: Annotated[Amperes, Field(gt=0)] = 1e-7
    """Drawn from the output for its resistance."""

    @property
    def codes(self) -> list[int]:
        """The codes in turn: all upwards, then 0 and full scale again."""
        top = 2**self.bits - 1
        return [*range(top + 1), 0, top]


@dataclass(frozen=True)
class Staircase:
    """Waveforms of all codes.

    Attributes:
        time: In s.
        near: Output in V.
        far: Far end of the row in V.
        vectors: Other vectors by name.
        settings: Of the bench.
    """

    time: FloatArray
    near: FloatArray
    far: FloatArray
    vectors: dict[str, FloatArray]
    settings: Settings

    @property
    def levels(self) -> FloatArray:
        """Row's voltage at the end of each code, in V, shape `(2^bits,)`."""
        ends = self.settings.hold * np.arange(1, 2**self.settings.bits + 1)
        return value_at(self.time, self.far, ends - 2 * _EDGE)

    def span(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Returns time and row's voltage while the code of this place stands."""
        hold = self.settings.hold
        inside = (self.time >= hold * index) & (self.time < hold * (index + 1) - _EDGE)
        return self.time[inside], self.far[inside]


class Dac:
    """The bench. An operation is one code for as long as it stands, the mean of all."""

    name = "dac"
    figures = (
        "inl",
        "dnl",
        "gain_error",
        "offset",
        "resolution",
        "settling_time",
        "glitch",
        "output_resistance",
        "energy",
        "static_power",
        "area",
    )
    drawn = ("inl", "dnl", "gain_error", "offset")
    settings = Settings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """See `Bench.measure`."""
        settings = Settings.parse(rig.variant.settings, f"variant '{rig.variant.name}', settings")
        levels = sources(rig)
        low, step = levels["level_low"], (levels["level_high"] - levels["level_low"]) / 2**settings.bits
        netlist = rig.netlist(
            TEMPLATE,
            nodes={port: port for port in ("out", *(f"b{bit}" for bit in range(settings.bits)))},
            bits=settings.bits,
            codes=settings.codes,
            low=low,
            hold=settings.hold,
            edge=_EDGE,
            step=settings.hold / POINTS_PER_CODE,
            **settings.load(rig.card),
        )
        findings = Findings(frozenset(figures))
        all_codes = settings.hold * 2**settings.bits
        with rig.open(netlist) as session:
            stairs = _run(rig, session, settings)
            findings.attempt(("inl", "dnl", "gain_error", "offset"), lambda: _linearity(stairs.levels, low, step))
            findings.attempt(("settling_time",), lambda: _settling(stairs))
            findings.attempt(("glitch",), lambda: _glitch(stairs))
            findings.attempt(("energy",), lambda: _per_code(rig, stairs, all_codes))
            findings.attempt(("static_power",), lambda: _power(rig, stairs))
            findings.attempt(("output_resistance",), lambda: _resistance(rig, session, settings, stairs))
        findings.attempt(("resolution",), lambda: {"resolution": float(settings.bits)})
        findings.attempt(("area",), lambda: {"area": netlist.deck.area})
        codes = np.arange(2.0**settings.bits)
        notes = {
            "load": f"{settings.columns} cells of {1e15 * rig.card.capacitance:.3g} fF with their wire; its far end",
            "energy": f"of one code for {1e6 * settings.hold:g} us, the mean of all",
            "ideal": "the levels are ideal sources; charge that flows back to one is lost",
            "settling_time": "the slower one of both full steps, to 1 %",
        }
        panels = {
            "row (V)": {"far end": stairs.far},
            "logic (V)": {
                "highest bit": stairs.vectors[f"v(b{settings.bits - 1})"],
                "lowest bit": stairs.vectors["v(b0)"],
            },
        }
        curves = {
            "levels": Curve(codes, stairs.levels, "code", "row (V)"),
            "deviation from the straight line": Curve(
                codes, straight_line(codes, stairs.levels).deviations, "code", "deviation (LSB)"
            ),
        }
        return Measurement(
            findings.figures, Waveforms(stairs.time, panels), curves, findings.failures, notes, {"codes": netlist.text}
        )


def _run(rig: Rig, session: NgspiceSession, settings: Settings, load: float = 0.0) -> Staircase:
    session.alter(iload=load)
    step, far = settings.hold / POINTS_PER_CODE, f"v(out{settings.columns})"
    names = ["time", "v(out)", far, f"v(b{settings.bits - 1})", "v(b0)", *currents(rig)]
    result = session.run(Transient(step, settings.hold * len(settings.codes), step), list(dict.fromkeys(names)))
    vectors = {name: result[name] for name in names[3:]}
    return Staircase(result["time"], result["v(out)"], result[far], vectors, settings)


def _linearity(levels: FloatArray, low: float, step: float) -> dict[str, float]:
    line = straight_line(np.arange(float(len(levels))), levels)
    if line.slope <= 0.1 * step:
        raise MeasurementError(
            f"the output does not follow its code: a step is {line.slope:.3g} V on average, meant are {step:.3g} V"
        )
    ideal = step * (len(levels) - 1)
    return {
        "inl": float(np.abs(line.deviations).max()),
        "dnl": float(np.abs(np.diff(levels) / line.slope - 1.0).max()),
        "gain_error": float((levels[-1] - levels[0]) / ideal - 1.0),
        "offset": float(levels[0] - low),
    }


def _settling(stairs: Staircase) -> dict[str, float]:
    top, hold = 2**stairs.settings.bits, stairs.settings.hold
    return {"settling_time": max(settling_time(*stairs.span(k), k * hold, _BAND) for k in (top, top + 1))}


def _glitch(stairs: Staircase) -> dict[str, float]:
    """Returns the largest area outside both levels of a step by one code, seen at the far end."""
    levels, largest = stairs.levels, 0.0
    for k in range(1, len(levels)):
        time, far = stairs.span(k)
        low, high = sorted((levels[k - 1], levels[k]))
        outside = np.maximum(far - high, 0.0) + np.maximum(low - far, 0.0)
        largest = max(largest, float(np.trapezoid(outside, time)))
    return {"glitch": largest}


def _per_code(rig: Rig, stairs: Staircase, until: float) -> dict[str, float]:
    count = 2**stairs.settings.bits
    spent = energy(rig, stairs.time, stairs.vectors, 0.0, until)
    return {name: value / count for name, value in spent.items()}


def _power(rig: Rig, stairs: Staircase) -> dict[str, float]:
    ends = stairs.settings.hold * np.arange(1, 2**stairs.settings.bits + 1) - 2 * _EDGE
    return {"static_power": float(np.mean([power(rig, stairs.time, stairs.vectors, end) for end in ends]))}


def _resistance(rig: Rig, session: NgspiceSession, settings: Settings, stairs: Staircase) -> dict[str, float]:
    loaded = _run(rig, session, settings, settings.load_current)
    return {"output_resistance": float(np.mean(stairs.levels - loaded.levels)) / settings.load_current}


BENCH = Dac()
