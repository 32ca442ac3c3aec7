"""What a fit gives: parameters with intervals, what was held, and the curves to look at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.fitting.roles import Kind


class NotIdentifiedError(FtjSpiceError):
    """The data do not determine a parameter; the sentence says which and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is not identified: {why}; add such data, or hold it with --fix {name}[=VALUE]")
        self.name = name


class FitError(FtjSpiceError):
    """The law does not describe the data."""


@dataclass(frozen=True)
class Estimate:
    """One fitted parameter, in the card's unit.

    Attributes:
        name: Card parameter.
        value: Best value.
        low: Lower end of the 95 % confidence interval.
        high: Upper end.
    """

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Measured points that belong together, and the fit at the same abscissae; shape `(points,)` each, SI units."""

    label: str
    x: NDArray[np.float64]
    measured: NDArray[np.float64]
    fitted: NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """One plot of data against fit.

    Attributes:
        title: What it shows.
        x: Quantity and SI unit of the abscissa.
        y: The same of the ordinate.
        log: Which axes are logarithmic: any of `x`, `y`.
        series: The data.
    """

    title: str
    x: tuple[str, str]
    y: tuple[str, str]
    log: str
    series: tuple[Series, ...]

    def residuals(self, series: Series) -> NDArray[np.float64]:
        """Returns measured over fitted less 1 where the ordinate is logarithmic, else the difference."""
        if "y" in self.log:
            return series.measured / series.fitted - 1.0
        return series.measured - series.fitted


@dataclass(frozen=True)
class Outcome:
    """A finished fit.

    Attributes:
        kind: Kind of measurement.
        estimates: Fitted parameters.
        held: Parameters of the law that were not fitted, with the values used.
        derived: Card values that follow from the data's circumstances (such as the voltage at which times hold).
        points: Rows used.
        files: Files used.
        scatter: Standard deviation of the residuals, and what it is of.
        correlations: Correlation of pairs of fitted parameters where its magnitude exceeds 0.95.
        notes: What a user should know, one sentence each.
        panels: Plots.
    """

    kind: Kind
    estimates: tuple[Estimate, ...]
    held: dict[str, float]
    derived: dict[str, float]
    points: int
    files: tuple[Path, ...]
    scatter: tuple[float, str]
    correlations: dict[tuple[str, str], float]
    notes: tuple[str, ...]
    panels: tuple[Panel, ...]

    @property
    def values(self) -> dict[str, float]:
        """Card values the fit gives: estimates and what follows with them."""
        return self.derived | {e.name: e.value for e in self.estimates}
