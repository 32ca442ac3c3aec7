"""Bench of bit-line latches and current comparators: which line carries more current, and by how much at least.

What it asks of the circuit is in `ftj_spice.periphery.latched`.
"""

import math
from collections.abc import Collection

import numpy as np
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.latched import LatchSettings, Reading, Stand
from ftj_spice.periphery.power import energy, power
from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.waveform import Waveforms, value_at

LONGEST_WAIT = 1.0
"""Longest wait in s that the range is searched with."""
SCALES = 10.0 ** np.arange(-2.0, 5.1)
"""Factors of the cells' current that the range is searched with."""
SWING_VOLTAGES = (0.5, 1.0, 1.5)
"""Read voltages in V of the curves of floating lines."""
SWING_POINTS = 50
DECISION_POINTS = 200


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
    settings = LatchSettings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """See `Bench.measure`."""
        settings = LatchSettings.parse(rig.variant.settings, f"variant '{rig.variant.name}', settings")
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


def _sweep(rig: Rig, settings: LatchSettings) -> list[tuple[Stand, float | None]]:
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


def _swing_curves(rig: Rig, settings: LatchSettings) -> dict[str, Curve]:
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
