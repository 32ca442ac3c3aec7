"""Bit-line latches and current comparators: which of two lines carries more current, and by how much at least.

Both lines are alike: `reads` cells at the read voltage and the other rows at rest, all with their capacitance, and the
wire. The reference line's read cells stand between the two states of the card; the bit line's carry more or less.
Cells of the same line in the same state are one element of their summed current, which without wire resistance is
exact.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.common.errors import FtjSpiceError, SettingsError
from ftj_spice.common.quantities import Farads, Seconds, Volts
from ftj_spice.common.settings import Strict
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.power import currents, energy, power
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.waveform import FloatArray, Waveforms, value_at

TEMPLATE = "periphery/benches/current_latch.cir.j2"
POINTS = 250
"""Fewest time steps of one reading."""
LARGEST_CURRENT = 1e-4
"""Largest difference of currents in A that the search for the offset tries."""
LONGEST_WAIT = 1.0
"""Longest wait in s that the range is searched with."""
SCALES = 10.0 ** np.arange(-2.0, 5.1)
"""Factors of the cells' current that the range is searched with."""
SWING_VOLTAGES = (0.5, 1.0, 1.5)
"""Read voltages in V of the curves of floating lines."""
SWING_POINTS = 50
DECISION_POINTS = 200
_EDGE = 5e-10
_ROW = 1e-8


class Settings(Strict):
    """Settings of the bench."""

    rows: Annotated[int, Field(ge=1, le=4096)] = 64
    """Cells of each line."""
    reads: Annotated[int, Field(ge=1)] = 1
    """Cells that are read at once; the other rows rest at `ground`."""
    read_voltage: Annotated[Volts, Field(gt=0)] = 0.5
    """Voltage over the read cells at first."""
    ground: Volts = 0.9
    """Where the circuit is meant to hold the lines; rows stand at it, and `read_voltage` above it."""
    background: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the resting cells in the low-resistance state."""
    wire_capacitance: Annotated[Farads, Field(gt=0)] = 0.15e-12
    """Of each line's wire; the cells bring their own."""
    load: Annotated[Farads, Field(gt=0)] = 2e-15
    """At each output."""
    swing: Annotated[Volts, Field(gt=0)] = 0.04
    """The wait lets the difference of the currents at `contrast` move a line by this much, if nothing else did."""
    wait: Annotated[Seconds, Field(gt=0)] | None = None
    """From the release of the lines to the latch; given instead of `swing`."""
    contrast: Annotated[float, Field(gt=0, le=1)] | None = None
    """Relative difference of currents for times, energy and range; by default a cell's in its two states against the
    reference between them."""
    precharge: Annotated[Seconds, Field(gt=0)] = 2e-7
    """How long the lines are held before."""
    decide: Annotated[Seconds, Field(gt=0)] = 5e-8
    """From the latch's firing to its reset."""
    recover: Annotated[Seconds, Field(gt=0)] = 2e-7
    """From the reset to the next reading."""


