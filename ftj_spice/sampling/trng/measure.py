"""Share of ones and correlation of several streams of bits, with standard errors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

LAGS = 10
"""Lags that are looked at."""


@dataclass(frozen=True)
class BitFigures:
    """What streams of the same source show together.

    Attributes:
        bits: In all streams.
        ones: Share of ones.
        ones_error: Its standard error for streams of the same source, with the correlation found.
        correlation: Of bits 1 to `LAGS` apart, shape `(LAGS,)`; NaN where all bits are equal.
        correlation_error: Its standard error for independent bits.
        stream_ones: Share of ones of each stream, shape `(streams,)`.
        stream_correlation: Correlation of neighbouring bits in each stream, same shape.
    """

    bits: int
    ones: float
    ones_error: float
    correlation: NDArray[np.float64]
    correlation_error: float
    stream_ones: NDArray[np.float64]
    stream_correlation: NDArray[np.float64]


def measure(streams: NDArray[np.uint8], lags: int = LAGS) -> BitFigures:
    """Measures bits of shape `(streams, bits)`; a stream shorter than some lag tells nothing about it.

    Raises:
        ValueError: There is no bit, or the shape is another.
    """
    if streams.ndim != 2 or not streams.size:
        raise ValueError(f"bits must have shape (streams, bits), not {streams.shape}")
    ones = float(streams.mean())
    centred = (streams - ones).astype(np.float32)
    variance = ones * (1.0 - ones)
    correlation = np.array([_correlation(centred, lag, variance) for lag in range(1, lags + 1)])
    inflation = _inflation(centred, variance) if variance > 0.0 else 1.0
    own = streams.mean(axis=1)
    each = np.array(
        [
            _correlation((row - mean)[np.newaxis].astype(np.float32), 1, mean * (1.0 - mean))
            for row, mean in zip(streams, own, strict=True)
        ]
    )
    return BitFigures(
        streams.size,
        ones,
        float(np.sqrt(max(variance, 1.0 / streams.size) * inflation / streams.size)),
        correlation,
        float(1.0 / np.sqrt(streams.size)),
        own,
        each,
    )


def _inflation(centred: NDArray[np.float32], variance: float) -> float:
    """Returns `1 + 2 sum rho_k`, by which correlation enlarges the variance of a mean.

    The sum ends at the first lag that is five times what it has come to, and not before `LAGS`: later ones are noise
    (Madras and Sokal, J. Stat. Phys. 50, 109 (1988), appendix C).
    """
    length = centred.shape[1]
    size = fft.next_fast_len(2 * length, real=True)
    power = np.mean([np.abs(fft.rfft(row, size)) ** 2 for row in centred], axis=0)
    correlation = fft.irfft(power, size)[:length] / (variance * np.arange(length, 0, -1))
    correlation[0] = 0.5
    total = 2.0 * np.cumsum(correlation, dtype=float)
    enough = np.flatnonzero(np.arange(length) >= np.maximum(LAGS, 5.0 * total))
    # Streams that are too short for that tell the most that can be told; noise must not make the variance vanish.
    return max(float(total[enough[0]] if len(enough) else total.max()), 0.1)


def _correlation(centred: NDArray[np.float32], lag: int, variance: float) -> float:
    if variance <= 0.0 or lag >= centred.shape[1]:
        return float("nan")
    return float(np.mean(centred[:, lag:] * centred[:, :-lag], dtype=np.float64)) / variance
