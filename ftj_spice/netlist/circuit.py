"""An array as a circuit: its cells, wires, select transistors and terminations, one description for every engine.

Two kinds of line meet at each cell: a *driven* line, which a driver holds at a voltage, and a *sensed* line, whose
current is the result. Sensed lines always run along the columns. A topology says which way the driven lines run,
whether a transistor stands in series with each junction, and what carries the input:

| topology   | driven lines            | select transistor | input                         |
|------------|-------------------------|-------------------|-------------------------------|
| `crossbar` | word lines, along rows  | none              | voltage of the word line      |
| `nor`      | word lines, along rows  | none              | voltage of the word line      |
| `1t1f`     | source lines, along rows| gate on its row   | voltage of the source line    |
| `nor1t`    | source lines, along rows| gate on its row   | gate: the row is on or off    |
| `and`      | source lines, along columns | gate on its row | gate: the row is on or off  |

A wire segment lies between neighbouring cells of a line, and one between a line's end cell and each end that is
driven or sensed. Cell (i, j) joins driven line and sensed line; with a transistor, the junction sits at the driven
line and the transistor at the sensed one.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.conduction import LinearLaw, SinhLaw
from ftj_spice.device.physical import PhysicalLaw

End = Literal["first", "last", "both"]
"""Ends of a line: beside its first cell (row or column 0), its last one, or both."""
ENDS: tuple[End, ...] = ("first", "last", "both")


@dataclass(frozen=True)
class Topology:
    """How an array's cells are wired.

    Attributes:
        name: Its name.
        transistor: Whether a select transistor stands in series with each junction.
        along: What the driven lines run along.
        gate_input: Whether an input turns its row's gates on and off, instead of setting its driven line's voltage.
    """

    name: str
    transistor: bool
    along: Literal["rows", "columns"]
    gate_input: bool


TOPOLOGIES: dict[str, Topology] = {
    t.name: t
    for t in (
        Topology("crossbar", False, "rows", False),
        Topology("nor", False, "rows", False),
        Topology("1t1f", True, "rows", False),
        Topology("nor1t", True, "rows", True),
        Topology("and", True, "columns", True),
    )
}
"""All topologies by name."""


@dataclass(frozen=True)
class Line:
    """One kind of wire.

    Attributes:
        resistance: Per segment, in ohm; 0 joins the cells directly.
        capacitance: Per segment to ground, in F.
    """

    resistance: float = 0.0
    capacitance: float = 0.0


@dataclass(frozen=True)
class Transistor:
    """A long-channel n-channel select transistor whose bulk is at ground.

    `I_D = I_S [F((v_p - v_s) / U_T) - F((v_p - v_d) / U_T)]` with `F(u) = ln^2(1 + exp(u / 2))` and
    `v_p = (v_g - V_T) / n`, all voltages against the bulk (Enz, Krummenacher and Vittoz, Analog Integrated Circuits and
    Signal Processing 8, 83 (1995)). Smooth and monotone in every voltage. The defaults are our estimate of a 5 V
    device, which a write voltage of 3.5 V asks for: about 1.2 kohm when on, 1e-15 A when off.

    Attributes:
        specific_current: I_S in A.
        threshold: V_T in V.
        slope_factor: n.
        thermal_voltage: U_T in V.
        on_voltage: Gate voltage that turns it on, in V.
        off_voltage: Gate voltage that turns it off, in V.
    """

    specific_current: float = 3.7e-7
    threshold: float = 0.7
    slope_factor: float = 1.4
    thermal_voltage: float = 0.02585
    on_voltage: float = 5.0
    off_voltage: float = 0.0

    def current(self, gate: ArrayLike, drain: ArrayLike, source: ArrayLike) -> NDArray[np.float64]:
        """Returns the current from drain to source in A; broadcasts."""
        pinch_off = (np.asarray(gate, float) - self.threshold) / self.slope_factor

        def forward(channel: ArrayLike) -> NDArray[np.float64]:
            return np.logaddexp(0.0, (pinch_off - np.asarray(channel, float)) / (2.0 * self.thermal_voltage)) ** 2

        return self.specific_current * (forward(source) - forward(drain))


@dataclass(frozen=True)
class Cells:
    """The cells of an array, as engines and templates need them.

    The current of a cell at the voltage V over it is

    - `linear`: `strength V`,
    - `sinh`: `strength sinh(V / scale)`,
    - `physical`: `strength M(share, V)`, where M mixes the two states of `physical`
      (`ftj_spice.device.physical.PhysicalLaw.mixed`; its attributes are the constants a template needs, its docstring
      the formulas): `off^(1 - share) on^share` if `physical.logarithmic`, else `(1 - share) off + share on`.

    A strength of 0 is an open cell, whatever the law.

    Attributes:
        law: `sinh`, `linear` or `physical`.
        scale: V0 of the sinh law in V; 1 for the other laws.
        strength: Current before the sinh in A, or conductance in S, or for the physical law a plain factor (1, or 0 for
            an open cell); shape `(rows, columns)`.
        capacitance: Of one cell, in F.
        amplitude: Relative current drop when the trap is filled, shape `(rows, columns)`; none for quiet cells.
        share: Mixing share h of each cell (0 high-resistance, 1 low-resistance state), shape `(rows, columns)`;
            physical law only.
        physical: Constants of the physical law; physical law only.
    """

    law: str
    scale: float
    strength: NDArray[np.float64]
    capacitance: float = 0.0
    amplitude: NDArray[np.float64] | None = None
    share: NDArray[np.float64] | None = None
    physical: PhysicalLaw | None = None

    @classmethod
    def of(cls, card: Card, conductance: ArrayLike, amplitude: NDArray[np.float64] | None = None) -> "Cells":
        """Returns the cells of a card with conductances (S at V_VMM) and, for noisy cells, trap amplitudes."""
        law, g = card.conduction, np.asarray(conductance, float)
        if isinstance(law, SinhLaw):
            return cls("sinh", law.voltage_scale, law.prefactor(g), card.capacitance, amplitude)
        if isinstance(law, PhysicalLaw):
            return cls("physical", 1.0, law.factor(g), card.capacitance, amplitude, law.share(g), law)
        assert isinstance(law, LinearLaw)
        return cls("linear", 1.0, g, card.capacitance, amplitude)

    def current(self, voltage: ArrayLike) -> NDArray[np.float64]:
        """Returns the currents in A of cells without transistors at voltages in V, shape `(..., rows, columns)`."""
        v = np.asarray(voltage, float)
        if self.law == "linear":
            return self.strength * v
        if self.law == "sinh":
            return self.strength * np.sinh(v / self.scale)
        assert self.physical is not None and self.share is not None
        return self.strength * self.physical.mixed(self.share, v)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.strength.shape
        return rows, columns


@dataclass(frozen=True)
class ArrayCircuit:
    """An array with its wires and terminations.

    Attributes:
        cells: Its cells.
        topology: Name of its topology.
        driven_line: Wires of the driven lines.
        sensed_line: Wires of the sensed lines.
        drive: Ends at which driven lines have a driver.
        sense: Ends at which sensed lines are held.
        driver_resistance: Output resistance of each driver in ohm.
        sense_resistance: Input resistance of each sense amplifier in ohm.
        transistor: The select transistor, where the topology has one.

    Raises:
        SettingsError: Unknown topology or end, or a negative or infinite resistance.
    """

    cells: Cells
    topology: str = "crossbar"
    driven_line: Line = Line()
    sensed_line: Line = Line()
    drive: End = "first"
    sense: End = "last"
    driver_resistance: float = 0.0
    sense_resistance: float = 0.0
    transistor: Transistor = field(default_factory=Transistor)

    def __post_init__(self) -> None:
        if self.topology not in TOPOLOGIES:
            raise SettingsError(f"unknown topology {self.topology!r}; known: {', '.join(TOPOLOGIES)}")
        for name in ("drive", "sense"):
            if getattr(self, name) not in ENDS:
                raise SettingsError(f"{name} must be one of {', '.join(ENDS)}, got {getattr(self, name)!r}")
        values = {
            "line_resistance": max(self.driven_line.resistance, self.sensed_line.resistance),
            "driver_resistance": self.driver_resistance,
            "sense_resistance": self.sense_resistance,
        }
        smallest = min(self.driven_line.resistance, self.sensed_line.resistance, *values.values())
        for name, value in values.items():
            if not np.isfinite(value) or smallest < 0:
                raise SettingsError(f"{name} must be a finite number of ohms, not negative, got {min(value, smallest)}")

    @property
    def wiring(self) -> Topology:
        """The topology's record."""
        return TOPOLOGIES[self.topology]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.cells.shape

    @property
    def driven_lines(self) -> int:
        """Number of driven lines."""
        rows, columns = self.shape
        return rows if self.wiring.along == "rows" else columns

    def drive_rows(self, voltages: NDArray[np.float64]) -> "Drive":
        """Returns the drive that applies inputs to the rows, all sensed lines at 0 V.

        Args:
            voltages: Input of each row in V, shape `(batch, rows)`. Where gates carry the input, a row is on (its
                voltage, the same for all that are on, stands on the driven lines) or off (0).

        Raises:
            DataError: The shape does not fit, a value is not finite, or gates can't carry these inputs.
        """
        inputs = np.asarray(voltages, float)
        rows, _ = self.shape
        if inputs.ndim != 2 or inputs.shape[1] != rows or len(inputs) == 0:
            raise DataError(f"voltages must have shape (batch, {rows}), not {inputs.shape}")
        if not np.isfinite(inputs).all():
            raise DataError("voltages must be finite, in volts")
        if not self.wiring.transistor:
            return Drive(inputs)
        on, off = self.transistor.on_voltage, self.transistor.off_voltage
        if not self.wiring.gate_input:
            return Drive(inputs, np.full_like(inputs, on))
        used = np.unique(inputs[inputs != 0.0])
        if len(used) > 1:
            raise DataError(
                f"topology {self.topology!r} turns rows on and off: inputs must be 0 or one voltage, got {len(used)}"
            )
        level = float(used[0]) if len(used) else 0.0
        lines = np.full((len(inputs), self.driven_lines), level)
        return Drive(lines, np.where(inputs != 0.0, on, off))


@dataclass(frozen=True)
class Drive:
    """What the terminations of an array are held at, for a batch of reads.

    Attributes:
        lines: Voltage of each driver in V, shape `(batch, driven lines)`.
        gates: Gate voltage of each row in V, shape `(batch, rows)`; none without transistors.
        sense: Voltage at which each sensed line is held, in V, shape `(columns,)`; 0 by default.
        floating_lines: Driven lines without a driver, shape `(driven lines,)`; none by default.
        floating_columns: Sensed lines that nothing holds (their current is 0), shape `(columns,)`; none by default.
    """

    lines: NDArray[np.float64]
    gates: NDArray[np.float64] | None = None
    sense: NDArray[np.float64] | None = None
    floating_lines: NDArray[np.bool_] | None = None
    floating_columns: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, which: slice | NDArray[np.int64]) -> "Drive":
        """Returns some of the reads."""
        gates = None if self.gates is None else self.gates[which]
        return Drive(self.lines[which], gates, self.sense, self.floating_lines, self.floating_columns)
