"""Exact min-entropy of the bits of a trap: closed forms for the digitisers that look at its state or count its edges.

A trap's state at the ends of successive intervals is a Markov chain, and a bit says something about each step: the
matrix `M_b[s, s']` is the probability to go from s to s' and give the bit b.

- `level` of the state at mid level: the bit is the state itself.
- `toggle` or `parity` of edges: the bit is the parity of the captures in the interval (or its running sum, which is as
  likely). With `G_+` the generator of the trap and `G_-` the same with its capture rate off the diagonal negated,
  `M_0,1 = (exp(G_+ T) +/- exp(G_- T)) / 2`. Its correlation decays half as fast as the state's, like
  `exp(-T / (2 tau_eff)) cos(T / (2 tau_eff))` for even odds: a trap needs two transitions to change the parity.

Two questions are asked of such bits, and an assessment should find the smaller answer.

- How likely is the likeliest sequence? A sequence of n bits has the probability `pi M_b1 ... M_bn 1`, so the likeliest
  one falls as the n-th power of the joint spectral radius of the two matrices; its negative log2 is the min-entropy per
  bit of a long sequence.
- How well is the next bit guessed from all before? The negative log2 of the mean chance, `sum over pasts of max_b
  P(past, b)`, is the average conditional min-entropy (Dodis, Ostrovsky, Reyzin and Smith, SIAM J. Comput. 38, 97
  (2008)): what the predictors of SP 800-90B look for.

For the state of a trap with even odds both are `-log2[(1 + rho) / 2]`, `rho = exp(-T / tau_eff)`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.optimize import brentq

from ftj_spice.sampling.trng.variant import Rule

_DEPTH = 12  # period of the sequences tried; longer ones hardly add to the likeliest
_PAST = 8  # bits of the past that a guess knows; older ones hardly add to it
_GRID = np.geomspace(0.05, 400.0, 100)


@dataclass(frozen=True)
class BitEntropy:
    """Exact min-entropy per bit.

    Attributes:
        sequence: Of a long sequence: its likeliest course.
        guess: Of the next bit, guessed from the bits before.
    """

    sequence: float
    guess: float

    @property
    def least(self) -> float:
        """The smaller of the two."""
        return min(self.sequence, self.guess)


def bit_matrices(rule: Rule, capture_time: float, emission_time: float, interval: float) -> NDArray[np.float64] | None:
    """Returns M of bit 0 and of bit 1, shape `(2, 2, 2)`; none for a rule without a closed form.

    Comparators are taken as instant, and cells as equal to their nominal values.

    Args:
        rule: The digitiser's rule.
        capture_time: tau_c in s.
        emission_time: tau_e in s.
        interval: Time from bit to bit in s.
    """
    capture, emission = interval / capture_time, interval / emission_time
    step = expm(np.array([[-capture, capture], [emission, -emission]]))
    if rule.reference != "mid":
        return None
    if rule.read == "state":  # bit 1: current above mid level, trap empty
        return np.stack([step * [0.0, 1.0], step * [1.0, 0.0]])
    if rule.read == "edges" and rule.output in {"toggle", "parity"}:
        counted = [[-capture, -capture], [emission, -emission]]
        if rule.edge == "rising":
            counted = [[-capture, capture], [-emission, -emission]]
        signed = expm(np.array(counted))
        return np.stack([0.5 * (step + signed), 0.5 * (step - signed)])
    return None


def sequence_entropy(matrices: NDArray[np.float64], depth: int = _DEPTH) -> float:
    """Returns the min-entropy in bits per bit of a long sequence, -log2 of the joint spectral radius.

    The radius is the largest `spectral radius of a product of n matrices^(1/n)` over products of up to `depth`: a
    lower bound, which likeliest sequences with so short a period reach.

    Args:
        matrices: From `bit_matrices`.
        depth: Length of the products.
    """
    products, best = matrices, 0.0
    for length in range(1, depth + 1):
        best = max(best, float(np.max(_radius(products))) ** (1.0 / length))
        if length < depth:
            products = np.einsum("aij,bjk->abik", products, matrices).reshape(-1, 2, 2)
    return max(-math.log2(best), 0.0)


def _radius(m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the spectral radius of 2 x 2 matrices without negative entries: their largest eigenvalue."""
    half, difference = 0.5 * (m[:, 0, 0] + m[:, 1, 1]), 0.5 * (m[:, 0, 0] - m[:, 1, 1])
    return half + np.sqrt(difference**2 + m[:, 0, 1] * m[:, 1, 0])


def guess_entropy(matrices: NDArray[np.float64], past: int = _PAST) -> float:
    """Returns -log2 of the mean chance to guess the next bit from the bits before.

    Args:
        matrices: From `bit_matrices`.
        past: How many bits before are known; more can only lower the result.
    """
    step = matrices.sum(axis=0)
    forward = np.array([[step[1, 0], step[0, 1]]]) / (step[0, 1] + step[1, 0])  # stationary
    for _ in range(past):
        forward = np.einsum("ki,bij->kbj", forward, matrices).reshape(-1, 2)
    chances = np.einsum("ki,bij->kb", forward, matrices)
    return max(-math.log2(float(chances.max(axis=1).sum())), 0.0)


def entropy_per_bit(rule: Rule, capture_time: float, emission_time: float, interval: float) -> BitEntropy | None:
    """Returns the exact min-entropy per bit; none where there is no closed form. Arguments as in `bit_matrices`."""
    matrices = bit_matrices(rule, capture_time, emission_time, interval)
    return None if matrices is None else BitEntropy(sequence_entropy(matrices), guess_entropy(matrices))


def relaxations_for(rule: Rule, capture_time: float, emission_time: float, entropy: float) -> float | None:
    """Returns the interval in relaxation times from which on every bit has at least `entropy` bits of min-entropy.

    None where no interval gives that much (a trap whose odds are not even, read by its level), or where the rule has
    no closed form.
    """
    tau = 1.0 / (1.0 / capture_time + 1.0 / emission_time)

    def excess(x: float) -> float:
        found = entropy_per_bit(rule, capture_time, emission_time, x * tau)
        return -math.inf if found is None else found.least - entropy

    below = [x for x in _GRID if excess(float(x)) < 0.0]
    if not below:
        return float(_GRID[0])
    if below[-1] == _GRID[-1]:
        return None
    upper = float(_GRID[int(np.searchsorted(_GRID, below[-1])) + 1])
    return float(brentq(excess, float(below[-1]), upper, xtol=1e-6))
