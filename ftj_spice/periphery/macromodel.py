"""Macromodels: what a read-out circuit does to a column's current, in a form that costs nanoseconds.

A macromodel holds what transients of the circuit gave: no number of it is a design value. Currents are referred to the
circuit's input. Where an array runs with it, every column draws a circuit of its own from the run's seed:

    y = (1 + gain_sigma n1) I(bit line at `ground + ground_sigma n2`) + offset_sigma n3 + noise n4(t)

then the static curve, the range, and the code. What is the same in all circuits (`offset`, nominal gain) is known by
design and taken out of the result; the virtual ground's mean error is not, since it changes what the cells deliver.

Stored as JSON: plain numbers only, strictly read.
"""

import difflib
import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.files import replace_file, writing
from ftj_spice.common.packaged import read_json
from ftj_spice.common.settings import Strict
from ftj_spice.netlist.catalogue.variant import Identifier
from ftj_spice.periphery.parts import (
    ConvertModel,
    DecideModel,
    DriveModel,
    FitError,
    Identity,
    NotNegative,
    Positive,
    SenseModel,
)

__all__ = [
    "ConvertModel",
    "DecideModel",
    "DriveModel",
    "FitError",
    "Identity",
    "Macromodel",
    "SenseModel",
    "available_macromodels",
    "chain_transitions",
    "load_macromodel",
    "macromodel_path",
    "store_macromodel",
]

LARGEST_FILE = 2**22
DEFAULT_PROCESS = "generic"
"""Process of a name that gives none."""
LEAST_GAIN_SCALE = 0.25
"""A front end that does not integrate gets at most four times its gain for smaller currents: resistors and ratios of
mirrors can't be made as large as one likes, as times can."""


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
    identity: Identity | None = None
    """Transistors that it was made from; none: unknown, or several that were not simulated together."""
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
        """Of one read and conversion or decision in s."""
        decision = (self.decide.time or self.decide.lag) if self.decide else 0.0
        return (self.sense.time if self.sense else 0.0) + (self.convert.time if self.convert else 0.0) + decision

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
        near = difflib.get_close_matches(full, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}; or a .json file"
        raise SettingsError(f"no macromodel of a periphery named {str(name)[:60]!r}; {hint}")
    return resources.models() / "periphery" / f"{full}.json"


def load_macromodel(name: str | Path) -> Macromodel:
    """Returns a macromodel.

    Args:
        name: As in `macromodel_path`.

    Raises:
        SettingsError: No such macromodel, an unreadable or malformed file, or numbers that are not finite.
    """
    path = macromodel_path(name)
    data = read_json(path, "the macromodel ", LARGEST_FILE)
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: a macromodel is a JSON object, not {type(data).__name__}")
    model = Macromodel.parse(data, str(path))
    if model.identity is None:
        return model
    return model.model_copy(update={"identity": model.identity.moved(lambda file: path.parent / file)})


def store_macromodel(model: Macromodel, path: Path) -> None:
    """Writes a macromodel to a .json file, the folders above it where they are missing.

    Raises:
        OutputError: It can't be written.
    """
    if model.identity is not None:
        beside = path.resolve().parent
        own = model.identity.moved(lambda file: Path(os.path.relpath(file.resolve(), beside)))
        model = model.model_copy(update={"identity": own})
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, model.text().encode())
