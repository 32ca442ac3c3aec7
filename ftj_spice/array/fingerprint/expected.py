"""Closed forms of a fingerprint: column sums through perfect wires, as normal variables.

Two challenges with k rows on that share m of them give differences of one pair of columns whose correlation is
`rho = (m v + o) / (k v + o)`, v the variance of the difference of two cells and o that of the comparator's offset. The
signs of two normal variables that correlate by rho have the correlation `(2 / pi) asin(rho)` and differ with the
probability `acos(rho) / pi` (Sheppard, Phil. Trans. R. Soc. A 192, 101 (1899)).

The current of a cell is lognormal, `I exp(a X)`, at another temperature `s I exp(a X + b Y)` with X and Y standard
normal, a the spread of ln I, b that of the activation energy over kT, and s the card's own change. So the variances and
the covariance of a cell's two currents are, in units of I^2, `e^(a^2) (e^(a^2) - 1)`,
`s^2 e^(a^2+b^2) (e^(a^2+b^2) - 1)` and `s e^(a^2+b^2/2) (e^(a^2) - 1)`.

Traps are rarely filled at a read voltage, and a filled one is a large step: their sum is taken as a Poisson number of
normal steps, as many as give it its variance and its fourth cumulant.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.array.fingerprint.cells import PRISTINE, Condition
from ftj_spice.array.fingerprint.readout import Readout
from ftj_spice.device.current import REFERENCE_TEMPERATURE, static_current
from ftj_spice.device.reliability import cycled, degraded

_MANY = 200.0  # mean number of steps from which on their sum counts as normal


@dataclass(frozen=True)
class Expected:
    """What perfect wires and normal sums would give.

    Attributes:
        readout: The read-out.
        trap_variance: Mean variance of a cell's relative drop by traps, from `ChipCells.trap_cumulants`.
        trap_fourth: Its mean fourth cumulant, from there too.
    """

    readout: Readout
    trap_variance: float = 0.0
    trap_fourth: float = 0.0

    def current(self, condition: Condition) -> float:
        """Returns the current of a cell without spread in A."""
        card = self.readout.card
        left = min(float(cycled(card, condition.cycles)), 1.0)
        current = static_current(card, card.vmm_voltage, -left, condition.temperature)
        return float(current * degraded(card, condition.cycles))

    @property
    def offset_variance(self) -> float:
        """Variance of the comparators' offsets in A^2."""
        s = self.readout.settings
        return (s.comparator_offset * s.integration_capacitance / self.readout.time) ** 2

    def challenge_correlation(self, challenges: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Returns the correlation of one pair's bits over challenges, shape `(challenges, challenges)`."""
        on = challenges.astype(float)
        shared, cells = on @ on.T, 2.0 * self._moments(PRISTINE)[0]
        rho = (shared * cells + self.offset_variance) / (shared[0, 0] * cells + self.offset_variance)
        return 2.0 / np.pi * np.arcsin(np.clip(rho, -1.0, 1.0))

    def freedom(self, correlation: NDArray[np.float64]) -> float:
        """Returns the degrees of freedom of distances between chips.

        Bits l and m of the exclusive-or of two chips have the covariance `c_lm^2 / 4`, so its share of ones has the
        variance `sum c_lm^2 / (4 pairs L^2)` for L challenges.

        Args:
            correlation: From `challenge_correlation`.
        """
        return float(self.readout.settings.pairs * correlation.size / np.sum(correlation**2))

    def uniformity_sigma(self, correlation: NDArray[np.float64]) -> float:
        """Returns the standard deviation over chips of the share of ones, `sqrt(sum c_lm / (4 pairs L^2))`."""
        return float(np.sqrt(np.sum(correlation) / (4.0 * self.readout.settings.pairs * correlation.size)))

    def flips(self, condition: Condition) -> float:
        """Returns the probability that a bit differs from its reference, pristine at 300 K.

        Both answers carry noise and trap states of their own. Breakdown, rewriting and the small share of the
        low-resistance state's spread in fatigued cells are left out.
        """
        before, after, joint = self._moments(condition)
        rows = 2 * self.readout.settings.on
        fixed = self.offset_variance
        (odds, first), (others, second) = self._noise(PRISTINE), self._noise(condition)
        spread = np.sqrt(np.multiply.outer(rows * before + fixed + first, rows * after + fixed + second))
        flips = np.arccos(np.minimum((rows * joint + fixed) / spread, 1.0)) / np.pi
        return float(odds @ flips @ others)

    def _moments(self, condition: Condition) -> tuple[float, float, float]:
        """Returns variance before, variance under the condition and covariance of a cell's current in A^2."""
        card, settings = self.readout.card, self.readout.settings
        a2 = (card.spread_scale * card.off_spread) ** 2
        inverse = (1.0 / condition.temperature - 1.0 / REFERENCE_TEMPERATURE) * elementary_charge / Boltzmann
        b2 = (settings.activation_spread * inverse) ** 2 if condition.activation else 0.0
        one, other = self.current(PRISTINE), self.current(condition)
        return (
            one**2 * np.exp(a2) * np.expm1(a2),
            other**2 * np.exp(a2 + b2) * np.expm1(a2 + b2),
            one * other * np.exp(a2 + 0.5 * b2) * np.expm1(a2),
        )

    def _noise(self, condition: Condition) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the variances in A^2 of a pair's difference that is new in each answer, and their probabilities.

        One for each number of steps by traps; probabilities first.
        """
        card, on = self.readout.card, self.readout.settings.on
        a2 = (card.spread_scale * card.off_spread) ** 2
        current = self.current(condition)
        column = np.full((1, 2), on * current * np.exp(0.5 * a2))
        read = float(self.readout.noise(column, condition.temperature)[0, 0]) ** 2
        variance = 2 * on * np.exp(2.0 * a2) * self.trap_variance
        fourth = 2 * on * np.exp(8.0 * a2) * self.trap_fourth
        if variance == 0.0:
            return np.ones(1), np.array([read])
        mean = 3.0 * variance**2 / fourth
        if mean > _MANY:
            return np.ones(1), np.array([read + current**2 * variance])
        steps = np.arange(int(mean + 10.0 * np.sqrt(mean)) + 12)
        return stats.poisson.pmf(steps, mean), read + steps * current**2 * variance / mean
