"""Transition levels of a converter, with few conversions.

The transition level of code k is the input from which on the code is k or more. A staircase fine enough to place 63 of
them to an eighth of a step takes 512 conversions. Here the middle code is found first, then the outer ones; the line
through what is known predicts the others, and two conversions, half a resolution below and above, confirm each. Where
they do not, steps away from the prediction double until the level is passed, and the interval is halved.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Convert = Callable[[FloatArray], IntArray]

_PROBES = 3  # conversions a round and code while few codes are searched: a round costs as much as a conversion


class TransitionSearch:
    """Finds transition levels by asking for conversions.

    Args:
        convert: Returns the codes of inputs in V, shape `(inputs,)` each; called once a round.
        low: Ideal input at which code 0 begins, in V.
        step: Ideal width of a code in V.
        top: Largest code.
        resolution: Width in V at which an interval that holds a level is narrow enough.
        margin: How far beyond the ideal range levels are looked for, in V.
    """

    def __init__(self, convert: Convert, low: float, step: float, top: int, resolution: float, margin: float) -> None:
        self._convert = convert
        self._low, self._step, self._top = low, step, top
        self._resolution = resolution
        self._ends = (low - margin, low + (top + 1) * step + margin)
        self._inputs = np.empty(0)
        self._codes = np.empty(0, np.int64)

    @property
    def inputs(self) -> FloatArray:
        """All inputs that were converted, in rising order, shape `(conversions,)`."""
        return self._inputs

    @property
    def codes(self) -> IntArray:
        """Their codes."""
        return self._codes

    def levels(self, codes: Sequence[int]) -> FloatArray:
        """Returns the transition levels of some codes in V, shape `(len(codes),)`; nan where there is none."""
        wanted = sorted(set(codes))
        middle = wanted[len(wanted) // 2]
        outer = sorted({wanted[0], wanted[-1]} - {middle})
        rest = [code for code in wanted if code not in (middle, *outer)]
        self._ask(np.array(self._ends))
        found: dict[int, float] = {}
        for stage in ([middle], outer, rest):
            found |= self._stage(stage, found)
        return np.array([found[code] for code in codes])

    def _stage(self, stage: list[int], found: dict[int, float]) -> dict[int, float]:
        predictions = dict(zip(stage, self._predict(stage, found).tolist(), strict=True))
        count = _PROBES if len(stage) <= 2 else 1
        open_codes = stage
        first = True
        while open_codes:
            probes: list[float] = []
            still = []
            for code in open_codes:
                bracket = self._bracket(code)
                if bracket is None or bracket[1] - bracket[0] <= 1.001 * self._resolution:
                    continue
                still.append(code)
                probes += self._probes(bracket, predictions[code], count, first)
            if probes:
                self._ask(np.array(probes))
            open_codes, first = still, False
        brackets = {code: self._bracket(code) for code in stage}
        return {code: np.nan if bracket is None else 0.5 * sum(bracket) for code, bracket in brackets.items()}

    def _probes(self, bracket: tuple[float, float], prediction: float, count: int, first: bool) -> list[float]:
        low, high = bracket
        half = 0.5 * self._resolution
        if low < prediction - half and prediction + half < high:
            spread = [prediction - half, prediction + half]
            if count > 2:  # nothing near is known yet: one step to both sides, too
                spread += [prediction - self._step, prediction + self._step]
            return [probe for probe in spread if low < probe < high]
        if count == 1:
            middle = 0.5 * (low + high)
            if prediction <= low:
                return [min(low + max(2.0 * (low - prediction), self._resolution), middle)]
            if prediction >= high:
                return [max(high - max(2.0 * (prediction - high), self._resolution), middle)]
            return [middle]
        return np.linspace(low, high, count + 2)[1:-1].tolist()

    def _predict(self, codes: list[int], found: dict[int, float]) -> FloatArray:
        ideal = self._low + self._step * np.array(codes, float)
        known = [(code, level) for code, level in found.items() if np.isfinite(level)]
        if not known:
            return ideal
        k, levels = np.array(known, float).T
        if len(known) == 1:
            return ideal + (levels[0] - self._low - self._step * k[0])
        slope, zero = np.polyfit(k, levels, 1)
        return zero + slope * np.array(codes, float)

    def _bracket(self, code: int) -> tuple[float, float] | None:
        """Returns inputs between which the code is reached first; none where it is never, or at once."""
        reached = np.flatnonzero(self._codes >= code)
        if not len(reached) or reached[0] == 0:
            return None
        return float(self._inputs[reached[0] - 1]), float(self._inputs[reached[0]])

    def _ask(self, inputs: FloatArray) -> None:
        inputs = np.setdiff1d(np.unique(inputs), self._inputs)
        if not len(inputs):
            return
        all_inputs = np.concatenate([self._inputs, inputs])
        all_codes = np.concatenate([self._codes, self._convert(inputs)])
        order = np.argsort(all_inputs)
        self._inputs, self._codes = all_inputs[order], all_codes[order]
