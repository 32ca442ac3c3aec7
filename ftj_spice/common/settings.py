"""Strict, frozen settings: unknown keys are refused with the nearest valid name, errors read as one sentence."""

import difflib
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from ftj_spice.common.errors import SettingsError


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Input should be one line of printable characters")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
"""Text for people that stands on one line of a terminal, a table or a netlist's comment, and can't leave it."""


class Strict(BaseModel):
    """Base of every settings and card model: frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Keeps `samples = true` from counting as 1."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and bool not in (annotation, *get_args(annotation)):
            raise ValueError("Input should not be true or false")
        return value

    @classmethod
    def parse(cls, data: dict[str, Any], where: str) -> Self:
        """Validates `data`.

        Args:
            data: Nested dictionaries as read from TOML.
            where: What the data came from, e.g. a file name; it opens the error's sentence.

        Raises:
            SettingsError: A key is unknown or a value does not fit; the sentence names the key and what would be right.
        """
        given = [name for name in _inner(cls) if name in data]
        if given:
            raise SettingsError(f"{where}: unknown setting '{given[0]}'{_nearest((given[0],), cls)}")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SettingsError(f"{where}: {describe(error, cls)}") from None


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Puts pydantic's findings into one sentence, an unknown key first: it may be the one that is missing."""
    findings = error.errors()
    first = next((finding for finding in findings if finding["type"] == "extra_forbidden"), findings[0])
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        text = f"unknown setting '{path}'{_nearest(first['loc'], model)}"
    elif first["type"] == "model_type":
        text = f"'{path}' is a group of settings, not a value, got {first['input']!r}"
    elif path and first["type"] not in {"missing", "value_error"} and isinstance(first["input"], dict):
        text = f"'{path}' is one value, not a group of settings"
    else:
        message = first["msg"].removeprefix("Value error, ")
        shown = path and first["type"] != "missing" and not isinstance(first["input"], dict)
        given = f", got {first['input']!r}" if shown else ""
        text = f"'{path}': {message}{given}" if path else f"{message}{given}"
    rest = len(findings) - 1
    return text + (f" (and {rest} more problem{'s' * (rest > 1)})" if rest else "")


def _inner(model: type[BaseModel]) -> list[str]:
    """Returns the fields that loaders fill in, which are no settings: those that are left out of what is stored."""
    return [name for name, field in model.model_fields.items() if field.exclude]


def _nearest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Returns `, did you mean '...'?` for an unknown key, or the list of valid keys where none is near."""
    current: Any = model
    for part in location[:-1]:
        field = (
            current.model_fields.get(str(part))
            if isinstance(current, type) and issubclass(current, BaseModel)
            else None
        )
        if field is None:
            return ""
        current = field.annotation
    if not (isinstance(current, type) and issubclass(current, BaseModel)):
        return ""
    names = [name for name in current.model_fields if name not in _inner(current)]
    near = difflib.get_close_matches(str(location[-1]), names, n=1)
    prefix = "".join(f"{part}." for part in location[:-1])
    return f", did you mean '{prefix}{near[0]}'?" if near else f"; known here: {', '.join(names)}"
