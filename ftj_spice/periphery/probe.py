"""Looks into a transistor of a circuit under test: ngspice's name of the device inside the process's subcircuit."""

import re
from collections.abc import Sequence

from ftj_spice.netlist.process.process import Process
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.rig import Netlist


def transconductance(path: Sequence[str]) -> str:
    """Returns the vector of a transistor's transconductance, by the parts of its name."""
    return f"@{'.'.join(path)}[gm]"


def device_path(netlist: Netlist, process: Process, name: str) -> list[str]:
    """Returns the parts of ngspice's name of a transistor.

    Args:
        netlist: A rendered bench, its circuit under test named `dut`.
        process: Its process.
        name: Name in the variant's template; inside other variants with their instances before it: `x_latch.m_inp`.

    Raises:
        MeasurementError: The circuit has no such transistor.
    """
    roles = {part.path: part.kind for part in netlist.deck.parts}
    role = roles.get(f"dut.{name}")
    if role not in process.devices:
        raise MeasurementError(f"the circuit has no transistor '{name}' whose noise could be taken")
    model = process.devices[role].model  # type: ignore[index]
    inside = re.search(rf"(?im)^\.subckt[ \t]+{model}\b.*\n(?:\+.*\n|\*.*\n|\.param.*\n)*(m\w*)[ \t]", netlist.text)
    if inside is None:
        raise MeasurementError(f"the subcircuit {model} of process '{process.name}' does not begin with its transistor")
    *instances, device = name.split(".")
    return ["m", "xdut", *instances, f"x{device}", inside[1].lower()]
