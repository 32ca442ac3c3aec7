"""The non-IID entropy assessment (SP 800-90B, sections 3.1.3 and 6.2): ten estimates and the least of them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.randomness.sp800_90b.collision import collision
from ftj_spice.randomness.sp800_90b.compression import compression
from ftj_spice.randomness.sp800_90b.estimate import Estimate, checked, dense
from ftj_spice.randomness.sp800_90b.lag import lag
from ftj_spice.randomness.sp800_90b.lz78y import lz78y
from ftj_spice.randomness.sp800_90b.markov import markov
from ftj_spice.randomness.sp800_90b.most_common import most_common_value
from ftj_spice.randomness.sp800_90b.multi_mmc import multi_mmc
from ftj_spice.randomness.sp800_90b.repeats import repeats_of
from ftj_spice.randomness.sp800_90b.tuples import longest_repeated_substring, t_tuple
from ftj_spice.randomness.sp800_90b.windows import multi_mcw

MINIMUM = 1_000_000
"""Symbols that section 3.1.1 asks for; fewer give a smaller estimate, since the confidence bounds are wider."""

ESTIMATORS: Mapping[str, Callable[..., Estimate]] = MappingProxyType(
    {
        "most_common_value": most_common_value,
        "collision": collision,
        "markov": markov,
        "compression": compression,
        "t_tuple": t_tuple,
        "longest_repeated_substring": longest_repeated_substring,
        "multi_mcw": multi_mcw,
        "lag": lag,
        "multi_mmc": multi_mmc,
        "lz78y": lz78y,
    }
)
"""The ten estimators in the order of section 6.3, each a function of the symbols."""

BITS_ONLY = frozenset({"collision", "markov", "compression"})
"""Those that section 6.2 applies to bits alone."""
_OF_REPEATS = frozenset({"t_tuple", "longest_repeated_substring"})


@dataclass(frozen=True)
class EntropyResult:
    """The assessment of one sequence.

    Attributes:
        symbols: Their number.
        bits_per_symbol: Width n of a symbol.
        estimates: Of the symbols themselves, in bits per symbol.
        bitstring_estimates: Of the same data as a string of bits, in bits per bit; empty for one-bit symbols.
        h_original: Least of `estimates`.
        h_bitstring: Least of `bitstring_estimates`; None for one-bit symbols.
        entropy: H_I, the least of `h_original`, n times `h_bitstring` and what the maker claims, in bits per symbol.
        enough: Whether there are the 1,000,000 symbols that section 3.1.1 asks for.
    """

    symbols: int
    bits_per_symbol: int
    estimates: tuple[Estimate, ...]
    bitstring_estimates: tuple[Estimate, ...]
    h_original: float
    h_bitstring: float | None
    entropy: float
    enough: bool


def estimates_of(
    symbols: ArrayLike, bits_per_symbol: int = 1, progress: Callable[[int, int], None] | None = None
) -> tuple[Estimate, ...]:
    """Applies the estimators of section 6.2: all ten to bits, the seven for any alphabet to wider symbols.

    Args:
        symbols: Shape `(n,)`, 0 to 2^bits_per_symbol - 1.
        bits_per_symbol: 1 to 8.
        progress: Called with (done, total) after each estimator.

    Raises:
        DataError: The sequence is empty or holds something else than such symbols.
    """
    values = checked(symbols, bits_per_symbol)
    names = [name for name in ESTIMATORS if bits_per_symbol == 1 or name not in BITS_ONLY]
    repeats = repeats_of(*dense(values))
    estimates = []
    for done, name in enumerate(names, 1):
        shared = {"repeats": repeats} if name in _OF_REPEATS else {}
        estimates.append(ESTIMATORS[name](values, **shared))
        if progress is not None:
            progress(done, len(names))
    return tuple(estimates)


def least(estimates: tuple[Estimate, ...], most: float) -> float:
    """Returns the least entropy of the estimates that apply, at most `most`, the width of the symbols in bits."""
    return min([most, *(e.entropy for e in estimates if e.applicable)])


def estimate_entropy(
    symbols: ArrayLike,
    bits_per_symbol: int = 1,
    *,
    claimed: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EntropyResult:
    """Assesses the min-entropy of a noise source that is not taken to be IID.

    As in section 3.1.3, symbols of several bits are also assessed as a string of bits (the most significant bit of each
    symbol first), whether or not all their bits vary. The reference tool decides by the number of symbols that occur.

    Args:
        symbols: Shape `(n,)`, 0 to 2^bits_per_symbol - 1, in the order they were made.
        bits_per_symbol: 1 to 8.
        claimed: H_submitter, the maker's own estimate in bits per symbol.
        progress: Called with (done, total) after each estimator.

    Raises:
        DataError: The sequence has fewer than two symbols or holds something else than such symbols.
        SettingsError: `bits_per_symbol` or `claimed` is out of range.
    """
    check_entropy_settings(bits_per_symbol, claimed)
    values = checked(symbols, bits_per_symbol)
    if len(values) < 2:
        raise DataError("an entropy assessment needs two symbols or more, got 1")
    if bits_per_symbol == 1:
        estimates, of_bits = estimates_of(values, 1, progress), ()
    else:
        parts = len(ESTIMATORS) - len(BITS_ONLY), len(ESTIMATORS)
        estimates = estimates_of(values, bits_per_symbol, _share(progress, 0, sum(parts)))
        of_bits = estimates_of(as_bits(values, bits_per_symbol), 1, _share(progress, parts[0], sum(parts)))
    h_original = least(estimates, bits_per_symbol)
    h_bitstring = least(of_bits, 1.0) if of_bits else None
    entropy = min(
        h_original,
        math.inf if h_bitstring is None else bits_per_symbol * h_bitstring,
        math.inf if claimed is None else claimed,
    )
    return EntropyResult(
        len(values), bits_per_symbol, estimates, of_bits, h_original, h_bitstring, entropy, len(values) >= MINIMUM
    )


def as_bits(symbols: NDArray[np.uint8], bits_per_symbol: int) -> NDArray[np.uint8]:
    """Returns the bits of the symbols one after the other, the most significant one of each first."""
    return np.unpackbits(symbols[:, None], axis=1)[:, 8 - bits_per_symbol :].ravel()


def check_entropy_settings(bits_per_symbol: int, entropy: float | None = None) -> None:
    """Refuses widths and entropies that no symbol can have.

    Raises:
        SettingsError: The width is not 1 to 8, or the entropy is not a number between 0 and the width.
    """
    if not 1 <= bits_per_symbol <= 8:
        raise SettingsError(f"bits_per_symbol must lie between 1 and 8, got {bits_per_symbol!r}")
    if entropy is not None and not 0.0 <= entropy <= bits_per_symbol:
        raise SettingsError(
            f"min-entropy per symbol lies between 0 and its {bits_per_symbol} bits for such symbols, got {entropy!r}"
        )


def _share(progress: Callable[[int, int], None] | None, before: int, total: int) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)
