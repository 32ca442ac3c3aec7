"""A small convolutional decoder: through its loop, through its file, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from ftj_spice.common.errors import DataError
from ftj_spice.generative import decoder_file
from ftj_spice.generative.convolution import TransposedConvolution
from ftj_spice.generative.decoder import Decoder
from ftj_spice.generative.layers import Dense


def small(colours=(), seed=0):
    """8 latents, a dense layer to 8 planes of 4 x 4, two transposed convolutions to 16 x 16 pixels."""
    generator = np.random.default_rng(seed)

    def normal(*shape):
        return (generator.normal(size=shape) / np.sqrt(shape[0])).astype(np.float16)

    planes = colours[0] if colours else 1
    layers = (
        Dense(normal(8, 128), normal(128)),
        TransposedConvolution(normal(8, 6, 4, 4), normal(6), 2, 1, 0, (8, 4, 4)),
        TransposedConvolution(normal(6, planes, 3, 5), normal(planes), 2, (1, 2), 1, (6, 8, 8)),
    )
    return Decoder(layers, (16, 16, *colours), 1.5, {"note": "random", "seed": seed})


def convolved(layer, image):
    """The definition: each input pixel adds its kernel to the output, then the edges are cut off."""
    (down, across), (top, left), (low, right) = layer.stride, layer.padding, layer.output_padding
    _, planes, height, width = layer.kernel.shape
    full = np.zeros((planes, (image.shape[1] - 1) * down + height + low, (image.shape[2] - 1) * across + width + right))
    for c, y, x in np.ndindex(image.shape):
        place = np.s_[:, y * down : y * down + height, x * across : x * across + width]
        full[place] += image[c, y, x] * layer.kernel[c]
    return full[:, top : full.shape[1] - top, left : full.shape[2] - left] + layer.bias[:, None, None]


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_images_follow_the_definition(colours):
    decoder = small(colours)
    z = np.random.default_rng(1).normal(size=(5, 8))
    images = decoder(z)
    assert images.shape == (5, 16, 16, *colours)
    first, second, third = decoder.layers
    for vector, image in zip(z, images, strict=True):
        planes = np.maximum(vector @ first.weights + first.bias, 0).reshape(8, 4, 4)
        planes = convolved(third, np.maximum(convolved(second, planes), 0))
        wanted = expit(1.5 * planes)
        np.testing.assert_allclose(image, wanted.transpose(1, 2, 0) if colours else wanted[0], rtol=1e-12, atol=1e-14)


def test_the_loop_with_matrix_products_gives_the_same_images():
    decoder = small((3,))
    values = z = np.random.default_rng(2).normal(size=(7, 8))
    for index, layer in enumerate(decoder.layers):
        values = decoder.hidden(values) if index else values
        vectors = layer.gather(values)
        assert vectors.shape == (7 * layer.positions, layer.matrix.shape[0])
        values = layer.scatter(vectors @ layer.matrix + (0.0 if layer.matrix_bias is None else layer.matrix_bias))
    np.testing.assert_allclose(decoder.finish(values), decoder(z), rtol=1e-12)


def test_unrolled_layers_give_the_same_images():
    decoder = small()
    flat = [layer if isinstance(layer, Dense) else layer.as_dense() for layer in decoder.layers]
    z = np.random.default_rng(3).normal(size=(4, 8))
    np.testing.assert_allclose(Decoder(tuple(flat), (16, 16), 1.5)(z), decoder(z), rtol=1e-12)


def test_colours_come_plane_by_plane_from_a_dense_layer_too():
    decoder = Decoder(((np.zeros((1, 12)), np.arange(12.0)),), (2, 2, 3))
    assert np.array_equal(decoder([[0.0]])[0], expit(np.arange(12.0)).reshape(3, 2, 2).transpose(1, 2, 0))


@st.composite
def mixed(draw):
    """Decoders of dense layers and convolutions in any order, with float16 or float32 numbers."""
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    dtype = draw(st.sampled_from([np.float16, np.float32]))
    size = latents = draw(st.integers(1, 6))
    planes, layers = None, []
    for kind in draw(st.lists(st.sampled_from("dc"), max_size=3)):
        if kind == "d":
            outputs = draw(st.integers(1, 12))
            layers.append(Dense(generator.normal(size=(size, outputs)).astype(dtype), np.ones(outputs)))
            size, planes = outputs, None
            continue
        planes = planes or (size, 1, 1)
        kernel = (planes[0], *draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))))
        stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        added = tuple(draw(st.integers(0, step - 1)) for step in stride)
        weights = generator.normal(size=kernel).astype(dtype)
        layers.append(TransposedConvolution(weights, np.ones(kernel[1]), stride, 0, added, planes))
        planes, size = layers[-1].output_shape, layers[-1].outputs
    shape = draw(st.sampled_from([(2, 3), (2, 1, 3)]))
    layers.append(Dense(generator.normal(size=(size, 6)).astype(dtype), np.zeros(6)))
    assert layers[0].inputs == latents
    return Decoder(tuple(layers), shape, draw(st.floats(0.5, 2)), {"n": 1})


@settings(deadline=None, max_examples=60)
@given(decoder=mixed())
def test_a_saved_decoder_loads_equal(decoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "d.npz"
    decoder.save(path)
    loaded = Decoder.load(path)
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in decoder.layers]
    for mine, theirs in zip(loaded.layers, decoder.layers, strict=True):
        names = ("matrix", "bias") + (
            () if isinstance(mine, Dense) else ("kernel", "stride", "padding", "output_padding", "input_shape")
        )
        for name in names:
            assert np.array_equal(getattr(mine, name), getattr(theirs, name)), name
    assert (loaded.image_shape, loaded.output_gain) == (decoder.image_shape, decoder.output_gain)
    assert loaded.record == decoder.record


def contents(decoder, tmp_path):
    decoder.save(tmp_path / "d.npz")
    with np.load(tmp_path / "d.npz") as archive:
        return {key: archive[key] for key in archive.files}


def test_a_file_has_the_oldest_format_that_holds_it(tmp_path):
    pairs = ((np.ones((2, 12)), np.zeros(12)),)
    assert contents(Decoder(pairs, (3, 4)), tmp_path)["format"] == decoder_file.FORMAT
    assert contents(Decoder(pairs, (2, 2, 3)), tmp_path)["format"] == decoder_file.CONVOLUTION_FORMAT
    assert contents(small(), tmp_path)["format"] == decoder_file.CONVOLUTION_FORMAT


def test_the_documented_format_loads(tmp_path):
    arrays = {
        "format": np.array("ftj-spice decoder 2"),
        "weight_0": np.array([[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]], [[7.0, 8.0, 9.0]]]], np.float16),
        "bias_0": np.array([0.0, 1.0, 2.0], np.float32),
        "input_shape_0": np.array((1, 1, 1)),
        "stride_0": np.array((2, 1)),
        "padding_0": np.array((0, 1)),
        "output_padding_0": np.array((1, 0), np.uint8),
        "output_gain": np.array(0.1),
        "image_shape": np.array((2, 1, 3)),
        "record": np.array(json.dumps({"a": 1})),
    }
    np.savez(tmp_path / "d.npz", **arrays)
    image = Decoder.load(tmp_path / "d.npz")([[10.0]])[0]
    np.testing.assert_allclose(image, expit(0.1 * np.array([[[20.0, 51.0, 82.0]], [[0.0, 1.0, 2.0]]])))


KEYS = ["input_shape_1", "stride_1", "padding_1", "output_padding_1", "bias_2"]


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_entry_is_named(key, tmp_path):
    arrays = contents(small(), tmp_path)
    del arrays[key]
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(DataError, match=rf"d\.npz: '{key}' is missing"):
        Decoder.load(tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": np.array("ftj-spice decoder 1")}, "'input_shape_1' is not part of a decoder with 3 layers"),
        ({"stride_1": np.array((2.0, 2.0))}, "'stride_1' must be 2 integers, got float64"),
        ({"stride_1": np.array(2)}, r"'stride_1' must be 2 integers, got int64 of shape \(\)"),
        ({"stride_1": np.array((0, 2))}, "'stride_1' must lie between 1 and"),
        ({"stride_1": np.array((2**62, 2))}, "'stride_1' must lie between 1 and"),
        ({"stride_1": np.array((2**23, 1))}, "'weight_1' makes a layer of"),
        ({"stride_1": np.array(("2", "2"))}, "'stride_1' must be 2 integers"),
        ({"stride_1": np.array((object(), 2), dtype=object)}, "'stride_1' holds Python objects"),
        ({"padding_1": np.array((-1, 1))}, "'padding_1' must lie between 0 and"),
        ({"padding_1": np.array((9, 9))}, "'padding_1' .* leaves nothing"),
        ({"padding_1": np.array((0, 0))}, r"'weight_2' takes 384 inputs, but the layer before gives 600"),
        ({"output_padding_1": np.array((2, 0))}, "'output_padding_1' must be smaller than the stride"),
        ({"input_shape_1": np.array((4, 4, 8))}, "'input_shape_1' has 4 channels, but the kernel takes 8"),
        (
            {"input_shape_1": np.array((8, 2, 8))},
            r"'input_shape_2' is \(6, 8, 8\), but the layer before gives \(6, 4, 16\)",
        ),
        ({"input_shape_1": np.array((8, 4))}, "'input_shape_1' must be 3 integers"),
        ({"weight_1": np.ones((8, 96), np.float16)}, "'weight_1' must be a kernel"),
        ({"weight_1": np.full((8, 6, 4, 4), np.nan, np.float16)}, "'weight_1' holds NaN"),
        ({"weight_1": np.ones((8, 6, 4, 4))}, "'weight_1' must be float16 or float32"),
        ({"weight_0": np.ones((8, 6, 4, 4), np.float16)}, "'weight_0' must be a matrix"),
        ({"bias_1": np.zeros(96, np.float16)}, r"'bias_1' must have the shape \(6,\)"),
        ({"stride_3": np.array((1, 1))}, "'stride_3' is not part of a decoder with 3 layers"),
        (
            {"image_shape": np.array((8, 32))},
            r"'image_shape' \(8, 32\) needs planes \(1, 8, 32\), but .* \(1, 16, 16\)",
        ),
        ({"image_shape": np.array((16, 16, 1))}, r"'image_shape' \(16, 16, 1\) must be \(height, width\) or"),
        ({"image_shape": np.array((16, 16, 3))}, "'image_shape' .* does not hold"),
        ({"image_shape": np.array((16,))}, "'image_shape' must be two or three integers"),
        ({"image_shape": np.array((-16, -16))}, "'image_shape' .* does not hold"),
    ],
)
def test_a_wrong_entry_is_named(change, sentence, tmp_path):
    arrays = contents(small(), tmp_path)
    np.savez(tmp_path / "d.npz", **(arrays | change))
    with pytest.raises(DataError, match=rf"d\.npz: {sentence}"):
        Decoder.load(tmp_path / "d.npz")


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    small().save(tmp_path / "d.npz")
    monkeypatch.setattr(decoder_file, "LARGEST_CONTENT", 5000)
    with pytest.raises(DataError, match=r"would unpack to \d+ bytes; a decoder file may have 5000 at most"):
        Decoder.load(tmp_path / "d.npz")


WHOLE = decoder_file.encode(small().layers, (16, 16), 1.5, {})


@settings(deadline=None, max_examples=150)
@given(place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_harmless(place, value, tmp_path_factory):
    path = tmp_path_factory.mktemp("flip") / "d.npz"
    path.write_bytes(WHOLE[:place] + bytes((value,)) + WHOLE[place + 1 :])
    z = np.ones((1, 8))
    try:
        decoder = Decoder.load(path)
    except DataError:
        return
    assert np.array_equal(decoder(z), small()(z))
