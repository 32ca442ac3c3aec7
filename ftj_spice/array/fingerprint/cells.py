"""The cells of a chip that nobody has written, and what temperature and cycles make of them.

*Pristine* means as fabricated and never switched: every cell is taken to stand in the high-resistance state, s = P/P_r
= -1, and differs from the others by the card's device-to-device spread of that state's current, nothing else. Real
films wake up from an as-grown mixture of domains; no card knows that state.

Currents follow `ftj_spice.device.current.static_current` at s and T, so conductances at V_VMM hold at that temperature;
the I-V law through which an array reads them keeps its shape of 300 K, which is exact for the sinh and ohmic laws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.array.fingerprint.settings import FingerprintSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.celltraps import CellTraps, draw_cell_traps
from ftj_spice.device.current import REFERENCE_TEMPERATURE, rtn_amplitude, static_current
from ftj_spice.device.reliability import cycled, degraded, draw_breakdown
from ftj_spice.device.variability import Population, cycle_to_cycle, draw_population


@dataclass(frozen=True)
class Condition:
    """Under what a chip answers.

    Attributes:
        temperature: In K.
        cycles: Write cycles that every cell has gone through before it was reset; 0 for pristine cells.
        breakdown: Whether cycles also break cells down, by the card's Weibull law at its write voltage.
        rewriting: Whether each reset leaves the card's cycle-to-cycle error, not the saturated state.
        activation: Whether the cells' activation energies differ (`FingerprintSettings.activation_spread`).
    """

    temperature: float = REFERENCE_TEMPERATURE
    cycles: float = 0.0
    breakdown: bool = False
    rewriting: bool = False
    activation: bool = False


PRISTINE = Condition()
"""300 K, no cycles."""


@dataclass(frozen=True)
class ChipCells:
    """The cells of one chip.

    Attributes:
        card: Device card; its V_VMM is the read voltage.
        shape: Rows and columns.
        population: The cells' spread.
        activation: Each cell's activation energy less the card's, in eV, shape `(cells,)`.
        traps: The cells' traps; none where they are left out.
        lifetime: Cycles to breakdown of each cell at the card's write voltage, shape `(cells,)`.
        seed: The run's seed.
        chip: The chip's number.
    """

    card: Card
    shape: tuple[int, int]
    population: Population
    activation: NDArray[np.float64]
    traps: CellTraps | None
    lifetime: NDArray[np.float64]
    seed: int
    chip: int

    def conductance(self, condition: Condition, session: int) -> NDArray[np.float64]:
        """Returns the conductances at V_VMM in S, shape `(rows, columns)`.

        After N cycles a reset leaves s = -min(`cycled`, 1), the polarization that is left, and leakage multiplies the
        current by `degraded`: `ftj_spice.device.reliability.at_cycles`, here with each cell's own factors. A cell that
        broke down counts as one in the low-resistance state; a real one conducts more.

        Args:
            condition: Temperature and cycles.
            session: Number of the answer: trap states and programming errors are drawn anew for each.
        """
        card, volts, kelvin = self.card, self.card.vmm_voltage, condition.temperature
        spread = {"on_factor": self.population.on_factor, "off_factor": self.population.off_factor}
        left = min(float(cycled(card, condition.cycles)), 1.0)
        trap = 0.0 if self.traps is None else self.traps.load(self._trap_states(session))
        current = static_current(card, volts, -left, kelvin, **spread, trap=trap) * degraded(card, condition.cycles)
        if condition.activation:
            inverse = (1.0 / kelvin - 1.0 / REFERENCE_TEMPERATURE) * elementary_charge / Boltzmann
            current = current * np.exp(-self.activation * inverse)
        if condition.cycles and (condition.rewriting or condition.breakdown):
            on = static_current(card, volts, left, kelvin, **spread)
            if condition.rewriting:
                error = cycle_to_cycle(card, np.zeros(len(current)), self.seed, (self.chip, session))
                current = current + error * np.maximum(on - current, 0.0)
            if condition.breakdown:
                current = np.where(self.lifetime <= condition.cycles, np.maximum(on, current), current)
        return (current / volts).reshape(self.shape)

    def trap_cumulants(self) -> tuple[float, float]:
        """Returns means over cells: variance of the current's relative drop by traps, and sum of p a^4 over its traps.

        With p the occupancy and a the drop of one trap; for small p the second is the drop's fourth cumulant.
        """
        if self.traps is None:
            return 0.0, 0.0
        p, cells = self.traps.traps.occupancy(self.card.vmm_voltage), self.traps.cell
        drop = rtn_amplitude(self.card, -1.0) * self.traps.amplitude_factor[cells] * self.traps.weight
        count = len(self.traps)
        return float(np.sum(p * (1.0 - p) * drop**2)) / count, float(np.sum(p * drop**4)) / count

    def _trap_states(self, session: int) -> NDArray[np.float64]:
        assert self.traps is not None
        uniform = generator(self.seed, "fingerprint-traps", self.chip, session).random(len(self.traps.cell))
        return (uniform < self.traps.traps.occupancy(self.card.vmm_voltage)).astype(float)


def read_card(card: Card, settings: FingerprintSettings) -> Card:
    """Returns the card with the settings' read voltage as V_VMM and their spread.

    Raises:
        SettingsError: The high-resistance currents have no spread: there is no fingerprint.
    """
    spread = settings.spread * card.off_spread
    if spread == 0.0:
        raise SettingsError(
            f"card '{card.name}' with 'spread' {settings.spread:g} gives every cell the same high-resistance current "
            "('off_spread' 0): pristine cells carry no fingerprint"
        )
    changes = {"off_spread": min(spread, 3.0)}
    if settings.voltage is not None:
        changes["vmm_voltage"] = settings.voltage
    changed = {name: value for name, value in changes.items() if getattr(card, name) != value}
    return card.with_values(**changed) if changed else card


def draw_chip(card: Card, settings: FingerprintSettings, chip: int) -> ChipCells:
    """Draws the cells of one chip.

    Args:
        card: Device card, from `read_card`.
        settings: Size, spread of the activation energies, traps.
        chip: Its number.
    """
    shape = (settings.rows, settings.columns)
    cells = settings.rows * settings.columns
    population = draw_population(card, cells, settings.seed, (chip,))
    energies = generator(settings.seed, "fingerprint-activation", chip).standard_normal(cells)
    traps = draw_cell_traps(card, cells, settings.seed, (chip,), population=population) if settings.traps else None
    return ChipCells(
        card,
        shape,
        population,
        settings.activation_spread * energies,
        traps,
        draw_breakdown(card, cells, card.write_voltage, settings.seed, (chip,)),
        settings.seed,
        chip,
    )
