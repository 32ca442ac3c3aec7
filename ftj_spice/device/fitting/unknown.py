"""A parameter to fit: its first guess, its range, and whether its logarithm is fitted."""

import math
from dataclasses import dataclass

from ftj_spice.device.card import Card
from ftj_spice.device.parameters import unit_of

WIDEST_RATIO = 100.0
"""An interval of a scale parameter that reaches further than this factor from its value tells nothing."""

NATURAL = {
    "on_off_ratio": (True, False),  # 1: the states do not differ
    "weibull_exponent": (True, False),  # 1: every domain switches at a constant rate
    "retention_exponent": (False, True),  # 1: the plain exponential
}
"""Whether the low and high end of a logarithmic parameter's range are ends of its law."""

_NEAR = (
    1e-5  # distance from the end of the range, of the fitted logarithm or in parts of the range, that counts as none
)


@dataclass(frozen=True)
class Unknown:
    """A parameter to fit.

    Attributes:
        name: Card parameter, or a name of the fit's own.
        start: First guess.
        logarithmic: Whether its logarithm is fitted; right for positive scales.
        low: Smallest value tried.
        high: Largest value tried.
        widest: Half width of the interval (of the logarithm, if that is fitted) beyond which it counts as unknown.
        walled: Whether the range holds from the start; else a fit that leaves it is a sign that the law is wrong.
        unit: Of its value; empty for a pure number.
        natural: Whether the low and the high end of the range are ends of the law itself, where a best value may lie;
            any other end only says what is plausible.
    """

    name: str
    start: float
    logarithmic: bool = True
    low: float = -math.inf
    high: float = math.inf
    widest: float = math.log(WIDEST_RATIO)
    walled: bool = False
    unit: str = ""
    natural: tuple[bool, bool] = (False, False)

    def holds(self, number: float) -> bool:
        """Says whether a fitted number lies in the range, up to rounding; see `edge` for logarithms."""
        if self.logarithmic:
            return True  # never outside: its bounds hold from the start
        margin = 1e-9 * (self.high - self.low) if math.isfinite(self.high - self.low) else 0.0
        return self.low - margin <= number <= self.high + margin

    def edge(self, number: float) -> int | None:
        """Returns the end of the range at which a fitted number lies: 0 for the low one, 1 for the high one."""
        ends = self.inward(self.low), self.inward(self.high)
        if not all(map(math.isfinite, ends)):
            return None
        near = [abs(number - end) <= _NEAR * (1.0 if self.logarithmic else ends[1] - ends[0]) for end in ends]
        return near.index(True) if any(near) else None

    def end(self, side: int) -> str:
        """Returns an end of the range in words, such as `the upper end of its range, 10 V`."""
        unit = f" {self.unit}" if self.unit else ""
        return f"the {('lower', 'upper')[side]} end of its range, {(self.low, self.high)[side]:.7g}{unit}"

    def inward(self, value: float) -> float:
        """Returns the fitted number of a value."""
        if not self.logarithmic:
            return value
        return math.log(value) if value > 0.0 else -math.inf

    def outward(self, number: float) -> float:
        """Returns the value of a fitted number."""
        return math.exp(min(number, 700.0)) if self.logarithmic else number


def free(card: Card, name: str, start: float | None = None, widest: float | None = None) -> Unknown:
    """Returns a card parameter to fit: in logarithm unless it may be 0, within the card's range.

    Args:
        card: Gives the first guess.
        name: Of the parameter.
        start: Another first guess.
        widest: See `Unknown`.
    """
    low, high = card_range(name)
    begin = getattr(card, name) if start is None else start
    unit = unit_of(name) or ""
    unit = "" if unit == "1" else unit
    if low <= 0.0:
        return Unknown(name, begin, False, low, high, widest or 1.0, unit=unit, natural=(low == 0.0, False))
    natural = NATURAL.get(name, (False, False))
    return Unknown(
        name, min(max(begin, low), high), True, low, high, widest or math.log(WIDEST_RATIO), False, unit, natural
    )


def card_range(name: str) -> tuple[float, float]:
    """Returns the range of a card parameter."""
    bounds = Card.model_fields[name].metadata
    low = next(float(one.ge) for one in bounds if hasattr(one, "ge"))
    return low, next(float(one.le) for one in bounds if hasattr(one, "le"))
