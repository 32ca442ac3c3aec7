"""A parameter to fit: its first guess, its range, and whether its logarithm is fitted."""

import math
from dataclasses import dataclass

from ftj_spice.device.card import Card

WIDEST_RATIO = 100.0
"""An interval of a scale parameter that reaches further than this factor from its value tells nothing."""


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
    """

    name: str
    start: float
    logarithmic: bool = True
    low: float = -math.inf
    high: float = math.inf
    widest: float = math.log(WIDEST_RATIO)
    walled: bool = False

    def holds(self, number: float) -> bool:
        """Says whether a fitted number lies in the range, up to rounding."""
        if self.logarithmic:
            return True  # never outside: its bounds hold from the start
        margin = 1e-9 * (self.high - self.low) if math.isfinite(self.high - self.low) else 0.0
        return self.low - margin <= number <= self.high + margin

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
    if low <= 0.0:
        return Unknown(name, begin, False, low, high, widest or 1.0)
    return Unknown(name, min(max(begin, low), high), True, low, high, widest or math.log(WIDEST_RATIO))


def card_range(name: str) -> tuple[float, float]:
    """Returns the range of a card parameter."""
    bounds = Card.model_fields[name].metadata
    low = next(float(one.ge) for one in bounds if hasattr(one, "ge"))
    return low, next(float(one.le) for one in bounds if hasattr(one, "le"))
