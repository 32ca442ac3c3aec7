"""Word-line drivers: one row of cells with its wire, taken from rest to V_VMM and back, then to V_RTN and back."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ftj_spice.common.quantities import Farads, Ohms, Seconds
from ftj_spice.common.settings import Strict
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.bench import Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.power import currents, energy, power, sources
from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.waveform import FloatArray, Waveforms, first_crossing, settling_time, value_at

TEMPLATE = "periphery/benches/driver.cir.j2"
POINTS = 500
"""Fewest time steps."""
_EDGE = 1e-10
_BAND = 0.01


class Row(Strict):
    """The word line that a driver sees."""

    columns: Annotated[int, Field(ge=1, le=1024)] = 64
    """Cells, each between the two states."""
    segment_resistance: Annotated[Ohms, Field(gt=0)] = 2.0
    """Of the wire between neighbouring cells: 4 um of 0.36 um wide metal at 0.2 ohm per square, rounded."""
    segment_capacitance: Annotated[Farads, Field(gt=0)] = 2.3e-15
    """Of the same to ground: 0.15 pF of 64 segments; the cells bring their own."""

    def load(self, card: Card) -> dict[str, object]:
        """Returns the variables of `periphery/row.cir.j2`."""
        middle = 0.5 * (card.on_conductance + card.off_conductance)
        return {
            "columns": self.columns,
            "cells": cell_values(Cells.of(card, np.full((1, self.columns), middle))),
            "resistance": self.segment_resistance,
            "capacitance": self.segment_capacitance,
        }


class Settings(Row):
    """Settings of the bench."""

    hold: Annotated[Seconds, Field(gt=1e-9)] = 4e-8
    """How long each level stands."""


@dataclass(frozen=True)
class Steps:
    """Waveforms of rest, V_VMM, rest, V_RTN, rest, each `hold` long.

    Attributes:
        time: In s.
        near: Word line at the driver, in V.
        far: At its far end.
        vectors: Currents by name.
        levels: The five intended levels in V.
        hold: In s.
    """

    time: FloatArray
    near: FloatArray
    far: FloatArray
    vectors: dict[str, FloatArray]
    levels: tuple[float, ...]
    hold: float

    @property
    def settled(self) -> FloatArray:
        """Far end's voltage at the end of each level, in V."""
        return value_at(self.time, self.far, self.hold * np.arange(1, 6) - _EDGE)

    def span(self, step: int) -> tuple[FloatArray, FloatArray]:
        """Returns time and far end's voltage while level `step` stands."""
        inside = (self.time >= self.hold * step) & (self.time < self.hold * (step + 1) - _EDGE)
        return self.time[inside], self.far[inside]


class Driver:
    """The bench. An operation is a pulse to V_VMM and back."""

    name = "driver"
    figures = (
        "settling_time",
        "level_error",
        "overshoot",
        "edge_time",
        "input_low",
        "input_high",
        "energy",
        "static_power",
        "area",
    )
    drawn = ("settling_time", "level_error")
    settings = Settings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """See `Bench.measure`."""
        settings = Settings.parse(rig.variant.settings, f"variant '{rig.variant.name}', settings")
        levels = sources(rig)
        netlist = rig.netlist(
            TEMPLATE,
            nodes={port: port for port in ("vmm", "rtn", "out")},
            rest=levels["level_rest"],
            hold=settings.hold,
            edge=_EDGE,
            step=5 * settings.hold / POINTS,
            **settings.load(rig.card),
        )
        findings = Findings(frozenset(figures))
        with rig.open(netlist) as session:
            steps = _run(rig, session, settings)
            findings.attempt(("settling_time",), lambda: _settling(steps))
            findings.attempt(("level_error",), lambda: _error(steps))
            findings.attempt(("overshoot",), lambda: _overshoot(steps))
            findings.attempt(("edge_time",), lambda: _edges(steps))
            findings.attempt(("energy",), lambda: energy(rig, steps.time, steps.vectors, steps.hold, 3 * steps.hold))
            findings.attempt(
                ("static_power",), lambda: {"static_power": power(rig, steps.time, steps.vectors, 0.5 * steps.hold)}
            )
            findings.attempt(("input_low", "input_high"), lambda: _levels(rig, session, settings))
        findings.attempt(("area",), lambda: {"area": netlist.deck.area})
        rtn = energy(rig, steps.time, steps.vectors, 3 * steps.hold, 5 * steps.hold)["energy"]
        notes = {
            "load": (
                f"{settings.columns} cells of {1e15 * rig.card.capacitance:.3g} fF; "
                f"{settings.segment_resistance:g} ohm and {1e15 * settings.segment_capacitance:.3g} fF of wire each; "
                f"all figures of its far end"
            ),
            "energy": f"a pulse to V_VMM and back; one to V_RTN takes {1e12 * rtn:.4g} pJ",
            "ideal": "the levels are ideal sources; charge that flows back to one is lost",
        }
        panels = {
            "word line (V)": {"driver's end": steps.near, "far end": steps.far},
            "logic (V)": {"vmm": steps.vectors["v(vmm)"], "rtn": steps.vectors["v(rtn)"]},
        }
        return Measurement(
            findings.figures, Waveforms(steps.time, panels), {}, findings.failures, notes, {"steps": netlist.text}
        )


