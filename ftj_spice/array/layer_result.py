"""What reading a layer gives."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.calibration import Correction
from ftj_spice.array.circuits import CircuitReadout
from ftj_spice.array.converters import Converter
from ftj_spice.array.mapping import ProgrammedLayer
from ftj_spice.array.tally import Tally
from ftj_spice.netlist.circuit import ArrayCircuit, Drive


@dataclass(frozen=True)
class KeptRead:
    """One read, whole.

    Attributes:
        tile: Number of its tile.
        read: Its number among the tile's reads: `(vector * conversions + conversion) * slots + slot`.
        circuit: The tile's circuit.
        drive: Its drive, a batch of one.
        currents: Column currents from the engine in A, shape `(columns,)`.
        codes: Codes of the conversion it belongs to, shape `(units,)`; currents in A where converters are exact.
    """

    tile: int
    read: int
    circuit: ArrayCircuit
    drive: Drive
    currents: NDArray[np.float64]
    codes: NDArray[np.float64]


@dataclass(frozen=True)
class LayerResult:
    """What a layer's reads give.

    Attributes:
        outputs: Pre-activations, shape `(batch, outputs)`.
        exact: The exact product of the unquantised inputs and weights, same shape.
        full_scale: Span of exact outputs: 8 standard deviations of what the probes give, rms over outputs; without
            probes, for standard normal inputs, `8 |w|` likewise.
        layer: The programmed conductances.
        converters: Of each tile.
        corrections: What calibration found for each tile; none without.
        kept: The reads that were asked for.
        reads: Number of reads, calibration included.
        reach: Smallest share of the ideal current that a tile's column delivers, in its first reads.
        engine: Engine and version.
        status: `ok`, or what the engine needed.
        methods: How many reads each of the engine's methods solved.
        tally: What the reads did that costs energy, where a periphery read them.
    """

    outputs: NDArray[np.float64]
    exact: NDArray[np.float64]
    full_scale: float
    layer: ProgrammedLayer
    converters: tuple[Converter | CircuitReadout, ...]
    corrections: tuple[Correction, ...] | None
    kept: tuple[KeptRead, ...]
    reads: int
    reach: float
    engine: str
    status: str
    methods: Mapping[str, int]
    tally: Tally | None = None

    @property
    def scales(self) -> tuple[float, ...]:
        """What each tile's circuits are scaled by; 1 for the behavioural read-out."""
        return tuple(one.scale if isinstance(one, CircuitReadout) else 1.0 for one in self.converters)

    @property
    def error(self) -> float:
        """Root mean square of output - exact."""
        return float(np.sqrt(np.mean((self.outputs - self.exact) ** 2)))

    @property
    def mean_absolute_error(self) -> float:
        """Mean of |output - exact|, in the unit of the pre-activations."""
        return float(np.mean(np.abs(self.outputs - self.exact)))

    @property
    def effective_bits(self) -> float:
        """`log2(full_scale / (sqrt(12) rms error))`: bits of an ideal converter over that span with that error.

        Infinite where there is no error, NaN where all weights are 0.
        """
        return effective_bits(self.full_scale, self.error)


def effective_bits(full_scale: float, error: float) -> float:
    """Returns the bits of an ideal converter over `full_scale` whose rms error is `error`."""
    if full_scale == 0:
        return float("nan")
    return float(np.log2(full_scale / (np.sqrt(12.0) * error))) if error > 0 else float("inf")
