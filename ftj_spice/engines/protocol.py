"""What every engine shares: analyses and results.

An engine loads a netlist once and evaluates it many times: `open(netlist) -> session`, `session.alter(...)`,
`session.run(...)`, `session.close()`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from numpy.typing import NDArray

from ftj_spice.device.traps import TrapHistory


@dataclass(frozen=True)
class OperatingPoint:
    """The DC solution."""

    def command(self) -> str:
        """Returns the simulator's command."""
        return "op"

    def finer(self, factor: float) -> Self:
        """Returns the analysis itself: it has no step."""
        return self

    @property
    def scale(self) -> None:
        """There is none."""
        return

    @property
    def end(self) -> float:
        """There is none: 0."""
        return 0.0


@dataclass(frozen=True)
class Sweep:
    """A DC sweep of one source over `0, 1, ..., points - 1`: a batch of inputs that follow the source's value.

    Attributes:
        source: Name of the swept voltage or current source.
        points: Number of points.
    """

    source: str
    points: int

    def command(self) -> str:
        """Returns the simulator's command."""
        return f"dc {self.source} 0 {self.points - 1} 1"

    def finer(self, factor: float) -> Self:
        """Returns the analysis itself: its points are given."""
        return self

    @property
    def scale(self) -> str:
        """Vector of the swept value."""
        return "i-sweep" if self.source[:1].lower() == "i" else "v-sweep"

    @property
    def end(self) -> float:
        """Last value of the scale."""
        return self.points - 1.0


@dataclass(frozen=True)
class Transient:
    """A transient.

    Attributes:
        step: Suggested step in s.
        stop: End in s.
        max_step: Largest step in s.
        use_initial_conditions: Starts from the given initial conditions instead of an operating point.
    """

    step: float
    stop: float
    max_step: float
    use_initial_conditions: bool = False

    def command(self) -> str:
        """Returns the simulator's command."""
        uic = " uic" if self.use_initial_conditions else ""
        return f"tran {float(self.step)!r} {float(self.stop)!r} 0 {float(self.max_step)!r}{uic}"

    def finer(self, factor: float) -> "Transient":
        """Returns the same transient with steps smaller by `factor`."""
        return replace(self, step=self.step / factor, max_step=self.max_step / factor)

    @property
    def scale(self) -> str:
        """Vector of time."""
        return "time"

    @property
    def end(self) -> float:
        """Last value of the scale."""
        return self.stop


@dataclass(frozen=True)
class SmallSignal:
    """Small-signal responses around the operating point, complex, to the sources that have an `ac` value.

    Attributes:
        start: First frequency in Hz.
        stop: Last frequency in Hz; the grid ends within one step below it, or on it.
        points_per_decade: Points per decade.
    """

    start: float
    stop: float
    points_per_decade: int

    def command(self) -> str:
        """Returns the simulator's command."""
        return f"ac dec {self.points_per_decade} {float(self.start)!r} {float(self.stop)!r}"

    def finer(self, factor: float) -> Self:
        """Returns the analysis itself: its points are given."""
        return self

    @property
    def scale(self) -> str:
        """Vector of the frequency; its imaginary part is 0."""
        return "frequency"

    @property
    def end(self) -> float:
        """Least last value of the scale: versions differ in how they round the number of steps."""
        return self.stop * 10.0 ** (-1.0 / self.points_per_decade)


@dataclass(frozen=True)
class Noise(SmallSignal):
    """Spectral densities of the circuit's own noise, around the operating point.

    Vectors: `onoise_spectrum`, at the output, in V/sqrt(Hz); `inoise_spectrum`, referred to the source, in V/sqrt(Hz)
    or A/sqrt(Hz). A netlist with `.save` lines must save them, too.

    Attributes:
        output: Voltage `v(node)` or `v(plus,minus)`.
        source: Name of the voltage or current source that the input noise refers to; it needs an `ac` value.
    """

    output: str
    source: str

    def command(self) -> str:
        """Returns the simulator's command."""
        return f"noise {self.output} {self.source}" + super().command().removeprefix("ac")


Analysis = OperatingPoint | Sweep | Transient | SmallSignal | Noise


@dataclass(frozen=True)
class Result:
    """One evaluated analysis.

    Attributes:
        vectors: Waveforms by the name they were asked for; where many runs were asked for, the runs come first.
        engine: Simulator and version, e.g. `ngspice-39`.
        netlist_hash: SHA-256 of the netlist, hexadecimal.
        status: `ok`, or the rung of the convergence ladder that gave the solution.
        history: What the traps did, where the run had traps.
        messages: What the simulator printed.
    """

    vectors: dict[str, NDArray[Any]]
    engine: str
    netlist_hash: str
    status: str = "ok"
    history: TrapHistory | None = None
    messages: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.vectors[name]
