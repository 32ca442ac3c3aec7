"""Clocked comparators, asked for decisions: each is one short transient from the reset state.

The threshold is found by halving the interval between an input that is decided low and one that is decided high: a
dozen decisions give it to some ten microvolts.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ftj_spice.common.quantities import Farads, Number, Ohms, Seconds, Volts
from ftj_spice.common.settings import Strict
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.waveform import first_crossing, value_at

FloatArray = NDArray[np.float64]

_APERTURE_STEPS = 24
_LINEAR = 0.1  # V between the outputs: they still grow in proportion to the input


class ClockedComparatorSettings(Strict):
    """Settings of the bench."""

    common_mode: Volts = 0.9
    """Common mode of the input."""
    period: Annotated[Seconds, Field(gt=0)] = 8e-9
    """Clock period, half of it for the decision."""
    edge: Annotated[Seconds, Field(gt=0)] = 50e-12
    """Rise and fall time of the clock, and the largest time step."""
    load: Annotated[Farads, Field(gt=0)] = 5e-15
    """Capacitance at each output."""
    overdrive: Annotated[Volts, Field(gt=0)] = 0.01
    """Input beyond the threshold for `decision_time`, `energy`, `kickback` and the input range."""
    overdrives: tuple[Volts, ...] = (1e-3, 3e-3, 10e-3, 30e-3, 100e-3)
    """Inputs beyond the threshold for the curve of decision times."""
    search: Annotated[Volts, Field(gt=0)] = 0.064
    """First half-width of the search for the threshold; it doubles up to the common mode."""
    resolution: Annotated[Volts, Field(gt=0)] = 2e-5
    """Width at which the search ends."""
    slowest: Annotated[Number, Field(gt=1)] = 3.0
    """Decisions within the input range take at most so many times as long as at the common mode."""
    common_step: Annotated[Volts, Field(gt=0)] = 0.05
    """Step of the sweep of the common mode."""
    source_resistance: Annotated[Ohms, Field(gt=0)] = 1e3
    """Resistance of each input's source for `kickback`."""
    source_resistances: tuple[Ohms, ...] = (100.0, 1e3, 10e3)
    """Resistances for the curve of kickback."""
    pair: tuple[str, ...] = ("m_inp", "m_inn")
    """Transistors of the template that make the input noise."""
    excess_noise: Annotated[Number, Field(gt=0)] = 1.0
    """Channel noise of the pair over `4 k T gm`."""


