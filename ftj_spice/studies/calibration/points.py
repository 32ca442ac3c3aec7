"""The points of a calibration study: one set of tools on columns of one size, judged on fresh samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ftj_spice.device.card import Card
from ftj_spice.device.traps import temperature_factor
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.calibration.chip import Chip, Controls, Design, draw_cells
from ftj_spice.sampling.calibration.procedure import Calibrated, Judgement, calibrate_chip, deliver
from ftj_spice.sampling.calibration.settings import CalibrateSettings
from ftj_spice.sampling.calibration.state import Calibration, draw_circuits
from ftj_spice.sampling.calibration.statistics import Figures, Running, kolmogorov
from ftj_spice.sampling.calibration.tools import noise_steps
from ftj_spice.sampling.distribution import ColumnLaw

CONFIDENCE = 0.95
"""Of all intervals."""
NORMAL_DISTANCE = 0.633
"""Mean of sqrt(n) times the Kolmogorov distance of n normal draws to the normal of their own mean and variance, the
statistic of Lilliefors (J. Am. Stat. Assoc. 62, 399 (1967)), by simulation; 0.8687 to a normal that is known."""
KEPT = 400
"""Samples of a column that are kept for a plot."""


@dataclass(frozen=True)
class Cells:
    """The truth about raised cells, for the report; arrays of shape `(columns, cells)`.

    Attributes:
        ratio: Sampling time over relaxation time.
        occupancy: Share of time for which the trap is filled.
        bias: In V.
    """

    ratio: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def of(cls, chip: Chip, controls: Controls) -> "Cells":
        """Returns the raised cells of a chip."""
        bias, _, _, capture, emission = chip.cells(controls)
        ratio = controls.timing.window * (1.0 / capture + 1.0 / emission)
        return cls(ratio, emission / (capture + emission), bias)


@dataclass(frozen=True)
class Point:
    """What one set of tools gives on columns of one size.

    Attributes:
        cells: Cells per latent.
        scenario: Its tools, joined by `+`.
        calibrated: What the calibration set, and what it cost.
        judgement: Of every column of all arrays.
        raised: The cells that give the latents.
        energy: Per latent sample in J, cells only.
        latents: The first samples of every column, shape `(columns, samples)`.
        codes: The same before they are standardised.
        bits: What a sample of each column tells about its cells' current, in bits, shape `(columns,)`.
    """

    cells: int
    scenario: str
    calibrated: Calibrated
    judgement: Judgement
    raised: Cells
    energy: float
    latents: NDArray[np.float64]
    codes: NDArray[np.int16]
    bits: NDArray[np.float64]

    @property
    def usable(self) -> float:
        """Share of usable columns."""
        return float(self.judgement.usable.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of that share; columns count as independent, though those of an array share word lines."""
        found = self.judgement.usable
        low, high = binomtest(int(found.sum()), len(found)).proportion_ci(CONFIDENCE, "wilson")
        return float(low), float(high)


def run_point(
    card: Card,
    settings: CalibrateSettings,
    cells: int,
    tools: Sequence[str],
    *,
    jobs: int,
    arrays: int,
    progress: Callable[[int, int], None] | None = None,
    periphery: Macromodel | None = None,
) -> Point:
    """Calibrates arrays by some tools and judges their columns.

    Args:
        card: Device card.
        settings: Of the run.
        cells: Per latent.
        tools: Names.
        jobs: Threads.
        arrays: How many arrays.
        progress: Called with finished and all steps of the calibration.
        periphery: Circuits that read the columns; none: ideal integrators.
    """
    name = "+".join(tools) or "none"
    pool = cells * (settings.pool if "select" in tools else 1)
    chip = Chip(
        draw_cells(card, settings, pool, arrays),
        Design.of(card, settings, cells, periphery),
        settings,
        f"calibrate {cells} {name}",
        jobs,
        draw_circuits(periphery, settings, arrays),
    )
    calibrated = calibrate_chip(chip, tools, settings, arrays, progress)
    before = chip.energy
    codes = chip.read(calibrated.controls, settings.check_windows)
    latents, _ = deliver(chip, calibrated, codes, settings.memory, adapt=settings.adapt)
    return Point(
        cells,
        name,
        calibrated,
        Judgement.of(chip, calibrated.controls, codes, latents, settings.limits),
        Cells.of(chip, calibrated.controls),
        (chip.energy - before) / codes.size,
        latents[:, :KEPT].copy(),
        codes[:, :KEPT].copy(),
        _bits(chip, calibrated.controls, codes),
    )


def _bits(chip: Chip, controls: Controls, codes: NDArray[np.int16]) -> NDArray[np.float64]:
    """Returns what codes tell about the cells' current in bits, shape `(columns,)`.

    `log2(1 + s / n) / 2` with the variance n of read noise and quantisation and the rest s of the codes', all taken as
    Gaussian.
    """
    f = Figures.of(codes)
    noise = noise_steps(chip, controls, f.mean) ** 2 + 1.0 / 12.0
    return 0.5 * np.log2(np.maximum(f.sigma**2 / noise, 1.0))


def judge_again(calibration: Calibration, purpose: str, jobs: int, settle: int = 0) -> Judgement:
    """Judges a stored calibration on fresh samples, at its settings' temperature and memory.

    Args:
        calibration: Of the array.
        purpose: Name of the seed streams.
        jobs: Threads.
        settle: Samples before, which only the running statistics see.
    """
    s = calibration.settings
    chip = calibration.chip(purpose, jobs)
    codes = chip.read(calibration.controls, settle + s.check_windows)
    calibrated = Calibrated(calibration.controls, calibration.running, 0.0, 0.0, 0)
    latents, _ = deliver(chip, calibrated, codes, s.memory, adapt=s.adapt)
    return Judgement.of(chip, calibration.controls, codes[:, settle:], latents[:, settle:], s.limits)


