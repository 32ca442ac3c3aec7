"""The exact law of a column's value: the weighted sum of its independent cells, on a fine grid.

Every cell's law (`ftj_spice.device.occupation`) becomes masses on nodes `step` apart with its mean preserved, and the
cells' masses are convolved by FFT. The part without any transition in any cell is kept apart: there, and only there,
the law has atoms, so that the rest can be interpolated.

Error: the grid adds at most `rows * step^2 / 4` to the variance (some 1e-6 of it), and the distribution function is
wrong by about `step` times the jumps of its density, 1e-4 at most; weights that agree to a millionth are taken as
equal.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ftj_spice.device.moments import window_moments
from ftj_spice.device.occupation import WindowLaw

RESOLUTION = 512
"""Nodes per standard deviation of the sum, about."""
LARGEST_GRID = 2**20
"""Nodes at most: a law that is wider (some thousand standard deviations) is cut there."""
TOLERANCE = 1e-7
"""Values that differ by less than this, in standard deviations, count as equal."""
BESIDE = 1e-5
"""How far from an atom `Farthest` stands, in standard deviations: wires move a simulation's atoms by less."""
_EQUAL = 1e-6  # relative: weights that wires make differ by less
_WHOLE = 1e-3  # a weight this near to whole steps is taken as whole
_NO_ATOMS = 1e-14


@dataclass(frozen=True)
class Farthest:
    """Where a law is farthest from the normal of the same mean and variance.

    Attributes:
        distance: Kolmogorov distance: the largest difference of the two distribution functions.
        value: Where it is reached; just beside an atom where the law jumps.
        normal: The normal's distribution function there.
        sign: 1 where the law lies above the normal there, -1 where below.
    """

    distance: float
    value: float
    normal: float
    sign: int


