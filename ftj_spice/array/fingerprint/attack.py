"""How well somebody who has seen answers predicts new ones.

A bit is the sign of `sum of x_i w_i + offset` over the rows i that a challenge turns on, with w_i the difference of two
cells: a linear threshold function, which logistic regression learns from examples (modelling attack of Ruhrmair et al.,
CCS 2010, on arbiter functions). One model per pair of columns, the rows' mask as features.

Cover (IEEE Trans. Electron. Comput. EC-14, 326 (1965), theorem 1) counts the ways in which such functions with n
weights can label L points, at most `2 sum_{k<n} C(L - 1, k)`; its log2 bounds the entropy of L answers of a pair,
whatever the weights are.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

_RIDGE = 1e-3  # per example, on features of unit size: keeps separable examples from running away
_STEPS = 25


def predict(
    seen: NDArray[np.bool_], bits: NDArray[np.bool_], unseen: NDArray[np.bool_], ridge: float = _RIDGE
) -> NDArray[np.bool_]:
    """Returns predicted bits of unseen challenges, shape `(unseen, pairs)`.

    Logistic regression with a ridge, by Newton's method (iteratively reweighted least squares).

    Args:
        seen: Challenges with known answers, masks of shape `(seen, rows)`.
        bits: Their answers, shape `(seen, pairs)`.
        unseen: Challenges to predict, shape `(unseen, rows)`.
        ridge: Weight of the squared coefficients, per example.
    """
    known, asked = _features(seen), _features(unseen)
    penalty = ridge * len(known) * np.eye(known.shape[1])
    out = np.empty((len(asked), bits.shape[1]), bool)
    for pair in range(bits.shape[1]):
        goal = bits[:, pair].astype(float)
        weights = np.zeros(known.shape[1])
        for _ in range(_STEPS):
            chance = special.expit(known @ weights)
            slope = known.T @ (goal - chance) - penalty @ weights
            curvature = (known * (chance * (1.0 - chance))[:, np.newaxis]).T @ known + penalty
            step = np.linalg.solve(curvature, slope)
            weights += step
            if np.max(np.abs(step)) < 1e-6 * (1.0 + np.max(np.abs(weights))):
                break
        out[:, pair] = asked @ weights > 0.0
    return out


def cover_bound(challenges: int, weights: int) -> float:
    """Returns Cover's bound in bits on the entropy of one pair's answers to so many challenges.

    Args:
        challenges: Number of challenges L.
        weights: Number of weights n: the rows, and one for the comparator's offset.
    """
    k = np.arange(min(weights, challenges))
    logs = special.gammaln(challenges) - special.gammaln(k + 1.0) - special.gammaln(challenges - k)
    return min(float((special.logsumexp(logs) + np.log(2.0)) / np.log(2.0)), float(challenges))


def _features(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns +1 for rows that are on, -1 for those that are off, and a constant."""
    return np.column_stack([2.0 * masks.astype(float) - 1.0, np.ones(len(masks))])
