"""Units and quantities as people write them: `nA`, `uC/cm^2`, `1 um^2`; read with pint, given back in SI."""

import functools
import math
import re
from tokenize import TokenError
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from ftj_spice.common.errors import SettingsError

BARE = {"": 1.0, "1": 1.0, "-": 1.0, "cycles": 1.0, "%": 0.01, "percent": 0.01, "ppm": 1e-6}
"""Units of pure numbers and what they stand for."""

NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)

_LONGEST = 40
_UNREADABLE = (ValueError, TypeError, ArithmeticError, AttributeError, SyntaxError, AssertionError, TokenError)
# A unit is names with powers: a number stands only after a power sign, or as the 1 of 1/V.
_SCALED = re.compile(r"(?:^|[^\w^*.⁻-])(?!1\s*/)\d|\d{3}|\*\*.*\*\*|\^.*\^.*\^")


class UnitError(ValueError):
    """A unit that can't be read or does not fit; the text goes on after the place: `the unit 'x' ...`."""


@functools.cache
def _registry() -> Any:
    import pint  # half a second: only for those who read units

    registry = pint.UnitRegistry()
    registry.define("LSB = [code]")
    return registry


def convert(values: NDArray[np.float64], unit: str, allowed: tuple[str, ...]) -> tuple[NDArray[np.float64], str]:
    """Converts numbers to SI.

    Args:
        values: Numbers, any shape.
        unit: Their unit as written.
        allowed: SI units (or eV, `1`) that may be meant, of different dimensions.

    Returns:
        The numbers in the first of `allowed` that fits, and that unit.

    Raises:
        UnitError: The unit can't be read, or fits none of `allowed`.
    """
    text = unit.strip()
    if "1" in allowed and text in BARE:
        return values * BARE[text], "1"
    if not text:
        raise UnitError(f"no unit is given; write one, such as [{allowed[0]}]")
    import pint

    wanted = " or ".join("a pure number" if one == "1" else one for one in allowed)
    try:
        if len(text) > _LONGEST or _SCALED.search(text):
            raise ValueError
        parsed = _registry().parse_units(text)
    except (pint.PintError, *_UNREADABLE):
        raise UnitError(f"the unit {text!r} can't be read; it must be convertible to {wanted}") from None
    for one in allowed:
        if one == "1":
            continue
        try:
            return np.asarray(_registry().Quantity(values, parsed).to(one).magnitude, float), one
        except pint.DimensionalityError:
            continue
    raise UnitError(f"the unit {text!r} does not fit; it must be convertible to {wanted}")


def number_and_unit(text: str) -> tuple[float, str] | None:
    """Splits `1.5 V` or `1.5 [V]` into number and unit; none where no finite number stands first."""
    match = NUMBER.fullmatch(text)
    if match is None or not math.isfinite(float(match[1])):
        return None
    unit = match[2]
    if unit[:1] + unit[-1:] in {"[]", "()"}:
        unit = unit[1:-1]
    return float(match[1]), unit


def quantity(text: str, unit: str, what: str) -> float:
    """Reads a value of the command line.

    Args:
        text: Number, alone (then in `unit`) or with a unit.
        unit: SI unit wanted, `1` for a pure number.
        what: Opens the error's sentence.

    Raises:
        SettingsError: No number, or a unit that does not fit.
    """
    parts = number_and_unit(text)
    if parts is None:
        raise SettingsError(f"{what}: {text!r} is not a number with a unit, such as '1 {'' if unit == '1' else unit}'")
    try:
        return float(convert(np.array(parts[0]), parts[1] or unit, (unit,))[0])
    except UnitError as error:
        raise SettingsError(f"{what}: {error}") from None


def in_unit(unit: str) -> BeforeValidator:
    """Returns pydantic's validator for quantities with a unit, such as `"8 um"`: a float in the SI unit `unit`.

    A pure number (unit `1`) may be a number; everything else must say its unit.
    """

    @functools.cache
    def parsed(text: str) -> float:
        parts = number_and_unit(text)
        if parts is None:
            raise ValueError(f"write a number with a unit, such as '1 {unit}'")
        if not parts[1] and unit != "1":
            raise ValueError(f"the unit is missing: write it as in '{parts[0]:g} {unit}'")
        return float(convert(np.array(parts[0]), parts[1], (unit,))[0])

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"write a number with a unit in quotes, such as '1 {unit}'")
        return float(value) if unit == "1" and not isinstance(value, str) else parsed(str(value))

    return BeforeValidator(read)


Metres = Annotated[float, in_unit("m")]
"""Length in m."""
Volts = Annotated[float, in_unit("V")]
"""Voltage in V."""
Amperes = Annotated[float, in_unit("A")]
"""Current in A."""
Seconds = Annotated[float, in_unit("s")]
"""Time in s."""
Farads = Annotated[float, in_unit("F")]
"""Capacitance in F."""
Ohms = Annotated[float, in_unit("ohm")]
"""Resistance in ohm."""
Number = Annotated[float, in_unit("1")]
"""Pure number."""
