"""The vectorised array: every cell's domains in compiled code, wires as a ladder per row.

Energy of a cell by a pulse, with V over the cell at the top of the pulse: conduction `V (I_before + I_after)/2 (width +
2 edge m)`, where m is the mean of `x I(xV)/I(V)` over an edge, plus switching `A P_r |ds| c V` (c: the part of the
polarization that stands on the terminals as charge), plus `C V^2`, which charging and discharging the cell costs its
driver. Half-selected cells are not counted.
"""

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing import kernels
from ftj_spice.array.writing.chip import check_switching, conductances
from ftj_spice.array.writing.devices import Devices
from ftj_spice.array.writing.kernels import SPARED
from ftj_spice.array.writing.ladder import RowLadder
from ftj_spice.array.writing.pending import BOUND, Lasting, Pending
from ftj_spice.array.writing.schemes import scheme_of
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.activation import domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.domains import DomainSwitching

_WEAK = 0.01  # part of the cells that are weaker than the one by which waiting exposures are judged


class Population(Protocol):
    """The domains of all cells, in one of the two switching models."""

    weakest: float
    typical: float
    offset: NDArray[np.float64]

    def normalised(self, cells: slice) -> NDArray[np.float64]:
        """Returns s of some cells, shape `(cells,)`."""
        ...

    def pulse(self, cells: slice, volts: NDArray[np.float64], strength: NDArray[np.float64], width: float) -> None:
        """Applies a pulse of its own voltage to each of some cells."""
        ...

    def expose(self, cells: slice, pending: Pending, slots: NDArray[np.int64], first: int) -> None:
        """Applies what waits to some whole rows of cells; `slots` says what each of them has seen of it."""
        ...


class Groups:
    """The mean model.

    Args:
        card: Device card.
        devices: The array's devices.
        settings: Number of groups, edges.
    """

    def __init__(self, card: Card, devices: Devices, settings: ProgramSettings) -> None:
        self._card, self._stack, self._edge = card, card.electrostatics, settings.edge
        groups = domain_groups(card, settings.groups)
        self._activation, self._weight, self.offset = groups.activation_field, groups.weight, groups.offset_field
        self._scale = np.ascontiguousarray(devices.barrier_scale.ravel())
        shape = (len(self._scale), len(groups))
        self._up = np.repeat(devices.start.reshape(-1, 1), len(groups), axis=1)
        self._to_up, self._to_down = np.zeros(shape), np.zeros(shape)
        self._table = kernels.edge_table(card.activation_exponent)
        self._barrier = self._activation**card.activation_exponent
        self._powered = self._scale**card.activation_exponent
        if not np.any(self.offset != 0.0):
            self.offset = np.zeros(1)
        self.weakest = float(self._scale.min() * self._activation.min())
        self.typical = float(np.quantile(self._scale, _WEAK) * self._activation.min())

    def normalised(self, cells: slice) -> NDArray[np.float64]:
        """See `Population`."""
        return 2.0 * (self._up[cells] @ self._weight) - 1.0

    def pulse(self, cells: slice, volts: NDArray[np.float64], strength: NDArray[np.float64], width: float) -> None:
        """See `Population`."""
        c, stack = self._card, self._stack
        kernels.in_threads(
            kernels.pulse_groups, len(volts), len(volts),
            self._up[cells], self._to_up[cells], self._to_down[cells], self._barrier, self._scale[cells] * strength,
            self.offset, np.ascontiguousarray(volts), stack.divider / stack.thickness, stack.imprint_field, width,
            self._edge, self._table, c.attempt_time, c.activation_exponent, c.weibull_exponent,
        )  # fmt: skip

    def expose(self, cells: slice, pending: Pending, slots: NDArray[np.int64], first: int) -> None:
        """See `Population`."""
        c = self._card
        up = self._up[cells]
        kernels.in_threads(
            kernels.expose_groups, len(slots), len(up), up, self._to_up[cells], self._to_down[cells],
            self._barrier * pending.reference**-c.activation_exponent, self._powered[cells],
            pending.clocks, pending.seen, slots, first, pending.lowest, pending.spacing, c.weibull_exponent,
        )  # fmt: skip


