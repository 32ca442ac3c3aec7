"""The decoder on arrays, layer by layer."""

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.array.layer import forward
from ftj_spice.array.settings import ReadSettings
from ftj_spice.engines.fast import FastReader
from ftj_spice.generative.convolution import TransposedConvolution
from ftj_spice.generative.decoder import Decoder
from ftj_spice.generative.layers import Dense
from ftj_spice.studies.decoding import PROBES, decode, layer_plans

CARD = ftj.load_card("hzo_mfis_nominal")
RNG = np.random.default_rng(3)
DENSE = Decoder(
    ((RNG.normal(size=(3, 12)), RNG.normal(size=12)), (RNG.normal(size=(12, 20)) / 3, np.zeros(20))), (5, 4)
)
LATENTS = np.random.default_rng(4).standard_normal((6, 3))
IDEAL = {
    "levels": 0, "verify_tolerance": 0, "clip_percentile": 100, "adc_bits": 0, "noise": False, "input_bits": 12,
    "line_resistance": 0, "driver_resistance": 0, "tile_rows": 8, "tile_columns": 16,
}  # fmt: skip


def run(decoder, settings, latents=LATENTS, **more):
    with FastReader() as reader:
        return decode(latents, decoder, CARD, settings, seed=1, reader=reader, **more)


def test_ideal_arrays_give_the_ideal_images():
    """What is left is the inputs' 12 bits, and their clipping at the ends of their range."""
    images, layers = run(DENSE, ReadSettings(**IDEAL))
    assert np.abs(images - DENSE(LATENTS)).max() < 0.02
    assert [layer.shape for layer in layers] == [(4, 12), (12, 20)]  # a bias of zeros takes no row
    assert all(layer.effective_bits > 8 for layer in layers)


def convolutional() -> Decoder:
    first = Dense(RNG.normal(size=(3, 2 * 9)), RNG.normal(size=18))
    kernel = RNG.normal(size=(2, 1, 4, 4)) / 2
    second = TransposedConvolution(kernel, np.array([0.2]), stride=(2, 2), padding=(1, 1), input_shape=(2, 3, 3))
    return Decoder((first, second), (6, 6))


def test_transposed_convolutions_run_on_arrays_too():
    decoder = convolutional()
    images, layers = run(decoder, ReadSettings(**IDEAL))
    assert np.abs(images - decoder(LATENTS)).max() < 0.05
    assert layers[1].kind == "transposed convolution"
    assert layers[1].products == 6 * 9


def test_default_settings_lose_some_bits_only():
    images, layers = run(DENSE, ReadSettings(), np.random.default_rng(5).standard_normal((200, 3)))
    assert images.shape == (200, 5, 4)
    assert all(3 < layer.effective_bits < 8 for layer in layers)
    for layer in layers:
        error = layer.outputs - layer.exact
        assert layer.rms_error == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.2)
        assert 0.99 < layer.reach <= 1.001


def test_hidden_inputs_take_their_range_from_the_ideal_decoder():
    _, layers = run(DENSE, ReadSettings())
    probes = ftj_probes()
    hidden = np.maximum(probes @ DENSE.layers[0].matrix + DENSE.layers[0].matrix_bias, 0)
    assert layers[0].input_range == 4.0
    assert np.mean(hidden > layers[1].input_range) == pytest.approx(1e-3, abs=5e-4)


def ftj_probes() -> np.ndarray:
    from ftj_spice.common.seeds import generator

    return generator(1, "activation-calibration").standard_normal((PROBES, 3))


def test_layers_are_those_of_the_arrays_room():
    _, layers = run(DENSE, ReadSettings())
    first = DENSE.layers[0]
    with FastReader() as reader:
        alone = forward(
            LATENTS, first.matrix, first.matrix_bias, CARD, ReadSettings(), seed=1, reader=reader, full_scale=4.0,
            probes=ftj_probes(),
        )  # fmt: skip
    assert (layers[0].outputs == alone.outputs.ravel()).all()
    assert (layers[0].conductance == alone.layer.tiles[0].conductance.astype(np.float32)).all()


def test_plan_progress_and_kept_reads():
    settings = ReadSettings(tile_rows=4, tile_columns=8)
    plans = layer_plans(DENSE, settings, 6)
    assert [len(plan) for plan in plans] == [3, 15]
    seen = []
    keep = [[(0, 3), (2, 40)], [(14, 0)]]
    _, layers = run(DENSE, settings, keep=keep, progress=lambda *step: seen.append(step))
    assert [[(r.tile, r.read) for r in layer.kept] for layer in layers] == keep
    assert seen[-1] == (18, 18) and [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert [layer.reads for layer in layers] == [sum(plan) for plan in plans]
    assert layers[1].conductance.shape == (12, 40)
    again, _ = run(DENSE, settings)
    assert (again == run(DENSE, settings, keep=keep)[0]).all()
