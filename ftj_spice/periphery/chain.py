"""Read-out chains as data: a sense block on the bit line and a converter behind it, wired and clocked by one TOML file.

A chain says which variants it takes, which of their ports lie on the bit line, between the blocks and at the end, when
their clocks switch within a read, and which input its top code stands for. One read follows the other: time counts from
a read's begin.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.packaged import Packaged, read_toml
from ftj_spice.common.quantities import Amperes, Farads, Seconds, Volts, in_unit
from ftj_spice.common.settings import Strict
from ftj_spice.netlist.catalogue.variant import Identifier, Variant, load_variant

PACKAGED = Packaged("read-out chain", lambda: [resources.netlists() / "periphery" / "chains"])


class Clock(Strict):
    """A clock of a block: pulses in every read."""

    begin: Annotated[Seconds, Field(ge=0)]
    """Rise of the first pulse; at 0 it is high from the start."""
    end: Annotated[Seconds, Field(gt=0)]
    """Its fall."""
    count: Annotated[int, Field(ge=1, le=4096)] = 1
    """Pulses."""
    every: Annotated[Seconds, Field(gt=0)] | None = None
    """From one rise to the next."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.begin:
            raise ValueError("a clock's 'end' must come after its 'begin'")
        if (self.every is None) != (self.count == 1):
            raise ValueError("'count' and 'every' are given together")
        if self.every is not None and self.every <= self.end - self.begin:
            raise ValueError("'every' must be longer than a pulse")
        return self

    @property
    def last(self) -> float:
        """Fall of the last pulse in s."""
        return self.end + (self.count - 1) * (self.every or 0.0)


class Block(Strict):
    """One block of a chain."""

    variant: Identifier
    """Its variant: a packaged one, or a TOML file beside the chain's."""
    parameters: dict[Identifier, float | str] = Field(default_factory=dict)
    """Parameters that differ from the variant's defaults, with units."""
    biases: dict[Identifier, str] = Field(default_factory=dict)
    """Biases that differ from the variant's."""
    clocks: dict[Identifier, Clock] = Field(default_factory=dict)
    """Clocks by port."""
    open: tuple[Identifier, ...] = ()
    """Outputs that nothing takes."""


class Sense(Block):
    """The block on the bit line."""

    column: Identifier
    """Port on the bit line."""
    output: Identifier
    """Port that the converter takes."""
    output_at: Annotated[Seconds, Field(gt=0)]
    """When the output counts."""


class Convert(Block):
    """The converter."""

    input: Identifier
    """Port that takes the sense block's output."""
    bits: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=255)]
    """Ports of the code: most significant first, or a thermometer's in any order."""
    bits_at: Annotated[Seconds, Field(gt=0)]
    """When they count."""
    code: Literal["binary", "thermometer"] = "binary"
    """What the ports say: a thermometer's code is the number of ports that are high."""
    load: Annotated[Farads, Field(gt=0)] = 5e-15
    """Capacitance on each port of the code: a bare latch decides otherwise than one with a gate behind."""
    falls: bool = False
    """Whether the sense block's output falls as the current grows: codes then count down from the top."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        count = len(self.bits)
        if self.code == "binary" and count > 16:
            raise ValueError(f"a binary code has 16 ports at most, not {count}")
        if self.code == "thermometer" and (count < 3 or count & (count + 1)):
            raise ValueError(f"a thermometer of whole bits has 3, 7, 15 ... ports, not {count}")
        return self

    @property
    def resolution(self) -> int:
        """Bits of a code."""
        return len(self.bits) if self.code == "binary" else (len(self.bits) + 1).bit_length() - 1

    def codes(self, high: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Returns the codes of ports that are high or not.

        Args:
            high: Shape `(ports, ...)`.

        Returns:
            Codes, shape `(...)`.
        """
        ports = len(self.bits)
        weights = 2 ** np.arange(ports - 1, -1, -1) if self.code == "binary" else np.ones(ports, np.int64)
        codes = np.tensordot(weights, high.astype(np.int64), 1)
        return 2**self.resolution - 1 - codes if self.falls else codes


