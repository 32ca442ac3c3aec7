"""What draws of mismatch say of a spread: its size, how well it is known, how well a normal law meets other draws."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ftj_spice.periphery.parts import FitError

FloatArray = NDArray[np.float64]

FAR = 8.0
"""Draws so many robust sigma from the median are circuits that fail, not a spread. Of normal draws one lies there in
0.3 % of runs of 12, and in 0.02 % of runs of 24 (2e5 runs each)."""
LEAST_JUDGED = 12
"""Draws from which on single ones may be taken for failures: the robust sigma of fewer is too often small by chance."""
LEAST_HALF = 5
"""Draws at least, in each half, of a check of one half by the other."""


@dataclass(frozen=True)
class Spread:
    """A spread over draws.

    Attributes:
        sigma: Standard deviation of the circuits that work; 0 where it is unknown.
        count: Circuits that it comes from; 0: unknown.
        broken: Draws that gave nothing, or, among `LEAST_JUDGED` or more, lie `FAR` from all others.
    """

    sigma: float = 0.0
    count: int = 0
    broken: int = 0

    @classmethod
    def of(cls, values: FloatArray) -> "Spread":
        """Returns the spread of draws, NaN where one failed; what is broken is left out."""
        live = _near(values)
        if len(live) < 2:
            return cls(broken=len(values) - len(live))
        return cls(float(np.std(live, ddof=1)), len(live), len(values) - len(live))


def sigma_error(draws: int) -> float:
    """Returns the relative standard error of the sigma of so many normal draws, two or more.

    `1 / sqrt(2 (n - 1))` (Kenney and Keeping, Mathematics of Statistics 2, 1951, 7.8).
    """
    return float(1.0 / np.sqrt(2.0 * (draws - 1)))


def spread_note(draws: int) -> str:
    """Returns a sentence on how well so many draws know a spread."""
    return f"spreads come from {draws} draws of mismatch: their relative standard error is {sigma_error(draws):.0%}"


def against_normal(values: FloatArray, mean: float, sigma: float, against: str) -> FitError | None:
    """Returns how far the share of circuits below a value is from what a normal law says; none without circuits.

    Args:
        values: Of circuits that the law was not made from, NaN where one failed; circuits that fail are left out.
        mean: Of the law.
        sigma: Of the law; 0: nothing is known.
        against: What the values are.
    """
    live = np.sort(_near(values))
    if len(live) < 2 or not sigma > 0:
        return None
    law, count = ndtr((live - mean) / sigma), len(live)
    steps = np.arange(count + 1) / count
    largest = max(float(np.max(np.abs(law - steps[1:]))), float(np.max(np.abs(law - steps[:-1]))))
    middle = law - 0.5 * (steps[1:] + steps[:-1])
    # Mean of Kolmogorov's distribution: sqrt(pi / 2) ln 2.
    chance = np.sqrt(np.pi / 2.0) * np.log(2.0) / np.sqrt(count)
    return FitError(
        largest=largest,
        rms=float(np.sqrt(np.mean(middle**2))),
        unit="probability",
        compared=count,
        against=f"{against} (chance alone makes {chance:.2g} at most on the mean)",
    )


def other_half(values: FloatArray, mean: float) -> FitError | None:
    """Holds the second half of draws against the law that the first half gives; none where they are too few."""
    half = len(values) // 2
    if half < LEAST_HALF:
        return None
    spread = Spread.of(values[:half])
    against = "circuits, the second half of the draws: the share with a smaller offset, by the law of the first half"
    return against_normal(values[half:], mean, spread.sigma, against)


def _near(values: FloatArray) -> FloatArray:
    live = values[np.isfinite(values)]
    if len(live) < LEAST_JUDGED:
        return live
    middle = float(np.median(live))
    robust = 1.4826 * float(np.median(np.abs(live - middle)))
    return live[np.abs(live - middle) <= FAR * robust] if robust > 0 else live
