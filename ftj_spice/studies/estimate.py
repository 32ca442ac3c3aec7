"""How long a `generate` run may take in ngspice, told before it starts.

For an ngspice without KLU, on cores of its own; read as a factor, not as digits.
"""

from dataclasses import dataclass

import numpy as np

from ftj_spice.array.mapping import grid
from ftj_spice.array.reading import array_circuit
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice.arrays import READS_PER_NETLIST
from ftj_spice.engines.ngspice.arraytime import sweep_seconds
from ftj_spice.studies.decoding import layer_plans
from ftj_spice.studies.generate import load_decoder
from ftj_spice.studies.settings import RunSettings, check_jobs

PER_STEP = 5e-6
"""Seconds per cell and time step of the sample phase."""
LONG = 60.0
"""Longer runs are announced, in s."""


@dataclass(frozen=True)
class Estimate:
    """What ngspice has to do in a run.

    Attributes:
        seconds: About how long it takes.
        reads: Reads of tiles by ngspice, without the audit's.
        tiles: Number of tiles.
    """

    seconds: float
    reads: int
    tiles: int

    @property
    def long(self) -> bool:
        """Whether the user should hear of it."""
        return self.seconds > LONG

    @property
    def sentence(self) -> str:
        """The estimate in words."""
        minutes = self.seconds / 60.0
        time = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60.0:.0f} hours"
        reads = f" for {self.reads} reads of {self.tiles} tiles" if self.reads else ""
        advice = "; more workers (-j) or smaller tiles (read.tile_rows, read.tile_columns) shorten it" if reads else ""
        return f"ngspice will take about {time}{reads}{advice}"


def estimate(settings: RunSettings, jobs: int = 1) -> Estimate:
    """Returns about how long ngspice takes for a run's samples and reads.

    Args:
        settings: Settings of the run.
        jobs: Workers side by side.

    Raises:
        SettingsError: `jobs` is out of range.
        FtjSpiceError: The card or the decoder can't be loaded.
    """
    check_jobs(jobs)
    decoder = load_decoder(settings.decoder)
    seconds, reads, tiles = 0.0, 0, 0
    times: dict[tuple[int, int], tuple[float, float]] = {}
    sample, card = settings.sample, load_card(settings.card)
    if settings.engine.sample == "ngspice":
        cells = sample.rows * decoder.latent_dim
        seconds += PER_STEP * cells * sample.steps_per_sample * settings.samples * (3.0 if sample.whole_array else 1.0)
    if settings.engine.read == "ngspice":
        for layer, plan in zip(decoder.layers, layer_plans(decoder, settings.read, settings.samples), strict=True):
            rows, columns = layer.matrix.shape
            bias = int(np.any(layer.matrix_bias))
            for (own, outputs), count in zip(grid((rows + bias, columns), settings.read), plan, strict=True):
                width = (outputs.stop - outputs.start) * settings.read.columns_per_output
                shape = (own.stop - own.start, width + settings.read.columns_per_tile)
                if shape not in times:
                    circuit = array_circuit(np.full(shape, card.off_conductance), card, settings.read)
                    times[shape] = sweep_seconds(circuit, klu=False)
                first, each = times[shape]
                netlists = -(-count // READS_PER_NETLIST)
                seconds += netlists * first + (count - netlists) * each
            reads += sum(plan)
            tiles += len(plan)
    return Estimate(seconds / jobs, reads, tiles)
