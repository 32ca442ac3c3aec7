"""Figures of an operating point: simulated, with a standard error, beside their closed forms.

Every figure is a function of means over samples (raw moments about the closed-form mean, products at a lag, shares of
samples), whose expectations are known exactly. So a simulated figure is the function of the means pooled over all
units, and its standard error comes from leaving out one unit after another (jackknife: Efron and Stein, Ann. Stat. 9,
586 (1981)). Units are independent however correlated a unit's samples are, and pooling before the function is taken
keeps slow points free of the bias that moments of short records have; the jackknife takes away what is left of order
1/units.

Shares of samples are taken where the exact law says: the distance to the normal where it is largest, the min-entropy at
the most probable code, the Shannon entropy as the mean surprise of the exact law's codes. Such figures have no bias at
any number of samples, unlike the largest distance of a histogram or its own entropy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ftj_spice.sampling import tallies
from ftj_spice.sampling.point import SamplePoint
from ftj_spice.sampling.tallies import CELLS, LAGS, OCTILES, Tally

LAW_ERROR = 1e-5
"""Error of what the exact law says, for its grid: part of the standard error of the figures that come from it."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


@dataclass(frozen=True)
class Figure:
    """One number of an operating point.

    Attributes:
        simulated: From the simulation.
        error: Its standard error.
        closed: Closed form.
    """

    simulated: float
    error: float
    closed: float

    @property
    def deviation(self) -> float:
        """Simulation over closed form, in standard errors."""
        return (self.simulated - self.closed) / self.error if self.error > 0 else float("nan")


@dataclass(frozen=True)
class Quantity:
    """What a figure is.

    Attributes:
        label: In words.
        unit: SI unit.
        tested: Whether its deviation is looked at; the others follow from those that are.
    """

    label: str
    unit: str = "1"
    tested: bool = True


QUANTITIES: dict[str, Quantity] = {
    "mean": Quantity("mean current", "A"),
    "variance": Quantity("variance of the current", "A^2"),
    "latent_variance": Quantity("variance of the latents"),
    "skewness": Quantity("skewness"),
    "kurtosis": Quantity("excess kurtosis"),
    "distance": Quantity("distance to the normal"),
    "latent_distance": Quantity("latents' distance to normal"),
    **{f"autocorrelation_{lag}": Quantity(f"autocorrelation, lag {lag}") for lag in LAGS},
    "shannon_entropy": Quantity("Shannon entropy of the codes", "bit"),
    "min_entropy": Quantity("min-entropy of the codes", "bit"),
    "effective_bits": Quantity("effective bits per sample", "bit", tested=False),
    "bit_rate": Quantity("effective bits of a column", "bit/s", tested=False),
    "supply_energy": Quantity("energy per sample from the rows", "J"),
}
"""All figures by name."""


def evaluate(point: SamplePoint, tally: Tally) -> dict[str, Figure]:
    """Returns every figure of a point.

    Columns may differ: what is averaged over units is each unit's deviation from its own column's expectation, added to
    the expectation's mean over columns. In amperes, deviations count in the columns' rms standard deviation.

    Args:
        point: Its closed forms.
        tally: Its simulation.
    """
    units = len(tally.means)
    column = np.arange(units) % len(point.expected)
    found = tally.means.copy()
    far = [point.farthest[point.law[j]] for j in column]
    found[:, tallies.BELOW] = [
        f.sign * (share - f.normal) for f, share in zip(far, found[:, tallies.BELOW], strict=True)
    ]
    latents = [point.latents_farthest[j] for j in column]
    found[:, tallies.LATENT_BELOW] = [
        f.sign * (share - f.normal) for f, share in zip(latents, found[:, tallies.LATENT_BELOW], strict=True)
    ]
    difference = found - point.expected[column]
    columns = np.bincount(column)
    centre = np.average(point.expected, axis=0, weights=columns)
    total = difference.sum(axis=0)
    pooled = centre + total / units
    without = centre + (total - difference) / (units - 1)
    closed = figures_of(point, centre)
    simulated, error = jackknife(lambda means: figures_of(point, means), pooled, without)
    for name in ("latent_variance", "distance", "latent_distance", "shannon_entropy", "min_entropy"):
        error[name] = np.hypot(error[name], LAW_ERROR)
    return {name: Figure(float(simulated[name]), float(error[name]), float(closed[name])) for name in QUANTITIES}


