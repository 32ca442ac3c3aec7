"""What transition levels say about a converter: offset, gain error, INL, DNL.

Terms as in IEEE Std 1241; the straight line is the best fit by least squares, not the one through the end points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.periphery.figures import MeasurementError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Linearity:
    """Static errors of a converter with codes 0 to `top`.

    Attributes:
        offset: Input at which the fitted line begins minus the ideal one, in V.
        gain_error: Gain in codes per volt over the ideal one, minus one.
        inl: Deviation of the levels of codes 1 to `top` from the fitted line in fitted steps, shape `(top,)`; nan where
            a code has no level.
        dnl: Width of codes 1 to `top - 1` in fitted steps minus one, shape `(top - 1,)`.
        low: Input at which the fitted line has code 0, in V.
        high: Input at which it has code `top + 1`, in V.
    """

    offset: float
    gain_error: float
    inl: FloatArray
    dnl: FloatArray
    low: float
    high: float

    @property
    def worst_inl(self) -> float:
        """Largest absolute INL in steps."""
        return float(np.nanmax(np.abs(self.inl)))

    @property
    def worst_dnl(self) -> float:
        """Largest absolute DNL in steps; 0 where there is one transition only."""
        known = self.dnl[np.isfinite(self.dnl)]
        return float(np.abs(known).max()) if len(known) else 0.0

    def effective_bits(self, noise: float = 0.0) -> float:
        """Returns the bits of an ideal converter with the same error, rms.

        The mean square of a uniform input's error is that of an ideal quantiser, 1/12 step^2, plus that of its levels
        and of the noise: `log2((top + 1) / sqrt(1 + 12 (INL^2 + noise^2)))`.

        Args:
            noise: Input noise in steps, rms.
        """
        squared = float(np.nanmean(self.inl**2)) + noise**2
        return float(np.log2((len(self.inl) + 1) / np.sqrt(1.0 + 12.0 * squared)))


def linearity(levels: FloatArray, low: float, high: float) -> Linearity:
    """Compares transition levels with a straight line.

    Args:
        levels: Levels of codes 1 to `top` in V, shape `(top,)`; nan where a code has none.
        low: Ideal input of code 0 in V.
        high: Ideal input of code `top + 1` in V.

    Raises:
        MeasurementError: Fewer than two codes have a level.
    """
    codes = np.arange(1.0, len(levels) + 1.0)
    known = np.isfinite(levels)
    if known.sum() < 2:
        raise MeasurementError(f"no straight line: {int(known.sum())} of {len(levels)} codes have a transition level")
    slope, zero = np.polyfit(codes[known], levels[known], 1)
    if slope <= 1e-6 * (high - low):
        raise MeasurementError("the code does not rise with the input: the fitted step is no more than rounding error")
    count = len(levels) + 1
    return Linearity(
        offset=float(zero - low),
        gain_error=float((high - low) / count / slope - 1.0),
        inl=(levels - zero - slope * codes) / slope,
        dnl=np.diff(levels) / slope - 1.0,
        low=float(zero),
        high=float(zero + slope * count),
    )


def superposed_codes(bits: int) -> list[int]:
    """Returns the codes whose levels give all others where the bits' weights add up: powers of two and the largest."""
    return [*(2**bit for bit in range(bits)), 2**bits - 1]


def superposed_levels(levels: Sequence[float], bits: int) -> FloatArray:
    """Returns all transition levels of a converter whose bits' weights add up.

    A charge-redistribution converter compares its input with `offset + sum of the weights of the bits that are set`,
    so level k follows from the offset and `bits` weights. With the levels of the powers of two and of the largest
    code, `offset = (sum of the former - the latter) / (bits - 1)`.

    Args:
        levels: Levels of `superposed_codes(bits)` in V, shape `(bits + 1,)`.
        bits: Bits, two or more.

    Returns:
        Levels of codes 1 to `2**bits - 1` in V.
    """
    powers, top = np.asarray(levels[:-1], float), float(levels[-1])
    offset = (powers.sum() - top) / (bits - 1)
    codes = np.arange(1, 2**bits)
    mask = (codes[:, np.newaxis] >> np.arange(bits)) & 1
    return offset + mask @ (powers - offset)
