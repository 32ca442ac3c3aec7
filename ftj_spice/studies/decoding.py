"""The decoder on arrays: every layer's matrix on tiles, everything between the layers digital."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.coding import LATENT_RANGE
from ftj_spice.array.layer import KeptRead, LayerResult, forward, read_plan
from ftj_spice.array.mapping import ProgrammedLayer
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.tally import Tally
from ftj_spice.common import resources
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.generative.decoder import Decoder, shipped
from ftj_spice.generative.layers import Layer
from ftj_spice.periphery.macromodel import Macromodel

PROBES = 256
"""Random latents whose activations, in the ideal decoder, set the ranges of inputs and converters."""
LARGEST_PROBES = 4096
"""Input vectors of one layer that these may make: a convolution makes many of each."""
INPUT_PERCENTILE = 99.9
"""Percentile of a hidden layer's inputs that is the full scale of their coding; larger ones are clipped."""
SHOWN = 4000
"""Products of a layer that are kept for a plot, about."""


@dataclass(frozen=True)
class LayerRun:
    """What came of one layer on arrays.

    Attributes:
        number: From 0.
        kind: `dense` or `transposed convolution`.
        shape: Rows (that of the bias included) and outputs of its matrix.
        tiles: Number of tiles.
        cells: Number of cells.
        products: Input vectors that were multiplied.
        reads: Reads of a tile, all together.
        input_range: Full scale of the inputs' coding.
        mean_absolute_error: Of the products, against exact ones of the same inputs and weights.
        rms_error: Root mean square, likewise.
        effective_bits: See `LayerResult.effective_bits`.
        reach: Smallest share of the ideal current that a column delivers.
        exact: Some exact products, shape `(n,)`.
        outputs: The same through the array.
        conductance: Programmed conductances in S at V_VMM, tiles side by side, shape `(rows, columns)`.
        kept: Reads kept whole.
        engine: Engine and version.
        status: `ok`, or what the engine needed.
        methods: How many reads each of the engine's methods solved.
        tally: What the reads did that costs energy, where a periphery read them.
        scales: What the circuits of each tile are scaled by.
    """

    number: int
    kind: str
    shape: tuple[int, int]
    tiles: int
    cells: int
    products: int
    reads: int
    input_range: float
    mean_absolute_error: float
    rms_error: float
    effective_bits: float
    reach: float
    exact: NDArray[np.float64]
    outputs: NDArray[np.float64]
    conductance: NDArray[np.float32]
    kept: tuple[KeptRead, ...]
    engine: str
    status: str
    methods: Mapping[str, int]
    tally: Tally | None = None
    scales: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """Its name in file names and metrics."""
        return f"layer{self.number}"


def load_decoder(name: str) -> Decoder:
    """Returns a shipped decoder by name, or one from an .npz file.

    Raises:
        DataError: No such decoder, or a damaged file.
    """
    return Decoder.load(name) if name.endswith(".npz") else shipped(name)


def decoder_path(name: str) -> Path:
    """Returns the file of a decoder that `load_decoder` knows."""
    return Path(name) if name.endswith(".npz") else resources.models() / "decoders" / f"{name}.npz"


def layer_plans(decoder: Decoder, settings: ReadSettings, batch: int) -> list[list[int]]:
    """Returns the number of reads of each tile, layer by layer.

    Args:
        decoder: The decoder.
        settings: Settings of the read phase.
        batch: Images.
    """
    plans = []
    for number, layer in enumerate(decoder.layers):
        rows, columns = layer.matrix.shape
        plans.append(
            read_plan(
                batch * layer.positions, (rows, columns), settings, signed=number == 0, bias=_bias(layer) is not None
            )
        )
    return plans


