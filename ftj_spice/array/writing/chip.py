"""What the program-and-verify sequence needs of an array that it writes, whoever simulates it."""

from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.array.writing.devices import Devices
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.current import static_current


class Chip(Protocol):
    """An array under its write and read circuits; a context manager that lets go of what it holds.

    Attributes:
        name: Engine and version.
        energy: Energy that each cell's own pulses have cost so far, in J, shape `(rows, columns)`.
    """

    name: str
    energy: NDArray[np.float64]

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    @property
    def conductance(self) -> NDArray[np.float64]:
        """True conductances in S at V_VMM, shape `(rows, columns)`; exposures that wait are applied first."""
        ...

    def row_conductance(self, row: int) -> NDArray[np.float64]:
        """Returns the true conductances of a row in S at V_VMM as they were when its last pulse ended."""
        ...

    def erase(self) -> None:
        """Applies the erase pulse to all cells at once."""
        ...

    def pulse(self, row: int, amplitude: float, written: NDArray[np.bool_], strength: NDArray[np.float64]) -> None:
        """Applies one pulse to the written columns of a row; the others are inhibited.

        Args:
            row: The selected row.
            amplitude: In V; positive ones raise the conductance.
            written: Shape `(columns,)`.
            strength: Factor on the activation fields of the row's cells during this pulse, shape `(columns,)`.
        """
        ...

    def verify(self, row: int) -> NDArray[np.float64]:
        """Returns the conductances in S that a read of a row shows: column currents over V_VMM, shape `(columns,)`."""
        ...

    def end_phase(self) -> None:
        """Tells that the pulses of one sign are through."""
        ...

    def end_row(self) -> None:
        """Tells that the row is done."""
        ...


def conductances(card: Card, devices: Devices, polarization: ArrayLike) -> NDArray[np.float64]:
    """Returns conductances in S at V_VMM by polarization s, shape `(rows, columns)`."""
    at = card.vmm_voltage
    current = static_current(card, at, polarization, on_factor=devices.on_factor, off_factor=devices.off_factor)
    return current / at


def check_switching(card: Card) -> None:
    """Refuses cards whose switching has no rates.

    Raises:
        SettingsError: The card's switching is Preisach's.
    """
    if card.switching != "nls":
        raise SettingsError(
            f"card '{card.name}': programming needs switching = \"nls\", the Preisach model knows no pulse width"
        )
