"""The three witnesses of one device behind one face: numpy, ngspice and Verilog-A in VACASK.

Each answers the same questions about a single cell: its static current, its response to a voltage waveform, and its
current while traps switch. Whoever asks can hold the answers side by side.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.activation import GROUPS
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE, static_current
from ftj_spice.device.switching import MeanSwitching
from ftj_spice.device.traps import PARAMETERS, Candidates, TrapHistory
from ftj_spice.device.waveform import Waveform
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.cosim import Resolution, TrapPlan
from ftj_spice.engines.protocol import Sweep, Transient
from ftj_spice.engines.vacask import VacaskEngine, compile_model
from ftj_spice.netlist import verilog_a
from ftj_spice.netlist.benches import TrapSource
from ftj_spice.netlist.dynamic import MODELS, noise_bench, static_bench, transient_bench


@dataclass(frozen=True)
class Response:
    """What a cell did under a waveform; arrays of shape `(points,)`.

    Attributes:
        times: In s.
        voltage: On the cell, in V.
        polarization: s = P/P_r.
        current: Into the plus terminal, in A: conduction, displacement and switching.
    """

    times: NDArray[np.float64]
    voltage: NDArray[np.float64]
    polarization: NDArray[np.float64]
    current: NDArray[np.float64]


TRANSIENT_POINTS = 400
"""Fewest time steps of a transient: on a slow ramp the switching rates must not jump within a step."""


class Witness(Protocol):
    """A way to ask a single cell.

    Attributes:
        name: `numpy`, `ngspice` or `vacask`.
        version: Name and version, e.g. `ngspice-39`.
        groups: Domain groups that stand for the distribution of activation fields.
    """

    name: str
    version: str
    groups: int

    def static(
        self, card: Card, voltages: NDArray[np.float64], polarization: float, temperature: float = REFERENCE_TEMPERATURE
    ) -> NDArray[np.float64]:
        """Returns the static current in A at each voltage, with the polarization held at s, shape as `voltages`."""
        ...

    def transient(
        self, card: Card, waveform: Waveform, times: NDArray[np.float64], up: float = 0.0,
        temperature: float = REFERENCE_TEMPERATURE,
    ) -> Response:  # fmt: skip
        """Returns the response at `times` (s) of a cell whose groups all start with the share `up`, without history."""
        ...

    def noise(
        self, card: Card, voltage: float, polarization: float, history: TrapHistory, times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Returns the current in A at `times` under a constant voltage while the dominant trap follows a history.

        The voltage acts on the polarization too: against the stored polarity a read disturbs it.
        """
        ...


class _Closing:
    """A context that closes itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held that would have to be given back."""


