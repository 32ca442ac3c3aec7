"""Bit-serial input coding: a row sees either V_VMM or 0 V, so the cells' nonlinear I-V can't distort the product.

A signed input is quantised to sign and magnitude. Its magnitude's bits are applied one after another, in two phases:
positive inputs in the first, negative inputs in the second; the digits are shifted, added and subtracted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BitSerial:
    """Sign-and-magnitude coding of inputs.

    The step is a power of two, so that the constant that carries a layer's bias is exact.

    Attributes:
        bits: Bits of an input, sign included.
    """

    bits: int

    @property
    def step(self) -> float:
        """Value of the least significant bit; the largest input is one step under 4."""
        return 2.0 ** (3 - self.bits)

    @property
    def constant(self) -> float:
        """Input that carries a layer's bias: 1, or the step where that is larger."""
        return max(1.0, self.step)

    @property
    def planes(self) -> int:
        """Reads per input vector."""
        return 2 * (self.bits - 1)

    @property
    def plane_weights(self) -> NDArray[np.float64]:
        """What each read counts for, shape `(planes,)`: +2^m, then -2^m, times the step."""
        powers = np.array([self.step * 2**m for m in range(self.bits - 1)])
        return np.concatenate([powers, -powers])

    def quantise(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the nearest codes, clipped to the range."""
        largest = 2 ** (self.bits - 1) - 1
        return np.clip(np.rint(values / self.step), -largest, largest).astype(np.int64)

    def encode(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Returns which rows are on in each read, shape `(batch, planes, rows)`."""
        powers = 2 ** np.arange(self.bits - 1)
        magnitudes = np.stack([np.maximum(codes, 0), np.maximum(-codes, 0)], axis=1)  # (batch, phase, rows)
        on = (magnitudes[:, :, np.newaxis, :] & powers[np.newaxis, np.newaxis, :, np.newaxis]) > 0
        return on.reshape(len(codes), self.planes, codes.shape[1])

    def combine(self, digits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shifts and adds the reads' results, shape `(batch, planes, outputs)` to `(batch, outputs)`."""
        return np.tensordot(self.plane_weights, digits, axes=(0, 1))
