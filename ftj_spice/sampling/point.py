"""One operating point of the sampling array, voltage and sampling time: its closed forms, and its columns to simulate.

Weights, means and currents are those of the array with its wires and drivers (`ftj_spice.engines.fast.integrator`);
each column is read apart from the others. What only the closed forms know is the same in the simulation's
`ColumnTable`, so that what differs is the traps' statistics.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.moments import WindowMoments, window_moments
from ftj_spice.device.traps import Traps
from ftj_spice.netlist.benches import RESET_EDGE
from ftj_spice.sampling import tallies
from ftj_spice.sampling.array import ColumnMoments, SamplingArray
from ftj_spice.sampling.circuits import ColumnCircuits
from ftj_spice.sampling.digitisers import IntegratorReadout
from ftj_spice.sampling.distribution import ColumnLaw, Farthest, shannon_entropy
from ftj_spice.sampling.energy import cell_power
from ftj_spice.sampling.events import column_operating_point
from ftj_spice.sampling.noisy_codes import code_law, equivocation
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.tallies import ColumnTable

_LEAST_PROBABILITY = 1e-15
"""A code that comes less often than this counts as if it came as often: the law's own rounding is no smaller."""

_OFTEN = 0.05
"""Share of samples that the codes counted for the min-entropy have at least: few samples hold a single fine code."""


@dataclass(frozen=True)
class Column:
    """One column's wires-and-all operating point; independent of the sampling time.

    Attributes:
        current: Mean current in A.
        slope: Change of the current by each trap's state in A, shape `(rows,)`.
        cell_power: Mean power that goes into its cells, in W.
    """

    current: float
    slope: NDArray[np.float64]
    cell_power: float


def solve_columns(
    array: SamplingArray, settings: SampleSettings, circuits: ColumnCircuits | None = None
) -> list[Column]:
    """Returns every column of an array at its voltage, each read apart.

    Args:
        array: The array.
        settings: Settings of the phase.
        circuits: Whose virtual grounds hold the columns; none: at 0 V.

    Raises:
        EngineError: An operating point can't be found.
    """
    found = []
    for j in range(array.shape[1]):
        point = column_operating_point(array, settings, [j], None if circuits is None else circuits.ground)
        found.append(Column(float(point.current[0]), point.slope[0][:, 0], cell_power(array, [j], point)))
    return found


@dataclass(frozen=True)
class SamplePoint:
    """Closed forms of an operating point; arrays of shape `(columns,)` where not said otherwise.

    Attributes:
        voltage: V_RTN in V.
        window: Time over which the current is integrated, in s.
        table: The columns as the simulation needs them.
        mean: Mean of the value (column current, mean over the window) in A.
        sigma: Its standard deviation in A.
        expected: Expectation of everything the simulation sums, shape `(columns, SUMS)`; instead of the share of
            samples up to a place, its distance to the normal's.
        laws: The different laws of the standardised value.
        law: Which law each column has.
        farthest: Where each law is farthest from the normal.
        latents_farthest: The same of each column's latents and the standard normal.
        codes: Probabilities of each column's converter codes, shape `(columns, 2 * half)`.
        information: What a code tells about the column's value, in bits: its entropy less what read-out noise makes of
            it; mean over columns.
        reference_shift: Mean of the value over the converter's reference, in standard deviations: what wires and
            drivers move, which the reference does not know.
        power: Mean power that the rows deliver per column, in W.
        cell_power: The part of it that goes into the cells.
        modal_part: Part of `expected[:, MODAL]` that the most probable code itself has, mean over columns.
        transitions: Trap transitions per sample of a column, mean over columns.
        relaxation: Relaxation time of a nominal trap in s.
        occupancy: Of a nominal trap.
    """

    voltage: float
    window: float
    table: ColumnTable
    mean: NDArray[np.float64]
    sigma: NDArray[np.float64]
    expected: NDArray[np.float64]
    laws: tuple[ColumnLaw, ...]
    law: NDArray[np.int64]
    farthest: tuple[Farthest, ...]
    latents_farthest: tuple[Farthest, ...]
    codes: NDArray[np.float64]
    information: float
    reference_shift: NDArray[np.float64]
    power: float
    cell_power: float
    modal_part: float
    transitions: float
    relaxation: float
    occupancy: float

    @property
    def period(self) -> float:
        """Time from sample to sample in s."""
        return self.table.period


