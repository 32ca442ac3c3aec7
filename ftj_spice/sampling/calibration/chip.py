"""The chip: cells with their hidden times, and the read-out through which alone a calibration may look at them.

A column's virtual ground may stand below 0 V and a word line above V_RTN, each by its trim: a cell sees
`V_RTN + row trim + column trim`. Its current follows the card's law there, and its trap's two times and occupancy, too.
Cells that are not raised do not conduct (a select transistor cuts them off). Charges come from
`ftj_spice.sampling.calibration.windows`; wires and drivers are left out, they carry nanoamperes (the audit in ngspice
has them). Read noise, where it is on: shot noise `q I / T` of the column's current and kT/C of the capacitor,
`k T C / T^2`, both normal, as in the read phase; the converter adds its offset and its quantisation, and clips.
With read-out circuits (`ftj_spice.sampling.circuits`) the noise of the front end stands in place of kT/C, codes change
at each circuit's own thresholds, and each virtual ground has its error.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE
from ftj_spice.device.traps import Traps, temperature_factor
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.calibration.settings import CalibrateSettings
from ftj_spice.sampling.calibration.windows import Timing, collect, trap_table
from ftj_spice.sampling.circuits import ColumnCircuits
from ftj_spice.sampling.digitisers import FULL_SCALE, IntegratorReadout

BLOCK = 16
"""Columns that a thread takes at a time."""
WORTH_THREADS = 200_000
"""Windows of cells from which on threads pay."""


@dataclass(frozen=True)
class Design:
    """What the designer knows: the card's nominal cell at V_RTN, and a column of some of them.

    Attributes:
        card: Device card.
        voltage: V_RTN in V.
        cells: Cells of a column.
        timing: Sampling time and reset.
        mean: Mean current of the column in A.
        sigma: Standard deviation of its mean over a window, in A.
        capacitance: Nominal integration capacitor in F.
        adc_bits: Resolution of the converter.
        adc_sigmas: Range of the converter on each side, in standard deviations.
    """

    card: Card
    voltage: float
    cells: int
    timing: Timing
    mean: float
    sigma: float
    capacitance: float
    adc_bits: int
    adc_sigmas: float

    @classmethod
    def of(cls, card: Card, settings: CalibrateSettings, cells: int, model: Macromodel | None = None) -> "Design":
        """Returns the design of columns of `cells` cells, by the closed forms for cells without spread.

        Args:
            card: Device card.
            settings: Of the run.
            cells: Cells of a column.
            model: Circuits that read the columns; none: ideal integrators.

        Raises:
            SettingsError: The card leaves the array without noise, or the trims leave no read voltage.
        """
        alike = {"rows": cells, "time_constant_spread": 0.0, "amplitude_spread": 0.0, "current_spread": 0.0}
        chosen = settings.sample.model_copy(update=alike)
        array = SamplingArray.draw(card, chosen, 1, settings.seed)
        lowest = array.voltage - 2.0 * settings.trim_range
        if lowest <= 0:
            raise SettingsError(
                f"trims of {settings.trim_range:g} V on word lines and columns would leave {lowest:.2g} V of the read "
                f"voltage of {array.voltage:g} V: lower 'trim_range'"
            )
        readout = IntegratorReadout.make(chosen, array)
        return cls(
            card,
            array.voltage,
            cells,
            Timing(readout.window, readout.reset_time),
            float(readout.moments.mean[0]),
            float(np.sqrt(readout.moments.variance[0])),
            readout.capacitance,
            chosen.adc_bits if model is None or model.convert is None else model.convert.bits,
            chosen.adc_sigmas,
        )

    def shorter(self, factor: int) -> Timing:
        """Returns windows shorter by a factor, with as much shorter a reset."""
        return Timing(self.timing.window / factor, self.timing.pause / factor)


@dataclass(frozen=True)
class Controls:
    """Everything a controller sets; arrays over all columns of all arrays.

    Attributes:
        chosen: Rows of the cells of each column that are raised, shape `(columns, cells)`.
        row: Trim of each word line in V, shape `(arrays, rows)`.
        column: Trim of each column in V, shape `(columns,)`: its virtual ground stands that far below 0 V.
        reference: Reference current of each column in A, shape `(columns,)`.
        capacitance: Integration capacitor of each column in F, shape `(columns,)`.
        timing: Windows.
    """

    chosen: NDArray[np.int64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    reference: NDArray[np.float64]
    capacitance: NDArray[np.float64]
    timing: Timing

    @classmethod
    def nominal(cls, design: Design, arrays: int, columns: int, rows: int) -> "Controls":
        """Returns what the designer would set: the first cells, no trims, nominal reference and capacitor.

        Args:
            design: Of a column.
            arrays: Number of arrays.
            columns: Columns of each.
            rows: Word lines of each.
        """
        total = arrays * columns
        return cls(
            np.tile(np.arange(design.cells), (total, 1)),
            np.zeros((arrays, rows)),
            np.zeros(total),
            np.full(total, design.mean),
            np.full(total, design.capacitance),
            design.timing,
        )

    @property
    def array_of(self) -> NDArray[np.int64]:
        """Number of the array that each column belongs to, shape `(columns,)`."""
        return np.arange(len(self.column)) // (len(self.column) // len(self.row))

    def row_trims(self) -> NDArray[np.float64]:
        """Returns the word-line trim of each raised cell in V, shape `(columns, cells)`."""
        return self.row[self.array_of[:, np.newaxis], self.chosen]

    def lsb(self, adc_bits: int) -> NDArray[np.float64]:
        """Returns the converter's step in A of mean column current, shape `(columns,)`."""
        return 2.0 * FULL_SCALE * self.capacitance / self.timing.window / 2**adc_bits

    def read_noise(
        self,
        current: NDArray[np.float64],
        temperature: float = REFERENCE_TEMPERATURE,
        *,
        capacitors: bool = True,
    ) -> NDArray[np.float64]:
        """Returns the standard deviation of the read noise in A: shot noise of `current` (A), and kT/C."""
        time = self.timing.window
        thermal = Boltzmann * temperature * self.capacitance / time**2 if capacitors else 0.0
        return np.sqrt(elementary_charge * np.abs(current) / time + thermal)

    def take(self, columns: NDArray[np.int64]) -> "Controls":
        """Returns the controls of some columns of one array."""
        return Controls(
            self.chosen[columns], self.row[:1], self.column[columns], self.reference[columns],
            self.capacitance[columns], self.timing,
        )  # fmt: skip


