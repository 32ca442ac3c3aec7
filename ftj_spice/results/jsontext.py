"""JSON text from results: plain numbers, order kept."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def to_json(data: Mapping[str, Any]) -> str:
    """Returns indented JSON with a final line feed, keys in the order given.

    Numpy scalars and arrays become numbers and nested lists; NaN and infinities, which JSON does not know, become
    null.

    Raises:
        TypeError: A value or key has no JSON form.
    """
    return json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Returns `value` in Python's own types, as `to_json` writes them.

    Raises:
        TypeError: A value or key has no JSON form.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"JSON keys are text, not {key!r}")
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        return plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form")
