"""A calibration from the first read to the last, and the judgement of its columns on fresh samples."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.sampling.calibration.chip import Chip, Controls
from ftj_spice.sampling.calibration.settings import CalibrateSettings, Limits
from ftj_spice.sampling.calibration.statistics import Figures, Running, kolmogorov
from ftj_spice.sampling.calibration.tools import (
    best_of_array,
    best_of_column,
    find_range,
    noise_steps,
    probe_cells,
    scan,
    select_cells,
    trim_grid,
    trim_rows,
)


@dataclass(frozen=True)
class Calibrated:
    """What a calibration leaves.

    Attributes:
        controls: What it set.
        running: Statistics of the codes; none where the design's closed forms standardise.
        seconds: Device time that it took, in s; all arrays are calibrated at once.
        energy: That the cells took, in J per column.
        conversions: Per column.
    """

    controls: Controls
    running: Running | None
    seconds: float
    energy: float
    conversions: int


def calibrate_chip(
    chip: Chip,
    tools: Collection[str],
    settings: CalibrateSettings,
    arrays: int,
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated:
    """Runs the tools on a chip, in the order in which they depend on one another.

    Args:
        chip: What is calibrated.
        tools: Names; see `settings.Tool`.
        settings: Of the run.
        arrays: Arrays on the chip.
        progress: Called with finished and all steps.
    """
    rows, columns = chip.shape
    design = chip.design
    single = bool({"rows", "select"} & set(tools))
    scanned = bool({"common", "columns"} & set(tools))
    steps = (rows if single else 0) + (len(trim_grid(settings)) if scanned else 0) + 1
    finished = 0

    def done() -> None:
        nonlocal finished
        finished += 1
        if progress is not None:
            progress(finished, steps)

    slope = 0.5 * (design.card.capture_slope + design.card.emission_slope)
    controls = Controls.nominal(design, arrays, columns // arrays, rows)
    if single:
        speeds = probe_cells(chip, controls, settings, done)
        if "rows" in tools:
            controls = trim_rows(speeds, controls, settings, slope)
        if "select" in tools:
            controls = select_cells(speeds, controls, settings, slope, trimmed="columns" in tools)
    ranged = "range" in tools
    if scanned:
        pick = best_of_column if "columns" in tools else best_of_array(columns // arrays)
        controls = scan(chip, controls, settings, pick, ranged=ranged, done=done)
    if ranged:
        controls = find_range(chip, controls, settings)
    running = None
    if "standardise" in tools:
        _, running = Running.start(columns).follow(chip.read(controls, settings.start_windows), 0)
    done()
    return Calibrated(controls, running, chip.seconds, chip.energy / columns, chip.conversions // columns)


def deliver(
    chip: Chip, calibrated: Calibrated, codes: NDArray[np.int16], memory: int, *, adapt: bool
) -> tuple[NDArray[np.float64], Running | None]:
    """Turns codes into latents, shape `(columns, samples)`: by the running statistics, or by the design's closed form.

    Args:
        chip: What gave the codes.
        calibrated: Its calibration.
        codes: Shape `(columns, samples)`.
        memory: Of the running statistics.
        adapt: Let them go on.

    Returns:
        The latents, and the statistics afterwards.
    """
    if calibrated.running is not None:
        return calibrated.running.follow(codes, memory, adapt=adapt)
    controls, design = calibrated.controls, chip.design
    lsb = controls.lsb(design.adc_bits)[:, np.newaxis]
    currents = controls.reference[:, np.newaxis] + (codes + 0.5) * lsb
    return (currents - design.mean) / np.sqrt(design.sigma**2 + lsb**2 / 12.0), None


@dataclass(frozen=True)
class Judgement:
    """How good each column is; arrays of shape `(columns,)`.

    Attributes:
        autocorrelation: Of successive latents.
        distance: Kolmogorov distance of the latents to the standard normal.
        steps: Standard deviation of the codes, in converter steps or in standard deviations of the read noise: the less
            of the two.
        mean: Of the latents.
        sigma: Of the latents.
        usable: Whether all limits are kept.
    """

    autocorrelation: NDArray[np.float64]
    distance: NDArray[np.float64]
    steps: NDArray[np.float64]
    mean: NDArray[np.float64]
    sigma: NDArray[np.float64]
    usable: NDArray[np.bool_]

    @classmethod
    def of(
        cls, chip: Chip, controls: Controls, codes: NDArray[np.int16], latents: NDArray[np.float64], limits: Limits
    ) -> "Judgement":
        """Judges columns by codes and latents of shape `(columns, samples)`."""
        raw, figures = Figures.of(codes), Figures.of(latents)
        steps = raw.sigma / np.maximum(1.0, noise_steps(chip, controls, raw.mean))
        distance = kolmogorov(latents)
        return cls(
            figures.autocorrelation, distance, steps, figures.mean, figures.sigma,
            np.all(list(within(figures, distance, steps, limits).values()), axis=0),
        )  # fmt: skip

    def failures(self, limits: Limits) -> dict[str, float]:
        """Returns the share of columns that miss each limit."""
        figures = Figures(self.mean, self.sigma, self.autocorrelation, self.mean, self.mean)
        kept = within(figures, self.distance, self.steps, limits)
        return {name: float(1.0 - good.mean()) for name, good in kept.items()}


def within(
    figures: Figures, distance: NDArray[np.float64], steps: NDArray[np.float64], limits: Limits
) -> dict[str, NDArray[np.bool_]]:
    """Returns which columns keep each limit, by its name."""
    return {
        "autocorrelation": np.abs(figures.autocorrelation) <= limits.autocorrelation,
        "distance": distance <= limits.distance,
        "steps": steps >= limits.steps,
        "mean": np.abs(figures.mean) <= limits.mean,
        "sigma": np.abs(figures.sigma - 1.0) <= limits.sigma,
    }
