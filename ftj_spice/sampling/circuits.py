"""Read-outs of the sample phase by circuits: each column through one of its own, as a macromodel.

The circuit is fitted to the noise as in the read phase: its range becomes the converter's (`adc_sigmas` on each side of
the reference), and its errors keep their part of the range; a front end that does not integrate can't get more than
four times its gain, and has a larger range where that is not enough (a filter behind it is taken to average over the
window). Its virtual ground's error acts on the cells themselves:
on their current by the card's law, and on their traps' times.
"""

from dataclasses import dataclass

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
        )

    @property
    def bits(self) -> int:
        """Resolution of the circuits' own converter; 0 without."""
        return int(len(self.places) + 1).bit_length() - 1 if len(self.places) else 0

    def outputs(self, parts: FloatArray) -> FloatArray:
        """Returns the front ends' outputs, with their noise.

        Args:
            parts: Values less the reference, in parts of the range; shape `(samples, columns)`.
        """
        out = self.gain * parts + self.offset
        if self.noise > 0:
            out = out + self.noise * self._normals("periphery-sample-noise", out.shape)
        if len(self.deviation):
            grid = np.linspace(-0.5, 0.5, len(self.deviation))
            out = out + np.interp(out, grid, self.deviation)
        return out

    def codes(self, outputs: FloatArray) -> NDArray[np.int64]:
        """Returns the own converters' codes, signed: half of them stand for values below the reference.

        Args:
            outputs: From `outputs`, in parts of the range.
        """
        steps = (outputs + 0.5) * (len(self.places) + 1) - 0.5
        steps = self.convert_gain * steps + self.convert_offset
        if self.convert_noise > 0:
            steps = steps + self.convert_noise * self._normals("periphery-sample-code", steps.shape)
        found = np.searchsorted(self.places, steps.ravel(), side="right").reshape(steps.shape)
        return (found - (len(self.places) + 1) // 2).astype(np.int64)

    def _normals(self, purpose: str, shape: tuple[int, ...]) -> FloatArray:
        samples, columns = shape
        return np.stack([generator(self.seed, purpose, j).standard_normal(samples) for j in range(columns)], axis=1)


@dataclass(frozen=True)
class Deciders:
    """The comparators of some columns, behind their front ends.

    Attributes:
        seed: Of the run.
        offset: Of each column in A, shape `(columns,)`.
        noise: Of one decision in A, rms.
        lag: From a crossing to the decision in s.
    """

    seed: int
    offset: FloatArray
    noise: float
    lag: float

    @classmethod
    def draw(cls, model: Macromodel, columns: int, seed: int, swing: float) -> "Deciders":
        """Draws the comparators; without a front end of its own the circuit gets one whose swing is 100 mV.

        Args:
            model: The macromodel.
            columns: How many.
            seed: Of the run.
            swing: Smallest difference of a cell's two levels in A.

        Raises:
            SettingsError: The macromodel holds no comparator.
        """
        if model.decide is None:
            raise SettingsError(
                f"periphery '{model.name}' has no comparator: take one that decides, or sample.digitiser='integrator'"
            )
        decide, sense = model.decide, model.sense
        gain = sense.gain if sense is not None else SWING / swing
        normals = np.array([generator(seed, "periphery-sample", j).standard_normal(2) for j in range(columns)])
        front, front_noise = (sense.offset_sigma, sense.noise) if sense is not None else (0.0, 0.0)
        return cls(
            seed=seed,
            offset=front * normals[:, 0] + decide.offset_sigma / gain * normals[:, 1],
            noise=float(np.hypot(front_noise, decide.noise / gain)),
            lag=decide.lag,
        )

    def flips(self, counts: FloatArray, swing: FloatArray) -> FloatArray:
        """Returns counts of bits of which noise has turned some round.

        A cell stands half a swing from its threshold, less the comparator's offset: its bit is misread with the
        probability that the noise is larger.

        Args:
            counts: Rows that stand high, shape `(samples, columns)`.
            swing: Of each cell in A, shape `(rows, columns)`.
        """
        if not self.noise > 0:
            return counts
        rows = len(swing)
        lost = ndtr(-np.abs(0.5 * swing - self.offset) / self.noise).mean(axis=0)
        won = ndtr(-np.abs(0.5 * swing + self.offset) / self.noise).mean(axis=0)
        turned = []
        for j in range(counts.shape[1]):
            rng = generator(self.seed, "periphery-decision-noise", j)
            high = counts[:, j].astype(np.int64)
            turned.append(rng.binomial(high, 1.0 - lost[j]) + rng.binomial(rows - high, won[j]))
        return np.stack(turned, axis=1).astype(float)

    def error_rate(self, swing: FloatArray, occupancy: FloatArray) -> float:
        """Returns the share of bits that offset and noise turn round, mean over cells.

        Args:
            swing: Of each cell in A, shape `(rows, columns)`.
            occupancy: Of each trap, same shape; a filled one stands low.
        """
        noise = max(self.noise, 1e-300)
        high, low = ndtr(-(0.5 * swing - self.offset) / noise), ndtr(-(0.5 * swing + self.offset) / noise)
        return float(np.mean((1.0 - occupancy) * high + occupancy * low))


SWING = 0.1
"""Difference of a cell's two levels at the comparator, in V, where the macromodel has no front end."""
