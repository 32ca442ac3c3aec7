"""Read-outs of the sample phase by circuits: each column through one of its own, as a macromodel.

The circuit is fitted to the noise as in the read phase: its range becomes the converter's (`adc_sigmas` on each side of
the reference), and its errors keep their part of the range; a front end that does not integrate can't get more than
four times its gain, and has a larger range where that is not enough (a filter behind it is taken to average over the
window). Its virtual ground's error acts on the cells themselves:
on their current by the card's law, and on their traps' times.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.periphery.macromodel import (
    LEAST_GAIN_SCALE,
    ConvertModel,
    Macromodel,
    SenseModel,
    chain_transitions,
)

FloatArray = NDArray[np.float64]

_NEWTON = 8  # steps from the middle threshold, which lies within a small part of the width
_STRAIGHT = SenseModel(integrates=True, time=1.0, high=1.0)


@dataclass(frozen=True)
class ColumnCircuits:
    """The circuits of some columns; arrays of shape `(columns,)`.

    Attributes:
        seed: Of the run: noise is drawn from it, column by column.
        ground: Error of each virtual ground in V.
        gain: Of each column.
        offset: Of each column, in parts of the range.
        noise: In parts of the range, rms.
        deviation: Static curve less its straight line in parts of the range, evenly spaced; only without converter.
        places: Transitions of the converter in steps from the range's low end; none: the behavioural one.
        convert_gain: Of each converter.
        convert_offset: Of each converter, in steps.
        convert_noise: In steps, rms.
        least_range: Smallest range in A that the front end can be fitted to.
        amplified: Whether there is a front end, whose noise has that of its capacitors in it.
    """

    seed: int
    ground: FloatArray
    gain: FloatArray
    offset: FloatArray
    noise: float
    deviation: FloatArray
    places: FloatArray
    convert_gain: FloatArray
    convert_offset: FloatArray
    convert_noise: float
    least_range: float = 0.0
    amplified: bool = True

    @classmethod
    def draw(cls, model: Macromodel, columns: int, seed: int) -> "ColumnCircuits":
        """Draws the circuits of a sampling array; each column has a stream of its own."""
        normals = np.array([generator(seed, "periphery-sample", j).standard_normal(5) for j in range(columns)])
        gains, grounds, offsets, codes, steps = normals.T
        sense, convert = model.sense or _STRAIGHT, model.convert
        plain = convert or ConvertModel(bits=2)
        return cls(
            seed=seed,
            ground=sense.ground + sense.ground_sigma * grounds,
            gain=1.0 + sense.gain_sigma * gains,
            offset=sense.offset_sigma / sense.span * offsets,
            noise=sense.noise / sense.span,
            deviation=np.array(sense.deviation if convert is None else ()),
            places=np.empty(0) if convert is None else chain_transitions(sense, convert),
            convert_gain=1.0 + plain.gain_sigma * codes,
            convert_offset=plain.offset_sigma * steps,
            convert_noise=plain.noise,
            least_range=0.0 if sense.integrates else LEAST_GAIN_SCALE * sense.span,
            amplified=model.sense is not None,
        )

    @property
    def bits(self) -> int:
        """Resolution of the circuits' own converter; 0 without."""
        return int(len(self.places) + 1).bit_length() - 1 if len(self.places) else 0

    def thresholds(self, bits: int, converter: FloatArray | None = None) -> FloatArray:
        """Returns where one code gives way to the next, in parts of the range about the reference.

        Gain, offset and static curve of each column's front end and converter are in them, so that a code is the number
        of thresholds that a value with `input_noise` has reached. Shape `(columns, 2^bits - 1)`, ascending.

        Args:
            bits: Resolution: the circuits' own where they have a converter, else that of the one behind them.
            converter: Thresholds of the one behind them in parts of its range, by column; none: ideal ones.
        """
        count = 2**bits
        if self.bits:
            steps = (self.places - self.convert_offset[:, np.newaxis]) / self.convert_gain[:, np.newaxis]
            outputs = (steps + 0.5) / count - 0.5
        else:
            ideal = np.tile(np.arange(1, count) / count - 0.5, (len(self.gain), 1))
            outputs = ideal if converter is None else converter
            if len(self.deviation):
                grid = np.linspace(-0.5, 0.5, len(self.deviation))
                # Beyond its ends the curve goes on in parallel to the straight line.
                grid = np.concatenate([[-1.5], grid, [1.5]])
                bent = grid + np.concatenate([self.deviation[:1], self.deviation, self.deviation[-1:]])
                outputs = np.interp(outputs, bent, grid)
        return (outputs - self.offset[:, np.newaxis]) / self.gain[:, np.newaxis]

    def input_noise(self, bits: int) -> FloatArray:
        """Returns the noise of front end and converter, referred to the input, in parts of the range, rms, by column.

        Args:
            bits: As in `thresholds`.
        """
        return np.hypot(self.noise, self.convert_noise / self.convert_gain / 2**bits) / self.gain

    def middle(self, bits: int, sigma: FloatArray) -> FloatArray:
        """Returns the mean of a normal value whose mean code is the reference's, in parts of the range, by column.

        It is what a chip finds that trims its mean code: offsets, and what is not even in the thresholds' errors.

        Args:
            bits: As in `thresholds`.
            sigma: Standard deviation of the value in parts of the range, by column.
        """
        places = self.thresholds(bits)
        width = np.hypot(sigma, self.input_noise(bits))[:, np.newaxis]
        found = places[:, [2 ** (bits - 1) - 1]]
        for _ in range(_NEWTON):
            away = (found - places) / width
            wrong = np.sum(ndtr(away) - 0.5, axis=1, keepdims=True)
            found = found - wrong * width / np.sum(np.exp(-0.5 * away**2), axis=1, keepdims=True) * np.sqrt(2.0 * np.pi)
        return found[:, 0]

    def codes(self, parts: FloatArray, bits: int) -> NDArray[np.int64]:
        """Returns signed codes: half of them stand for values below the reference.

        Args:
            parts: Values less the reference, in parts of the range; shape `(samples, columns)`.
            bits: As in `thresholds`.
        """
        noise, places = self.input_noise(bits), self.thresholds(bits)
        codes = np.empty(parts.shape, np.int64)
        for j in range(parts.shape[1]):
            own = parts[:, j]
            if noise[j] > 0:
                own = own + noise[j] * generator(self.seed, "periphery-sample-noise", j).standard_normal(len(own))
            codes[:, j] = np.searchsorted(places[j], own, side="right")
        return codes - 2 ** (bits - 1)

    def take(self, columns: NDArray[np.int64] | slice) -> "ColumnCircuits":
        """Returns the circuits of some columns."""
        own = ("ground", "gain", "offset", "convert_gain", "convert_offset")
        return replace(self, **{name: getattr(self, name)[columns] for name in own})


