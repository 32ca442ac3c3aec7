"""Calibration: gains and offsets of column converters by least squares, and line drops taken out by programming.

`fit_correction` compares converted currents of known inputs with those wanted and finds, per unit, `measured = gain
wanted + offset`. It takes out the converters' own errors, the mean of the columns' line drops, and the mean error of
the cells' conductances as the inputs weight it; what differs from row to row stays.

`compensate` works from row to row. In reads of the target conductances each row is switched in turn: the change of a
column's current over V_VMM is what cell (i, j) really counts for. How much that is depends on which other rows are on,
since they load the same column: a column's drop is quadratic in the rows' bits. Where an input has one sign, its
cells' share of their own current is, on average, that among the other rows at half their typical drive: the other half
of the common drop is charged to the other rows. Where an input has either sign equally often, what it loses to the
others does not go into the mean, and the share that fits its changes best is that among their whole typical drive.
Between the two, the mean of the input over its mean magnitude decides. The share is read with no other row on and with
patterns of rows in proportion to their typical drive, and interpolated. All that is read with rows at V_VMM: amplitude
coding with a nonlinear law loses less at its lower voltages, and is over-corrected.

The targets are then divided by that share, relative to the smallest share of their unit: cells near the drivers are
lowered to what the farthest ones can deliver, so that none has to rise above the highest level, and the converter's
result is divided by the common share. Cells at the lowest level can go below it by the same right, down to the card's
high-resistance state. As smaller conductances change the drops, this is done a few times.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.coding import Coding
from ftj_spice.array.mapping import ProgrammedLayer, Tile
from ftj_spice.array.programming import window
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader

ROUNDS = 3
"""Times the compensated targets are read and corrected."""
LEAST_GAIN = 0.01
"""Smallest gain that is divided by: a unit with less would turn its noise into the result."""
_AT_ONCE = 16


@dataclass(frozen=True)
class Correction:
    """What calibration found.

    Attributes:
        gain: Measured over wanted current, per unit.
        offset: Measured current without a wanted one, in A, per unit.
    """

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]

    def apply(self, sums: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
        """Returns corrected sums of conversions.

        Args:
            sums: Weighted sums of converted currents in A, shape `(batch, units)`.
            weight: Sum of the conversions' weights: how often the offset is in them.
        """
        return (sums - weight * self.offset) / self.gain


def fit_correction(wanted: NDArray[np.float64], measured: NDArray[np.float64]) -> Correction:
    """Fits `measured = gain wanted + offset` per unit.

    Where nothing is wanted, or a unit hardly follows its input (a gain below `LEAST_GAIN`: clipped, dead or reversed),
    the gain is 1 and the offset the mean difference.

    Args:
        wanted: Currents in A, shape `(conversions, units)`.
        measured: Same shape.
    """
    x, y = wanted - wanted.mean(axis=0), measured - measured.mean(axis=0)
    power = np.einsum("ku,ku->u", x, x)
    largest = np.max(np.abs(wanted), axis=0)
    usable = power > (1e-9 * largest) ** 2 * len(wanted)
    gain = np.where(usable, np.einsum("ku,ku->u", x, y) / np.where(usable, power, 1.0), 1.0)
    gain = np.where(gain > LEAST_GAIN, gain, 1.0)
    return Correction(gain, measured.mean(axis=0) - gain * wanted.mean(axis=0))


def compensate(
    layer: ProgrammedLayer,
    coding: Coding,
    probes: NDArray[np.int32],
    card: Card,
    settings: ReadSettings,
    seed: int,
    number: int,
    reader: ArrayReader,
) -> ProgrammedLayer:
    """Returns the layer with conductances corrected for line drops; targets stay as they are.

    Conductances end between the card's high-resistance state and the highest level.

    Args:
        layer: From `map_weights`.
        coding: How inputs become row voltages.
        probes: Codes of typical inputs, shape `(vectors, inputs)`.
        card: Device card.
        settings: Settings of the read phase.
        seed: The run's seed.
        number: Number of the layer.
        reader: What reads the arrays.

    Raises:
        EngineError: A simulation failed.
    """
    lowest, highest = card.off_conductance, window(card, settings)[1]
    tiles: list[Tile] = []
    for t, tile in enumerate(layer.tiles):
        drive, part = typical_drive(coding, probes[:, tile.rows])
        start = float(generator(seed, "compensation-pattern", number, t).random())
        columns = np.arange(tile.shape[1])
        units = columns // 2 if layer.layout.scheme == "differential" else columns
        g, gain = tile.target, np.ones(int(units.max()) + 1)
        for _ in range(ROUNDS):
            share = shares(g, drive, part, start, card, settings, reader)
            gain = np.full_like(gain, np.inf)
            # A cell at the top of the window must be reachable: its own share is the most it can deliver.
            np.minimum.at(gain, units, (np.minimum(share, 1.0) * highest / tile.target).min(axis=0))
            gain = np.minimum(gain, 1.0)
            g = np.clip(tile.target * gain[units] / share, lowest, highest)
        tiles.append(replace(tile, conductance=g, gain=gain))
    return replace(layer, tiles=tuple(tiles))


def typical_drive(coding: Coding, codes: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns each row's mean drive in parts of V_VMM, and at which part of it the others count for this row's share.

    Conversions count with the magnitude of their weights. The part is 1/2 for inputs of one sign, 1 for those of
    either sign equally often; shape `(rows,)` each.

    Args:
        coding: How inputs become row voltages.
        codes: Of typical inputs, shape `(vectors, rows)`.
    """
    weights = coding.weights / np.abs(coding.weights).sum()
    # A few vectors at a time: a pulse has as many slots as codes.
    each = np.zeros((len(weights), codes.shape[1]))
    for begin in range(0, len(codes), _AT_ONCE):
        some = coding.proportional(codes[begin : begin + _AT_ONCE])
        each += some.reshape(-1, *each.shape).sum(axis=0) / len(codes)
    mean, magnitude = np.abs(weights @ each), np.abs(weights) @ np.abs(each)
    one_sided = np.divide(mean, magnitude, out=np.ones_like(mean), where=magnitude > 0)
    return np.abs(weights) @ each, 1.0 - 0.5 * one_sided


