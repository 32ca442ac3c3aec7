"""Voltages of selected and unselected lines while a cell is written: V/2, V/3 and inhibit schemes as data.

A pulse of amplitude V stands on the selected row against the columns that are written. What the other lines carry
decides what the other cells see. All numbers are parts of V; a pulse of the other sign turns all of them round.

| scheme    | other rows | inhibited columns | same row | same column | elsewhere |
|-----------|------------|-------------------|----------|-------------|-----------|
| `v2`      | 1/2        | 1/2               | 1/2      | 1/2         | 0         |
| `v3`      | 1/3        | 2/3               | 1/3      | 1/3         | -1/3      |
| `inhibit` | gates off  | w, about 0.57     | 1 - w    | 0           | 0         |

`v2` and `v3` are for passive arrays. `inhibit` is for arrays with select transistors: the gates of the other rows are
off, and no voltage reaches their cells. The gate of the selected row is taken to be high enough to pass the whole
pulse, in both directions.
"""

from dataclasses import dataclass

from ftj_spice.netlist.circuit import TOPOLOGIES


@dataclass(frozen=True)
class Scheme:
    """Voltages during a pulse, in parts of its amplitude.

    Attributes:
        name: Its name.
        selected_row: Of the row that is written.
        other_rows: Of the rows that are not; none where their gates are off.
        selected_columns: Of the columns that are written.
        inhibited_columns: Of the columns that are not.
    """

    name: str
    selected_row: float
    other_rows: float | None
    selected_columns: float
    inhibited_columns: float

    @property
    def selected(self) -> float:
        """Voltage across a cell that is written."""
        return self.selected_row - self.selected_columns

    @property
    def same_row(self) -> float:
        """Voltage across a cell of the selected row in an inhibited column (row half-selected)."""
        return self.selected_row - self.inhibited_columns

    @property
    def same_column(self) -> float:
        """Voltage across a cell of another row in a column that is written (column half-selected)."""
        return 0.0 if self.other_rows is None else self.other_rows - self.selected_columns

    @property
    def elsewhere(self) -> float:
        """Voltage across a cell of another row in an inhibited column (unselected)."""
        return 0.0 if self.other_rows is None else self.other_rows - self.inhibited_columns


SCHEMES = ("v2", "v3", "inhibit")
"""Names of the schemes."""


def scheme_of(name: str, inhibit_voltage: float = 0.57) -> Scheme:
    """Returns a scheme by name.

    Args:
        name: One of `SCHEMES`.
        inhibit_voltage: Voltage of an inhibited column in parts of the pulse; only for `inhibit`.

    Raises:
        KeyError: There is no such scheme.
    """
    return {
        "v2": Scheme("v2", 1.0, 0.5, 0.0, 0.5),
        "v3": Scheme("v3", 1.0, 1.0 / 3.0, 0.0, 2.0 / 3.0),
        "inhibit": Scheme("inhibit", 1.0, None, 0.0, inhibit_voltage),
    }[name]


def check_scheme(scheme: str, topology: str) -> None:
    """Refuses a scheme that does not go with a topology.

    Raises:
        ValueError: It does not.
    """
    transistor = TOPOLOGIES[topology].transistor
    if transistor != (scheme == "inhibit"):
        right = "'inhibit'" if transistor else "'v2' or 'v3'"
        kind = "has select transistors" if transistor else "has no select transistors"
        raise ValueError(f"topology '{topology}' {kind}: its scheme must be {right}, got {scheme!r}")
