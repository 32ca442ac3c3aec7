"""Distribution of the domains' activation fields: quantiles, random draws, and groups for the mean model.

`normal`, or the generalised beta distribution of the second kind: `b Y^(1/a)` with Y beta-prime(p, q), whose density is
`(a/b) (x/b)^(ap-1) / (B(p, q) [1 + (x/b)^a]^(p+q))` (Alessandri et al., TED 66, 3527 (2019)).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ftj_spice.device.parameters import Polarization

GROUPS = 16
"""Domain groups of the mean model: the switched fraction is then within 0.01 of the whole distribution's."""

SMALLEST_FIELD = 1e4
"""Activation fields below this, in V/m, count as this: the normal distribution's lower tail has no physical meaning."""


def activation_quantile(card: Polarization, probability: ArrayLike) -> NDArray[np.float64]:
    """Returns the activation fields, in V/m, below which the given parts of the domains lie."""
    p = np.asarray(probability, float)
    if card.activation_distribution == "normal":
        assert card.activation_mean is not None and card.activation_sigma is not None
        fields = card.activation_mean + card.activation_sigma * special.ndtri(p)
    else:
        assert card.activation_scale is not None
        assert card.gb2_a is not None and card.gb2_p is not None and card.gb2_q is not None
        beta = special.betaincinv(card.gb2_p, card.gb2_q, p)  # Y / (1 + Y)
        fields = card.activation_scale * (beta / (1.0 - beta)) ** (1.0 / card.gb2_a)
    return np.maximum(fields, SMALLEST_FIELD)


@dataclass(frozen=True)
class DomainGroups:
    """Groups of like domains that stand for the whole distribution; arrays of shape `(groups,)`.

    Attributes:
        activation_field: In V/m.
        weight: Part of the domains; they sum to 1.
        offset_field: Shift of the group's field, in V/m.
    """

    activation_field: NDArray[np.float64]
    weight: NDArray[np.float64]
    offset_field: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.weight)


def domain_groups(card: Polarization, count: int = GROUPS) -> DomainGroups:
    """Returns the groups of the mean model: Gauss-Legendre nodes of the cumulative distribution.

    Offset fields, where the card has some, are normal quantiles dealt out in an order that is even over the activation
    fields, scaled to the card's sigma.
    """
    nodes, weights = np.polynomial.legendre.leggauss(count)
    weight = weights / 2.0
    fields = activation_quantile(card, (nodes + 1.0) / 2.0)
    if card.offset_field_spread == 0 or count == 1:
        return DomainGroups(fields, weight, np.zeros(count))
    step = next(k for k in range(int(0.62 * count), 0, -1) if np.gcd(k, count) == 1)  # near the golden section
    ranks = np.empty(count)
    order = (np.arange(count) * step) % count
    cumulated = np.cumsum(weight[order])
    ranks[order] = cumulated - weight[order] / 2.0
    offsets = special.ndtri(ranks)
    offsets -= np.sum(weight * offsets)
    offsets *= card.offset_field_spread / np.sqrt(np.sum(weight * offsets**2))
    return DomainGroups(fields, weight, offsets)