@dataclass(frozen=True)
class Reading:
    """Waveforms of one reading.

    Attributes:
        time: In s.
        signals: Vectors by name.
    """

    time: FloatArray
    signals: dict[str, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        return self.signals[name]

    @property
    def difference(self) -> FloatArray:
        """Output minus its complement, in V."""
        return self["v(outp)"] - self["v(outn)"]


class Stand:
    """The bench of one rig, for cells of one current.

    Args:
        rig: The circuit and its condition.
        settings: Of the bench.
        scale: Factor of all cells' currents.
    """

    def __init__(self, rig: Rig, settings: Settings, scale: float = 1.0) -> None:
        if settings.reads > settings.rows:
            raise SettingsError(
                f"variant '{rig.variant.name}', settings: 'reads' is {settings.reads}, but there are "
                f"{settings.rows} rows"
            )
        self.rig, self.settings = rig, settings
        card = rig.card
        on, off = card.on_conductance, card.off_conductance
        middle, rest = 0.5 * (on + off), settings.rows - settings.reads
        counts = scale * np.array([[settings.reads], [settings.background * rest], [(1 - settings.background) * rest]])
        cells = Cells.of(card, np.array([[middle], [on], [off]]))
        self.cells = replace(cells, strength=cells.strength * counts)
        self.reference = float(self.cells.current(settings.read_voltage)[0, 0])
        self.contrast = settings.contrast or (on - off) / (on + off)
        self.capacitance = settings.wire_capacitance + settings.rows * card.capacitance
        moved = settings.swing * self.capacitance / (self.contrast * self.reference)
        self.wait = moved if settings.wait is None else settings.wait / scale
        self.clocked = "en" in rig.variant.ports
        self.release = settings.precharge
        self.fire = self.release + self.wait
        self.reset = self.fire + settings.decide
        self.stop = self.reset + settings.recover
        self.start = self.fire if self.clocked else _ROW
        self.half = 0.5 * rig.supplies["vdd"]

    @property
    def vectors(self) -> list[str]:
        """What a reading returns."""
        return ["time", "v(bl)", "v(ref)", "v(row)", "v(outp)", "v(outn)", *currents(self.rig)]

    def netlist(self) -> Netlist:
        """Returns the bench as a netlist."""
        settings = self.settings
        clocks = [port for port in ("pre", "en") if port in self.rig.variant.ports]
        return self.rig.netlist(
            TEMPLATE,
            nodes={port: port for port in ("bl", "ref", "outp", "outn", *clocks)},
            cells=cell_values(self.cells),
            rows=settings.rows,
            reads=settings.reads,
            capacitance=settings.wire_capacitance,
            load=settings.load,
            ground=settings.ground,
            read_voltage=settings.read_voltage,
            edge=_EDGE,
            row=_ROW,
            release=self.release,
            fire=self.fire,
            reset=self.reset,
            stop=self.stop,
            step=self.stop / POINTS,
        )

    def read(self, session: NgspiceSession, difference: float) -> Reading:
        """Runs one reading, after one that gave the opposite.

        Args:
            session: The netlist, loaded.
            difference: Bit line's current minus the reference, over the reference; below -1 the bit line carries
                nothing and the reference more.
        """
        before = math.copysign(self.contrast, difference)
        session.alter(vbeforebl=before, vnowbl=-max(difference, -1.0), vnowref=min(1.0 + difference, 0.0))
        step = self.stop / POINTS
        result = session.run(Transient(step, self.stop, step), self.vectors)
        return Reading(result["time"], {name: result[name] for name in self.vectors})

    def verdict(self, reading: Reading) -> float:
        """Returns the difference of the outputs at the end of the decision, in V."""
        return float(value_at(reading.time, reading.difference, self.reset))

    def decision_time(self, reading: Reading, sign: float) -> float:
        """Returns when the outputs are half a supply apart for good, after the latch's firing or the row's rise.

        Args:
            reading: The waveforms.
            sign: 1 where the bit line carries more, else -1.

        Raises:
            MeasurementError: They never are, or the wrong way round.
        """
        time, output = reading.time, sign * reading.difference
        final = float(value_at(time, output, self.reset))
        if final < self.half:
            way = "the wrong way" if final <= -self.half else "no way"
            raise MeasurementError(
                f"it never decides right: with {1.0 + sign * self.contrast:.3g} times the reference of "
                f"{1e9 * self.reference:.4g} nA its outputs go {way}, {final:.3g} V apart after "
                f"{self.reset - self.start:.3g} s"
            )
        before = np.flatnonzero((time >= self.start) & (time <= self.reset) & (output < self.half))
        if not len(before):
            return 0.0
        last = before[-1]
        part = (self.half - output[last]) / (output[last + 1] - output[last])
        return float(time[last] + part * (time[last + 1] - time[last]) - self.start)

    def flip(self, session: NgspiceSession) -> float:
        """Returns the relative difference of currents at which the output flips.

        Raises:
            MeasurementError: No difference up to `LARGEST_CURRENT` flips it.
        """
        start = self.verdict(self.read(session, 0.0))
        way = -math.copysign(1.0, start)
        inner, outer = 0.0, way * 0.25 * self.contrast
        while math.copysign(1.0, self.verdict(self.read(session, outer))) != way:
            inner, outer = outer, 4.0 * outer
            if abs(outer) * self.reference > LARGEST_CURRENT:
                raise MeasurementError(
                    f"it never decides: its outputs stay {start:.3g} V apart from {inner * self.reference:.3g} A of "
                    f"difference to none"
                )
        while abs(outer - inner) > max(0.005, 0.02 * abs(outer)):
            middle = 0.5 * (inner + outer)
            if math.copysign(1.0, self.verdict(self.read(session, middle))) == way:
                outer = middle
            else:
                inner = middle
        return 0.5 * (inner + outer)


_OF_READINGS = ("decision_time", "conversion_time", "ground_error", "kickback", "energy", "static_power")


class CurrentLatch:
    """The bench.

    `contrast` is the smallest relative difference of currents that is told right both ways: the size of the offset
    over the reference current.
    """

    name = "current_latch"
    figures = (
        "offset_current",
        "contrast",
        "decision_time",
        "conversion_time",
        "ground_error",
        "kickback",
        "range_low",
        "range_high",
        "noise_current",
        "energy",
        "static_power",
        "area",
    )
    drawn = ("offset_current", "contrast")
    settings = Settings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """See `Bench.measure`."""
        settings = Settings.parse(rig.variant.settings, f"variant '{rig.variant.name}', settings")
        stand = Stand(rig, settings)
        netlist = stand.netlist()
        findings = Findings(frozenset(figures))
        operation: Waveforms | None = None
        curves: dict[str, Curve] = {}
        with rig.open(netlist) as session:
            findings.attempt(("offset_current", "contrast"), lambda: _offset(stand, session))
            if set(figures) & set(_OF_READINGS):
                more, less = (stand.read(session, sign * stand.contrast) for sign in (1.0, -1.0))
                findings.attempt(("decision_time", "conversion_time"), lambda: _times(stand, more, less))
                findings.attempt(("ground_error",), lambda: _ground(stand, more))
                findings.attempt(("kickback",), lambda: _kickback(stand, more, less))
                findings.attempt(("energy", "static_power"), lambda: _energy(stand, more, less))
                operation, curves = _operation(more), _decision_curve(stand, more)
        if {"range_low", "range_high"} & set(figures):
            swept = _sweep(rig, settings)
            findings.attempt(("range_low", "range_high"), lambda: _range(stand, swept))
            curves |= _times_curve(swept) | _swing_curves(rig, settings)
        findings.attempt(("noise_current",), lambda: _noise(stand))
        findings.attempt(("area",), lambda: {"area": netlist.deck.area})
        return Measurement(
            findings.figures, operation, curves, findings.failures, _notes(stand), {"reading": netlist.text}
        )


def _offset(stand: Stand, session: NgspiceSession) -> dict[str, float]:
    flip = stand.flip(session)
    return {"offset_current": flip * stand.reference, "contrast": abs(flip)}


def _times(stand: Stand, more: Reading, less: Reading) -> dict[str, float]:
    decision = max(stand.decision_time(more, 1.0), stand.decision_time(less, -1.0))
    return {"decision_time": decision, "conversion_time": decision + (stand.wait if stand.clocked else 0.0)}


def _ground(stand: Stand, reading: Reading) -> dict[str, float]:
    return {"ground_error": float(value_at(reading.time, reading["v(bl)"], stand.fire)) - stand.settings.ground}


def _kickback(stand: Stand, *readings: Reading) -> dict[str, float]:
    if not stand.clocked:
        raise MeasurementError("it has no clock whose edges could disturb its input")
    largest = 0.0
    for reading in readings:
        deciding = (reading.time >= stand.fire) & (reading.time <= stand.reset)
        quiet = float(value_at(reading.time, reading["v(bl)"], stand.fire))
        largest = max(largest, float(np.abs(reading["v(bl)"][deciding] - quiet).max()))
    return {"kickback": largest}


def _energy(stand: Stand, *readings: Reading) -> dict[str, float]:
    """Returns the means over the readings; a circuit without clock takes its power for as long as it is waited for."""
    end, rest = (stand.stop, 0.0) if stand.clocked else (stand.reset, stand.fire)
    parts = [energy(stand.rig, one.time, one.signals, 0.0, end) for one in readings]
    means = {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
    return means | {"static_power": float(np.mean([power(stand.rig, r.time, r.signals, rest) for r in readings]))}


def _noise(stand: Stand) -> dict[str, float]:
    kelvin, wait = stand.rig.condition.temperature, stand.wait
    shot = 2.0 * elementary_charge * stand.reference * wait
    reset = 2.0 * Boltzmann * kelvin * stand.capacitance if "pre" in stand.rig.variant.ports else 0.0
    return {"noise_current": math.sqrt(shot + reset) / wait}


def _sweep(rig: Rig, settings: Settings) -> list[tuple[Stand, float | None]]:
    """Returns, for cells of many currents, the bench and the time of a right decision, none where it is wrong."""
    swept: list[tuple[Stand, float | None]] = []
    for scale in SCALES:
        stand = Stand(rig, settings, float(scale))
        if stand.wait > LONGEST_WAIT:
            continue
        try:
            with rig.open(stand.netlist()) as session:
                more, less = (stand.read(session, sign * stand.contrast) for sign in (1.0, -1.0))
            swept.append((stand, _times(stand, more, less)["conversion_time"]))
        except FtjSpiceError:
            swept.append((stand, None))
    return swept


def _range(stand: Stand, swept: list[tuple[Stand, float | None]]) -> dict[str, float]:
    right = [time is not None for _, time in swept]
    currents = [one.reference for one, _ in swept]
    runs = _runs(right)
    if not runs:
        raise MeasurementError(
            f"it decides wrong at {100 * stand.contrast:.3g} % of contrast at every reference current from "
            f"{currents[0]:.3g} to {currents[-1]:.3g} A"
        )
    first, last = max(runs, key=lambda run: run[1] - run[0])
    return {"range_low": currents[first], "range_high": currents[last]}


def _runs(right: list[bool]) -> list[tuple[int, int]]:
    """Returns first and last index of each unbroken stretch."""
    padded = np.diff(np.concatenate([[0], np.asarray(right, int), [0]]))
    return [
        (int(a), int(b) - 1) for a, b in zip(np.flatnonzero(padded == 1), np.flatnonzero(padded == -1), strict=True)
    ]


def _times_curve(swept: list[tuple[Stand, float | None]]) -> dict[str, Curve]:
    right = [(stand, time) for stand, time in swept if time is not None]
    x, y = np.array([s.reference for s, _ in right]), np.array([t for _, t in right])
    return {"time of a reading": Curve(x, y, "reference current (A)", "release to decision (s)")} if right else {}


def _swing_curves(rig: Rig, settings: Settings) -> dict[str, Curve]:
    """Returns how the lines part while they float, at some read voltages."""
    curves: dict[str, Curve] = {}
    if "pre" not in rig.variant.ports:
        return curves
    for volts in SWING_VOLTAGES:
        stand = Stand(rig, settings.model_copy(update={"read_voltage": volts, "swing": 0.1, "wait": None}))
        with rig.open(stand.netlist()) as session:
            reading = stand.read(session, stand.contrast)
        waits = np.linspace(0.0, stand.wait, SWING_POINTS)
        swing = value_at(reading.time, reading["v(bl)"] - reading["v(ref)"], stand.release + waits)
        curves[f"swing at {volts:g} V"] = Curve(waits, swing, "wait (s)", "bit line less reference line (V)")
    return curves


def _decision_curve(stand: Stand, reading: Reading) -> dict[str, Curve]:
    """Returns the outputs' difference while a clocked circuit decides: nanoseconds at the end of a long wait."""
    if not stand.clocked:
        return {}
    moving = np.abs(reading.difference - stand.verdict(reading)) > 0.01 * stand.half
    until = reading.time[moving & (reading.time > stand.fire) & (reading.time < stand.reset)]
    span = min(1.5 * (until[-1] - stand.fire), stand.settings.decide) if len(until) else stand.settings.decide
    after = np.linspace(0.0, span, DECISION_POINTS)
    apart = value_at(reading.time, reading.difference, stand.fire + after)
    return {"decision": Curve(after, apart, "time after firing (s)", "output less complement (V)")}


def _operation(reading: Reading) -> Waveforms:
    panels = {
        "row (V)": {"row": reading["v(row)"]},
        "lines (V)": {"bit line": reading["v(bl)"], "reference line": reading["v(ref)"]},
        "outputs (V)": {"output": reading["v(outp)"], "complement": reading["v(outn)"]},
    }
    return Waveforms(reading.time, panels)


def _notes(stand: Stand) -> dict[str, str]:
    settings = stand.settings
    notes = {
        "contrast": "smallest relative difference of the currents that is told right both ways",
        "reference": (
            f"{settings.reads} of {settings.rows} cells at {settings.read_voltage:g} V: "
            f"{1e9 * stand.reference:.4g} nA in the reference line, halfway between the states"
        ),
        "range": (
            "searched in decades; the cells' current is scaled and the wait with it. A circuit without mismatch has no "
            "low end of its own: the offset current of Monte Carlo draws tells what a chip can tell apart"
        ),
        "kickback": "of the line itself, on its own capacitance",
        "wait": f"{stand.wait:.4g} s on lines of {1e12 * stand.capacitance:.4g} pF",
        "noise_current": (
            "computed, not simulated: shot noise of both lines' cells over the wait"
            + (", kT/C of both precharges" if "pre" in stand.rig.variant.ports else "")
            + "; the transistors' own noise is not in it"
        ),
    }
    if stand.rig.variant.biases:
        notes["ideal"] = (
            f"the levels {', '.join(stand.rig.variant.biases)} are ideal sources; charge that flows back is lost"
        )
    return notes


BENCH = CurrentLatch()
