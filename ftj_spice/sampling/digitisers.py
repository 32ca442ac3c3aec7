"""Read-outs of the sample phase: what each puts into the netlist, and how its output becomes codes and latents.

Both standardise with closed forms (`ftj_spice.device.moments`) of the array that is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.moments import window_moments
from ftj_spice.engines.ngspice import Resolution
from ftj_spice.netlist.benches import SAMPLE_POINT, SampleArray, TrapSource, comparator_bench, integrator_bench
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.array import ColumnMoments, SamplingArray
from ftj_spice.sampling.circuits import ColumnCircuits, Deciders
from ftj_spice.sampling.settings import SampleSettings

FULL_SCALE = 0.4
"""Output range of an integrator whose capacitor is sized for the ADC, on each side of 0, in V."""


class Digitiser(Protocol):
    """What the sample phase needs of a read-out."""

    @property
    def resolution(self) -> Resolution:
        """How trap transitions meet time steps."""
        ...

    @property
    def moments(self) -> ColumnMoments:
        """Closed-form moments of the values."""
        ...

    @property
    def period(self) -> float:
        """Time from sample to sample in s."""
        ...

    @property
    def step(self) -> float:
        """Largest time step in s."""
        ...

    @property
    def edge_time(self) -> float:
        """Rise time of a replayed transition in s."""
        ...

    def bench(
        self, array: SampleArray, columns: list[int], samples: int, traps: TrapSource, saved: Sequence[str]
    ) -> str:
        """Returns the netlist that samples some columns."""
        ...

    def values(
        self, time: NDArray[np.float64], outputs: NDArray[np.float64], columns: list[int], samples: int
    ) -> NDArray[np.float64]:
        """Reads the samples off a transient's outputs, shape `(samples, columns)`."""
        ...

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Digitises."""
        ...

    def latents(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Standardises codes by the closed-form mean and variance."""
        ...