@dataclass(frozen=True)
class Deciders:
    """The comparators of some columns, behind their front ends.

    A cell stands half a swing from its threshold; a comparator that sees edges gets the whole swing. What is left of
    this margin, less the comparator's offset and half its hysteresis (as if the bit before had been the other one),
    must be more than the noise.

    Attributes:
        seed: Of the run.
        offset: Of each column in A, shape `(columns,)`.
        noise: Of one decision in A, rms.
        hysteresis: Distance of the trip points in A.
        share: Part of a cell's swing that is its margin.
        lag: From a crossing to the decision in s.
    """

    seed: int
    offset: FloatArray
    noise: float
    hysteresis: float
    share: float
    lag: float

    @classmethod
    def draw(
        cls, model: Macromodel, columns: int, seed: int, swing: float, thresholds: FloatArray | None = None
    ) -> "Deciders":
        """Draws the comparators; one of voltages without a front end of its own gets one whose swing is `SWING`.

        Args:
            model: The macromodel.
            columns: How many.
            seed: Of the run.
            swing: Smallest difference of a cell's two levels in A.
            thresholds: Currents that are decided about in A; none: not checked against what it was made for.

        Raises:
            SettingsError: The macromodel holds no comparator, or was made for other currents.
        """
        if model.decide is None:
            raise SettingsError(
                f"periphery '{model.name}' has no comparator: take one that decides, or sample.digitiser='integrator'"
            )
        decide, sense = model.decide, model.sense
        if decide.input == "current" and thresholds is not None:
            _check_range(model, thresholds)
        gain = 1.0 if decide.input == "current" else sense.gain if sense is not None else SWING / swing
        normals = np.array([generator(seed, "periphery-sample", j).standard_normal(2) for j in range(columns)])
        front, front_noise = (sense.offset_sigma, sense.noise) if sense is not None else (0.0, 0.0)
        return cls(
            seed=seed,
            offset=front * normals[:, 0] + decide.offset_sigma / abs(gain) * normals[:, 1],
            noise=float(np.hypot(front_noise, decide.noise / gain)),
            hysteresis=decide.hysteresis / abs(gain),
            share=1.0 if decide.sees == "edge" else 0.5,
            lag=decide.lag,
        )

    def flips(self, counts: FloatArray, swing: FloatArray) -> FloatArray:
        """Returns counts of bits of which noise and hysteresis have turned some round.

        The counts have the offsets in them already: cells on the wrong side of it stand wrong.

        Args:
            counts: Rows that stand high, shape `(samples, columns)`.
            swing: Of each cell in A, shape `(rows, columns)`.
        """
        if not (self.noise > 0 or self.hysteresis > 0 or self.share != 0.5):
            return counts
        rows = len(swing)
        turned = []
        # Where the offset alone has put a bit on the wrong side, noise may turn it right again.
        lost, won = (
            np.where(0.5 * swing > sign * self.offset, wrong, 1.0 - wrong).mean(axis=0)
            for sign, wrong in ((1.0, self.misread(swing, 1.0)), (-1.0, self.misread(swing, -1.0)))
        )
        for j in range(counts.shape[1]):
            rng = generator(self.seed, "periphery-decision-noise", j)
            high = counts[:, j].astype(np.int64)
            turned.append(rng.binomial(high, 1.0 - lost[j]) + rng.binomial(rows - high, won[j]))
        return np.stack(turned, axis=1).astype(float)

    def misread(self, swing: FloatArray, sign: float) -> FloatArray:
        """Returns the probability that offset, hysteresis and noise turn a cell's bit round, shape `(rows, columns)`.

        Args:
            swing: Of each cell in A, same shape.
            sign: 1 for a cell that stands above its threshold (its trap is empty), -1 for one below.
        """
        margin = self.share * swing - sign * self.offset - 0.5 * self.hysteresis
        return ndtr(-margin / max(self.noise, 1e-300))


