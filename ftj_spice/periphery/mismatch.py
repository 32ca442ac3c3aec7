"""What a transistor's mismatch does to its gate voltage, from operating points of single transistors.

An estimate of a circuit's offset by hand starts here: the spread of one device's gate voltage at its bias, from the
process's own mismatch parameters (Pelgrom's law is in them: each falls with the square root of the gate's area;
M. Pelgrom, A. Duinmaijer, A. Welbers, IEEE J. Solid-State Circuits 24(5), 1433-1439 (1989)).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.protocol import OperatingPoint
from ftj_spice.netlist.process.models import Size, model_text
from ftj_spice.netlist.process.process import Process, Role
from ftj_spice.periphery.figures import MeasurementError

_STEP = 1e-3  # V of gate voltage, and standard deviations: both well within the linear range
_SHARE = 0.1


@dataclass(frozen=True)
class Bias:
    """Terminal voltages in V, against the bulk."""

    gate: float
    drain: float
    source: float


@dataclass(frozen=True)
class GateSpread:
    """One transistor at one bias.

    Attributes:
        current: Drain current in A.
        transconductance: In S.
        shifts: Gate voltage in V that makes up for one standard deviation of each mismatch parameter.
    """

    current: float
    transconductance: float
    shifts: Mapping[str, float]

    @property
    def sigma(self) -> float:
        """Standard deviation of the gate voltage at this current, in V."""
        return math.sqrt(math.fsum(shift**2 for shift in self.shifts.values()))


def gate_spread(
    process: Process,
    corner: str,
    role: Role,
    width: float,
    length: float,
    bias: Bias,
    engine: NgspiceEngine,
    temperature: float = 300.0,
) -> GateSpread:
    """Returns the slopes of one transistor's current at an operating point, by central differences.

    Args:
        process: The process.
        corner: Name of its corner.
        role: Which transistor.
        width: In m, one finger.
        length: In m.
        bias: Its terminals.
        engine: What simulates it.
        temperature: In K.

    Raises:
        MeasurementError: It is off.
        FtjSpiceError: The process has no such transistor, or it does not converge.
    """
    device = process.devices[role]
    changed: list[tuple[str, str]] = [("g", ""), ("gup", ""), ("gdown", "")]
    for name in device.mismatch:
        changed += [("g", f" z{name}={_SHARE}"), ("g", f" z{name}={-_SHARE}")]
    size = f"w={1e6 * width:.9g} l={1e6 * length:.9g}"
    lines = [
        f"* {role}, slopes at one bias",
        f".temp {temperature - 273.15:.6g}",
        model_text(process, corner, [Size(role, width, length)]),
        f"vg g 0 {bias.gate!r}\nvgup gup 0 {bias.gate + _STEP!r}\nvgdown gdown 0 {bias.gate - _STEP!r}",
        f"vs s 0 {bias.source!r}",
    ]
    for number, (gate, skew) in enumerate(changed):
        lines.append(f"vd{number} d{number} 0 {bias.drain!r}")
        lines.append(f"x{number} d{number} {gate} s 0 {device.model} {size}{skew}")
    with engine.open("\n".join([*lines, ".end", ""])) as session:
        result = session.run(OperatingPoint(), [f"i(vd{number})" for number in range(len(changed))])
    currents = [-float(result[f"i(vd{number})"][0]) for number in range(len(changed))]
    slope = (currents[1] - currents[2]) / (2.0 * _STEP)
    if slope <= 0:
        raise MeasurementError(f"a transistor {size} of role {role} is off at a gate of {bias.gate:g} V")
    shifts = {
        name: -(currents[3 + 2 * k] - currents[4 + 2 * k]) / (2.0 * _SHARE) / slope
        for k, name in enumerate(device.mismatch)
    }
    return GateSpread(currents[0], slope, shifts)
