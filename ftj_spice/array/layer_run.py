"""The reads of a layer: tile by tile and in batches of bounded size, converted and added as they come."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.calibration import Correction, fit_correction
from ftj_spice.array.circuits import CircuitReadout
from ftj_spice.array.coding import Coding
from ftj_spice.array.converters import Converter
from ftj_spice.array.layer_result import KeptRead
from ftj_spice.array.mapping import ProgrammedLayer, Tile
from ftj_spice.array.reading import array_circuit, column_currents
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.tally import Tally
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import ArrayReader, Progress, ReadResult, read_all
from ftj_spice.netlist.circuit import Drive
from ftj_spice.periphery.macromodel import Macromodel

CHUNK = 2**23
"""Numbers that the voltages or currents of one batch of reads may have (64 MiB)."""
REACH = 0.05
"""Smallest share of the current of perfect wires that a column must deliver; less is refused."""
_REACH_READS = 64


@dataclass(frozen=True)
class _Chunk:
    """Some reads of one tile: from which vector on, what stood on its rows, the answer, its noise, and rows raised."""

    begin: int
    parts: NDArray[np.float64]
    drive: Drive
    answer: ReadResult
    normals: NDArray[np.float32]
    raised: int


class LayerRun:
    """One layer's reads: what `forward` keeps from step to step."""

    def __init__(
        self,
        layer: ProgrammedLayer,
        coding: Coding,
        card: Card,
        settings: ReadSettings,
        seed: int,
        number: int,
        reader: ArrayReader,
        codes: NDArray[np.int32],
        periphery: Macromodel | None = None,
    ) -> None:
        self.layer, self.coding, self.card, self.settings = layer, coding, card, settings
        self.seed, self.number, self.reader, self.codes = seed, number, reader, codes
        self.periphery = periphery
        self.shares, self.weights = coding.shares, coding.weights
        self.circuits = [array_circuit(tile.conductance, card, settings) for tile in layer.tiles]
        self.converters: list[Converter | CircuitReadout] = []
        self.corrections: list[Correction] = []
        self.kept: list[KeptRead] = []
        self.answers: list[ReadResult] = []
        self.reads = 0
        self.reach = np.inf
        self.tally = Tally()

    def prepare(self, probes: NDArray[np.int32]) -> None:
        """Sets the converters' ranges, and calibrates them where that is asked for."""
        settings, layout = self.settings, self.layer.layout
        for t, tile in enumerate(self.layer.tiles):
            parts = self.coding.drive(probes[:, tile.rows])
            if settings.adc_range == "read":
                currents = self._read(t, parts).currents
            else:
                currents = column_currents(tile.conductance, parts, self.card, settings)
            means = self._mean_currents(currents)
            converter = Converter.ranged(settings, layout, means)
            converter = converter.with_flaws(settings, generator(self.seed, "adc-flaws", self.number, t))
            self.converters.append(converter if self.periphery is None else self._circuits(t, converter, means))
            if settings.calibration == "linear":
                self.corrections.append(self._calibrate(t, tile, probes))

    def _circuits(self, t: int, behaviour: Converter, means: NDArray[np.float64]) -> CircuitReadout:
        """Returns a tile's read-out by circuits."""
        assert self.periphery is not None
        return CircuitReadout.make(
            self.periphery, behaviour, self.circuits[t], self.layer.layout, means, self.settings,
            self.card.vmm_voltage, generator(self.seed, "periphery", self.number, t),
        )  # fmt: skip

    def _calibrate(self, t: int, tile: Tile, probes: NDArray[np.int32]) -> Correction:
        """Reads known random inputs, drawn from each row's typical ones, and fits the tile's units."""
        rng = generator(self.seed, "calibration-inputs", self.number, t)
        rows = np.arange(tile.rows.start, tile.rows.stop)
        chosen = probes[rng.integers(0, len(probes), (self.settings.calibration_vectors, len(rows))), rows]
        parts = self.coding.drive(chosen)
        currents = self._read(t, parts).currents
        converter = self.converters[t]
        normals = converter.draw(
            len(parts) // len(self.shares), generator(self.seed, "calibration-noise", self.number, t)
        )
        _, measured = converter.convert(currents, self.shares, normals)
        # What perfect wires, cells and converters would have given.
        proportional = self.coding.proportional(chosen)
        wanted = self.card.vmm_voltage * (proportional @ tile.target)
        plus, minus = converter.plus, converter.minus
        units = wanted[:, plus] - (wanted[:, minus] if self.layer.layout.scheme == "differential" else 0.0)
        return fit_correction(units * tile.gain, measured)

    def outputs(self, keep: dict[int, list[int]], progress: Progress | None) -> NDArray[np.float64]:
        """Reads all tiles and returns the products, shape `(batch, outputs)`."""
        layer, coding, settings = self.layer, self.coding, self.settings
        batch = len(self.codes)
        result = np.zeros((batch, layer.shape[1]))
        done = 0
        for rows, numbers in groupby(range(len(layer.tiles)), key=lambda t: layer.tiles[t].rows):
            group = list(numbers)
            sums = {t: np.zeros((batch, len(self.converters[t].plus))) for t in group}
            streams = {t: generator(self.seed, "read-noise", self.number, t) for t in group}
            widest = max(max(layer.tiles[t].shape) for t in group)
            per_chunk = max(1, CHUNK // (coding.reads * widest))
            for begin in range(0, batch, per_chunk):
                parts = coding.drive(self.codes[begin : begin + per_chunk, rows])
                raised = 0 if self.periphery is None else int(np.count_nonzero(parts))
                drives: dict[tuple[int, int], Drive] = {}
                for t in group:
                    shape = layer.tiles[t].shape
                    if shape not in drives:
                        drives[shape] = self.circuits[t].drive_rows(self.card.vmm_voltage * parts)
                lot = max(1, CHUNK // (len(parts) * widest)) if hasattr(self.reader, "read_many") else 1
                for first in range(0, len(group), lot):
                    some = group[first : first + lot]
                    tasks = [(self.circuits[t], drives[layer.tiles[t].shape]) for t in some]
                    with ThreadPoolExecutor(1) as pool:  # drawing takes as long as a fast engine's reading
                        conversions = len(parts) // len(self.shares)
                        drawn = [pool.submit(self.converters[t].draw, conversions, streams[t]) for t in some]
                        answers = read_all(self.reader, tasks)
                        for t, answer, normals in zip(some, answers, drawn, strict=True):
                            drive = drives[layer.tiles[t].shape]
                            chunk = _Chunk(begin, parts, drive, answer, normals.result(), raised)
                            self._convert(t, chunk, sums[t], keep.get(t, []))
                    if begin + per_chunk >= batch:
                        done += len(some)
                        if progress:
                            progress(done, len(layer.tiles))
            totals = (self.codes[:, rows] * coding.step).sum(axis=1)
            for t in group:
                self._combine(t, sums[t], totals, result)
        _check_reach(self.reach, settings)
        return result

    def _convert(self, t: int, chunk: "_Chunk", sums: NDArray[np.float64], keep: list[int]) -> None:
        """Converts some of a tile's reads and adds them to the tile's sums."""
        converter, reads, slots = self.converters[t], self.coding.reads, len(self.shares)
        begin, answer, normals = chunk.begin, chunk.answer, chunk.normals
        self._note(answer)
        if isinstance(converter, CircuitReadout):
            self.tally += Tally.of(converter, chunk.raised, answer.currents, self.card.vmm_voltage, self.shares)
        if begin == 0:
            self._note_reach(t, chunk.parts, answer.currents)
        part = sums[begin : begin + len(chunk.parts) // reads]
        converter.accumulate(answer.currents, self.shares, self.weights, normals, part)
        for read in keep:
            k = read - begin * reads
            if 0 <= k < len(chunk.parts):
                first = k - k % slots
                conversion = first // slots
                codes, _ = converter.convert(
                    answer.currents[first : first + slots], self.shares, normals[conversion : conversion + 1]
                )
                one = chunk.drive.take(slice(k, k + 1))
                self.kept.append(KeptRead(t, read, self.circuits[t], one, answer.currents[k].copy(), codes[0]))

    def _combine(
        self, t: int, sums: NDArray[np.float64], totals: NDArray[np.float64], result: NDArray[np.float64]
    ) -> None:
        """Adds a tile's sums (current times input, in A) to the outputs, in the unit of the pre-activations."""
        tile, layout = self.layer.tiles[t], self.layer.layout
        if self.corrections:
            sums = self.corrections[t].apply(sums, float(self.weights.sum()))
        units = sums / (self.card.vmm_voltage * tile.gain)
        result[:, tile.outputs] += layout.combine(units, totals) * self.layer.scale[tile.outputs]

    def _mean_currents(self, currents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the mean current of each conversion, shape `(vectors, conversions, columns)`."""
        split = currents.reshape(-1, len(self.weights), len(self.shares), currents.shape[1])
        if len(self.shares) == 1:
            return split[:, :, 0]
        return np.tensordot(split, self.shares, axes=(2, 0))

    def _read(self, t: int, parts: NDArray[np.float64]) -> ReadResult:
        circuit = self.circuits[t]
        answer = self.reader.read(circuit, circuit.drive_rows(self.card.vmm_voltage * parts))
        self._note(answer)
        return answer

    def _note(self, answer: ReadResult) -> None:
        """Keeps an answer's engine, status and methods, not its currents."""
        self.reads += len(answer.currents)
        self.answers.append(ReadResult(np.zeros((0, 0)), answer.engine, (), answer.status, answer.methods))

    def _note_reach(self, t: int, parts: NDArray[np.float64], currents: NDArray[np.float64]) -> None:
        """Compares the first reads with those through perfect wires."""
        first = slice(0, _REACH_READS)
        ideal = np.abs(column_currents(self.layer.tiles[t].conductance, parts[first], self.card, self.settings))
        whole = ideal.sum(axis=0)
        if (whole > 0).any():
            share = np.abs(currents[first]).sum(axis=0)[whole > 0] / whole[whole > 0]
            self.reach = min(self.reach, float(share.min()))


def _check_reach(reach: float, settings: ReadSettings) -> None:
    """Refuses wires that let next to nothing through.

    Raises:
        SettingsError: A column delivers less than `REACH` of its current.
    """
    if reach < REACH:
        raise SettingsError(
            f"next to nothing reaches the far end of the lines: a column delivers {reach:.2g} of the current that "
            f"perfect wires give; line_resistance is {settings.line_resistance:g} ohm, driver_resistance "
            f"{settings.driver_resistance:g} ohm, sense_resistance {settings.sense_resistance:g} ohm: lower them or "
            "take smaller tiles"
        )