def make_point(
    array: SamplingArray, settings: SampleSettings, columns: list[Column], circuits: ColumnCircuits | None = None
) -> SamplePoint:
    """Returns the closed forms of an operating point.

    Args:
        array: The array at the point's voltage.
        settings: With the point's sampling time.
        columns: From `solve_columns` at that voltage, with the same circuits.
        circuits: What reads the columns; none: the ideal integrator and converter.

    Raises:
        SettingsError: The read-out is not the integrator.
    """
    if settings.digitiser != "integrator":
        raise SettingsError("sample.digitiser must be 'integrator': maps are made of the charge integrator and its ADC")
    rows, count = array.shape
    readout = IntegratorReadout.make(settings, array, circuits)
    across = array.voltage - np.repeat(readout.ground, rows)
    lead = RESET_EDGE * readout.reset_time  # the reset opens as its signal begins to fall, and its edge is integrated
    window, pause = readout.window + lead, readout.reset_time - lead
    longer = window / readout.window
    grid = (count, rows)
    occupancy = array.traps.occupancy(across).reshape(grid)
    relaxation = array.traps.relaxation_time(across).reshape(grid)
    slope = longer * np.stack([column.slope for column in columns])
    mean = readout.reference + longer * (np.array([column.current for column in columns]) - readout.reference)
    moments = [
        _moments(slope, window_moments(occupancy, relaxation, window, pause + (lag - 1) * readout.period))
        for lag in tallies.LAGS
    ]
    sigma = np.sqrt(moments[0].variance)
    weight = slope / sigma[:, None]
    laws, which = _laws(weight, occupancy, relaxation, window)
    far = tuple(law.farthest() for law in laws)
    half = 2 ** (readout.adc_bits - 1)
    thresholds, noise = _digitised(readout, mean, sigma)
    # Every column has thresholds of its own: wires move them against the atoms, which must not change sides.
    seen = [(laws[which[j]], thresholds[j], float(noise[j])) for j in range(count)]
    codes = np.stack([code_law(*own) for own in seen])
    lost = [equivocation(*own) for own in seen]
    spread = np.sqrt(readout.moments.variance + readout.lsb**2 / 12.0)
    latent_gain, latent_offset = readout.lsb / spread, 0.5 * readout.lsb / spread
    latents = latent_offset[:, None] + latent_gain[:, None] * np.arange(-half, half)
    latents_far = [_latents_farthest(own, at) for own, at in zip(codes, latents, strict=True)]
    capture, emission = (
        array.traps.capture_time_at(across).reshape(grid),
        array.traps.emission_time_at(across).reshape(grid),
    )
    table = ColumnTable(
        occupancy=occupancy, capture=capture, emission=emission, weight=weight, period=readout.period, pause=pause,
        thresholds=thresholds, noise=noise, half=half, latent_gain=latent_gain, latent_offset=latent_offset,
        place=np.array([far[k].value for k in which]), last=np.array([last - half for _, last in latents_far]),
        surprisal=-np.log2(np.maximum(codes, _LEAST_PROBABILITY)),
        modal=np.array([_about_modal(own) for own in codes]),
    )  # fmt: skip
    nominal = Traps.from_card(array.card, 1)
    expected = _expected(table, moments, far, codes, which)
    expected[:, tallies.LATENT_BELOW] = [found.distance for found, _ in latents_far]
    return SamplePoint(
        voltage=array.voltage,
        window=window,
        table=table,
        mean=mean,
        sigma=sigma,
        expected=expected,
        laws=laws,
        law=which,
        farthest=far,
        latents_farthest=tuple(found for found, _ in latents_far),
        codes=codes,
        information=float(np.mean([shannon_entropy(own) for own in codes]) - np.mean(lost)),
        reference_shift=_shift(readout, mean, sigma),
        power=array.voltage * float(np.mean([column.current for column in columns])),
        cell_power=float(np.mean([column.cell_power for column in columns])),
        modal_part=float(np.mean(codes.max(axis=1)) / np.mean(expected[:, tallies.MODAL])),
        transitions=float(np.mean(np.sum(2.0 * readout.period / (capture + emission), axis=1))),
        relaxation=float(nominal.relaxation_time(array.voltage)[0]),
        occupancy=float(nominal.occupancy(array.voltage)[0]),
    )


