"""How fine a datasheet is drawn; the defaults keep the number of simulated runs near a hundred."""

from typing import Annotated

from pydantic import Field

from ftj_spice.common.settings import Strict

Count = Annotated[int, Field(ge=1)]


class DatasheetSettings(Strict):
    """Numbers of points, pulses and draws. Voltages and times come from the card."""

    groups: Annotated[int, Field(ge=1, le=1024)] = 96
    """Domain groups of the numpy engine: so many that its loops show no steps. The simulators' models have 16."""
    levels: Annotated[int, Field(ge=2)] = 16
    """Conductance levels drawn at most; a card with more shows that many of them, evenly picked."""
    voltages: Annotated[int, Field(ge=8)] = 36
    """Voltage steps of an I-V curve, over both polarities."""
    temperatures: tuple[float, ...] = (250.0, 275.0, 300.0, 325.0, 350.0, 375.0, 400.0)
    """In K; the current against temperature."""
    loop_points: Annotated[int, Field(ge=80)] = 320
    """Points of one drawn period."""
    minor_loops: Count = 5
    """Minor loops beside each major one."""
    coercive_decades: Annotated[int, Field(ge=3)] = 6
    """Frequencies, a decade apart, at which the coercive field is measured; the drawn loops are the highest three."""
    reversals: Count = 8
    """First-order reversal curves."""
    amplitudes: Annotated[int, Field(ge=2)] = 7
    """Pulse amplitudes of the switched fraction."""
    width_decades: Count = 7
    """Decades of pulse width, from three attempt times on."""
    widths_per_decade: Count = 2
    """Pulse widths of the switched fraction, per decade."""
    pulses: Annotated[int, Field(ge=4)] = 32
    """Pulses of one staircase."""
    stochastic_cells: Annotated[int, Field(ge=0)] = 8
    """Cells of independent domains drawn beside the mean staircase."""
    trace_dwells: Annotated[int, Field(ge=4)] = 30
    """Pairs of dwells in a telegraph trace, on average."""
    dwells: Annotated[int, Field(ge=100)] = 4000
    """Dwells in each state behind a mean dwell time or histogram, on average."""
    spectrum_segments: Annotated[int, Field(ge=8)] = 200
    """Segments averaged in a spectrum."""
    cells: Annotated[int, Field(ge=20)] = 1000
    """Cells of the spread histograms."""
    coercive_cells: Annotated[int, Field(ge=2)] = 200
    """Those of them whose coercive field is computed."""
