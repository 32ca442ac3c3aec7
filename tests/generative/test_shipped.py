"""The shipped MNIST decoder against 100 real test digits (ten of each class), which travel with the tests."""

from pathlib import Path

import numpy as np
import pytest

from ftj_spice.common.errors import DataError
from ftj_spice.generative.decoder import Decoder, shipped
from ftj_spice.generative.idx import read_idx
from ftj_spice.generative.layers import Dense
from ftj_spice.generative.vae import TrainSettings

DATA = Path(__file__).parent / "data"
DIGITS = read_idx(DATA / "t10k-images-idx3-ubyte.gz", 3) / 255.0
LABELS = read_idx(DATA / "t10k-labels-idx1-ubyte.gz", 1)


def similarities(images, references):
    """Cosine of each image with each reference, (images, references)."""
    one, other = (stack.reshape(len(stack), -1) for stack in (images, references))
    return one @ other.T / np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))


def likeness(images):
    """Mean over images of the cosine with the most similar real digit."""
    return similarities(images, DIGITS).max(axis=1).mean()


def likeness_of_real_digits():
    """The same for the real digits, each against the other 99."""
    between = similarities(DIGITS, DIGITS)
    np.fill_diagonal(between, 0)
    return between.max(axis=1).mean()


@pytest.fixture(scope="module")
def decoder():
    return shipped()


@pytest.fixture(scope="module")
def images(decoder):
    return decoder(np.random.default_rng(0).normal(size=(500, decoder.latent_dim)))


def test_shape_and_size(decoder):
    assert [layer.matrix.shape for layer in decoder.layers] == [(16, 256), (256, 512), (512, 784)]
    assert decoder.image_shape == (28, 28)


def test_default_settings_are_those_that_made_it(decoder):
    assert TrainSettings(**decoder.record["settings"]) == TrainSettings()
    assert decoder.output_gain == TrainSettings().output_gain
    assert decoder.record["data"]["train"]["shape"] == [60000, 28, 28]


def test_strokes_cover_as_much_as_real_ones(images):
    assert images.mean() == pytest.approx(DIGITS.mean(), rel=0.15)
    assert (images > 0.5).mean() == pytest.approx((DIGITS > 0.5).mean(), rel=0.15)
    assert images[:, :2].mean() < 0.01, "the margin is empty"
    assert ((images > 0.1) & (images < 0.9)).mean() < ((DIGITS > 0.1) & (DIGITS < 0.9)).mean(), (
        "strokes have edges, not haze"
    )


def test_images_are_as_near_to_real_digits_as_other_real_digits_are(images):
    assert likeness(images) > likeness_of_real_digits() - 0.01


def test_every_digit_is_drawn(images):
    nearest = LABELS[similarities(images, DIGITS).argmax(axis=1)]
    assert np.bincount(nearest, minlength=10).min() >= 10


def test_images_differ(images):
    between = similarities(images[:100], images[:100])
    np.fill_diagonal(between, 0)
    assert between.max() < 0.999


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_measure_sees_a_scrambled_layer(decoder, layer):
    layers = list(decoder.layers)
    whole = layers[layer]
    layers[layer] = Dense(np.random.default_rng(1).permutation(whole.matrix, axis=1), whole.matrix_bias)
    scrambled = Decoder(tuple(layers), decoder.image_shape, decoder.output_gain)
    z = np.random.default_rng(0).normal(size=(200, decoder.latent_dim))
    assert likeness(scrambled(z)) < likeness_of_real_digits() - 0.04


def test_another_name_is_refused():
    with pytest.raises(DataError, match=r"no shipped decoder is called '\.\./mnist'; there are: .*mnist"):
        shipped("../mnist")