def _digitised(
    readout: IntegratorReadout, mean: NDArray[np.float64], sigma: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the converter's thresholds and the read-out's noise for standardised values.

    Shapes `(columns, codes - 1)` and `(columns,)`.
    """
    bits, half = readout.adc_bits, 2 ** (readout.adc_bits - 1)
    offset = (mean - readout.reference)[:, None]
    if readout.circuits is None:
        steps = readout.lsb[:, None] * np.arange(1 - half, half)
        return (steps - offset) / sigma[:, None], np.zeros(len(sigma))
    full = 2 * half * readout.lsb
    places = full[:, None] * readout.circuits.thresholds(bits)
    return (places - offset) / sigma[:, None], readout.circuits.input_noise(bits) * full / sigma


def _shift(readout: IntegratorReadout, mean: NDArray[np.float64], sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns how far each mean lies beside what its reference and circuit are trimmed to, in standard deviations."""
    shift = mean - readout.reference
    if readout.circuits is not None:
        full = 2**readout.adc_bits * readout.lsb
        shift = shift - full * readout.circuits.middle(readout.adc_bits, sigma / full)
    return shift / sigma


def _latents_farthest(codes: NDArray[np.float64], latents: NDArray[np.float64]) -> tuple[Farthest, int]:
    """Returns where a column's latents are farthest from the standard normal, and the last code that counts there.

    Args:
        codes: Their probabilities.
        latents: The latent of each, ascending.
    """
    upto, normal = np.cumsum(codes), ndtr(latents)
    both = np.stack([upto - codes - normal, upto - normal])
    side, k = np.unravel_index(int(np.argmax(np.abs(both))), both.shape)
    found = float(both[side, k])
    far = Farthest(abs(found), float(latents[k]), float(normal[k]), 1 if found > 0 else -1)
    return far, int(k) - (1 if side == 0 else 0)


def _moments(weight: NDArray[np.float64], cells: WindowMoments) -> ColumnMoments:
    """Returns the moments of the columns' sums, for arrays of shape `(columns, rows)`."""
    turned = WindowMoments(*(np.asarray(getattr(cells, name)).T for name in WindowMoments.__dataclass_fields__))
    return ColumnMoments.of_sum(np.zeros(len(weight)), weight.T, turned)


def _laws(
    weight: NDArray[np.float64], occupancy: NDArray[np.float64], relaxation: NDArray[np.float64], window: float
) -> tuple[tuple[ColumnLaw, ...], NDArray[np.int64]]:
    """Returns the columns' different laws, and which each has: without any spread there is one."""
    rounded = np.rint(np.log(np.concatenate([np.abs(weight), occupancy, relaxation], axis=1)) / 1e-6)
    _, first, which = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    laws = tuple(ColumnLaw.of(weight[j], occupancy[j], relaxation[j], window) for j in first)
    return laws, which.reshape(-1).astype(np.int64)


def _about_modal(codes: NDArray[np.float64]) -> tuple[int, int]:
    """Returns the first and last of the codes about the most probable one that together come often enough to count."""
    modal = int(np.argmax(codes))
    reach = 0
    while codes[max(modal - reach, 0) : modal + reach + 1].sum() < _OFTEN and reach < len(codes):
        reach += 1
    return max(modal - reach, 0), min(modal + reach, len(codes) - 1)


def _expected(
    table: ColumnTable,
    moments: list[ColumnMoments],
    far: tuple[Farthest, ...],
    codes: NDArray[np.float64],
    which: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Returns what each sum of the simulation is expected to be, shape `(columns, SUMS)`."""
    expected = np.zeros((len(which), tallies.SUMS))
    latent = table.latent_offset[:, None] + table.latent_gain[:, None] * np.arange(-table.half, table.half)
    expected[:, tallies.SECOND] = 1.0
    expected[:, tallies.THIRD] = moments[0].skewness
    expected[:, tallies.FOURTH] = moments[0].kurtosis + 3.0
    expected[:, tallies.LATENT] = np.sum(codes * latent, axis=1)
    expected[:, tallies.LATENT_SQUARED] = np.sum(codes * latent**2, axis=1)
    expected[:, tallies.BELOW] = [far[k].distance for k in which]
    expected[:, tallies.SURPRISAL] = [shannon_entropy(own) for own in codes]
    expected[:, tallies.MODAL] = [
        own[first : last + 1].sum() for own, (first, last) in zip(codes, table.modal, strict=True)
    ]
    for k, lagged in enumerate(moments):
        expected[:, tallies.FILLED + 1 + k] = lagged.autocorrelation
    return expected
