"""Balance of zeros and ones: over the whole stream (section 2.1) and within blocks (2.2)."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, gammaincc

from ftj_spice.randomness.sp800_22.result import TestResult, applied


def frequency(bits: NDArray[np.uint8]) -> TestResult:
    """Frequency (monobit) test, section 2.1.4: `P = erfc(|S_n| / sqrt(2 n))`."""
    excess = 2 * int(np.count_nonzero(bits)) - bits.size
    statistic = abs(excess) / math.sqrt(bits.size)
    return applied("frequency", [erfc(statistic / math.sqrt(2.0))], [""], {"sum": excess, "s_obs": statistic})


def block_frequency(bits: NDArray[np.uint8], length: int) -> TestResult:
    """Frequency test within a block, section 2.2.4: `chi2 = 4 M sum (pi_i - 1/2)^2` on N degrees of freedom.

    Args:
        bits: Zeros and ones.
        length: M, bits in a block; what is left over at the end is not used.
    """
    blocks = bits.size // length
    ones = bits[: blocks * length].reshape(blocks, length).sum(axis=1, dtype=np.int64)
    chi2 = 4.0 * length * float(np.sum((ones / length - 0.5) ** 2))
    return applied("block_frequency", [gammaincc(0.5 * blocks, 0.5 * chi2)], [""], {"chi2": chi2, "blocks": blocks})
