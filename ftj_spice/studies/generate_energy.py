"""Energy of a run with a periphery: from what its phases counted, and what the circuits' transients took."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.layer import LayerResult
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.tally import Tally
from ftj_spice.device.card import Card
from ftj_spice.generative.decoder import Decoder
from ftj_spice.periphery.energy import EnergyAccount, EnergyItem
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.calibration.draw import CalibratedSamples
from ftj_spice.sampling.digitisers import ComparatorReadout, IntegratorReadout
from ftj_spice.sampling.energy import CONVERTER_SOURCE, converter_energy
from ftj_spice.sampling.phase import SampleResult
from ftj_spice.studies.circuits import describe
from ftj_spice.studies.decoding import LayerRun
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
    drawn, seconds = ([], 0.0)
    if isinstance(sampling, SampleResult):
        drawn, seconds = _sample_items(model, settings, card, sampling)
    return EnergyAccount(
        items=(*drawn, *_read_items(model, settings.read, card, tally)),
        samples=sampling.latents.size if drawn else 0,
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
    model: Macromodel, sampling: SampleResult | CalibratedSamples, energy: EnergyAccount
) -> dict[str, Any]:
    """Returns what `metrics.json` says of a run's circuits."""
    lost = bits_lost(sampling) if isinstance(sampling, SampleResult) else None
    return {"periphery": describe(model) | {"bits_lost_per_sample": lost}, "energy": energy.figures()}


def bits_lost(sampling: SampleResult) -> float:
    """Returns how many bits of a latent's information the read-out loses, mean over columns.

    Integrators: with read-out noise and the converter's rounding beside a value of variance s, `log2(1 + n / s) / 2`
    (both taken as Gaussian). Comparators: bits that noise and offset turn round, of all.
    """
    d = sampling.digitiser
    if isinstance(d, IntegratorReadout):
        full = 2**d.adc_bits * d.lsb
        noise = d.lsb**2 / 12.0
        if d.circuits is not None:
            noise = noise + (d.circuits.noise * full) ** 2 + (d.circuits.convert_noise * d.lsb) ** 2
        return float(np.mean(0.5 * np.log2(1.0 + noise / d.moments.variance)))
    assert isinstance(d, ComparatorReadout)
    return 0.0 if d.deciders is None else d.deciders.error_rate(d.swing, _occupancy(sampling))


def _occupancy(sampling: SampleResult) -> NDArray[np.float64]:
    """Returns the share of the time that each trap is filled, shape `(rows, columns)`."""
    array = sampling.array
    rows, columns = array.shape
    return array.traps.occupancy(array.voltage).reshape(columns, rows).T


def _sample_items(
    model: Macromodel, settings: RunSettings, card: Card, sampling: SampleResult
) -> tuple[list[EnergyItem], float]:
    """Returns the sample phase's items and its time in s, all columns side by side."""
    d, array = sampling.digitiser, sampling.array
    count = sampling.latents.size
    rows, columns = array.shape
    mean = float(np.sum(array.empty_current - array.swing * _occupancy(sampling)))
    seconds = len(sampling.latents) * d.period
    selected = 1.0 if isinstance(d, IntegratorReadout) else 1.0 / rows
    items = [
        EnergyItem("sample", "array", selected * array.voltage * mean * seconds, "computed", "V_RTN times the currents")
    ]
    if isinstance(d, ComparatorReadout):
        pulses = len(sampling.latents) * rows
        items.append(_drivers("sample", model, card, columns, pulses, array.voltage))
    if isinstance(d, IntegratorReadout):
        items.append(_sense("sample", model, count, count * d.period))
        items.append(_convert("sample", model, count, settings.sample.adc_bits))
    elif model.decide is not None:
        decisions = count * rows
        joules = decisions * sum(model.decide.energy.values())
        items.append(EnergyItem("sample", "decide", joules, "transients", "energy per decision"))
        items.append(_sense("sample", model, decisions, decisions * d.slot))
    return items, seconds


def _read_items(model: Macromodel, settings: ReadSettings, card: Card, tally: Tally) -> list[EnergyItem]:
    source = "V_VMM times the currents of all reads"
    return [
        EnergyItem("read", "array", tally.array_energy, "computed", source),
        _drivers("read", model, card, settings.tile_columns, tally.raised, card.vmm_voltage),
        _sense("read", model, tally.reads, tally.sense_time),
        _convert("read", model, tally.conversions, settings.adc_bits),
    ]


def _drivers(phase: str, model: Macromodel, card: Card, columns: int, pulses: int, voltage: float) -> EnergyItem:
    """Returns the row drivers' item: measured where the macromodel has a driver, else what charges the row."""
    if model.drive is not None:
        source = f"energy per pulse of '{model.drive.variant}' with {model.drive.load:.2g} F from its transients"
        return EnergyItem(phase, "drivers", pulses * sum(model.drive.energy.values()), "transients", source)
    load = columns * (card.capacitance + WIRE)
    source = f"estimate: C V^2 of a row of {columns} cells, {load:.2g} F"
    return EnergyItem(phase, "drivers", pulses * load * voltage**2, "estimate", source)


def _sense(phase: str, model: Macromodel, reads: int, time: float) -> EnergyItem:
    """Returns the front ends' item for so many reads that take `time` in s together."""
    sense = model.sense
    if sense is None:
        return EnergyItem(phase, "sense", 0.0, "estimate", BEHAVIOURAL)
    longer = max(time - reads * sense.time, -reads * sense.time)
    joules = reads * sum(sense.energy.values()) + sense.static_power * longer
    return EnergyItem(phase, "sense", max(joules, 0.0), "transients", TRANSIENTS)


def _convert(phase: str, model: Macromodel, conversions: int, bits: int) -> EnergyItem:
    if model.convert is not None:
        joules = conversions * sum(model.convert.energy.values())
        return EnergyItem(phase, "convert", joules, "transients", "energy per conversion from its transients")
    joules = conversions * converter_energy(bits) if bits else 0.0
    return EnergyItem(phase, "convert", joules, "estimate", CONVERTER_SOURCE)
