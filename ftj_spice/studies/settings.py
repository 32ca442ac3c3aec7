"""All settings of a run in one model, its TOML file, and changes to it from the command line."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, model_validator

from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.packaged import read_toml
from ftj_spice.common.settings import Strict
from ftj_spice.sampling.settings import SampleSettings

Model = TypeVar("Model", bound=Strict)


class EngineSettings(Strict):
    """What simulates the arrays."""

    sample: Literal["ngspice", "fast", "transistors"] = "ngspice"
    """Sample phase: `ngspice` (co-simulation of the traps), `fast` (the same traps from event to event), or, with a
    periphery that integrates, `transistors` (each column read by its own chain in ngspice, a second or two per sample).
    A calibrated array has its own simulation, whichever stands here."""
    read: Literal["fast", "ngspice", "vacask"] = "fast"
    """Read phase: `fast` (compiled, audited by ngspice), `ngspice` (all of it), or `vacask` (where installed)."""
    time_limit: Annotated[float, Field(gt=0, le=1e6)] = 600.0
    """Seconds one request to ngspice may take before its worker is replaced."""


class RunSettings(Strict):
    """Everything that decides what `ftj-spice generate` draws."""

    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """Images to draw."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of every random draw."""
    card: str = "hzo_mfis_nominal"
    """Device card: the name of a packaged one, or a .toml file."""
    decoder: str = "mnist"
    """Decoder: the name of a shipped one, or a .npz file."""
    calibration: str | None = None
    """Stored calibration (.npz) of the array that latents are drawn from, instead of an array of equal cells; see
    `ftj-spice sample --calibrate`. The array's seed is in it, and `seed` tells its runs apart."""
    periphery: str | None = None
    """Circuits that read the columns of both phases, as a macromodel of transistors: NAME (of the generic process) or
    PROCESS/NAME of a packaged one, or a .json file; none: the behavioural read-outs. It takes over the settings of what
    it holds (integrators' time and capacitor, the converters); a stored calibration keeps its own read-out."""
    audit: Annotated[int, Field(ge=0, le=10_000)] = 8
    """Reads drawn at random, over all layers and tiles, that ngspice repeats where another engine made them; and for
    every four of them one transient of the sample phase, where the fast engine stood in for it, or one column of a
    calibrated array. 0: no audit. Where ngspice itself reads, as many netlists are kept for `ftj-spice replay`."""
    sample: SampleSettings = SampleSettings()
    """Sample phase."""
    read: ReadSettings = ReadSettings()
    """Read phase."""
    engine: EngineSettings = EngineSettings()
    """Engines."""

    @model_validator(mode="after")
    def _one_array(self) -> "RunSettings":
        if self.calibration is not None and self.sample != SampleSettings():
            raise ValueError("'sample' must stay as it is with 'calibration': the stored array has its own settings")
        return self


ENGINES = {
    "fast": ("engine.sample=fast", "engine.read=fast"),
    "ngspice": ("engine.sample=ngspice", "engine.read=ngspice"),
    "vacask": ("engine.sample=ngspice", "engine.read=vacask"),
}
"""Settings that one name chooses for both phases."""

LARGEST_JOBS = 1024


def engine_changes(name: str) -> tuple[str, ...]:
    """Returns the changes, as for `load_settings`, that put both phases on an engine.

    Raises:
        SettingsError: There is no such engine.
    """
    if name not in ENGINES:
        raise SettingsError(f"unknown engine {name[:40]!r}; known: {', '.join(ENGINES)}")
    return ENGINES[name]


def check_jobs(jobs: int) -> None:
    """Refuses a number of workers that makes no sense.

    Raises:
        SettingsError: It lies outside 1 to `LARGEST_JOBS`.
    """
    if not 1 <= jobs <= LARGEST_JOBS:
        raise SettingsError(f"jobs must lie between 1 and {LARGEST_JOBS}, got {jobs}")


def load_settings(path: str | Path | None = None, changes: Iterable[str] = ()) -> RunSettings:
    """Returns the settings of a TOML file (or the defaults), changed by `key=value` strings.

    Args:
        path: The file; none means the defaults.
        changes: Such as `sample.voltage=1.4`; the value is read as TOML, or as text where it is none.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    return read_settings(RunSettings, path, changes)


def read_settings(model: type[Model], path: str | Path | None = None, changes: Iterable[str] = ()) -> Model:
    """Returns any verb's settings from a TOML file (or the defaults), changed by `key=value` strings.

    A group given in part keeps the model's own defaults for the rest of it, not those of the group's class.

    Args:
        model: Which settings.
        path: The file; none means the defaults.
        changes: As in `load_settings`.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    data, where = settings_data(path, changes)
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel) and isinstance(data.get(name), dict):
            data[name] = field.default.model_dump() | data[name]
    return model.parse(data, where)


def settings_data(path: str | Path | None, changes: Iterable[str]) -> tuple[dict[str, Any], str]:
    """Returns the nested values of a TOML file, changed as in `load_settings`, and what to call them in an error.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change.
    """
    data: dict[str, Any] = {}
    where = "settings"
    if path is not None:
        where = str(path)
        data = read_toml(Path(path), "the settings file ")
    for change in changes:
        _apply(data, change)
    return data, where


def _apply(data: dict[str, Any], change: str) -> None:
    given = f"--set {change[:80]!r}"
    key, equals, text = change.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise SettingsError(f"{given}: write key=value, for example sample.voltage=1.4")
    try:
        value = tomllib.loads(f"value = {text.strip()}")
    except (ValueError, RecursionError):
        value = {"value": text.strip()}
    if set(value) != {"value"}:
        raise SettingsError(f"{given}: one value, please")
    for name in names[:-1]:
        data = data.setdefault(name, {})
        if not isinstance(data, dict):
            raise SettingsError(f"{given}: '{name}' is not a group of settings")
    data[names[-1]] = value["value"]


def default_toml(model: type[BaseModel] = RunSettings, verb: str = "generate") -> str:
    """Returns the default settings of a verb as a commented TOML file."""
    lines = [f"# Settings of ftj-spice {verb}. Every line shows the default; SI units throughout."]
    groups: list[tuple[str, BaseModel, str]] = []
    defaults = model()
    for name, field in model.model_fields.items():
        value = getattr(defaults, name)
        if isinstance(value, BaseModel):
            groups.append((name, value, field.description or ""))
        else:
            lines += ["", *_entry(name, value, field.description)]
    for name, group, description in groups:
        lines += ["", f"[{name}]", f"# {description}"]
        for key, field in type(group).model_fields.items():
            lines += ["", *_entry(key, getattr(group, key), field.description)]
    return "\n".join(lines) + "\n"


def _entry(name: str, value: Any, description: str | None) -> list[str]:
    comment = [f"# {line.strip()}" for line in (description or "").splitlines()]
    if value is None:
        return [*comment, f"# {name} ="]
    return [*comment, f"{name} = {_toml(value)}"]


def _toml(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(entry) for entry in value)}]"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