def _check_range(model: Macromodel, thresholds: FloatArray) -> None:
    """Refuses a comparator of currents that was made for others.

    Raises:
        SettingsError: It was.
    """
    decide = model.decide
    assert decide is not None
    low, high = decide.low or 0.0, np.inf if decide.high is None else decide.high
    if thresholds.min() < low or thresholds.max() > high:
        raise SettingsError(
            f"periphery '{model.name}' decides about currents of {low:.3g} to {high:.3g} A, and the cells' levels lie "
            f"at {thresholds.min():.3g} to {thresholds.max():.3g} A: take one that was made for such a card (this one "
            f"for '{model.card}')"
        )


SWING = 0.1
"""Difference of a cell's two levels at a comparator of voltages, in V, where the macromodel has no front end."""


def identity(model: Macromodel) -> dict[str, str]:
    """Returns what tells a macromodel from every other: name, process, and SHA-256 of its content."""
    numbers = model.model_copy(update={"identity": None})  # where its circuits lie is no part of what it does
    content = hashlib.sha256(numbers.text().encode()).hexdigest()
    return {"name": model.name, "process": model.process, "sha256": content}


def check_identity(found: Mapping[str, str] | None, model: Macromodel | None, where: str) -> None:
    """Refuses circuits that are not those of a record.

    Args:
        found: Of `identity`, as recorded; none: ideal read-outs.
        model: What is to be used; none: ideal read-outs.
        where: What was recorded, for the sentence.

    Raises:
        SettingsError: They differ.
    """
    ours = None if model is None else identity(model)
    if ours == found:
        return
    known = "the ideal read-out" if found is None else f"the circuits of '{found['process']}/{found['name']}'"
    if found is None:
        way = "take no periphery, or calibrate through it"
    elif ours is not None and (ours["name"], ours["process"]) == (found["name"], found["process"]):
        way = f"its content was another then (SHA-256 {found['sha256'][:12]}): take that file, or calibrate again"
    else:
        way = f"pass --periphery {found['process']}/{found['name']}, or calibrate again"
    given = "none" if model is None else f"'{model.process}/{model.name}'"
    raise SettingsError(f"{where} was made through {known}, not through {given}: {way}")
