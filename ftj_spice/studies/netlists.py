"""Netlists by themselves: self-contained files of any size that plain `ngspice -b` runs."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.array import Array
from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.common.files import replace_file
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card, load_card
from ftj_spice.device.traps import TrapHistory, draw_candidates, simulate
from ftj_spice.device.waveform import Waveform
from ftj_spice.engines.ngspice import Resolution
from ftj_spice.netlist.benches import SampleArray, TrapSource, cell_bench, integrate_bench
from ftj_spice.netlist.circuit import ENDS, TOPOLOGIES, Cells, End, Line
from ftj_spice.netlist.dynamic import transient_bench
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.digitisers import make_digitiser
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import BIAS_MARGIN

LARGEST_SIDE = 4096
LARGEST_ARRAY = 1 << 20
"""Cells of one netlist, at most: a file of about 150 MB."""
LARGEST_CONDUCTANCE = 1.0
"""In S: more in one junction is a matrix in another unit."""


@dataclass(frozen=True)
class NetlistOrder:
    """What netlist is wanted.

    Attributes:
        rows: Word lines.
        columns: Bit lines.
        card: Device card.
        line_resistance: Per wire segment, in ohm.
        conductance: File with G in siemens (`.npy`), shape `(rows, columns)`; without it, random levels of the card.
        seed: Of the random levels and trap histories.
        samples: Latent samples of a `sample` bench.
        driver_resistance: Output resistance of the drivers of an array, in ohm.
        sense_resistance: Input resistance of the sense amplifiers of an array, in ohm.
        drive: Ends at which an array's driven lines are driven: `first`, `last` or `both`.
        sense: Ends at which an array's columns are held, likewise.
        model: What the junction of a `write` bench is made of, one of `ftj_spice.netlist.dynamic.MODELS`.
    """

    rows: int = 8
    columns: int = 8
    card: str = "hzo_mfis_nominal"
    line_resistance: float = 2.0
    conductance: Path | None = None
    seed: int = 0
    samples: int = 8
    model: str = "subcircuit"
    driver_resistance: float = 0.0
    sense_resistance: float = 0.0
    drive: str = "first"
    sense: str = "last"


def make_netlist(kind: str, order: NetlistOrder) -> str:
    """Returns a netlist of one of the `KINDS`.

    Raises:
        SettingsError: Unknown kind, or a value out of range.
        DataError: The conductance file is missing, damaged or does not fit.
    """
    if kind not in KINDS:
        raise SettingsError(f"unknown kind of netlist {kind!r}; known: {', '.join(KINDS)}")
    for name in ("rows", "columns", "samples"):
        if not 1 <= getattr(order, name) <= LARGEST_SIDE:
            raise SettingsError(f"{name} must lie between 1 and {LARGEST_SIDE}, got {getattr(order, name)}")
    if order.rows * order.columns > LARGEST_ARRAY:
        raise SettingsError(f"rows x columns must be at most {LARGEST_ARRAY} cells, got {order.rows} x {order.columns}")
    for name in ("line_resistance", "driver_resistance", "sense_resistance"):
        ohms = getattr(order, name)
        if not (math.isfinite(ohms) and ohms >= 0):
            raise SettingsError(f"{name} must be a finite number of ohms, not negative, got {ohms}")
    for name in ("drive", "sense"):
        if getattr(order, name) not in ENDS:
            raise SettingsError(f"{name} must be one of {', '.join(ENDS)}, got {getattr(order, name)!r}")
    if order.seed < 0:
        raise SettingsError(f"seed must not be negative, got {order.seed}")
    return KINDS[kind](order, load_card(order.card))


def write_netlist(text: str, path: Path, *, force: bool = False) -> None:
    """Writes a netlist to a file, whole or not at all.

    Args:
        text: The netlist.
        path: Where to.
        force: Replaces an existing file.

    Raises:
        OutputError: There is such a file, or it can't be written.
    """
    if path.exists() and not force:
        raise OutputError(f"{path} exists; choose another -o or pass --force")
    if path.exists() and not path.is_file():
        raise OutputError(f"can't write {path}: it is not a file")
    replace_file(path, text.encode())


def _conductance(order: NetlistOrder, card: Card) -> NDArray[np.float64]:
    if order.conductance is None:
        rng = generator(order.seed, "netlist-levels")
        fractions = rng.integers(0, card.levels, (order.rows, order.columns)) / (card.levels - 1)
        return card.off_conductance + fractions * (card.on_conductance - card.off_conductance)
    name = Path(order.conductance)
    try:
        matrix = np.lib.format.read_array(io.BytesIO(name.read_bytes()), allow_pickle=False)
    except OSError as error:
        raise DataError(f"can't read conductances from {name}: {error.strerror or error}") from None
    except (ValueError, EOFError, SyntaxError, MemoryError, OverflowError):
        raise DataError(f"{name} is not a whole .npy file with a matrix of numbers") from None
    if matrix.dtype.kind not in "fiu" or matrix.ndim != 2 or 0 in matrix.shape:
        raise DataError(
            f"{name} must hold one matrix of numbers, in siemens, not {matrix.dtype} of shape {matrix.shape}"
        )
    if max(matrix.shape) > LARGEST_SIDE or matrix.size > LARGEST_ARRAY:
        raise DataError(f"{name}: at most {LARGEST_SIDE} rows or columns and {LARGEST_ARRAY} cells, not {matrix.shape}")
    matrix = matrix.astype(float)
    if not (np.isfinite(matrix).all() and matrix.min() >= 0 and matrix.max() <= LARGEST_CONDUCTANCE):
        raise DataError(f"{name}: conductances must be finite numbers from 0 to {LARGEST_CONDUCTANCE:g}, in siemens")
    return matrix


def _cell(order: NetlistOrder, card: Card) -> str:
    return cell_bench(Cells.of(card, np.array([[card.on_conductance], [card.off_conductance]])))


def _array(topology: str) -> Callable[[NetlistOrder, Card], str]:
    def make(order: NetlistOrder, card: Card) -> str:
        return Array(
            _conductance(order, card),
            card,
            topology,
            order.line_resistance,
            order.driver_resistance,
            sense_resistance=order.sense_resistance,
            drive=cast(End, order.drive),
            sense=cast(End, order.sense),
        ).netlist()

    return make


def _read(order: NetlistOrder, card: Card) -> str:
    matrix = _conductance(order, card)
    on = generator(order.seed, "netlist-inputs").integers(0, 2, matrix.shape[0]).astype(float)
    if not on.any():
        on[:] = 1.0  # a read of nothing shows nothing
    return integrate_bench(Cells.of(card, matrix), on * card.vmm_voltage, line_resistance=order.line_resistance)


def _sample(digitiser_name: str) -> Callable[[NetlistOrder, Card], str]:
    def make(order: NetlistOrder, card: Card) -> str:
        settings = SampleSettings.parse(
            {
                "rows": order.rows,
                "digitiser": digitiser_name,
                "steps_per_sample": max(40, order.rows),
                "word_line_resistance": order.line_resistance,
                "bit_line_resistance": order.line_resistance,
            },
            "netlist",
        )
        array = SamplingArray.draw(card, settings, order.columns, order.seed)
        digitiser = make_digitiser(settings, array, order.seed)
        history = _histories(array, digitiser.period * order.samples, settings, order.seed)
        source = TrapSource.replay(history, digitiser.edge_time, centred=digitiser.resolution is Resolution.AVERAGES)
        line = Line(settings.word_line_resistance, settings.word_line_capacitance)
        part = SampleArray(
            Cells.of(card, array.conductance, array.amplitude), 0, line, line, settings.driver_resistance
        )
        return digitiser.bench(part, list(range(order.columns)), order.samples, source, [])

    return make


def _histories(array: SamplingArray, duration: float, settings: SampleSettings, seed: int) -> TrapHistory:
    """Returns trap histories by the device model: at V_RTN throughout, or a slot at V_RTN once per round of rows."""
    rows, columns = array.shape
    candidates = draw_candidates(
        array.traps,
        duration,
        (-BIAS_MARGIN, array.voltage + BIAS_MARGIN),
        seed,
        [(j, i) for j in range(columns) for i in range(rows)],
        initial_voltage=array.voltage,
    )
    if settings.digitiser == "integrator":
        return simulate(candidates, np.array([0.0]), np.array([array.voltage]))
    if rows == 1:  # no row waits for another
        return simulate(candidates, np.array([0.0]), np.array([array.voltage]))
    slot = settings.time / rows
    rounds = np.arange(round(duration / settings.time))
    parts = []
    for i in range(rows):  # every row has its own bias: run it alone, keep its traps
        begins = rounds * settings.time + i * slot
        breaks = np.concatenate([[0.0], np.stack([begins, begins + slot], axis=1).ravel()])
        volts = np.concatenate([[0.0], np.tile([array.voltage, 0.0], len(rounds))])
        first = 0 if begins[0] > 0 else 1
        history = simulate(candidates, breaks[first:], volts[first:])
        own = history.traps % rows == i
        parts.append((history.times[own], history.traps[own], history.states[own]))
    times, traps, states = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    return TrapHistory(candidates.initial.copy(), times[order], traps[order], states[order], duration)


def _write(order: NetlistOrder, card: Card) -> str:
    volts, width = card.write_voltage, card.write_time
    pulses = Waveform.pulses([volts, -volts, 0.75 * volts, -0.75 * volts], width, width / 100.0, width)
    return transient_bench(card, pulses, model=order.model)


KINDS: dict[str, Callable[[NetlistOrder, Card], str]] = {
    "cell": _cell,
    **{topology: _array(topology) for topology in TOPOLOGIES},
    "read": _read,
    "write": _write,
    "sample": _sample("integrator"),
    "sample-comparator": _sample("comparator"),
}
"""Maker of each kind."""
