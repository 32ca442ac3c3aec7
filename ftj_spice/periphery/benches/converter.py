"""Bench of converters: the input is a port, the code is what digital outputs say at the end of each conversion.

What it asks of the circuit is in `ftj_spice.periphery.converting`.
"""

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann

from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.protocol import Result
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.benches.clocked_comparator import ClockedComparatorBench
from ftj_spice.periphery.converting import Conversions, ConverterSettings
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.findings import Findings
from ftj_spice.periphery.linearity import linearity, superposed_codes, superposed_levels
from ftj_spice.periphery.power import driven, energy, power, sources
from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.waveform import Waveforms, crossings, value_at

FloatArray = NDArray[np.float64]

_STATIC = frozenset({"offset", "gain_error", "inl", "dnl", "missing_codes", "input_low", "input_high", "resolution"})
_TYPICAL_FIGURES = frozenset({"conversion_time", "kickback", "energy", "static_power"})
_TYPICAL = (0.11, 0.37, 0.59, 0.83)
"""Inputs over the range for what is averaged over typical conversions: energy, time, kickback."""


class ConverterBench:
    """Static transfer, time, energy, kickback and noise of a converter."""

    name = "converter"
    figures = (
        "offset",
        "gain_error",
        "inl",
        "dnl",
        "missing_codes",
        "resolution",
        "input_low",
        "input_high",
        "noise",
        "conversion_time",
        "kickback",
        "held_error",
        "energy",
        "static_power",
        "area",
    )
    drawn = ("offset", "gain_error", "inl", "dnl", "missing_codes")
    settings = ConverterSettings

    def parse(self, rig: Rig) -> ConverterSettings:
        """Returns the variant's settings."""
        return ConverterSettings.parse(dict(rig.variant.settings), f"settings of '{rig.variant.name}'")

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures some figures; see `Bench`."""
        s = self.parse(rig)
        conversions = Conversions(rig, s)
        findings = Findings(frozenset(figures), survives=(MeasurementError, ConvergenceError))
        curves: dict[str, Curve] = {}
        notes: dict[str, str] = {
            "input": f"driven from {s.source_resistance:g} ohm, the output of a sense amplifier; reading an FTJ column "
            f"through a sense amplifier is the business of a chain",
        }
        operation = None

        def typical() -> dict[str, float]:
            nonlocal operation
            result = conversions.run(s.low + np.array(_TYPICAL) * (s.high - s.low))
            operation = _operation(conversions, result)
            findings.attempt(("conversion_time",), lambda: {"conversion_time": _conversion_time(conversions, result)})
            findings.attempt(("kickback",), lambda: {"kickback": _kickback(s, result)})
            findings.attempt(("energy",), lambda: _energy(conversions, result, notes))
            findings.attempt(("static_power",), lambda: {"static_power": _static_power(conversions, result)})
            return {}

        findings.attempt(("noise",), lambda: {"noise": _noise(rig, s, notes)})
        noise = findings.figures.get("noise", 0.0)
        findings.attempt(_STATIC, lambda: _static(conversions, curves, notes, noise))
        findings.attempt(_TYPICAL_FIGURES, typical)
        findings.attempt(("held_error",), lambda: {"held_error": _held_error(conversions)})
        findings.attempt(("area",), lambda: {"area": _area(conversions, notes)})
        return Measurement(findings.figures, operation, curves, findings.failures, notes, conversions.netlists)


def _area(conversions: Conversions, notes: dict[str, str]) -> float:
    s = conversions.settings
    if s.logic_area:
        notes["area"] = f"XSPICE logic counts {1e12 * s.logic_area:g} um^2, an estimate"
    return conversions.netlist(np.array([s.low])).deck.area + s.logic_area


def _static(
    conversions: Conversions, curves: dict[str, Curve], notes: dict[str, str], noise: float
) -> dict[str, float]:
    s = conversions.settings
    drawn = conversions.rig.condition.mismatch is not None
    every = list(range(1, s.top + 1))
    fineness = s.draw_resolution if drawn else s.resolution
    if drawn and s.superposed:
        bits = len(s.outputs)
        few, search = conversions.transitions(superposed_codes(bits), fineness)
        if not np.isfinite(few).all():
            raise MeasurementError(_never(few, superposed_codes(bits), s))
        levels = superposed_levels(few.tolist(), bits)
        missing = int((np.diff(levels) <= 0).sum())
        notes["inl"] = (
            f"from the levels of codes {', '.join(map(str, superposed_codes(bits)))}: the bits' weights add up"
        )
    elif drawn and s.draw_every > 1:
        some = sorted({*range(1, s.top + 1, s.draw_every), s.top})
        few, search = conversions.transitions(some, fineness)
        levels = np.interp(every, some, few)
        missing = int((np.diff(levels) <= 0).sum())
        notes["inl"] = f"from the levels of codes {', '.join(map(str, some))}; the others are interpolated"
    else:
        levels, search = conversions.transitions(every, fineness)
        missing = len({*range(s.top + 1)} - set(search.codes.tolist()))
    if np.isfinite(levels).sum() < 2:
        raise MeasurementError(_never(levels, every, s))
    line = linearity(levels, s.low, s.high)
    codes = np.array(every, float)
    curves["transfer"] = Curve(search.inputs, search.codes.astype(float), "input (V)", "code")
    curves["INL"] = Curve(codes, line.inl, "code", "INL (LSB)")
    curves["DNL"] = Curve(codes[:-1], line.dnl, "code", "DNL (LSB)")
    notes["dnl"] = f"levels are searched to {fineness:g} LSB: INL is no less than half of it, DNL no less than it"
    notes["resolution"] = "effective bits: of an ideal converter with the same error, rms, of levels and noise"
    return {
        "offset": line.offset,
        "gain_error": line.gain_error,
        "inl": max(line.worst_inl, 0.5 * fineness),
        "dnl": max(line.worst_dnl, fineness),
        "missing_codes": float(missing),
        "resolution": line.effective_bits(noise / s.step),
        "input_low": line.low,
        "input_high": line.high,
    }


def _never(levels: FloatArray, codes: list[int], settings: ConverterSettings) -> str:
    lost = [code for code, level in zip(codes, levels, strict=True) if not np.isfinite(level)]
    margin = settings.margin * (settings.high - settings.low)
    return (
        f"{len(lost)} of {len(codes)} codes looked for (the first is {lost[0]}) begin nowhere from "
        f"{settings.low - margin:.3g} to {settings.high + margin:.3g} V"
    )


def _energy(conversions: Conversions, result: Result, notes: dict[str, str]) -> dict[str, float]:
    """Returns energies per conversion, mean over all but the first, which starts from the operating point."""
    s, time = conversions.settings, result["time"]
    count = len(_TYPICAL) - 1
    span = (s.period, (count + 1) * s.period)
    given = energy(conversions.rig, time, result.vectors, *span)
    parts = {name: value / count for name, value in given.items() if name != "energy"}
    for port, source in ((s.start, "i(vstart)"), (s.clock, "i(bclock)")):
        if port is not None:
            parts[f"energy_{port}"] = driven(time, result[source], conversions.rig.condition.core, *span) / count
    if s.logic_cycles:
        parts["energy_logic"] = s.logic_energy(conversions.rig.condition.core)
        notes["energy"] = (
            f"XSPICE logic takes no current: energy_logic is an estimate, {s.logic_cycles:g} gate inputs of "
            f"{1e15 * s.logic_capacitance:g} fF charged to {conversions.rig.condition.core:g} V"
        )
    return parts | {"energy": math.fsum(parts.values())}


def _static_power(conversions: Conversions, result: Result) -> float:
    """Returns the power at rest, after the last code was read."""
    s = conversions.settings
    end = len(_TYPICAL) * s.period
    return power(conversions.rig, result["time"], result.vectors, end)


def _conversion_time(conversions: Conversions, result: Result) -> float:
    """Returns the longest time from a conversion's begin to its code."""
    s, time = conversions.settings, result["time"]
    longest = []
    for k in range(len(_TYPICAL)):
        begin, end = k * s.period + s.begin, k * s.period + s.read
        if s.done is not None:
            moments = crossings(time, result[f"v({s.done})"], 0.5 * conversions.rig.condition.core, "rising")
        else:
            moments = np.concatenate(
                [crossings(time, result[f"v({port})"], 0.5 * conversions.rig.condition.core) for port in s.outputs]
            )
        inside = moments[(moments > begin) & (moments <= end)]
        if len(inside):
            longest.append(float(inside[0] if s.done is not None else inside.max()) - begin)
        elif s.done is not None:
            raise MeasurementError(f"'{s.done}' does not rise before the code is read")
    if not longest:
        raise MeasurementError("no output changes during a conversion")
    return max(longest)


