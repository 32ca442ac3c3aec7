"""Figures of periphery circuits: one table of names, units and which way is better."""

from dataclasses import dataclass
from typing import Literal

from ftj_spice.common.errors import FtjSpiceError


class MeasurementError(FtjSpiceError):
    """A circuit does not do what a figure needs: it never decides, never settles, or has no such waveform."""


@dataclass(frozen=True)
class Figure:
    """One kind of figure.

    Attributes:
        name: Identifier.
        unit: SI unit, `1` for a pure number, `LSB` for steps of a converter.
        better: Which way is better, for marking the best and for Pareto fronts.
        title: A few words, for tables.
        meaning: How it is defined.
    """

    name: str
    unit: str
    better: Literal["less", "more", "none"]
    title: str
    meaning: str


_TABLE = (
    Figure("gain", "V/A", "none", "gain", "slope of the output over the input, by least squares over the range"),
    Figure("gain_error", "1", "less", "gain error", "gain over its nominal value, minus one"),
    Figure(
        "offset",
        "V",
        "less",
        "offset",
        "input that gives the output of no input; of a comparator, that flips it; of a DAC, its output at code 0",
    ),
    Figure("offset_current", "A", "less", "offset current", "the same, as a current"),
    Figure("offset_charge", "C", "less", "offset charge", "the same, as a charge"),
    Figure("ground_error", "V", "less", "virtual-ground error", "bit line's voltage minus the intended one"),
    Figure("input_resistance", "ohm", "less", "input resistance", "change of the bit line's voltage over its current"),
    Figure("range_low", "A", "none", "range, low end", "smallest input current with a nonlinearity within the limit"),
    Figure("range_high", "A", "more", "range, high end", "largest input current with a nonlinearity within the limit"),
    Figure("input_low", "V", "less", "input range, low end", "lowest common-mode or input voltage it works at"),
    Figure("input_high", "V", "more", "input range, high end", "highest common-mode or input voltage it works at"),
    Figure("nonlinearity", "1", "less", "nonlinearity", "largest deviation from the straight line over its span"),
    Figure("inl", "LSB", "less", "INL", "largest deviation of a code transition from the best straight line"),
    Figure("dnl", "LSB", "less", "DNL", "largest deviation of a code's width from one step"),
    Figure("missing_codes", "1", "less", "missing codes", "codes that no input gives"),
    Figure("resolution", "1", "more", "resolution", "bits"),
    Figure("noise", "V", "less", "input noise", "input-referred noise, rms; its source is declared"),
    Figure("noise_current", "A", "less", "input noise current", "the same, as a current"),
    Figure("noise_charge", "C", "less", "input noise charge", "the same, as a charge"),
    Figure("settling_time", "s", "less", "settling time", "from a full step until the output stays within 1 %"),
    Figure("decision_time", "s", "less", "decision time", "from the clock or the input's crossing to half the supply"),
    Figure("conversion_time", "s", "less", "conversion time", "from start to a valid code"),
    Figure("hysteresis", "V", "none", "hysteresis", "distance of the two trip points"),
    Figure("kickback", "V", "less", "kickback", "largest disturbance of the input while it decides, from 1 kohm"),
    Figure("droop", "V/s", "less", "droop", "rate at which a held value leaks away"),
    Figure("energy", "J", "less", "energy", "per operation, all supplies"),
    Figure("static_power", "W", "less", "static power", "at rest, all supplies"),
    Figure("area", "m^2", "less", "area", "sum of all devices' areas with the process's layout factor"),
    Figure("contrast", "1", "less", "contrast", "smallest relative difference of two currents that is told right"),
    Figure("level_error", "V", "less", "level error", "largest distance of a settled output from the intended level"),
    Figure("overshoot", "V", "less", "overshoot", "farthest that the output runs past its levels"),
    Figure("output_resistance", "ohm", "less", "output resistance", "change of the output over its load current"),
    Figure("glitch", "V*s", "less", "glitch", "largest area of the output outside the two levels of a code step"),
    Figure("pulse_step", "s", "none", "pulse step", "slope of the pulse's width over the code, by least squares"),
    Figure("pulse_offset", "s", "less", "pulse offset", "width that this straight line gives to code 0"),
    Figure("edge_time", "s", "less", "edge time", "the slower one of rise and fall, 10 to 90 %"),
    Figure("bandwidth", "Hz", "more", "bandwidth", "frequency at which the gain has fallen by 3 dB"),
    Figure("settling_time_cell", "s", "less", "settling time, one cell", "settling time after one cell's step"),
    Figure(
        "smallest_edge", "V", "less", "smallest edge", "smallest step of the input that flips the output either way"
    ),
    Figure("dead_time", "s", "less", "dead time", "shortest pulse whose two edges both come through"),
    Figure(
        "disagreement", "1", "less", "disagreement", "share of time that the output differs from a telegraph signal"
    ),
    Figure("missed_edges", "1", "less", "missed edges", "edges of a telegraph signal that leave no trace, of all"),
    Figure("false_edges", "1", "less", "false edges", "edges of the output without one at the input, of the input's"),
    Figure("held_error", "V", "less", "held-input error", "shift of an input held on 1 pF by one conversion"),
    Figure("on_resistance", "ohm", "less", "on-resistance", "largest resistance of a closed switch over its range"),
    Figure("leakage", "A", "less", "leakage", "current that open switches add to the output, lines off their level"),
    Figure("injected_charge", "C", "less", "injected charge", "charge that switching puts on the output"),
    Figure("crosstalk", "1", "less", "crosstalk", "share of a neighbour's step on a selected line that nothing holds"),
    Figure("voltage_gain", "1", "more", "voltage gain", "small-signal gain of the open loop at the lowest frequency"),
    Figure("unity_gain_frequency", "Hz", "more", "unity-gain frequency", "where the open loop's gain has fallen to 1"),
    Figure("phase_margin", "°", "more", "phase margin", "phase of the open loop at unity gain, over -180°"),
    Figure("slew_rate", "V/s", "more", "slew rate", "of a follower's step, the slower direction"),
    Figure("output_low", "V", "less", "output range, low end", "lowest output that the open loop's gain holds"),
    Figure("output_high", "V", "more", "output range, high end", "highest output that the open loop's gain holds"),
    Figure("value", "V", "none", "value", "settled output"),
    Figure("value_error", "1", "less", "error of the value", "settled output over the intended one, minus one"),
    Figure("temperature_coefficient", "1/K", "less", "temperature coefficient", "span over temperature, per kelvin"),
    Figure("line_sensitivity", "1/V", "less", "line sensitivity", "span over the supply's range, per volt"),
    Figure("startup_time", "s", "less", "start-up time", "from the supply's ramp until the output stays within 1 %"),
    Figure("reference_current", "A", "none", "reference current", "settled current out of the current output"),
)

FIGURES: dict[str, Figure] = {figure.name: figure for figure in _TABLE}
"""All figures by name."""


def figure(name: str) -> Figure:
    """Returns a figure; `NAME_sigma` is the spread of NAME over Monte Carlo draws, `NAME_SUPPLY` its part by supply.

    Raises:
        KeyError: There is none.
    """
    if name in FIGURES:
        return FIGURES[name]
    base = name.removesuffix("_sigma")
    if base != name and base in FIGURES:
        one = FIGURES[base]
        return Figure(
            name, one.unit, "less", f"{one.title}, sigma", f"standard deviation over mismatch of: {one.meaning}"
        )
    if name.startswith("energy_"):
        supply = name.removeprefix("energy_")
        return Figure(name, "J", "less", f"energy from {supply}", f"per operation, from {supply}")
    raise KeyError(name)
