"""What fingerprints are judged by.

Uniformity, bit-aliasing, uniqueness and reliability as in Maiti, Gunreddy and Schaumont, "A systematic method to
evaluate and compare the performance of physical unclonable functions" (Embedded Systems Design with FPGAs, 2013);
steadiness as in Hori, Yoshida, Katashita and Satoh (ReConFig 2010). Degrees of freedom of a distribution of Hamming
distances, `p (1 - p) / variance`, as in Daugman (IEEE Trans. Circuits Syst. Video Technol. 14, 21 (2004)): that many
independent bits of the same mean would scatter as much.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True)
class Distances:
    """Fractional Hamming distances.

    Attributes:
        values: The distances, any number of them.
        bits: Bits that each compares.
    """

    values: NDArray[np.float64]
    bits: int

    @property
    def mean(self) -> float:
        """Mean distance."""
        return float(self.values.mean())

    @property
    def sigma(self) -> float:
        """Standard deviation."""
        return float(self.values.std())

    @property
    def freedom(self) -> float:
        """Degrees of freedom, at most the bits where nothing scatters."""
        variance = self.sigma**2
        return min(self.mean * (1.0 - self.mean) / variance, float(self.bits)) if variance else float(self.bits)


def uniformity(responses: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns each chip's share of ones, shape `(chips,)`; ideal 0.5. `responses` has shape `(chips, bits)`."""
    return responses.mean(axis=1)


def bit_aliasing(responses: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns each bit's share of ones over the chips, shape `(bits,)`; ideal 0.5."""
    return responses.mean(axis=0)


def between_chips(responses: NDArray[np.bool_]) -> Distances:
    """Returns the distances of all pairs of chips; their mean is the uniqueness, ideal 0.5."""
    ones = responses.astype(np.float64)
    joint = ones @ ones.T
    weight = ones.sum(axis=1)
    distance = weight[:, np.newaxis] + weight[np.newaxis, :] - 2.0 * joint
    bits = responses.shape[1]
    return Distances(distance[np.triu_indices(len(ones), 1)] / bits, bits)


def within_chip(reference: NDArray[np.bool_], answers: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the distances of later answers from the reference; 1 less their mean is the reliability.

    Args:
        reference: Shape `(bits,)`.
        answers: Shape `(answers, bits)`.
    """
    return (answers != reference).mean(axis=-1)


def steadiness(answers: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the steadiness `1 + mean of log2 max(p, 1 - p)`, p a bit's share of ones over its answers.

    Ideal 1; answers that are random every time tend to 0. `answers` has shape `(answers, ..., bits)`, the result the
    axes between.
    """
    ones = answers.mean(axis=0)
    return 1.0 + np.log2(np.maximum(ones, 1.0 - ones)).mean(axis=-1)


def min_entropy(aliasing: NDArray[np.float64]) -> float:
    """Returns the mean over bits of `-log2 max(b, 1 - b)`, b the bit-aliasing: bits of min-entropy per bit.

    It sees a bit's bias over chips only, not what bits have in common; with few chips it is biased downwards, see
    `fair_min_entropy`.
    """
    return float(-np.log2(np.maximum(aliasing, 1.0 - aliasing)).mean())


def fair_min_entropy(chips: int) -> float:
    """Returns the mean of `min_entropy` that fair independent bits of so many chips would show."""
    ones = np.arange(chips + 1)
    share = np.maximum(ones, chips - ones) / chips
    return float(-np.sum(stats.binom.pmf(ones, chips, 0.5) * np.log2(share)))


@dataclass(frozen=True)
class Identification:
    """How well a distance tells one chip from another, with binomial tails fitted to both distributions.

    Attributes:
        threshold: Distance up to which an answer counts as the chip's own.
        equal_error: Error rate where false acceptance and false rejection are equal; the larger of the two there.
        overlap: Share of own answers farther away than the nearest other chip, as observed.
    """

    threshold: float
    equal_error: float
    overlap: float


def identify(between: Distances, within: Distances) -> Identification:
    """Returns the threshold of equal error and the error there.

    Both distributions are taken as binomial with the mean and degrees of freedom they show (continued to real numbers
    of bits by the incomplete beta function): that extrapolates far beyond what so many answers can show.
    """
    steps = np.linspace(0.0, max(between.mean, within.mean), 4001)[1:-1]
    accept, _ = _binomial_tails(steps, between)
    _, reject = _binomial_tails(steps, within)
    if within.mean == 0.0:
        reject = np.zeros_like(steps)
    worse = np.maximum(accept, reject)
    least = np.flatnonzero(worse == worse.min())  # many where both are too small for a double
    best = int(least[len(least) // 2])
    return Identification(
        float(steps[best]),
        float(max(accept[best], reject[best])),
        float(np.mean(within.values >= between.values.min())),
    )


def _binomial_tails(
    share: NDArray[np.float64], distances: Distances
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the probabilities of a share of ones up to `share`, and above it.

    The ones are those of `freedom` bits that are one with `mean`. Each tail is computed by itself: far ones would drown
    in the rounding of 1 less the other.
    """
    count = distances.freedom
    ones = share * count
    law = stats.beta(ones + 1.0, np.maximum(count - ones, 1e-12))
    return law.sf(distances.mean), law.cdf(distances.mean)