def shares(
    conductance: NDArray[np.float64],
    others: NDArray[np.float64],
    part: NDArray[np.float64],
    start: float,
    card: Card,
    settings: ReadSettings,
    reader: ArrayReader,
) -> NDArray[np.float64]:
    """Returns what each cell adds to its column's current when its row is switched, in parts of `G V_VMM`.

    Args:
        conductance: In S, shape `(rows, columns)`.
        others: Typical drive of the rows, in parts of V_VMM, shape `(rows,)`.
        part: At which part of it the other rows are while this one is switched, shape `(rows,)`.
        start: In 0 to 1: where the patterns begin.
        card: Device card.
        settings: Settings of the read phase.
        reader: What reads the array.
    """
    circuit = array_circuit(conductance, card, settings)
    rows = len(others)
    largest = float(np.max(np.abs(others)))
    bases = [np.zeros(rows)]
    if largest > 0:
        # Rows are on in proportion to their drive, half of the time at most; two patterns that supplement each other.
        passed = start + np.concatenate([[0.0], np.cumsum(np.abs(others) / (2.0 * largest))])
        bases += [np.sign(others) * np.diff(np.floor(passed + shift)) for shift in (0.0, 0.5)]
    drives = np.repeat(np.stack(bases), rows + 1, axis=0).reshape(len(bases), rows + 1, rows)
    each = np.arange(rows)
    drives[:, each + 1, each] = np.where(drives[:, 0] == 0, 1.0, 0.0)
    read = reader.read(circuit, circuit.drive_rows(card.vmm_voltage * drives.reshape(-1, rows))).currents
    currents = read.reshape(len(bases), rows + 1, -1)
    step = drives[:, each + 1, each] - drives[:, 0]
    found = (currents[:, 1:] - currents[:, :1]) / (card.vmm_voltage * step[:, :, np.newaxis] * conductance)
    alone = found[0]
    among = alone if len(bases) == 1 else found[1:].mean(axis=0)
    return np.maximum(alone + 2.0 * largest * part[:, np.newaxis] * (among - alone), 1e-3)
