"""Settings of writing: the pulses, the levels, the array around the cells."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ftj_spice.array.writing.schemes import SCHEMES, check_scheme
from ftj_spice.common.settings import Strict
from ftj_spice.device.activation import GROUPS
from ftj_spice.netlist.circuit import TOPOLOGIES

LARGEST_PULSES = 2000
"""Most pulses a staircase may have."""


class Staircase(Strict):
    """Amplitudes of a train of pulses that rises."""

    start: Annotated[float, Field(gt=0, le=50)]
    """Amplitude of the first pulse in V, without its sign."""
    step: Annotated[float, Field(gt=0, le=10)]
    """Rise from pulse to pulse, in V."""
    limit: Annotated[float, Field(gt=0, le=50)]
    """Largest amplitude in V."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.limit < self.start:
            raise ValueError(f"'limit' must not lie below 'start' ({self.start:g} V), got {self.limit:g}")
        if (self.limit - self.start) / self.step > LARGEST_PULSES:
            raise ValueError(f"'step' is too small: more than {LARGEST_PULSES} pulses from 'start' to 'limit'")
        return self

    def amplitudes(self, factor: float = 1.0) -> list[float]:
        """Returns the amplitudes in V, from start to limit, with the step multiplied by `factor`."""
        step = self.step * factor
        count = min(int((self.limit - self.start) / step + 1e-9), LARGEST_PULSES)
        return [self.start + k * step for k in range(count + 1)]


class ProgramSettings(Strict):
    """How an array is programmed."""

    card: str = "hzo_mfis_nominal"
    """Device card: the name of a packaged one, or a .toml file."""
    levels: Annotated[int, Field(ge=2, le=4096)] = 16
    """Conductance levels, evenly spaced; their distance is the unit of the tolerance."""
    low: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Lowest level, in parts of the card's window: 0 is its high-resistance state, 1 its low-resistance state."""
    high: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Highest level, in the same parts; below 1, so that a cell with a weak low-resistance state reaches it too."""
    clip: bool = False
    """Takes targets outside the card's window to its edge and lists them as failed, instead of refusing them."""
    tolerance: Annotated[float, Field(gt=0, le=10)] = 0.25
    """Largest error of a cell at the end, in parts of a level step."""
    margin: Annotated[float, Field(ge=0, le=10)] = 0.06
    """By how much a verify read must be better than that, in the same parts, at most half the tolerance: room for the
    neighbours' pulses and the read's noise."""
    scheme: str = "v3"
    """Voltages of the lines that are not selected: v2, v3, or inhibit (arrays with select transistors)."""
    inhibit_voltage: Annotated[float, Field(gt=0, lt=1)] = 0.57
    """Scheme inhibit: voltage of an inhibited column, in parts of the pulse; 2 V of 3.5 V in an AND-type array of
    ferroelectric transistors (Han et al., Adv. Mater. 2026, adma.202517440)."""
    erase_voltage: Annotated[float, Field(gt=0, le=50)] = 4.0
    """Amplitude of the pulse that erases the whole array first, without its sign."""
    erase_time: Annotated[float, Field(gt=0, le=10)] = 1e-5
    """Its length in s."""
    initial: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of domains that point up before the erase pulse; 1 is the low-resistance state."""
    width: Annotated[float, Field(gt=1e-10, le=1)] = 1e-6
    """Length of a pulse at its full amplitude, in s."""
    edge: Annotated[float, Field(gt=0, le=0.1)] = 1e-8
    """Its rise and fall time in s."""
    set: Staircase = Staircase(start=1.6, step=0.1, limit=4.2)
    """Pulses that raise the conductance."""
    reset: Staircase = Staircase(start=1.2, step=0.05, limit=4.2)
    """Pulses that lower it, against overshoot; amplitudes without their sign."""
    refine: Annotated[float, Field(gt=0.05, le=1)] = 0.7
    """Factor on both steps after each pair of reversals."""
    reversals: Annotated[int, Field(ge=0, le=100)] = 8
    """How often the direction may change within a row."""
    max_pulses: Annotated[int, Field(ge=1, le=100_000)] = 300
    """Most pulses of a cell."""
    passes: Annotated[int, Field(ge=1, le=10)] = 3
    """How often the array is gone through, at most: further passes touch only cells that left the tolerance since."""
    model: Literal["mean", "domains"] = "mean"
    """Switching: the mean of infinitely many domains, or the card's number of domains that flip at random."""
    groups: Annotated[int, Field(ge=1, le=256)] = GROUPS
    """Domain groups of the mean model; the weakest domains, which half-select disturbs, want more than 16."""
    spread: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Device-to-device spread, as a multiple of the card's; 0 switches it off."""
    cycle_spread: Annotated[float, Field(ge=0, le=0.2)] = 0.015
    """Relative sigma of a cell's activation fields from pulse to pulse. Our estimate: 0.015 moves a middle state by
    about the nominal card's cycle-to-cycle spread."""
    verify_noise: Annotated[float, Field(ge=0, le=10)] = 0.02
    """Sigma of a verify read, in parts of a level step."""
    stuck: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of devices that do not switch."""
    stuck_on: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of these that are stuck in the low-resistance state; the others are stuck in the high-resistance state."""
    topology: str = "crossbar"
    """How the cells are wired: crossbar, nor, 1t1f, nor1t or and."""
    line_resistance: Annotated[float, Field(ge=0, le=1e9)] = 2.0
    """Wire resistance per segment of rows and columns, in ohm."""
    line_capacitance: Annotated[float, Field(ge=0, le=1e-9)] = 5e-14
    """ngspice: capacitance per segment of rows and columns, in F."""
    driver_resistance: Annotated[float, Field(ge=0, le=1e9)] = 50.0
    """Output resistance of the drivers, in ohm; a row's cells draw milliamperes at 3.5 V (sinh law)."""
    sense_resistance: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Input resistance of the sense amplifiers, in ohm."""
    drive: Literal["first", "last", "both"] = "first"
    """Ends at which the rows are driven."""
    sense: Literal["first", "last", "both"] = "last"
    """Ends at which the columns are driven and sensed."""
    read_time: Annotated[float, Field(gt=1e-9, le=1)] = 1e-7
    """ngspice: how long a verify read stands before its current is taken, in s; the charging current must be gone."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.topology not in TOPOLOGIES:
            raise ValueError(f"'topology' must be one of {', '.join(TOPOLOGIES)}, got {self.topology!r}")
        if self.scheme not in SCHEMES:
            raise ValueError(f"'scheme' must be one of {', '.join(SCHEMES)}, got {self.scheme!r}")
        check_scheme(self.scheme, self.topology)
        if self.low >= self.high:
            raise ValueError(f"'low' must lie below 'high' ({self.high:g}), got {self.low:g}")
        return self

    @property
    def accepted(self) -> float:
        """Largest error that a verify read accepts, in parts of a level step."""
        return max(self.tolerance - self.margin, 0.5 * self.tolerance)
