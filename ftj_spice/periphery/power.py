"""What a circuit takes from its supplies."""

import math
from collections.abc import Mapping

import numpy as np

from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.waveform import FloatArray, charge, value_at

Vectors = Mapping[str, FloatArray]


def sources(rig: Rig) -> dict[str, float]:
    """Returns the voltage of each supply and each biased level in V, by port: the ideal sources `v{port}`."""
    levels = {port: rig.variant.bias(port) for port in rig.variant.biases}
    return rig.supplies | {port: value for port, (unit, value) in levels.items() if unit == "V"}


def bias_power(rig: Rig) -> dict[str, float]:
    """Returns what each bias current takes from the core supply in W, by port: the bench's ideal sources hide it."""
    levels = {port: rig.variant.bias(port) for port in rig.variant.biases}
    return {port: abs(value) * rig.condition.core for port, (unit, value) in levels.items() if unit == "A"}


def bias_energy(rig: Rig, seconds: float) -> dict[str, float]:
    """Returns what bias currents take over a time in J: `energy_PORT` of each."""
    return {f"energy_{port}": watts * seconds for port, watts in bias_power(rig).items()}


def currents(rig: Rig) -> list[str]:
    """Returns the vectors that `energy` and `power` need."""
    return [f"i(v{port})" for port in sources(rig)]


def given(time: FloatArray, current: FloatArray, level: float, begin: float, end: float) -> float:
    """Returns the energy that a source of constant voltage gives over a span in J.

    What flows back into it is used again (a supply has its own capacitance), but a span in which more flows back than
    it gave saves nothing: it counts as 0.

    Args:
        time: In s.
        current: Through the source in A, ngspice's sign: negative where it gives.
        level: Its voltage in V.
        begin: Of the span in s.
        end: Of the span in s.
    """
    return max(0.0, -level * charge(time, current, begin, end))


def driven(time: FloatArray, current: FloatArray, level: float, begin: float, end: float) -> float:
    """Returns the energy that a driver takes from a supply of `level` to make a signal over a span in J.

    What flows back goes to ground through the driver and is lost: a capacitance costs C V^2 a pulse. Arguments are
    those of `given`, `level` the signal's upper level.
    """
    return level * charge(time, np.maximum(-current, 0.0), begin, end)


def energy(rig: Rig, time: FloatArray, vectors: Vectors, begin: float, end: float) -> dict[str, float]:
    """Returns the energy that a span of time takes: `energy`, and `energy_PORT` of each source and bias current, in J.

    Each source counts as `given` says.
    """
    return _account(rig, sources(rig), time, vectors, begin, end)


def supplied(rig: Rig, time: FloatArray, vectors: Vectors, begin: float, end: float) -> dict[str, float]:
    """Returns as `energy` does what supplies and bias currents alone give: levels carry no current worth counting."""
    return _account(rig, rig.supplies, time, vectors, begin, end)


def _account(
    rig: Rig, levels: Mapping[str, float], time: FloatArray, vectors: Vectors, begin: float, end: float
) -> dict[str, float]:
    parts = {f"energy_{port}": given(time, vectors[f"i(v{port})"], level, begin, end) for port, level in levels.items()}
    parts |= bias_energy(rig, end - begin)
    return {"energy": math.fsum(parts.values())} | parts


def power(rig: Rig, time: FloatArray, vectors: Vectors, moment: float) -> float:
    """Returns the power at a moment, all sources and bias currents, in W; what flows back counts as 0."""
    given = [
        max(0.0, -level * float(value_at(time, vectors[f"i(v{port})"], moment))) for port, level in sources(rig).items()
    ]
    return math.fsum([*given, *bias_power(rig).values()])
