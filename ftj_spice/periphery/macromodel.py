"""Macromodels: what a read-out circuit does to a column's current, in a form that costs nanoseconds.

A macromodel holds what transients of the circuit gave: no number of it is a design value. Currents are referred to the
circuit's input. Where an array runs with it, every column draws a circuit of its own from the run's seed:

    y = (1 + gain_sigma n1) I(bit line at `ground + ground_sigma n2`) + offset_sigma n3 + noise n4(t)

then the static curve, the range, and the code. What is the same in all circuits (`offset`, nominal gain) is known by
design and taken out of the result; the virtual ground's mean error is not, since it changes what the cells deliver.

Stored as JSON: plain numbers only, strictly read.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.files import read_regular, reason
from ftj_spice.common.settings import Strict
from ftj_spice.netlist.catalogue.variant import Identifier

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Energies = dict[Identifier, float]
LARGEST_FILE = 2**22
DEFAULT_PROCESS = "generic"
"""Process of a name that gives none."""
LEAST_GAIN_SCALE = 0.25
"""A front end that does not integrate gets at most four times its gain for smaller currents: resistors and ratios of
mirrors can't be made as large as one likes, as times can."""


class SenseModel(Strict):
    """From a column's current to a voltage, referred to the input."""

    integrates: bool
    """Whether it collects charge: its range in A then falls as its time grows."""
    time: Positive
    """Of one read in s: integration window and reset, or settling."""
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
    time: NotNegative = 0.0
    """Of one conversion in s."""
    energy: Energies = Field(default_factory=dict)
    """J per conversion, by supply."""

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
    """From a voltage to a bit."""

    offset_sigma: NotNegative = 0.0
    """Spread of the offset in V."""
    noise: NotNegative = 0.0
    """Input noise in V, rms."""
    hysteresis: NotNegative = 0.0
    """Distance of the trip points in V."""
    lag: NotNegative = 0.0
    """From the crossing, or the clock, to the decision, in s."""
    energy: Energies = Field(default_factory=dict)
    """J per decision, by supply."""


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
    unit: Literal["LSB", "range"]
    """What 1 stands for: a step of the converter, or the whole range."""
    compared: Annotated[int, Field(ge=0)]
    """How many values."""
    against: str
    """What it was compared with."""


class Macromodel(Strict):
    """A read-out as an array sees it."""

    name: Identifier
    """Of the chain or variant."""
    title: str
    """A few words."""
    kind: Literal["chain", "sense", "convert", "decide"]
    """What it was made of; what is missing is taken as ideal, or as the run's settings say."""
    process: Identifier
    """Process of the transistors."""
    corner: str
    """Its corner."""
    temperature: Positive
    """In K."""
    card: str
    """Card of the column that it was measured with."""
    variants: tuple[Identifier, ...] = ()
    """Circuits in it."""
    sense: SenseModel | None = None
    """Front end; none: an ideal one."""
    convert: ConvertModel | None = None
    """Converter; none: that of the run's settings."""
    decide: DecideModel | None = None
    """Decision; none: that of the run's settings."""
    drive: DriveModel | None = None
    """Row driver of the same process, for the energy; none: an estimate."""
    area: NotNegative = 0.0
    """Of one column's circuits in m^2."""
    draws: Annotated[int, Field(ge=0)] = 0
    """Monte Carlo draws that the spreads come from."""
    fit: FitError | None = None
    """Error of the macromodel; none: not made from transients."""
    notes: tuple[str, ...] = ()
    """What is ideal in it, what could not be measured."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.sense is None and self.convert is None and self.decide is None:
            raise ValueError("a macromodel needs 'sense', 'convert' or 'decide'")
        return self

    @property
    def energy(self) -> float:
        """J per read, all blocks and supplies, at the circuit's own time."""
        return sum(sum(part.energy.values()) for part in (self.sense, self.convert, self.decide) if part is not None)

    @property
    def time(self) -> float:
        """Of one read and conversion in s."""
        return (self.sense.time if self.sense else 0.0) + (self.convert.time if self.convert else 0.0)

    def text(self) -> str:
        """Returns it as JSON."""
        data = self.model_dump(exclude_defaults=True)
        return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def codes(self, currents: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns what a nominal circuit without noise makes of currents, any shape.

        The currents are those at the circuit's own bit-line voltage.

        Raises:
            SettingsError: It has no converter.
        """
        if self.convert is None:
            raise SettingsError(f"macromodel '{self.name}' has no converter")
        sense = self.sense or SenseModel(integrates=False, time=1.0, high=1.0)
        steps = (np.asarray(currents, float) + sense.offset - sense.low) / sense.span * (2**self.convert.bits - 1)
        return np.searchsorted(chain_transitions(sense, self.convert), steps, side="right").astype(np.int64)


def chain_transitions(sense: SenseModel | None, convert: ConvertModel) -> NDArray[np.float64]:
    """Returns the transitions of a front end and a converter together, in steps of the input from the range's low end.

    The front end's static curve is put into the places of the transitions, which is exact.
    """
    places = convert.transitions
    if sense is None or not sense.deviation:
        return places
    top = 2**convert.bits - 1
    grid = np.linspace(0.0, float(top), len(sense.deviation))
    curve = grid + top * np.array(sense.deviation)
    # Beyond its ends the curve goes on in parallel to the straight line.
    grid = np.concatenate([[grid[0] - top], grid, [grid[-1] + top]])
    curve = np.concatenate([[curve[0] - top], curve, [curve[-1] + top]])
    return np.interp(places, curve, grid)


def available_macromodels() -> list[str]:
    """Returns the packaged macromodels as `process/name`."""
    folder = resources.models() / "periphery"
    return [f"{path.parent.name}/{path.stem}" for path in sorted(folder.glob("*/*.json"))]


def macromodel_path(name: str | Path) -> Path:
    """Returns the file of a macromodel.

    Args:
        name: `NAME` (of the generic process), `PROCESS/NAME`, or a .json file.

    Raises:
        SettingsError: There is no such packaged macromodel.
    """
    if str(name).endswith(".json"):
        return Path(name)
    known = available_macromodels()
    full = str(name) if "/" in str(name) else f"{DEFAULT_PROCESS}/{name}"
    if full not in known:
        raise SettingsError(
            f"no macromodel of a periphery named {str(name)[:60]!r}; known: {', '.join(known) or 'none'}; or a .json "
            "file"
        )
    return resources.models() / "periphery" / f"{full}.json"


def load_macromodel(name: str | Path) -> Macromodel:
    """Returns a macromodel.

    Args:
        name: As in `macromodel_path`.

    Raises:
        SettingsError: No such macromodel, an unreadable or malformed file, or numbers that are not finite.
    """
    path = macromodel_path(name)
    try:
        data = json.loads(read_regular(path, LARGEST_FILE).decode(), parse_constant=_refuse, object_pairs_hook=_once)
    except OSError as error:
        raise SettingsError(f"can't read the macromodel {path}: {reason(error)}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: a macromodel is a JSON object, not {type(data).__name__}")
    return Macromodel.parse(data, str(path))


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON knows")


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"'{key}' stands twice")
        data[key] = value
    return data
