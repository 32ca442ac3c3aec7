"""Share of ones and correlation of several streams of bits, with standard errors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LAGS = 10
"""Lags that are looked at."""


@dataclass(frozen=True)
class BitFigures:
    """What streams of the same source show together.

    Attributes:
        bits: In all streams.
        ones: Share of ones.
        ones_error: Its standard error, with the correlation found.
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
    # Var(mean) = (sigma^2 / n)(1 + 2 sum rho_k); noise in the lags must not make it vanish.
    inflation = max(1.0 + 2.0 * float(np.nansum(correlation)), 0.1)
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


def _correlation(centred: NDArray[np.float32], lag: int, variance: float) -> float:
    if variance <= 0.0 or lag >= centred.shape[1]:
        return float("nan")
    return float(np.mean(centred[:, lag:] * centred[:, :-lag], dtype=np.float64)) / variance
