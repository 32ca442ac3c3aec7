"""For this device current and this speed, take this: read-out chains ranked by what was measured of their parts.

A chain is a sense variant with a gain and a comparator or converter behind it, or a sense variant that decides by
itself (one with the figure `contrast`). With the device current `i`, `n` cells on a column and the full scale `n i`,
its error relative to the full scale is the root of the sum of squares of

- offset and noise currents of the sense variant over `n i`;
- its nonlinearity, and its relative gain spread;
- offset and noise voltages of the second stage, through the gain, over `n i`;
- the second stage's quantisation, one step over the square root of 12, and its largest INL, likewise.

One that decides by itself has its contrast, rms over the draws, for its offset, and takes the time that its curve
`time of a reading` gives for a reference of half the device current. Behind a converter, a column's offsets and gain
can be calibrated: they drop out. A decision that was taken can't be corrected. The full scale must lie within the sense
variant's range and, times the gain, within the converter's; both stages one after the other must fit into a read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ftj_spice.studies.periphery.limits import SIGMA
from ftj_spice.studies.periphery.merits import TIMES, error_of
from ftj_spice.studies.periphery.results import VariantResults

CURRENTS = (100e-12, 1e-9, 10e-9, 100e-9, 1e-6)
"""Device currents in A, of one cell that is on at the read voltage."""
READ_TIMES = (100e-9, 1e-6, 10e-6, 100e-6, 1e-3)
"""Times per read in s."""


WORST = 10.0
"""Chains that miss the limit by a larger factor are not worth a mention."""


@dataclass(frozen=True)
class Job:
    """What a chain is to do.

    Attributes:
        title: A few words.
        cells: Cells of a column that carry the device current at full scale.
        limit: Largest rms error over the full scale.
        second: Kind of the second stage.
        why: Where the limit comes from.
    """

    title: str
    cells: int
    limit: float
    second: Literal["decide", "convert"]
    why: str


JOBS = (
    Job("sum of a column of 64 cells", 64, 0.01, "convert", "1 % of full scale: six bits and a half"),
    Job("one cell, on or off", 1, 1 / 6, "decide", "half the device current is three standard deviations"),
)


@dataclass(frozen=True)
class Chain:
    """A chain for one device current.

    Attributes:
        name: Its parts.
        time: Of one read in s.
        energy: Of one read in J.
        error: Over the full scale.
        calibrated_error: The same without what can be calibrated.
    """

    name: str
    time: float
    energy: float
    error: float
    calibrated_error: float


@dataclass(frozen=True)
class Choice:
    """What to take.

    Attributes:
        chain: The one with the least energy that keeps the limit; else the most exact one, within `WORST` times the
            limit; none where none is fast enough and has the range.
        calibrated: Whether its error is the calibrated one.
        reaches: Whether it keeps the limit.
    """

    chain: Chain | None
    calibrated: bool
    reaches: bool


def choose_chain(job: Job, variants: Mapping[str, VariantResults], current: float, read_time: float) -> Choice:
    """Returns what to take for a device current in A and a time per read in s; the rule is the module's."""
    found = [chain for chain in chains(job, variants, current) if chain.time <= read_time]
    for calibrated in (False, True):
        good = [c for c in found if (c.calibrated_error if calibrated else c.error) <= job.limit]
        if good:
            return Choice(min(good, key=lambda c: (c.energy, c.name)), calibrated, True)
    near = [chain for chain in found if chain.calibrated_error <= WORST * job.limit]
    return Choice(min(near, key=lambda c: (c.calibrated_error, c.name), default=None), job.second == "convert", False)


def chains(job: Job, variants: Mapping[str, VariantResults], current: float) -> Iterator[Chain]:
    """Yields the chains whose ranges hold a device current, in the order of the variants."""
    full = job.cells * current
    seconds = [one for one in variants.values() if one.kind == job.second and _time(one.figures, job) is not None]
    for first in variants.values():
        f = first.figures
        time = _time(f, job)
        if first.kind != "sense" or time is None or not f.get("range_low", 0.0) <= full <= f.get("range_high", 0.0):
            continue
        if job.second == "decide" and "contrast" in f:
            yield _alone(first, time, full)
        if f.get("gain"):
            for second in seconds:
                found = _pair(first, second, time, job, full)
                if found is not None:
                    yield found


def _alone(one: VariantResults, time: float, full: float) -> Chain:
    f = one.figures
    noise = _over(one, "noise_current", full)
    curve = one.curves.get("time of a reading")
    if curve is not None:
        time = float(np.exp(np.interp(np.log(0.5 * full), np.log(curve.x), np.log(curve.y))))
    error = _root([error_of(one, "contrast") or 0.0, noise])
    return Chain(one.variant, time, f.get("energy", 0.0), error, error)


def _pair(first: VariantResults, second: VariantResults, time: float, job: Job, full: float) -> Chain | None:
    f, gain = first.figures, abs(first.figures["gain"])
    errors = _second_errors(second, gain * full)
    if errors is None:
        return None
    fixed = [_over(first, "offset_current", full), f.get(f"gain{SIGMA}", 0.0) / gain, errors[0]]
    left = [_over(first, "noise_current", full), abs(f.get("nonlinearity", 0.0)), *errors[1:]]
    energy = f.get("energy", 0.0) + second.figures.get("energy", 0.0)
    total = time + (_time(second.figures, job) or 0.0)
    error = _root([*fixed, *left])
    calibrated = _root(left) if job.second == "convert" else error
    return Chain(f"{first.variant} + {second.variant}", total, energy, error, calibrated)


def _time(figures: Mapping[str, float], job: Job) -> float | None:
    if job.cells == 1 and "settling_time_cell" in figures:
        return figures["settling_time_cell"]
    times = [figures[name] for name in TIMES if name in figures]
    return max(times) if times else None


def _over(one: VariantResults, name: str, full: float) -> float:
    return (error_of(one, name) or 0.0) / full


def _second_errors(second: VariantResults, swing: float) -> list[float] | None:
    """Returns offset, noise, quantisation and INL of the second stage over the swing at its input; none: it clips."""
    f = second.figures
    volts = [_over(second, "offset", swing), _over(second, "noise", swing)]
    if second.kind == "decide":
        return volts
    if not {"input_low", "input_high", "resolution"} <= f.keys():
        return None
    span = f["input_high"] - f["input_low"]
    if swing > span:
        return None
    step = span / 2 ** f["resolution"] / swing
    return [*volts, step / np.sqrt(12.0), (error_of(second, "inl") or 0.0) * step]


def _root(terms: Sequence[float] | np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.square(terms))))
