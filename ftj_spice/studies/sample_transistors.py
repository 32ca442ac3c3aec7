"""The sample phase through transistors: every column read by a chain of its own in ngspice, and the audit by it.

The chain integrates over the samples' window (`ftj_spice.periphery.sampled`). First it reads each column with its traps
held at their mean and the reference stepped over the range: offset, gain and virtual ground of its circuit, by which
the reference is trimmed as a chip would do it. Then the traps go their ways at the cells' true bias, by the same
streams as behind any other read-out, and the chain reads every sample. Transients hold no thermal noise: the
macromodel's is added to the reference current.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.traps import TrapHistory
from ftj_spice.engines.arrays import Progress
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.periphery.macromodel import Macromodel, chain_transitions
from ftj_spice.periphery.readout import CHUNK
from ftj_spice.periphery.rig import Condition
from ftj_spice.periphery.sampled import FlickeringColumn, SampledReads, integrates, lengthened, read_samples
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.circuits import ColumnCircuits
from ftj_spice.sampling.digitisers import IntegratorReadout
from ftj_spice.sampling.phase import KeptPart, SampleResult, sample
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import plan
from ftj_spice.studies.observer import Observer, part_of
from ftj_spice.studies.transistors import LIMIT, check_time, has_transistors, transistor_chain

TRIMS = 6
"""Reads that find a circuit's offset and gain."""
TRIM_REACH = 0.35
"""Part of the range, on each side of the reference, that they are spread over."""
AUDITED = 4
"""Samples of a column that are repeated through transistors."""


@dataclass(frozen=True)
class TransistorSamples:
    """The sample phase through transistors.

    Attributes:
        samples: With the transistors' codes; `values` are what ideal integrators would give.
        circuits: What was found of each column's circuit, before its reference was trimmed.
        deviations: Codes less those of a straight converter with the same offset and gain, in steps, shape
            `(samples, columns)`.
    """

    samples: SampleResult
    circuits: "Trims"
    deviations: NDArray[np.float64]

    @property
    def figures(self) -> dict[str, Any]:
        """What metrics say of it."""
        c = self.circuits
        found = {"offset_steps": c.offset, "gain": c.gain, "ground_V": c.ground}
        return {
            "reads": int(self.deviations.size),
            **{name: {"mean": float(v.mean()), "sigma": float(v.std())} for name, v in found.items()},
            "deviation_steps": {
                "rms": float(np.sqrt(np.mean(self.deviations**2))),
                "largest": float(np.max(np.abs(self.deviations))),
            },
        }


def check_sampling(model: Macromodel | None, settings: SampleSettings, columns: int, count: int, jobs: int) -> None:
    """Refuses a sample phase that transistors can't read, or not in time.

    Args:
        model: The macromodel; none is refused.
        settings: Settings of the phase.
        columns: Latent dimensions.
        count: Samples.
        jobs: Workers side by side.

    Raises:
        SettingsError: It can't; the sentence says what to do.
        FtjSpiceError: The process's models are missing.
    """
    if model is None:
        raise SettingsError("engine.sample='transistors' needs circuits to read by: pass --periphery NAME")
    if settings.digitiser != "integrator" or settings.whole_array:
        raise SettingsError(
            "engine.sample='transistors' reads columns apart by a chain with a converter: take "
            "sample.digitiser='integrator' and sample.whole_array=false"
        )
    chain, process = transistor_chain(model)
    lengthened(chain, process.name, settings.time, settings.reset_fraction * settings.time, chain.lsb)
    check_time(transistor_reads(columns, count), jobs, "fewer samples")