class Chip:
    """Arrays of cells that differ, read through integrators and converters.

    The cells' true values are its own; a controller calls `read`. Trap states go on from read to read. Every trap and
    every column's noise has a random stream of its own, so that codes don't depend on the number of threads.

    Args:
        array: The cells: `(rows, columns)`, all arrays side by side.
        design: What the designer knows.
        settings: Of the run.
        purpose: Name of the seed streams.
        jobs: Threads.
        circuits: What reads the columns; none: ideal integrators.

    Attributes:
        seconds: Device time of all reads so far, in s.
        energy: That the cells of all columns took, in J.
        conversions: Of all columns' converters.
    """

    def __init__(
        self,
        array: SamplingArray,
        design: Design,
        settings: CalibrateSettings,
        purpose: str,
        jobs: int = 1,
        circuits: ColumnCircuits | None = None,
    ) -> None:
        rows, columns = array.shape
        self._circuits = circuits
        self._array, self._settings, self.design, self._jobs = array, settings, design, jobs
        self._traps: Traps = array.traps
        streams = [generator(settings.seed, purpose, j) for j in range(columns)]
        draws = np.stack([g.integers(0, 2**64, 2 * rows + 1, dtype=np.uint64) for g in streams])
        self._words, self._noise_words = draws[:, :rows].copy(), draws[:, -1].copy()
        uniform = draws[:, rows:-1] / 2.0**64
        occupancy = self._traps.occupancy(array.voltage).reshape(columns, rows)
        self._states = (uniform < occupancy).astype(np.int64)
        self._offset = settings.adc_offset * np.array(
            [generator(settings.seed, "adc-offset", j).standard_normal() for j in range(columns)]
        )
        self._thresholds: NDArray[np.float64] | None = None
        if circuits is not None:
            half = 2 ** (design.adc_bits - 1)
            behind = (np.arange(1.0 - half, half) - self._offset[:, np.newaxis]) / (2.0 * half)
            self._thresholds = 2.0 * half * circuits.thresholds(design.adc_bits, behind)
        self._biased: _Biased | None = None
        self.seconds = self.energy = 0.0
        self.conversions = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._array.shape

    @cached_property
    def _grids(self) -> tuple[NDArray[np.float64], ...]:
        """Conductance, amplitude, capture and emission time at V_R, each of shape `(columns, rows)`."""
        rows, columns = self.shape
        return (
            self._array.conductance.T.copy(),
            self._array.amplitude.T.copy(),
            self._traps.capture_time.reshape(columns, rows),
            self._traps.emission_time.reshape(columns, rows),
        )

    def cells(self, controls: Controls) -> tuple[NDArray[np.float64], ...]:
        """Returns the truth about the raised cells, for reports and tests only; arrays of shape `(columns, cells)`.

        Returns:
            Bias in V, current with the trap empty in A, amplitude, capture time in s, emission time in s.
        """
        ground = 0.0 if self._circuits is None else self._circuits.ground[:, np.newaxis]
        bias = self._array.voltage + controls.row_trims() + controls.column[:, np.newaxis] - ground
        conductance, amplitude, capture, emission = (
            np.take_along_axis(grid, controls.chosen, axis=1) for grid in self._grids
        )
        card = self._array.card
        shift = bias - card.trap_voltage
        return (
            bias,
            card.conduction.current(conductance, bias),
            amplitude,
            capture * np.exp(-card.capture_slope * shift),
            emission * np.exp(-card.emission_slope * shift),
        )

    def read(self, controls: Controls, windows: int) -> NDArray[np.int16]:
        """Returns ADC codes, shape `(columns, windows)`."""
        biased = self._bias(controls)
        timing, settings, bits = controls.timing, self._settings, self.design.adc_bits
        columns = len(biased.current)
        noise = np.zeros(columns)
        if settings.read_noise:
            noise = self.noise(controls, biased.current, settings.temperature)
        base = biased.empty - controls.reference
        lsb = controls.lsb(bits)
        codes = np.empty((columns, windows), np.int16)
        half = 2 ** (bits - 1)

        def block(first: int) -> None:
            own = slice(first, first + BLOCK)
            charge = np.zeros((len(lsb[own]), windows))
            collect(
                biased.table[own], self._states[own], self._words[own], controls.chosen[own], timing.window,
                timing.pause, noise[own], self._noise_words[own], charge,
            )  # fmt: skip
            charge += base[own, np.newaxis]
            charge /= lsb[own, np.newaxis]
            if self._thresholds is not None:
                for j, values in enumerate(charge, first):
                    codes[j] = np.searchsorted(self._thresholds[j], values, side="right") - half
                return
            charge += self._offset[own, np.newaxis]
            np.floor(charge, out=charge)
            codes[own] = np.clip(charge, -half, half - 1)

        starts = range(0, columns, BLOCK)
        if self._jobs == 1 or windows * controls.chosen.size < WORTH_THREADS:
            for first in starts:
                block(first)
        else:
            with ThreadPoolExecutor(self._jobs) as pool:
                list(pool.map(block, starts))
        self.seconds += windows * timing.period
        self.energy += biased.power * windows * timing.period
        self.conversions += windows * columns
        return codes

    def noise(
        self, controls: Controls, current: NDArray[np.float64], temperature: float = REFERENCE_TEMPERATURE
    ) -> NDArray[np.float64]:
        """Returns the standard deviation of the read noise in A, shape `(columns,)`.

        Args:
            controls: Capacitors and windows.
            current: Of each column in A.
            temperature: In K.
        """
        circuits = self._circuits
        if circuits is None:
            return controls.read_noise(current, temperature)
        cells = controls.read_noise(current, temperature, capacitors=not circuits.amplified)
        bits = self.design.adc_bits
        return np.hypot(cells, circuits.input_noise(bits) * 2.0**bits * controls.lsb(bits))

    def straight(self, controls: Controls) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the gain of each column's circuit and its offset in A, both shape `(columns,)`."""
        circuits, bits = self._circuits, self.design.adc_bits
        lsb = controls.lsb(bits)
        if circuits is None:
            return np.ones(len(lsb)), np.zeros(len(lsb))
        gain = circuits.gain * circuits.convert_gain
        # A converter's gain turns its line about the lowest code, half a range below the reference.
        turned = 0.5 * (2.0**bits - 1.0) * (circuits.convert_gain - 1.0)
        return gain, (2.0**bits * circuits.offset * circuits.convert_gain + circuits.convert_offset + turned) * lsb

    def least_capacitance(self, timing: Timing) -> float:
        """Returns the smallest integration capacitor in F that the front ends' least range allows; 0 where any."""
        least = 0.0 if self._circuits is None else self._circuits.least_range
        return least * timing.window / (2.0 * FULL_SCALE)

    def _bias(self, controls: Controls) -> "_Biased":
        """Returns the cells at their voltages; kept for further reads of the same cells at the same trims."""
        last = self._biased
        if last is not None and all(getattr(last.controls, k) is getattr(controls, k) for k in _BIASING):
            return last
        bias, empty, amplitude, capture, emission = self.cells(controls)
        swing = empty * amplitude
        current = empty - swing * emission / (capture + emission)
        self._biased = _Biased(
            controls,
            trap_table(capture, emission, -swing, controls.timing),
            np.sum(empty, axis=1),
            np.sum(current, axis=1),
            float(np.sum(bias * current)),
        )
        return self._biased


_BIASING = ("chosen", "row", "column", "timing")


@dataclass(frozen=True)
class _Biased:
    """Cells at their voltages: parameter table of their traps, column currents (traps empty, and mean), power in W."""

    controls: Controls
    table: NDArray[np.float64]
    empty: NDArray[np.float64]
    current: NDArray[np.float64]
    power: float


def draw_cells(card: Card, settings: CalibrateSettings, rows: int, arrays: int) -> SamplingArray:
    """Returns the cells of arrays with `rows` cells on each column, at the settings' temperature; first array first.

    Raises:
        SettingsError: The card leaves the array without noise at this voltage.
    """
    sample = settings.sample.model_copy(update={"rows": rows})
    array = SamplingArray.draw(card, sample, arrays * settings.columns, settings.seed)
    factor, traps = temperature_factor(card, settings.temperature), array.traps
    slower = replace(traps, capture_time=factor * traps.capture_time, emission_time=factor * traps.emission_time)
    return replace(array, traps=slower)
