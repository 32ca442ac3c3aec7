"""A converter's codes where its input has noise: their law, and what of it says nothing about the column's value.

With a value z of known law, normal noise of standard deviation s and thresholds t_k, a code lies below k with the
probability E[Phi((t_k - z) / s)]. The law's atoms are taken one by one, the rest is convolved with the noise on the
law's own grid. Without noise both functions are those of the exact law.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import ndtr

from ftj_spice.sampling.distribution import ColumnLaw

REACH = 8.0
"""Standard deviations of the noise that count."""
MOST_ATOMS = 4096
"""A law with more atoms has them so near to one another that they are taken as spread."""


def code_law(law: ColumnLaw, thresholds: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Returns the probabilities of a converter's codes, shape `(thresholds + 1,)`.

    Args:
        law: Of the value.
        thresholds: Ascending; a value at a threshold belongs to the code above it.
        noise: Standard deviation of the noise before the converter.
    """
    if not noise > 0:
        return law.codes(thresholds)
    which = np.flatnonzero(law.atoms)
    atoms, spread = law.atoms[which], law.spread
    if len(which) > MOST_ATOMS:
        which, atoms, spread = which[:0], atoms[:0], spread + law.atoms
    below = ndtr((thresholds[:, np.newaxis] - law.nodes[which]) / noise) @ atoms
    half = int(np.ceil(REACH * noise / law.step))
    kernel = np.diff(ndtr((np.arange(-half, half + 2) - 0.5) * law.step / noise))
    mass = np.maximum(fftconvolve(spread, kernel), 0.0)
    upto = np.concatenate([[0.0], np.cumsum(mass) - 0.5 * mass, [mass.sum()]])
    place = (thresholds - law.first) / law.step + half
    below += np.interp(place, np.arange(-1, len(mass) + 1), upto)
    return np.maximum(np.diff(np.concatenate([[0.0], below, [1.0]])), 0.0)


def equivocation(law: ColumnLaw, thresholds: NDArray[np.float64], noise: float) -> float:
    """Returns the entropy that a code has although the value is known, mean over values, in bits.

    Args:
        law: Of the value.
        thresholds: As in `code_law`.
        noise: As in `code_law`.
    """
    if not noise > 0:
        return 0.0
    mass, value = law.atoms + law.spread, law.nodes
    first = np.searchsorted(thresholds, value - REACH * noise)
    count = np.searchsorted(thresholds, value + REACH * noise) - first
    unsure = (count > 0) & (mass > 0)
    if not unsure.any():
        return 0.0
    first, count, value, mass = first[unsure], count[unsure], value[unsure], mass[unsure]
    number = np.arange(int(count.max()))
    # Thresholds beyond reach are passed with certainty: their codes have no probability.
    own = thresholds[np.minimum(first[:, np.newaxis] + number, len(thresholds) - 1)]
    below = np.where(number < count[:, np.newaxis], ndtr((own - value[:, np.newaxis]) / noise), 1.0)
    edges = np.ones((len(below), 1))
    codes = np.diff(np.concatenate([0.0 * edges, below, edges], axis=1), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(codes > 0, -codes * np.log2(codes), 0.0)
    return float(np.sum(mass * terms.sum(axis=1)))
