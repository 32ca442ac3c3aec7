"""What `vmm` multiplies: weights and inputs from files, or a layer of a decoder with its own activations.

Converters' ranges, calibration and the full scale of the outputs come from typical inputs that are drawn from a seed
and never measured: activations of random latents for a decoder's layer, else normal inputs of the same scale and sign
as those that are multiplied (`like`). Only the full scale of the inputs' coding is that of the inputs themselves.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.coding import LATENT_RANGE, full_scale_of
from ftj_spice.array.layer import PROBES, read_plan
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.common.npyfile import open_npy
from ftj_spice.common.seeds import generator
from ftj_spice.generative.decoder import Decoder, shipped

LARGEST_MAGNITUDE = 1e100
"""Of weights, biases and inputs: the squares of sums of more don't fit into a number."""
LONGEST = 86_400.0
"""Seconds that a product may take by estimate."""
ENOUGH = 16
"""Input vectors from which on each input has a mean and a standard deviation of its own in `like`."""


@dataclass(frozen=True)
class Problem:
    """A product and where it comes from.

    Attributes:
        weights: Shape `(inputs, outputs)`.
        inputs: Shape `(batch, inputs)`.
        bias: Shape `(outputs,)`, or none.
        full_scale: Full scale of the inputs' coding.
        signed: Whether inputs can be negative.
        probes: Typical inputs, shape `(vectors, inputs)`; none of them is multiplied.
        source: What it is, in words.
    """

    weights: NDArray[np.float64]
    inputs: NDArray[np.float64]
    bias: NDArray[np.float64] | None
    full_scale: float
    signed: bool
    probes: NDArray[np.float64]
    source: str


def load_problem(
    weights: str, inputs: Path | None, bias: Path | None, vectors: int, seed: int, settings: ReadSettings, engine: str
) -> Problem:
    """Reads weights and inputs, and says before any simulation when they are out of reach.

    Args:
        weights: A .npy file, or `DECODER:LAYER` with a shipped decoder or an .npz file and a number from 1.
        inputs: A .npy file of shape `(batch, inputs)`; without it random latents, through the decoder's layers before
            this one where weights are a layer.
        bias: A .npy file of shape `(outputs,)`; a layer brings its own.
        vectors: Random input vectors where no file gives them.
        seed: The run's seed.
        settings: Settings of the read phase.
        engine: Who reads.

    Raises:
        DataError: A file is missing or damaged, shapes don't fit, a value is not finite.
        SettingsError: Estimated memory or time is out of reach.
    """
    if vectors < 1:
        raise SettingsError(f"the number of random input vectors must be at least 1, got {vectors}")
    name, colon, number = weights.rpartition(":")
    if colon and not weights.endswith(".npy"):
        if bias is not None:
            raise SettingsError(f"{weights} has a bias of its own; leave --bias out")
        return _layer(name, number, inputs, vectors, seed, settings, engine)
    if not Path(weights).suffix:
        raise SettingsError(f"--weights {weights}: give a .npy file, or a decoder's layer, such as mnist:2")
    matrix = _load(Path(weights), "weights", 2)
    check_reach(_shape(matrix), vectors if inputs is None else 1, settings, engine)
    w = _finite(matrix, weights)
    if inputs is None:
        x = generator(seed, "vmm-inputs").standard_normal((vectors, len(w)))
    else:
        found = _load(inputs, "inputs", 2)
        if found.shape[1] != len(w):
            raise DataError(f"{inputs}: inputs must have shape (batch, {len(w)}) to fit the weights, not {found.shape}")
        check_reach(_shape(matrix), len(found), settings, engine)
        x = _finite(found, str(inputs))
    b = None
    if bias is not None:
        found = _load(bias, "bias", 1)
        if found.shape != w.shape[1:]:
            raise DataError(f"{bias}: the bias must have shape ({w.shape[1]},) to fit the weights, not {found.shape}")
        b = _finite(found, str(bias))
    signed = bool((x < 0).any())
    return Problem(w, x, b, full_scale_of(x, settings, signed), signed, like(x, signed, seed), Path(weights).name)


def like(inputs: NDArray[np.float64], signed: bool, seed: int) -> NDArray[np.float64]:
    """Returns random inputs of the scale and sign of some others, shape `(PROBES, inputs)`.

    They are normal, with each input's mean and standard deviation over the vectors; with fewer than `ENOUGH` vectors,
    or where all are the same, with the mean and standard deviation of all values. Should these be all the same, too,
    their magnitude is the standard deviation, and 1 if they are 0.

    Args:
        inputs: Shape `(batch, inputs)`.
        signed: Whether inputs can be negative; if not, negative draws become 0.
        seed: The run's seed.
    """
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    negligible = 1e-9 * float(np.max(np.abs(inputs)))
    if len(inputs) < ENOUGH or (deviation <= negligible).all():
        mean, deviation = inputs.mean(), inputs.std()
        if deviation <= negligible:
            deviation = abs(mean) or 1.0
    draws = generator(seed, "vmm-probes").standard_normal((PROBES, inputs.shape[1]))
    drawn = mean + deviation * draws
    return drawn if signed else np.maximum(drawn, 0.0)


