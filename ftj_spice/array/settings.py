"""Settings of the read phase."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ftj_spice.common.settings import Strict
from ftj_spice.netlist.circuit import TOPOLOGIES


class ReadSettings(Strict):
    """How a matrix of weights is put on conductances and read."""

    levels: Annotated[int, Field(ge=0, le=4096)] | None = None
    """Conductance levels per cell; without it the card's. 0: any conductance, no levels (ideal)."""
    rounded: bool = True
    """Whether cells are put on their levels. Without it they carry any conductance, but `levels` still gives the step
    that `verify_tolerance` counts in and the base of the slices: what the errors owe to rounding shows."""
    scheme: Literal["differential", "reference", "offset"] = "differential"
    """How a signed weight is made of conductances: `differential` (two columns per output, subtracted before the
    converter), `reference` (one column per output and one column per tile at mid conductance, subtracted after the
    converters; mid conductance is a level only where their number is odd, and a reference cell is verified to it all
    the same) or `offset` (one column per output; the offset times the sum of the inputs is subtracted digitally)."""
    slices: Annotated[int, Field(ge=1, le=8)] = 1
    """Groups of columns a weight's magnitude is split over, each one digit to the base of `levels`."""
    spread: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Device-to-device spread, as a multiple of the card's; 0 switches it off. No effect with `verify_tolerance`."""
    cycle_spread: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Cycle-to-cycle error of programming, as a multiple of the card's. No effect with `verify_tolerance`."""
    verify_tolerance: Annotated[float, Field(ge=0, le=1)] | None = 0.25
    """Program-and-verify: each cell ends within this part of a level step of its level, on either side, whatever its
    spread. The default keeps the error of a cell below that of rounding to the nearest level; with three layers on
    arrays the images stay close to the ideal ones, which they don't with unverified cells. To program without
    verifying, so that both spreads act, write "none"."""
    stuck: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of cells that are stuck, half of them in the highest, half in the lowest conductance."""
    low: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Lowest level, in parts of the card's window: 0 is its high-resistance state, 1 its low-resistance state."""
    high: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Highest level, in the same parts; below 1, so that a cell with a weak low-resistance state reaches it too."""
    clip_percentile: Annotated[float, Field(gt=50, le=100)] = 99.0
    """Weights beyond this percentile of their column's magnitudes are clipped to it; sets the column's scale."""
    tile_rows: Annotated[int, Field(ge=1, le=1024)] = 32
    """Rows of a tile, at most. At 32 x 32 ngspice 39 audits a read in 0.2 s, at 64 x 64 in 5 s."""
    tile_columns: Annotated[int, Field(ge=1, le=1024)] = 32
    """Columns of a tile, at most."""
    topology: Literal["crossbar", "nor", "1t1f", "nor1t", "and"] = "crossbar"
    """How the cells are wired; `1t1f`, `nor1t` and `and` have a select transistor in each cell."""
    drive: Literal["first", "last", "both"] = "first"
    """Ends of the driven lines that have a driver."""
    sense: Literal["first", "last", "both"] = "last"
    """Ends of the columns that are held at 0 V and measured."""
    line_resistance: Annotated[float, Field(ge=0, le=1e6)] = 2.0
    """Wire resistance per segment of rows and columns, in ohm."""
    driver_resistance: Annotated[float, Field(ge=0, le=1e9)] = 1e3
    """Output resistance of the row drivers, in ohm."""
    sense_resistance: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Input resistance of each column's sense amplifier, in ohm."""
    ohmic: bool = False
    """Takes the cells as ohmic, with the same conductances at V_VMM: what an error owes to the I-V law shows."""
    coding: Literal["bit-serial", "pulse-width", "amplitude"] = "bit-serial"
    """How an input becomes row voltages: its bits one after another (V_VMM or 0 V), V_VMM for a time in proportion
    (the charge is converted once), or a voltage in proportion (distorted by a nonlinear I-V law)."""
    predistort: bool = False
    """Amplitude coding: the drivers' converter follows the inverse I-V law, so that the current is in proportion."""
    input_bits: Annotated[int, Field(ge=2, le=12)] = 5
    """Bits of the quantised inputs, sign included; inputs that are never negative use all for the magnitude. The
    largest input is one step under the full scale: 4 for latents."""
    adc_bits: Annotated[int, Field(ge=0, le=16)] = 6
    """Resolution of the column converters; 0 converts exactly (ideal)."""
    adc_sigmas: Annotated[float, Field(gt=0, le=20)] = 4.0
    """Range of a column's converter, in standard deviations of computed currents of known inputs (in the widest
    conversion)."""
    adc_range: Literal["computed", "read"] = "computed"
    """Whether the converters' ranges come from computed currents (no line resistance) or from the array's own reads."""
    adc_offset: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Standard deviation of the converters' offsets, in steps of the converter, drawn once per converter."""
    adc_gain_spread: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """Relative standard deviation of the columns' gains, drawn once per converter."""
    adc_noise: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Noise at the converter's input, in steps of the converter, rms."""
    calibration: Literal["none", "linear"] = "none"
    """`linear`: each converter's gain and offset are found by least squares from known random inputs, read through
    the array, and taken out of every later result."""
    calibration_vectors: Annotated[int, Field(ge=2, le=100000)] = 64
    """Known random inputs that the calibration reads."""
    ir_drop: Literal["none", "compensate"] = "none"
    """`compensate`: before programming, the target conductances are corrected by the share of each cell's current
    that the wires take among typical inputs, found by switching one row at a time in reads of the targets.
    Those reads are at V_VMM: with amplitude coding and a nonlinear law it corrects too much."""
    integration_time: Annotated[float, Field(gt=1e-9, le=1)] = 10e-6
    """Time over which a conversion's column current is integrated, in s."""
    integration_capacitance: Annotated[float, Field(gt=1e-18, le=1e-6)] = 100e-15
    """Integration capacitor of each column, in F."""
    temperature: Annotated[float, Field(gt=0, le=1000)] = 300.0
    """Temperature of the integrators' kT/C noise, in K."""
    noise: bool = True
    """Shot noise of the cells and kT/C noise of the integrators, added to each conversion's charge."""

    fitted_range: bool = True
    """With a periphery: whether each tile's circuits are fitted to its currents, integrators by their time, others by
    their gain (up to four times), so that their range holds what typical inputs give (`adc_sigmas`). Their errors keep
    their part of the range. Without it circuits have the range and time that they were measured with."""

    @field_validator("verify_tolerance", mode="before")
    @classmethod
    def _none_by_name(cls, value: Any) -> Any:
        """TOML has no word for none."""
        return None if value == "none" else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tile_columns < self.columns_per_output + self.columns_per_tile:
            raise ValueError(
                f"a tile of {self.tile_columns} columns holds no output: scheme {self.scheme!r} with {self.slices} "
                f"slices takes {self.columns_per_output + self.columns_per_tile}"
            )
        if self.coding == "amplitude" and TOPOLOGIES[self.topology].gate_input:
            raise ValueError(
                f"topology {self.topology!r} turns rows on and off by their gates; amplitude coding needs one whose "
                "lines carry the input"
            )
        if self.adc_bits == 1:
            raise ValueError("'adc_bits' must be 0 (ideal) or at least 2: one bit has no code beside that of 0")
        if self.low >= self.high:
            raise ValueError(f"'low' must lie below 'high' ({self.high:g}), got {self.low:g}")
        if self.levels == 1:
            raise ValueError("'levels' must be 0 (any conductance) or at least 2")
        return self

    @property
    def columns_per_output(self) -> int:
        """Columns that one output takes on a tile."""
        return self.slices * (2 if self.scheme == "differential" else 1)

    @property
    def columns_per_tile(self) -> int:
        """Columns of a tile that belong to no output."""
        return 1 if self.scheme == "reference" else 0
