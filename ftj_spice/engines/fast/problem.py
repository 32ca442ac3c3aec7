"""An array as the numbers that compiled code takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.engines.fast.cellkernels import LINEAR, PHYSICAL, REACH, SINH
from ftj_spice.engines.fast.lanes import LANES
from ftj_spice.engines.fast.passes import CHAIN, FIXED, LUMPED
from ftj_spice.engines.fast.relaxation import contraction
from ftj_spice.engines.fast.wiring import Lines, Wiring

_LAWS = {"linear": LINEAR, "sinh": SINH, "physical": PHYSICAL}
_GRID = 401  # voltages on which the physical law's curvature is looked for


@dataclass(frozen=True)
class Problem:
    """A batch of reads of one array, ready for the relaxation.

    Attributes:
        wiring: Where it comes from.
        law: Number of the law.
        constants: Of the law.
        doublings: Of the sinh polynomials, enough for the largest voltage.
        curvature: Bound on I''/I' of the cells in 1/V.
        kappa: Bound on the contraction of one sweep; 2 where none is known.
        kappa_driven: The driven lines' part of it.
        strength: Of the cells.
        share: Mixing shares; strengths where the law has none.
        device: Constants of the transistor.
        driven: Mode and segment conductance of the driven lines.
        sensed: The same of the sensed lines.
        rest: Voltage at which floating lines start.
    """

    wiring: Wiring
    law: int
    constants: NDArray[np.float64]
    doublings: int
    curvature: float
    kappa: float
    kappa_driven: float
    strength: NDArray[np.float64]
    share: NDArray[np.float64]
    device: NDArray[np.float64]
    driven: tuple[int, float]
    sensed: tuple[int, float]
    rest: float

    @classmethod
    def of(cls, wiring: Wiring) -> "Problem":
        """Returns the numbers of a wiring."""
        circuit = wiring.circuit
        cells = circuit.cells
        law = _LAWS[cells.law]
        held = np.concatenate(
            [wiring.sources[:, ~wiring.driven.floating].reshape(-1), wiring.holds[~wiring.sensed.floating]]
        )
        low, high = (float(held.min()), float(held.max())) if held.size else (0.0, 0.0)
        span = high - low
        doublings = 0
        curvature = 0.0
        if cells.law == "sinh":
            doublings = max(0, int(np.ceil(np.log2(max(span / cells.scale / REACH, 1e-300)))))
            curvature, constants = 1.0 / cells.scale, np.array([1.0 / cells.scale])
        elif cells.law == "physical":
            assert cells.physical is not None
            constants = _physical_constants(wiring)
            curvature = _physical_curvature(wiring, span)
        else:
            constants = np.zeros(1)
        transistor = circuit.transistor
        device = np.array(
            [
                transistor.specific_current,
                transistor.threshold,
                transistor.slope_factor,
                2.0 * transistor.thermal_voltage,
            ]
        )
        strength = np.array(cells.strength, float, order="C")  # a read-only one would be compiled for anew
        share = strength if cells.share is None else np.array(cells.share, float, order="C")
        driven, sensed = _mode(wiring.driven), _mode(wiring.sensed)
        if circuit.wiring.transistor:
            kappa, by_driven, curvature = 2.0, 1.0, curvature + 1.0 / transistor.thermal_voltage
        else:
            d, s = wiring.driven, wiring.sensed
            kappa, by_driven = contraction(
                law, constants, strength, share, span, wiring.along_rows, driven, sensed,
                _finite(d.first), d.last, _finite(s.first), s.last,
            )  # fmt: skip
        rest = 0.5 * (low + high)
        return cls(
            wiring,
            law,
            constants,
            doublings,
            curvature,
            kappa,
            by_driven,
            strength,
            share,
            device,
            driven,
            sensed,
            rest,
        )

    def terminations(self, lanes: int) -> tuple[NDArray[np.float64], ...]:
        """Returns `d_first, d_last, s_first, s_last, hold, start` as the relaxation takes them."""
        d, s = self.wiring.driven, self.wiring.sensed
        repeat = 1 if self.wiring.along_rows else lanes
        spare = self.width(lanes) - self.strength.shape[1] * lanes
        start = np.where(s.floating, self.rest, self.wiring.holds)
        columns = (_finite(s.first), s.last, self.wiring.holds, start)
        along = 0 if self.wiring.along_rows else spare
        return (
            _filled(np.repeat(_finite(d.first), repeat), along, 1.0),
            _filled(np.repeat(d.last, repeat), along),
            *(
                _filled(np.repeat(values, lanes), spare, fill)
                for values, fill in zip(columns, (1.0, 0.0, 0.0, 0.0), strict=True)
            ),
        )

    def width(self, lanes: int) -> int:
        """Returns the elements of a row: its columns and lanes, filled up with open cells to an odd number of vectors.

        An odd number of cache lines per row spreads a column over all sets of the caches.
        """
        vectors = -(-self.strength.shape[1] * lanes // LANES)
        return LANES * (vectors | 1)

    def filled(self, lanes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns strengths and shares with the open cells that fill rows up."""
        spare = self.width(lanes) // lanes - self.strength.shape[1]
        strength = np.pad(self.strength, ((0, 0), (0, spare)))
        return strength, strength if self.share is self.strength else np.pad(self.share, ((0, 0), (0, spare)))

    def blocks(
        self, reads: NDArray[np.int64], lanes: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Returns `sources, level, gates` of some reads in blocks; the last block repeats its last read.

        Shapes are `(blocks, driven lines, lanes)`, twice, and `(blocks, rows, lanes)`.
        """
        count = -(-len(reads) // lanes)
        padded = np.concatenate([reads, np.repeat(reads[-1:], count * lanes - len(reads))])

        def laid_out(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.ascontiguousarray(values[padded].reshape(count, lanes, -1).transpose(0, 2, 1))

        sources = laid_out(self.wiring.sources)
        floating = self.wiring.driven.floating
        level = np.where(floating[None, :, None], self.rest, sources) if floating.any() else sources
        gates = (
            np.zeros((count, self.strength.shape[0], lanes))
            if self.wiring.gates is None
            else laid_out(self.wiring.gates)
        )
        return sources, level, gates


def _filled(values: NDArray[np.float64], spare: int, fill: float = 0.0) -> NDArray[np.float64]:
    return np.concatenate([values, np.full(spare, fill)]) if spare else values


def _mode(lines: Lines) -> tuple[int, float]:
    if not lines.lumped:
        return CHAIN, lines.segment
    if lines.floating.any():
        return LUMPED, 0.0
    return (FIXED, 0.0) if lines.fixed.all() else (LUMPED, 0.0)


def _finite(conductance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fixed lines among floating ones hang on a conductance beyond all others."""
    return np.where(np.isinf(conductance), 1e30, conductance)


def _physical_constants(wiring: Wiring) -> NDArray[np.float64]:
    law = wiring.circuit.cells.physical
    assert law is not None
    return np.array(
        [
            law.divider, law.clamp, law.barrier_first, law.barrier_second, law.direct, law.height, law.emission,
            law.emission_slope, law.flat_voltage, law.frenkel, law.frenkel_slope, law.low_field, law.trap_depth,
            law.thermal, float(law.logarithmic),
        ]
    )  # fmt: skip


def _physical_curvature(wiring: Wiring, span: float) -> float:
    cells = wiring.circuit.cells
    law, share = cells.physical, cells.share
    assert law is not None and share is not None
    v = np.linspace(-span, span, _GRID) if span > 0 else np.zeros(1)
    largest = 0.0
    for h in np.unique([share.min(), share.max()]):
        slope = law.mixed_slope(h, v)
        largest = max(largest, float(np.abs((law.mixed_slope(h, v + 1e-3) - slope) / 1e-3 / slope).max()))
    return 2.0 * largest