def _run(rig: Rig, session: NgspiceSession, settings: Settings, **levels: float) -> Steps:
    at = sources(rig) | levels
    session.alter(**{f"v{port}": value for port, value in at.items()})
    step = 5 * settings.hold / POINTS
    far = f"v(out{settings.columns})"
    names = ["time", "v(out)", far, "v(vmm)", "v(rtn)", *currents(rig)]
    result = session.run(Transient(step, 5 * settings.hold, step), names)
    order = ("level_rest", "level_vmm", "level_rest", "level_rtn", "level_rest")
    return Steps(
        result["time"],
        result["v(out)"],
        result[far],
        {name: result[name] for name in names[3:]},
        tuple(at[port] for port in order),
        settings.hold,
    )


def _settling(steps: Steps) -> dict[str, float]:
    _error_within(steps)
    return {"settling_time": max(settling_time(*steps.span(k), k * steps.hold, _BAND) for k in range(1, 5))}


def _error_within(steps: Steps) -> None:
    """Raises MeasurementError where a level is not reached at all."""
    for k in range(1, 5):
        change = steps.levels[k] - steps.levels[k - 1]
        if abs(steps.settled[k] - steps.levels[k]) > 0.1 * abs(change):
            raise MeasurementError(
                f"the row never reaches {steps.levels[k]:g} V: {steps.settled[k]:.4g} V after {steps.hold:g} s"
            )


def _error(steps: Steps) -> dict[str, float]:
    return {"level_error": float(np.abs(steps.settled - steps.levels).max())}


def _overshoot(steps: Steps) -> dict[str, float]:
    largest = 0.0
    for k in range(1, 5):
        _, far = steps.span(k)
        low, high = sorted((steps.levels[k - 1], steps.levels[k]))
        largest = max(largest, float(far.max()) - high, low - float(far.min()))
    return {"overshoot": largest}


def _edges(steps: Steps) -> dict[str, float]:
    slowest = 0.0
    for k in range(1, 5):
        time, far = steps.span(k)
        first, change = steps.levels[k - 1], steps.levels[k] - steps.levels[k - 1]
        moved = (far - first) / change
        start, end = (first_crossing(time, moved, part, "the word line's relative step") for part in (0.1, 0.9))
        slowest = max(slowest, end - start)
    return {"edge_time": slowest}


def _levels(rig: Rig, session: NgspiceSession, settings: Settings) -> dict[str, float]:
    """Returns the lowest and highest level that the V_VMM switch passes with 1 % of its step."""
    top = max(rig.supplies.values())

    def passes(level: float) -> bool:
        steps = _run(rig, session, settings, level_vmm=level)
        return abs(steps.settled[1] - level) <= _BAND * abs(level - steps.levels[0])

    nominal = sources(rig)["level_vmm"]
    if not passes(nominal):
        raise MeasurementError(f"the row does not come within 1 % of {nominal:g} V")
    return {"input_low": _farthest(passes, nominal, 0.0), "input_high": _farthest(passes, nominal, top)}


def _farthest(passes: Callable[[float], bool], good: float, bad: float) -> float:
    """Returns the last good value towards `bad`, within 50 mV."""
    if passes(bad):
        return bad
    while abs(bad - good) > 0.05:
        middle = 0.5 * (good + bad)
        good, bad = (middle, bad) if passes(middle) else (good, middle)
    return good


BENCH = Driver()
