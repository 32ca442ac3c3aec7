"""A small convolutional decoder, all of whose layers run on simulated tiles."""

from typing import Self

import numpy as np
import pytest

from ftj_spice.array.layer import forward
from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.card import load_card
from ftj_spice.engines.arrays import ReadResult
from ftj_spice.engines.fast import FastReader
from ftj_spice.generative.convolution import TransposedConvolution
from ftj_spice.generative.decoder import Decoder
from ftj_spice.generative.layers import Dense
from ftj_spice.studies.decoding import decode

CARD = load_card("hzo_mfis_nominal")
PERFECT = {
    "levels": 0,
    "verify_tolerance": 0.0,
    "clip_percentile": 100,
    "line_resistance": 0.0,
    "driver_resistance": 0.0,
    "input_bits": 12,
    "adc_bits": 0,
    "noise": False,
}
"""Any conductance, perfect wires, exact converters: only the inputs are quantised."""

ROOM = 1.0 + 1 / 16
"""Full scale of a hidden layer's inputs over their largest value, so that none is cut off."""


class PerfectWires:
    """Adds the cells' currents up; no equation to solve."""

    name = "sum"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc):
        pass

    def read(self, circuit, drive, progress=None):
        assert circuit.driven_line.resistance == circuit.sensed_line.resistance == circuit.driver_resistance == 0
        assert circuit.cells.law == "sinh"
        currents = np.sinh(drive.lines / circuit.cells.scale) @ circuit.cells.strength
        return ReadResult(currents, "sum-1", (), "ok", {"sum": len(drive)})


def decoder():
    """8 latents, a dense layer to 8 planes of 4 x 4, two transposed convolutions to 16 x 16 pixels."""
    generator = np.random.default_rng(0)

    def normal(*shape):
        return generator.normal(size=shape) / np.sqrt(shape[0])

    layers = (
        Dense(normal(8, 128), 0.3 * normal(128)),
        TransposedConvolution(normal(8, 6, 4, 4), normal(6), 2, 1, 0, (8, 4, 4)),
        TransposedConvolution(normal(6, 1, 3, 5), normal(1), 2, (1, 2), 1, (6, 8, 8)),
    )
    return Decoder(layers, (16, 16))


def on_tiles(decoder, latents, reader, settings):
    """Returns the last layer's values, and every layer's result."""
    values, results = latents, []
    for number, layer in enumerate(decoder.layers):
        values = decoder.hidden(values) if number else values
        vectors = layer.gather(values)
        hidden = {"signed": False, "probes": ROOM * vectors} if number else {}
        results.append(
            forward(
                vectors, layer.matrix, layer.matrix_bias, CARD, settings, seed=1, reader=reader, number=number, **hidden
            )
        )
        values = layer.scatter(results[-1].outputs)
    return values, results


def software(decoder, latents, bits=None):
    """The last layer's values; with `bits` the inputs of every layer are rounded as the tiles' coding does."""
    values = latents
    for number, layer in enumerate(decoder.layers):
        values = decoder.hidden(values) if number else values
        if bits:
            step = values.max() * ROOM / (2**bits - 1) if number else 4.0 / 2 ** (bits - 1)
            values = np.rint(values / step) * step
        values = layer(values)
    return values


def quantisation_bound(decoder, latents, bits):
    """Largest error of each last value if every input of a layer is off by half a step.

    ReLU lets no error grow, and |W| carries the inputs' errors on.
    """
    values, error = latents, np.zeros_like(latents)
    for number, layer in enumerate(decoder.layers):
        values = decoder.hidden(values) if number else values
        step = (values + error).max() * ROOM / (2**bits - 1) if number else 4.0 / 2 ** (bits - 1)
        matrix = layer.unrolled().toarray() if isinstance(layer, TransposedConvolution) else layer.matrix
        error, values = (error + step / 2) @ np.abs(matrix), layer(values)
    return error


@pytest.fixture(scope="module")
def latents():
    return np.clip(np.random.default_rng(4).normal(size=(4, 8)), -3.9, 3.9)


@pytest.mark.parametrize("reader", [PerfectWires(), FastReader(jobs=1)], ids=lambda reader: reader.name)
def test_perfect_arrays_err_by_the_quantisation_of_inputs_only(reader, latents):
    network = decoder()
    wanted = software(network, latents)
    values, results = on_tiles(network, latents, reader, ReadSettings(**PERFECT))
    np.testing.assert_allclose(values, software(network, latents, PERFECT["input_bits"]), rtol=0, atol=1e-9)
    error, bound = np.abs(values - wanted), quantisation_bound(network, latents, PERFECT["input_bits"])
    assert (error <= bound).all()
    assert error.max() > 0
    assert bound.max() < 0.2 * wanted.std(), "the bound says something"
    for layer, result in zip(network.layers, results, strict=True):
        assert result.layer.shape == (len(layer.matrix) + isinstance(layer, Dense), layer.matrix.shape[1])
    assert np.abs(network.finish(values) - network(latents)).max() < 2e-3


def test_more_input_bits_halve_the_error_each(latents):
    network = decoder()
    wanted = software(network, latents)
    errors = []
    for bits in (6, 8, 10):
        values, _ = on_tiles(network, latents, PerfectWires(), ReadSettings(**(PERFECT | {"input_bits": bits})))
        errors.append(np.sqrt(np.mean((values - wanted) ** 2)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.4)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.4)


def test_converters_and_levels_add_their_errors(latents):
    network = decoder()
    images = network(latents)

    def error(**changes):
        values, _ = on_tiles(network, latents, PerfectWires(), ReadSettings(**(PERFECT | changes)))
        return np.sqrt(np.mean((network.finish(values) - images) ** 2))

    ideal = error()
    fine = error(adc_bits=14, adc_sigmas=8.0, levels=4096)
    coarse = error(adc_bits=4, levels=4)
    assert ideal < fine < 3 * ideal + 1e-3
    assert coarse > 10 * fine


def test_the_generators_loop_takes_convolutions(latents):
    network = decoder()
    images, runs = decode(latents, network, CARD, ReadSettings(**PERFECT), seed=1, reader=PerfectWires())
    assert images.shape == (4, 16, 16)
    assert len(runs) == 3
    assert np.abs(images - network(latents)).mean() < 0.01
