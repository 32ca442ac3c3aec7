"""A small array in ngspice: every pulse and every verify read is a transient of the whole circuit.

All cells are whole junctions that switch, all lines resistive; the states of every domain group are carried from one
transient to the next. Nothing is left out that the vectorised array leaves out: drops along half-selected lines,
charging currents, the load of the other rows.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.chip import check_switching, conductances
from ftj_spice.array.writing.devices import Devices
from ftj_spice.array.writing.schemes import scheme_of
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.activation import domain_groups
from ftj_spice.device.card import Card
from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.session import discard
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.circuit import TOPOLOGIES
from ftj_spice.netlist.dynamic import dynamic_cell
from ftj_spice.netlist.writing import STEPS, WritePulse, state_vectors, write_bench

LARGEST = 32
"""Most cells of an array that is written in ngspice."""
_FINER = (1, 3, 10)  # factors on the number of time steps, tried one after the other


def estimate(cells: int, groups: int = 16, rows: int = 1, pulses: int = 50) -> float:
    """Returns about how many seconds ngspice takes to program an array of `cells` cells in `rows` rows, as measured."""
    size = cells * groups / 16.0
    return rows * pulses * (0.06 * size + 0.0016 * size**2)


def check_size(shape: tuple[int, int], settings: ProgramSettings) -> None:
    """Refuses what ngspice can't write here.

    Raises:
        SettingsError: More cells than `LARGEST`, a topology with select transistors, or a model that is not the mean.
    """
    rows, columns = shape
    if TOPOLOGIES[settings.topology].transistor:
        raise SettingsError(
            f"ngspice writes passive arrays only, not topology {settings.topology!r}; take --engine fast"
        )
    if settings.model != "mean":
        raise SettingsError('ngspice knows the mean switching model only; take model = "mean" or --engine fast')
    if rows * columns > LARGEST:
        hours = estimate(rows * columns, settings.groups, rows) / 3600.0
        raise SettingsError(
            f"programming {rows} x {columns} cells in ngspice would take some {hours:.3g} hours; at most {LARGEST} "
            "cells: take --engine fast, and ngspice for a small part of the matrix"
        )


class NgspiceChip:
    """An array in ngspice; see `ftj_spice.array.writing.chip.Chip`.

    Args:
        card: Device card.
        devices: Its devices.
        settings: Pulses, scheme, wires; the number of groups; the model is the mean one.
        engine: Where to simulate; one of our own by default.

    Attributes:
        transients: Transients run so far.
        retries: How many had to be repeated with finer steps.
        last_netlist: The last of them.

    Raises:
        SettingsError: More cells than `LARGEST`, a topology with select transistors, or a model that is not the mean.
    """

    def __init__(
        self, card: Card, devices: Devices, settings: ProgramSettings, engine: NgspiceEngine | None = None
    ) -> None:
        check_switching(card)
        rows, columns = devices.shape
        check_size((rows, columns), settings)
        self._card, self._devices, self._settings = card, devices, settings
        self._scheme = scheme_of(settings.scheme, settings.inhibit_voltage)
        self._weight = domain_groups(card, settings.groups).weight
        self._own = engine is None
        self._engine = engine or NgspiceEngine()
        self.name = f"ngspice-{self._engine.features()['version']}"
        self._cells = [self._cell(i, j) for i in range(rows) for j in range(columns)]
        count = settings.groups
        start = devices.start.reshape(-1, 1)
        self._states = np.stack([np.repeat(start, count, axis=1), *np.zeros((2, rows * columns, count))], axis=1)
        self.energy = np.zeros(devices.shape)
        self._seen: tuple[int, NDArray[np.float64]] | None = None
        self.transients = 0
        self.retries = 0
        self.last_netlist = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._own:
            self._engine.close()

    @property
    def states(self) -> NDArray[np.float64]:
        """Share of up domains and both histories of every group, shape `(cells, 3, groups)`."""
        return self._states.copy()

    @property
    def polarization(self) -> NDArray[np.float64]:
        """Normalised polarization s, shape `(rows, columns)`."""
        return (2.0 * (self._states[:, 0] @ self._weight) - 1.0).reshape(self._devices.shape)

    @property
    def conductance(self) -> NDArray[np.float64]:
        """See `Chip`."""
        return conductances(self._card, self._devices, self.polarization)

    def row_conductance(self, row: int) -> NDArray[np.float64]:
        """See `Chip`."""
        return self.conductance[row]

    def erase(self) -> None:
        """See `Chip`: all columns at the erase voltage, all rows at 0; energy row by row is counted by formula."""
        rows, columns = self._devices.shape
        s = self._settings
        before = self.polarization
        self._run(np.zeros(rows), np.full(columns, s.erase_voltage), s.erase_time, 0, np.ones(rows * columns))
        after = self.polarization
        c = self._card
        mean = 0.5 * (conductances(c, self._devices, before) + conductances(c, self._devices, after))
        volts = s.erase_voltage
        conduction = volts * np.asarray(c.conduction.current(mean, volts)) * s.erase_time
        switching = c.area * c.remanent_polarization * c.electrostatics.charge_share * np.abs(after - before) * volts
        self.energy += conduction + switching + c.capacitance * volts**2

    def pulse(self, row: int, amplitude: float, written: NDArray[np.bool_], strength: NDArray[np.float64]) -> None:
        """See `Chip`."""
        rows, columns = self._devices.shape
        scheme = self._scheme
        assert scheme.other_rows is not None
        across = np.full(rows, amplitude * scheme.other_rows)
        across[row] = amplitude * scheme.selected_row
        along = amplitude * np.where(written, scheme.selected_columns, scheme.inhibited_columns)
        factors = np.ones((rows, columns))
        factors[row] = strength
        spent = self._run(across, along, self._settings.width, row, factors.ravel())
        self.energy[row] += np.where(written, spent, 0.0)

    def verify(self, row: int) -> NDArray[np.float64]:
        """See `Chip`: the read at the end of the last pulse's transient, or a read of its own."""
        rows, columns = self._devices.shape
        if self._seen is None or self._seen[0] != row:
            self._run(np.zeros(rows), np.zeros(columns), 0.0, row, np.ones(rows * columns))
        assert self._seen is not None
        return self._seen[1].copy()

    def end_phase(self) -> None:
        """See `Chip`; nothing waits here."""

    def end_row(self) -> None:
        """See `Chip`."""
        self._seen = None

    def _cell(self, row: int, column: int) -> dict[str, Any]:
        """Returns one device's numbers; its activation fields are scaled in the barriers."""
        d, c = self._devices, self._card
        on, off = float(d.on_factor[row, column]), float(d.off_factor[row, column])
        own = c.with_values(
            on_current_density=c.on_current_density * on, on_off_ratio=max(c.on_off_ratio * on / off, 1.0 + 1e-6)
        )
        numbers = dynamic_cell(own, groups=self._settings.groups)
        scale = float(d.barrier_scale[row, column])
        largest = 1.5 * max(self._settings.set.limit, self._settings.reset.limit, self._settings.erase_voltage)
        return numbers | {"barrier": numbers["barrier"] * scale**c.activation_exponent, "largest": largest}

    def _run(
        self,
        rows: NDArray[np.float64],
        columns: NDArray[np.float64],
        width: float,
        read_row: int,
        strength: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Runs one transient; keeps states and verify read, returns the energy of the read row's cells in J."""
        s, c = self._settings, self._card
        cells = []
        for numbers, (up, towards_up, towards_down), factor in zip(self._cells, self._states, strength, strict=True):
            barrier = numbers["barrier"] * float(factor) ** c.activation_exponent
            cells.append(
                numbers | {"barrier": barrier, "initial": up, "towards_up": towards_up, "towards_down": towards_down}
            )
        pulse = WritePulse(rows, columns, width, s.edge, read_row, c.vmm_voltage, s.read_time)
        terms = {
            "line": s.line_resistance, "capacitance": s.line_capacitance, "driver": s.driver_resistance,
            "sense": s.sense_resistance, "drive": s.drive, "sense_end": s.sense,
        }  # fmt: skip
        names = [v for k in range(len(cells)) for v in state_vectors(k, s.groups)]
        count = len(columns)
        sensed = [f"i(vcol{j})" for j in range(count)]
        taken = [f"i(vcell{j})" for j in range(count)]
        nodes = [f"v(p{j})" for j in range(count)]
        lines = [f"v({_column_node(read_row, j, s)})" for j in range(count)]
        wanted = ["time", *sensed, *taken, *nodes, *lines, *names]
        for attempt, finer in enumerate(_FINER):
            text, step, stop = write_bench(cells, pulse, steps=STEPS * finer, **terms)
            try:
                with self._engine.open(text) as session:
                    run = session.run(Transient(step, stop, step), wanted)
                break
            except ConvergenceError as error:
                if attempt == len(_FINER) - 1:
                    raise
                discard(error.kept)
                self.retries += 1
        self.transients += 1
        self.last_netlist = text
        found = np.array([run[name][-1] for name in names]).reshape(len(cells), 3, s.groups)
        self._states = np.maximum(found, 0.0)
        self._states[:, 0] = np.minimum(self._states[:, 0], 1.0)
        self._seen = (read_row, np.array([run[name][-1] for name in sensed]) / c.vmm_voltage)
        if width == 0.0:
            return np.zeros(count)
        time = run["time"]
        part = time <= pulse.times[5] * (1.0 + 1e-9)  # up to the end of the pause: the read is not counted
        spent = [
            np.trapezoid(((run[a] - run[b]) * run[i])[part], time[part])
            for a, b, i in zip(nodes, lines, taken, strict=True)
        ]
        top = abs(float(rows[read_row]) - float(columns.min() if rows[read_row] > 0 else columns.max()))
        return np.array(spent) + c.capacitance * top**2


def _column_node(row: int, column: int, settings: ProgramSettings) -> str:
    if settings.line_resistance + settings.sense_resistance == 0:
        return f"col{column}"
    return f"b{column}" if settings.line_resistance == 0 else f"b{row}_{column}"
