"""The continuous health tests of SP 800-90B, section 4.4: repetition count and adaptive proportion.

They run beside a noise source and notice a gross failure, with a false alarm in 2^20 samples or windows if the source
has the entropy that was claimed. They say little of its quality otherwise.
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from ftj_spice.common.compiling import CACHE
from ftj_spice.common.errors import DataError, SettingsError

ALPHA = 2.0**-20
"""Chance of a false alarm per sample or window that section 4.4 suggests."""
BINARY_WINDOW, WINDOW = 1024, 512
"""Samples of an adaptive proportion window, for bits and for wider symbols (section 4.4.2)."""


@dataclass(frozen=True)
class HealthResult:
    """The outcome of a health test.

    Attributes:
        name: `repetition_count` or `adaptive_proportion`.
        cutoff: Count C at which it raises an alarm.
        trials: Samples or whole windows tested.
        largest: Largest count that was met.
        failures: Alarms: runs of equal samples, or windows, that reached the cutoff. Each counts once.
        first_failure: Place of the sample that raised the first alarm; None without one.
        window: Samples of a window; 1 for the repetition count.
    """

    name: str
    cutoff: int
    trials: int
    largest: int
    failures: int
    first_failure: int | None
    window: int = 1

    @property
    def passes(self) -> bool:
        """Whether there was no alarm."""
        return self.failures == 0


def repetition_cutoff(entropy: float, alpha: float = ALPHA) -> int:
    """Returns C = 1 + ceil(-log2(alpha) / H), section 4.4.1.

    Raises:
        SettingsError: The entropy is not above 0, or alpha not a probability below 1.
    """
    _check(entropy, alpha)
    return 1 + math.ceil(round(-math.log2(alpha) / entropy, 9))


def proportion_cutoff(entropy: float, window: int, alpha: float = ALPHA) -> int:
    """Returns C = 1 + CRITBINOM(W, 2^-H, 1 - alpha), section 4.4.2. Above `window` no alarm is possible.

    Raises:
        SettingsError: The entropy is not above 0, alpha not a probability below 1, or the window not 2 or more.
    """
    _check(entropy, alpha)
    if window < 2:
        raise SettingsError(f"the window of the adaptive proportion test holds 2 samples or more, got {window}")
    return 1 + int(binom.isf(alpha, window, 2.0**-entropy))


def repetition_count(symbols: ArrayLike, entropy: float, alpha: float = ALPHA) -> HealthResult:
    """Counts the runs of equal samples that are too long for a source of that entropy.

    Args:
        symbols: Samples in their order, shape `(n,)`.
        entropy: Claimed min-entropy H per sample, in bits.
        alpha: Chance of a false alarm per sample.

    Raises:
        DataError: There are no samples, or they are no whole numbers.
        SettingsError: The entropy is not above 0, or alpha not a probability below 1.
    """
    cutoff = repetition_cutoff(entropy, alpha)
    values = _samples(symbols)
    ends = np.flatnonzero(np.concatenate([values[1:] != values[:-1], [True]]))
    lengths = np.diff(ends, prepend=-1)
    long = np.flatnonzero(lengths >= cutoff)
    first = int(ends[long[0]] - lengths[long[0]] + cutoff) if len(long) else None
    return HealthResult("repetition_count", cutoff, len(values), int(lengths.max()), len(long), first)


def adaptive_proportion(
    symbols: ArrayLike, entropy: float, window: int | None = None, alpha: float = ALPHA
) -> HealthResult:
    """Counts the windows whose first sample comes back too often for a source of that entropy.

    The windows follow each other without overlap; an incomplete one at the end is left out.

    Args:
        symbols: Samples in their order, shape `(n,)`.
        entropy: Claimed min-entropy H per sample, in bits.
        window: Its samples; None for 1024 where all samples are 0 or 1, else 512.
        alpha: Chance of a false alarm per window.

    Raises:
        DataError: There are no samples, or they are no whole numbers.
        SettingsError: The entropy is not above 0, alpha not a probability below 1, or the window below 2.
    """
    values = _samples(symbols)
    if window is None:
        window = BINARY_WINDOW if values.min() >= 0 and values.max() <= 1 else WINDOW
    cutoff = proportion_cutoff(entropy, window, alpha)
    windows = len(values) // window
    largest, failures, first = _windows(values[: windows * window].reshape(windows, window), cutoff)
    return HealthResult("adaptive_proportion", cutoff, windows, largest, failures, first if failures else None, window)


@numba.njit(cache=CACHE, nogil=True)
def _windows(windows, cutoff):  # pragma: no cover - compiled
    """Largest count of a window's first sample, number of windows that reach the cutoff, place of the first alarm."""
    largest, failures, first = 0, 0, -1
    for k in range(windows.shape[0]):
        count = 0
        for i in range(windows.shape[1]):
            if windows[k, i] == windows[k, 0]:
                count += 1
                if count == cutoff:
                    failures += 1
                    if failures == 1:
                        first = k * windows.shape[1] + i
        largest = max(largest, count)
    return largest, failures, first


def _samples(symbols: ArrayLike) -> NDArray[np.integer]:
    values = np.asarray(symbols)
    if values.dtype == np.bool_:
        values = values.view(np.uint8)
    if values.ndim != 1 or not len(values) or not np.issubdtype(values.dtype, np.integer):
        raise DataError(
            f"the health tests take a sequence of whole numbers, not {values.dtype} of shape {values.shape}"
        )
    return values


def _check(entropy: float, alpha: float) -> None:
    if not 0.0 < entropy < math.inf:
        raise SettingsError(f"a health test needs a claimed min-entropy above 0 bits per sample, got {entropy!r}")
    if not 0.0 < alpha < 1.0:
        raise SettingsError(f"the chance of a false alarm must lie between 0 and 1, got {alpha!r}")
