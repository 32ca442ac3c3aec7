"""What a latent tells about the traps, in bits: through circuits, and through the ideal read-out.

The mutual information of a column's value (its mean current over the window) and the code that the read-out makes of
it: the codes' entropy less what is left of it when the value is known (Cover and Thomas, Elements of Information
Theory, 2nd ed., eq. 2.43), by the exact law of the column's traps (`ftj_spice.sampling.point`). Noise that a circuit
adds makes codes no less random, but what it decides of a code says nothing about the traps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.sampling.digitisers import ComparatorReadout, IntegratorReadout
from ftj_spice.sampling.phase import SampleResult
from ftj_spice.sampling.point import make_point, solve_columns
from ftj_spice.sampling.settings import SampleSettings


@dataclass(frozen=True)
class LatentInformation:
    """Information of one sample in bits, mean over columns; with comparators of one decided bit, mean over cells.

    Attributes:
        kept: What the circuits' code tells about the value.
        ideal: What that of the settings' ideal integrator and converter tells; of a comparator without flaws.
    """

    kept: float
    ideal: float

    @property
    def lost(self) -> float:
        """Bits that the circuits lose."""
        return self.ideal - self.kept


def latent_information(sampling: SampleResult, settings: SampleSettings) -> LatentInformation:
    """Returns what samples tell about the traps.

    Args:
        sampling: The sample phase: its array and its read-outs.
        settings: Settings of the phase; of the ideal read-out too.

    Raises:
        EngineError: An operating point can't be found.
    """
    d, array = sampling.digitiser, sampling.array
    if isinstance(d, IntegratorReadout):
        ideal = make_point(array, settings, solve_columns(array, settings)).information
        if d.circuits is None:
            return LatentInformation(ideal, ideal)
        columns = solve_columns(array, settings, d.circuits)
        return LatentInformation(make_point(array, settings, columns, d.circuits).information, ideal)
    assert isinstance(d, ComparatorReadout)
    filled = trap_occupancy(sampling)
    whole = float(np.mean(binary_entropy(filled)))
    if d.deciders is None:
        return LatentInformation(whole, whole)
    # Each cell's bit passes a binary channel of its own: a cell that is always misread in one state tells nothing.
    empty, full = (d.deciders.misread(d.swing, sign) for sign in (1.0, -1.0))
    seen = filled * (1.0 - full) + (1.0 - filled) * empty
    unsure = filled * binary_entropy(full) + (1.0 - filled) * binary_entropy(empty)
    return LatentInformation(float(np.mean(binary_entropy(seen) - unsure)), whole)


def binary_entropy(probability: ArrayLike) -> NDArray[np.float64]:
    """Returns the entropy of bits with such probabilities, same shape."""
    p = np.asarray(probability, float)
    both = np.stack([p, 1.0 - p])
    return -np.sum(both * np.log2(both, where=both > 0, out=np.zeros_like(both)), axis=0)


def trap_occupancy(sampling: SampleResult) -> NDArray[np.float64]:
    """Returns the share of the time that each trap is filled, shape `(rows, columns)`."""
    rows, columns = sampling.array.shape
    return sampling.array.traps.occupancy(sampling.array.voltage).reshape(columns, rows).T
