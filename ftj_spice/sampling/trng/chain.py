"""Closed forms of ideal digitisers: bits of a hidden Markov chain, interval by interval.

Traps at a constant bias, and what a digitiser remembers of them, make a finite Markov chain in continuous time. For
each value b of a bit there is a matrix M_b: entry (i, j) is the probability that a chain in state i at an interval's
begin gives the bit b and is in state j at its end. All statistics of the bits follow, with the stationary row vector
pi of M_0 + M_1:

    P(b_1, ..., b_n) = pi M_b1 ... M_bn 1.

With rates a = 1/tau_c (filling) and b = 1/tau_e (emptying) and the interval T, for instance,

- a comparator's bits correlate by exp(-k T / tau_eff) at lag k;
- a toggle that every filling turns over is unbiased at any a and b, and correlates by v(kT) 1, where
  v' = v [[-a, -a], [b, -b]] and v(0) = (1-p, p): for a = b that is exp(-akT) cos(akT).

Ideal means: comparators without lag, a running average much longer than the dwells (under comparators) or much shorter
(differentiators). The law of a window's mean, split by the states at its ends, is that of Pedler, J. Appl. Prob. 8, 381
(1971).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.special import i0e, i1e

from ftj_spice.sampling.trng.rules import CellNumbers, rule_numbers
from ftj_spice.sampling.trng.variant import Rule

Matrix = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_PIECES = 64  # of a window's mean, beside the converter's decision levels


@dataclass(frozen=True)
class BitChain:
    """The matrices of one digitiser.

    Attributes:
        zero: M_0.
        one: M_1.
    """

    zero: Matrix
    one: Matrix

    @cached_property
    def stationary(self) -> Matrix:
        """Probabilities of the hidden states at an interval's begin, shape `(states,)`."""
        step = self.zero + self.one
        size = len(step)
        equations = np.vstack([step.T - np.eye(size), np.ones(size)])
        return np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]

    @property
    def probability(self) -> float:
        """Probability of a 1."""
        return float(np.sum(self.stationary @ self.one))

    @property
    def min_entropy(self) -> float:
        """Min-entropy of a bit in bits, for one who knows the hidden state at its interval's begin: a lower bound.

        For a comparator at p = 1/2 it is that of a Markov chain of bits, -log2[(1 + rho)/2].
        """
        best = max(float(self.zero.sum(axis=1).max()), float(self.one.sum(axis=1).max()))
        return float(-np.log2(min(best, 1.0))) + 0.0

    def autocorrelation(self, lags: int) -> Matrix:
        """Returns the correlation of bits 1 to `lags` intervals apart, shape `(lags,)`; NaN for constant bits."""
        p = self.probability
        step, ends = self.zero + self.one, self.one.sum(axis=1)
        before = self.stationary @ self.one
        found = np.full(lags, np.nan)
        if min(p, 1.0 - p) > 1e-12:
            for k in range(lags):
                found[k] = (before @ ends - p * p) / (p * (1.0 - p))
                before = before @ step
        return found


def bit_chain(rule: Rule, cells: CellNumbers, numbers: dict[str, float], interval: float) -> BitChain:
    """Returns the chain of an ideal digitiser.

    Args:
        rule: Its event rule.
        cells: Its cells.
        numbers: The rule's parameters, as `Digitiser` takes them; `lag` and `average` don't count.
        interval: Time from bit to bit in s.
    """
    fill, empty = 1.0 / cells.capture, 1.0 / cells.emission
    _, level, hysteresis, _, reset, constant, lsb, half = rule_numbers(rule, cells, numbers)
    if rule.read == "mean":
        return _mean_chain(rule, cells, interval, reset, constant + level, lsb, half)
    if rule.reference == "partner":
        return _pair_chain(cells, level, hysteresis, interval)
    rates = np.array([[-fill[0], fill[0]], [empty[0], -empty[0]]])
    high = np.array([cells.high[0], cells.high[0] - cells.drop[0]])  # by the trap's state
    # Against its long average the current goes up and down by parts of the drop; a short one passes its steps whole.
    if rule.reference == "running":
        filled = fill[0] / (fill[0] + empty[0])
        constant = float(cells.high[0] - (cells.drop[0] if rule.read == "edges" else cells.drop[0] * filled))
    above = high - constant > level
    if rule.read == "state":
        step = expm(rates * interval)
        return BitChain(step * ~above, step * above)
    counted = np.zeros((2, 2))
    if above[0] != above[1]:
        start, end = (1, 0) if (rule.edge == "rising") == above[0] else (0, 1)
        counted[start, end] = rates[start, end]
    return _edge_chain(rule, rates, counted, interval)


