import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d, correlate2d

from ftj_spice.common.errors import DataError
from ftj_spice.generative import convolution
from ftj_spice.generative.convolution import TransposedConvolution
from ftj_spice.generative.layers import Dense


def definition(layer, image):
    """The definition, number by number: an input (channels, height, width) to the output's planes."""
    (down, across), (top, left) = layer.stride, layer.padding
    channels, height, width = layer.output_shape
    _, _, kernel_height, kernel_width = layer.kernel.shape
    result = np.zeros(layer.output_shape)
    for d, (c, y, x) in itertools.product(range(channels), np.ndindex(image.shape)):
        for i, j in itertools.product(range(kernel_height), range(kernel_width)):
            row, column = y * down + i - top, x * across + j - left
            if 0 <= row < height and 0 <= column < width:
                result[d, row, column] += image[c, y, x] * layer.kernel[c, d, i, j]
    return result + layer.bias[:, np.newaxis, np.newaxis]


def by_scipy(layer, image):
    """Zeros between the pixels, then a full convolution, then the edges cut off."""
    (down, across), (top, left) = layer.stride, layer.padding
    channels, height, width = layer.output_shape
    spread = np.zeros((len(image), (image.shape[1] - 1) * down + 1, (image.shape[2] - 1) * across + 1))
    spread[:, ::down, ::across] = image
    planes = []
    for d in range(channels):
        full = sum(convolve2d(spread[c], layer.kernel[c, d]) for c in range(len(image)))
        full = np.pad(full, ((0, layer.output_padding[0]), (0, layer.output_padding[1])))
        planes.append(full[top : top + height, left : left + width] + layer.bias[d])
    return np.array(planes)


@st.composite
def convolutions(draw):
    channels, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sides, kernel, stride = [], [], []
    padding, added = [], []
    for _ in range(2):
        sides.append(draw(st.integers(1, 4)))
        kernel.append(draw(st.integers(1, 4)))
        stride.append(draw(st.integers(1, 3)))
        added.append(draw(st.integers(0, stride[-1] - 1)))
        full = (sides[-1] - 1) * stride[-1] + kernel[-1] + added[-1]
        padding.append(draw(st.integers(0, (full - 1) // 2)))
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    return TransposedConvolution(
        generator.normal(size=(channels, outputs, *kernel)),
        generator.normal(size=outputs),
        tuple(stride),
        tuple(padding),
        tuple(added),
        (channels, *sides),
    )


def values_for(layer, batch, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, layer.inputs))


def close(one, other):
    assert np.shape(one) == np.shape(other)
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=150)
@given(layer=convolutions(), batch=st.integers(0, 3))
def test_the_lowering_is_the_transposed_convolution(layer, batch):
    x = values_for(layer, batch)
    images = x.reshape(batch, *layer.input_shape)
    wanted = np.array([definition(layer, image).ravel() for image in images]).reshape(batch, layer.outputs)
    vectors = layer.gather(x)
    assert vectors.shape == (batch * layer.positions, len(layer.matrix))
    assert layer.matrix_bias is None, "the adders add the bias, the array needs no row for it"
    close(layer.scatter(vectors @ layer.matrix), wanted)
    close(layer(x), wanted)


@settings(deadline=None, max_examples=100)
@given(layer=convolutions())
def test_a_second_formula_agrees(layer):
    image = values_for(layer, 1).reshape(layer.input_shape)
    close(layer(image.reshape(1, -1))[0], by_scipy(layer, image).ravel())


@settings(deadline=None, max_examples=100)
@given(layer=convolutions())
def test_the_unrolled_matrix_is_the_same_map(layer):
    x = values_for(layer, 3)
    matrix = layer.unrolled()
    assert matrix.shape == (layer.inputs, layer.outputs)
    close(x @ matrix + layer.output_bias, layer(x))
    flat = layer.as_dense()
    assert np.array_equal(flat.matrix, matrix.toarray())
    close(flat(x), layer(x))


@settings(deadline=None, max_examples=100)
@given(layer=convolutions())
def test_it_is_the_adjoint_of_a_correlation(layer):
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=layer.input_shape), generator.normal(size=layer.output_shape)
    (down, across), (top, left) = layer.stride, layer.padding
    (_, height, width), sides = layer.input_shape, layer.kernel.shape[2:]
    # What the padding cut off counts as zero; only the places that an input pixel stands on are kept.
    bottom, right = ((n - 1) * s + k for n, s, k in zip((height, width), layer.stride, sides, strict=True))
    padded = np.zeros((len(y), max(bottom, top + y.shape[1]), max(right, left + y.shape[2])))
    padded[:, top : top + y.shape[1], left : left + y.shape[2]] = y
    back = np.zeros(layer.input_shape)
    for c, d in np.ndindex(layer.kernel.shape[:2]):
        correlated = correlate2d(padded[d], layer.kernel[c, d], mode="valid")
        back[c] += correlated[::down, ::across][:height, :width]
    linear = layer(x.reshape(1, -1))[0] - layer.output_bias
    assert np.dot(linear, y.ravel()) == pytest.approx(np.sum(x * back), rel=1e-10, abs=1e-10)


