"""Half-select disturb from the device's own switching law: what pulses on neighbours do to a cell at rest.

Half-selection flips the domains with the lowest activation fields first, a percent or less of a cell. The 16 groups of
the mean model do not resolve them (the first stands for the lowest 1.4 % of the domains); the quadrature here does,
with 20,000 nodes by default.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.schemes import Scheme, scheme_of
from ftj_spice.device.card import Card
from ftj_spice.device.switching import switched_fraction

NODES = 20_000
"""Nodes of the quadrature over the activation fields."""


@dataclass(frozen=True)
class HalfSelect:
    """What a number of equal pulses on neighbours does to a cell in the opposite saturated state.

    Attributes:
        scheme: Name of the scheme.
        place: `same row`, `same column` or `elsewhere`.
        voltage: Across the disturbed cell, in V; its sign is that of the pulse, or the opposite one.
        flips: Share of the domains opposed by that voltage that flip, shape `(counts,)`.
        grouped: The same by the groups of the mean model, shape `(counts,)`.
    """

    scheme: str
    place: str
    voltage: float
    flips: NDArray[np.float64]
    grouped: NDArray[np.float64]


def flips(
    card: Card, voltage: float, time: float, counts: NDArray[np.int64] | None = None, nodes: int = NODES
) -> NDArray[np.float64]:
    """Returns the share of a saturated cell that `counts` pulses of a voltage against it flip.

    Pulses of one sign add up: the history of a domain depends on the total time only (Alessandri et al., TED 66, 3527
    (2019)). Depolarization is left out; offset fields as well.

    Args:
        card: Device card.
        voltage: Across the cell in V; its magnitude counts, against the stored state.
        time: Length of one pulse in s.
        counts: Numbers of pulses, shape `(counts,)`; one pulse by default.
        nodes: Nodes of the quadrature; 0 takes the groups of the mean model.
    """
    numbers = np.array([1]) if counts is None else np.asarray(counts)
    stack = card.electrostatics
    return switched_fraction(card, stack.divider * abs(voltage) / stack.thickness, time * numbers, nodes)


def half_select(
    card: Card,
    amplitude: float,
    time: float,
    schemes: tuple[Scheme, ...] = (scheme_of("v2"), scheme_of("v3"), scheme_of("inhibit")),
    counts: NDArray[np.int64] | None = None,
) -> list[HalfSelect]:
    """Returns the disturb at every place of every scheme where a voltage stands.

    Args:
        card: Device card.
        amplitude: Of the pulse on the written cell, in V.
        time: Its length in s.
        schemes: The schemes to compare.
        counts: Numbers of pulses; one by default.
    """
    found = []
    for scheme in schemes:
        places = {"same row": scheme.same_row, "same column": scheme.same_column, "elsewhere": scheme.elsewhere}
        for place, part in places.items():
            if part == 0.0:
                continue
            volts = part * amplitude
            found.append(
                HalfSelect(
                    scheme.name, place, volts, flips(card, volts, time, counts), flips(card, volts, time, counts, 0)
                )
            )
    return found
