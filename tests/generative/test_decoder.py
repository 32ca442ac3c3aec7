import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common.errors import DataError, OutputError
from ftj_spice.generative.decoder import Decoder, shipped
from ftj_spice.generative.layers import Dense


def random_decoder(widths, image_shape, seed=0, gain=1.5):
    generator = np.random.default_rng(seed)
    layers = tuple(
        (generator.normal(size=(inputs, outputs)), generator.normal(size=outputs))
        for inputs, outputs in itertools.pairwise(widths)
    )
    return Decoder(layers, image_shape, gain, {"note": "random", "seed": seed})


def half(layer):
    """The layer with its numbers rounded to float16."""
    names = ("weights", "bias") if isinstance(layer, Dense) else ("kernel", "bias")
    return replace(layer, **{name: getattr(layer, name).astype(np.float16) for name in names})


def half_precision(decoder):
    layers = tuple(half(layer) for layer in decoder.layers)
    return Decoder(layers, decoder.image_shape, decoder.output_gain, decoder.record)


def same(one, other):
    """Whether two layers are of one kind and hold the same numbers."""
    parts = (field.name for field in fields(one))
    return type(one) is type(other) and all(np.array_equal(getattr(one, n), getattr(other, n)) for n in parts)


@st.composite
def decoders(draw):
    hidden = draw(st.lists(st.integers(1, 7), max_size=3))
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    widths = (draw(st.integers(1, 6)), *hidden, shape[0] * shape[1])
    return random_decoder(widths, shape, draw(st.integers(0, 99)), draw(st.floats(0.1, 5)))


