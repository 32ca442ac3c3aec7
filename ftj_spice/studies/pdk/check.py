"""A process's transistors in ngspice: does each load in each corner, and does it behave like a transistor?"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.errors import EngineError, EngineNotFoundError
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.protocol import Sweep
from ftj_spice.netlist.process.models import ProcessError, Size, model_text, place, process_notes
from ftj_spice.netlist.process.process import Device, Process
from ftj_spice.studies.observer import Observer, silent

POINTS = 37
"""Gate voltages from 0 to the supply."""
CURRENT_ON = (1.0, 3000.0)
"""Current of a transistor that is fully on, in A per m of width (uA/um): what CMOS down to 28 nm gives, with room."""
RATIO = 100.0
"""On over off current at least: a low-threshold p-channel transistor of SKY130 in the corner fs has 600."""


@dataclass(frozen=True)
class Checked:
    """One transistor in one corner, at its smallest width and length.

    Attributes:
        role: Its role.
        corner: The corner.
        on: Drain current in A at full gate and drain voltage.
        off: Drain current in A with the gate off.
        mismatch: Relative change of the on current with every mismatch number at 1; none where it has none.
        problems: What is wrong, a sentence each.
    """

    role: str
    corner: str
    on: float
    off: float
    mismatch: float | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """One corner.

    Attributes:
        corner: Its name.
        assembly: Seconds that putting the models together takes.
        load: Seconds that ngspice takes to load all transistors; none where it does not.
        problems: What is wrong with the corner as a whole.
    """

    corner: str
    assembly: float
    load: float | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a check has found.

    Attributes:
        process: Name of the process.
        folder: Where its models are.
        notes: Checksums and versions that differ from those that were tried.
        corners: The corners.
        devices: Every transistor in every corner that loads.
    """

    process: str
    folder: str
    notes: tuple[str, ...]
    corners: tuple[Loaded, ...]
    devices: tuple[Checked, ...]

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong."""
        return [text for one in (*self.corners, *self.devices) for text in one.problems]


def check(process: Process, corners: Sequence[str] = (), observer: Observer = silent) -> Report:
    """Loads every transistor in the corners and looks at its currents.

    Args:
        process: The process.
        corners: Names of corners; all where empty.
        observer: Told of each corner.

    Raises:
        ProcessError: The models are not here.
        SettingsError: There is no such corner.
        EngineNotFoundError: There is no ngspice.
    """
    folder = str(place(process))
    names = list(dict.fromkeys(corners)) or list(process.corners)
    for name in names:
        process.corner(name)
    loaded: list[Loaded] = []
    devices: list[Checked] = []
    notes: dict[str, None] = {}
    with NgspiceEngine(1) as engine:
        engine.features()  # the first corner's load is not to count the start of ngspice
        for index, name in enumerate(names):
            observer("corners", index, len(names))
            corner, found = _corner(process, name, engine)
            loaded.append(corner)
            devices += found
            if corner.load is not None:
                notes |= dict.fromkeys(process_notes(process, name))
    observer("corners", len(names), len(names))
    return Report(process.name, folder, tuple(notes), tuple(loaded), tuple(_in_order(devices)))


def _corner(process: Process, corner: str, engine: NgspiceEngine) -> tuple[Loaded, list[Checked]]:
    start = time.perf_counter()
    try:
        sizes = [Size(role, device.min_width, device.min_length) for role, device in process.devices.items()]
        text = model_text(process, corner, sizes)
    except ProcessError as error:
        return Loaded(corner, time.perf_counter() - start, None, (f"{corner}: {error}",)), []
    assembled = time.perf_counter()
    vectors = [f"i(v{which}{role})" for role in process.devices for which in "dz"]
    load = None
    try:
        with engine.open(_netlist(process, text)) as session:
            load = time.perf_counter() - assembled
            result = session.run(Sweep("vindex", POINTS), vectors)
    except EngineNotFoundError:
        raise
    except EngineError as error:
        return Loaded(corner, assembled - start, load, (f"{corner}: {error}",)), []
    checked = []
    for role, device in process.devices.items():
        sign = 1.0 if role.startswith("p") else -1.0
        checked.append(_judge(role, corner, device, sign * result[f"i(vd{role})"], sign * result[f"i(vz{role})"]))
    return Loaded(corner, assembled - start, load), checked


def _netlist(process: Process, models: str) -> str:
    """Returns every transistor twice, the second with its mismatch numbers at 1; gates follow the swept source."""
    lines = [f"* transistors of process {process.name}", models, "vindex index 0 0", "rindex index 0 1k"]
    for role, device in process.devices.items():
        volts = process.supplies[device.supply] * (-1.0 if role.startswith("p") else 1.0)
        size = f"w={1e6 * device.min_width:.9g} l={1e6 * device.min_length:.9g}"
        skew = "".join(f" z{name}=1" for name in device.mismatch)
        lines.append(f"eg{role} g{role} 0 index 0 {volts / (POINTS - 1):.9g}")
        for which, more in (("d", ""), ("z", skew)):
            lines.append(f"v{which}{role} {which}{role} 0 {volts:.9g}")
            lines.append(f"x{which}{role} {which}{role} g{role} 0 0 {device.model} {size}{more}")
    return "\n".join([*lines, ".options gmin=1e-15 abstol=1e-15", ".end", ""])


def _judge(
    role: str, corner: str, device: Device, current: NDArray[np.float64], skewed: NDArray[np.float64]
) -> Checked:  # fmt: skip
    on, off = float(current[-1]), float(current[0])
    problems = []
    low, high = (bound * device.min_width for bound in CURRENT_ON)
    if not low <= on <= high:
        problems.append(f"conducts {on:.3g} A when fully on, not {low:.3g} to {high:.3g} A")
    if not 0.0 <= off <= on / RATIO:
        problems.append(f"conducts {off:.3g} A when off, more than {1 / RATIO:g} of its on current")
    # Below, the drain's field (gate-induced leakage) may well raise the current of a transistor that is off.
    if np.any(np.diff(current[current > on / RATIO]) <= 0.0):
        problems.append("conducts less at a higher gate voltage")
    mismatch = float(skewed[-1] / on - 1.0) if device.mismatch and on > 0.0 else None
    if mismatch is not None and not 0.0 < abs(mismatch) < 1.0:
        problems.append("does not change with its mismatch numbers, or much too much")
    return Checked(role, corner, on, off, mismatch, tuple(f"{corner}: {role} {text}" for text in problems))


def _in_order(devices: Sequence[Checked]) -> Iterator[Checked]:
    """Adds a problem to transistors that a slow corner makes faster than the typical one, or a fast corner slower."""
    typical = {one.role: one.on for one in devices if one.corner == "tt"}
    for one in devices:
        reference = typical.get(one.role)
        wrong = reference is not None and (
            (one.corner == "ss" and one.on >= reference) or (one.corner == "ff" and one.on <= reference)
        )
        text = f"{one.corner}: {one.role} conducts {one.on:.3g} A, against {reference or 0.0:.3g} A in tt"
        yield replace(one, problems=(*one.problems, text)) if wrong else one
