"""A decoder layer on the array: program, read through ngspice, convert, shift and add."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.array import ReadResult, sweep
from ftj_spice.array.coding import BitSerial
from ftj_spice.array.converters import PairConverter
from ftj_spice.array.mapping import ProgrammedLayer, Tile, program
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine
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
        layer: The programmed conductances.
        tiles: Reads of every tile, in the order of `layer.tiles`.
        netlists: Netlists by file name.
        engine: Simulator and version.
        status: `ok`, or the rungs of the convergence ladder that were needed.
    """

    outputs: NDArray[np.float64]
    exact: NDArray[np.float64]
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
        """`log2(span of the exact outputs / (sqrt(12) rms error))`: bits of an ideal converter with that error."""
        error = float(np.sqrt(np.mean((self.outputs - self.exact) ** 2)))
        return float(np.log2(np.ptp(self.exact) / (np.sqrt(12.0) * error)))


def forward(
    inputs: NDArray[np.float64],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
    card: Card,
    settings: ReadSettings,
    *,
    seed: int,
    engine: NgspiceEngine,
    progress: Callable[[int, int], None] | None = None,
) -> LayerResult:
    """Computes `inputs @ weights + bias` on the array; the bias is one more row, driven by the constant 1.

    Args:
        inputs: Shape `(batch, inputs)`, about unit variance.
        weights: Shape `(inputs, outputs)`.
        bias: Shape `(outputs,)`.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        engine: Where the reads run.
        progress: Called with finished and all netlists.

    Raises:
        DataError: The weights don't fit.
        EngineError: A simulation failed.
    """
    extended = np.concatenate([weights, bias[np.newaxis]])
    layer = program(extended, card, settings, seed)
    coding = BitSerial(settings.input_bits)
    batch = len(inputs)
    on = coding.encode(coding.quantise(_with_constant(inputs))).reshape(batch * coding.planes, -1)
    probes = generator(seed, "adc-calibration").standard_normal((CALIBRATION_INPUTS, weights.shape[0]))
    probe_on = coding.encode(coding.quantise(_with_constant(probes))).reshape(-1, len(extended))

    tasks = [
        (t, tile, begin) for t, tile in enumerate(layer.tiles) for begin in range(0, len(on), settings.reads_per_netlist)
    ]
    netlists: dict[str, str] = {}

    def read(open_netlist, task: tuple[int, Tile, int]) -> ReadResult:  # type: ignore[no-untyped-def]
        t, tile, begin = task
        voltages = card.vmm_voltage * on[begin : begin + settings.reads_per_netlist, tile.rows].astype(float)
        netlist = tile_netlist(tile, voltages, card, settings)
        netlists[f"read_tile{t:02d}_{begin // settings.reads_per_netlist:02d}.cir"] = netlist
        return sweep(open_netlist, netlist, tile.conductance.shape[1], voltages)

    answers = engine.map(read, tasks, (lambda done: progress(done, len(tasks))) if progress else None)

    outputs = np.zeros((batch, len(bias)))
    reads = []
    for t, tile in enumerate(layer.tiles):
        currents = np.concatenate([a.currents for a, task in zip(answers, tasks, strict=True) if task[0] == t])
        calibration = card.vmm_voltage * probe_on[:, tile.rows].astype(float) @ tile.conductance
        converter = PairConverter.calibrate(settings, calibration)
        codes = converter.convert(currents, generator(seed, "read-noise", t))
        digits = (codes * converter.lsb).reshape(batch, coding.planes, -1)
        unit = layer.scale[tile.outputs] / (layer.swing * card.vmm_voltage)
        outputs[:, tile.outputs] += coding.combine(digits) * unit
        voltages = card.vmm_voltage * on[:, tile.rows].astype(float)
        reads.append(TileReads(voltages, currents, codes, converter.full_scale))
    statuses = sorted({a.status for a in answers})
    return LayerResult(
        outputs=outputs,
        exact=inputs @ weights + bias,
        layer=layer,
        tiles=tuple(reads),
        netlists=dict(sorted(netlists.items())),
        engine=answers[0].engine,
        status="ok" if statuses == ["ok"] else ", ".join(statuses),
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


def _with_constant(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Appends the constant 1 that carries the bias."""
    return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
