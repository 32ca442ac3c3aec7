"""Settings of the read phase."""

from typing import Annotated

from pydantic import Field

from ftj_spice.common.settings import Strict


class ReadSettings(Strict):
    """How a layer of weights is put on conductances and read."""

    levels: Annotated[int, Field(ge=2, le=4096)] | None = None
    """Conductance levels per cell; without it the card's."""
    spread: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Device-to-device spread, as a multiple of the card's; 0 switches it off."""
    clip_percentile: Annotated[float, Field(gt=50, le=100)] = 99.0
    """Weights beyond this percentile of their column's magnitudes are clipped to it; sets the column's scale."""
    tile_rows: Annotated[int, Field(ge=1, le=64)] = 64
    """Rows of a tile, at most."""
    tile_columns: Annotated[int, Field(ge=2, le=64, multiple_of=2)] = 64
    """Columns of a tile, at most; a weight takes two (differential pair)."""
    line_resistance: Annotated[float, Field(ge=0, le=1e6)] = 2.0
    """Wire resistance per segment of rows and columns, in ohm."""
    driver_resistance: Annotated[float, Field(ge=0, le=1e9)] = 1e3
    """Output resistance of the row drivers, in ohm."""
    input_bits: Annotated[int, Field(ge=2, le=12)] = 5
    """Bits of the quantised inputs, sign included; the largest is one step under 4."""
    adc_bits: Annotated[int, Field(ge=2, le=16)] = 6
    """Resolution of the column converters; two bits are the codes -1, 0 and 1."""
    adc_sigmas: Annotated[float, Field(gt=0, le=20)] = 4.0
    """Range of a column's converter, in standard deviations of computed currents of random latents (in the
    widest bit plane)."""
    integration_time: Annotated[float, Field(gt=1e-9, le=1)] = 10e-6
    """Time over which a read's column current is integrated, in s."""
    integration_capacitance: Annotated[float, Field(gt=1e-18, le=1e-6)] = 100e-15
    """Integration capacitor of each column, in F."""
    noise: bool = True
    """Shot noise of the cells and kT/C noise of the integrators, added to each read's charge."""
    reads_per_netlist: Annotated[int, Field(ge=2, le=100000)] = 256
    """Reads that one netlist carries out as a sweep."""
