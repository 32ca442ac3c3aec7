"""A digitiser at its operating point: times, currents and parameters in SI units, and the cells of each stream."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card, load_card
from ftj_spice.device.traps import Traps
from ftj_spice.sampling.trng.rules import CellNumbers
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.variant import RULE_PARAMETERS, Variant, load_variant


@dataclass(frozen=True)
class StreamCells:
    """The cells of one stream, digitiser after digitiser; arrays of shape `(cells,)`.

    Attributes:
        conductance: At V_VMM, in S.
        amplitude: Relative current drop of a filled trap.
        traps: Their traps.
    """

    conductance: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    traps: Traps


@dataclass(frozen=True)
class Design:
    """A variant on a card at a voltage.

    Attributes:
        settings: What was asked for.
        card: Device card.
        variant: Digitiser.
        template: Text of its netlist template.
    """

    settings: TrngSettings
    card: Card
    variant: Variant
    template: str

    @classmethod
    def of(cls, settings: TrngSettings, card: Card | None = None) -> "Design":
        """Loads card and variant.

        Raises:
            SettingsError: Card, variant or parameters don't fit, or the card has no trap noise at this voltage.
        """
        variant, template = load_variant(settings.digitiser)
        unknown = sorted(set(settings.parameters) - set(variant.parameters))
        if unknown:
            known = ", ".join(variant.parameters) or "none"
            raise SettingsError(f"digitiser '{variant.name}' has no parameter '{unknown[0]}'; it has: {known}")
        design = cls(settings, card or load_card(settings.card), variant, template)
        if not (design.swing > 0 and 0 < design.occupancy < 1 and np.isfinite(design.interval)):
            raise SettingsError(
                f"a cell of card '{design.card.name}' has no noise at {design.voltage:g} V: amplitude "
                f"{design.card.rtn_amplitude_off:.3g}, trap filled for {design.occupancy:.3g} of the time"
            )
        for name, entry in variant.parameters.items():
            value, may_be_zero = settings.parameters.get(name, entry.value), name in {"lag", "hysteresis", "reset"}
            if name in RULE_PARAMETERS and name != "threshold" and (value < 0 if may_be_zero else value <= 0):
                right = "0 or more" if may_be_zero else "above 0"
                raise SettingsError(f"parameter '{name}' of digitiser '{variant.name}' must be {right}, got {value:g}")
        if design.parameters.get("adc_bits", 1.0) not in range(1, 17):
            raise SettingsError(
                f"parameter 'adc_bits' of digitiser '{variant.name}' must be a whole number from 1 to 16"
            )
        if design.parameters.get("reset", 0.0) >= design.interval:
            raise SettingsError(f"the reset of digitiser '{variant.name}' takes the whole interval")
        return design

    @cached_property
    def voltage(self) -> float:
        """V_RTN in V."""
        return self.settings.voltage or self.card.rtn_voltage

    @cached_property
    def _nominal(self) -> Traps:
        return Traps.from_card(self.card, 1)

    @cached_property
    def occupancy(self) -> float:
        """Share of time that a nominal trap is filled."""
        return float(self._nominal.occupancy(self.voltage)[0])

    @cached_property
    def relaxation_time(self) -> float:
        """tau_eff of a nominal cell, in s."""
        return float(self._nominal.relaxation_time(self.voltage)[0])

    @cached_property
    def interval(self) -> float:
        """Time from bit to bit in s."""
        return self.settings.interval or self.settings.interval_relaxations * self.relaxation_time

    @cached_property
    def settling(self) -> float:
        """Time from power-up to the first interval, in s."""
        chosen = self.settings.settling
        return (self.variant.settling if chosen is None else chosen) * self.relaxation_time

    @cached_property
    def empty_current(self) -> float:
        """Current of a nominal cell with its trap empty, in A."""
        return float(self.card.conduction.current(self.card.off_conductance, self.voltage))

    @cached_property
    def swing(self) -> float:
        """Current that a nominal filled trap takes, in A."""
        return self.empty_current * self.card.rtn_amplitude_off

    @cached_property
    def parameters(self) -> dict[str, float]:
        """The variant's parameters in SI units."""
        unit = {"relaxation": self.relaxation_time, "interval": self.interval, "swing": self.swing}
        return {
            name: self.settings.parameters.get(name, entry.value) * unit.get(entry.unit, 1.0)
            for name, entry in self.variant.parameters.items()
        }

    @cached_property
    def rule_numbers(self) -> dict[str, float]:
        """The event rule's parameters: times in s, levels in nominal swings, and the offset of the comparator."""
        found = {
            name: self.parameters[name] / (self.swing if "swing" in units else 1.0)
            for name, units in RULE_PARAMETERS.items()
            if name in self.parameters
        }
        return found | {"offset": self.settings.comparator_offset}

    def cells(self, stream: int) -> StreamCells:
        """Draws the cells of a stream: `combine` digitisers' worth."""
        count = self.settings.combine * self.variant.cells
        spread = {
            purpose: np.array(
                [generator(self.settings.seed, purpose, stream, k).standard_normal() for k in range(count)]
            )
            for purpose in ("trng-current", "trng-amplitude", "trng-time-constant")
        }
        s, card = self.settings, self.card
        amplitude = card.rtn_amplitude_off * np.exp(
            s.amplitude_spread * card.rtn_amplitude_spread * spread["trng-amplitude"]
        )
        current = s.current_spread * card.off_spread * card.spread_scale * spread["trng-current"]
        times = s.time_constant_spread * card.time_constant_spread * spread["trng-time-constant"]
        return StreamCells(
            card.off_conductance * np.exp(current),
            np.minimum(amplitude, 0.95),  # a lognormal tail must not turn the current round
            Traps.from_card(card, count, times),
        )

    def numbers(self, cells: StreamCells, digitiser: int) -> CellNumbers:
        """Returns one digitiser's cells as its event rule takes them: power-up with the occupancy of 0 V."""
        own = slice(digitiser * self.variant.cells, (digitiser + 1) * self.variant.cells)
        high = self.card.conduction.current(cells.conductance[own], self.voltage) / self.swing
        traps = cells.traps.take(own)
        return CellNumbers(
            high,
            high * cells.amplitude[own],
            traps.capture_time_at(self.voltage),
            traps.emission_time_at(self.voltage),
            traps.occupancy(0.0),
        )
