"""The decoder file: a versioned `.npz` of numeric arrays and one JSON string, read without pickle and fully checked.

| key | content |
|---|---|
| `format` | string array of shape (): `ftj-spice decoder 1` or `ftj-spice decoder 2` |
| `weight_0`, `bias_0`, `weight_1`, ... | float16 or float32, shapes (inputs, outputs) and (outputs,) |
| `output_gain` | one float > 0 |
| `image_shape` | two integers: height, width |
| `record` | string array of shape (): a JSON object that says how the decoder was trained |

Format 2 adds colour images, whose `image_shape` is three integers: height, width, 3; and transposed convolutions. Layer
i is one if it has the entries below; its `weight_i` then has the shape (in_channels, out_channels, kernel height,
kernel width), its `bias_i` (out_channels,).

| key | content |
|---|---|
| `input_shape_i` | three integers: in_channels, height, width |
| `stride_i`, `padding_i`, `output_padding_i` | two integers each: vertical, horizontal |

A file is written in format 1 where that holds the decoder.
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
from ftj_spice.generative.convolution import TransposedConvolution
from ftj_spice.generative.layers import Dense, Layer, LayerError

FORMAT = "ftj-spice decoder 1"
"""Dense layers, grey images."""
CONVOLUTION_FORMAT = "ftj-spice decoder 2"
"""Transposed convolutions and colour images too."""
LARGEST_CONTENT = 2**28
"""Most bytes that a file's arrays may have when unpacked."""
_GEOMETRY = ("stride", "padding", "output_padding", "input_shape")
_WEIGHT_TYPES = ("float16", "float32")
_DAMAGE = (
    *(ValueError, EOFError, OSError, RuntimeError, SyntaxError, MemoryError, OverflowError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def layer(index: int, parts: Any) -> Layer:
    """Returns a decoder's layer: a layer as it is, or the dense one of a `(weights, bias)` pair.

    Raises:
        DataError: The arrays don't make up a layer; the sentence names the array by its key.
    """
    if isinstance(parts, Dense | TransposedConvolution):
        return parts
    weights, bias = parts
    return _build(index, Dense, weights=weights, bias=bias)


def check(layers: Sequence[Layer], image_shape: tuple[int, ...], output_gain: float) -> None:
    """Checks that layers make up a decoder.

    Args:
        layers: From the latents to the pixels.
        image_shape: (height, width) of grey or (height, width, 3) of colour images in pixels.
        output_gain: Factor before the sigmoid.

    Raises:
        DataError: A shape does not fit; the sentence names the array by its key.
    """
    if not layers:
        raise DataError("'weight_0' is missing: a decoder needs at least one layer")
    for index, (before, after) in enumerate(itertools.pairwise(layers), start=1):
        if after.inputs != before.outputs:
            raise DataError(
                f"'weight_{index}' takes {after.inputs} inputs, but the layer before gives {before.outputs}"
            )
        if isinstance(before, TransposedConvolution) and isinstance(after, TransposedConvolution):
            given, taken = before.output_shape, after.input_shape
            if given != taken:
                raise DataError(f"'input_shape_{index}' is {taken}, but the layer before gives {given}")
    outputs = layers[-1].outputs
    if len(image_shape) == 3 and image_shape[2] != 3:
        raise DataError(f"'image_shape' {image_shape} must be (height, width) or (height, width, 3)")
    if len(image_shape) not in (2, 3) or min(image_shape) < 1 or int(np.prod(image_shape, dtype=object)) != outputs:
        raise DataError(f"'image_shape' {tuple(image_shape)} does not hold the last layer's {outputs} outputs")
    last = layers[-1]
    if isinstance(last, TransposedConvolution) and last.output_shape != _planes(image_shape):
        given, wanted = last.output_shape, _planes(image_shape)
        raise DataError(f"'image_shape' {image_shape} needs planes {wanted}, but the last layer gives {given}")
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
            size = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(blob)).infolist())
            if size > LARGEST_CONTENT:
                raise DataError(f"would unpack to {size} bytes; a decoder file may have {LARGEST_CONTENT} at most")
            arrays = {key: _entry(archive, key) for key in archive.files}
    except _DAMAGE as error:
        raise DataError("is damaged or not a decoder file (.npz)") from error
    return _parse(arrays)