class IdealConvert(Strict):
    """A converter without flaws in place of a circuit: a mid-tread quantiser."""

    bits: Annotated[int, Field(ge=1, le=16)]
    """Resolution."""
    low: Volts
    """Input of code 0."""
    high: Volts
    """Input of the top code."""

    def codes(self, voltages: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the codes of voltages, same shape."""
        top = 2**self.bits - 1
        return np.clip(np.rint((voltages - self.low) / (self.high - self.low) * top), 0, top).astype(np.int64)


class Chain(Strict):
    """A read-out chain of one column."""

    name: Identifier
    """Identifier; the file's name."""
    title: str
    """A few words, for tables and plots."""
    description: str
    """One or two sentences."""
    card: str
    """Card of the columns that it is sized for."""
    virtual_ground: Volts
    """Voltage that the bit line is meant to stand at; rows stand at it plus their input."""
    full_scale: Annotated[Amperes, Field(gt=0)]
    """Column current of the top code."""
    period: Annotated[Seconds, Field(gt=0)]
    """Time of one read."""
    step: Annotated[Seconds, Field(gt=0)]
    """Largest time step of the simulation."""
    wire: Annotated[Farads, Field(ge=0)] = 0.13e-12
    """Capacitance of the bit line's wire; the cells bring their own."""
    clock_edge: Annotated[Seconds, Field(gt=0)] = 1e-9
    """Rise and fall time of clocks."""
    row_edge: Annotated[Seconds, Field(gt=0)] = 10e-9
    """Rise and fall time of rows."""
    sense: Sense
    """What holds the bit line and turns its current into a voltage."""
    convert: Convert | None = None
    """What turns the voltage into a code."""
    ideal: IdealConvert | None = None
    """In place of `convert`: a converter without flaws."""
    folder: Path = Field(default=Path(), exclude=True)
    """Folder of the file."""
    ours: bool = Field(default=False, exclude=True)
    """Whether it is packaged."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.convert is None) == (self.ideal is None):
            raise ValueError("a chain has either a 'convert' block or an 'ideal' converter")
        for kind, block in self.blocks.items():
            for port, clock in block.clocks.items():
                if clock.last > self.period:
                    raise ValueError(f"the clock '{port}' of '{kind}' falls after the period's end")
        moments = {"sense.output_at": self.sense.output_at}
        if self.convert is not None:
            moments["convert.bits_at"] = self.convert.bits_at
        for name, moment in moments.items():
            if moment > self.period:
                raise ValueError(f"'{name}' lies after the period's end")
        return self

    @property
    def blocks(self) -> dict[str, Sense | Convert]:
        """Blocks by kind."""
        return {"sense": self.sense} | ({} if self.convert is None else {"convert": self.convert})

    @property
    def bits(self) -> int:
        """Bits of a code."""
        if self.ideal is not None:
            return self.ideal.bits
        assert self.convert is not None
        return self.convert.resolution

    @property
    def top(self) -> int:
        """Largest code; the smallest is 0."""
        return 2**self.bits - 1

    @property
    def lsb(self) -> float:
        """Current of one step in A."""
        return self.full_scale / self.top

    def ideal_code(self, currents: ArrayLike) -> NDArray[np.int64]:
        """Returns the codes that the design aims at, of column currents in A; same shape."""
        return np.clip(np.rint(np.asarray(currents, float) / self.lsb), 0, self.top).astype(np.int64)

    def variant(self, kind: str) -> Variant:
        """Returns the variant of a block, with the chain's biases.

        Raises:
            SettingsError: There is none, or its ports don't fit what the chain says of them.
        """
        block = self.blocks[kind]
        beside = self.folder / f"{block.variant}.toml"
        found = load_variant(beside if not self.ours and beside.is_file() else block.variant)
        where = f"chain '{self.name}'"
        if found.kind != kind:
            raise SettingsError(
                f"{where}: '{found.name}' is a {found.kind} variant; '{kind}' needs one of its own kind"
            )
        for port in block.biases:
            if port not in found.biases:
                raise SettingsError(f"{where}: '{found.name}' has no bias '{port}'; it has {', '.join(found.biases)}")
        known = {*found.supplies, *found.biases, *self.ports(kind), *block.clocks, *block.open}
        for port in known - set(found.ports):
            raise SettingsError(f"{where}: '{found.name}' has no port '{port}'; it has {', '.join(found.ports)}")
        for port in found.ports:
            if port not in known:
                raise SettingsError(f"{where}: nothing drives or takes the port '{port}' of '{found.name}'")
        merged = found.model_dump(exclude={"folder", "ours"}) | {"biases": found.biases | block.biases}
        return Variant.parse(merged, where).model_copy(update={"folder": found.folder, "ours": found.ours})

    def ports(self, kind: str) -> dict[str, str]:
        """Returns the nodes of a block's signal ports."""
        if kind == "sense":
            return {self.sense.column: "bl", self.sense.output: "out"}
        assert self.convert is not None
        return {self.convert.input: "out"} | {port: f"convert_{port}" for port in self.convert.bits}

    def parameters(self, kind: str) -> dict[str, float]:
        """Returns a block's changed parameters in SI units.

        Raises:
            SettingsError: One does not exist, or its unit does not fit.
        """
        block, found = self.blocks[kind], self.variant(kind)
        values = {}
        for name, value in block.parameters.items():
            if name not in found.parameters:
                known = ", ".join(found.parameters) or "none"
                raise SettingsError(f"chain '{self.name}': '{found.name}' has no parameter '{name}'; it has {known}")
            try:
                values[name] = in_unit(found.parameters[name].unit).func(value)  # type: ignore[call-arg]
            except ValueError as error:
                raise SettingsError(f"chain '{self.name}': '{kind}.parameters.{name}': {error}") from None
        return values


def available_chains() -> list[str]:
    """Returns the names of the packaged chains."""
    return PACKAGED.names()


def load_chain(chain: str | Path) -> Chain:
    """Returns a chain.

    Args:
        chain: Name of a packaged one, or a .toml file.

    Raises:
        SettingsError: No such chain, an unreadable or malformed file, or one that does not fit the model.
    """
    path, ours = PACKAGED.find(chain)
    return Chain.parse(read_toml(path), str(path)).model_copy(update={"folder": path.parent, "ours": ours})