def jackknife(
    function: Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]],
    pooled: NDArray[np.float64],
    without: NDArray[np.float64],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Returns functions of pooled means, freed of bias to first order, and their standard errors.

    Args:
        function: From means (last axis) to figures.
        pooled: Means over all units, shape `(means,)`.
        without: Means without each unit, shape `(units, means)`.
    """
    whole, parts = function(pooled), function(without)
    units = len(without)
    simulated, error = {}, {}
    for name, value in whole.items():
        part = np.broadcast_to(parts[name], units)
        simulated[name] = units * value - (units - 1) * part.mean()
        error[name] = np.sqrt((units - 1) / units * np.sum((part - part.mean()) ** 2))
    return simulated, error


def figures_of(point: SamplePoint, means: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Returns all figures from means of shape `(..., SUMS)`."""
    first, second, third, fourth = (means[..., k] for k in range(4))
    variance = second - first**2
    scale = float(np.sqrt(np.mean(point.sigma**2)))
    lagged = {
        f"autocorrelation_{lag}": (means[..., tallies.FILLED + 1 + k] - first**2) / variance
        for k, lag in enumerate(LAGS)
    }
    shannon = means[..., tallies.SURPRISAL]
    bits = np.maximum(shannon - gaussian_information(lagged["autocorrelation_1"]), 0.0)
    return {
        "mean": float(point.mean.mean()) + scale * first,
        "variance": scale**2 * variance,
        "latent_variance": means[..., tallies.LATENT_SQUARED] - means[..., tallies.LATENT] ** 2,
        "skewness": (third - 3.0 * first * second + 2.0 * first**3) / variance**1.5,
        "kurtosis": (fourth - 4.0 * first * third + 6.0 * first**2 * second - 3.0 * first**4) / variance**2 - 3.0,
        "distance": means[..., tallies.BELOW],
        "latent_distance": means[..., tallies.LATENT_BELOW],
        **lagged,
        "shannon_entropy": shannon,
        "min_entropy": -np.log2(np.maximum(point.modal_part * means[..., tallies.MODAL], 1e-300)),
        "effective_bits": bits,
        "bit_rate": bits / point.period,
        "supply_energy": point.period * (point.power + point.voltage * scale * means[..., tallies.FILLED]),
    }


def gaussian_information(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mutual information of two jointly normal variables in bits, `-log2(1 - rho^2) / 2`."""
    return -0.5 * np.log2(np.maximum(1.0 - np.asarray(correlation) ** 2, 1e-300))


def pair_information(pairs: NDArray[np.int64]) -> tuple[float, float]:
    """Returns what a sample's octile tells about the next one's, in bits, and its standard error (jackknife).

    Args:
        pairs: Counts of each unit, shape `(units, CELLS, CELLS)`.
    """
    total = pairs.sum(axis=0).astype(float)
    whole, parts = _information(total), _information(total - pairs)
    units = len(pairs)
    error = np.sqrt((units - 1) / units * np.sum((parts - parts.mean()) ** 2))
    return float(units * whole - (units - 1) * parts.mean()), float(error)


def gaussian_pair_information(correlation: float) -> float:
    """Returns the same for jointly normal samples, by quadrature over the first one."""
    rho = float(np.clip(correlation, -0.999999, 0.999999))
    bounds = np.concatenate([[-9.0], OCTILES, [9.0]])
    low, high = bounds[:-1, None], bounds[1:, None]
    x = low + (high - low) * 0.5 * (_NODES + 1.0)
    mass = 0.5 * (high - low) * _WEIGHTS * np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)
    inner = ndtr((bounds[None, None, :] - rho * x[..., None]) / np.sqrt(1.0 - rho**2))
    joint = np.sum(mass[..., None] * np.diff(inner, axis=2), axis=1)
    return float(_information(joint))


def _information(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mutual information of tables of shape `(..., CELLS, CELLS)` in bits."""
    p = counts / counts.sum(axis=(-2, -1), keepdims=True)
    apart = p.sum(axis=-1, keepdims=True) * p.sum(axis=-2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / apart), 0.0)
    assert terms.shape[-1] == CELLS
    return terms.sum(axis=(-2, -1))
