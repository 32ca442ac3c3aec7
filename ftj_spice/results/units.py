"""Numbers with SI prefixes, for plots and tables only: everywhere else values are plain SI floats."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

PREFIXES = {
    -30: "q", -27: "r", -24: "y", -21: "z", -18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m",
    0: "",
    3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E", 21: "Z", 24: "Y", 27: "R", 30: "Q",
}  # fmt: skip
"""SI prefixes by power of ten."""

_BARE = frozenset({"", "1", "%", "dB", "°", "°C", "ppm", "bit", "bits", "LSB"})


@dataclass(frozen=True)
class Scale:
    """A prefix for a whole axis or column.

    Attributes:
        factor: A shown number is the SI value divided by this.
        unit: Unit with its prefix, e.g. `nA`; empty for a bare number.
    """

    factor: float
    unit: str

    def __call__(self, values: ArrayLike) -> np.ndarray:
        """Returns `values` in this unit, same shape."""
        return np.asarray(values, float) / self.factor

    def label(self, quantity: str) -> str:
        """Returns an axis label, e.g. `column current (nA)`."""
        return f"{quantity} ({self.unit})" if self.unit else quantity


def takes_prefix(unit: str) -> bool:
    """Says whether an SI prefix means what it looks like: not before powers (V^2, m²), ratios (%) and bare numbers."""
    return unit not in _BARE and unit.replace("·", "/").split("/")[0].strip().isalpha()


def scale_for(values: ArrayLike, unit: str) -> Scale:
    """Returns the prefix in which the largest finite magnitude of `values` lies in [1, 1000).

    Args:
        values: SI values of any shape; NaN and infinities are passed over.
        unit: SI unit without prefix.
    """
    array = np.abs(np.asarray(values, float))
    largest = float(np.max(array, initial=0.0, where=np.isfinite(array)))
    power = _power(largest) if takes_prefix(unit) else 0
    return Scale(10.0**power, PREFIXES[power] + (unit if unit != "1" else ""))


def engineering(value: float, unit: str, digits: int = 3) -> str:
    """Returns a value with its unit and an SI prefix, e.g. `102 pA`.

    Units that take no prefix (squares, ratios) and magnitudes beyond the prefixes get a power of ten: `1.02e-06 V^2`.

    Args:
        value: SI value.
        unit: SI unit without prefix; may be empty.
        digits: Significant digits, at least 1.

    Raises:
        ValueError: `digits` is below 1.
    """
    if digits < 1:
        raise ValueError("digits must be at least 1")
    number = float(value)
    tail = f" {unit}" if unit not in {"", "1"} else ""
    if not math.isfinite(number):
        return f"{number:g}{tail}"
    if number == 0.0:
        return f"0{tail}"
    if not takes_prefix(unit):
        text = f"{number:.{digits}g}"
        return (_plain(number, digits) if "e" not in text else text) + tail
    rounded = float(f"{number:.{digits - 1}e}")  # 999.96 is 1.00 k
    power = _power(abs(rounded))
    mantissa = float(f"{rounded:.{digits - 1}e}") / 10.0**power
    if not 0.99 < abs(mantissa) < 1000.0:
        return f"{number:.{digits - 1}e}{tail}"
    return f"{_plain(mantissa, digits)} {PREFIXES[power]}{unit}"


def grouped(number: int) -> str:
    """Returns a whole number with its digits in groups of three, e.g. `32 000` (thin spaces)."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _plain(number: float, digits: int) -> str:
    """Returns `number` in positional notation with `digits` significant digits, never fewer than its integer part's."""
    whole = math.floor(math.log10(abs(number)) + 1e-12)
    return f"{number:.{max(digits - 1 - whole, 0)}f}"


def _power(magnitude: float) -> int:
    """Returns the power of ten, a multiple of three within the prefixes, that brings `magnitude` into [1, 1000)."""
    if magnitude <= 0.0:
        return 0
    power = 3 * math.floor((math.log10(magnitude) + 1e-12) / 3)
    return min(max(power, -30), 30)