@dataclass(frozen=True)
class IntegratorReadout:
    """A charge integrator and an ADC on each column.

    Attributes:
        moments: Closed-form moments of the mean column current in A.
        reference: Current that each integrator subtracts, in A, shape `(columns,)`: the closed-form mean.
        capacitance: Of the integrators, in F.
        lsb: Step of the ADC, in A of mean column current, shape `(columns,)`.
        adc_bits: Resolution.
        voltage: V_RTN in V.
        window: Integration time in s.
        reset_time: Reset before each window, in s.
        step: Largest time step in s.
        edge_time: Rise time of a replayed transition in s.
        circuits: What reads the columns; none: ideal integrators.
    """

    moments: ColumnMoments
    reference: NDArray[np.float64]
    capacitance: float
    lsb: NDArray[np.float64]
    adc_bits: int
    voltage: float
    window: float
    reset_time: float
    step: float
    edge_time: float
    circuits: ColumnCircuits | None = None
    resolution: Resolution = Resolution.AVERAGES

    @classmethod
    def make(
        cls, settings: SampleSettings, array: SamplingArray, circuits: ColumnCircuits | None = None
    ) -> "IntegratorReadout":
        """Calibrates reference, capacitor and ADC range for an array, by closed forms.

        With circuits the references are trimmed: to the mean that each column has through its own circuit, as far as
        `trim_windows` samples tell it.
        """
        window = settings.time
        reset_time = settings.reset_fraction * window
        moments = ColumnMoments.of_sum(array.empty_current.sum(axis=0), -array.swing, array.moments(window, reset_time))
        reach = settings.adc_sigmas * np.sqrt(moments.variance)
        if circuits is not None:
            reach = np.maximum(reach, 0.5 * circuits.least_range)
        bits = circuits.bits if circuits is not None and circuits.bits else settings.adc_bits
        return cls(
            moments=moments,
            reference=moments.mean if circuits is None else _trimmed(settings, array, circuits, moments, reach, bits),
            capacitance=settings.integration_capacitance or float(np.max(reach)) * window / FULL_SCALE,
            lsb=2.0 * reach / 2**bits,
            adc_bits=bits,
            voltage=array.voltage,
            window=window,
            reset_time=reset_time,
            step=(window + reset_time) / settings.steps_per_sample,
            edge_time=1e-4 * min(window, float(np.min(array.traps.relaxation_time(array.voltage)))),
            circuits=circuits,
        )

    @property
    def ground(self) -> NDArray[np.float64]:
        """Voltage of each virtual ground in V, shape `(columns,)`."""
        return np.zeros(len(self.reference)) if self.circuits is None else self.circuits.ground

    @property
    def period(self) -> float:
        """Time from sample to sample in s."""
        return self.window + self.reset_time

    def bench(
        self, array: SampleArray, columns: list[int], samples: int, traps: TrapSource, saved: Sequence[str]
    ) -> str:
        """Returns the netlist that samples some columns."""
        return integrator_bench(
            array,
            traps=traps,
            voltage=self.voltage,
            reference=self.reference[columns],
            capacitance=self.capacitance,
            window=self.window,
            reset_time=self.reset_time,
            samples=samples,
            step=self.step,
            saved=saved,
            ground=self.ground[columns],
        )

    def values(
        self, time: NDArray[np.float64], outputs: NDArray[np.float64], columns: list[int], samples: int
    ) -> NDArray[np.float64]:
        """Returns the mean column currents in A: the outputs at the end of each window, as charge per time."""
        ends = self.period * np.arange(1, samples + 1)
        volts = np.stack([np.interp(ends, time, outputs[:, k]) for k in range(outputs.shape[1])], axis=1)
        return self.reference[columns] + volts * self.capacitance / self.window

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns signed mid-rise ADC codes, clipped at the range's ends."""
        half = 2 ** (self.adc_bits - 1)
        signal = values - self.reference
        if self.circuits is not None:
            return self.circuits.codes(signal / (2 * half * self.lsb), self.adc_bits)
        return np.clip(np.floor(signal / self.lsb), -half, half - 1).astype(np.int64)

    def latents(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns `(code + 1/2) * lsb` over the closed-form standard deviation, the converter's lsb^2 / 12 included."""
        currents = self.reference + (codes + 0.5) * self.lsb
        return (currents - self.reference) / np.sqrt(self.moments.variance + self.lsb**2 / 12.0)


def _trimmed(
    settings: SampleSettings,
    array: SamplingArray,
    circuits: ColumnCircuits,
    moments: ColumnMoments,
    reach: NDArray[np.float64],
    bits: int,
) -> NDArray[np.float64]:
    """Returns the references that a chip finds by reading its own columns, in A, shape `(columns,)`.

    A mean of n samples with the autocorrelation rho between successive ones has the variance
    `sigma^2 (1 + rho) / (1 - rho) / n` where they forget as an exponential does.
    """
    if settings.trim_windows == 0:
        return moments.mean
    reset_time = settings.reset_fraction * settings.time
    means = []
    for j, ground in enumerate(circuits.ground):
        moved = replace(array, voltage=array.voltage - float(ground))
        own = moved.moments(settings.time, reset_time)
        means.append(ColumnMoments.of_sum(moved.empty_current.sum(axis=0), -moved.swing, own).mean[j])
    normals = np.array([generator(circuits.seed, "periphery-trim", j).standard_normal() for j in range(len(reach))])
    rho = np.clip(moments.autocorrelation, 0.0, 0.999)
    left = np.sqrt(moments.variance * (1.0 + rho) / (1.0 - rho) / settings.trim_windows) * normals
    middle = circuits.middle(bits, np.sqrt(moments.variance) / (2.0 * reach))
    return np.array(means) - 2.0 * reach * middle + left


@dataclass(frozen=True)
class ComparatorReadout:
    """One comparator on each column; rows are raised to V_RTN one after another, and their bits are summed.

    A bit is 1 where the selected cell's current is above its mid-level: trap empty. While a row waits at 0 V its trap
    hardly moves (the times grow exponentially with falling voltage), so successive samples of one cell are a slot
    apart in the trap's own time.

    Attributes:
        moments: Closed-form moments of the sum of bits.
        threshold: Mid-level current of each cell in A, shape `(rows, columns)`.
        sensitivity: Current that moves the comparator by one unit, in A.
        offset: Offsets in A, shape `(columns,)`.
        voltage: V_RTN in V.
        slot: Time per row in s.
        step: Largest time step in s.
        edge_time: Rise time of a transition in s.
        swing: Difference of each cell's two levels in A, shape `(rows, columns)`.
        deciders: What decides; none: ideal comparators.
    """

    moments: ColumnMoments
    threshold: NDArray[np.float64]
    sensitivity: float
    offset: NDArray[np.float64]
    voltage: float
    slot: float
    step: float
    edge_time: float
    swing: NDArray[np.float64]
    deciders: Deciders | None = None
    resolution: Resolution = Resolution.EVENTS

    @classmethod
    def make(
        cls, settings: SampleSettings, array: SamplingArray, seed: int, periphery: Macromodel | None = None
    ) -> "ComparatorReadout":
        """Sets mid-level thresholds for an array and draws the comparators' offsets."""
        rows, columns = array.shape
        slot = settings.time / rows
        p = array.traps.occupancy(array.voltage).reshape(columns, rows).T
        tau = array.traps.relaxation_time(array.voltage).reshape(columns, rows).T
        point = window_moments(p, tau, 0.0, slot)
        swing = float(np.min(array.swing))
        offsets = [generator(seed, "comparator-offset", j).standard_normal() for j in range(columns)]
        threshold = array.empty_current - array.swing / 2.0
        deciders = None if periphery is None else Deciders.draw(periphery, columns, seed, swing, threshold)
        if deciders is not None and deciders.lag >= 0.5 * slot:
            raise SettingsError(
                f"periphery '{periphery.name if periphery else ''}' takes {deciders.lag:.3g} s to decide, more than "
                f"half a comparator's slot of {slot:.3g} s: raise sample.time"
            )
        return cls(
            moments=ColumnMoments.of_sum(np.full(columns, float(rows)), -np.ones((rows, columns)), point),
            threshold=threshold,
            sensitivity=swing / 20.0,
            offset=settings.comparator_offset * swing * np.array(offsets) if deciders is None else deciders.offset,
            voltage=array.voltage,
            slot=slot,
            step=settings.time / settings.steps_per_sample,
            edge_time=1e-3 * min(slot, float(np.min(tau))),
            swing=array.swing,
            deciders=deciders,
        )

    @property
    def lag(self) -> float:
        """Time that a decision takes, in s."""
        return 0.0 if self.deciders is None else self.deciders.lag

    @property
    def period(self) -> float:
        """Time from sample to sample in s."""
        return self.slot * len(self.threshold)

    def bench(
        self, array: SampleArray, columns: list[int], samples: int, traps: TrapSource, saved: Sequence[str]
    ) -> str:
        """Returns the netlist that samples some columns."""
        return comparator_bench(
            array,
            traps=traps,
            voltage=self.voltage,
            threshold=self.threshold[:, columns],
            sensitivity=self.sensitivity,
            offset=self.offset[columns],
            slot=self.slot,
            samples=samples,
            step=self.step,
            saved=saved,
        )

    def values(
        self, time: NDArray[np.float64], outputs: NDArray[np.float64], columns: list[int], samples: int
    ) -> NDArray[np.float64]:
        """Returns the number of rows whose comparator stands above 0.5 at its slot's sample point."""
        rows = len(self.threshold)
        instants = self.slot * (np.arange(samples * rows) + SAMPLE_POINT) - self.lag
        bits = np.stack([np.interp(instants, time, outputs[:, k]) > 0.5 for k in range(outputs.shape[1])], axis=1)
        return bits.reshape(samples, rows, -1).sum(axis=1).astype(float)

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the counts, with what noise turns round."""
        counts = values if self.deciders is None else self.deciders.flips(values, self.swing)
        return np.rint(counts).astype(np.int64)

    def latents(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns counts, standardised."""
        return (codes - self.moments.mean) / np.sqrt(self.moments.variance)


def make_digitiser(
    settings: SampleSettings,
    array: SamplingArray,
    seed: int,
    periphery: Macromodel | None = None,
    circuits: ColumnCircuits | None = None,
) -> Digitiser:
    """Returns the digitiser that the settings name, calibrated for an array.

    Args:
        settings: Settings of the phase.
        array: The array.
        seed: The run's seed.
        periphery: Circuits that read the columns; none: ideal ones.
        circuits: Of integrators, where they are known; none: drawn from the periphery.

    Raises:
        SettingsError: The circuits can't do it.
    """
    if settings.digitiser == "integrator":
        if circuits is None and periphery is not None:
            circuits = ColumnCircuits.draw(periphery, array.shape[1], seed)
        return IntegratorReadout.make(settings, array, circuits)
    return ComparatorReadout.make(settings, array, seed, periphery)
