"""A process as data: one TOML file that names devices, corners, supplies, passives and the library's files.

The packaged ones are `generic` (cards of our own, nothing to install) and `sky130`; a third is a TOML file and a path.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.packaged import Packaged, read_toml
from ftj_spice.common.quantities import Metres, Volts, in_unit
from ftj_spice.common.settings import Line, Strict

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
Role = Literal["nmos", "pmos", "nmos_hv", "pmos_hv", "nmos_lvt", "pmos_lvt", "pmos_hvt"]
"""What a template asks for: core transistors, thick-oxide (`hv`), low and high threshold."""
FilePattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./{}+-]{1,200}$")]
Place = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./{}+ -]{1,200}\*?$")]
PACKAGED = Packaged("process", lambda: [resources.models() / "processes"])


class Device(Strict):
    """One kind of transistor.

    The library defines it as a subcircuit with terminals drain, gate, source, bulk and the parameters `w l nf m mult ad
    as pd ps`, lengths in micrometres; `mismatch` names further ones, each a standard normal number of the instance.
    """

    model: Name
    """Subcircuit of the library."""
    files: Annotated[tuple[FilePattern, ...], Field(min_length=1)]
    """Files of the library that define it; `{model}` stands for the subcircuit, `{corner}` for the corner."""
    mismatch: tuple[Name, ...] = ()
    """Parameters of the subcircuit that take standard normal numbers; for binned libraries also the model parameters
    (`vth0`, `toxe`, ...) whose built-in random terms they replace, as `z` + name."""
    supply: Literal["core", "high"] = "core"
    """Supply that it stands."""
    min_width: Metres
    """Smallest width of one finger."""
    min_length: Metres
    """Smallest length."""
    max_width: Metres = 100e-6
    """Largest width of one finger."""
    max_length: Metres = 100e-6
    """Largest length."""
    diffusion: Metres
    """Length of a source or drain region, for junction areas and perimeters."""

    def filled(self, pattern: str, corner: str) -> str:
        """Returns a file's or folder's name: `{cell}` is what follows `__` in the subcircuit's name."""
        cell = self.model.partition("__")[2]
        return pattern.replace("{model}", self.model).replace("{cell}", cell).replace("{corner}", corner)


class Passives(Strict):
    """Resistors and capacitors: linear elements with area and mismatch."""

    capacitor_density: Annotated[float, in_unit("F/m^2"), Field(gt=0)]
    """Capacitance per area."""
    capacitor_mismatch: Annotated[float, in_unit("m"), Field(ge=0)]
    """Standard deviation of a capacitor's relative error times the square root of its area."""
    sheet_resistance: Annotated[float, in_unit("ohm"), Field(gt=0)]
    """Resistance per square of the film resistors are made of."""
    resistor_width: Annotated[float, in_unit("m"), Field(gt=0)]
    """Width they are drawn with."""
    resistor_mismatch: Annotated[float, in_unit("m"), Field(ge=0)]
    """Standard deviation of a resistor's relative error times the square root of its area."""
    source: Line
    """Where these numbers come from."""


class Corner(Strict):
    """One corner of the process."""

    files: Name
    """What stands for `{corner}` in file names."""
    title: Line
    """What it stands for."""
    capacitance: Annotated[float, Field(gt=0)] = 1.0
    """Factor of capacitances."""
    resistance: Annotated[float, Field(gt=0)] = 1.0
    """Factor of resistances."""


class Library(Strict):
    """Where the models are."""

    kind: Literal["plain", "binned"]
    """`plain`: files that are taken whole; `binned`: subcircuits of binned models, reduced to the bins in use."""
    places: tuple[Place, ...]
    """Folders, relative to the process file; the first that holds the models is taken. `{package}` stands for the
    folder of the Python package, `{pdk_root}` for the environment's PDK_ROOT, a `*` at the end for a version, the
    newest first."""
    folders: tuple[FilePattern, ...] = (".",)
    """Folders of a place that files are looked for in; `{cell}` is what follows `__` in the subcircuit's name."""
    package: Name | None = None
    """Python package that carries the models."""
    version: Line | None = None
    """Version of the package that was tried."""
    requirement: Line | None = None
    """What pip installs, without its dependencies."""
    parameters: tuple[FilePattern, ...] = ()
    """Files of `.param` lines that models refer to; the first that has one defines it."""
    checksums: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of files that were tried, by name."""
    options: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_]+=[A-Za-z0-9_.+-]+$")], ...] = ()
    """Options that every deck needs."""


class Process(Strict):
    """One transistor process."""

    name: Name
    """Identifier."""
    title: Line
    """What people call it."""
    licence: Line
    """Licence of the models."""
    source: Line
    """Where the models come from."""
    models: Library
    """Where the models are."""
    supplies: dict[Literal["core", "high"], Volts]
    """Nominal supply voltages."""
    devices: dict[Role, Device]
    """Transistors by role."""
    corners: dict[Name, Corner]
    """Corners by name; the first is the typical one."""
    passives: Passives
    """Resistors and capacitors."""
    layout_factor: Annotated[float, Field(ge=1)]
    """Area of a laid-out block over the sum of its devices' gate, film and plate areas."""
    layout_source: Line
    """Where the layout factor comes from."""
    folder: Path = Field(default=Path(), exclude=True)
    """Folder of the process file."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for role in ("nmos", "pmos"):
            if role not in self.devices:
                raise ValueError(f"the devices must name '{role}'")
        if not self.corners:
            raise ValueError("the process must have one corner at least")
        for supply in ("core", *(device.supply for device in self.devices.values())):
            if supply not in self.supplies:
                raise ValueError(f"the supplies must name '{supply}'")
        return self

    @property
    def typical(self) -> str:
        """Name of the typical corner."""
        return next(iter(self.corners))

    def typical_file(self, device: Device) -> str:
        """Returns the name of the last file that defines a transistor in the typical corner."""
        return device.filled(device.files[-1], self.corners[self.typical].files)

    def device(self, role: str) -> Device:
        """Returns the transistor of a role.

        Raises:
            SettingsError: The process has none.
        """
        for name, device in self.devices.items():
            if name == role:
                return device
        raise SettingsError(f"process '{self.name}' has no transistor {role!r}; it has {', '.join(self.devices)}")

    def corner(self, name: str) -> Corner:
        """Returns a corner.

        Raises:
            SettingsError: There is no such corner.
        """
        if name not in self.corners:
            raise SettingsError(f"process '{self.name}' has no corner {name!r}; it has {', '.join(self.corners)}")
        return self.corners[name]


def available_processes() -> list[str]:
    """Returns the names of the packaged processes."""
    return PACKAGED.names()


def load_process(process: str | Path) -> Process:
    """Returns a process.

    Args:
        process: Name of a packaged one, or a .toml file.

    Raises:
        SettingsError: No such process, an unreadable or malformed file, or one that does not fit the model.
    """
    path, _ = PACKAGED.find(process)
    return Process.parse(read_toml(path), str(path)).model_copy(update={"folder": path.parent})