@settings(deadline=None, max_examples=40)
@given(decoder=decoders(), batch=st.integers(0, 5))
def test_images_follow_the_plain_formula(decoder, batch):
    z = np.random.default_rng(1).normal(size=(batch, decoder.latent_dim))
    images = decoder(z)
    assert images.shape == (batch, *decoder.image_shape)
    for vector, image in zip(z, images, strict=True):
        values = list(vector)
        for index, layer in enumerate(decoder.layers):
            weights, bias = layer.weights, layer.bias
            if index:
                values = [max(value, 0.0) for value in values]
            values = [sum(values[i] * weights[i, j] for i in range(len(values))) + bias[j] for j in range(len(bias))]
        pixels = [1 / (1 + np.exp(-decoder.output_gain * value)) for value in values]
        np.testing.assert_allclose(image.ravel(), pixels, rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(decoder=decoders())
def test_a_saved_decoder_loads_equal(decoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("decoder") / "d.npz"
    rounded = half_precision(decoder)
    rounded.save(path)
    loaded = Decoder.load(path)
    assert len(loaded.layers) == len(rounded.layers)
    for mine, theirs in zip(loaded.layers, rounded.layers, strict=True):
        assert same(mine, theirs)
    assert loaded.image_shape == rounded.image_shape
    assert loaded.output_gain == rounded.output_gain
    assert loaded.record == rounded.record


def test_weights_beyond_half_precision_are_stored_as_float32(tmp_path):
    decoder = random_decoder((3, 5, 4), (2, 2))
    decoder.save(tmp_path / "d.npz")
    loaded = Decoder.load(tmp_path / "d.npz")
    for mine, theirs in zip(loaded.layers, decoder.layers, strict=True):
        assert np.array_equal(mine.weights, theirs.weights.astype(np.float32))
    half_precision(decoder).save(tmp_path / "half.npz")
    with np.load(tmp_path / "half.npz") as archive:
        assert archive["weight_0"].dtype == np.float16


def test_the_loop_over_layers_gives_the_same_images():
    decoder = random_decoder((3, 6, 5, 4), (2, 2))
    values = z = np.random.default_rng(2).normal(size=(7, 3))
    for index, layer in enumerate(decoder.layers):
        values = decoder.hidden(values) if index else values
        values = layer.scatter(layer.gather(values) @ layer.matrix + layer.matrix_bias)
    assert np.array_equal(decoder.finish(values), decoder(z))


def test_hidden_values_are_cut_off_at_zero():
    decoder = random_decoder((3, 4), (2, 2))
    assert decoder.hidden([[-1.0, 0.0, 2.5]]).tolist() == [[0.0, 0.0, 2.5]]


def test_last_values_become_pixels():
    decoder = random_decoder((3, 4), (2, 2), gain=2.0)
    assert decoder.finish([[0.0, 1.0, -1.0, 100.0]]) == pytest.approx(
        np.array([[[0.5, 1 / (1 + np.exp(-2.0))], [1 / (1 + np.exp(2.0)), 1.0]]])
    )


def test_same_batch_gives_the_same_bits():
    decoder = shipped()
    z = np.random.default_rng(3).normal(size=(33, decoder.latent_dim))
    assert decoder(z).tobytes() == decoder(z).tobytes()


def test_a_decoder_cannot_be_changed():
    decoder = random_decoder((3, 4), (2, 2))
    with pytest.raises(ValueError, match="read-only"):
        decoder.layers[0].weights[0, 0] = 1.0


def test_a_decoder_keeps_a_copy_of_its_weights():
    weights = np.ones((3, 4))
    decoder = Decoder(((weights, np.zeros(4)),), (2, 2))
    weights[:] = 5.0
    assert decoder.layers[0].weights.max() == 1.0


@pytest.mark.parametrize(
    ("z", "sentence"),
    [
        (np.zeros(3), r"shape \(batch, 3\), got \(3,\)"),
        (np.zeros((2, 4)), r"got \(2, 4\)"),
        (np.full((1, 3), np.nan), "finite"),
        (np.full((1, 3), np.inf), "finite"),
    ],
)
def test_bad_latents_are_refused(z, sentence):
    with pytest.raises(DataError, match=sentence):
        random_decoder((3, 5, 4), (2, 2))(z)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [(np.zeros((1, 3)), r"last-layer results must have the shape \(batch, 4\)"), (np.full((1, 4), np.nan), "finite")],
)
def test_bad_last_results_are_refused(values, sentence):
    with pytest.raises(DataError, match=sentence):
        random_decoder((3, 5, 4), (2, 2)).finish(values)


@pytest.mark.parametrize(
    ("layers", "shape", "gain", "sentence"),
    [
        ((), (2, 2), 1.0, "at least one layer"),
        (((np.zeros((3, 4)), np.zeros(5)),), (2, 2), 1.0, "'bias_0' must have the shape"),
        (((np.zeros((3, 4)), np.zeros(4)), (np.zeros((5, 4)), np.zeros(4))), (2, 2), 1.0, "'weight_1' takes 5 inputs"),
        (((np.zeros(4), np.zeros(4)),), (2, 2), 1.0, "'weight_0' must be a matrix"),
        (((np.zeros((0, 4)), np.zeros(4)),), (2, 2), 1.0, "'weight_0' must be a matrix"),
        (((np.full((3, 4), np.nan), np.zeros(4)),), (2, 2), 1.0, "'weight_0' holds NaN"),
        (((np.zeros((3, 4)), np.full(4, np.inf)),), (2, 2), 1.0, "'bias_0' holds NaN or infinity"),
        (((np.zeros((3, 4)), np.zeros(4)),), (2, 3), 1.0, "'image_shape'"),
        (((np.zeros((3, 4)), np.zeros(4)),), (-2, -2), 1.0, "'image_shape'"),
        (((np.zeros((3, 4)), np.zeros(4)),), (2, 2), 0.0, "'output_gain'"),
        (((np.zeros((3, 4)), np.zeros(4)),), (2, 2), float("nan"), "'output_gain'"),
    ],
)
def test_arrays_that_make_no_decoder_are_refused(layers, shape, gain, sentence):
    with pytest.raises(DataError, match=sentence):
        Decoder(layers, shape, gain)


def test_saving_replaces_a_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "d.npz"
    path.write_text("old")
    random_decoder((2, 4), (2, 2)).save(path)
    assert Decoder.load(path).latent_dim == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"can't write .*d\.npz"):
        random_decoder((2, 4), (2, 2)).save(tmp_path / "missing" / "d.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"can't write .*folder"):
        random_decoder((2, 4), (2, 2)).save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    huge = Decoder(((np.full((1, 1), 1e300), np.zeros(1)),), (1, 1))
    with pytest.raises(DataError, match="'weight_0' holds a value too large"):
        huge.save(tmp_path / "d.npz")
    with pytest.raises(DataError, match="plain JSON"):
        Decoder(((np.ones((1, 1)), np.zeros(1)),), (1, 1), 1.0, {"a": {1, 2}}).save(tmp_path / "d.npz")
    assert not (tmp_path / "d.npz").exists()
