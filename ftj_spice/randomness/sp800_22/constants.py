"""Binary digits that the publication tests: e, pi, sqrt(2) and sqrt(3) (Appendix B).

Everything is computed with whole numbers. The digits begin with those before the point, as in NIST's data files.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_GUARD = 64  # bits computed beyond the last digit, more than the rounding of any step can reach


def _e(scale: int) -> int:
    """Euler's number times 2^scale: the sum of 1/k!, by halves."""
    terms = 2
    while math.lgamma(terms + 1) < scale * math.log(2.0):
        terms += terms // 4 + 1

    def split(a: int, b: int) -> tuple[int, int]:
        """Numerator and denominator of the sum of a!/k! over a < k <= b."""
        if b - a == 1:
            return 1, b
        middle = (a + b) // 2
        (p, q), (r, s) = split(a, middle), split(middle, b)
        return p * s + r, q * s

    p, q = split(0, terms)
    return (1 << scale) + (p << scale) // q


def _pi(scale: int) -> int:
    """Pi times 2^scale by the series of D. V. and G. V. Chudnovsky (1988), by halves."""

    def split(a: int, b: int) -> tuple[int, int, int]:
        if b - a == 1:
            p = (6 * a - 5) * (2 * a - 1) * (6 * a - 1)
            q = a**3 * 640320**3 // 24
            return p, q, (-1) ** a * p * (13591409 + 545140134 * a)
        middle = (a + b) // 2
        (p, q, t), (r, s, u) = split(a, middle), split(middle, b)
        return p * r, q * s, t * s + p * u

    _, q, t = split(1, scale // 47 + 2)  # each term adds 47.1 bits
    return 426880 * math.isqrt(10005 << (2 * scale)) * q // (13591409 * q + t)


CONSTANTS: dict[str, Callable[[int], int]] = {
    "e": _e,
    "pi": _pi,
    "sqrt2": lambda scale: math.isqrt(2 << (2 * scale)),
    "sqrt3": lambda scale: math.isqrt(3 << (2 * scale)),
}
"""Each constant times a power of two, rounded down, by name."""


@lru_cache(maxsize=8)
def binary_digits(name: str, digits: int) -> NDArray[np.uint8]:
    """Returns the first binary digits of a constant, the ones before the point among them, shape `(digits,)`.

    Args:
        name: One of `CONSTANTS`.
        digits: How many.
    """
    value = CONSTANTS[name](digits + _GUARD)
    return _bits_of(value >> (value.bit_length() - digits), digits)


def _bits_of(value: int, digits: int) -> NDArray[np.uint8]:
    size = -(-digits // 8)
    return np.unpackbits(np.frombuffer((value << (8 * size - digits)).to_bytes(size, "big"), np.uint8))[:digits]