def encode(layers: Sequence[Layer], image_shape: tuple[int, ...], output_gain: float, record: dict[str, Any]) -> bytes:
    """Returns the content of a decoder file; arguments as in `Decoder`.

    Raises:
        DataError: A weight does not fit into float32, or the record is not JSON data.
    """
    try:
        text = json.dumps(record, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the training record must be plain JSON data: {error}") from error
    plain = len(image_shape) == 2 and all(isinstance(layer, Dense) for layer in layers)
    arrays: dict[str, Any] = {"format": np.array(FORMAT if plain else CONVOLUTION_FORMAT)}
    for index, part in enumerate(layers):
        if isinstance(part, TransposedConvolution):
            weights, bias = part.kernel, part.bias
            for name in _GEOMETRY:
                arrays[f"{name}_{index}"] = np.array(getattr(part, name), dtype=np.int64)
        else:
            assert isinstance(part, Dense)
            weights, bias = part.weights, part.bias
        arrays[f"weight_{index}"] = _compact(weights, f"weight_{index}")
        arrays[f"bias_{index}"] = _compact(bias, f"bias_{index}")
    arrays["output_gain"] = np.array(output_gain, dtype=np.float64)
    arrays["image_shape"] = np.array(image_shape, dtype=np.int64)
    arrays["record"] = np.array(text)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _planes(image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns (channels, height, width) of an image shape."""
    return (*image_shape[2:], *image_shape[:2]) if len(image_shape) == 3 else (1, *image_shape)


def _build(index: int, kind: type[Dense] | type[TransposedConvolution], **arguments: Any) -> Layer:
    """Builds a layer; complaints name its arrays by their keys."""
    try:
        return kind(**arguments)
    except LayerError as error:
        raise DataError(f"'{error.part}_{index}' {error.complaint}") from error


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
    if found not in (FORMAT, CONVOLUTION_FORMAT):
        raise DataError(f"'format' is {found!r}; this version reads {FORMAT!r} and {CONVOLUTION_FORMAT!r}")
    extended = found == CONVOLUTION_FORMAT
    count = len(list(itertools.takewhile(lambda index: f"weight_{index}" in arrays, itertools.count())))
    kinds = ("weight", "bias", *(_GEOMETRY if extended else ()))
    known = {f"{kind}_{index}" for kind in kinds for index in range(count)}
    unknown = sorted(arrays.keys() - known - {"format", "output_gain", "image_shape", "record"})
    if unknown:
        raise DataError(f"'{unknown[0]}' is not part of a decoder with {count} layers")
    layers = tuple(_layer(arrays, index) for index in range(count))
    gain = _array(arrays, "output_gain")
    if gain.shape != () or gain.dtype.kind != "f":
        raise DataError(f"'output_gain' must be one float, got {gain.dtype} of shape {gain.shape}")
    shape = _array(arrays, "image_shape")
    if shape.shape not in ((2,), (3,) if extended else (2,)) or shape.dtype.kind not in "iu":
        wanted = "two or three" if extended else "two"
        raise DataError(f"'image_shape' must be {wanted} integers, got {shape.dtype} of shape {shape.shape}")
    try:
        record = json.loads(_text(arrays, "record"))
    except (ValueError, RecursionError) as error:
        raise DataError("'record' is not valid JSON") from error
    if not isinstance(record, dict):
        raise DataError(f"'record' must be a JSON object, got {type(record).__name__}")
    return {"layers": layers, "image_shape": tuple(shape.tolist()), "output_gain": float(gain), "record": record}


def _layer(arrays: dict[str, np.ndarray], index: int) -> Layer:
    """Returns one layer; geometry makes it a transposed convolution."""
    weights, bias = _weights(arrays, f"weight_{index}"), _weights(arrays, f"bias_{index}")
    if not any(f"{name}_{index}" in arrays for name in _GEOMETRY):
        return _build(index, Dense, weights=weights, bias=bias)
    geometry = {name: _array(arrays, f"{name}_{index}") for name in _GEOMETRY}
    for name, values in geometry.items():
        count = 3 if name == "input_shape" else 2
        if values.shape != (count,):
            raise DataError(f"'{name}_{index}' must be {count} integers, got {values.dtype} of shape {values.shape}")
    return _build(index, TransposedConvolution, kernel=weights, bias=bias, **geometry)


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
