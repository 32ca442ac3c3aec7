"""Settings of a calibration run: the chip's means, how they are used, and when a column counts as usable."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from ftj_spice.common.settings import Strict
from ftj_spice.sampling.settings import SampleSettings

Tool = Literal["range", "standardise", "common", "rows", "columns", "select"]
"""What a chip may do about the spread of its cells:

- `range`: reference current and integration capacitor of each column, found with its own converter;
- `standardise`: mean and variance of the codes by running statistics;
- `common`: one voltage for the whole array, the best of a scan;
- `rows`: a voltage trim of each word line;
- `columns`: a voltage trim of each column's virtual ground, the best of a scan;
- `select`: the cells of each column, out of a larger pool.
"""
TOOLS: tuple[Tool, ...] = get_args(Tool)
LARGEST_POOL = 1024
"""Cells on one column, at most."""


class Limits(Strict):
    """When a column counts as usable, on fresh samples after calibration."""

    autocorrelation: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Largest magnitude of the correlation of successive samples."""
    distance: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Largest Kolmogorov distance of the latents, as they are delivered, to the standard normal distribution. The
    measured distance of a perfect source is some 0.87 / sqrt(samples), which counts against the column."""
    steps: Annotated[float, Field(ge=0, le=1000)] = 4.0
    """Smallest standard deviation of the codes, in steps of the converter and in standard deviations of the read
    noise: below it the latent would be made of quantisation or of shot noise."""
    mean: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Largest magnitude of the latents' mean."""
    sigma: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Largest deviation of the latents' standard deviation from 1."""


