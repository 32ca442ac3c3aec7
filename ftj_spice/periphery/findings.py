"""What a bench collects: figures, or why they can't be had, one failing without stopping the others."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from ftj_spice.common.errors import FtjSpiceError


@dataclass
class Findings:
    """Figures and failures of one measurement.

    Attributes:
        wanted: Names of the figures that are asked for.
        figures: Values in SI units.
        failures: Why a figure can't be had, in one sentence.
        survives: Errors that cost a figure; any other ends the measurement.
    """

    wanted: frozenset[str]
    figures: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    survives: tuple[type[FtjSpiceError], ...] = (FtjSpiceError,)

    def asks(self, names: Collection[str]) -> bool:
        """Whether one of the figures is wanted."""
        return not self.wanted.isdisjoint(names)

    def attempt(self, names: Collection[str], measure: Callable[[], Mapping[str, float]]) -> None:
        """Measures some figures where they are wanted; the parts of an energy come along.

        Args:
            names: Figures that `measure` gives.
            measure: Returns the figures' values.
        """
        if not self.asks(names):
            return
        asked = self.wanted.intersection(names)
        try:
            found = measure()
        except self.survives as error:
            self.failures |= dict.fromkeys(sorted(asked), str(error))
            return
        self.figures |= {name: value for name, value in found.items() if name in asked or name.startswith("energy_")}
