"""The points of a map: closed forms and simulation of each, side by side on threads."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.constants import elementary_charge

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import seed_sequence
from ftj_spice.device.card import Card
from ftj_spice.device.traps import Traps
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.circuits import ColumnCircuits
from ftj_spice.sampling.digitisers import FULL_SCALE
from ftj_spice.sampling.energy import readout_energy
from ftj_spice.sampling.figures import (
    QUANTITIES,
    Figure,
    evaluate,
    gaussian_pair_information,
    pair_information,
)
from ftj_spice.sampling.point import SamplePoint, make_point, solve_columns
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.tallies import FEWEST_SAMPLES, LATENT, Tally, join, tally
from ftj_spice.studies.observer import Observer
from ftj_spice.studies.sample_map.settings import Grid, MapSettings

MOST_TRANSITIONS = 1e12
"""More trap transitions than this in one map (some hours) are refused."""
FEWEST_TRANSITIONS = 100
"""Fewer than this at one point are refused: nothing can be told of noise that does not happen."""
BLOCKS = 8
"""Parts that a point's units are simulated in; threads take them one by one."""


@dataclass(frozen=True)
class CircuitCost:
    """What the read-out circuits cost at one operating point: closed forms, mean over columns.

    Attributes:
        information: What a code tells about the column's current, in bits: the codes' entropy less what noise makes of
            it.
        ideal_information: The same behind the ideal integrator and converter of the settings.
        ideal_latent_distance: Distance of the latents to the standard normal behind those; the map's own figure of this
            name is that behind the circuits.
        noise: Of the read-out, referred to the input, in standard deviations of the value.
        shift: Rms shift of the latents' mean: what trimming leaves of grounds and offsets.
        range: Range of the converter in standard deviations of the value.
    """

    information: float
    ideal_information: float
    ideal_latent_distance: float
    noise: float
    shift: float
    range: float

    @property
    def bits_lost(self) -> float:
        """Bits of information that a sample loses to the circuits."""
        return self.ideal_information - self.information


@dataclass(frozen=True)
class MapPoint:
    """One operating point of a map.

    Attributes:
        voltage: V_RTN in V.
        time: Sampling time in s.
        period: From sample to sample in s.
        samples: Of each unit.
        units: Columns times copies.
        figures: Simulated and closed, by name.
        histogram: Standardised values of all units, in the bins of `ftj_spice.sampling.tallies`.
        pair_information: What a sample's octile tells about the next one's, in bits: simulated, standard error, and of
            a normal process of the same autocorrelation.
        still: Share of samples without any trap transition: the law's atoms.
        noise_steps: Standard deviation of the integrated charge, in steps of the map's one converter.
        noise: Standard deviation of the value over its mean.
        shot_noise: Shot noise of the integrated charge, `sqrt(q I T)`, over its standard deviation; it is not
            simulated.
        cell_energy: Energy per sample that goes into the cells, closed form, in J.
        wire_energy: Energy per sample that heats wires and drivers, closed form, in J.
        converter_energy: Estimate of one conversion's energy in J.
        relaxation: Relaxation time of a nominal trap in s.
        occupancy: Of a nominal trap.
        transitions: Per sample of a column, of all its traps.
        reference_shift: What wires and drivers move the value by, in standard deviations; with circuits also what
            trimming leaves of their grounds and offsets.
        circuits: What the read-out circuits cost; none behind the ideal read-out.
    """

    voltage: float
    time: float
    period: float
    samples: int
    units: int
    figures: dict[str, Figure]
    histogram: NDArray[np.int64]
    pair_information: tuple[float, float, float]
    still: float
    noise_steps: float
    noise: float
    shot_noise: float
    cell_energy: float
    wire_energy: float
    converter_energy: float
    relaxation: float
    occupancy: float
    transitions: float
    reference_shift: float
    circuits: CircuitCost | None = None

    @property
    def rate(self) -> float:
        """Samples per second and column."""
        return 1.0 / self.period

    @property
    def energy(self) -> float:
        """Energy per sample in J: rows (closed form) and read-out (measured where it is a circuit, else estimate)."""
        return self.figures["supply_energy"].closed + self.converter_energy


def point_settings(settings: MapSettings, voltage: float, time: float) -> SampleSettings:
    """Returns the sample settings of a point."""
    return settings.sample.model_copy(update={"voltage": voltage, "time": time})


