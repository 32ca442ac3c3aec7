"""The decoder file: a versioned `.npz` of float arrays and one JSON string, read without pickle and fully checked.

| key | content |
|---|---|
| `format` | string array of shape (): `ftj-spice decoder 1` |
| `weight_0`, `bias_0`, `weight_1`, ... | float16 or float32, shapes (inputs, outputs) and (outputs,) |
| `output_gain` | one float > 0 |
| `image_shape` | two integers: height, width |
| `record` | string array of shape (): a JSON object that says how the decoder was trained |
"""

import io
import itertools
import json
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftj_spice.common.errors import DataError

FORMAT = "ftj-spice decoder 1"
_WEIGHT_TYPES = ("float16", "float32")
_DAMAGE = (
    *(ValueError, EOFError, OSError, RuntimeError, SyntaxError, MemoryError, OverflowError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def check(layers: Sequence[tuple[np.ndarray, np.ndarray]], image_shape: tuple[int, ...], output_gain: float) -> None:
    """Checks that arrays make up a decoder.

    Args:
        layers: `(weights, bias)` pairs.
        image_shape: Height and width in pixels.
        output_gain: Factor before the sigmoid.

    Raises:
        DataError: A shape does not fit or a value is not finite; the sentence names the array by its key.
    """
    if not layers:
        raise DataError("'weight_0' is missing: a decoder needs at least one layer")
    for index, (weights, bias) in enumerate(layers):
        if weights.ndim != 2 or 0 in weights.shape:
            raise DataError(f"'weight_{index}' must be a matrix (inputs, outputs), got the shape {weights.shape}")
        if bias.shape != weights.shape[1:]:
            raise DataError(f"'bias_{index}' must have the shape {weights.shape[1:]}, got {bias.shape}")
        if index and weights.shape[0] != layers[index - 1][0].shape[1]:
            given = layers[index - 1][0].shape[1]
            raise DataError(f"'weight_{index}' takes {weights.shape[0]} inputs, but the layer before gives {given}")
        for key, values in ((f"weight_{index}", weights), (f"bias_{index}", bias)):
            if not np.isfinite(values).all():
                raise DataError(f"'{key}' holds NaN or infinity")
    outputs = layers[-1][0].shape[1]
    if len(image_shape) != 2 or min(image_shape) < 1 or image_shape[0] * image_shape[1] != outputs:
        raise DataError(f"'image_shape' {tuple(image_shape)} does not hold the last layer's {outputs} outputs")
    if not (np.isfinite(output_gain) and output_gain > 0):
        raise DataError(f"'output_gain' must be a finite number above 0, got {output_gain}")


def read(path: Path) -> dict[str, Any]:
    """Reads a decoder file into the arguments of `Decoder`.

    Raises:
        DataError: The file is missing, damaged or of another format; the sentence names the key, not the file.
    """
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}") from error
    try:
        archive = np.load(io.BytesIO(blob), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError("is a single array, not a decoder file (.npz)")
        with archive:
            arrays = {key: _entry(archive, key) for key in archive.files}
    except _DAMAGE as error:
        raise DataError("is damaged or not a decoder file (.npz)") from error
    return _parse(arrays)


def encode(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    image_shape: tuple[int, int],
    output_gain: float,
    record: dict[str, Any],
) -> bytes:
    """Returns the content of a decoder file; arguments as in `Decoder`.

    Raises:
        DataError: A weight does not fit into float32, or the record is not JSON data.
    """
    try:
        text = json.dumps(record, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the training record must be plain JSON data: {error}") from error
    arrays: dict[str, Any] = {"format": np.array(FORMAT)}
    for index, (weights, bias) in enumerate(layers):
        arrays[f"weight_{index}"] = _compact(weights, f"weight_{index}")
        arrays[f"bias_{index}"] = _compact(bias, f"bias_{index}")
    arrays["output_gain"] = np.array(output_gain, dtype=np.float64)
    arrays["image_shape"] = np.array(image_shape, dtype=np.int64)
    arrays["record"] = np.array(text)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _compact(values: np.ndarray, key: str) -> np.ndarray:
    """Returns `values` as float16 where that is exact, else as float32."""
    with np.errstate(over="ignore"):
        half, single = values.astype(np.float16), values.astype(np.float32)
    if not np.isfinite(single).all():
        raise DataError(f"'{key}' holds a value too large for float32")
    return half if np.array_equal(half, values) else single


def _entry(archive: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    """Reads one array, so that damage is reported with its key."""
    try:
        values = archive[key]
    except _DAMAGE as error:
        reason = "holds Python objects" if "allow_pickle" in str(error) else "is damaged"
        raise DataError(f"'{key}' {reason}") from error
    if not isinstance(values, np.ndarray):
        raise DataError(f"'{key}' is not an array")
    return values


def _parse(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Turns checked arrays into the arguments of `Decoder`."""
    found = _text(arrays, "format")
    if found != FORMAT:
        raise DataError(f"'format' is {found!r}; this version reads {FORMAT!r}")
    count = len(list(itertools.takewhile(lambda index: f"weight_{index}" in arrays, itertools.count())))
    layers = tuple((_weights(arrays, f"weight_{index}"), _weights(arrays, f"bias_{index}")) for index in range(count))
    known = {f"{kind}_{index}" for kind in ("weight", "bias") for index in range(count)}
    unknown = sorted(arrays.keys() - known - {"format", "output_gain", "image_shape", "record"})
    if unknown:
        raise DataError(f"'{unknown[0]}' is not part of a decoder with {count} layers")
    gain = _array(arrays, "output_gain")
    if gain.shape != () or gain.dtype.kind != "f":
        raise DataError(f"'output_gain' must be one float, got {gain.dtype} of shape {gain.shape}")
    shape = _array(arrays, "image_shape")
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise DataError(f"'image_shape' must be two integers, got {shape.dtype} of shape {shape.shape}")
    try:
        record = json.loads(_text(arrays, "record"))
    except (ValueError, RecursionError) as error:
        raise DataError("'record' is not valid JSON") from error
    if not isinstance(record, dict):
        raise DataError(f"'record' must be a JSON object, got {type(record).__name__}")
    return {"layers": layers, "image_shape": tuple(shape.tolist()), "output_gain": float(gain), "record": record}


def _array(arrays: dict[str, np.ndarray], key: str) -> np.ndarray:
    if key not in arrays:
        raise DataError(f"'{key}' is missing")
    return arrays[key]


def _text(arrays: dict[str, np.ndarray], key: str) -> str:
    values = _array(arrays, key)
    if values.shape != () or values.dtype.kind != "U":
        raise DataError(f"'{key}' must be one string, got {values.dtype} of shape {values.shape}")
    return str(values)


def _weights(arrays: dict[str, np.ndarray], key: str) -> np.ndarray:
    values = _array(arrays, key)
    if values.dtype.name not in _WEIGHT_TYPES:
        raise DataError(f"'{key}' must be {' or '.join(_WEIGHT_TYPES)}, got {values.dtype}")
    return values