@dataclass(frozen=True)
class Warmed:
    """The stored array at another temperature, its trims unchanged.

    Attributes:
        temperature: In K.
        factor: On all time constants, relative to the calibration's temperature.
        fixed: With the statistics as the calibration left them.
        followed: With statistics that go on, after as many samples as they remember.
    """

    temperature: float
    factor: float
    fixed: Judgement
    followed: Judgement


def temperatures(calibration: Calibration, jobs: int) -> list[Warmed]:
    """Judges the stored array at other temperatures."""
    s, found = calibration.settings, []
    at = temperature_factor(calibration.card, s.temperature)
    for kelvin in s.temperatures:
        fixed, followed = (
            replace(calibration, settings=s.model_copy(update={"temperature": kelvin, "adapt": adapt}))
            for adapt in (False, True)
        )
        found.append(
            Warmed(
                kelvin,
                temperature_factor(calibration.card, kelvin) / at,
                judge_again(fixed, "calibrate-warm", jobs),
                judge_again(followed, "calibrate-warm", jobs, 2 * (s.memory or s.check_windows)),
            )
        )
    return found


def memories(calibration: Calibration, jobs: int) -> list[tuple[int, Judgement]]:
    """Judges the stored array with other memories of its running statistics, on the same codes."""
    if calibration.running is None:
        return []
    s = calibration.settings
    return [
        (
            memory,
            judge_again(
                replace(calibration, settings=s.model_copy(update={"memory": memory, "adapt": True})),
                "calibrate-memory",
                jobs,
            ),
        )
        for memory in s.memories
    ]


@dataclass(frozen=True)
class StartUp:
    """How running statistics find mean and variance from nothing; arrays of shape `(lengths,)`.

    Attributes:
        samples: Numbers of samples.
        mean_error: 95 % quantile over columns of the running mean's error, in standard deviations.
        sigma_error: Likewise of the relative error of the running standard deviation.
        needed: Samples from which both stay within the limits of mean and sigma; none if they never do.
    """

    samples: NDArray[np.int64]
    mean_error: NDArray[np.float64]
    sigma_error: NDArray[np.float64]
    needed: int | None


def start_up(calibration: Calibration, jobs: int) -> StartUp:
    """Measures the start of the running statistics against the figures of a long run that goes before."""
    s = calibration.settings
    chip = calibration.chip("calibrate-start", jobs)
    long = Figures.of(chip.read(calibration.controls, 4 * s.check_windows))
    codes = chip.read(calibration.controls, s.check_windows)
    edges = np.unique(np.geomspace(8, s.check_windows, 28).astype(np.int64))
    running, means, sigmas = Running.start(len(codes)), [], []
    for begin, end in zip([0, *edges[:-1].tolist()], edges.tolist(), strict=True):
        _, running = running.follow(codes[:, begin:end], 0)
        means.append(np.quantile(np.abs(running.mean - long.mean) / long.sigma, CONFIDENCE))
        sigmas.append(np.quantile(np.abs(np.sqrt(running.variance) / long.sigma - 1.0), CONFIDENCE))
    mean, sigma = np.array(means), np.array(sigmas)
    outside = np.flatnonzero((mean > s.limits.mean) | (sigma > s.limits.sigma))
    after = 0 if len(outside) == 0 else int(outside[-1]) + 1
    return StartUp(edges, mean, sigma, int(edges[after]) if after < len(edges) else None)


@dataclass(frozen=True)
class ExactLaw:
    """The exact law of the stored array's columns beside what was measured; arrays of shape `(columns,)`.

    Attributes:
        exact: Kolmogorov distance of the column current's law to the normal of its own mean and variance.
        quantisation: What the steps of the converter add, at most: half the mass of the commonest code.
        measured: Distance of simulated codes to the normal of their own mean and variance.
        sampling: Mean distance of as long a sample of a normal source, `NORMAL_DISTANCE` over the root of its length.
    """

    exact: NDArray[np.float64]
    quantisation: NDArray[np.float64]
    measured: NDArray[np.float64]
    sampling: float


def exact_law(calibration: Calibration, jobs: int) -> ExactLaw:
    """Compares each column's measured distance with that of its exact law (`ftj_spice.sampling.distribution`)."""
    s = calibration.settings
    chip = calibration.chip("calibrate-law", jobs)
    _, empty, amplitude, capture, emission = chip.cells(calibration.controls)
    p, tau = emission / (capture + emission), capture * emission / (capture + emission)
    window = calibration.controls.timing.window
    exact = [
        ColumnLaw.of(-weight, own, slow, window).farthest().distance
        for weight, own, slow in zip(empty * amplitude, p, tau, strict=True)
    ]
    codes = chip.read(calibration.controls, 4 * s.check_windows)
    f = Figures.of(codes)
    sigma = np.maximum(f.sigma, 1e-9)
    measured = kolmogorov((codes - f.mean[:, np.newaxis]) / sigma[:, np.newaxis])
    return ExactLaw(
        np.array(exact), 0.5 / np.sqrt(2.0 * np.pi) / sigma, measured, NORMAL_DISTANCE / np.sqrt(codes.shape[1])
    )