@dataclass
class ClockedCircuit:
    """A loaded clocked comparator, asked for decisions.

    Attributes:
        session: The netlist of the bench.
        settings: The bench's settings.
        name: Of the variant, for error messages.
        high: High level of the clock in V; outputs have decided when they are half of it apart.
    """

    session: NgspiceSession
    settings: ClockedComparatorSettings
    name: str
    high: float
    _thresholds: dict[float | None, float] = field(default_factory=dict)

    @property
    def start(self) -> float:
        """Middle of the clock's first rising edge in s."""
        return 0.125 * self.settings.period + 0.5 * self.settings.edge

    def decide(
        self, after: float, before: float | None = None, more: tuple[str, ...] = (), **alters: float
    ) -> tuple[FloatArray, FloatArray, Result]:
        """Runs one evaluation, or two where the input changes in between.

        Args:
            after: Differential input in V.
            before: Input of an evaluation before this one; none starts from reset.
            more: Further vectors.
            **alters: What else to alter.

        Returns:
            Time from the clock's edge, outputs' difference, and all vectors.
        """
        s = self.settings
        cycles = 0 if before is None else 1
        when = 1e9 * (self.start + 0.8 * s.period)
        self.session.alter(vbefore=after if before is None else before, vafter=after, vwhen=when, **alters)
        stop = self.start + (cycles + 0.5) * s.period - s.edge
        result = self._run(stop, s.edge, more)
        return result["time"] - self.start - cycles * s.period, result["v(outp)"] - result["v(outn)"], result

    def cycle(self, after: float, more: tuple[str, ...]) -> Result:
        """Runs one evaluation and the reset after it."""
        self.session.alter(vbefore=after, vafter=after)
        return self._run(self.start + self.settings.period, self.settings.edge, more)

    def stepped(self, base: float, height: float, when: float, moment: float) -> tuple[FloatArray, FloatArray]:
        """Runs an evaluation whose input steps by `height` at `when` s after the clock's edge, up to `moment`."""
        rise = 0.2 * self.settings.edge
        self.session.alter(
            vbefore=base, vafter=base + height, vwhen=1e9 * (self.start + when - 0.5 * rise), vrise=1e9 * rise
        )
        result = self._run(self.start + moment, 0.2 * self.settings.edge, ())
        self.session.alter(vrise=0.1)
        return result["time"] - self.start, result["v(outp)"] - result["v(outn)"]

    def _run(self, stop: float, step: float, more: tuple[str, ...]) -> Result:
        vectors = list(dict.fromkeys(["time", "v(outp)", "v(outn)", *more]))
        return self.session.run(Transient(step, stop, step), vectors)

    def threshold(self, before: float | None = None) -> float:
        """Returns the differential input in V at which the decision flips.

        Args:
            before: See `decide`.

        Raises:
            MeasurementError: It never decides, or always the same way.
        """
        if before not in self._thresholds:
            self._thresholds[before] = self._search(before)
        return self._thresholds[before]

    def _search(self, before: float | None) -> float:
        s = self.settings
        half = s.search
        while True:
            ends = [float(self.decide(sign * half, before)[1][-1]) for sign in (-1.0, 1.0)]
            if ends[0] < 0 < ends[1] and min(np.abs(ends)) > 0.5 * self.high:
                break
            if half >= s.common_mode:
                raise MeasurementError(self._undecided(half, ends))
            half = min(2.0 * half, s.common_mode)
        low, high = -half, half
        while high - low > s.resolution:
            middle = 0.5 * (low + high)
            if self.decide(middle, before)[1][-1] > 0:
                high = middle
            else:
                low = middle
        return 0.5 * (low + high)

    def _undecided(self, half: float, ends: list[float]) -> str:
        if min(np.abs(ends)) <= 0.5 * self.high:
            return (
                f"'{self.name}' never decides: at the end of an evaluation of {0.5e9 * self.settings.period:g} ns its "
                f"outputs are {abs(ends[0]):.3g} V and {abs(ends[1]):.3g} V apart with {half:g} V either way at its "
                f"input, less than half the supply"
            )
        way = "against its input" if ends[0] > 0 > ends[1] else "high" if ends[0] > 0 else "low"
        return f"'{self.name}' always decides {way} with {half:g} V either way at its input"

    def decision_time(self, overdrive: float, **alters: float) -> float:
        """Returns the longer of the decision times in s for an input beyond the threshold either way.

        Raises:
            MeasurementError: It does not decide, or wrongly.
        """
        return max(self._decision_time(sign * overdrive, **alters) for sign in (-1.0, 1.0))

    def _decision_time(self, overdrive: float, **alters: float) -> float:
        time, difference, _ = self.decide(self.threshold() + overdrive, **alters)
        sign = np.sign(overdrive)
        return first_crossing(
            time,
            sign * difference,
            0.5 * self.high,
            f"the difference of the outputs of '{self.name}', {1e3 * overdrive:g} mV beyond its threshold,",
            "rising",
            after=0.0,
        )


def sampling_aperture(circuit: ClockedCircuit) -> tuple[FloatArray, FloatArray]:
    """Returns how much an input step still counts, by its time after the clock's edge.

    The input steps by a millivolt from the threshold; the outputs' difference is read while it still grows in
    proportion to the input.

    Returns:
        Times of the step in s, and the response over that to a step long before; see `ftj_spice.periphery.aperture`.

    Raises:
        MeasurementError: It does not decide, or its outputs do not grow.
    """
    base, height = circuit.threshold(), 1e-3
    end = circuit.decision_time(height)
    time, difference = circuit.stepped(base, height, -0.5 * circuit.start, end)
    rest_time, rest = circuit.stepped(base, 0.0, 0.0, end)
    moved = difference - value_at(rest_time, rest, time)
    grown = np.flatnonzero((time > 0) & (np.abs(moved) > _LINEAR))
    if not len(grown):
        raise MeasurementError(f"the outputs of '{circuit.name}' do not grow in proportion to a small input")
    moment, full = float(time[grown[0]]), float(moved[grown[0]])
    steps = np.linspace(-circuit.settings.edge, moment, _APERTURE_STEPS)
    still = float(value_at(rest_time, rest, moment))
    share = [(float(circuit.stepped(base, height, step, moment)[1][-1]) - still) / full for step in steps]
    return steps, np.array(share)