@settings(deadline=None, max_examples=100)
@given(layer=convolutions())
def test_pytorch_agrees_where_it_is_installed(layer):
    torch = pytest.importorskip("torch")
    x = values_for(layer, 2)
    wanted = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x.reshape(2, *layer.input_shape)),
        torch.from_numpy(layer.kernel.copy()),
        torch.from_numpy(layer.bias.copy()),
        layer.stride,
        layer.padding,
        layer.output_padding,
    ).numpy()
    assert wanted.shape[1:] == layer.output_shape
    close(layer(x), wanted.reshape(2, -1))


def test_an_example_by_hand():
    layer = TransposedConvolution(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), [10.0], 1, 0, 0, (1, 1, 2))
    assert layer.output_shape == (1, 2, 3)
    assert layer([[1.0, 100.0]]).tolist() == [[11.0, 112.0, 210.0, 13.0, 314.0, 410.0]]


def test_one_number_stands_for_both_directions():
    layer = TransposedConvolution(np.ones((2, 3, 4, 4)), np.zeros(3), 2, 1, 1, (2, 5, 6))
    assert (layer.stride, layer.padding, layer.output_padding) == ((2, 2), (1, 1), (1, 1))
    assert layer.output_shape == (3, 11, 13)
    assert (layer.inputs, layer.outputs, layer.positions) == (60, 429, 30)
    assert layer.matrix.shape == (2, 48)


def test_large_batches_are_computed_in_steps(monkeypatch):
    layer = TransposedConvolution(np.random.default_rng(0).normal(size=(2, 3, 3, 3)), np.ones(3), 2, 1, 1, (2, 3, 3))
    x = values_for(layer, 7)
    whole = layer(x)
    monkeypatch.setattr(convolution, "_BLOCK", 2 * layer.positions * layer.matrix.shape[1])
    close(layer(x), whole)


def test_a_dense_layer_goes_on_tiles_as_it_is():
    generator = np.random.default_rng(0)
    layer = Dense(generator.normal(size=(3, 5)), generator.normal(size=5))
    x = generator.normal(size=(4, 3))
    assert (layer.inputs, layer.outputs, layer.positions) == (3, 5, 1)
    assert np.array_equal(layer.gather(x), x)
    close(layer.scatter(layer.gather(x) @ layer.matrix + layer.matrix_bias), layer(x))
    close(layer(x), [[sum(v[i] * layer.weights[i, j] for i in range(3)) + layer.bias[j] for j in range(5)] for v in x])


@pytest.mark.parametrize(
    "layer",
    [Dense(np.ones((3, 4)), np.ones(4)), TransposedConvolution(np.ones((2, 1, 2, 2)), np.ones(1), 1, 0, 0, (2, 2, 2))],
    ids=["dense", "convolution"],
)
def test_other_shapes_are_refused(layer):
    wrong = np.zeros((2, layer.inputs + 1))
    for call in (layer, layer.gather):
        with pytest.raises(DataError, match=rf"inputs must have the shape \(batch, {layer.inputs}\), got"):
            call(wrong)
        with pytest.raises(DataError, match=r"got \(\d,\)"):
            call(np.zeros(layer.inputs))
    with pytest.raises(DataError, match="products must have the shape"):
        layer.scatter(np.zeros((4, layer.matrix.shape[1] + 1)))


