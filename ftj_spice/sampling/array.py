"""The sampling array: its cells' currents, traps and amplitudes, drawn from the run's seed, and their closed forms."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.moments import WindowMoments, window_moments
from ftj_spice.device.traps import Traps
from ftj_spice.sampling.settings import SampleSettings


@dataclass(frozen=True)
class SamplingArray:
    """Cells in their high-resistance state, whose traps flicker most. Arrays have shape `(rows, columns)`.

    Attributes:
        card: Device card.
        voltage: V_RTN in V.
        conductance: At V_VMM, in S.
        amplitude: Relative current drop when the trap is filled.
        traps: All traps, column by column: trap `j * rows + i` sits in row i of column j.
    """

    card: Card
    voltage: float
    conductance: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    traps: Traps

    @classmethod
    def draw(cls, card: Card, settings: SampleSettings, columns: int, seed: int) -> "SamplingArray":
        """Draws the array of a run; each column has streams of its own, so columns don't depend on one another.

        Raises:
            SettingsError: `columns` is not positive, or the card leaves the array without noise at this voltage.
        """
        if columns < 1:
            raise SettingsError(f"columns must be at least 1, got {columns}")
        rows = settings.rows
        spread = {
            purpose: np.stack([generator(seed, purpose, j).standard_normal(rows) for j in range(columns)], axis=1)
            for purpose in ("sample-current", "sample-amplitude", "sample-time-constant")
        }
        amplitude = card.rtn_amplitude_off * np.exp(
            settings.amplitude_spread * card.rtn_amplitude_spread * spread["sample-amplitude"]
        )
        log_times = settings.time_constant_spread * card.time_constant_spread * spread["sample-time-constant"]
        array = cls(
            card,
            settings.voltage or card.rtn_voltage,
            card.off_conductance
            * np.exp(settings.current_spread * card.off_spread * card.spread_scale * spread["sample-current"]),
            np.minimum(amplitude, 0.95),  # a lognormal tail must not turn the current round
            Traps.from_card(card, rows * columns, log_times.T.reshape(-1)),
        )
        array.check_noise()
        return array

    def check_noise(self) -> None:
        """Checks that every cell flickers at the array's voltage.

        Raises:
            SettingsError: One does not.
        """
        occupancy = self.traps.occupancy(self.voltage)
        if not (self.swing.min() > 0 and occupancy.min() > 0 and occupancy.max() < 1):
            raise SettingsError(
                f"the sampling array of card '{self.card.name}' has no noise at {self.voltage:g} V: "
                f"amplitude {self.amplitude.min():.3g}, trap filled for {occupancy.mean():.3g} of the time"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.conductance.shape
        return rows, columns

    @property
    def empty_current(self) -> NDArray[np.float64]:
        """Current of each cell with its trap empty at V_RTN, in A."""
        return self.card.conduction.current(self.conductance, self.voltage)

    @property
    def swing(self) -> NDArray[np.float64]:
        """Current that each cell loses when its trap is filled, in A."""
        return self.empty_current * self.amplitude

    def moments(self, window: float, pause: float) -> WindowMoments:
        """Returns the moments of every cell's mean trap state over a window, shape `(rows, columns)`."""
        rows, columns = self.shape
        grid = (columns, rows)
        return window_moments(
            self.traps.occupancy(self.voltage).reshape(grid).T,
            self.traps.relaxation_time(self.voltage).reshape(grid).T,
            window,
            pause,
        )


@dataclass(frozen=True)
class ColumnMoments:
    """Closed-form moments of a column's value; arrays of shape `(columns,)`.

    Attributes:
        mean: Mean.
        variance: Central second moment.
        skewness: Third standardised moment.
        kurtosis: Excess kurtosis.
        autocorrelation: Between successive samples.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    skewness: NDArray[np.float64]
    kurtosis: NDArray[np.float64]
    autocorrelation: NDArray[np.float64]

    def take(self, columns: Sequence[int] | NDArray[np.int64]) -> "ColumnMoments":
        """Returns the moments of some columns."""
        return ColumnMoments(*(getattr(self, f.name)[columns] for f in fields(self)))

    @classmethod
    def of_sum(cls, offset: NDArray[np.float64], weight: NDArray[np.float64], cells: WindowMoments) -> "ColumnMoments":
        """Returns the moments of `offset + sum over rows of weight * state`: cumulants of independent cells add.

        Args:
            offset: Constant part, shape `(columns,)`.
            weight: Weight of each cell's state, shape `(rows, columns)`.
            cells: Moments of the states.
        """
        variance = np.sum(weight**2 * cells.variance, axis=0)
        third = np.sum(weight**3 * cells.third, axis=0)
        fourth = np.sum(weight**4 * (cells.fourth - 3.0 * cells.variance**2), axis=0)
        covariance = np.sum(weight**2 * cells.covariance, axis=0)
        return cls(
            mean=offset + np.sum(weight * cells.mean, axis=0),
            variance=variance,
            skewness=third / variance**1.5,
            kurtosis=fourth / variance**2,
            autocorrelation=covariance / variance,
        )
