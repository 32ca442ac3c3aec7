"""Energy of a run with a periphery: from what its phases counted, and what the circuits' transients took."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftj_spice.array.layer import LayerResult
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.tally import Tally
from ftj_spice.device.card import Card
from ftj_spice.generative.decoder import Decoder
from ftj_spice.periphery.energy import EnergyAccount, EnergyItem, array_energy
from ftj_spice.periphery.macromodel import ConvertModel, DecideModel, Macromodel, SenseModel
from ftj_spice.sampling.calibration.draw import CalibratedSamples
from ftj_spice.sampling.digitisers import ComparatorReadout, IntegratorReadout
from ftj_spice.sampling.energy import CONVERTER_SOURCE, converter_energy
from ftj_spice.sampling.phase import SampleResult
from ftj_spice.studies.circuits import describe
from ftj_spice.studies.decoding import LayerRun
from ftj_spice.studies.latent_information import latent_information, trap_occupancy
from ftj_spice.studies.settings import RunSettings
from ftj_spice.studies.vmm_problem import Problem

WIRE = 2e-16
"""Capacitance of a word line's segment in F, an estimate: that of `sample.word_line_capacitance`."""
BEHAVIOURAL = "the ideal integrator of the settings takes none"
TRANSIENTS = "energy per read from its transients; while it integrates longer, its static power goes on"


def generate_energy(
    model: Macromodel,
    settings: RunSettings,
    card: Card,
    sampling: SampleResult | CalibratedSamples,
    layers: Sequence[LayerRun],
    decoder: Decoder,
) -> EnergyAccount:
    """Returns the account of a `generate` run.

    Args:
        model: The circuits.
        settings: Settings of the run.
        card: Device card.
        sampling: The sample phase.
        layers: The layers.
        decoder: The decoder.
    """
    tally = sum((layer.tally for layer in layers if layer.tally is not None), Tally())
    if isinstance(sampling, SampleResult):
        drawn, seconds = _sample_items(model, settings, card, sampling)
    else:
        drawn, seconds = _calibrated_items(sampling), sampling.seconds
    return EnergyAccount(
        items=(*drawn, *_read_items(model, settings.read, card, tally)),
        samples=sampling.latents.size,
        reads=tally.reads,
        operations=sum(layer.products * decoder.layers[layer.number].matrix.size for layer in layers),
        images=len(sampling.latents),
        parameters=sum(layer.matrix.size for layer in decoder.layers),
        seconds={"sample": seconds, "read": tally.time},
    )


def vmm_energy(
    model: Macromodel, settings: RunSettings, card: Card, problem: Problem, layer: LayerResult
) -> EnergyAccount:
    """Returns the account of a product; of an image's place takes an input vector.

    Args:
        model: The circuits.
        settings: Settings of the run.
        card: Device card.
        problem: What was multiplied.
        layer: The product.
    """
    tally = layer.tally or Tally()
    return EnergyAccount(
        items=tuple(_read_items(model, settings.read, card, tally)),
        samples=0,
        reads=tally.reads,
        operations=len(problem.inputs) * problem.weights.size,
        images=len(problem.inputs),
        parameters=problem.weights.size,
        seconds={"read": tally.time},
    )


def periphery_metrics(
    model: Macromodel, settings: RunSettings, sampling: SampleResult | CalibratedSamples, energy: EnergyAccount
) -> dict[str, Any]:
    """Returns what `metrics.json` says of a run's circuits; of a calibrated array's own read-out nothing is known.

    Args:
        model: The circuits.
        settings: Settings of the run.
        sampling: The sample phase.
        energy: The account.
    """
    bits: dict[str, float | None] = {"bits_per_sample": None, "bits_lost_per_sample": None}
    if isinstance(sampling, SampleResult):
        found = latent_information(sampling, settings.sample)
        bits = {"bits_per_sample": found.kept, "bits_lost_per_sample": found.lost}
    return {"periphery": describe(model) | bits, "energy": energy.figures()}


