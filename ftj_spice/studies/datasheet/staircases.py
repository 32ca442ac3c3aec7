"""Potentiation and depression by trains of identical pulses, and of pulses of rising amplitude."""

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.card import Card
from ftj_spice.device.domains import DomainSwitching
from ftj_spice.engines.witness import Witness
from ftj_spice.results.plots.device_switching import Staircase
from ftj_spice.studies.datasheet.pulses import Train, amplitude_for
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.observer import Observer

SWITCHED = 0.9
"""Part of a saturated cell that a whole train of identical pulses switches: their times add up."""
RAMP = (0.005, 0.995)
"""Parts of a saturated cell that the first and the last pulse of the rising train switch."""
MOST_DOMAINS = 50_000
"""Domains of a cell up to which cells of independent domains are drawn: larger ones take long and do not scatter."""
CYCLES = 2
"""Times that potentiation and depression follow each other."""


def staircases(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> tuple[Staircase, Staircase]:
    """Measures both staircases; after every pulse the cell is read at the card's read voltage.

    Beside the mean model's run, a few cells of independent domains get the same pulses in numpy.
    """
    width, count = card.write_time, settings.pulses
    same = np.full(count, amplitude_for(card, SWITCHED, count * width))
    rising = np.linspace(*(amplitude_for(card, part, width) for part in RAMP), count)
    found = []
    for number, (name, amplitudes) in enumerate((("identical pulses", same), ("rising amplitude", rising))):
        cycle = np.concatenate([amplitudes, -amplitudes])
        found.append(_staircase(card, witness, name, np.tile(cycle, CYCLES), settings.stochastic_cells, (seed, number)))
        observer("staircases", number + 1, 2)
    return found[0], found[1]


def _staircase(
    card: Card, witness: Witness, name: str, amplitudes: NDArray[np.float64], cells: int, stream: tuple[int, int]
) -> Staircase:
    """Applies the pulses to a cell in the down state, with a read pulse after each."""
    width = card.write_time
    train, reads = Train(), []
    reads.append(train.pulse(card.vmm_voltage, width, width))
    for amplitude in amplitudes:
        train.pulse(float(amplitude), width, width)
        reads.append(train.pulse(card.vmm_voltage, width, width))
    wave, times = train.waveform(), np.array(reads)
    answer = witness.transient(card, wave, times, 0.0)
    scatter = np.empty((0, len(times)))
    domains = max(1, round(card.domains * card.area / 1e-12))
    if cells and domains <= MOST_DOMAINS:
        seed, number = stream
        scatter = DomainSwitching(card, cells, seed, (number,)).apply(wave, times).T
    return Staircase(
        name=name,
        amplitudes=amplitudes,
        width=width,
        states=answer.polarization,
        conductances=answer.current / card.vmm_voltage,
        cells=scatter,
        read_voltage=card.vmm_voltage,
        cycles=CYCLES,
        domains=domains,
    )


def linearity(values: NDArray[np.float64]) -> float | None:
    """Returns the largest distance of a staircase from the straight line between its ends, in parts of its range.

    None for one that ends where it began.
    """
    if values[-1] == values[0]:
        return None
    line = np.linspace(values[0], values[-1], len(values))
    return float(np.max(np.abs(values - line)) / abs(values[-1] - values[0]))


def staircase_summary(data: Staircase) -> dict[str, object]:
    """Returns the numbers of one staircase, taken from its last cycle."""
    length = len(data.amplitudes) // data.cycles
    begin, half = len(data.amplitudes) - length, length // 2
    up = slice(begin, begin + half + 1)
    down = slice(begin + half, begin + length + 1)
    conductance, s = data.conductances, data.states
    return {
        "pulses": half,
        "width_s": data.width,
        "first_amplitude_v": float(data.amplitudes[0]),
        "last_amplitude_v": float(data.amplitudes[half - 1]),
        "lowest_conductance_s": float(conductance[begin:].min()),
        "highest_conductance_s": float(conductance[begin:].max()),
        "window": float(conductance[begin:].max() / conductance[begin:].min()),
        "lowest_state": float(s[begin:].min()),
        "highest_state": float(s[begin:].max()),
        "nonlinearity_of_state": {"potentiation": linearity(s[up]), "depression": linearity(s[down])},
        "nonlinearity_of_conductance": {
            "potentiation": linearity(conductance[up]), "depression": linearity(conductance[down]),
        },
        "cell_to_cell_rms_of_state": float(np.sqrt(np.mean((data.cells - s) ** 2))) if len(data.cells) else None,
    }  # fmt: skip
