"""What every comparator is asked: how long it takes to decide, over the size of its input and over its level."""

from collections.abc import Callable, Sequence

import numpy as np

from ftj_spice.periphery.bench import Curve
from ftj_spice.periphery.figures import MeasurementError

_TIME = "decision time (s)"


def times_over_input(decision_time: Callable[[float], float], overdrives: Sequence[float], beyond: str) -> Curve:
    """Returns how decision times fall with the input; without the inputs that it does not decide.

    Args:
        decision_time: Of an input that lies so far beyond where it flips in V, in s.
        overdrives: These distances in V.
        beyond: What they lie beyond.
    """
    pairs = []
    for overdrive in overdrives:
        try:
            pairs.append((overdrive, decision_time(overdrive)))
        except MeasurementError:
            continue
    x, y = np.array(pairs).T
    return Curve(x, y, f"input beyond {beyond} (V)", _TIME)


def input_range(
    decision_time: Callable[[float], float], limit: float, rest: float, top: float, step: float, label: str
) -> tuple[dict[str, float], Curve]:
    """Returns how far the inputs' level may go either way, and the decision times on the way there.

    Args:
        decision_time: At a level in V, in s.
        limit: Longest decision time allowed in s.
        rest: Level to begin at in V.
        top: Highest level in V; the lowest is 0.
        step: From one level to the next in V.
        label: What the level is, with unit.

    Returns:
        `input_low` and `input_high`: the last levels before a decision takes too long or fails; and the curve.
    """
    times: dict[float, float] = {}
    ends = {}
    for name, direction, reach in (("input_low", -1.0, rest), ("input_high", 1.0, top - rest)):
        ends[name] = rest
        for k in range(int(reach / step + 1e-9) + 1):
            level = rest + direction * k * step
            try:
                times[level] = decision_time(level)
            except MeasurementError:
                break
            if times[level] > limit:
                break
            ends[name] = level
    levels = np.array(sorted(times))
    return ends, Curve(levels, np.array([times[level] for level in levels]), label, _TIME)
