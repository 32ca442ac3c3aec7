"""The chip's means against spread, one function each: they see codes and the design, never a cell's true values."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.moments import window_moments
from ftj_spice.sampling.calibration.chip import Chip, Controls
from ftj_spice.sampling.calibration.settings import CalibrateSettings, Limits
from ftj_spice.sampling.calibration.statistics import Figures, expected_distance
from ftj_spice.sampling.digitisers import FULL_SCALE

ROUNDS = 3
"""Rounds that find a column's range, each with a finer capacitor than the one before."""
SEEN = 2.0
"""A cell whose codes have less than this many standard deviations of read noise and quantisation shows no trap."""
SMALLER = 1.0
"""What a trim costs in a choice of cells, in squared deviations of ln(speed) per V^2: it decides between equals."""
_RATIOS = np.geomspace(1e-3, 1e4, 701)

Pick = Callable[[NDArray[np.float64]], NDArray[np.int64]]
"""Takes the scores of a scan, shape `(trims, columns)`; returns which trim each column gets."""


def find_range(chip: Chip, controls: Controls, settings: CalibrateSettings) -> Controls:
    """Sets each column's reference current and capacitor so that its codes fill the converter.

    The reference is found by successive approximation at the largest capacitor, then set to the measured mean while the
    capacitor comes down to what `adc_sigmas` measured standard deviations need.

    Args:
        chip: What is read.
        controls: Trims and cells that stay as they are.
        settings: Of the run.
    """
    design, bits = chip.design, settings.reference_bits
    columns, raised = controls.chosen.shape
    unit = design.mean / design.cells * raised * settings.reference_range / 2**bits
    octaves = 2.0 ** np.arange(settings.smallest_capacitor, settings.largest_capacitor + 1)
    bank = np.maximum(design.capacitance * octaves, chip.least_capacitance(controls.timing))
    found = np.zeros(columns, np.int64)
    state = replace(controls, capacitance=np.full(columns, bank[-1]))
    for bit in range(bits - 1, -1, -1):
        trial = found + (1 << bit)
        codes = chip.read(replace(state, reference=trial * unit), 2)
        found = np.where(codes.mean(axis=1) >= 0, trial, found)
    state = replace(state, reference=found * unit)
    for _ in range(ROUNDS):
        f = Figures.of(chip.read(state, settings.range_windows))
        lsb = state.lsb(design.adc_bits)
        mean = state.reference + (f.mean + 0.5) * lsb
        reference = unit * np.clip(np.rint(mean / unit), 0, 2**bits - 1)
        spread = design.adc_sigmas * np.sqrt(f.sigma**2 + 1.0 / 12.0) * lsb
        needed = (np.abs(mean - reference) + spread) * state.timing.window / FULL_SCALE
        place = np.minimum(np.searchsorted(bank, needed), len(bank) - 1)
        state = replace(state, reference=reference, capacitance=bank[place])
    return state


def score(chip: Chip, controls: Controls, codes: NDArray[np.int16], limits: Limits) -> NDArray[np.float64]:
    """Returns how near each column is to its worst limit, shape `(columns,)`; all are kept up to 1.

    Args:
        chip: What was read.
        controls: How.
        codes: What it gave, shape `(columns, windows)`.
        limits: Of a usable column.
    """
    f = Figures.of(codes)
    floor = np.maximum(1.0, noise_steps(chip, controls, f.mean))
    ratios = (
        np.abs(f.autocorrelation) / limits.autocorrelation,
        expected_distance(f) / limits.distance,
        limits.steps * floor / np.maximum(f.sigma, 1e-9),
    )
    return np.max(ratios, axis=0)