def draw_circuits(model: Macromodel | None, settings: MapSettings) -> ColumnCircuits | None:
    """Returns the circuits of a map's columns: the same at all points."""
    return None if model is None else ColumnCircuits.draw(model, settings.columns, settings.seed)


def closed_point(
    card: Card, settings: MapSettings, voltage: float, time: float, model: Macromodel | None = None
) -> SamplePoint:
    """Returns the closed forms of one operating point, behind circuits where there is a macromodel.

    Raises:
        SettingsError: The card leaves no noise there.
        EngineError: An operating point can't be found.
    """
    own = point_settings(settings, voltage, time)
    array = SamplingArray.draw(card, own, settings.columns, settings.seed)
    circuits = draw_circuits(model, settings)
    return make_point(array, own, solve_columns(array, own, circuits), circuits)


def samples_of(point: SamplePoint, settings: MapSettings) -> int:
    """Returns how many samples each unit of a point gets."""
    wanted = settings.transitions / (settings.units * point.transitions)
    return int(np.clip(wanted, FEWEST_SAMPLES, settings.samples))


def check_size(card: Card, settings: MapSettings, grid: Grid) -> None:
    """Refuses a map that would take too long, and one with a point where next to nothing would happen.

    Raises:
        SettingsError: The sentence says how many transitions there would be.
    """
    traps = Traps.from_card(card, 1)
    spread = settings.sample.time_constant_spread * card.time_constant_spread
    cycle = traps.capture_time_at(grid.voltages) + traps.emission_time_at(grid.voltages)
    # The mean rate of lognormal times is larger than the nominal one.
    each = 2.0 * settings.sample.rows * np.exp(0.5 * spread**2) * grid.times[None, :] / cycle[:, None] * settings.units
    counts = np.maximum(FEWEST_SAMPLES * each, np.minimum(settings.transitions, settings.samples * each))
    i, k = np.unravel_index(np.argmin(counts), counts.shape)
    if counts[i, k] < FEWEST_TRANSITIONS:
        raise SettingsError(
            f"at {grid.voltages[i]:.4g} V and {1e3 * grid.times[k]:.4g} ms the traps hardly change: some "
            f"{counts[i, k]:.2g} transitions in all samples, fewer than the {FEWEST_TRANSITIONS} that figures can be "
            "made of; raise the voltage, the time or 'samples'"
        )
    total = float(np.sum(counts))
    if total > MOST_TRANSITIONS:
        raise SettingsError(
            f"the map would have some {total:.2g} trap transitions, more than {MOST_TRANSITIONS:.0e}: shorten the "
            "times, lower the voltages, or take fewer points, columns or copies"
        )


def simulate_points(
    card: Card, settings: MapSettings, grid: Grid, jobs: int, observer: Observer, model: Macromodel | None = None
) -> list[list[MapPoint]]:
    """Simulates every point of a map; the result does not depend on the number of threads.

    Args:
        card: Device card.
        settings: Settings of the map.
        grid: Its points.
        jobs: Threads.
        observer: Told about progress, as `sample`.
        model: Circuits that read the columns; none: ideal ones.

    Returns:
        Points by voltage and time.
    """
    step = _charge_step(card, settings, model)
    total = len(grid.voltages) * len(grid.times)
    with ThreadPoolExecutor(jobs) as pool:
        pending: list[tuple[int, int, tuple[SamplePoint, SamplePoint | None], list[Future[Tally]]]] = []
        done: dict[tuple[int, int], MapPoint] = {}
        observer("sample", 0, total)

        def collect() -> None:
            i, k, pair, parts = pending.pop(0)
            found = join([part.result() for part in parts])
            done[i, k] = _measure(*pair, found, float(grid.times[k]), step, settings, model)
            observer("sample", len(done), total)

        try:
            for i, k, point, ideal in _closed(card, settings, grid, model):
                samples = samples_of(point, settings)
                words, noise = _words(settings, i, k)
                bounds = np.linspace(0, len(words), min(BLOCKS, len(words)) + 1).astype(int)
                parts = [
                    pool.submit(tally, words[low:high], int(low), point.table, samples, noise[low:high])
                    for low, high in pairwise(bounds)
                ]
                pending.append((i, k, (point, ideal), parts))
                while len(pending) > jobs + 1:  # a few points ahead, no more: their laws take memory
                    collect()
            while pending:
                collect()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [[done[i, k] for k in range(len(grid.times))] for i in range(len(grid.voltages))]


