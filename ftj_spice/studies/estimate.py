"""How long a `generate` run may take, and the memory of its images, told before it starts.

For cores of their own; read as factors, not as digits.
"""

from dataclasses import dataclass

import numpy as np

from ftj_spice.array.audit import draw_reads
from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.card import load_card
from ftj_spice.generative.decoder import Decoder
from ftj_spice.studies.decoding import layer_plans, load_decoder
from ftj_spice.studies.readtime import (
    FAST_CELL,
    LONG,
    AuditTime,
    ReadTimes,
    Shape,
    audit_time,
    check_memory,
    duration,
    solves_by_klu,
    tile_shapes,
)
from ftj_spice.studies.sample_transistors import transistor_reads
from ftj_spice.studies.settings import RunSettings, check_jobs
from ftj_spice.studies.transistors import PER_READ

READS_PER_TRANSIENT = 4
"""Audited reads for which one transient of the sample phase is audited."""
PER_STEP = 5e-6
"""Seconds per cell and time step of the sample phase in ngspice."""


@dataclass(frozen=True)
class Estimate:
    """What a run has to do, and about how long it takes.

    Attributes:
        seconds: Of ngspice, without the audit.
        reads: Reads of tiles by ngspice, without the audit's.
        tiles: Number of tiles that it reads.
        fast: Seconds of the fast engine's reads.
        audit: Seconds of the audit.
        images: Images of the run.
    """

    seconds: float
    reads: int
    tiles: int
    fast: float = 0.0
    audit: float = 0.0
    images: int = 0

    @property
    def long(self) -> bool:
        """Whether the user should hear of it."""
        return self.seconds + self.fast + self.audit > LONG

    @property
    def sentence(self) -> str:
        """The estimate in words: whatever is a good part of it."""
        parts, least = [], 0.1 * (self.seconds + self.fast + self.audit)
        if self.seconds > least:
            reads = f" for {self.reads} reads of {self.tiles} tiles" if self.reads else ""
            advice = (
                "; more workers (-j) or smaller tiles (read.tile_rows, read.tile_columns) shorten it" if reads else ""
            )
            parts.append(f"ngspice will take about {duration(self.seconds)}{reads}{advice}")
        if self.fast > least:
            parts.append(f"the fast engine will take about {duration(self.fast)} for {self.images} images")
        if self.audit > least:
            parts.append(
                f"the audit will take ngspice about {duration(self.audit)}; smaller tiles (read.tile_rows, "
                "read.tile_columns) or fewer reads (--audit) shorten it"
            )
        return "; ".join(parts)


def estimate(settings: RunSettings, jobs: int = 1) -> Estimate:
    """Returns about how long a run takes.

    Args:
        settings: Settings of the run.
        jobs: Workers side by side.

    Raises:
        SettingsError: `jobs` is out of range, the machine's memory can't hold the images, or the audit is out of reach.
        FtjSpiceError: The card or the decoder can't be loaded.
    """
    check_jobs(jobs)
    decoder = load_decoder(settings.decoder)
    check_images(decoder, settings.samples)
    found, audit = _estimate(settings, decoder, jobs, klu=False)
    if found.seconds + found.audit > LONG and solves_by_klu():  # later versions of ngspice are faster
        found, audit = _estimate(settings, decoder, jobs, klu=True)
    audit.check(settings.engine.time_limit)
    return found


def _estimate(settings: RunSettings, decoder: Decoder, jobs: int, klu: bool) -> tuple[Estimate, AuditTime]:
    sample, card = settings.sample, load_card(settings.card)
    plans, shapes = layer_plans(decoder, settings.read, settings.samples), layer_shapes(decoder, settings.read)
    tiles = [(shape, count) for pair in zip(shapes, plans, strict=True) for shape, count in zip(*pair, strict=True)]
    times = ReadTimes(card, settings.read, klu)
    step = PER_STEP * sample.rows * sample.steps_per_sample
    seconds, fast, audit, reads = 0.0, 0.0, 0.0, 0
    repeated = AuditTime()
    if settings.calibration is not None:
        pass  # its own simulation, and an audit of some windows, take seconds
    elif settings.engine.sample == "ngspice":
        seconds += step * decoder.latent_dim * settings.samples * (3.0 if sample.whole_array else 1.0)
    elif settings.engine.sample == "transistors":
        seconds += PER_READ * transistor_reads(decoder.latent_dim, settings.samples)
    elif settings.audit:
        columns = decoder.latent_dim if sample.whole_array else 1
        transients = -(-settings.audit // READS_PER_TRANSIENT)
        audit += transients * step * columns * min(settings.samples, sample.samples_per_transient) / jobs
    if settings.engine.read == "ngspice" and settings.periphery is None:  # through transistors it is refused
        seconds += sum(times.reads(shape, count) for shape, count in tiles)
        reads = sum(count for _, count in tiles)
    elif settings.audit:
        drawn = draw_reads(plans, settings.audit, settings.seed)
        repeated = audit_time(shapes, drawn, settings.audit, times, jobs)
        audit += repeated.seconds
    if settings.engine.read == "fast":
        fast = FAST_CELL * sum(float(shape[0] * shape[1]) * count for shape, count in tiles)
    return Estimate(seconds / jobs, reads, len(tiles) if reads else 0, fast, audit, settings.samples), repeated


def layer_shapes(decoder: Decoder, settings: ReadSettings) -> list[list[Shape]]:
    """Returns the cells of each tile, layer by layer.

    Args:
        decoder: The decoder.
        settings: Settings of the read phase.
    """
    shapes = []
    for layer in decoder.layers:
        rows, columns = layer.matrix.shape
        shapes.append(tile_shapes((rows + int(np.any(layer.matrix_bias)), columns), settings))
    return shapes


def check_images(decoder: Decoder, images: int) -> None:
    """Refuses more images than the machine's memory holds, with the layers' inputs, products and exact products.

    Args:
        decoder: The decoder.
        images: How many.

    Raises:
        SettingsError: They don't fit; the sentence gives the estimate.
    """
    pixels = decoder.layers[-1].outputs
    layers = max(
        layer.positions * (2.5 * layer.matrix.shape[0] + 3.0 * layer.matrix.shape[1]) for layer in decoder.layers
    )
    check_memory(f"{images} images of this decoder", 8.0 * images * (2.0 * pixels + 6.0 * decoder.latent_dim + layers))
