"""What one digitiser is measured to do: its circuit in ngspice, its event rule on many more bits, its closed form."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.randomness.conditioners import hash_bits, von_neumann, xor_streams
from ftj_spice.sampling.trng.chain import BitChain, bit_chain
from ftj_spice.sampling.trng.circuit import CircuitStream, events, simulate_bits
from ftj_spice.sampling.trng.design import Design
from ftj_spice.sampling.trng.measure import BitFigures, measure
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.source import BitSource

CIRCUIT_STREAMS = 4
"""Power-ups in ngspice, each with cells of its own."""
RULE_STREAMS = 32
"""Streams of the event rule, each with cells of its own: chips, where cells spread."""
XORED = 4
"""Streams that the XOR conditioner takes."""
OFF_CENTRE = 0.1
"""Error of the read voltage in V: the nominal trap is filled for 38 % and 62 % of the time."""
OFFSET = 0.3
"""Offset of the comparator, in swings."""

NOISE = 2.5
"""Chips are biased beyond doubt where their shares of ones scatter this many times more than those of perfect bits."""

Changes = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """A way in which a chip differs from its design.

    Attributes:
        label: In a few words.
        changes: Settings that differ, from the settings and the voltage of the design.
    """

    label: str
    changes: Callable[[TrngSettings, float], Changes]


CONDITIONS = (
    Condition("as designed", lambda s, v: {}),
    Condition("voltage too low", lambda s, v: {"voltage": v - OFF_CENTRE}),
    Condition("voltage too high", lambda s, v: {"voltage": v + OFF_CENTRE}),
    Condition("comparator offset", lambda s, v: {"comparator_offset": s.comparator_offset + OFFSET}),
    Condition("times spread", lambda s, v: {"time_constant_spread": 1.0}),
    Condition("currents spread", lambda s, v: {"current_spread": 1.0, "amplitude_spread": 1.0}),
)
"""What the comparison is for: which digitisers stay unbiased."""


@dataclass(frozen=True)
class Conditioned:
    """Bits behind a conditioner.

    Attributes:
        name: Of the conditioner.
        figures: Of its bits; none where too few came out.
        yielded: Bits out for each raw bit in.
    """

    name: str
    figures: BitFigures | None
    yielded: float


@dataclass(frozen=True)
class DigitiserRow:
    """One digitiser.

    Attributes:
        design: At its operating point.
        streams: Its circuit's streams.
        circuit: Figures of the circuit's bits.
        same: Figures of the event rule's bits on the same trap histories.
        differing: Events of the circuit that differ from the rule's.
        doubtful: Events that hang on the comparator's lag or level.
        unexplained: Events that differ and are not doubtful.
        rule: Figures of the event rule on many more bits.
        chain: Closed form of the ideal digitiser.
        cell_energy: Of the cells, in J per bit.
        periphery_energy: Of the periphery, in J per bit.
        conditioned: Behind each conditioner.
        conditions: Figures of the event rule under each of `CONDITIONS`, by label.
    """

    design: Design
    streams: list[CircuitStream]
    circuit: BitFigures
    same: BitFigures
    differing: int
    doubtful: int
    unexplained: int
    rule: BitFigures
    chain: BitChain
    cell_energy: float
    periphery_energy: float
    conditioned: list[Conditioned]
    conditions: dict[str, BitFigures]

    def unbiased(self, label: str) -> bool:
        """Whether the chips' shares of ones scatter about one half no more than `NOISE` times what bits must."""
        figures = self.conditions[label]
        return rms_bias(figures) <= NOISE * bias_floor(figures)

    @property
    def energy(self) -> float:
        """Of cells and periphery, in J per raw bit."""
        return self.cell_energy + self.periphery_energy


def rms_bias(figures: BitFigures) -> float:
    """Returns the rms over streams of the share of ones less one half."""
    return float(np.sqrt(np.mean((figures.stream_ones - 0.5) ** 2)))


def bias_floor(figures: BitFigures) -> float:
    """Returns what `rms_bias` is for perfect bits: their number alone makes it so."""
    return float(0.5 / np.sqrt(figures.bits / len(figures.stream_ones)))


def make_row(
    settings: TrngSettings,
    card: Card,
    engine: NgspiceEngine,
    *,
    circuit_bits: int,
    bits: int,
) -> DigitiserRow:
    """Measures one digitiser.

    Args:
        settings: Which one, and where; its `combine` does not count.
        card: Device card.
        engine: Where its circuit runs; event rules take as many threads as it has workers.
        circuit_bits: Bits in ngspice, in all streams.
        bits: Bits of the event rule, in all streams.

    Raises:
        SettingsError: Settings, card and variant don't fit.
        RenderError: The variant's template is not fit for a netlist.
        EngineError: A simulation failed.
    """
    design = Design.of(settings, card)
    each = -(-circuit_bits // CIRCUIT_STREAMS)
    streams = simulate_bits(design, engine, streams=CIRCUIT_STREAMS, bits=each)
    differing = np.stack([events(design, s.bits) != events(design, s.rule) for s in streams])
    doubtful = np.stack([s.doubtful for s in streams])
    raw = rule_bits(settings, card, bits, engine.jobs)
    chain = bit_chain(design.variant.rule, design.numbers(design.cells(0), 0), design.rule_numbers, design.interval)
    edges = float(np.mean([s.edges for s in streams]))
    return DigitiserRow(
        design=design,
        streams=streams,
        circuit=measure(np.stack([s.bits for s in streams])),
        same=measure(np.stack([s.rule for s in streams])),
        differing=int(differing.sum()),
        doubtful=int(doubtful.sum()),
        unexplained=int(np.sum(differing & ~doubtful)),
        rule=measure(raw),
        chain=chain,
        cell_energy=float(np.mean([s.cell_energy for s in streams])),
        periphery_energy=sum(
            block.energy * (edges if block.per == "edge" else 1.0) for block in design.variant.periphery
        ),
        conditioned=_conditioned(raw, chain.min_entropy),
        conditions={
            condition.label: measure(
                raw
                if not (changes := condition.changes(settings, design.voltage))
                else rule_bits(settings.model_copy(update=changes), card, bits, engine.jobs)
            )
            for condition in CONDITIONS
        },
    )


def rule_bits(settings: TrngSettings, card: Card, bits: int, threads: int) -> NDArray[np.uint8]:
    """Returns bits of the event rule, shape `(RULE_STREAMS, bits / RULE_STREAMS)`."""
    source = BitSource(settings, card)
    each = -(-bits // RULE_STREAMS)
    with ThreadPoolExecutor(threads) as pool:
        return np.stack(list(pool.map(lambda k: source.stream(k, each), range(RULE_STREAMS))))


def _conditioned(raw: NDArray[np.uint8], entropy: float) -> list[Conditioned]:
    """Conditions the streams of the event rule, each on its own; the XOR takes `XORED` of them side by side."""
    made: dict[str, Sequence[NDArray[np.uint8]]] = {
        "von_neumann": [von_neumann(row) for row in raw],
        "xor": [xor_streams(list(group)) for group in raw.reshape(-1, XORED, raw.shape[1])],
        "hash": [hash_bits(row, entropy) for row in raw] if entropy > 1e-3 else [],
    }
    found = []
    for name, rows in made.items():
        length = min((len(row) for row in rows), default=0)
        figures = measure(np.stack([row[:length] for row in rows])) if length > 1 else None
        found.append(Conditioned(name, figures, sum(len(row) for row in rows) / raw.size))
    return found