def _closed(
    card: Card, settings: MapSettings, grid: Grid, model: Macromodel | None
) -> Iterator[tuple[int, int, SamplePoint, SamplePoint | None]]:
    """Yields the closed forms of all points; the wires are solved once per voltage.

    With circuits those behind the ideal read-out come second.
    """
    circuits = draw_circuits(model, settings)
    first = point_settings(settings, float(grid.voltages[0]), float(grid.times[0]))
    drawn = SamplingArray.draw(card, first, settings.columns, settings.seed)
    for i, voltage in enumerate(grid.voltages.tolist()):
        array = replace(drawn, voltage=voltage)
        array.check_noise()
        start = point_settings(settings, voltage, float(grid.times[0]))
        columns = solve_columns(array, start, circuits)
        plain = columns if circuits is None else solve_columns(array, start)
        for k, time in enumerate(grid.times.tolist()):
            own = point_settings(settings, voltage, time)
            ideal = None if circuits is None else make_point(array, own, plain)
            yield i, k, make_point(array, own, columns, circuits), ideal


def _words(settings: MapSettings, i: int, k: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Returns the first words of a point's streams: every trap's, `(units, rows)`, and the read-outs', `(units,)`."""
    count = settings.units * settings.sample.rows
    words = seed_sequence(settings.seed, "sample-map", i, k).generate_state(count, np.uint64)
    noise = seed_sequence(settings.seed, "sample-map-noise", i, k).generate_state(settings.units, np.uint64)
    return words.reshape(settings.units, settings.sample.rows), noise


def _charge_step(card: Card, settings: MapSettings, model: Macromodel | None) -> float:
    """Returns the step of the map's one converter in C: it fits the array's own operating point."""
    s = settings.sample
    bits = s.adc_bits if model is None or model.convert is None else model.convert.bits
    if s.integration_capacitance is not None:
        return 2.0 * FULL_SCALE * s.integration_capacitance / 2**bits
    point = closed_point(card, settings, s.voltage or card.rtn_voltage, s.time)
    return float(np.max(point.sigma)) * s.time * 2.0 * s.adc_sigmas / 2**bits


def _cost(point: SamplePoint, ideal: SamplePoint) -> CircuitCost:
    latents = point.expected[:, LATENT]
    behind = point.table.thresholds[:, -1] - point.table.thresholds[:, 0]
    steps = len(point.table.thresholds[0]) - 1
    return CircuitCost(
        information=point.information,
        ideal_information=ideal.information,
        ideal_latent_distance=float(np.mean([far.distance for far in ideal.latents_farthest])),
        noise=float(np.mean(point.table.noise)),
        shift=float(np.sqrt(np.mean(latents**2))),
        range=float(np.mean(behind)) * (steps + 2) / steps,
    )


def _measure(
    point: SamplePoint,
    ideal: SamplePoint | None,
    found: Tally,
    time: float,
    step: float,
    settings: MapSettings,
    model: Macromodel | None,
) -> MapPoint:
    figures = evaluate(point, found)
    information, error = pair_information(found.pairs)
    normal = gaussian_pair_information(figures["autocorrelation_1"].closed)
    assert list(figures) == list(QUANTITIES)
    return MapPoint(
        voltage=point.voltage,
        time=time,
        period=point.period,
        samples=found.samples,
        units=len(found.means),
        figures=figures,
        histogram=found.histogram,
        pair_information=(information, error, normal),
        still=float(np.mean([point.laws[k].atoms.sum() for k in point.law])),
        noise_steps=float(np.sqrt(np.mean(point.sigma**2))) * time / step,
        noise=float(np.mean(point.sigma / point.mean)),
        shot_noise=float(np.mean(np.sqrt(elementary_charge * point.mean / time) / point.sigma)),
        cell_energy=point.cell_power * point.period,
        wire_energy=(point.power - point.cell_power) * point.period,
        converter_energy=readout_energy(model, point.period, settings.sample.adc_bits)[0],
        relaxation=point.relaxation,
        occupancy=point.occupancy,
        transitions=point.transitions,
        reference_shift=float(np.mean(point.reference_shift)),
        circuits=None if ideal is None else _cost(point, ideal),
    )