def _layer(
    name: str, number: str, inputs: Path | None, vectors: int, seed: int, settings: ReadSettings, engine: str
) -> Problem:
    """Returns a decoder's layer with its activations."""
    decoder = Decoder.load(name) if name.endswith(".npz") else shipped(name)
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= len(decoder.layers):
        raise SettingsError(f"--weights {name}:{number}: layers of {name} are numbered 1 to {len(decoder.layers)}")
    place = int(number) - 1
    layer = decoder.layers[place]
    matrix, bias = layer.matrix, layer.matrix_bias

    def activations(latents: NDArray[np.float64]) -> NDArray[np.float64]:
        values = latents
        for before in decoder.layers[:place]:
            values = decoder.hidden(before(values))
        return layer.gather(values)

    check_reach(_shape(matrix), vectors * layer.positions, settings, engine)
    probes = activations(generator(seed, "vmm-probes").standard_normal((PROBES, decoder.latent_dim)))
    probes = probes[:: -(-len(probes) // (16 * PROBES))]
    if inputs is None:
        x = activations(generator(seed, "vmm-inputs").standard_normal((vectors, decoder.latent_dim)))
    else:
        found = _load(inputs, "inputs", 2)
        if found.shape[1] != len(matrix):
            raise DataError(
                f"{inputs}: inputs must have shape (batch, {len(matrix)}) to fit the weights, not {found.shape}"
            )
        check_reach(_shape(matrix), len(found), settings, engine)
        x = _finite(found, str(inputs))
    signed = place == 0 or bool((x < 0).any())
    full_scale = LATENT_RANGE if place == 0 else full_scale_of(probes, settings, signed)
    return Problem(matrix, x, bias if np.any(bias) else None, full_scale, signed, probes, f"{name}, layer {number}")


def _load(path: Path, what: str, axes: int) -> NDArray[Any]:
    """Returns a .npy file's array of real numbers, not yet read from the disk.

    Raises:
        DataError: No such file, none of numpy's, or other numbers of axes.
    """
    array = open_npy(path, what)
    if array.ndim != axes or 0 in array.shape:
        wanted = "(inputs, outputs)" if what == "weights" else "(batch, inputs)" if axes == 2 else "(outputs,)"
        raise DataError(f"{path}: {what} must have shape {wanted}, none of them 0, not {array.shape}")
    return array


def _finite(array: NDArray[Any], where: str) -> NDArray[np.float64]:
    """Returns the values as floats.

    Raises:
        DataError: One is NaN, infinite or beyond `LARGEST_MAGNITUDE`.
    """
    values = np.array(array, dtype=np.float64)
    if not np.isfinite(values).all():
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
        raise DataError(f"{where}: every value must be finite, but the one at {place} is {values[place]}")
    if np.max(np.abs(values)) > LARGEST_MAGNITUDE:
        raise DataError(f"{where}: values beyond {LARGEST_MAGNITUDE:g} can't be multiplied")
    return values


def _shape(matrix: NDArray[Any]) -> tuple[int, int]:
    return int(matrix.shape[0]), int(matrix.shape[1])


def estimate(shape: tuple[int, int], batch: int, settings: ReadSettings, engine: str) -> tuple[float, float]:
    """Returns roughly how many seconds and bytes one product takes.

    ngspice and VACASK: half a second per read of a 64 x 64 tile, and as the number of cells to the power 1.5 (ngspice
    39 takes that, later ones less); the fast engine at most 15 ns per cell and read.

    Args:
        shape: Inputs and outputs of the weights.
        batch: Input vectors.
        settings: Settings of the read phase.
        engine: Who reads.
    """
    reads = read_plan(1, (1, 1), settings, signed=True)[0] * float(batch)
    rows, columns = min(shape[0] + 1, settings.tile_rows), min(shape[1] * settings.columns_per_output,
                                                               settings.tile_columns)  # fmt: skip
    tiles = -(-(shape[0] + 1) // settings.tile_rows) * -(-shape[1] * settings.columns_per_output // columns)
    cells = float(rows * columns)
    each = 0.5 * (cells / 4096.0) ** 1.5 if engine in {"ngspice", "vacask"} else 1.5e-8 * cells
    stored = 8.0 * (shape[0] + 1) * shape[1] * (2 + 8 * settings.columns_per_output)
    return reads * tiles * each, stored + 8.0 * batch * (2 * shape[0] + 6 * shape[1]) + 5e8


def check_reach(shape: tuple[int, int], batch: int, settings: ReadSettings, engine: str) -> None:
    """Refuses a product whose estimated time or memory is out of reach.

    Raises:
        SettingsError: The sentence gives the estimate.
    """
    seconds, size = estimate(shape, batch, settings, engine)
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) if hasattr(os, "sysconf") else 64e9
    product = f"{batch} x {shape[0]} by {shape[0]} x {shape[1]}"
    if size > memory:
        raise SettingsError(
            f"the product {product} would take about {size / 1e9:.3g} GB of memory; this machine has "
            f"{memory / 1e9:.3g} GB"
        )
    if seconds > LONGEST:
        raise SettingsError(
            f"the product {product} would take about {seconds / 3600:.3g} hours with engine {engine!r}; take fewer "
            "inputs, smaller tiles, or another engine"
        )
