"""Latents from a calibrated array."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.moments import window_moments
from ftj_spice.sampling.array import ColumnMoments
from ftj_spice.sampling.calibration.chip import Chip
from ftj_spice.sampling.calibration.procedure import Calibrated, deliver
from ftj_spice.sampling.calibration.state import Calibration, check_belongs


@dataclass(frozen=True)
class CalibratedSamples:
    """What a calibrated array gives.

    Attributes:
        latents: Shape `(samples, latents)`.
        codes: Of the columns that deliver them, same shape.
        moments: Closed-form moments of the latents, from the cells' true values.
        calibration: With the running statistics as they stand afterwards.
        seconds: Device time in s.
        energy: That the cells of all columns took, spare ones included, in J.
        engine: What simulated it.
    """

    latents: NDArray[np.float64]
    codes: NDArray[np.int16]
    moments: ColumnMoments
    calibration: Calibration
    seconds: float
    energy: float
    engine: str = "fast"


def sample_calibrated(
    calibration: Calibration,
    count: int,
    *,
    card: Card | None = None,
    seed: int | None = None,
    stream: int = 0,
    jobs: int = 1,
) -> CalibratedSamples:
    """Draws latents by a stored calibration: its trims, its cells, its statistics, which go on where they adapt.

    Args:
        calibration: Of the array.
        count: Number of latent vectors.
        card: The array's card, to be checked; none is not checked.
        seed: The array's seed, likewise.
        stream: Tells runs of one array apart; each begins with the traps in their stationary distribution at V_RTN.
        jobs: Threads; the latents do not depend on it.

    Raises:
        SettingsError: `count` or `stream` is out of range.
        DataError: The calibration belongs to another array.
    """
    if count < 1:
        raise SettingsError(f"count must be at least 1, got {count}")
    if stream < 0:
        raise SettingsError(f"stream must not be negative, got {stream}")
    check_belongs(calibration, "the calibration", card, seed)
    chip = calibration.chip(f"calibrated-sample-{stream}", jobs)
    codes = chip.read(calibration.controls, count)
    calibrated = Calibrated(calibration.controls, calibration.running, 0.0, 0.0, 0)
    s = calibration.settings
    latents, running = deliver(chip, calibrated, codes, s.memory, adapt=s.adapt)
    kept = calibration.latents
    return CalibratedSamples(
        np.ascontiguousarray(latents[kept].T),
        np.ascontiguousarray(codes[kept].T),
        _moments(chip, calibration).take(kept),
        replace(calibration, running=running),
        chip.seconds,
        chip.energy,
    )


def _moments(chip: Chip, calibration: Calibration) -> ColumnMoments:
    """Returns the closed-form moments of what each column would deliver: of the traps, read noise and quantisation.

    Read noise and quantisation are taken as normal. The ideal converter's offset, a circuit's nonlinearity, and
    clipping are left out, and so is the wander of running statistics, which are taken to have found mean and variance.
    """
    s, controls, design = calibration.settings, calibration.controls, calibration.design
    _, empty, amplitude, capture, emission = (cells.T for cells in chip.cells(controls))
    tau = capture * emission / (capture + emission)
    states = window_moments(emission / (capture + emission), tau, controls.timing.window, controls.timing.pause)
    current = ColumnMoments.of_sum(empty.sum(axis=0), -empty * amplitude, states)
    lsb = controls.lsb(design.adc_bits)
    noise = chip.noise(controls, current.mean, s.temperature) if s.read_noise else np.zeros(len(lsb))
    variance = current.variance + noise**2 + lsb**2 / 12.0
    share = current.variance / variance
    # By the design's closed form, a circuit's gain and offset stay in the latents.
    gain, shift = chip.straight(controls)
    if calibration.running is None:
        scale = np.sqrt(design.sigma**2 + lsb**2 / 12.0)
        seen = controls.reference + gain * (current.mean - controls.reference) + shift
        mean, spread = (seen - design.mean) / scale, gain**2 * variance / scale**2
    else:
        mean, spread = np.zeros(len(lsb)), np.ones(len(lsb))
    return ColumnMoments(
        mean, spread, current.skewness * share**1.5, current.kurtosis * share**2, current.autocorrelation * share
    )
