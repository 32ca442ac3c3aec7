"""Telegraph noise of one cell through a sense amplifier and comparators at transistor level: what becomes of its bits.

One cell of a column stands at V_RTN over the virtual ground and carries a trap with a recorded history; the others
rest. An ideal source takes off the mean current, as the sampling array does. At the amplifier's output stand
comparators side by side: an edge detector sees it alone, a comparator with two inputs sees it against its own running
mean.

What no circuit can do better than its delay is in closed form: a state that is read `delay` late differs from the true
one, for equal exponential dwell times, in the share `(1 - exp(-2 delay / dwell)) / 2` of all samples: the
autocorrelation of a symmetric telegraph signal (S. Machlup, J. Appl. Phys. 25, 341 (1954)).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.current import rtn_amplitude, static_current
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import Variant, load_variant
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.render import render
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.rig import Condition
from ftj_spice.periphery.telegraph import disagreement, edge_errors
from ftj_spice.periphery.waveform import Waveforms, crossings, first_crossing

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/rtn.cir.j2"
_BLOCKS = 10
_STEPS = 25  # points of a mean dwell time, at least


@dataclass(frozen=True)
class Block:
    """A variant in the channel.

    Attributes:
        variant: Which.
        changes: Parameters that differ from its defaults.
    """

    variant: Variant
    changes: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def named(cls, name: str, **changes: float) -> "Block":
        """Returns a packaged variant."""
        return cls(load_variant(name), changes)


@dataclass(frozen=True)
class Channel:
    """From a cell's trap to a bit.

    Attributes:
        card: The cell's card.
        condition: Process, corner, temperature, supply, mismatch.
        sense: Amplifier with the ports `bl` and `out`.
        decide: Comparators with `inp inn out` or `in out`.
        polarization: Of the cells, -1 to 1: their current and the trap's part of it.
        amplitude: Relative drop of the current when the trap is filled; the card's where none is given.
        rows: Cells of the column.
        wire: Capacitance of the bit line's wire in F.
    """

    card: Card
    condition: Condition
    sense: Block
    decide: tuple[Block, ...]
    polarization: float = 1.0
    amplitude: float | None = None
    rows: int = 64
    wire: float = 0.6e-12

    @property
    def ground(self) -> float:
        """Intended virtual ground in V: the bias of the amplifier's port `vref`."""
        if "vref" not in self.sense.variant.biases:
            raise MeasurementError(f"'{self.sense.variant.name}' has no bias 'vref' that says its virtual ground")
        return self.sense.variant.bias("vref")[1]

    @property
    def drop(self) -> float:
        """Relative drop of the current when the trap is filled."""
        return float(rtn_amplitude(self.card, self.polarization)) if self.amplitude is None else self.amplitude

    @property
    def current(self) -> float:
        """Current of the cell with its trap empty in A."""
        return float(static_current(self.card, self.card.rtn_voltage, self.polarization))

    def netlist(self, edges: FloatArray, edge_time: float, averaging: float) -> str:
        """Returns the netlist for a recorded history.

        Args:
            edges: When the trap is filled and emptied, by turns, in s. Before the first, the trap counts as half
                filled, so that the operating point is the long-term mean.
            edge_time: Duration of an edge in s.
            averaging: Time constant of the running mean in s.
        """
        condition = self.condition
        supply = condition.core
        deck = Deck(condition.process, condition.corner, condition.mismatch)
        wiring = [self._block(deck, "sense", self.sense, {"bl": "bl", "out": "out"})]
        for number, block in enumerate(self.decide):
            name = f"decision{number}"
            inputs = {"in": "out"} if "in" in block.variant.ports else {"inp": "out", "inn": "mean"}
            wiring.append(self._block(deck, name, block, inputs | {"out": name}))
        voltage = self.card.rtn_voltage
        cells = Cells.of(self.card, np.full((1, 1), self.card.on_conductance))
        factor = self.current / float(cells.current(voltage)[0, 0])
        levels = np.concatenate([[0.5], np.arange(len(edges)) % 2 == 0])
        corners = [0.0, 0.5]
        for moment, before, after in zip(edges, levels[:-1], levels[1:], strict=True):
            corners += [moment, before, moment + edge_time, after]
        text = render(
            _TEMPLATE,
            cells=cell_values(cells),
            strength=float(cells.strength[0, 0]) * factor,
            share=None if cells.share is None else float(cells.share[0, 0]),
            supply=supply,
            ground=self.ground,
            voltage=voltage,
            history=[float(value) for value in corners],
            amplitude=self.drop,
            rows=self.rows,
            wire=self.wire,
            standing=self.current * (1.0 - 0.5 * self.drop),
            blocks=wiring,
            averaging=averaging,
        )
        title, _, rest = text.partition("\n")
        return f"{title}\n.temp {condition.temperature - 273.15:.6g}\n{deck.text()}{rest}"

    def _block(self, deck: Deck, name: str, block: Block, nodes: Mapping[str, str]) -> dict[str, object]:
        variant = block.variant
        given = (
            dict(nodes) | dict.fromkeys(variant.supplies, "vdd") | {port: f"{name}_{port}" for port in variant.biases}
        )
        missing = [port for port in variant.ports if port not in given]
        if missing:
            raise MeasurementError(f"'{variant.name}' has a port '{missing[0]}' that a telegraph channel does not know")
        return {
            "name": name,
            "subcircuit": deck.block(name, variant, **block.changes),
            "nodes": [given[port] for port in variant.ports],
            "biases": [[f"{name}_{port}", *variant.bias(port)] for port in variant.biases],
        }