class Domains:
    """The stochastic model; cell c draws from the streams of `DomainSwitching` with the same seed.

    Args:
        card: Device card.
        devices: The array's devices.
        settings: Edges.
        seed: The run's seed.
    """

    def __init__(self, card: Card, devices: Devices, settings: ProgramSettings, seed: int) -> None:
        if card.offset_field_spread > 0:
            raise SettingsError(
                f"card '{card.name}': programming with model = \"domains\" does not know offset fields; take "
                'model = "mean", or set offset_field_spread to 0'
            )
        self._card, self._stack, self._edge = card, card.electrostatics, settings.edge
        scale = devices.barrier_scale.ravel()
        cells = DomainSwitching(card, len(scale), seed, activation_scale=scale)
        self._up, self._history, self._budget, self._barrier, self._stream = cells.arrays
        self._up[:] = np.where(devices.start.ravel() >= 0.5, 1, 0)[:, None]
        self._table = kernels.edge_table(card.activation_exponent)
        self.offset = np.zeros(1)
        root = 1.0 / card.activation_exponent
        lowest = self._barrier.min(axis=1)
        self.weakest = float(lowest.min() ** root)
        self.typical = float(np.quantile(lowest, _WEAK) ** root)

    def normalised(self, cells: slice) -> NDArray[np.float64]:
        """See `Population`."""
        return 2.0 * self._up[cells].mean(axis=1) - 1.0

    def pulse(self, cells: slice, volts: NDArray[np.float64], strength: NDArray[np.float64], width: float) -> None:
        """See `Population`."""
        c = self._card
        field = self._stack.field(volts) / strength
        power = np.where(volts == 0.0, 0.0, np.maximum(np.abs(field), 1.0) ** -c.activation_exponent)
        kernels.in_threads(
            kernels.pulse_domains, len(volts), len(volts),
            self._up[cells], self._history[cells], self._budget[cells], self._barrier[cells], self._stream[cells],
            power, field > 0, width, self._edge, self._table, c.attempt_time, c.weibull_exponent,
        )  # fmt: skip

    def expose(self, cells: slice, pending: Pending, slots: NDArray[np.int64], first: int) -> None:
        """See `Population`."""
        c = self._card
        up = self._up[cells]
        kernels.in_threads(
            kernels.expose_domains, len(slots), len(up), up, self._history[cells], self._budget[cells],
            self._barrier[cells], self._stream[cells], pending.clocks, pending.seen, slots, first, pending.lowest,
            pending.spacing, pending.reference**-c.activation_exponent, c.weibull_exponent,
        )  # fmt: skip