def _sample_items(
    model: Macromodel, settings: RunSettings, card: Card, sampling: SampleResult
) -> tuple[list[EnergyItem], float]:
    """Returns the sample phase's items and its time in s, all columns side by side."""
    d, array = sampling.digitiser, sampling.array
    count = sampling.latents.size
    rows, columns = array.shape
    mean = float(np.sum(array.empty_current - array.swing * trap_occupancy(sampling)))
    seconds = len(sampling.latents) * d.period
    selected = 1.0 if isinstance(d, IntegratorReadout) else 1.0 / rows
    items = [
        EnergyItem(
            "sample",
            "array",
            array_energy(array.voltage, selected * mean * seconds),
            "computed",
            "V_RTN times the currents",
        )
    ]
    if isinstance(d, ComparatorReadout):
        pulses = len(sampling.latents) * rows
        items.append(_drivers("sample", model, card, columns, pulses, array.voltage))
    if isinstance(d, IntegratorReadout):
        items.append(_sense("sample", model.sense, count, count * d.period))
        items.append(_convert("sample", model.convert, count, settings.sample.adc_bits))
    elif model.decide is not None:
        decisions = count * rows
        items.append(_decide(model.decide, decisions, d.slot))
        items.append(_sense("sample", model.sense, decisions, decisions * d.slot))
    return items, seconds


def _calibrated_items(sampling: CalibratedSamples) -> list[EnergyItem]:
    """Returns the items of a calibrated array, whose columns are read by what it was calibrated through."""
    calibration = sampling.calibration
    own, bits = calibration.periphery, calibration.settings.sample.adc_bits
    reads = len(sampling.latents) * calibration.settings.columns
    source = "V_RTN times the currents, of spare columns too"
    return [
        EnergyItem("sample", "array", sampling.energy, "computed", source),
        _sense("sample", None if own is None else own.sense, reads, reads * calibration.controls.timing.period),
        _convert("sample", None if own is None else own.convert, reads, bits),
    ]


def _read_items(model: Macromodel, settings: ReadSettings, card: Card, tally: Tally) -> list[EnergyItem]:
    source = "V_VMM times the currents of all reads"
    return [
        EnergyItem("read", "array", tally.array_energy, "computed", source),
        _drivers("read", model, card, settings.tile_columns, tally.raised, card.vmm_voltage),
        _sense("read", model.sense, tally.reads, tally.sense_time),
        _convert("read", model.convert, tally.conversions, settings.adc_bits),
    ]


def _drivers(phase: str, model: Macromodel, card: Card, columns: int, pulses: int, voltage: float) -> EnergyItem:
    """Returns the row drivers' item: measured where the macromodel has a driver, else what charges the row."""
    if model.drive is not None:
        source = f"energy per pulse of '{model.drive.variant}' with {model.drive.load:.2g} F from its transients"
        return EnergyItem(phase, "drivers", pulses * sum(model.drive.energy.values()), "transients", source)
    load = columns * (card.capacitance + WIRE)
    source = f"estimate: C V^2 of a row of {columns} cells, {load:.2g} F"
    return EnergyItem(phase, "drivers", pulses * load * voltage**2, "estimate", source)


def _sense(phase: str, sense: SenseModel | None, reads: int, time: float) -> EnergyItem:
    """Returns the front ends' item for so many reads that take `time` in s together."""
    if sense is None:
        return EnergyItem(phase, "sense", 0.0, "estimate", BEHAVIOURAL)
    longer = max(time - reads * sense.time, -reads * sense.time)
    joules = reads * sum(sense.energy.values()) + sense.static_power * longer
    return EnergyItem(phase, "sense", max(joules, 0.0), "transients", TRANSIENTS)


def _decide(decide: DecideModel, decisions: int, slot: float) -> EnergyItem:
    """Returns the comparators' item; each decision has `slot` in s, over which a continuous comparator stays on.

    A comparator of currents is measured over a whole reading: what it takes while it waits is in its energy.
    """
    rest = 0.0 if decide.input == "current" else max(slot - max(decide.time, decide.lag), 0.0)
    joules = decisions * (sum(decide.energy.values()) + decide.static_power * rest)
    source = "energy per decision from its transients; between decisions, its static power goes on"
    return EnergyItem("sample", "decide", joules, "transients", source)


def _convert(phase: str, convert: ConvertModel | None, conversions: int, bits: int) -> EnergyItem:
    if convert is not None:
        joules = conversions * sum(convert.energy.values())
        return EnergyItem(phase, "convert", joules, "transients", "energy per conversion from its transients")
    joules = conversions * converter_energy(bits) if bits else 0.0
    return EnergyItem(phase, "convert", joules, "estimate", CONVERTER_SOURCE)
