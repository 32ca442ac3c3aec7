"""Settings of the sample phase."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ftj_spice.common.settings import Strict


class SampleSettings(Strict):
    """How latents are drawn from the array's noise."""

    rows: Annotated[int, Field(ge=1, le=1024)] = 16
    """Cells per latent dimension (rows of the sampling array)."""
    voltage: Annotated[float, Field(gt=0, le=2.5)] | None = None
    """Read voltage V_RTN on the rows, in V; without it the card's. Traps speed up exponentially with it: shorten the
    sampling time as you raise it. Polarization is taken as stored in the read's direction: a read against it would
    disturb it (an estimated 17 % in 1 s at 1.5 V, 21 % in 1 us at 2.5 V), which is not simulated."""
    time: Annotated[float, Field(gt=1e-9, le=10)] = 5e-3
    """Sampling time of one latent vector, in s: the integration window, or all comparator slots together."""
    digitiser: Literal["integrator", "comparator"] = "integrator"
    """Charge integrator and ADC, or one comparator bit per cell, summed."""
    adc_bits: Annotated[int, Field(ge=3, le=16)] = 8
    """Resolution of the integrator's ADC."""
    adc_sigmas: Annotated[float, Field(gt=0, le=20)] = 4.0
    """Range of the ADC on each side of the mean, in closed-form standard deviations."""
    integration_capacitance: Annotated[float, Field(gt=1e-18, le=1e-6)] | None = None
    """Integration capacitor in F; without it, sized so that the ADC's range is +/- 0.4 V."""
    reset_fraction: Annotated[float, Field(gt=1e-6, lt=0.5)] = 0.01
    """Reset time before each integration window, as a part of the window."""
    steps_per_sample: Annotated[int, Field(ge=2, le=10000)] = 40
    """Time steps of the transient per latent sample, at least."""
    comparator_offset: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Standard deviation of the comparators' offset, as a part of the level difference."""
    time_constant_spread: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Cell-to-cell spread of the time constants, as a multiple of the card's. Real arrays have it whole (1) and are
    calibrated: see `calibration`."""
    amplitude_spread: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Cell-to-cell spread of the trap amplitudes, as a multiple of the card's."""
    current_spread: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Cell-to-cell spread of the currents, as a multiple of the card's (high-resistance state)."""
    word_line_resistance: Annotated[float, Field(ge=0, le=1e6)] = 2.0
    """Word-line resistance per segment, in ohm."""
    word_line_capacitance: Annotated[float, Field(ge=0, le=1e-9)] = 2e-16
    """Word-line capacitance per segment, in F."""
    bit_line_resistance: Annotated[float, Field(ge=0, le=1e6)] = 2.0
    """Bit-line resistance per segment, in ohm."""
    bit_line_capacitance: Annotated[float, Field(ge=0, le=1e-9)] = 2e-16
    """Bit-line capacitance per segment, in F."""
    driver_resistance: Annotated[float, Field(ge=0, le=1e5)] = 1e3
    """Output resistance of the row drivers, in ohm. The closed forms leave out its voltage drop: at 1 kohm it shifts
    the mean of the latents by 2e-4 standard deviations with columns apart, by 2e-3 with the whole array."""
    whole_array: bool = False
    """Simulate all columns in one netlist instead of each apart."""
    samples_per_transient: Annotated[int, Field(ge=1, le=100000)] = 64
    """Samples after which a new transient goes on with the traps' states; each leaves a netlist of its own."""

    trim_windows: Annotated[int, Field(ge=0, le=1_000_000)] = 1024
    """With a periphery: windows over which a chip finds each column's mean before the run, for its reference current;
    the error that so many leave acts. 0: references stay at the closed-form mean behind an ideal read-out."""

    @model_validator(mode="after")
    def _linked(self) -> "SampleSettings":
        if self.digitiser == "comparator" and self.steps_per_sample < self.rows:
            raise ValueError(f"'steps_per_sample' must be at least {self.rows}: the rows are read one after another")
        return self
