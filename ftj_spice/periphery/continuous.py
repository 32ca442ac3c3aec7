"""Continuous comparators, asked for their responses to steps of the input.

Trip points are the smallest steps that flip the output within a stated time; an edge detector's are steps from the
level at rest, a comparator's are steps from far on the other side. Both are found by halving an interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from ftj_spice.common.quantities import Farads, Number, Ohms, Seconds, Volts
from ftj_spice.common.settings import Strict
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.waveform import first_crossing, value_at


class ContinuousComparatorSettings(Strict):
    """Settings of the bench."""

    level: Volts = 0.9
    """Common mode of a comparator's inputs, level at rest of an edge detector's."""
    rest: Annotated[Seconds, Field(gt=0)] = 5e-6
    """Time between steps: an edge detector forgets the last one."""
    wait: Annotated[Seconds, Field(gt=0)] = 5e-6
    """A step flips the output if that happens so soon."""
    edge: Annotated[Seconds, Field(gt=0)] = 20e-9
    """Rise time of a step."""
    load: Annotated[Farads, Field(gt=0)] = 5e-15
    """Capacitance at the output."""
    clear: Annotated[Volts, Field(gt=0)] = 0.1
    """A step so high flips the output for certain."""
    resolution: Annotated[Volts, Field(gt=0)] = 5e-5
    """Width at which the search for a trip point ends."""
    overdrive: Annotated[Volts, Field(gt=0)] = 0.01
    """Input beyond the trip points for `decision_time`, `energy`, `dead_time`, `kickback` and the input range."""
    overdrives: tuple[Volts, ...] = (1e-3, 3e-3, 10e-3, 30e-3, 100e-3)
    """Inputs beyond the trip points for the curve of decision times."""
    slowest: Annotated[Number, Field(gt=1)] = 3.0
    """Decisions within the input range take at most so many times as long as at `level`."""
    level_step: Annotated[Volts, Field(gt=0)] = 0.1
    """Step of the sweep of the level."""
    source_resistance: Annotated[Ohms, Field(gt=0)] = 1e3
    """Resistance of each input's source for `kickback`."""
    dwell: Annotated[Seconds, Field(gt=0)] = 5e-6
    """Mean dwell time of the telegraph signal for `disagreement`, `missed_edges` and `false_edges`."""
    edges: Annotated[int, Field(ge=10)] = 60
    """Edges of that signal; their height is the distance of the trip points and `overdrive` beyond either."""
    pair: tuple[str, ...] = ("m_inp", "m_inn")
    """Transistors of the template that make the input noise, such as `m_inp` or `x_comparator.m_inp`."""
    excess_noise: Annotated[Number, Field(gt=0)] = 1.0
    """Channel noise of the pair over `4 k T gm`."""


@dataclass
class ContinuousCircuit:
    """A loaded continuous comparator, asked for its response to steps.

    Attributes:
        session: The netlist of the bench.
        settings: The bench's settings.
        name: Of the variant, for error messages.
        high: Supply of its logic in V.
        detects_edges: Whether it has one input.
    """

    session: NgspiceSession
    settings: ContinuousComparatorSettings
    name: str
    high: float
    detects_edges: bool
    _trips: dict[tuple[float, float], float] = field(default_factory=dict)

    @property
    def begin(self) -> float:
        """When the step under test starts, in s."""
        return 2.0 * self.settings.rest

    def step(
        self, sign: float, height: float, more: Sequence[str] = (), stop: float | None = None, **alters: float
    ) -> Result:
        """Runs one step that should drive the output up (`sign` 1) or down (-1).

        Args:
            sign: Direction.
            height: Input after the step in V, as a distance from the level in the step's direction; of an edge detector
                the height of the edge.
            more: Further vectors.
            stop: End in s.
            **alters: What else to alter.
        """
        s = self.settings
        away = -sign * s.clear
        first, third = (0.0, away + sign * height) if self.detects_edges else (away, sign * height)
        self.session.alter(vfirst=first, vsecond=away, vthird=third, **alters)
        stop = self.begin + s.wait if stop is None else stop
        return self.session.run(Transient(s.edge, stop, s.wait / 50.0), ["time", "v(out)", *more])

    def delay(self, sign: float, height: float, **alters: float) -> float:
        """Returns the time in s from the middle of a step until the output passes half the supply.

        Raises:
            MeasurementError: It does not.
        """
        result = self.step(sign, height, **alters)
        time, out = result["time"], result["v(out)"]
        start = self.begin + 0.5 * self.settings.edge
        if (value_at(time, out, start) > 0.5 * self.high) == (sign > 0):
            raise MeasurementError(
                f"the output of '{self.name}' stands {'high' if sign > 0 else 'low'} before the step that should "
                f"drive it there: {1e3 * self.settings.clear:g} mV the other way have not moved it"
            )
        return (
            first_crossing(
                time,
                out,
                0.5 * self.high,
                f"the output of '{self.name}', {1e3 * height:.4g} mV {'up' if sign > 0 else 'down'} at its input,",
                "rising" if sign > 0 else "falling",
                after=start,
            )
            - start
        )

    def flips(self, sign: float, height: float, **alters: float) -> bool:
        """Says whether a step flips the output."""
        try:
            self.delay(sign, height, **alters)
        except MeasurementError:
            return False
        return True

    def trip(self, sign: float, **alters: float) -> float:
        """Returns the smallest height of a step that flips the output, see `step`.

        Raises:
            MeasurementError: A clear step does not.
        """
        key = (sign, alters.get("vlevel", self.settings.level))
        if key not in self._trips:
            low, high = -0.5 * self.settings.clear, self.settings.clear
            self.delay(sign, high, **alters)
            while high - low > self.settings.resolution:
                middle = 0.5 * (low + high)
                if self.flips(sign, middle, **alters):
                    high = middle
                else:
                    low = middle
            self._trips[key] = high
        return self._trips[key]

    def decision_time(self, overdrive: float, **alters: float) -> float:
        """Returns the longer of both directions' delays in s for a step beyond the trip point."""
        return max(self.delay(sign, self.trip(sign, **alters) + overdrive, **alters) for sign in (1.0, -1.0))
