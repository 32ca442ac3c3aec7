"""Parts of a macromodel: front end, converter, decision, row driver; how well it fits, what it was made from."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ftj_spice.common.settings import Strict
from ftj_spice.netlist.catalogue.variant import Identifier

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Energies = dict[Identifier, float]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SenseModel(Strict):
    """From a column's current to a voltage, referred to the input."""

    integrates: bool
    """Whether it collects charge: its range in A then falls as its time grows."""
    time: Positive
    """Of one read in s: integration window and reset, or settling."""
    averaging: Positive | None = None
    """Over how long a read averages the current in s: the integration window; without one the averaging time whose
    noise bandwidth is the same; none: over all of `time`."""
    gain: float = 1.0
    """Volts per ampere at that time; for information, the range is what counts."""
    gain_sigma: NotNegative = 0.0
    """Relative spread of the gain from circuit to circuit."""
    offset: float = 0.0
    """Mean offset in A: the same in all circuits, taken out by design."""
    offset_sigma: NotNegative = 0.0
    """Spread of the offset in A."""
    ground: float = 0.0
    """Mean error of the bit line's voltage in V."""
    ground_sigma: NotNegative = 0.0
    """Its spread in V."""
    noise: NotNegative = 0.0
    """Input-referred noise of one read in A, rms."""
    noise_source: str = "none"
    """Where the noise comes from: a noise analysis, transients, or an estimate."""
    low: float = 0.0
    """Smallest current of the range in A."""
    high: Positive
    """Largest current of the range in A."""
    deviation: tuple[float, ...] = ()
    """Static curve less its straight line, in parts of the range, at points evenly spaced over it; none: straight."""
    energy: Energies = Field(default_factory=dict)
    """J per read at that time, by supply."""
    static_power: NotNegative = 0.0
    """W that a longer read costs."""

    @model_validator(mode="after")
    def _ranged(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"'low' must lie below 'high' ({self.high:g} A), got {self.low:g}")
        if len(self.deviation) == 1:
            raise ValueError("'deviation' needs at least two points, or none")
        if self.deviation:
            grid = np.linspace(0.0, 1.0, len(self.deviation))
            if np.any(np.diff(grid + np.array(self.deviation)) <= 0):
                raise ValueError("'deviation' bends the static curve back: it must rise everywhere")
        return self

    @property
    def span(self) -> float:
        """Width of the range in A."""
        return self.high - self.low

    @property
    def window(self) -> float:
        """Time in s over which a read averages: shot noise of a current I has the variance `e I / window`."""
        return self.averaging or self.time

    def window_at(self, scale: float) -> float:
        """Returns the window of a circuit whose range is scaled: one that integrates gets another window for it."""
        return self.window / scale if self.integrates else self.window

    def time_at(self, scale: float) -> float:
        """Returns the time of its read: what is not the window, a reset or a conversion, stays as it is."""
        return max(self.time - self.window, 0.0) + self.window_at(scale) if self.integrates else self.time


class ConvertModel(Strict):
    """From a voltage to a code."""

    bits: Annotated[int, Field(ge=2, le=12)]
    """Resolution."""
    inl: tuple[float, ...] = ()
    """Deviation of each transition from its place in steps, from the lowest; none: straight."""
    gain_sigma: NotNegative = 0.0
    """Relative spread of the gain."""
    offset_sigma: NotNegative = 0.0
    """Spread of the offset in steps."""
    noise: NotNegative = 0.0
    """Noise at its input in steps, rms."""
    noise_source: str = "none"
    """Where the noise comes from."""
    step: NotNegative = 0.0
    """Width in V of the steps that it was measured with; 0: unknown."""
    time: NotNegative = 0.0
    """Of one conversion in s."""
    energy: Energies = Field(default_factory=dict)
    """J per conversion, by supply."""
    area: NotNegative = 0.0
    """Its part of the macromodel's area in m^2."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.inl and len(self.inl) != 2**self.bits - 1:
            raise ValueError(f"'inl' must have one entry per transition, {2**self.bits - 1}, not {len(self.inl)}")
        return self

    @property
    def transitions(self) -> NDArray[np.float64]:
        """Input at which each code gives way to the next, in steps from code 0; a missing code's lie together."""
        places = np.arange(2**self.bits - 1) + 0.5 + (np.array(self.inl) if self.inl else 0.0)
        return np.maximum.accumulate(places)


class DecideModel(Strict):
    """From a voltage or a current to a bit."""

    input: Literal["voltage", "current"] = "voltage"
    """What it decides about; a current is that of the column itself, without a front end. Offset, noise, hysteresis and
    range are in V or A accordingly."""
    sees: Literal["level", "edge"] = "level"
    """Whether the input's level is compared with the trip points, or the height of its steps."""
    offset: float = 0.0
    """Mean offset: the same in all circuits, taken out by design."""
    offset_sigma: NotNegative = 0.0
    """Spread of the offset."""
    noise: NotNegative = 0.0
    """Input noise of one decision, rms."""
    noise_source: str = "none"
    """Where the noise comes from."""
    hysteresis: NotNegative = 0.0
    """Distance of the trip points: they stand half of it above and below the offset."""
    reference: NotNegative = 0.0
    """Current of the threshold that it was measured at in A; 0 for voltages."""
    low: float | None = None
    """Smallest threshold that it works at, an input's common mode or a reference current; none: unknown."""
    high: float | None = None
    """Largest one."""
    lag: NotNegative = 0.0
    """From the crossing, or the clock, to the decision, in s."""
    time: NotNegative = 0.0
    """From one decision to the next in s, with reset and wait; 0: unknown."""
    energy: Energies = Field(default_factory=dict)
    """J per decision, by supply."""
    static_power: NotNegative = 0.0
    """W that it takes while it waits."""


class DriveModel(Strict):
    """A row driver: what raising a row takes."""

    variant: Identifier
    """Its circuit."""
    load: NotNegative
    """Capacitance of the row that it was measured with in F."""
    energy: Energies
    """J per pulse, by supply."""


class FitError(Strict):
    """How far the macromodel is from transients that it was not fitted to."""

    largest: NotNegative
    """Largest deviation."""
    rms: NotNegative
    """Root mean square."""
    unit: Literal["LSB", "range", "probability"]
    """What 1 stands for: a step of the converter, the whole range, or a share of circuits."""
    compared: Annotated[int, Field(ge=0)]
    """How many values."""
    against: str
    """What it was compared with."""


class Identity(Strict):
    """What transistors a macromodel was made from: where they are found, and hashes of what they say.

    Files of one's own are stored relative to the macromodel's file; a loaded macromodel has the whole paths.
    """

    process: str
    """Process: a packaged name, or its .toml file."""
    process_sha256: Sha256
    """Of its numbers and of its models in the corner."""
    chain: str | None = None
    """Read-out chain: a packaged name, or its .toml file; none: a variant by itself."""
    circuits_sha256: Sha256
    """Of wiring, clocks, biases, templates and sizes."""

    def moved(self, place: Callable[[Path], Path]) -> "Identity":
        """Returns it with the paths of files changed; packaged names stay."""
        files = {
            name: str(place(Path(value)))
            for name, value in (("process", self.process), ("chain", self.chain))
            if value is not None and value.endswith(".toml")
        }
        return self.model_copy(update=files)