class VectorChip:
    """An array in compiled code; see `ftj_spice.array.writing.chip.Chip`.

    Args:
        card: Device card.
        devices: Its devices.
        settings: Pulses, scheme, wires.
        seed: The run's seed; the stochastic model draws from it.

    Raises:
        SettingsError: The card's switching is not known here.
    """

    name = "vectorised"

    def __init__(self, card: Card, devices: Devices, settings: ProgramSettings, seed: int = 0) -> None:
        check_switching(card)
        if card.electrostatics.depolarization > 0:
            raise SettingsError(
                f"card '{card.name}': the vectorised engine does not follow the depolarization field "
                f"(interface_compensation = {card.interface_compensation:g}); take --engine ngspice, or 1"
            )
        self._card, self._devices, self._settings = card, devices, settings
        self._law, self._scheme = card.conduction, scheme_of(settings.scheme, settings.inhibit_voltage)
        domains = settings.model == "domains"
        self._population: Population = (
            Domains(card, devices, settings, seed) if domains else Groups(card, devices, settings)
        )
        rows, columns = devices.shape
        self._stack, self._capacitance = card.electrostatics, card.capacitance
        self._charge = card.area * card.remanent_polarization * self._stack.charge_share
        self._ladders = [RowLadder.of(self._law, settings, row, rows) for row in range(rows)]
        self._ends = (conductances(card, devices, -1.0), conductances(card, devices, 1.0))
        self._ramps: dict[float, float] = {}
        self.energy = np.zeros(devices.shape)
        largest = max(settings.set.limit, settings.reset.limit)
        passive = max(abs(self._scheme.same_column), abs(self._scheme.elsewhere))
        self._exposes = passive > 0
        reference = abs(float(card.electrostatics.field(passive * largest))) + abs(card.imprint_field)
        c = card
        self._pending = Pending(
            rows, columns, self._population.weakest, self._population.typical, reference if self._exposes else 1e8,
            self._population.offset, c.activation_exponent, c.attempt_time,
        )  # fmt: skip
        self._lasting = Lasting(settings.width, settings.edge, kernels.edge_table(c.activation_exponent))
        self._row: int | None = None
        self._first = 1
        self._guess: NDArray[np.float64] | None = None
        self._now = self._g = np.zeros(columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    @property
    def polarization(self) -> NDArray[np.float64]:
        """Normalised polarization s, shape `(rows, columns)`; exposures that wait are applied first."""
        self._apply()
        return self._population.normalised(slice(None)).reshape(self._devices.shape)

    @property
    def conductance(self) -> NDArray[np.float64]:
        """See `Chip`."""
        return conductances(self._card, self._devices, self.polarization)

    def row_conductance(self, row: int) -> NDArray[np.float64]:
        """See `Chip`."""
        return self._conductance(row, self._population.normalised(self._cells(row)))

    def erase(self) -> None:
        """See `Chip`; all rows stand at 0 V and all columns at the erase voltage, without drops."""
        self._apply()
        everything = slice(None)
        volts = np.full(self.energy.size, -self._settings.erase_voltage)
        before = self._population.normalised(everything)
        self._population.pulse(everything, volts, np.ones(len(volts)), self._settings.erase_time)
        after = self._population.normalised(everything)
        shape = self._devices.shape
        before, after = before.reshape(shape), after.reshape(shape)
        c, d = self._card, self._devices
        mean = 0.5 * (conductances(c, d, before) + conductances(c, d, after))
        self.energy += self._cost(volts.reshape(shape), after - before, mean, self._settings.erase_time)

    def pulse(self, row: int, amplitude: float, written: NDArray[np.bool_], strength: NDArray[np.float64]) -> None:
        """See `Chip`."""
        if row != self._row:
            self._select(row)
        scheme, cells = self._scheme, self._cells(row)
        columns = amplitude * np.where(written, scheme.selected_columns, scheme.inhibited_columns)
        before, g_before = self._now, self._g
        volts, _ = self._ladders[row].solve(g_before, amplitude * scheme.selected_row, columns, self._guess)
        self._guess = volts
        self._population.pulse(cells, volts, strength, self._settings.width)
        self._look(row)
        cost = self._cost(volts, self._now - before, 0.5 * (g_before + self._g), self._settings.width)
        self.energy[row] += np.where(written, cost, 0.0)
        self._first = int(amplitude > 0)
        if self._exposes:
            stack = self._stack
            fields = (
                float(stack.field(amplitude * scheme.same_column)),
                float(stack.field(amplitude * scheme.elsewhere)),
            )
            # A line at rest exposes nobody: imprint alone is not counted as a pulse.
            fields = tuple(
                f if part != 0.0 else 0.0
                for f, part in zip(fields, (scheme.same_column, scheme.elsewhere), strict=True)
            )
            self._pending.add((fields[0], fields[1]), written, self._lasting)

    def verify(self, row: int) -> NDArray[np.float64]:
        """See `Chip`; the wires by the row's ladder."""
        if row != self._row:
            self._select(row)
        at = self._card.vmm_voltage
        _, current = self._ladders[row].solve(self._g, at, np.zeros(len(self._g)))
        return current / at

    def end_phase(self) -> None:
        """See `Chip`."""
        self._guess = None
        if not self._exposes:
            return
        self._pending.end_phase()
        if self._pending.largest > BOUND:
            self._apply()

    def end_row(self) -> None:
        """See `Chip`."""
        if self._row is not None and self._exposes:
            self._pending.end_phase()
            self._pending.mark(self._row)
            if self._pending.full:
                self._apply()
        self._row = None

    def _select(self, row: int) -> None:
        """Brings a row up to date and makes it the one that is written."""
        if self._row is not None:
            self.end_row()
        if self._exposes:
            self._expose(row)
        self._row, self._guess = row, None
        self._look(row)

    def _look(self, row: int) -> None:
        """Notes the state of the selected row."""
        self._now = self._population.normalised(self._cells(row))
        self._g = self._conductance(row, self._now)

    def _apply(self) -> None:
        """Applies what waits to every row; the row that is being written caused it and sees none of it."""
        if not self._exposes:
            return
        self._pending.end_phase()
        if self._row is not None:
            self._pending.slots[self._row] = SPARED
        if not self._pending.empty:
            self._population.expose(slice(None), self._pending, self._pending.slots, self._first)
        self._pending.clear()

    def _expose(self, row: int) -> None:
        """Applies what waits to one row."""
        if not self._pending.empty:
            slots = self._pending.slots[row : row + 1]
            self._population.expose(self._cells(row), self._pending, slots, self._first)

    def _cells(self, row: int) -> slice:
        columns = self._devices.shape[1]
        return slice(row * columns, (row + 1) * columns)

    def _conductance(self, row: int, polarization: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns a row's conductances by s, as `conductances` does from the current law, from its two ends."""
        share = 0.5 * (1.0 + polarization)
        off, on = self._ends[0][row], self._ends[1][row]
        if self._card.mixing == "parallel":
            return off + share * (on - off)
        return off * (on / off) ** share

    def _cost(
        self, volts: NDArray[np.float64], change: NDArray[np.float64], conductance: NDArray[np.float64], width: float
    ) -> NDArray[np.float64]:
        """Returns the energy of a pulse in J by the change of s and the mean conductance; any shape."""
        current = np.asarray(self._law.current(conductance, volts))
        lasting = width + 2.0 * self._settings.edge * self._ramp(float(np.max(np.abs(volts))))
        switching = self._charge * np.abs(change)
        return np.abs(volts * current) * lasting + switching * np.abs(volts) + self._capacitance * volts**2

    def _ramp(self, volts: float) -> float:
        """Returns the mean of `x I(xV)/I(V)` over an edge, V rounded to 10 mV."""
        top = round(volts, 2)
        if top not in self._ramps:
            middle = np.sqrt(self._card.on_conductance * self._card.off_conductance)
            current = np.asarray(self._law.current(middle, np.append(_EDGE_NODES, 1.0) * top))
            mean = float(np.sum(_EDGE_WEIGHTS * _EDGE_NODES * current[:-1]))
            self._ramps[top] = mean / float(current[-1]) if top else 0.0
        return self._ramps[top]


_EDGE_NODES, _EDGE_WEIGHTS = (0.5 * v for v in np.polynomial.legendre.leggauss(24))
_EDGE_NODES = _EDGE_NODES + 0.5