def decode(
    latents: NDArray[np.float64],
    decoder: Decoder,
    card: Card,
    settings: ReadSettings,
    *,
    seed: int,
    reader: ArrayReader,
    keep: Sequence[Sequence[tuple[int, int]]] = (),
    progress: Callable[[int, int], None] | None = None,
    periphery: Macromodel | None = None,
) -> tuple[NDArray[np.float64], list[LayerRun]]:
    """Decodes latents, each layer's matrix on arrays; ReLU and the last sigmoid are digital.

    A layer's inputs take a range from the activations of random latents in the ideal decoder; after a ReLU they are
    never negative, and take one phase.

    Args:
        latents: Shape `(images, latent_dim)`.
        decoder: The decoder.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        reader: What reads the arrays.
        keep: For each layer, pairs of tile and read that are kept.
        progress: Called with finished and all tiles of all layers.
        periphery: Circuits that read the columns; none: the behavioural read-out.

    Returns:
        Images, and what came of each layer.

    Raises:
        DataError: Shapes don't fit.
        SettingsError: What the settings ask for can't be had; see `forward`.
        EngineError: A simulation failed.
    """
    plans = layer_plans(decoder, settings, len(latents))
    total = sum(map(len, plans))
    done = 0
    probes = generator(seed, "activation-calibration").standard_normal((PROBES, decoder.latent_dim))
    values, runs = latents, []
    for number, layer in enumerate(decoder.layers):
        if number:
            values, probes = decoder.hidden(values), decoder.hidden(probes)
        inputs = layer.gather(values)
        typical = _some(layer.gather(probes))
        scale = LATENT_RANGE if number == 0 else _range(typical)
        before = done
        result = forward(
            inputs,
            layer.matrix,
            _bias(layer),
            card,
            settings,
            seed=seed,
            reader=reader,
            number=number,
            full_scale=scale,
            signed=number == 0,
            probes=typical,
            keep=keep[number] if keep else (),
            progress=None if progress is None else lambda k, _, before=before: progress(before + k, total),
            periphery=periphery,
        )
        done += len(plans[number])
        runs.append(_layer_run(number, layer, result, scale))
        values = layer.scatter(result.outputs)
        probes = layer(probes)
    return decoder.finish(values), runs


def _bias(layer: Layer) -> NDArray[np.float64] | None:
    return layer.matrix_bias if np.any(layer.matrix_bias) else None


def _range(inputs: NDArray[np.float64]) -> float:
    """Returns the full scale of inputs like these; silent ones leave it to the largest, or 1."""
    return float(np.percentile(inputs, INPUT_PERCENTILE)) or float(np.max(inputs)) or 1.0


def _some(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns evenly chosen vectors, at most `LARGEST_PROBES`."""
    return vectors[:: -(-len(vectors) // LARGEST_PROBES)]


def _layer_run(number: int, layer: Layer, result: LayerResult, scale: float) -> LayerRun:
    step = -(-result.outputs.size // SHOWN)
    rows, columns = result.layer.shape
    return LayerRun(
        number=number,
        kind="dense" if layer.positions == 1 else "transposed convolution",
        shape=(rows, columns),
        tiles=len(result.layer.tiles),
        cells=result.layer.cells,
        products=len(result.outputs),
        reads=result.reads,
        input_range=scale,
        mean_absolute_error=result.mean_absolute_error,
        rms_error=result.error,
        effective_bits=result.effective_bits,
        reach=result.reach,
        exact=result.exact.ravel()[::step].copy(),
        outputs=result.outputs.ravel()[::step].copy(),
        conductance=tiled(result.layer),
        kept=result.kept,
        engine=result.engine,
        status=result.status,
        methods=result.methods,
        tally=result.tally,
        scales=result.scales,
    )


def tiled(layer: ProgrammedLayer) -> NDArray[np.float32]:
    """Returns a layer's programmed conductances in S, tiles side by side in the order of their grid."""
    blocks: dict[int, list[NDArray[np.float64]]] = {}
    for tile in layer.tiles:
        blocks.setdefault(tile.rows.start, []).append(tile.conductance)
    return np.concatenate([np.concatenate(row, axis=1) for row in blocks.values()]).astype(np.float32)
