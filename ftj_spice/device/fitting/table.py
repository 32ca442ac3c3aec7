"""A table of measurements that was read: SI columns by role, and where in the file each value stands."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.device.fitting.csvtext import place_of
from ftj_spice.device.fitting.roles import Kind

_SAME = 1e-12  # relative difference that conversion from another unit makes
_MOST = 10.0  # polarization, relative or in C/m^2, beyond which a unit must be wrong


@dataclass(frozen=True)
class Table:
    """A table that was read.

    Attributes:
        path: The file.
        kind: Kind of table.
        columns: SI values by role, shape `(rows,)` each; `state` is read as `polarization`.
        units: SI unit by role.
        lines: Line number of each row, from 1.
        places: Column of the file in which a role's cells stand, from 0.
        remarks: `file:line:column` of the roles that a comment gives.
        text: Lines of the file.
        separator: Between cells.
    """

    path: Path
    kind: Kind
    columns: dict[str, NDArray[np.float64]]
    units: dict[str, str]
    lines: NDArray[np.int64]
    places: dict[str, int]
    remarks: dict[str, str]
    text: list[str] = field(repr=False)
    separator: str = ","

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, role: str) -> NDArray[np.float64]:
        return self.columns[role]

    def __contains__(self, role: str) -> bool:
        return role in self.columns

    def column(self, role: str, otherwise: float) -> NDArray[np.float64]:
        """Returns the values of a role, or `otherwise` for every row."""
        return self.columns.get(role, np.full(len(self), otherwise))

    def at(self, row: int, role: str) -> str:
        """Returns `file:line:column` of a cell."""
        if role in self.remarks:
            return self.remarks[role]
        line = int(self.lines[row])
        return place_of(self.path, line, self.text[line - 1], self.places.get(role, 0), self.separator)

    def require(self, good: NDArray[np.bool_], role: str, sentence: str) -> None:
        """Refuses the table at the first row that is not good.

        Raises:
            DataError: There is one; its text is the place and `sentence`, in which `{}` stands for the cell's SI value.
        """
        if not good.all():
            row = int(np.argmin(good))
            raise DataError(f"{self.at(row, role)}: {sentence.format(f'{self[role][row]:g}')}")

    def require_polarization(self, what: str, first: str) -> None:
        """Refuses polarizations that are not positive, or so large that their unit must be wrong.

        Args:
            what: What they are; it opens the sentence.
            first: Name of the state that pure numbers are relative to.

        Raises:
            DataError: There is one.
        """
        values = self["polarization"]
        self.require(values > 0.0, "polarization", f"{what} must be positive, got {{}}")
        if self.units["polarization"] == "1":
            limit = (
                f"{what} without a unit is relative to the {first} one and can't exceed {_MOST:g}, got {{}}; "
                "write polarization [%] for percent, polarization [uC/cm^2] for an absolute one"
            )
        else:
            limit = f"{what} can't exceed {_MOST:g} C/m^2, got {{}} C/m^2; look at the unit"
        self.require(values <= _MOST, "polarization", limit)

    def repeats(self, other: "Table") -> bool:
        """Says whether all that the file gives is the same as in another table."""
        given = {*self.places, *self.remarks}
        return (
            (self.kind, given) == (other.kind, {*other.places, *other.remarks})
            and len(self) == len(other)
            and all(self.units.get(role, "1") == other.units.get(role, "1") for role in given)  # states are bare
            and all(np.allclose(self[role], other[role], rtol=_SAME, atol=0.0) for role in given)
        )

    def at_least(self, count: int, what: str) -> None:
        """Refuses a table with fewer rows.

        Raises:
            DataError: It has fewer than `count`.
        """
        if len(self) < count:
            last = int(self.lines[-1]) if len(self) else len(self.text)
            raise DataError(f"{self.path}:{last}:1: {len(self)} rows are too few; {what} needs at least {count}")
