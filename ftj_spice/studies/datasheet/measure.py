"""All quantities of a datasheet, one after the other, from one witness."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ftj_spice.device.card import Card, card_toml
from ftj_spice.engines.witness import Witness
from ftj_spice.results.manifest import sha256_text
from ftj_spice.results.plots.device_lifetime import Endurance, Retention, Spread
from ftj_spice.results.plots.device_loops import Loops
from ftj_spice.results.plots.device_noise import Dwells, Spectrum, TimeConstants, Trace
from ftj_spice.results.plots.device_static import CurrentTemperature, CurrentVoltage
from ftj_spice.results.plots.device_switching import Staircase, SwitchedFraction
from ftj_spice.studies.datasheet.lifetime import endurance, lifetime_summary, retention, spread
from ftj_spice.studies.datasheet.loops import loops, loops_summary
from ftj_spice.studies.datasheet.noise import dwells, noise_summary, spectrum, time_constants, traces
from ftj_spice.studies.datasheet.pulses import NoSuchPulseError
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.datasheet.staircases import staircase_summary, staircases
from ftj_spice.studies.datasheet.static import current_temperature, current_voltage, static_summary
from ftj_spice.studies.datasheet.switching import pulse_switching, switching_summary
from ftj_spice.studies.observer import Observer, silent

SCHEMA = "ftj-spice/datasheet/1"
"""Names the form of the numbers; it changes when a field changes its meaning."""
PHASE = "datasheet"
"""The one phase that the observer hears of."""

_WEIGHTS = {
    current_voltage: 6, current_temperature: 4, loops: 30, pulse_switching: 30, staircases: 10, traces: 6, dwells: 1,
    time_constants: 1, spectrum: 4, retention: 8, endurance: 4, spread: 4,
}  # fmt: skip
"""About how long each quantity takes, in hundredths."""

T = TypeVar("T")
Quantity = Callable[[Card, Witness, DatasheetSettings, int, Observer], T]


@dataclass(frozen=True)
class Datasheet:
    """All quantities of one card.

    Attributes:
        card: The card.
        engine: `numpy`, `ngspice` or `vacask`.
        version: Name and version of it.
        groups: Domain groups of its mean model.
        seed: Of every draw.
        curve: I-V curves.
        heat: Current against temperature.
        loops: Hysteresis.
        switched: Switched fraction; none for a card whose switching knows no rate, or that no pulse fits.
        stairs: Staircases of identical and of rising pulses; none for such a card.
        traces: Telegraph noise.
        dwells: Dwell times.
        times: Time constants.
        spectrum: Spectral density; none where the card has no noise there, or too few transitions.
        retention: Retention and read disturb.
        endurance: Cycling and breakdown.
        spread: Device-to-device spread.
    """

    card: Card
    engine: str
    version: str
    groups: int
    seed: int
    curve: CurrentVoltage
    heat: CurrentTemperature
    loops: Loops
    switched: SwitchedFraction | None
    stairs: tuple[Staircase, Staircase] | None
    traces: tuple[Trace, ...]
    dwells: tuple[Dwells, ...]
    times: TimeConstants
    spectrum: Spectrum | None
    retention: Retention
    endurance: Endurance
    spread: Spread

    @property
    def card_hash(self) -> str:
        """SHA-256 of the card as TOML."""
        return sha256_text(card_toml(self.card))

    def numbers(self) -> dict[str, Any]:
        """Returns the numbers behind the plots, SI values, ready for JSON."""
        found: dict[str, Any] = {
            "schema": SCHEMA,
            "card": {
                "name": self.card.name,
                "description": self.card.description,
                "sha256": self.card_hash,
                "accelerated": accelerated(self.card),
                "kinds": kinds(self.card),
            },
            "engine": {"name": self.engine, "version": self.version, "domain_groups": self.groups},
            "seed": self.seed,
            "static": static_summary(self.card, self.curve, self.heat),
            "loops": loops_summary(self.card, self.loops),
            "switched_fraction": None if self.switched is None else switching_summary(self.switched),
            "staircases": None if self.stairs is None else {x.name: staircase_summary(x) for x in self.stairs},
            "noise": noise_summary(self.card, self.traces, self.dwells, self.times, self.spectrum),
        }
        return found | lifetime_summary(self.card, self.retention, self.endurance, self.spread)


def accelerated(card: Card) -> bool:
    """Says whether a card's time constants are shortened for simulation: it says so in its name or description."""
    return "accelerated" in f"{card.name} {card.description}".lower()


def kinds(card: Card) -> dict[str, int]:
    """Returns how many parameters are measured, derived and estimated."""
    return {
        kind: sum(entry.kind == kind for entry in card.provenance.values())
        for kind in ("measured", "derived", "estimate")
    }


def measure(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer = silent
) -> Datasheet:
    """Measures all quantities of a card.

    Args:
        card: Device card.
        witness: Who is asked for the simulated quantities.
        settings: How finely.
        seed: Of every draw.
        observer: Told about progress, as one phase.

    Raises:
        FtjSpiceError: The card can't be characterized, or a simulation fails; the sentence says why.
    """
    done, total = 0, sum(_WEIGHTS.values())

    def take(quantity: Quantity[T]) -> T:
        nonlocal done
        begun, weight = done, _WEIGHTS[quantity]  # type: ignore[index]

        def part(phase: str, count: int, of: int | None) -> None:
            observer(PHASE, begun + int(weight * count / (of or count or 1)), total)

        result = quantity(card, witness, settings, seed, part)
        done = begun + weight
        observer(PHASE, done, total)
        return result

    def pulsed(quantity: Quantity[T]) -> T | None:
        """Takes a quantity of pulses; none where the card's switching knows no rate or no pulse of it fits."""
        if card.switching != "nls":
            return None
        try:
            return take(quantity)
        except NoSuchPulseError:
            return None

    return Datasheet(
        card=card,
        engine=witness.name,
        version=witness.version,
        groups=witness.groups,
        seed=seed,
        curve=take(current_voltage),
        heat=take(current_temperature),
        loops=take(loops),
        switched=pulsed(pulse_switching),
        stairs=pulsed(staircases),
        traces=take(traces),
        dwells=take(dwells),
        times=take(time_constants),
        spectrum=take(spectrum),
        retention=take(retention),
        endurance=take(endurance),
        spread=take(spread),
    )