def transistor_reads(columns: int, count: int) -> int:
    """Returns how many reads a sample phase through transistors makes, those before each transient's first included.

    Args:
        columns: Latent dimensions.
        count: Samples.
    """
    return columns * sum(reads + -(-reads // CHUNK) for reads in (TRIMS, count))


def sample_by_transistors(
    card: Card,
    settings: SampleSettings,
    model: Macromodel,
    engine: NgspiceEngine,
    *,
    count: int,
    columns: int,
    seed: int,
    observer: Observer,
) -> TransistorSamples:
    """Draws latent vectors, every sample read through transistors.

    Args:
        card: Device card.
        settings: Settings of the phase.
        model: Macromodel of the chain: process, corner, noise.
        engine: Its workers read side by side.
        count: Number of latent vectors.
        columns: Latent dimensions.
        seed: The run's seed: of traps, mismatch, noise and what trimming leaves.
        observer: Told about progress.

    Raises:
        SettingsError: See `check_sampling`.
        EngineError: A simulation failed.
    """
    array = SamplingArray.draw(card, settings, columns, seed)
    reader = _Reader(model, array, engine, (seed, 0))
    plain = _straight(model, columns, seed)
    ideal = IntegratorReadout.make(settings, array, plain)
    every = list(range(columns))
    found = reader.trim(ideal, every, part_of(observer, "trim"))
    circuits = replace(plain, ground=found.ground, gain=found.gain, offset=found.offset / 2**ideal.adc_bits)
    keep = [part for group in plan(settings, columns, count) for part in group]
    drawn = sample(
        card, settings, count=count, columns=columns, seed=seed, engine="fast", keep=keep, circuits=circuits
    )  # fmt: skip
    digitiser = drawn.digitiser
    assert isinstance(digitiser, IntegratorReadout)
    half = 2 ** (digitiser.adc_bits - 1)
    noise = circuits.input_noise(digitiser.adc_bits) * 2 * half * digitiser.lsb
    normals = [generator(seed, "periphery-sample-noise", j).standard_normal(count) for j in every]
    reference = digitiser.reference - noise * np.stack(normals, axis=1)
    histories = [_joined([kept for kept in drawn.kept if kept.part.columns == (j,)], digitiser) for j in every]
    read = reader.read(digitiser, every, reference, histories, part_of(observer, "sample"))
    codes = read.codes - half
    straight = found.gain * (drawn.values - reference) / digitiser.lsb + found.offset - 0.5
    inside = (codes > -half) & (codes < half - 1)
    samples = replace(
        drawn,
        latents=digitiser.latents(codes),
        codes=codes,
        histories=histories,
        netlists={},
        engine=f"ngspice, {model.process} transistors",
        kept=(),
    )
    return TransistorSamples(samples, found, np.where(inside, codes - straight, 0.0))


def audit_sampling(
    model: Macromodel | None, sampling: SampleResult, engine: NgspiceEngine, *, seed: int, observer: Observer
) -> Audit | None:
    """Repeats a few samples through transistors of nominal devices, and compares codes with the macromodel's.

    Offset and gain of the nominal circuit are found first and taken out, as trimmed references take them out of a run.

    Args:
        model: The macromodel; none, and one without a chain that integrates, have no audit.
        sampling: Samples of integrators, with what some traps did.
        engine: Its workers read side by side.
        seed: The run's seed.
        observer: Told about progress.

    Raises:
        EngineError: A simulation failed.
    """
    digitiser = sampling.digitiser
    if model is None or not _can_sample(model) or not isinstance(digitiser, IntegratorReadout):
        return None
    known = _known(sampling)
    if not known:
        return None
    rng = generator(seed, "periphery-sample-audit")
    column, history, values = known[int(rng.integers(len(known)))]
    count = min(AUDITED, len(values))
    reader = _Reader(model, sampling.array, engine, None)
    told = part_of(observer, "audit of sample circuits")
    plain = replace(digitiser, reference=digitiser.moments.mean)
    found = reader.trim(plain, [column], told)
    reference = np.full((count, 1), plain.reference[column])
    read = reader.read(plain, [column], reference, [history], told)
    assert model.convert is not None
    top = 2**model.convert.bits - 1
    # The values are those at the drawn circuit's virtual ground; the transistors stand at the nominal one's.
    drawn, nominal = (reader.moved(column, float(error)) for error in (digitiser.ground[column], found.ground[0]))
    moved = values[:count] - drawn + nominal
    place = found.gain[0] * (moved - reference[:, 0]) / plain.lsb[column] + found.offset[0]
    codes = np.searchsorted(chain_transitions(model.sense, model.convert), place + 0.5 * top, side="right")
    deviation = (read.codes[:, 0] - codes).astype(float)
    return Audit(
        reads=count,
        largest=float(np.max(np.abs(deviation))),
        rms=float(np.sqrt(np.mean(deviation**2))),
        limit=LIMIT,
        engine=f"ngspice, {model.process} transistors",
        scale="steps of the converter",
        things="samples through transistors",
    )


def _can_sample(model: Macromodel) -> bool:
    """Returns whether a macromodel was made from a chain of transistors that integrates."""
    if model.convert is None or model.sense is None or not has_transistors(model):
        return False
    chain, _ = transistor_chain(model)
    return integrates(chain)


def _known(sampling: SampleResult) -> list[tuple[int, TrapHistory, NDArray[np.float64]]]:
    """Returns columns of which it is known what their traps did: column, history from its begin, values."""
    if sampling.kept:
        return [(k.part.columns[0], k.history, k.values[:, 0]) for k in sampling.kept if len(k.part.columns) == 1]
    columns = sampling.values.shape[1]
    if len(sampling.histories) != columns:
        return []
    return [(j, history, sampling.values[:, j]) for j, history in enumerate(sampling.histories)]


def _straight(model: Macromodel, columns: int, seed: int) -> ColumnCircuits:
    """Returns circuits without errors, with the macromodel's noise and bits."""
    assert model.convert is not None
    zero, one = np.zeros(columns), np.ones(columns)
    return replace(
        ColumnCircuits.draw(model, columns, seed),
        ground=zero,
        gain=one,
        offset=zero,
        places=np.arange(2**model.convert.bits - 1) + 0.5,
        convert_gain=one,
        convert_offset=zero,
    )


@dataclass(frozen=True)
class Trims:
    """What a chip finds of its circuits, by column.

    Attributes:
        offset: In steps: codes less those of an ideal circuit at the same virtual ground.
        gain: Of codes over an ideal circuit's.
        ground: Error of the virtual ground in V.
    """

    offset: NDArray[np.float64]
    gain: NDArray[np.float64]
    ground: NDArray[np.float64]


@dataclass(frozen=True)
class _Reader:
    """Columns of a sampling array behind the chain of a macromodel.

    Attributes:
        model: The macromodel.
        array: The array.
        engine: Where the transients run.
        mismatch: Of the chains: seed and draw; none: nominal devices.
    """

    model: Macromodel
    array: SamplingArray
    engine: NgspiceEngine
    mismatch: tuple[int, int] | None

    def moved(self, column: int, ground: float) -> float:
        """Returns what an error of the virtual ground in V makes of a column's mean current, in A."""
        array = self.array
        rows = array.shape[0]
        occupancy = array.traps.take(slice(column * rows, (column + 1) * rows)).occupancy(array.voltage)
        g, law = array.conductance[:, column], array.card.conduction
        change = law.current(g, array.voltage - ground) - law.current(g, array.voltage)
        return float(np.sum(change * (1.0 - array.amplitude[:, column] * occupancy)))

    def trim(self, digitiser: IntegratorReadout, columns: list[int], progress: Progress) -> Trims:
        """Reads columns with their traps at their mean, and the reference stepped over the range.

        Raises:
            SettingsError: A circuit's offset leaves next to nothing of the range.
        """
        count = 2**digitiser.adc_bits
        # Off the middle of steps by parts of one that differ, so that rounding averages out.
        steps = TRIM_REACH * count * np.linspace(-1.0, 1.0, TRIMS) + np.arange(TRIMS) / TRIMS
        reference = digitiser.moments.mean[columns] - steps[:, np.newaxis] * digitiser.lsb[columns]
        found = self.read(digitiser, columns, reference, None, progress)
        ground = found.ground.mean(axis=0)
        gain, offset = np.array([_line(steps, found.codes[:, k], count, j) for k, j in enumerate(columns)]).T
        moved = np.array([self.moved(j, e) for j, e in zip(columns, ground, strict=True)])
        return Trims(offset - gain * moved / digitiser.lsb[columns], gain, ground)

    def read(
        self,
        digitiser: IntegratorReadout,
        columns: list[int],
        reference: NDArray[np.float64],
        histories: list[TrapHistory] | None,
        progress: Progress,
    ) -> SampledReads:
        """Reads columns sample after sample.

        Args:
            digitiser: Range, window and reset.
            columns: Which.
            reference: Current that is taken off in A, shape `(samples, columns)`.
            histories: What their traps do; none: they stay at their mean.
            progress: Called with finished and all transients.
        """
        chain, process = transistor_chain(self.model)
        array, rows = self.array, self.array.shape[0]
        # The chain's codes begin at no current: half a range of the reference current is left on.
        reference = reference - 0.5 * (2**digitiser.adc_bits - 1) * digitiser.lsb[columns]
        own = []
        for k, j in enumerate(columns):
            traps = array.traps.take(slice(j * rows, (j + 1) * rows))
            own.append(
                FlickeringColumn(
                    chain=lengthened(
                        chain, process.name, digitiser.window, digitiser.reset_time, float(digitiser.lsb[j])
                    ),
                    number=j,
                    conductance=array.conductance[:, j],
                    amplitude=array.amplitude[:, j],
                    reference=reference[:, k],
                    occupancy=traps.occupancy(array.voltage),
                    history=None if histories is None else histories[k],
                    edge=digitiser.edge_time,
                )
            )
        condition = Condition(process, self.model.corner, self.model.temperature, mismatch=self.mismatch)
        return read_samples(condition, array.card, own, array.voltage, self.engine, progress=progress)


def _line(steps: NDArray[np.float64], codes: NDArray[np.int64], count: int, column: int) -> tuple[float, float]:
    """Returns gain, and offset in steps, of codes within the range."""
    inside = (codes > 0) & (codes < count - 1)
    if inside.sum() < TRIMS // 2:
        raise SettingsError(
            f"column {column}'s circuit has an offset beyond its range of {count} steps: a sample phase through these "
            "transistors needs a larger range; raise sample.adc_sigmas"
        )
    gain, offset = np.polyfit(steps[inside], codes[inside] - (count - 1) / 2.0, 1)
    return float(gain), float(offset)


def _joined(kept: list[KeptPart], digitiser: IntegratorReadout) -> TrapHistory:
    """Returns one history of a column's parts, in the run's time."""
    parts = sorted(kept, key=lambda one: one.part.begin)
    return TrapHistory(
        parts[0].history.initial,
        np.concatenate([one.history.times + one.part.begin * digitiser.period for one in parts]),
        np.concatenate([one.history.traps for one in parts]),
        np.concatenate([one.history.states for one in parts]),
        sum(one.history.duration for one in parts),
    )
