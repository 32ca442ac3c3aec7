"""The devices of an array that is written: spread from cell to cell, and those that do not switch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.common.errors import DataError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.variability import draw_population

_NEVER = 8.0  # factor on the activation fields of a stuck device: its rates are then exp(-hundreds)


@dataclass(frozen=True)
class Devices:
    """Every device of an array; all arrays have shape `(rows, columns)`.

    Attributes:
        activation_scale: Factor on the activation fields.
        on_factor: Factor on the low-resistance state's current.
        off_factor: Factor on the high-resistance state's current.
        initial: Share of up domains before the array is erased.
        stuck: 1 where a device is stuck in the low-resistance state, -1 in the high-resistance state, else 0.
    """

    activation_scale: NDArray[np.float64]
    on_factor: NDArray[np.float64]
    off_factor: NDArray[np.float64]
    initial: NDArray[np.float64]
    stuck: NDArray[np.int8]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.stuck.shape
        return rows, columns

    @property
    def barrier_scale(self) -> NDArray[np.float64]:
        """Factor on the activation fields, so high for stuck devices that they never switch."""
        return np.where(self.stuck != 0, _NEVER, self.activation_scale)

    @property
    def start(self) -> NDArray[np.float64]:
        """Share of up domains at the very start, that of stuck devices 1 or 0."""
        return np.where(self.stuck > 0, 1.0, np.where(self.stuck < 0, 0.0, self.initial))


def draw_devices(
    card: Card,
    shape: tuple[int, int],
    settings: ProgramSettings,
    seed: int,
    stuck: NDArray[np.int8] | None = None,
) -> Devices:
    """Draws an array's devices.

    Args:
        card: Device card.
        shape: Rows and columns.
        settings: Spread, share of stuck devices, state before the erase pulse.
        seed: The run's seed.
        stuck: Which devices are stuck, and where (1, -1, 0); drawn from the settings by default.

    Raises:
        DataError: `stuck` has another shape, or other values.
    """
    cells = shape[0] * shape[1]
    wide = card.with_values(
        **{
            name: min(settings.spread * getattr(card, name), limit)
            for name, limit in (("on_spread", 3.0), ("off_spread", 3.0), ("coercive_spread", 0.5))
        }
    )
    population = draw_population(wide, cells, seed)
    if stuck is None:
        rng = generator(seed, "stuck")
        number = round(settings.stuck * cells)
        which = rng.permutation(cells)[:number]
        state = np.where(rng.random(number) < settings.stuck_on, 1, -1)
        stuck = np.zeros(cells, np.int8)
        stuck[which] = state
        stuck = stuck.reshape(shape)
    stuck = np.asarray(stuck)
    if stuck.shape != shape or not np.isin(stuck, (-1, 0, 1)).all():
        raise DataError(f"stuck devices must be given as -1, 0 or 1 in shape {shape}, got shape {stuck.shape}")
    return Devices(
        population.activation_scale.reshape(shape),
        population.on_factor.reshape(shape),
        population.off_factor.reshape(shape),
        np.full(shape, settings.initial),
        stuck.astype(np.int8),
    )
