r"""The exact law of a two-state trap's mean state over a window: what `ftj_spice.device.moments` gives the moments of.

A stationary trap with capture rate `1/tau_c`, emission rate `1/tau_e` and `a = T/tau_c`, `b = T/tau_e` is filled for
the part u of a window T. Without a transition u is 0, with probability `(1 - p) exp(-a)`, or 1, with `p exp(-b)`,
where `p = a/(a + b)`. With transitions, sum over their number: 2n + 1 transitions after a filled beginning, say,
divide the filled time `uT` among n + 1 whole dwells and the empty time `(1 - u)T` among n whole dwells and a cut-off
one, which gives the density `T b exp(-bu - a(1 - u)) (ab u (1 - u))^n / n!^2`. Each of the four sums over n is a
Bessel series, and together, with `z = 2 sqrt(ab u (1 - u))`,

    f(u) = 2ab exp(-bu - a(1 - u)) { I0(z)/(a + b) + [p u + (1 - p)(1 - u)] I1(z)/z }.

The sums are those of Pedler, J. Appl. Prob. 8, 381 (1971), and of Takacs, Acta Math. Acad. Sci. Hung. 8, 169 (1957),
for a given state at the begin; the stationary mixture is ours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import i0e, i1e

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_FAINT = 50.0  # the density falls as exp(-q) (see `WindowLaw._span`); beyond this q no double shows it
_PANELS = 64  # of the law itself, however narrow it is: a third of its standard deviation at most
_SMALL = 1e-6  # below this argument I1(z)/z is 1/2 to double precision


@dataclass(frozen=True)
class WindowLaw:
    """The law of one stationary trap's mean state over a window.

    Attributes:
        capture: a, the window over the capture time.
        emission: b, the window over the emission time.
    """

    capture: float
    emission: float

    @classmethod
    def of(cls, occupancy: float, relaxation_time: float, window: float) -> "WindowLaw":
        """Returns the law of a trap with an occupancy and a relaxation time (s), over a window (s)."""
        ratio = window / relaxation_time
        return cls(ratio * occupancy, ratio * (1.0 - occupancy))

    @property
    def occupancy(self) -> float:
        """Mean state p."""
        return self.capture / (self.capture + self.emission)

    @property
    def empty(self) -> float:
        """Probability of a window without any filled time."""
        return float((1.0 - self.occupancy) * np.exp(-self.capture))

    @property
    def full(self) -> float:
        """Probability of a window without any empty time."""
        return float(self.occupancy * np.exp(-self.emission))

    def density(self, filled: ArrayLike) -> NDArray[np.float64]:
        """Returns the density at filled parts in [0, 1], beside the two atoms; no window is too long for it."""
        u = np.asarray(filled, float)
        a, b, p = self.capture, self.emission, self.occupancy
        z = 2.0 * np.sqrt(a * b * u * (1.0 - u))
        # exp(-bu - a(1-u)) I(z) = exp(-(sqrt(bu) - sqrt(a(1-u)))^2) [exp(-z) I(z)]: nothing overflows.
        scale = 2.0 * a * b * np.exp(-((np.sqrt(b * u) - np.sqrt(a * (1.0 - u))) ** 2))
        ratio = np.where(z > _SMALL, i1e(z) / np.maximum(z, _SMALL), 0.5 * np.exp(-z))
        return scale * (i0e(z) / (a + b) + (p * u + (1.0 - p) * (1.0 - u)) * ratio)

    def _span(self) -> tuple[float, float]:
        """Returns the angles `asin(sqrt(u))` between which the density can be seen.

        With `p = sin^2 t0`, its exponent `-(sqrt(bu) - sqrt(a(1 - u)))^2` is `-(a + b) sin^2(t - t0)`.
        """
        middle = np.arctan2(np.sqrt(self.capture), np.sqrt(self.emission))
        reach = np.arcsin(np.sqrt(min(_FAINT / (self.capture + self.emission), 1.0)))
        return max(middle - reach, 0.0), min(middle + reach, 0.5 * np.pi)

    def masses(self, step: float) -> tuple[int, NDArray[np.float64]]:
        """Returns the law as masses on the nodes `k * step`, its mean preserved.

        Each mass is the integral of the law with the hat function about its node, so that the variance grows by at most
        `step^2 / 4`. Where 1 is no node, its atom is shared between the two beside it.

        Args:
            step: Distance of the nodes.

        Returns:
            Number k of the first node, and the masses from there on.
        """
        last = int(np.ceil(1.0 / step - 1e-9))
        angle = np.linspace(*self._span(), _PANELS + 1)
        # Panels end at nodes, where the hats have kinks, and are as narrow as the law asks for.
        edges = np.sin(angle) ** 2
        inner = step * np.arange(np.ceil(edges[0] / step), np.floor(edges[-1] / step) + 1.0)
        edges = np.unique(np.concatenate([edges, inner[(inner > edges[0]) & (inner < edges[-1])]]))
        begin, width = edges[:-1, None], np.diff(edges)[:, None]
        u = begin + width * (0.5 + 0.5 * _NODES)
        mass = self.density(u) * (0.5 * width * _WEIGHTS)
        cell = np.minimum((u.mean(axis=1) / step).astype(np.int64), last - 1)
        right = u / step - cell[:, None]
        found = np.bincount(cell, np.sum(mass * (1.0 - right), axis=1), last + 1)
        found += np.bincount(cell + 1, np.sum(mass * right, axis=1), last + 1)
        place = 1.0 / step - (last - 1)
        found[0] += self.empty
        found[last - 1] += self.full * (1.0 - place)
        found[last] += self.full * place
        kept = np.flatnonzero(found)
        return int(kept[0]), found[kept[0] : kept[-1] + 1]
