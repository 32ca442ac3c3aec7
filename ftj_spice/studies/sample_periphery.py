"""`--periphery` where only the sample phase runs: the circuits of maps, calibrations and draws, and what they say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.settings import Strict
from ftj_spice.periphery.macromodel import Macromodel, load_macromodel, macromodel_path
from ftj_spice.sampling.circuits import identity
from ftj_spice.studies.circuits import TAKEN_OVER, describe, only_decides

Owned = Mapping[str, tuple[str, ...]]
CALIBRATION_OWNED: Owned = {"convert": ("adc_offset",)}
"""Settings of a calibration that a macromodel's parts take the place of, beside those of the sample phase."""


def load_circuits(name: str | None, settings: Strict, what: str, owned: Owned | None = None) -> Macromodel | None:
    """Returns the circuits that read the columns of a map, a calibration or a draw.

    Args:
        name: As in `macromodel_path`; none: ideal read-outs.
        settings: Of the run.
        what: What the run makes, for a sentence.
        owned: Settings beside those of the sample phase that parts of a macromodel take over.

    Raises:
        SettingsError: There is none of that name, its file is malformed, it only decides bits, or a setting says
            something else than the circuit does.
    """
    if name is None:
        return None
    model = load_macromodel(name)
    if only_decides(model):
        raise SettingsError(
            f"periphery '{model.name}' only decides bits, and {what} is made of a converter's codes: take one with a "
            "front end or a converter; 'ftj-spice generate' takes it with sample.digitiser='comparator'"
        )
    _check_conflicts(model, settings, owned or {})
    return model


def _check_conflicts(model: Macromodel, settings: Strict, owned: Owned) -> None:
    defaults = type(settings)()
    found = []
    for part, names in TAKEN_OVER.items():
        if getattr(model, part) is None:
            continue
        own = [name for name in names if name.startswith("sample.") and hasattr(settings, "sample")]
        found += [n for n in (*own, *owned.get(part, ())) if _value(settings, n) != _value(defaults, n)]
    if found:
        raise SettingsError(
            f"periphery '{model.name}' has its own {', '.join(found)}: leave {'them' if len(found) > 1 else 'it'} out, "
            "or take no periphery"
        )


def _value(settings: Any, name: str) -> Any:
    for key in name.split("."):
        settings = getattr(settings, key)
    return settings


def circuit_inputs(name: str | None) -> list[Path]:
    """Returns the macromodel's file, which a run directory must not replace."""
    return [] if name is None else [macromodel_path(name)]


def circuit_metrics(model: Macromodel) -> dict[str, Any]:
    """Returns what metrics and manifests say of the circuits."""
    return describe(model) | {"sha256": identity(model)["sha256"]}


def circuit_facts(model: Macromodel | None) -> dict[str, str]:
    """Returns what a report's facts say of the circuits."""
    if model is None:
        return {}
    return {"Read-out circuits": f"{model.process}/{model.name}: {model.title}"}