class CalibrateSettings(Strict):
    """How a sampling array with real spread is calibrated, and how what that buys is measured."""

    card: str = "hzo_mfis_nominal"
    """Device card: the name of a packaged one, or a .toml file."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of every random draw."""
    periphery: str | None = None
    """Circuits that read the columns, as a macromodel of transistors: NAME (of the generic process) or PROCESS/NAME of
    a packaged one, or a .json file; none: ideal integrators. It takes over the settings of what it holds (bits and
    offset of the converter, the capacitors' noise); what is stored holds for these circuits only."""
    latents: Annotated[int, Field(ge=1, le=1024)] = 16
    """Latent dimensions of one array."""
    spare: Annotated[int, Field(ge=0, le=1024)] = 4
    """Spare columns of one array; the best columns deliver the latents."""
    arrays: Annotated[int, Field(ge=1, le=1000)] = 12
    """Arrays that the figures are measured on. The first one is the array whose calibration is stored."""
    redundancy: tuple[Annotated[int, Field(ge=1, le=256)], ...] = (1, 4, 16, 64)
    """Numbers of cells per latent that are compared; the stored calibration has `sample.rows`."""
    tools: tuple[Tool, ...] = ("range", "standardise", "columns", "select")
    """Tools of the stored calibration."""
    scenarios: tuple[str, ...] = (
        "none",
        "standardise",
        "range",
        "range+standardise",
        "range+standardise+common",
        "range+standardise+rows",
        "range+standardise+columns",
        "range+standardise+rows+columns",
        "range+standardise+select",
        "range+standardise+columns+select",
    )
    """Sets of tools that are compared, names joined by `+`; `none` has none."""
    pool: Annotated[int, Field(ge=1, le=64)] = 4
    """Cells to choose from for each cell that is kept, with `select`."""
    trim_range: Annotated[float, Field(ge=0, le=0.5)] = 0.3
    """Largest trim of a word line or virtual ground, to both sides, in V: a column's reaches the ends of the nominal
    card's range of read voltages, 1.2 to 1.8 V."""
    trim_step: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Step of the trims in V."""
    scan_step: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Step of the scan that finds a common voltage or a column's trim, in V."""
    scan_windows: Annotated[int, Field(ge=32, le=1_000_000)] = 512
    """Samples at each voltage of the scan."""
    reference_range: Annotated[float, Field(ge=1, le=1000)] = 16.0
    """Largest reference current in nominal means of the cells that are raised."""
    reference_bits: Annotated[int, Field(ge=2, le=16)] = 10
    """Resolution of the reference current."""
    smallest_capacitor: Annotated[int, Field(ge=-12, le=0)] = -8
    """Smallest integration capacitor of the bank: the nominal one times two to this power."""
    largest_capacitor: Annotated[int, Field(ge=0, le=12)] = 4
    """Largest one, likewise."""
    range_windows: Annotated[int, Field(ge=8, le=100_000)] = 64
    """Samples of each of the three rounds that find a column's range."""
    probe: Annotated[int, Field(ge=1, le=1000)] = 16
    """A single cell's speed is measured with windows shorter than the sampling time by this factor."""
    probe_windows: Annotated[int, Field(ge=32, le=1_000_000)] = 256
    """Samples of each cell there."""
    target: Annotated[float, Field(gt=0.1, le=10_000)] = 20.0
    """Sampling time in relaxation times that `select` and `rows` aim at."""
    start_windows: Annotated[int, Field(ge=32, le=1_000_000)] = 1024
    """Samples from which the first mean and variance come, with `standardise`."""
    memory: Annotated[int, Field(ge=0, le=10_000_000)] = 4096
    """Samples after which the running mean and variance forget; 0: never."""
    adapt: bool = True
    """Let the statistics go on while latents are drawn; without it they stay as the calibration left them."""
    adc_offset: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Standard deviation of the converters' offset, in steps."""
    read_noise: bool = True
    """Shot noise of the cells and kT/C noise of the capacitors, or of the front ends; without it only quantisation and
    offset."""
    temperature: Annotated[float, Field(ge=200, le=450)] = 300.0
    """Of traps and capacitors, in K."""
    check_windows: Annotated[int, Field(ge=256, le=1_000_000)] = 4096
    """Fresh samples on which a column is judged."""
    temperatures: tuple[Annotated[float, Field(ge=200, le=450)], ...] = (280.0, 290.0, 300.0, 310.0, 330.0)
    """Temperatures at which the stored array is judged again without a new calibration, in K."""
    memories: tuple[Annotated[int, Field(ge=0, le=10_000_000)], ...] = (64, 256, 1024, 4096, 0)
    """Memories of the running statistics that are compared on the stored array."""
    audit: Annotated[int, Field(ge=0, le=1000)] = 4
    """Calibrated columns drawn at random whose samples ngspice repeats."""
    audit_windows: Annotated[int, Field(ge=1, le=1000)] = 8
    """Samples of each of them."""
    limits: Limits = Limits()
    """When a column counts as usable."""
    sample: SampleSettings = SampleSettings(time_constant_spread=1.0, amplitude_spread=1.0, current_spread=1.0)
    """Sample phase; here with the card's whole spread."""

    @model_validator(mode="after")
    def _possible(self) -> "CalibrateSettings":
        for scenario in self.scenarios:
            if len(set(tools_of(scenario))) < len(tools_of(scenario)):
                raise ValueError(f"'scenarios' names a tool twice: {scenario!r}")
            for tool in tools_of(scenario):
                if tool not in TOOLS:
                    raise ValueError(f"'scenarios' names {tool!r}; known tools: {', '.join(TOOLS)}, or none")
        if not self.scenarios or not self.redundancy:
            raise ValueError("'scenarios' and 'redundancy' need at least one entry each")
        sets = [frozenset(tools_of(scenario)) for scenario in self.scenarios]
        if len(set(sets)) < len(sets) or len(set(self.redundancy)) < len(self.redundancy):
            raise ValueError("'scenarios' and 'redundancy' must not hold the same entry twice")
        for chosen in (self.tools, *(tools_of(scenario) for scenario in self.scenarios)):
            if {"common", "columns"} <= set(chosen):
                raise ValueError("'common' and 'columns' can't be used together: a scan finds one or the other")
        cells = self.pool * max(*self.redundancy, self.sample.rows)
        if cells > LARGEST_POOL:
            raise ValueError(f"'pool' asks for {cells} cells on one column; at most {LARGEST_POOL}")
        if self.sample.digitiser != "integrator":
            raise ValueError("'sample.digitiser' must be integrator: a comparator's bits show no mean to calibrate")
        return self

    @property
    def columns(self) -> int:
        """Columns of one array, spare ones included."""
        return self.latents + self.spare


def tools_of(scenario: str) -> tuple[str, ...]:
    """Returns the tools that a scenario's name lists."""
    return () if scenario == "none" else tuple(scenario.split("+"))
