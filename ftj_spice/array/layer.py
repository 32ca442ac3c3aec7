"""A decoder layer on the array: program, read through ngspice, convert, shift and add."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.array import ReadResult, overall_status, sweep
from ftj_spice.array.coding import BitSerial
from ftj_spice.array.converters import PairConverter
from ftj_spice.array.mapping import ProgrammedLayer, Tile, program
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.netlist.benches import Cells, Line, read_bench

CALIBRATION_INPUTS = 256
"""Random input vectors (normal, as latents are) that set the converters' ranges."""


@dataclass(frozen=True)
class TileReads:
    """All reads of one tile.

    Attributes:
        voltages: Row voltages in V, shape `(reads, rows)`.
        currents: Column currents from the engine in A, shape `(reads, columns)`.
        codes: Converter codes, shape `(reads, outputs)`.
        full_scale: Converter range in A, shape `(outputs,)`.
    """

    voltages: NDArray[np.float64]
    currents: NDArray[np.float64]
    codes: NDArray[np.int64]
    full_scale: NDArray[np.float64]


@dataclass(frozen=True)
class LayerResult:
    """What a layer's reads give.

    Attributes:
        outputs: Pre-activations, shape `(batch, outputs)`.
        exact: The exact product of the unquantised inputs and weights, same shape.
        full_scale: Span of exact outputs for standard normal inputs: 8 standard deviations, `8 |w|`, rms over outputs.
        layer: The programmed conductances.
        tiles: Reads of every tile, in the order of `layer.tiles`.
        netlists: Netlists by file name.
        engine: Simulator and version.
        status: `ok`, or the rungs of the convergence ladder that were needed.
    """

    outputs: NDArray[np.float64]
    exact: NDArray[np.float64]
    full_scale: float
    layer: ProgrammedLayer
    tiles: tuple[TileReads, ...]
    netlists: dict[str, str]
    engine: str
    status: str

    @property
    def mean_absolute_error(self) -> float:
        """Mean of |output - exact|, in the unit of the pre-activations."""
        return float(np.mean(np.abs(self.outputs - self.exact)))

    @property
    def effective_bits(self) -> float:
        """`log2(full_scale / (sqrt(12) rms error))`: bits of an ideal converter over that span with that error.

        Infinite where there is no error, NaN where all weights are 0.
        """
        error = float(np.sqrt(np.mean((self.outputs - self.exact) ** 2)))
        if self.full_scale == 0:
            return math.nan
        return math.log2(self.full_scale / (math.sqrt(12.0) * error)) if error > 0 else math.inf


def forward(
    inputs: NDArray[np.float64],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
    card: Card,
    settings: ReadSettings,
    *,
    seed: int,
    engine: NgspiceEngine,
    number: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LayerResult:
    """Computes `inputs @ weights + bias` on the array; the bias is one more row, driven by a constant.

    Args:
        inputs: Shape `(batch, inputs)`, about unit variance.
        weights: Shape `(inputs, outputs)`.
        bias: Shape `(outputs,)`.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        engine: Where the reads run.
        number: Which layer of the decoder, part of its seed streams.
        progress: Called with finished and all netlists.

    Raises:
        DataError: Inputs, weights and bias don't fit one another, or are not finite.
        EngineError: A simulation failed.
    """
    _check(inputs, weights, bias)
    coding = BitSerial(settings.input_bits)
    extended = np.concatenate([weights, bias[np.newaxis] / coding.constant])
    layer = program(extended, card, settings, seed, number)
    batch = len(inputs)
    on = coding.encode(coding.quantise(_with_constant(inputs, coding))).reshape(batch * coding.planes, -1)
    probes = generator(seed, "adc-calibration", number).standard_normal((CALIBRATION_INPUTS, weights.shape[0]))
    probe_on = coding.encode(coding.quantise(_with_constant(probes, coding)))

    voltages = card.vmm_voltage * on.astype(float)

    per_netlist = settings.reads_per_netlist
    tasks = [(t, begin) for t in range(len(layer.tiles)) for begin in range(0, len(voltages), per_netlist)]
    netlists: dict[str, str] = {}

    def read(open_netlist: Open, task: tuple[int, int]) -> ReadResult:
        t, begin = task
        tile = layer.tiles[t]
        applied = voltages[begin : begin + per_netlist, tile.rows]
        netlist = tile_netlist(tile, applied, card, settings)
        netlists[f"read_tile{t:02d}_{begin // per_netlist:02d}.cir"] = netlist
        return sweep(open_netlist, netlist, tile.conductance.shape[1], applied)

    answers = engine.map(read, tasks, (lambda done: progress(done, len(tasks))) if progress else None)

    outputs = np.zeros((batch, len(bias)))
    reads = []
    for t, tile in enumerate(layer.tiles):
        currents = np.concatenate([a.currents for a, task in zip(answers, tasks, strict=True) if task[0] == t])
        calibration = card.vmm_voltage * probe_on[..., tile.rows].astype(float) @ tile.conductance
        converter = PairConverter.calibrate(settings, calibration)
        codes = converter.convert(currents, generator(seed, "read-noise", number, t))
        digits = (codes * converter.lsb).reshape(batch, coding.planes, -1)
        unit = layer.scale[tile.outputs] / (layer.swing * card.vmm_voltage)
        outputs[:, tile.outputs] += coding.combine(digits) * unit
        reads.append(TileReads(voltages[:, tile.rows], currents, codes, converter.full_scale))
    return LayerResult(
        outputs=outputs,
        exact=inputs @ weights + bias,
        full_scale=8.0 * float(np.sqrt(np.mean(np.sum(weights**2, axis=0)))),
        layer=layer,
        tiles=tuple(reads),
        netlists=dict(sorted(netlists.items())),
        engine=answers[0].engine,
        status=overall_status(answers),
    )


def tile_netlist(tile: Tile, voltages: NDArray[np.float64], card: Card, settings: ReadSettings) -> str:
    """Returns the netlist that reads one tile once per row of `voltages`."""
    return read_bench(
        Cells.of(card, tile.conductance),
        voltages,
        topology="crossbar",
        word_line=Line(settings.line_resistance),
        driver_resistance=settings.driver_resistance,
    )


def _with_constant(inputs: NDArray[np.float64], coding: BitSerial) -> NDArray[np.float64]:
    """Appends the constant that carries the bias."""
    return np.concatenate([inputs, np.full((len(inputs), 1), coding.constant)], axis=1)


def _check(inputs: NDArray[np.float64], weights: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
    if weights.ndim != 2 or bias.shape != weights.shape[1:]:
        raise DataError(f"weights {weights.shape} and bias {bias.shape} are not (inputs, outputs) and (outputs,)")
    if inputs.ndim != 2 or inputs.shape[1] != len(weights) or len(inputs) == 0:
        raise DataError(f"inputs must have shape (batch, {len(weights)}), not {inputs.shape}")
    if not all(np.isfinite(part).all() for part in (inputs, weights, bias)):
        raise DataError("inputs, weights and bias of a layer must be finite")