def _edge_chain(rule: Rule, rates: Matrix, counted: Matrix, interval: float) -> BitChain:
    """Returns the chain of a rule that counts the transitions of rates `counted`."""
    step = expm(rates * interval)
    if rule.output == "any":
        none = expm((rates - counted) * interval)
        return BitChain(none, step - none)
    odd = (step - expm((rates - 2.0 * counted) * interval)) / 2.0  # signs change at each counted transition
    if rule.output == "parity":
        return BitChain(step - odd, odd)
    even = step - odd
    nothing = np.zeros((2, 2))
    return BitChain(np.block([[even, nothing], [odd, nothing]]), np.block([[nothing, odd], [nothing, even]]))


def _pair_chain(cells: CellNumbers, level: float, hysteresis: float, interval: float) -> BitChain:
    """Returns the chain of two cells and a comparator with hysteresis: states are 4 s_0 + 2 s_1 + output."""
    rates = np.zeros((8, 8))
    for first in (0, 1):
        for second in (0, 1):
            for out in (0, 1):
                here = 4 * first + 2 * second + out
                for cell, state in ((0, first), (1, second)):
                    new = [first, second]
                    new[cell] = 1 - state
                    difference = float(np.dot([1, -1], cells.high - cells.drop * new))
                    decided = int(difference > level + (-hysteresis if out else hysteresis))
                    rate = 1.0 / (cells.emission if state else cells.capture)[cell]
                    rates[here, 4 * new[0] + 2 * new[1] + decided] += rate
                    rates[here, here] -= rate
    step = expm(rates * interval)
    one = np.arange(8) % 2 == 1
    return BitChain(step * ~one, step * one)


def _mean_chain(
    rule: Rule, cells: CellNumbers, interval: float, reset: float, level: float, lsb: float, half: float
) -> BitChain:
    """Returns the chain of a window's mean: after the reset, its law is cut at the converter's decision levels."""
    high, drop = cells.high[0], cells.drop[0]
    window = interval - reset
    a, b = window / cells.capture[0], window / cells.emission[0]
    codes = np.arange(-half + 1, half) if rule.output == "parity" else np.zeros(1)
    decisions = (high - level - lsb * codes) / drop
    edges = np.unique(
        np.concatenate([np.linspace(0.0, 1.0, _PIECES + 1), decisions[(decisions > 0) & (decisions < 1)]])
    )
    u = (edges[:-1, np.newaxis] + np.diff(edges)[:, np.newaxis] * (_NODES + 1.0) / 2.0).ravel()
    weight = (np.diff(edges)[:, np.newaxis] / 2.0 * _WEIGHTS).ravel()

    def bit(filled: Matrix) -> NDArray[np.bool_]:
        value = high - drop * filled - level
        if rule.output == "level":
            return value > 0
        return np.clip(np.floor(value / lsb), -half, half - 1) % 2 == 1

    z = 2.0 * np.sqrt(a * b * u * (1.0 - u))
    scale = weight * np.exp(z - b * u - a * (1.0 - u))
    even = scale * i0e(z)
    odd = scale * a * b * i1e(z) * 2.0 / z
    parts = np.array([[odd * (1.0 - u), a * even], [b * even, odd * u]])
    ones = parts @ bit(u).astype(float)
    both = parts.sum(axis=2)
    for state, decay in ((0, a), (1, b)):  # windows without a transition
        both[state, state] += np.exp(-decay)
        ones[state, state] += np.exp(-decay) * bit(np.array([float(state)]))[0]
    rates = np.array([[-a, a], [b, -b]]) / window
    before = expm(rates * reset)
    return BitChain(before @ (both - ones), before @ ones)
