"""Settings of a map of the sampling array over voltage and time, and the sweeps' text form."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.quantities import number_and_unit, quantity
from ftj_spice.common.settings import Strict
from ftj_spice.device.card import Card
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.tallies import FEWEST_SAMPLES
from ftj_spice.studies.settings import read_settings

GOALS = ("gaussian", "fastest", "lowest-energy")
"""What an operating point can be recommended for."""
MOST_UNITS = 65536
"""Columns times copies at most."""
LARGEST_SWEEP = 101
"""Points of one sweep at most."""


class Limits(Strict):
    """What a recommended operating point must keep; closed forms are looked at, not the simulation's noise."""

    distance: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Kolmogorov distance of the value's law to the normal of the same mean and variance, at most."""
    autocorrelation: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Magnitude of the lag-1 autocorrelation, at most."""
    noise_steps: Annotated[float, Field(ge=0, le=1e6)] = 4.0
    """Standard deviation of the integrated charge, at least, in steps of one converter for the whole map: the one whose
    range fits the array's own operating point (sample.voltage, sample.time), or the set integration capacitor."""
    disturb: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of the domains that the map's reads may flip where direction is `opposed`."""


class MapSettings(Strict):
    """Everything that decides a map of the sampling array."""

    card: str = "hzo_mfis_nominal"
    """Device card: the name of a packaged one, or a .toml file."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of every random draw."""
    sweep_voltage: str | None = None
    """Voltages, `start:stop:points`, evenly spaced; in V without a unit. Without it: sample.voltage or the card's."""
    sweep_time: str | None = None
    """Sampling times, `start:stop:points`, evenly spaced on a logarithmic scale; in s without a unit. Without it:
    sample.time."""
    goal: Literal["gaussian", "fastest", "lowest-energy"] = "gaussian"
    """What the recommended point is for: `gaussian` (least distance to the normal), `fastest` (shortest time) or
    `lowest-energy` (least energy per sample), each within the limits."""
    periphery: str | None = None
    """Circuits that read the columns, as a macromodel of transistors: NAME (of the generic process) or PROCESS/NAME of
    a packaged one, or a .json file; none: the ideal integrator and converter. It takes over the settings of what it
    holds (the converter's bits)."""
    direction: Literal["stored", "opposed"] = "stored"
    """Direction of the reads: that of the stored polarization, or against it. Flips change no current here; they are
    told, and limited where reads are opposed."""
    columns: Annotated[int, Field(ge=1, le=4096)] = 16
    """Columns of the array; their spread is that of sample."""
    copies: Annotated[int, Field(ge=2, le=4096)] = 16
    """Times that each column is sampled from a fresh begin: columns times copies are the independent units that
    standard errors come from, 32 at least."""
    transitions: Annotated[float, Field(ge=1e4, le=1e10)] = 2e7
    """Trap transitions simulated at each point, about; what decides how many samples it gets."""
    samples: Annotated[int, Field(ge=FEWEST_SAMPLES, le=1_000_000)] = 16384
    """Samples of each column and copy, at most; 32 at least, whatever the transitions."""
    audit: Annotated[int, Field(ge=0, le=1000)] = 4
    """Points, drawn at random over the map, of which ngspice repeats some samples with the same trap histories."""
    audit_samples: Annotated[int, Field(ge=1, le=1000)] = 8
    """Samples that ngspice repeats at each of them."""
    sample: SampleSettings = SampleSettings()
    """Sampling array and read-out."""
    limits: Limits = Limits()
    """Limits of a recommended point."""

    @model_validator(mode="after")
    def _enough(self) -> "MapSettings":
        if self.columns * self.copies < 32:
            raise ValueError(
                f"'columns' times 'copies' must be at least 32 for honest standard errors, got {self.columns} times "
                f"{self.copies}"
            )
        if self.units > MOST_UNITS:
            raise ValueError(f"'columns' times 'copies' must be at most {MOST_UNITS}, got {self.units}")
        if self.sample.whole_array:
            raise ValueError("'sample.whole_array' does not go with a map: its columns are read apart")
        if self.sample.digitiser != "integrator":
            raise ValueError("'sample.digitiser' must be 'integrator': a map is made of the integrator and its ADC")
        return self

    @property
    def units(self) -> int:
        """Independent units."""
        return self.columns * self.copies


def load_map_settings(path: str | Path | None = None, changes: Iterable[str] = ()) -> MapSettings:
    """Returns the settings of a TOML file (or the defaults), changed by `key=value` strings.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    return read_settings(MapSettings, path, changes)


@dataclass(frozen=True)
class Grid:
    """The points of a map.

    Attributes:
        voltages: In V, ascending.
        times: Sampling times in s, ascending.
    """

    voltages: NDArray[np.float64]
    times: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of voltages and of times."""
        return len(self.voltages), len(self.times)


def grid_of(settings: MapSettings, card: Card) -> Grid:
    """Returns the points that settings ask for.

    Raises:
        SettingsError: A sweep can't be read, or holds values that the sample phase has no meaning for.
    """
    own = settings.sample.voltage or card.rtn_voltage
    voltages, times = np.array([own]), np.array([settings.sample.time])
    if settings.sweep_voltage is not None:
        voltages = parse_sweep(settings.sweep_voltage, "V", "--sweep-voltage", logarithmic=False)
    if settings.sweep_time is not None:
        times = parse_sweep(settings.sweep_time, "s", "--sweep-time", logarithmic=True)
    for voltage in voltages[[0, -1]].tolist():
        SampleSettings.parse({"voltage": voltage}, "--sweep-voltage")
    for time in times[[0, -1]].tolist():
        SampleSettings.parse({"time": time}, "--sweep-time")
    return Grid(voltages, times)


def parse_sweep(text: str, unit: str, option: str, *, logarithmic: bool) -> NDArray[np.float64]:
    """Reads `start:stop:points`, such as `0.1ms:50ms:13`.

    Args:
        text: The sweep.
        unit: SI unit of a bare number.
        option: What the sweep was given to; it opens the error's sentence.
        logarithmic: Whether the points are evenly spaced on a logarithmic scale.

    Raises:
        SettingsError: The sweep is malformed, reversed, not positive, or has one point only or too many.
    """
    what = f"{option} {text[:60]!r}"
    parts = text.split(":")
    example = "0.1ms:50ms:13" if unit == "s" else "1.2:1.8:13"
    if len(parts) != 3:
        raise SettingsError(f"{what}: write start:stop:points, for example {example}")
    start, stop = (quantity(part, unit, what) for part in parts[:2])
    counted = number_and_unit(parts[2])
    if counted is None or counted[1] or not counted[0].is_integer():
        raise SettingsError(f"{what}: the number of points must be a whole number, got {parts[2][:20]!r}")
    points = int(counted[0])
    if not (start > 0 and stop > 0 and math.isfinite(start) and math.isfinite(stop)):
        raise SettingsError(f"{what}: both ends must be above 0 {unit}, got {start:g} and {stop:g}")
    if start >= stop:
        raise SettingsError(f"{what}: the sweep must go upwards, got {start:g} to {stop:g} {unit}")
    if points < 2:
        name = "voltage" if unit == "V" else "time"
        raise SettingsError(f"{what}: a sweep has 2 points at least; for one point, --set sample.{name}=... instead")
    if points > LARGEST_SWEEP:
        raise SettingsError(f"{what}: at most {LARGEST_SWEEP} points, got {points}")
    return np.geomspace(start, stop, points) if logarithmic else np.linspace(start, stop, points)