def _kickback(settings: ConverterSettings, result: Result) -> float:
    """Returns the largest deviation of the input from its source, but for where the source itself moves."""
    s, time = settings, result["time"]
    phase = np.mod(time, s.period)
    quiet = (phase > 0.5 * s.begin) & (phase < s.period - 2 * s.edge)
    return float(np.abs(result[f"v({s.input})"] - result["v(source)"])[quiet].max())


def _held_error(conversions: Conversions) -> float:
    """Returns how far a conversion moves an input that is held on a capacitor, the one before at another level."""
    s = conversions.settings
    inputs = s.low + np.array([0.25, 0.75]) * (s.high - s.low)
    result = conversions.run(inputs, held=True)
    time, vin = result["time"], result[f"v({s.input})"]
    before, after = value_at(time, vin, s.period + np.array([0.6 * s.start_from, s.read]))
    return float(abs(after - before))


def _noise(rig: Rig, settings: ConverterSettings, notes: dict[str, str]) -> float:
    """Returns the input noise: kT/C of sampling and the comparator's own."""
    squared, said = 0.0, []
    if settings.sampled is not None:
        name, multiple = settings.sampled
        if name not in rig.values:
            raise MeasurementError(f"sampled: variant '{rig.variant.name}' has no parameter '{name}'")
        capacitance = multiple * rig.values[name]
        squared += Boltzmann * rig.condition.temperature / capacitance
        said.append(f"kT/C of {1e15 * capacitance:.4g} fF in closed form")
    if settings.comparator is not None:
        variant = load_variant(settings.comparator)
        shared = {name: value for name, value in rig.values.items() if name in variant.parameters}
        inner = Rig(variant, rig.condition, rig.card, rig.engine, shared)
        measured = ClockedComparatorBench().measure(inner, {"noise"})
        if "noise" not in measured.figures:
            raise MeasurementError(measured.failures.get("noise", "the comparator has no noise figure"))
        squared += measured.figures["noise"] ** 2
        said.append(f"of the comparator '{variant.name}': {measured.notes.get('noise', 'as its bench measures it')}")
    if not said:
        raise MeasurementError("the settings name neither a sampling capacitor nor a comparator: no source of noise")
    if settings.comparator is None:
        said.append("the comparator's own noise is left out")
    notes["noise"] = "; ".join(said)
    return math.sqrt(squared)


def _operation(conversions: Conversions, result: Result) -> Waveforms:
    """Returns the third of the typical conversions."""
    s = conversions.settings
    time = result["time"]
    inside = (time >= 2 * s.period) & (time <= 3 * s.period)
    panels = {
        "control (V)": {port: result[f"v({port})"][inside] for port in s.controls},
        "input (V)": {s.input: result[f"v({s.input})"][inside]},
        "outputs (V)": {port: result[f"v({port})"][inside] for port in s.outputs},
        "current (uA)": {port: -1e6 * result[f"i(v{port})"][inside] for port in sources(conversions.rig)},
    }
    return Waveforms(time[inside] - 2 * s.period, panels)


BENCH = ConverterBench()
