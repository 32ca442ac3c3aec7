"""What a circuit takes from its supplies."""

import math
from collections.abc import Mapping

from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.waveform import FloatArray, charge, value_at

Vectors = Mapping[str, FloatArray]


def sources(rig: Rig) -> dict[str, float]:
    """Returns the voltage of each supply and each biased level in V, by port: the ideal sources `v{port}`."""
    levels = {port: rig.variant.bias(port) for port in rig.variant.biases}
    return rig.supplies | {port: value for port, (unit, value) in levels.items() if unit == "V"}


def bias_power(rig: Rig) -> dict[str, float]:
    """Returns what each bias current takes from the core supply in W, by port: the bench's ideal sources hide it."""
    core = rig.condition.process.supplies["core"] * rig.condition.supply
    levels = {port: rig.variant.bias(port) for port in rig.variant.biases}
    return {port: abs(value) * core for port, (unit, value) in levels.items() if unit == "A"}


def bias_energy(rig: Rig, seconds: float) -> dict[str, float]:
    """Returns what bias currents take over a time in J: `energy_PORT` of each."""
    return {f"energy_{port}": watts * seconds for port, watts in bias_power(rig).items()}


def currents(rig: Rig) -> list[str]:
    """Returns the vectors that `energy` and `power` need."""
    return [f"i(v{port})" for port in sources(rig)]


def energy(rig: Rig, time: FloatArray, vectors: Vectors, begin: float, end: float) -> dict[str, float]:
    """Returns the energy that a span of time takes: `energy`, and `energy_PORT` of each source and bias current, in J.

    A source to which more charge flows back than it gave saves nothing by that: it counts as 0.
    """
    parts = {
        f"energy_{port}": max(0.0, -level * charge(time, vectors[f"i(v{port})"], begin, end))
        for port, level in sources(rig).items()
    } | bias_energy(rig, end - begin)
    return {"energy": math.fsum(parts.values())} | parts


def power(rig: Rig, time: FloatArray, vectors: Vectors, moment: float) -> float:
    """Returns the power at a moment, all sources and bias currents, in W; what flows back counts as 0."""
    given = [
        max(0.0, -level * float(value_at(time, vectors[f"i(v{port})"], moment))) for port, level in sources(rig).items()
    ]
    return math.fsum([*given, *bias_power(rig).values()])
