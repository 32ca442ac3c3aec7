"""`--periphery`: which circuits read the columns of a run, and which of its settings they take over."""

from collections.abc import Mapping
from typing import Any

from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.periphery.macromodel import LEAST_GAIN_SCALE, Macromodel, load_macromodel
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.studies.settings import RunSettings

TAKEN_OVER: Mapping[str, tuple[str, ...]] = {
    "sense": ("read.integration_time", "read.integration_capacitance", "read.temperature"),
    "convert": ("read.adc_bits", "read.adc_offset", "read.adc_gain_spread", "read.adc_noise", "sample.adc_bits"),
    "decide": ("sample.comparator_offset",),
}
"""Settings that a macromodel's parts take the place of."""
COLUMN = 64
"""Cells of a column that is expected to move a front end by half a step at least."""
_HASHES = {"process_sha256", "circuits_sha256"}


def load_periphery(settings: RunSettings, *, sampled: bool = True) -> Macromodel | None:
    """Returns the macromodel of a run.

    Args:
        settings: Settings of the run.
        sampled: Whether the run has a sample phase.

    Raises:
        SettingsError: There is none of that name, a file is malformed, it does not fit the run, or a setting says
            something else than the circuit does.
    """
    if settings.periphery is None:
        return None
    model = load_macromodel(settings.periphery)
    check_conflicts(model, settings)
    check_card(model, settings.card)
    if only_decides(model) and not (sampled and settings.sample.digitiser == "comparator"):
        raise SettingsError(
            f"periphery '{model.name}' only decides bits: it takes a sample phase with sample.digitiser='comparator'"
        )
    sense = model.sense
    bent = sense is not None and (sense.ground != 0.0 or sense.ground_sigma > 0.0)
    if settings.read.coding == "amplitude" and bent and not settings.read.ohmic:
        raise SettingsError(
            f"periphery '{model.name}' holds the bit lines with an error, whose effect is known for rows at V_VMM or "
            "0 V only: take read.coding='bit-serial' or 'pulse-width'"
        )
    return model


def only_decides(model: Macromodel) -> bool:
    """Returns whether a macromodel neither reads a column nor converts: by its parts, whatever its file calls it."""
    return model.sense is None and model.convert is None


def check_card(model: Macromodel, card: str) -> None:
    """Refuses a front end that a column of the card's cells can't move by half a step.

    An integrator takes longer for smaller currents; what they do to others is limited. Currents that are too large for
    either are told where the arrays are read.

    Raises:
        SettingsError: It is one; or there is no such card.
    """
    sense = model.sense
    if sense is None or sense.integrates or model.card == card:
        return
    cells = load_card(card)
    column = COLUMN * cells.on_conductance * cells.vmm_voltage
    bits = 6 if model.convert is None else model.convert.bits
    half = 0.5 * LEAST_GAIN_SCALE * sense.span / (2**bits - 1)
    if column < half:
        raise SettingsError(
            f"periphery '{model.name}' was made for cells of card '{model.card}': with four times its gain half a step "
            f"of {bits} bits is {half:.3g} A, more than {COLUMN} cells of card '{cells.name}' carry together, "
            f"{column:.3g} A; take one that was made for such a card"
        )


def check_conflicts(model: Macromodel, settings: RunSettings) -> None:
    """Refuses settings that the circuit takes over and that were given another value than the default.

    Raises:
        SettingsError: There is one; the sentence names all of them.
    """
    given = {"read": (settings.read, ReadSettings()), "sample": (settings.sample, SampleSettings())}
    found = []
    for part, names in TAKEN_OVER.items():
        if getattr(model, part) is None:
            continue
        for name in names:
            group, key = name.split(".")
            values, defaults = given[group]
            if getattr(values, key) != getattr(defaults, key):
                found.append(name)
    if found:
        raise SettingsError(
            f"periphery '{model.name}' has its own {', '.join(found)}: leave {'them' if len(found) > 1 else 'it'} out, "
            "or take no periphery"
        )


def describe(model: Macromodel) -> dict[str, Any]:
    """Returns what metrics and manifest say of a macromodel."""
    return {
        "name": model.name,
        "title": model.title,
        "process": model.process,
        "corner": model.corner,
        "temperature": model.temperature,
        "card": model.card,
        "variants": list(model.variants),
        "transistors": None if model.identity is None else model.identity.model_dump(include=_HASHES),
        "fit_error": None if model.fit is None else model.fit.model_dump(),
        "area": model.area,
        "notes": list(model.notes),
    }
