"""How far a fast engine was from ngspice on a random part of its own work."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Audit:
    """A comparison of the same reads or samples in two engines.

    Attributes:
        reads: How many reads, or samples, were compared.
        largest: Largest deviation, in parts of `scale`; NaN where nothing was left to compare.
        rms: Root of the mean squared deviation, in the same unit.
        limit: Largest deviation allowed.
        engine: Simulator that it was compared with, and version.
        netlists: What that simulator ran, by file name.
        scale: What a deviation of 1 stands for.
        transitions: Trap transitions that were compared; 0 where there are none.
        differing: How many of them are in one engine's history only.
        values: What that simulator gave, by netlist, where it is worth keeping.
        things: What was compared, in words.
        share: Whether `largest` is the share of things that differ, not a deviation.
        largest_share: Share of the transitions that may differ: one, or this share of all.
    """

    reads: int
    largest: float
    rms: float
    limit: float
    engine: str
    netlists: Mapping[str, str] = field(default_factory=dict)
    scale: str = "largest column current of the tile's reads"
    transitions: int = 0
    differing: int = 0
    values: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    largest_share: float = 1e-3
    things: str = "reads"
    share: bool = False

    @property
    def passes(self) -> bool:
        """Whether everything is within its limit; a deviation that is not a number is not."""
        return self.largest <= self.limit and self.differing <= max(1.0, self.largest_share * self.transitions)

    @property
    def sentence(self) -> str:
        """What came out, in words."""
        traps = f"; {self.differing} of {self.transitions} trap transitions differ" if self.transitions else ""
        what = f"{self.reads} {self.things} against {self.engine}{traps}"
        if not self.reads:
            return f"nothing was left to compare; {what}"
        if self.share:
            return f"{self.largest:.2%} of them differ (allowed {self.limit:.0%}); {what}"
        return (
            f"largest deviation {self.largest:.1e}, rms {self.rms:.1e}, in parts of the {self.scale} "
            f"(allowed {self.limit:g}); {what}"
        )
