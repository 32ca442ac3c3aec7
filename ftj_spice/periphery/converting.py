"""Converters, asked for codes: one conversion after another in one transient.

XSPICE logic is not reset between the runs of a loaded netlist, so all conversions of a round stand in one run.
Transition levels are found by `TransitionSearch`; the input comes from a source with the output resistance of a sense
amplifier.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ftj_spice.common.quantities import Farads, Number, Ohms, Seconds, Volts, in_unit
from ftj_spice.common.settings import Strict
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.netlist.catalogue.variant import Identifier
from ftj_spice.periphery.power import currents
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.transitions import TransitionSearch
from ftj_spice.periphery.waveform import value_at

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TEMPLATE = "periphery/benches/converter.cir.j2"


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
    def controls(self) -> list[str]:
        """Ports of start, clock and end of conversion, those that there are."""
        return [port for port in (self.start, self.clock, self.done) if port is not None]

    @property
    def begin(self) -> float:
        """Begin of a conversion within its period in s."""
        return self.start_from if self.start is not None else self.clock_from

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

    def netlist(self, inputs: FloatArray, held: bool = False) -> Netlist:
        """Returns the bench with one conversion per input.

        Raises:
            SettingsError: The variant lacks a port.
        """
        s = self.settings
        nodes = {port: port for port in (s.input, *s.controls, *s.outputs)}
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
            high=self.rig.condition.core,
            outputs=list(s.outputs),
            load=s.load,
            vectors=[[name[0], name[2:-1]] for name in self.vectors if name != "time"],
        )

    @property
    def vectors(self) -> list[str]:
        """Vectors of a run."""
        s = self.settings
        ports = [s.input, *s.outputs, *s.controls]
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
            [
                value_at(result["time"], result[f"v({port})"], moments) > 0.5 * self.rig.condition.core
                for port in s.outputs
            ]
        )
        weights = np.ones(len(bits), np.int64) if s.code == "thermometer" else 2 ** np.arange(len(bits))[::-1]
        return weights @ bits

    def transitions(self, codes: list[int], resolution: float) -> tuple[FloatArray, TransitionSearch]:
        """Returns the transition levels of some codes in V, and the search with all its conversions."""
        s = self.settings
        search = TransitionSearch(self.codes, s.low, s.step, s.top, resolution * s.step, s.margin * (s.high - s.low))
        return search.levels(codes), search
