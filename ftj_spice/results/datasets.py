"""Labelled arrays in HDF5 (netCDF-4), which xarray, h5py, MATLAB and Octave read.

Every array has named dimensions, a unit and a description. The file is put together in memory and written in one go:
equal content gives equal bytes with one version of the libraries, and a full disk leaves no half-written HDF5 behind.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ftj_spice.common.errors import DataError
from ftj_spice.common.files import reason, writing

if TYPE_CHECKING:
    import xarray

Variable = tuple[tuple[str, ...] | str, ArrayLike, Mapping[str, str]]
"""Dimension names, the array, and its attributes (`units` and `long_name` at least)."""


def write_dataset(path: Path, variables: Mapping[str, Variable], attributes: Mapping[str, str | int | float]) -> None:
    """Writes labelled arrays.

    Args:
        path: File to write (`.h5` or `.nc`); an existing one is replaced.
        variables: By name: dimension names (one per axis; a single name may stand alone), the array (numbers, booleans
            or text) and its attributes. `units` (SI, `1` for a number) and `long_name` are required. A variable named
            like its only dimension holds that axis' coordinates.
        attributes: Of the whole file: engine, seed, settings, ...

    Raises:
        ValueError: `units` or `long_name` is missing, or names, shapes and types do not fit together.
        OutputError: The file can't be written.
    """
    import h5netcdf

    prepared = {name: _prepare(name, *entry) for name, entry in variables.items()}
    sizes: dict[str, int] = {}
    for name, (dimensions, array, _) in prepared.items():
        for dimension, size in zip(dimensions, array.shape, strict=True):
            if sizes.setdefault(dimension, size) != size:
                raise ValueError(f"{name}: dimension {dimension!r} is {size} here and {sizes[dimension]} elsewhere")
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        file.dimensions = sizes
        for name, (dimensions, array, own) in prepared.items():
            variable = file.create_variable(name, dimensions, array.dtype, data=array)
            for key, value in own.items():
                variable.attrs[key] = value
        for key, value in attributes.items():
            file.attrs[key] = value
    with writing(path):
        path.write_bytes(buffer.getvalue())


def read_dataset(path: Path) -> "xarray.Dataset":
    """Reads a file of `write_dataset` whole into memory.

    Raises:
        DataError: The file can't be read or is no such file.
    """
    import xarray

    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"can't read {path}: {reason(error)}") from error
    try:
        return xarray.load_dataset(io.BytesIO(content), engine="h5netcdf")
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise DataError(f"{path}: not a readable HDF5 file of labelled arrays ({type(error).__name__})") from error


def _prepare(
    name: str, dimensions: tuple[str, ...] | str, values: ArrayLike, attributes: Mapping[str, str]
) -> tuple[tuple[str, ...], np.ndarray, dict[str, Any]]:
    """Checks one variable and brings it into a type that netCDF knows."""
    import h5py

    names = (dimensions,) if isinstance(dimensions, str) else tuple(dimensions)
    array = np.asarray(values)
    own: dict[str, Any] = dict(attributes)
    for key in ("units", "long_name"):
        if key not in own:
            raise ValueError(f"{name}: give its {key!r}")
    if array.ndim != len(names) or len(set(names)) < len(names):
        raise ValueError(f"{name}: shape {array.shape} does not fit the dimensions {names}")
    if name in names and len(names) > 1:
        raise ValueError(f"{name}: only an axis' own coordinates may be named like a dimension")
    if array.dtype.kind == "b":
        own["dtype"] = "bool"  # xarray's convention; netCDF has no booleans
        return names, array.astype(np.int8), own
    if array.dtype.kind == "U":
        return names, array.astype(object).astype(h5py.string_dtype()), own
    if array.dtype.kind in "iuf":
        return names, array, own
    raise ValueError(f"{name}: arrays of type {array.dtype} can't be stored; use numbers, booleans or text")
