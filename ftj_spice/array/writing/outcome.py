"""What programming an array gives: conductances, pulses, energy, disturb, and every failed cell with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STUCK = "stuck"
OUT_OF_REACH = "out of reach"
EXHAUSTED = "pulses exhausted"
OVERSHOOT = "overshoot"
DISTURBED = "disturbed"
OUTSIDE = "target outside the window"

REASONS = {
    STUCK: "its conductance did not move from before the erase pulse to the last one",
    OUT_OF_REACH: "the largest pulses do not bring it to the target: its own window or the staircase ends before",
    EXHAUSTED: "still short of the target after the largest number of pulses or reversals",
    OVERSHOOT: "still beyond the target after the largest number of reversals",
    DISTURBED: "verified, but out of the tolerance at the end: by pulses on its neighbours, or by a noisy read",
    OUTSIDE: "the target lay outside the card's window and was clipped to its edge",
}
"""What each reason of a failure means."""


@dataclass(frozen=True)
class Failure:
    """A cell that does not hold its target.

    Attributes:
        row: Its row.
        column: Its column.
        target: Wanted conductance in S.
        reached: Conductance at the end in S.
        reason: One of `REASONS`.
    """

    row: int
    column: int
    target: float
    reached: float
    reason: str


@dataclass(frozen=True)
class Trace:
    """One cell's way; arrays of shape `(events,)`.

    Attributes:
        row: Its row.
        column: Its column.
        amplitude: Of the row's pulse before each verify read, in V; 0 for reads without a pulse.
        applied: Whether the cell took part, or was inhibited.
        seen: What the verify read showed, in S.
    """

    row: int
    column: int
    amplitude: NDArray[np.float64]
    applied: NDArray[np.bool_]
    seen: NDArray[np.float64]


@dataclass(frozen=True)
class ProgramResult:
    """What programming an array gave; arrays of shape `(rows, columns)`.

    Attributes:
        conductance: At the end, in S at V_VMM.
        target: Wanted, in S.
        step: Distance of two levels in S.
        read: What verify reads at the end show, in S: wires included, noise not.
        verified: Conductance when the cell's row was done, in S: before the neighbours' pulses.
        pulses: Pulses that each cell got, erase pulse not counted.
        energy: Energy of each cell's own pulses in J, erase pulse included.
        erase_energy: That of the erase pulse alone, in J.
        failures: Every cell that does not hold its target, in order of rows and columns.
        tolerance: Largest accepted error in parts of a level step.
        traces: Ways of single cells.
        engine: Engine and version.
        passes: How often the array was gone through.
        row_pulses: Pulses that each row took, shape `(rows,)`.
    """

    conductance: NDArray[np.float64]
    target: NDArray[np.float64]
    step: float
    read: NDArray[np.float64]
    verified: NDArray[np.float64]
    pulses: NDArray[np.int64]
    energy: NDArray[np.float64]
    erase_energy: NDArray[np.float64]
    failures: tuple[Failure, ...]
    tolerance: float
    traces: tuple[Trace, ...]
    engine: str
    passes: int
    row_pulses: NDArray[np.int64]

    @property
    def status(self) -> str:
        """`ok`, or how many cells failed."""
        count = len(self.failures)
        return "ok" if count == 0 else f"{count} of {self.target.size} cells failed"

    @property
    def error(self) -> NDArray[np.float64]:
        """Errors of the conductances in parts of a level step."""
        return (self.conductance - self.target) / self.step

    @property
    def disturb(self) -> NDArray[np.float64]:
        """Change of each cell by its neighbours' pulses since its row was done, in parts of a level step."""
        return (self.conductance - self.verified) / self.step

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Where cells failed."""
        mask = np.zeros(self.target.shape, bool)
        for failure in self.failures:
            mask[failure.row, failure.column] = True
        return mask


def failures_of(
    reasons: NDArray[np.object_], target: NDArray[np.float64], reached: NDArray[np.float64]
) -> tuple[Failure, ...]:
    """Returns the list of failures from a matrix of reasons, empty where a cell holds its target."""
    return tuple(
        Failure(int(i), int(j), float(target[i, j]), float(reached[i, j]), str(reasons[i, j]))
        for i, j in np.argwhere(reasons != "")
    )


def failures_csv(failures: Sequence[Failure]) -> str:
    """Returns the list as CSV: row, column, target and reached conductance in S, reason."""
    lines = ["row,column,target_S,reached_S,reason"]
    lines += [f"{f.row},{f.column},{f.target:.6g},{f.reached:.6g},{f.reason}" for f in failures]
    return "\n".join(lines) + "\n"