@dataclass(frozen=True)
class ColumnLaw:
    """The law of `sum over cells of weight * (state - occupancy)`, states averaged over a window.

    Attributes:
        first: Value of the first node.
        step: Distance of the nodes.
        atoms: Mass on each node of windows without any transition, shape `(nodes,)`.
        spread: Mass about each node of all others, same shape.
    """

    first: float
    step: float
    atoms: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(
        cls, weight: NDArray[np.float64], occupancy: NDArray[np.float64], relaxation: NDArray[np.float64], window: float
    ) -> "ColumnLaw":
        """Returns the law of a column.

        Args:
            weight: Of each cell's state, of either sign, not 0; shape `(rows,)`.
            occupancy: Of each cell's trap, same shape.
            relaxation: Relaxation time of each in s, same shape.
            window: Averaging time in s.
        """
        # A negative weight times a state is, up to a constant, its magnitude times the opposite state.
        size = np.abs(weight)
        filled = np.where(weight > 0, occupancy, 1.0 - occupancy)
        sigma = float(np.sqrt(np.sum(size**2 * window_moments(filled, relaxation, window).variance)))
        parts = int(np.ceil(size.max() * RESOLUTION / sigma))
        step = float(size.max()) / parts  # whole numbers of steps for equal cells: their atoms stand on nodes
        total = int(np.sum(np.ceil(size / step * (1.0 - 1e-9)))) + 1
        length = _fast_length(min(total, LARGEST_GRID))
        whole = np.ones(length // 2 + 1, complex)
        still = np.ones(length // 2 + 1, complex)
        mean = 0.0
        for (w, p, tau), count in _groups(size, filled, relaxation):
            steps = w / step
            if abs(steps - round(steps)) < _WHOLE:
                steps = float(round(steps))
            law = WindowLaw.of(p, tau, window)
            begin, masses = law.masses(1.0 / steps)
            whole *= np.fft.rfft(_wrapped(begin, masses, length)) ** count
            mean += count * steps * step * p
            end = int(np.ceil(steps - 1e-9))
            share = steps - (end - 1)
            if law.empty + law.full > _NO_ATOMS:
                ends = np.array([law.empty, law.full * (1.0 - share), law.full * share])
                places = np.array([0, end - 1, end])
                still *= np.fft.rfft(np.bincount(places % length, ends, length)) ** count
            else:
                still[:] = 0.0
        origin = 0 if total <= length else round(mean / step) - length // 2
        atoms = np.maximum(np.roll(np.fft.irfft(still, length), -origin), 0.0)
        atoms[atoms < _NO_ATOMS] = 0.0
        spread = np.maximum(np.roll(np.fft.irfft(whole, length), -origin) - atoms, 0.0)
        norm = atoms.sum() + spread.sum()
        return cls(origin * step - mean, step, atoms / norm, spread / norm)

    @property
    def nodes(self) -> NDArray[np.float64]:
        """Values of the nodes, shape `(nodes,)`."""
        return self.first + self.step * np.arange(len(self.atoms))

    @cached_property
    def sigma(self) -> float:
        """Standard deviation on the grid."""
        mass, x = self.atoms + self.spread, self.nodes
        return float(np.sqrt(np.sum(mass * x**2) - np.sum(mass * x) ** 2))

    def cdf(self, value: ArrayLike, *, below: bool = False) -> NDArray[np.float64]:
        """Returns the probability of values up to `value`, or strictly below it.

        Atoms within `TOLERANCE` count as standing at it.

        Args:
            value: Values, any shape.
            below: Whether an atom at a value is left out.
        """
        place = (np.asarray(value, float) - self.first) / self.step
        slack = TOLERANCE * self.sigma / self.step
        count = np.ceil(place - slack) if below else np.floor(place + slack) + 1.0
        jumps, smooth = self._cumulated
        rest = np.interp(place, np.arange(-1, len(smooth) - 1), smooth)
        return jumps[np.clip(count, 0, len(self.atoms)).astype(np.int64)] + rest

    @cached_property
    def _cumulated(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mass of the atoms below each node; and of the rest up to each, from one node before to one after them all."""
        smooth = np.cumsum(self.spread) - 0.5 * self.spread
        # Where atoms stand the density jumps, and the mass about the node lies more on one side of it.
        beside = np.concatenate([[0.0], self.spread, [0.0]])
        smooth += np.where(self.atoms > 0, 0.25 * (beside[:-2] - beside[2:]), 0.0)
        whole = np.concatenate([[0.0], smooth, [self.spread.sum()]])
        return np.concatenate([[0.0], np.cumsum(self.atoms)]), whole

    def density(self, value: ArrayLike) -> NDArray[np.float64]:
        """Returns the density of the part without atoms."""
        return np.interp(np.asarray(value, float), self.nodes, self.spread / self.step, left=0.0, right=0.0)

    def farthest(self) -> Farthest:
        """Returns the Kolmogorov distance to the normal of the same mean (0) and variance, and where it is reached."""
        x, sigma = self.nodes, self.sigma
        jumps, smooth = self._cumulated
        upto = jumps[1:] + smooth[1:-1]
        normal = ndtr(x / sigma)
        above, under = upto - normal, upto - self.atoms - normal
        both = np.stack([under, above])
        side, k = np.unravel_index(int(np.argmax(np.abs(both))), both.shape)
        shift = 0.0
        if self.atoms[k] > 0:  # far enough from the atom that rounding does not matter, too little for the normal to
            shift = BESIDE * (1 if side == 1 else -1)
        found = float(both[side, k])
        return Farthest(abs(found), float(x[k]) + shift * sigma, float(normal[k]), 1 if found > 0 else -1)

    def codes(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the probabilities of a converter's codes, shape `(thresholds + 1,)`.

        Args:
            thresholds: Ascending; a value at a threshold belongs to the code above it.
        """
        return np.maximum(np.diff(np.concatenate([[0.0], self.cdf(thresholds, below=True), [1.0]])), 0.0)


def shannon_entropy(probability: NDArray[np.float64]) -> float:
    """Returns `-sum p log2 p` in bits."""
    p = probability[probability > 0]
    return float(-np.sum(p * np.log2(p)))


def min_entropy(probability: NDArray[np.float64]) -> float:
    """Returns `-log2 max p` in bits: what guessing the most probable outcome leaves."""
    return float(-np.log2(np.max(probability)))


def _groups(
    size: NDArray[np.float64], filled: NDArray[np.float64], relaxation: NDArray[np.float64]
) -> list[tuple[tuple[float, float, float], int]]:
    """Returns the different cells, and how many there are of each."""
    cells = np.stack([size, filled, relaxation], axis=1)
    rounded = np.rint(np.log(cells) / _EQUAL).astype(np.int64)
    _, which, counts = np.unique(rounded, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    return [
        ((float(w), float(p), float(tau)), int(n))
        for k, n in enumerate(counts)
        for w, p, tau in [cells[which == k].mean(axis=0)]
    ]


def _wrapped(begin: int, masses: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Puts masses on a ring of nodes."""
    return np.bincount((begin + np.arange(len(masses))) % length, masses, length)


def _fast_length(least: int) -> int:
    from scipy.fft import next_fast_len

    return 2 * next_fast_len(-(-least // 2))
