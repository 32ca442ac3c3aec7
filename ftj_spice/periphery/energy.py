"""Energy accounts: what arrays, drivers, front ends and converters take, told apart by where a number comes from.

Counted: the charge that the rows deliver to the cells, the row drivers, front ends, converters or comparators. Not
counted: digital shift-and-add, activations, clock trees, reference generation, write-in. An operation is one
multiplication or one addition, so that a multiply-accumulate is two; only those of the matrices count, not those with
rows that carry a bias or weights that are split over several cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Basis = Literal["transients", "computed", "estimate"]
"""`transients`: measured in ngspice on the transistors; `computed`: from the simulated array's currents; `estimate`."""
LEFT_OUT = "digital logic, activations, clock trees, reference generation and programming are not counted"


def array_energy(voltage: float, charge: float) -> float:
    """Returns what an array's cells turn into heat in J: the voltage across them times the charge through them.

    What the same charge brings to the virtual ground is the front end's, what charges the rows the drivers'.

    Args:
        voltage: Row to column in V.
        charge: Of all columns and reads in C.
    """
    return voltage * charge


@dataclass(frozen=True)
class EnergyItem:
    """What one kind of block took in one phase.

    Attributes:
        phase: `sample` or `read`.
        block: `array`, `drivers`, `sense`, `convert` or `decide`.
        joules: In all.
        basis: Where the number comes from.
        source: How, in words.
    """

    phase: str
    block: str
    joules: float
    basis: Basis
    source: str


@dataclass(frozen=True)
class EnergyAccount:
    """The energy of a run.

    Attributes:
        items: By phase and block.
        samples: Latent components drawn; 0 without a sample phase.
        reads: Reads of a column.
        operations: Multiply-accumulates of the products.
        images: Images, or input vectors of a product.
        parameters: Weights that the arrays hold.
        seconds: Time of all reads, tiles one after another, and of all samples.
    """

    items: tuple[EnergyItem, ...]
    samples: int
    reads: int
    operations: int
    images: int
    parameters: int
    seconds: Mapping[str, float]

    def total(self, phase: str | None = None, block: str | None = None) -> float:
        """Returns the energy in J of a phase, a block, or all."""
        return sum(i.joules for i in self.items if phase in (None, i.phase) and block in (None, i.block))

    @property
    def measured_share(self) -> float:
        """Part of the energy that comes from transients of transistors."""
        whole = self.total()
        return sum(i.joules for i in self.items if i.basis == "transients") / whole if whole else 0.0

    def figures(self) -> dict[str, Any]:
        """Returns the account for `metrics.json`, J and s."""
        read = self.total("read")
        return {
            "per_image": self.total() / self.images,
            "per_sample": self.total("sample") / self.samples if self.samples else None,
            "per_read": read / self.reads if self.reads else None,
            "per_mac": read / self.operations if self.operations else None,
            "tops_per_watt": 2e-12 * self.operations / read if read else None,
            "per_parameter_and_image": read / self.parameters / self.images if self.parameters else None,
            "share_from_transients": self.measured_share,
            "seconds": dict(self.seconds),
            "reads": self.reads,
            "samples": self.samples,
            "multiply_accumulates": self.operations,
            "parameters": self.parameters,
            "items": [
                {"phase": i.phase, "block": i.block, "joules": i.joules, "per_image": i.joules / self.images,
                 "basis": i.basis, "source": i.source}
                for i in self.items
            ],
            "left_out": LEFT_OUT,
        }  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """A published figure to stand beside ours.

    Attributes:
        what: The system or block.
        value: Figure with unit.
        figure: Which of ours it stands beside: a key of `EnergyAccount.figures`, or a block.
        node: Technology and precision.
        source: Publication.
        comparable: How far it can be compared, in a sentence.
    """

    what: str
    value: str
    figure: str
    node: str
    source: str
    comparable: str


CLAIMS: Sequence[Claim] = (
    Claim(
        "FeFET multiply-accumulate crossbar, 32 x 32", "885 TOPS/W", "tops_per_watt", "28 nm, 2 bit x 2 bit, 2-bit ADC",
        "Soliman et al. 2023",
        "Measured chip at 2 bits and up to 100 nA per cell, read in 14 ns; ours takes 5-bit inputs bit by bit, from "
        "cells of 0.1 nA, which must be integrated for microseconds.",
    ),
    Claim(
        "in-memory computing by SRAM / PCM / RRAM / MRAM", "438 / 261 / 62 / 405 TOPS/W", "tops_per_watt",
        "various nodes and bits", "table 1 of Soliman et al. 2023",
        "Not normalised to node or bits; what is counted differs from paper to paper.",
    ),
    Claim(
        "SAR converter, 5 bit", "0.27 pJ (65 nm), 42 fJ (22 nm)", "convert", "estimator NeuroSim, 65 and 22 nm",
        "SarADC.cpp of NeuroSim, evaluated",
        "An estimator's formula for smaller nodes, one bit less, without the term of the column's resistance.",
    ),
    Claim(
        "multilevel current sense amplifier, 64 levels", "432 fJ", "convert", "65 nm simulation",
        "MultilevelSenseAmp of NeuroSim",
        "Flash of current comparators for microampere columns; sense and convert in one.",
    ),
    Claim(
        "integrate-and-fire read circuit", "1.346 pJ", "sense", "65 nm simulation", "ReadCircuit of NeuroSim",
        "A column read of microamperes in nanoseconds; counts spikes instead of holding a charge.",
    ),
    Claim(
        "capacitive crossbar, 128 x 128", "0.23 fJ per MAC (3.8 pJ per product)", "per_mac", "3-bit ADC",
        "10.1002/aisy.202100258",
        "A whole matrix-vector product of 16384 multiply-accumulates, known to us from an abstract only.",
    ),
    Claim(
        "ferroelectric PUF read-out", "1.89 fJ per bit", "per_sample", "FeFET", "10.1038/s41467-024-55380-x",
        "One bit of a stored state, no noise is integrated.",
    ),
    Claim(
        "article on ferroelectric generative chips", "10 pJ per random bit", "per_sample", "not stated",
        "no primary source",
        "An unsupported claim; a latent component of ours holds several bits and takes milliseconds.",
    ),
    Claim(
        "the same article", "5 pJ per parameter and token", "per_parameter_and_image", "not stated",
        "no primary source (0.005 J per 1e9 parameters)", "An unsupported claim about another kind of model.",
    ),
)  # fmt: skip
"""Published figures."""
