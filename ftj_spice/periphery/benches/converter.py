"""Bench of converters: the input is a port, the code is what digital outputs say at the end of each conversion.

All conversions of a round stand one after another in one transient: the state of XSPICE logic is not reset between the
runs of a loaded netlist. Transition levels are found by `TransitionSearch`; the input comes from a source with the
output resistance of a sense amplifier.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.constants import Boltzmann

from ftj_spice.common.quantities import Farads, Number, Ohms, Seconds, Volts, in_unit
from ftj_spice.common.settings import Strict
from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.netlist.catalogue.variant import Identifier, load_variant
from ftj_spice.periphery.bench import Curve, Measurement
from ftj_spice.periphery.benches.clocked_comparator import ClockedComparatorBench
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.linearity import linearity, superposed_codes, superposed_levels
from ftj_spice.periphery.power import currents, energy, power, sources
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.transitions import TransitionSearch
from ftj_spice.periphery.waveform import Waveforms, charge, crossings, value_at

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TEMPLATE = "periphery/benches/converter.cir.j2"
_STATIC = frozenset({"offset", "gain_error", "inl", "dnl", "missing_codes", "input_low", "input_high", "resolution"})
_TYPICAL_FIGURES = frozenset({"conversion_time", "kickback", "energy", "static_power"})
_TYPICAL = (0.11, 0.37, 0.59, 0.83)
"""Inputs over the range for what is averaged over typical conversions: energy, time, kickback."""


class ConverterSettings(Strict):
    """Settings of the bench."""

    input: Identifier = "vin"
    """Port of the input."""
    outputs: tuple[Identifier, ...]
    """Ports of the code: most significant bit first, or the steps of a thermometer in any order."""
    code: Literal["binary", "thermometer"] = "binary"
    """What the outputs say; of a thermometer, the number of those that are high is the code."""
    low: Volts
    """Ideal input at which code 0 begins."""
    high: Volts
    """Ideal input at which the largest code ends."""
    period: Annotated[Seconds, Field(gt=0)]
    """Time from one conversion's beginning to the next one's."""
    read: Annotated[Seconds, Field(gt=0)]
    """Time from a conversion's beginning at which the code is read."""
    start: Identifier | None = None
    """Port that is high from `start_from` to `start_to` of each period."""
    start_from: Annotated[Seconds, Field(gt=0)] = 1e-9
    """See `start`; counts as the begin of a conversion."""
    start_to: Annotated[Seconds, Field(gt=0)] = 2e-9
    """See `start`."""
    clock: Identifier | None = None
    """Port of the clock."""
    clock_from: Annotated[Seconds, Field(gt=0)] = 1e-9
    """First rise of the clock in a period."""
    clock_period: Annotated[Seconds, Field(gt=0)] = 10e-9
    """Period of the clock; a period of conversions is a whole number of it."""
    clock_count: Annotated[int, Field(ge=1)] = 1
    """Clock pulses of one conversion."""
    done: Identifier | None = None
    """Port that rises when the code is valid; where there is none, the last change of an output counts."""
    edge: Annotated[Seconds, Field(gt=0)] = 100e-12
    """Rise and fall time of start and clock."""
    load: Annotated[Farads, Field(gt=0)] = 5e-15
    """Capacitance at each output."""
    max_step: Annotated[Seconds, Field(gt=0)] = 5e-9
    """Largest time step."""
    source_resistance: Annotated[Ohms, Field(gt=0)] = 1e3
    """Resistance of the source: a sense amplifier's output."""
    hold: Annotated[Farads, Field(gt=0)] = 1e-12
    """Capacitance that holds the input for `held_error`."""
    resolution: Annotated[Number, Field(gt=0, le=1)] = 0.125
    """Width in steps at which the search for a level ends."""
    draw_resolution: Annotated[Number, Field(gt=0, le=1)] = 0.125
    """The same for Monte Carlo draws."""
    superposed: bool = False
    """Whether the weights of the bits add up: Monte Carlo draws then measure the levels of the powers of two and of the
    largest code, and compute the others."""
    draw_every: Annotated[int, Field(ge=1)] = 1
    """Monte Carlo draws measure the levels of every so many codes and of the outer two, and interpolate the others: for
    converters whose levels follow one smooth curve, such as a ramp's."""
    margin: Annotated[Number, Field(gt=0)] = 0.1
    """How far beyond the range levels are looked for, over the range."""
    sampled: tuple[Identifier, Annotated[Number, Field(gt=0)]] | None = None
    """Parameter and its multiple that make the capacitance on which the input is sampled."""
    comparator: Identifier | None = None
    """Variant of the clocked comparator whose noise adds; parameters of the same name are handed on."""
    logic_cycles: Annotated[Number, Field(ge=0)] = 0.0
    """Gate inputs of XSPICE logic that are charged in one conversion, an estimate: XSPICE logic takes no current."""
    logic_capacitance: Annotated[Farads, Field(gt=0)] = 3e-15
    """Capacitance of one such input with its wire."""
    logic_area: Annotated[float, in_unit("m^2"), Field(ge=0)] = 0.0
    """Area of XSPICE logic on silicon, an estimate: XSPICE elements have none."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.high <= self.low:
            raise ValueError("high must be above low")
        if self.read > self.period:
            raise ValueError("the code must be read within the period")
        if self.clock is not None:
            ratio = self.period / self.clock_period
            if abs(ratio - round(ratio)) > 1e-6:
                raise ValueError("the period must be a whole number of clock periods")
            if self.clock_from <= 0.25 * self.clock_period:
                raise ValueError("clock_from must be later than a quarter of the clock's period")
        return self

    @property
    def top(self) -> int:
        """Largest code."""
        return len(self.outputs) if self.code == "thermometer" else 2 ** len(self.outputs) - 1

    @property
    def step(self) -> float:
        """Ideal width of a code in V."""
        return (self.high - self.low) / (self.top + 1)

    def logic_energy(self, supply: float) -> float:
        """Returns the estimate of what XSPICE logic would take for one conversion in J, at a supply in V."""
        return self.logic_cycles * self.logic_capacitance * supply**2


@dataclass
class Conversions:
    """Runs conversions of one rig.

    Attributes:
        rig: The circuit and its condition.
        settings: Settings of the bench.
        netlists: Netlists that were run, by a short name.
    """

    rig: Rig
    settings: ConverterSettings
    netlists: dict[str, str] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """High level of controls and outputs in V: the core supply."""
        condition = self.rig.condition
        return condition.process.supplies["core"] * condition.supply

    def netlist(self, inputs: FloatArray, held: bool = False) -> Netlist:
        """Returns the bench with one conversion per input.

        Raises:
            SettingsError: The variant lacks a port.
        """
        s = self.settings
        controls = {port: port for port in (s.start, s.clock, s.done) if port is not None}
        nodes = {s.input: s.input} | controls | {port: port for port in s.outputs}
        corners = [[0.0, float(inputs[0])]]
        for k, (before, after) in enumerate(pairwise(inputs.tolist()), start=1):
            corners += [[k * s.period - s.edge, before], [k * s.period, after]]
        return self.rig.netlist(
            _TEMPLATE,
            nodes=nodes,
            input=s.input,
            points=corners,
            resistance=s.source_resistance,
            period=s.period,
            held=s.hold if held else 0.0,
            let_go=(len(inputs) - 1) * s.period + 0.5 * s.start_from,
            start=s.start,
            start_from=s.start_from,
            start_to=s.start_to,
            tick=s.clock,
            tick_from=s.clock_from,
            tick_period=s.clock_period,
            tick_count=s.clock_count,
            edge=s.edge,
            high=self.level,
            outputs=list(s.outputs),
            load=s.load,
            vectors=[[name[0], name[2:-1]] for name in self.vectors if name != "time"],
        )

    @property
    def vectors(self) -> list[str]:
        """Vectors of a run."""
        s = self.settings
        ports = [s.input, *s.outputs, *(port for port in (s.start, s.clock, s.done) if port is not None)]
        drives = [*(["i(vstart)"] if s.start else []), *(["i(bclock)"] if s.clock else [])]
        return ["time", "v(source)", *(f"v({port})" for port in ports), *currents(self.rig), *drives]

    def run(self, inputs: FloatArray, held: bool = False) -> Result:
        """Runs one conversion per input, one after another."""
        s = self.settings
        netlist = self.netlist(inputs, held)
        self.netlists["held" if held else "converter"] = netlist.text
        with self.rig.open(netlist) as session:
            return session.run(Transient(0.2 * s.max_step, len(inputs) * s.period, s.max_step), self.vectors)

    def codes(self, inputs: FloatArray) -> IntArray:
        """Returns the codes of inputs, shape `(inputs,)` each."""
        return self.read(self.run(inputs), len(inputs))

    def read(self, result: Result, count: int) -> IntArray:
        """Returns the codes of a run of `count` conversions."""
        s = self.settings
        moments = s.period * np.arange(count) + s.read
        bits = np.array(
            [value_at(result["time"], result[f"v({port})"], moments) > 0.5 * self.level for port in s.outputs]
        )
        weights = np.ones(len(bits), np.int64) if s.code == "thermometer" else 2 ** np.arange(len(bits))[::-1]
        return weights @ bits

    def transitions(self, codes: list[int], resolution: float) -> tuple[FloatArray, TransitionSearch]:
        """Returns the transition levels of some codes in V, and the search with all its conversions."""
        s = self.settings
        search = TransitionSearch(self.codes, s.low, s.step, s.top, resolution * s.step, s.margin * (s.high - s.low))
        return search.levels(codes), search


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
        wanted = set(figures)
        s = self.parse(rig)
        conversions = Conversions(rig, s)
        found: dict[str, float] = {}
        failures: dict[str, str] = {}
        curves: dict[str, Curve] = {}
        notes: dict[str, str] = {
            "input": f"driven from {s.source_resistance:g} ohm, the output of a sense amplifier; reading an FTJ column "
            f"through a sense amplifier is the business of a chain",
        }
        operation = None

        def attempt(names: set[str], get: Callable[[], dict[str, float]]) -> None:
            if not names & wanted:
                return
            try:
                values = get()
                found.update({name: values[name] for name in values if name in wanted or name.startswith("energy_")})
            except (MeasurementError, ConvergenceError) as error:
                failures.update(dict.fromkeys(names & wanted, str(error)))

        attempt({"noise"}, lambda: {"noise": _noise(rig, s, notes)})
        noise = found.get("noise", 0.0)
        attempt(set(_STATIC), lambda: _static(conversions, curves, notes, noise))
        if _TYPICAL_FIGURES & wanted:
            try:
                result = conversions.run(s.low + np.array(_TYPICAL) * (s.high - s.low))
            except ConvergenceError as error:
                failures.update(dict.fromkeys(_TYPICAL_FIGURES & wanted, str(error)))
            else:
                operation = _operation(conversions, result)
                attempt({"conversion_time"}, lambda: {"conversion_time": _conversion_time(conversions, result)})
                attempt({"kickback"}, lambda: {"kickback": _kickback(s, result)})
                attempt({"energy"}, lambda: _energy(conversions, result, notes))
                attempt({"static_power"}, lambda: {"static_power": _static_power(conversions, result)})
        attempt({"held_error"}, lambda: {"held_error": _held_error(conversions)})
        if "area" in wanted:
            found["area"] = conversions.netlist(np.array([s.low])).deck.area + s.logic_area
            if s.logic_area:
                notes["area"] = f"XSPICE logic counts {1e12 * s.logic_area:g} um^2, an estimate"
        return Measurement(found, operation, curves, failures, notes, conversions.netlists)


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
        if port is not None:  # a driver takes each rising edge's charge from the supply and gives it to ground
            parts[f"energy_{port}"] = conversions.level * charge(time, np.maximum(-result[source], 0.0), *span) / count
    if s.logic_cycles:
        parts["energy_logic"] = s.logic_energy(conversions.level)
        notes["energy"] = (
            f"XSPICE logic takes no current: energy_logic is an estimate, {s.logic_cycles:g} gate inputs of "
            f"{1e15 * s.logic_capacitance:g} fF charged to {conversions.level:g} V"
        )
    return parts | {"energy": math.fsum(parts.values())}


def _static_power(conversions: Conversions, result: Result) -> float:
    """Returns the power at rest, after the last code was read."""
    s = conversions.settings
    end = len(_TYPICAL) * s.period
    return power(conversions.rig, result["time"], result.vectors, end)


def _begin(settings: ConverterSettings) -> float:
    return settings.start_from if settings.start is not None else settings.clock_from


def _conversion_time(conversions: Conversions, result: Result) -> float:
    """Returns the longest time from a conversion's begin to its code."""
    s, time = conversions.settings, result["time"]
    longest = []
    for k in range(len(_TYPICAL)):
        begin, end = k * s.period + _begin(s), k * s.period + s.read
        if s.done is not None:
            moments = crossings(time, result[f"v({s.done})"], 0.5 * conversions.level, "rising")
        else:
            moments = np.concatenate(
                [crossings(time, result[f"v({port})"], 0.5 * conversions.level) for port in s.outputs]
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
    quiet = (phase > 0.5 * _begin(s)) & (phase < s.period - 2 * s.edge)
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
    controls = [port for port in (s.start, s.clock, s.done) if port is not None]
    panels = {
        "control (V)": {port: result[f"v({port})"][inside] for port in controls},
        "input (V)": {s.input: result[f"v({s.input})"][inside]},
        "outputs (V)": {port: result[f"v({port})"][inside] for port in s.outputs},
        "current (uA)": {port: -1e6 * result[f"i(v{port})"][inside] for port in sources(conversions.rig)},
    }
    return Waveforms(time[inside] - 2 * s.period, panels)


BENCH = ConverterBench()
