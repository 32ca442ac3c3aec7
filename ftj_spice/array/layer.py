"""A matrix of weights on arrays: program, read tile by tile through an engine, convert, add."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.calibration import compensate
from ftj_spice.array.coding import LATENT_RANGE, Coding, full_scale_of, largest_code, make_coding
from ftj_spice.array.layer_result import KeptRead, LayerResult, effective_bits
from ftj_spice.array.layer_run import LayerRun
from ftj_spice.array.mapping import grid, map_weights, with_errors
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader, Progress, ReadResult
from ftj_spice.periphery.macromodel import Macromodel

__all__ = ["PROBES", "KeptRead", "LayerResult", "effective_bits", "forward", "read_plan"]

PROBES = 256
"""Random input vectors (normal, as latents are) that set the converters' ranges where none are given."""


def read_plan(
    batch: int, shape: tuple[int, int], settings: ReadSettings, *, signed: bool = True, bias: bool = True
) -> list[int]:
    """Returns the number of reads of each tile of a layer.

    Args:
        batch: Input vectors.
        shape: Inputs and outputs of the weights.
        settings: Settings of the read phase.
        signed: Whether inputs can be negative.
        bias: Whether one more row carries a bias.
    """
    magnitude = largest_code(settings.input_bits, signed)
    phases = 2 if signed else 1
    per_vector = {
        "bit-serial": phases * magnitude.bit_length(),
        "pulse-width": phases * magnitude,
        "amplitude": 1,
    }[settings.coding]
    return [batch * per_vector] * len(grid((shape[0] + bias, shape[1]), settings))


def forward(
    inputs: NDArray[np.float64],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64] | None,
    card: Card,
    settings: ReadSettings,
    *,
    seed: int,
    reader: ArrayReader,
    number: int = 0,
    full_scale: float | None = None,
    signed: bool = True,
    probes: NDArray[np.float64] | None = None,
    keep: Iterable[tuple[int, int]] = (),
    progress: Progress | None = None,
    periphery: Macromodel | None = None,
) -> LayerResult:
    """Computes `inputs @ weights + bias` on arrays; the bias is one more row, driven by a constant.

    Reads are made tile by tile and in batches of bounded size; no draw depends on their size, nor on the engine.

    Args:
        inputs: Shape `(batch, inputs)`.
        weights: Shape `(inputs, outputs)`.
        bias: Shape `(outputs,)`, or none.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        reader: What reads the arrays.
        number: Which layer of the decoder, part of its seed streams.
        full_scale: Full scale of the inputs; the largest code is one step under it. Without it 4 standard deviations
            for standard normal inputs, or where there are probes, so that their largest is the largest code.
        signed: Whether inputs can be negative; if not, one phase is enough.
        probes: Typical inputs, shape `(vectors, inputs)`, from which the converters' ranges are computed, calibration
            draws and compensation takes the rows' typical drive; without them standard normal ones (their magnitudes
            where inputs are not signed).
        keep: Pairs of tile and read that are kept whole.
        progress: Called with finished and all tiles.
        periphery: Circuits that read the columns, each column by one of its own; none: the behavioural read-out.

    Raises:
        DataError: Inputs, weights and bias don't fit one another, or are not finite.
        SettingsError: Conductances outside the card's window, wires that let nothing through, or what the engine
            can't do.
        EngineError: A simulation failed.
    """
    _check(inputs, weights, bias, signed)
    normal = signed
    if probes is None:
        own = generator(seed, "adc-calibration", number).standard_normal((PROBES, weights.shape[0]))
        probes = own if signed else np.abs(own)
    else:
        normal = False
        full_scale = full_scale or full_scale_of(probes, settings, signed)
    coding = make_coding(settings, card, signed, full_scale or LATENT_RANGE)
    extended = weights if bias is None else np.concatenate([weights, bias[np.newaxis] / coding.constant])
    layer = map_weights(extended, card, settings)
    typical = coding.quantise(_extend(probes, bias, coding))
    if settings.ir_drop == "compensate":
        layer = compensate(layer, coding, typical, card, settings, seed, number, reader)
    layer = with_errors(layer, card, settings, seed, number)
    codes = coding.quantise(_extend(inputs, bias, coding))
    run = LayerRun(layer, coding, card, settings, seed, number, reader, codes, periphery)
    run.prepare(typical)
    outputs = run.outputs(_by_tile(keep, read_plan(len(inputs), _shape(weights), settings, signed=signed,
                                                   bias=bias is not None)), progress)  # fmt: skip
    exact = inputs @ weights + (0.0 if bias is None else bias)
    joined = ReadResult.joined(run.answers)
    return LayerResult(
        outputs=outputs,
        exact=exact,
        full_scale=_span(probes, weights, normal),
        layer=layer,
        converters=tuple(run.converters),
        corrections=tuple(run.corrections) if run.corrections else None,
        kept=tuple(sorted(run.kept, key=lambda kept: (kept.tile, kept.read))),
        reads=run.reads,
        reach=run.reach,
        engine=joined.engine,
        status=joined.status,
        methods=joined.methods,
        tally=None if periphery is None else run.tally,
    )


def _by_tile(keep: Iterable[tuple[int, int]], plan: list[int]) -> dict[int, list[int]]:
    """Returns the reads to keep, by tile.

    Raises:
        DataError: A pair names no read.
    """
    result: dict[int, list[int]] = {}
    for tile, read in sorted(set(keep)):
        if not (0 <= tile < len(plan) and 0 <= read < plan[tile]):
            raise DataError(f"there is no read {read} of tile {tile}: {len(plan)} tiles of {plan[0]} reads each")
        result.setdefault(tile, []).append(read)
    return result


def _shape(matrix: NDArray[np.float64]) -> tuple[int, int]:
    return matrix.shape[0], matrix.shape[1]


def _extend(inputs: NDArray[np.float64], bias: NDArray[np.float64] | None, coding: Coding) -> NDArray[np.float64]:
    """Appends the constant that carries the bias."""
    if bias is None:
        return inputs
    return np.concatenate([inputs, np.full((len(inputs), 1), coding.constant)], axis=1)


def _span(probes: NDArray[np.float64], weights: NDArray[np.float64], normal: bool) -> float:
    """Returns 8 standard deviations of the exact outputs, rms over outputs."""
    if normal:
        return 8.0 * float(np.sqrt(np.mean(np.sum(weights**2, axis=0))))
    return 8.0 * float(np.sqrt(np.mean(np.var(probes @ weights, axis=0))))


def _check(
    inputs: NDArray[np.float64], weights: NDArray[np.float64], bias: NDArray[np.float64] | None, signed: bool
) -> None:
    if weights.ndim != 2 or 0 in weights.shape:
        raise DataError(f"weights must be a matrix with at least one element, not of shape {weights.shape}")
    if bias is not None and bias.shape != weights.shape[1:]:
        raise DataError(f"weights {weights.shape} and bias {bias.shape} are not (inputs, outputs) and (outputs,)")
    if inputs.ndim != 2 or inputs.shape[1] != len(weights) or len(inputs) == 0:
        raise DataError(f"inputs must have shape (batch, {len(weights)}), not {inputs.shape}")
    if not all(np.isfinite(part).all() for part in (inputs, weights, bias) if part is not None):
        raise DataError("inputs, weights and bias of a layer must be finite")
    if not signed and (inputs < 0).any():
        raise DataError("inputs that are said to be never negative hold negative values")