@dataclass(frozen=True)
class Recording:
    """What the comparators made of one history.

    Attributes:
        dwell: Mean dwell time in s.
        disagreement: Share of time that each comparator's output differs from the trap, by variant.
        error: Its standard error, from blocks of the history, by variant.
        missed: Edges of the trap that left no trace, of all, by variant.
        false: Edges of the output without one of the trap, over the trap's, by variant.
        waveforms: The beginning.
    """

    dwell: float
    disagreement: dict[str, float]
    error: dict[str, float]
    missed: dict[str, float]
    false: dict[str, float]
    waveforms: Waveforms


def record(channel: Channel, dwell: float, dwells: int, seed: int, engine: NgspiceEngine) -> Recording:
    """Sends a random history through the channel.

    Args:
        channel: The channel.
        dwell: Mean dwell time in s, filled and empty alike.
        dwells: Number of dwell times.
        seed: Seed of the history.
        engine: What simulates it.

    Raises:
        FtjSpiceError: A template is wrong, or the transient does not converge.
    """
    edge = min(1e-3 * dwell, 20e-9)
    drawn = generator(seed, "telegraph", round(1e12 * dwell)).exponential(dwell, dwells)
    edges = dwell + np.concatenate([[0.0], np.cumsum(np.maximum(drawn, 3.0 * edge))])
    stop, begin = float(edges[-1]), float(edges[min(5, dwells // 4)])  # the first few lead in
    true_edges = edges[:-1]
    with engine.open(channel.netlist(true_edges, edge, 50.0 * dwell)) as session:
        result = session.run(Transient(edge, stop, dwell / _STEPS), _vectors(channel))
    half = 0.5 * channel.condition.core
    shares, errors, missed, false = {}, {}, {}, {}
    for number, block in enumerate(channel.decide):
        time, signal = result["time"], result[f"v(decision{number})"]
        made = crossings(time, signal, half)
        scored = (true_edges, False, made, bool(signal[0] > half), (begin, stop))
        name = block.variant.name
        shares[name] = disagreement(*scored)
        marks = np.linspace(begin, stop, _BLOCKS + 1)
        parts = [disagreement(*scored[:4], span) for span in pairwise(marks.tolist())]
        errors[name] = float(np.std(parts, ddof=1) / np.sqrt(_BLOCKS))
        missed[name], false[name] = edge_errors(*scored)
    return Recording(dwell, shares, errors, missed, false, _waveforms(channel, result, begin, begin + 10.0 * dwell))


def delays(channel: Channel, rest: float, engine: NgspiceEngine) -> dict[str, float]:
    """Returns how late each comparator follows a single edge of the trap in s, by variant; the mean of both directions.

    Args:
        channel: The channel.
        rest: Time from edge to edge in s: long, so that everything has settled.
        engine: What simulates it.

    Returns:
        Not a number where a comparator does not follow.
    """
    edge = min(1e-4 * rest, 20e-9)
    edges = rest * np.array([1.0, 2.0, 3.0, 4.0])
    with engine.open(channel.netlist(edges, edge, 50.0 * rest)) as session:
        result = session.run(Transient(edge, 5.0 * rest, rest / 300.0), _vectors(channel))
    half = 0.5 * channel.condition.core
    found = {}
    for number, block in enumerate(channel.decide):
        name, signal = block.variant.name, result[f"v(decision{number})"]
        late = []
        for start, way in ((3.0 * rest, "rising"), (4.0 * rest, "falling")):
            window = (result["time"] >= start) & (result["time"] < start + rest)
            try:
                moment = first_crossing(result["time"][window], signal[window], half, f"'{name}'", way)  # type: ignore[arg-type]
            except MeasurementError:
                moment = np.nan
            late.append(moment - start - 0.5 * edge)
        found[name] = float(np.mean(late))
    return found


def late_disagreement(delay: ArrayLike, dwell: ArrayLike) -> FloatArray:
    """Returns the share of samples at which a telegraph signal differs from itself `delay` earlier; see the module.

    Args:
        delay: In s.
        dwell: Mean dwell time of both states in s.
    """
    return 0.5 * (1.0 - np.exp(-2.0 * np.asarray(delay, float) / np.asarray(dwell, float)))


def _vectors(channel: Channel) -> list[str]:
    return ["time", "v(out)", "v(mean)", "v(t0)", *(f"v(decision{number})" for number in range(len(channel.decide)))]


def _waveforms(channel: Channel, result: Result, begin: float, end: float) -> Waveforms:
    shown = (result["time"] >= begin) & (result["time"] <= end)
    time = result["time"][shown]
    decisions = {
        block.variant.name: result[f"v(decision{number})"][shown] for number, block in enumerate(channel.decide)
    }
    return Waveforms(
        time - begin,
        {
            "trap": {"filled": result["v(t0)"][shown]},
            "amplifier (V)": {"output": result["v(out)"][shown], "its mean": result["v(mean)"][shown]},
            "decision (V)": decisions,
        },
    )