def noise_steps(chip: Chip, controls: Controls, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the read noise that the design lets expect, in steps of the converter, shape `(columns,)`.

    Args:
        chip: What is read.
        controls: How.
        mean: Mean code of each column.
    """
    lsb = controls.lsb(chip.design.adc_bits)
    return chip.noise(controls, controls.reference + mean * lsb) / lsb


def scan(
    chip: Chip,
    controls: Controls,
    settings: CalibrateSettings,
    pick: Pick,
    *,
    ranged: bool,
    done: Callable[[], None] | None = None,
) -> Controls:
    """Tries every column trim of a grid, all columns at once, and gives each the one that `pick` takes for it.

    Args:
        chip: What is read.
        controls: Cells and word-line trims.
        settings: Of the run.
        pick: Chooses.
        ranged: Whether reference and capacitor are found anew at each trim.
        done: Called after each trim.
    """
    trims = trim_grid(settings)
    states, scores = [], []
    for trim in trims:
        state = replace(controls, column=np.full(len(controls.column), trim))
        if ranged:
            state = find_range(chip, state, settings)
        codes = chip.read(state, settings.scan_windows)
        states.append(state)
        scores.append(score(chip, state, codes, settings.limits))
        if done is not None:
            done()
    place = pick(np.array(scores))
    column = np.arange(len(place))
    return replace(
        controls,
        column=trims[place],
        reference=np.stack([state.reference for state in states])[place, column],
        capacitance=np.stack([state.capacitance for state in states])[place, column],
    )


def trim_grid(settings: CalibrateSettings) -> NDArray[np.float64]:
    """Returns the voltages of a scan in V, each a whole number of steps of the trim, 0 among them."""
    count = int(settings.trim_range / settings.scan_step + 1e-9)
    wanted = settings.scan_step * np.arange(-count, count + 1)
    return np.unique(to_step(wanted, settings))


def to_step(voltage: NDArray[np.float64], settings: CalibrateSettings) -> NDArray[np.float64]:
    """Returns trims as the chip can set them: whole steps within the range, in V."""
    most = int(settings.trim_range / settings.trim_step + 1e-9)
    return settings.trim_step * np.clip(np.rint(voltage / settings.trim_step), -most, most) + 0.0


def best_of_column(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Takes each column's best trim."""
    return np.argmin(scores, axis=0)


def best_of_array(columns: int) -> Pick:
    """Returns what takes one trim for each array: that with the most columns within all limits, then the best median.

    Args:
        columns: Of one array.
    """

    def pick(scores: NDArray[np.float64]) -> NDArray[np.int64]:
        grouped = scores.reshape(len(scores), -1, columns)
        good = np.sum(grouped <= 1.0, axis=2)
        tie = 1.0 / (1.0 + np.median(grouped, axis=2))  # below 1: it decides between equal counts only
        return np.repeat(np.argmax(good + 0.5 * tie, axis=0), columns)

    return pick


@dataclass(frozen=True)
class Speeds:
    """What single-cell reads show of each cell.

    Attributes:
        log_ratio: ln of sampling time over relaxation time, shape `(columns, rows)`; NaN where no trap shows.
    """

    log_ratio: NDArray[np.float64]


def probe_cells(
    chip: Chip, controls: Controls, settings: CalibrateSettings, done: Callable[[], None] | None = None
) -> Speeds:
    """Measures the speed of every cell: rows raised one by one, all columns at once, with short windows.

    The correlation of successive windows, less the read noise in their variance, gives the relaxation time by the
    closed form for one trap. A cell that shows no more than noise is too slow or too fast to be of use.

    Args:
        chip: What is read.
        controls: Trims.
        settings: Of the run.
        done: Called after each row.
    """
    rows, columns = chip.shape
    timing = chip.design.shorter(settings.probe)
    cells = window_moments(0.5, 1.0 / _RATIOS, 1.0, timing.pause / timing.window)
    expected = cells.covariance / cells.variance  # falls with the ratio
    found = np.full((columns, rows), np.nan)
    for i in range(rows):
        state = replace(controls, chosen=np.full((columns, 1), i), timing=timing)
        state = find_range(chip, state, settings)
        f = Figures.of(chip.read(state, settings.probe_windows))
        noise = noise_steps(chip, state, f.mean) ** 2 + 1.0 / 12.0
        seen = f.sigma**2 > SEEN**2 * noise
        signal = np.where(seen, f.sigma**2 - noise, 1.0)
        correlation = np.clip(f.autocorrelation * f.sigma**2 / signal, expected[-1], expected[0])
        ratio = np.exp(np.interp(-correlation, -expected, np.log(_RATIOS))) * settings.probe
        found[:, i] = np.where(seen, np.log(ratio), np.nan)
        if done is not None:
            done()
    return Speeds(found)


def trim_rows(speeds: Speeds, controls: Controls, settings: CalibrateSettings, slope: float) -> Controls:
    """Trims each word line so that its cells' mean speed is the target's.

    Args:
        speeds: Of all cells at no trim.
        controls: To change.
        settings: Of the run.
        slope: Of ln(speed) in 1/V, from the card.
    """
    missing = np.log(settings.target) - speeds.log_ratio
    grouped = missing.reshape(len(controls.row), -1, missing.shape[1])
    known = np.isfinite(grouped)
    mean = np.sum(np.where(known, grouped, 0.0), axis=1) / np.maximum(known.sum(axis=1), 1)
    return replace(controls, row=to_step(mean / slope, settings))


def select_cells(
    speeds: Speeds, controls: Controls, settings: CalibrateSettings, slope: float, *, trimmed: bool
) -> Controls:
    """Keeps in each column the cells whose speeds lie nearest together, about the target.

    Args:
        speeds: Of all cells at no trim.
        controls: To change; its word-line trims count.
        settings: Of the run.
        slope: Of ln(speed) in 1/V, from the card.
        trimmed: Whether the column can be trimmed afterwards: the centre may then lie anywhere in the trim's reach.
    """
    columns, cells = controls.chosen.shape
    row = controls.row[controls.array_of]
    missing = np.log(settings.target) - speeds.log_ratio - slope * row
    missing = np.where(np.isfinite(missing), missing, 1e3)
    best = np.full(columns, np.inf)
    chosen = controls.chosen.copy()
    trims = to_step(np.arange(-settings.trim_range, settings.trim_range + 1e-9, settings.trim_step), settings)
    for trim in trims if trimmed else np.zeros(1):
        distance = (missing - slope * trim) ** 2
        order = np.argsort(distance, axis=1)[:, :cells]
        # A trim moves the occupancy, too: of two that serve as well, the smaller one.
        cost = np.mean(np.take_along_axis(distance, order, axis=1), axis=1) + SMALLER * trim**2
        better = cost < best
        best[better] = cost[better]
        chosen[better] = np.sort(order[better], axis=1)
    return replace(controls, chosen=chosen)
