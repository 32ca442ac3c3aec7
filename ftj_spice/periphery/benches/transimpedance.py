"""Bench of amplifiers that turn a column's current into a voltage: ports `bl out`, on a real column of cells.

A first transient steps one cell and then the whole column: times and energy. A second one is a staircase: gain,
linearity, range, offset. Gain and noise over frequency come from small-signal analyses at half of full scale. See
`ftj_spice.periphery.levels`.
"""

from collections.abc import Collection

import numpy as np

from ftj_spice.engines.protocol import Noise, SmallSignal
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.levels import Line, Stand, Steps, TransimpedanceSettings
from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.spectra import noise_curve, rms
from ftj_spice.periphery.waveform import Waveforms

_CURVE = np.concatenate([[-0.5, -0.3, -0.2, -0.1], np.linspace(0.0, 1.0, 9), [1.1, 1.2, 1.3, 1.5]])
_QUICK = np.array([0.0, 0.5, 1.0])
_STRAIGHT = ("gain", "gain_error", "offset_current", "ground_error", "input_resistance")
_LINEAR = ("nonlinearity", "range_low", "range_high")
_TIMED = ("settling_time", "settling_time_cell", "energy", "static_power")


class TransimpedanceBench:
    """Bench of current-input amplifiers; see the module."""

    name = "transimpedance"
    figures = (*_STRAIGHT, *_LINEAR, "noise_current", "bandwidth", *_TIMED, "area")
    drawn = ("gain", "gain_error", "offset_current", "ground_error")
    settings = TransimpedanceSettings

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures an amplifier; see `Bench.measure`."""
        stand = Stand(rig)
        found = Findings(frozenset(figures))
        curves: dict[str, Curve] = {}
        netlists: dict[str, str] = {}
        operation = None
        found.attempt(("area",), lambda: {"area": stand.netlist(_QUICK).deck.area})
        if found.asks(_TIMED):
            taken = stand.stepped()
            netlists["steps"] = taken.levels.netlist.text
            operation = _operation(taken)
            found.attempt(("settling_time",), lambda: {"settling_time": taken.settling(3)})
            found.attempt(("settling_time_cell",), lambda: {"settling_time_cell": taken.settling(1)})
            found.attempt(("energy",), taken.energies)
            found.attempt(("static_power",), lambda: {"static_power": taken.static_power()})
        if found.asks((*_STRAIGHT, *_LINEAR)):
            levels = stand.levels(_CURVE if found.asks(_LINEAR) else _QUICK)
            netlists["levels"] = levels.netlist.text
            line = Line(stand, levels)
            found.attempt(_STRAIGHT, line.figures)
            found.attempt(("nonlinearity",), line.nonlinearity)
            found.attempt(("range_low", "range_high"), line.range)
            curves |= _curves(line) if found.asks(_LINEAR) else {}
        found.attempt(("bandwidth",), lambda: {"bandwidth": _bandwidth(stand)})
        found.attempt(("noise_current",), lambda: {"noise_current": _noise(stand, curves)})
        return Measurement(found.figures, operation, curves, found.failures, _notes(stand), netlists)


def _bandwidth(stand: Stand) -> float:
    """Returns where the gain has fallen by 3 dB, at half of full scale."""
    with stand.rig.open(stand.netlist(np.array([0.5]))) as session:
        result = session.run(SmallSignal(1.0, 1e9, 20), ["frequency", "v(out)"])
    frequency, gain = result["frequency"].real, np.abs(result["v(out)"])
    below = np.flatnonzero(gain < gain[0] / np.sqrt(2.0))
    if not len(below):
        raise MeasurementError("the gain does not fall by 3 dB up to 1 GHz")
    k = int(below[0])
    share = np.log(gain[0] / np.sqrt(2.0) / gain[k - 1]) / np.log(gain[k] / gain[k - 1])
    return float(frequency[k - 1] * (frequency[k] / frequency[k - 1]) ** share)


def _noise(stand: Stand, curves: dict[str, Curve]) -> float:
    """Returns the input noise current, rms: the output's noise over the gain at the lowest frequency."""
    s = stand.settings
    span = (s.lowest_frequency, s.highest_frequency, 20)
    with stand.rig.open(stand.netlist(np.array([0.5]))) as session:
        gain = abs(session.run(SmallSignal(s.lowest_frequency, 10.0 * s.lowest_frequency, 2), ["v(out)"])["v(out)"][0])
        result = session.run(Noise(*span, "v(out)", "isignal"), ["frequency", "onoise_spectrum"])
    frequency, density = result["frequency"], result["onoise_spectrum"]
    curves["Output noise"] = noise_curve(frequency, density)
    return rms(frequency, density) / float(gain)


def _curves(line: Line) -> dict[str, Curve]:
    levels = line.levels
    unit, name = (1e9, "nA") if line.stand.full_scale < 1e-7 else (1e6, "uA")
    x, label = unit * levels.inputs, f"Input current ({name})"
    near = (levels.parts >= -0.2) & (levels.parts <= 1.2)
    return {
        "Transfer": Curve(x, levels.outputs, label, "Output (V)"),
        "Deviation from the straight line": Curve(
            x[near], 100.0 * line.deviation()[near], label, "Deviation (% of full scale)"
        ),
        "Virtual ground": Curve(x[near], 1e3 * levels.ground[near], label, "Bit-line error (mV)"),
    }


def _operation(taken: Steps) -> Waveforms:
    """Returns the steps of one cell and of the whole column."""
    result, s = taken.levels.result, taken.stand.settings
    shown = result["time"] >= 0.5 * s.window
    panels = {
        "Output (V)": {"out": result["v(out)"][shown]},
        "Bit line (mV)": {"error": 1e3 * (result["v(bl)"][shown] - s.ground)},
        "Supply (uA)": {port: -1e6 * result[f"i(v{port})"][shown] for port in taken.stand.rig.supplies},
    }
    return Waveforms(result["time"][shown], panels)


def _notes(stand: Stand) -> dict[str, str]:
    s, rig = stand.settings, stand.rig
    scaled = "" if s.full_scale is None else ", scaled to the full scale that the variant is made for"
    return {
        "input": (
            f"{s.rows} cells of card '{rig.card.name}' at {rig.card.vmm_voltage:g} V over {s.ground:g} V: "
            f"{stand.full_scale:.4g} A{scaled}; what they would give at the exact virtual ground"
        ),
        "noise_current": (
            f"small-signal analysis at half of full scale: thermal and flicker noise of transistors and resistors, "
            f"{s.lowest_frequency:g} Hz to {s.highest_frequency:g} Hz; without the shot noise of the cells' current"
        ),
        "energy": (
            "of the supplies, from a full-scale step until the output has settled; bias currents count as taken from "
            "the core supply"
        ),
        "ideal": "rows and bias voltages come from ideal sources; their energy is not in 'energy'",
    }


BENCH = TransimpedanceBench()