class NumpyWitness(_Closing):
    """The numpy model.

    Args:
        groups: Domain groups of the mean model; the simulators' models have `GROUPS`.
    """

    name = "numpy"
    version = f"numpy-{np.__version__}"

    def __init__(self, groups: int = GROUPS) -> None:
        self.groups = groups

    def static(
        self, card: Card, voltages: NDArray[np.float64], polarization: float, temperature: float = REFERENCE_TEMPERATURE
    ) -> NDArray[np.float64]:
        """See `Witness`."""
        return static_current(card, voltages, polarization, temperature)

    def transient(
        self, card: Card, waveform: Waveform, times: NDArray[np.float64], up: float = 0.0,
        temperature: float = REFERENCE_TEMPERATURE,
    ) -> Response:  # fmt: skip
        """See `Witness`; the charge's derivative is a central difference on the times asked for and the corners."""
        return self._respond(card, waveform, np.asarray(times, float), up, temperature, None)

    def noise(
        self, card: Card, voltage: float, polarization: float, history: TrapHistory, times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """See `Witness`."""
        hold = Waveform(np.array([0.0, history.duration]), np.array([voltage, voltage]))
        up = 0.5 * (1.0 + polarization)
        return self._respond(card, hold, np.asarray(times, float), up, REFERENCE_TEMPERATURE, history).current

    def _respond(
        self, card: Card, waveform: Waveform, times: NDArray[np.float64], up: float, temperature: float,
        history: TrapHistory | None,
    ) -> Response:  # fmt: skip
        corners = waveform.grid()
        after = np.searchsorted(times, corners)
        gap = np.abs(corners - times[np.clip([after - 1, after], 0, len(times) - 1)]).min(axis=0)
        # A corner that differs from a time asked for by rounding alone would spoil the difference quotient below.
        grid = np.union1d(times, corners[gap > 1e-12 * waveform.duration])
        s = MeanSwitching(rated(card), up=up, groups=self.groups).apply(waveform, grid)[:, 0]
        volts = waveform.at(grid)
        charge = card.electrostatics.charge(volts, card.remanent_polarization * s)
        trap = 0.0 if history is None else history.state_at(0, grid)
        current = card.area * np.gradient(charge, grid) + static_current(card, volts, s, temperature, trap=trap)
        keep = np.searchsorted(grid, times)
        return Response(grid[keep], volts[keep], s[keep], current[keep])


class NgspiceWitness(_Closing):
    """The subcircuit, or the Verilog-A module, in ngspice.

    Args:
        engine: Where to simulate; one of our own by default.
        model: One of `ftj_spice.netlist.dynamic.MODELS`.
    """

    name = "ngspice"
    groups = GROUPS

    def __init__(self, engine: NgspiceEngine | None = None, model: str = "subcircuit") -> None:
        self._engine = engine or NgspiceEngine()
        self._model = model
        self._models = [compile_model()] if model == "verilog-a" else []
        self.version = f"ngspice-{self._engine.features()['version']} ({model})"

    def close(self) -> None:
        """Ends the engine's workers."""
        self._engine.close()

    def static(
        self, card: Card, voltages: NDArray[np.float64], polarization: float, temperature: float = REFERENCE_TEMPERATURE
    ) -> NDArray[np.float64]:
        """See `Witness`."""
        volts = np.asarray(voltages, float).ravel()
        padded = np.append(volts, volts[-1])  # ngspice's table needs two points
        netlist = static_bench(card, padded, np.array([polarization]), temperature, model=self._model)
        with self._engine.open(netlist, self._models) as session:
            found = session.run(Sweep("vindex", len(padded)), ["i(vsense0)"])["i(vsense0)"][:-1]
        return found.reshape(np.shape(voltages))

    def transient(
        self, card: Card, waveform: Waveform, times: NDArray[np.float64], up: float = 0.0,
        temperature: float = REFERENCE_TEMPERATURE,
    ) -> Response:  # fmt: skip
        """See `Witness`; values between ngspice's own points are interpolated."""
        step = waveform.duration / TRANSIENT_POINTS
        netlist = transient_bench(rated(card), waveform, up, temperature, step, self._model)
        with self._engine.open(netlist, self._models) as session:
            run = session.run(
                Transient(step, waveform.duration, step), ["time", "v(plus)", "v(polarization)", "i(vsense)"]
            )
        rows = [np.interp(times, run["time"], run[name]) for name in ("v(plus)", "v(polarization)", "i(vsense)")]
        return Response(np.asarray(times, float), *rows)

    def noise(
        self, card: Card, voltage: float, polarization: float, history: TrapHistory, times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """See `Witness`; co-simulated, each transition on a step of its own (with Verilog-A: the history as PWL)."""
        step = history.duration / TRANSIENT_POINTS
        if self._model == "verilog-a":
            return self._replay(card, voltage, polarization, history, times)
        netlist = noise_bench(
            rated(card), voltage, history.duration, step, 0.5 * (1.0 + polarization), model=self._model
        )
        plan = TrapPlan(_recorded(history, voltage), ("plus",), ("0",), Resolution.EVENTS, transition_time(history))
        with self._engine.open(netlist, self._models) as session:
            run = session.simulate(Transient(step, history.duration, step), ["time", "i(vsense)"], plan)
        return np.interp(times, run["time"], run["i(vsense)"])

    def _replay(
        self, card: Card, voltage: float, polarization: float, history: TrapHistory, times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        source = TrapSource.replay(history, transition_time(history), centred=False)
        step = history.duration / TRANSIENT_POINTS
        up = 0.5 * (1.0 + polarization)
        netlist = noise_bench(rated(card), voltage, history.duration, step, up, source, model=self._model)
        with self._engine.open(netlist, self._models) as session:
            run = session.run(Transient(step, history.duration, step), ["time", "i(vsense)"])
        return np.interp(times, run["time"], run["i(vsense)"])


class VacaskWitness(_Closing):
    """The Verilog-A module in VACASK."""

    name = "vacask"
    groups = GROUPS

    def __init__(self, engine: VacaskEngine | None = None) -> None:
        self._engine = engine or VacaskEngine()
        self.version = self._engine.engine

    def static(
        self, card: Card, voltages: NDArray[np.float64], polarization: float, temperature: float = REFERENCE_TEMPERATURE
    ) -> NDArray[np.float64]:
        """See `Witness`."""
        netlist = verilog_a.static_bench(card, np.ravel(voltages), polarization, temperature)
        return self._engine.run(netlist, ["vsense0:flow(br)"])["vsense0:flow(br)"].reshape(np.shape(voltages))

    def transient(
        self, card: Card, waveform: Waveform, times: NDArray[np.float64], up: float = 0.0,
        temperature: float = REFERENCE_TEMPERATURE,
    ) -> Response:  # fmt: skip
        """See `Witness`; values between VACASK's own points are interpolated."""
        step = waveform.duration / TRANSIENT_POINTS
        return self._ask(verilog_a.transient_bench(rated(card), waveform, up, temperature, step=step), times)

    def noise(
        self, card: Card, voltage: float, polarization: float, history: TrapHistory, times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """See `Witness`; the noise port follows the history as a piecewise-linear voltage."""
        corners = TrapSource.replay(history, transition_time(history), centred=False).histories[0]
        hold = Waveform(np.array([0.0, history.duration]), np.array([voltage, voltage]))
        step = history.duration / TRANSIENT_POINTS
        up = 0.5 * (1.0 + polarization)
        return self._ask(verilog_a.transient_bench(rated(card), hold, up, step=step, trap=corners), times).current

    def _ask(self, netlist: str, times: NDArray[np.float64]) -> Response:
        run = self._engine.run(netlist, ["time", "plus", "polarization", "vsense:flow(br)"])
        rows = [np.interp(times, run["time"], run[name]) for name in ("plus", "polarization", "vsense:flow(br)")]
        return Response(np.asarray(times, float), *rows)


WITNESSES = ("numpy", "ngspice", "vacask")
"""Names of the witnesses."""


def open_witness(
    name: str, model: str = "subcircuit", groups: int = GROUPS
) -> "NumpyWitness | NgspiceWitness | VacaskWitness":
    """Returns a witness by name, as a context manager.

    Args:
        name: One of `WITNESSES`.
        model: What ngspice takes, one of `MODELS`; VACASK is always asked with the Verilog-A module.
        groups: Domain groups of the numpy model.

    Raises:
        SettingsError: There is no such witness or model, or the model does not go with the witness.
        EngineError: Its simulator is missing.
    """
    if name not in WITNESSES:
        raise SettingsError(f"unknown engine {name!r}; known: {', '.join(WITNESSES)}")
    if model not in MODELS:
        raise SettingsError(f"unknown model {model!r}; known: {', '.join(MODELS)}")
    if name == "ngspice":
        return NgspiceWitness(model=model)
    if name == "numpy" and model == "verilog-a":
        raise SettingsError("the numpy engine does not run Verilog-A: take --engine vacask, or ngspice with OSDI")
    return NumpyWitness(groups) if name == "numpy" else VacaskWitness()


def rated(card: Card) -> Card:
    """Returns a card whose switching the witnesses know.

    Raises:
        SettingsError: The card's switching is Preisach's, which knows no rate and has no circuit model.
    """
    if card.switching != "nls":
        raise SettingsError(
            f'card \'{card.name}\': switching = "{card.switching}" has no transient model; take "nls", or '
            f"ftj_spice.device.preisach for loops"
        )
    return card


def transition_time(history: TrapHistory) -> float:
    """Returns a rise time for a history's transitions, in s: short against all of its dwells."""
    gaps = np.diff(np.concatenate([[0.0], history.times, [history.duration]]))
    return min(1e-3 * float(np.median(gaps)), 0.1 * float(np.min(gaps)))


def _recorded(history: TrapHistory, voltage: float) -> Candidates:
    """Returns candidate events that the co-simulation accepts one and all: it then repeats the history."""
    table = np.ones((1, PARAMETERS))  # whatever the rates: a draw of 0 is below all of them
    count = len(history.times)
    return Candidates(
        history.times, np.zeros(count), np.array([0, count]), history.initial, table, history.duration,
        (min(0.0, voltage) - 0.1, max(0.0, voltage) + 0.1),
    )  # fmt: skip