def test_parts_of_an_image_are_refused():
    layer = TransposedConvolution(np.ones((2, 1, 2, 2)), np.ones(1), 1, 0, 0, (2, 2, 2))
    with pytest.raises(DataError, match="7 products don't make up whole images of 4 pixels"):
        layer.scatter(np.zeros((7, 4)))


def test_layers_keep_read_only_copies():
    kernel = np.ones((1, 1, 2, 2))
    layers = (TransposedConvolution(kernel, [0.0], 1, 0, 0, (1, 1, 1)), Dense(kernel[0, 0], [0.0, 0.0]))
    kernel[:] = 5.0
    for layer in layers:
        assert layer.matrix.max() == 1.0
        with pytest.raises(ValueError, match="read-only"):
            layer.matrix[0, 0] = 2.0


GOOD = {
    "kernel": np.ones((2, 3, 4, 4)),
    "bias": np.zeros(3),
    "stride": 2,
    "padding": 1,
    "output_padding": 0,
    "input_shape": (2, 5, 5),
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kernel": np.ones((2, 3, 4))}, "'weight' must be a kernel"),
        ({"kernel": np.ones((2, 3, 0, 4))}, "'weight' must be a kernel"),
        ({"kernel": np.full((2, 3, 4, 4), np.nan)}, "'weight' holds NaN or infinity"),
        ({"bias": np.zeros(2)}, r"'bias' must have the shape \(3,\), got \(2,\)"),
        ({"bias": np.full(3, np.inf)}, "'bias' holds NaN or infinity"),
        ({"stride": 0}, "'stride' must lie between 1 and"),
        ({"stride": 1.5}, "'stride' must be 2 integers"),
        ({"stride": (1, 2, 3)}, "'stride' must be 2 integers"),
        ({"stride": True}, "'stride' must be 2 integers"),
        ({"stride": 2**23}, "'weight' makes a layer of .* values; at most"),
        ({"stride": 2**70}, "'stride' must"),
        ({"padding": -1}, "'padding' must lie between 0 and"),
        ({"padding": 6}, r"'padding' \(6, 6\) leaves nothing of the output"),
        ({"padding": 2**23, "stride": 2**22}, "'weight' makes a layer of|'padding' .* leaves nothing"),
        ({"output_padding": 2}, "'output_padding' must be smaller than the stride 2, got 2"),
        ({"input_shape": (3, 5, 5)}, "'input_shape' has 3 channels, but the kernel takes 2"),
        ({"input_shape": (2, 0, 5)}, "'input_shape' must lie between 1 and"),
        ({"input_shape": 2}, "'input_shape' must be 3 integers"),
        ({"input_shape": (2, 2**23, 5)}, "'weight' makes a layer of .* values; at most"),
    ],
)
def test_numbers_that_make_no_convolution_are_refused(change, sentence):
    TransposedConvolution(**GOOD)
    with pytest.raises(DataError, match=sentence):
        TransposedConvolution(**(GOOD | change))


@pytest.mark.parametrize(
    ("weights", "bias", "sentence"),
    [
        (np.ones(3), np.ones(3), "'weight' must be a matrix"),
        (np.ones((3, 0)), np.ones(0), "'weight' must be a matrix"),
        (np.ones((3, 2)), np.ones(3), "'bias' must have the shape"),
        (np.full((3, 2), np.inf), np.ones(2), "'weight' holds NaN or infinity"),
        (np.ones((3, 2)), np.full(2, np.nan), "'bias' holds NaN or infinity"),
    ],
)
def test_arrays_that_make_no_dense_layer_are_refused(weights, bias, sentence):
    with pytest.raises(DataError, match=sentence):
        Dense(weights, bias)


def test_a_convolution_too_large_to_unroll_is_refused():
    large = TransposedConvolution(np.ones((64, 32, 4, 4)), np.zeros(32), 2, 1, 0, (64, 16, 16))
    with pytest.raises(DataError, match="a matrix of 16384 x 32768; at most"):
        large.as_dense()
    assert large.unrolled().shape == (16384, 32768)
    vast = TransposedConvolution(np.ones((64, 32, 5, 5)), np.zeros(32), 1, 0, 0, (64, 64, 64))
    with pytest.raises(DataError, match="may have at most"):
        vast.unrolled()
