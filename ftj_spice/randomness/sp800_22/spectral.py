"""Discrete Fourier transform (spectral) test (section 2.6): periodic features."""

import math

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import erfc

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied


def spectral(bits: NDArray[np.uint8]) -> TestResult:
    """Returns the test of section 2.6.4: peaks of the first half of the spectrum below the 95 % threshold.

    Threshold `T = sqrt(n ln(1/0.05))` and variance `n 0.95 0.05 / 4`, the constants that revision 1a corrected. The
    n/2 values are those at frequencies 0 to n/2 - 1, as in NIST's program.

    Their sum is given (Parseval), which makes the true variance `n (0.05 0.95 - (0.05 ln 20)^2) / 2`, or
    `n 0.95 0.05 / 3.79`: an ideal source fails at 1.2 % where alpha is 1 %. The publication's constant is kept.
    """
    n = bits.size
    spectrum = fft.rfft(2.0 * bits - 1.0)
    below = int(_count_below(spectrum[: n // 2], n * math.log(1.0 / 0.05)))
    expected = 0.95 * n / 2.0
    d = (below - expected) / math.sqrt(n * 0.95 * 0.05 / 4.0)
    return applied("spectral", [erfc(abs(d) / math.sqrt(2.0))], [""], {"n_0": expected, "n_1": below, "d": d})


@numba.njit(cache=CACHE, nogil=True)
def _count_below(spectrum, limit):  # pragma: no cover - compiled
    """How many values have a squared modulus below `limit`."""
    count = 0
    for value in spectrum:
        if value.real * value.real + value.imag * value.imag < limit:
            count += 1
    return count
