import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common.errors import DataError
from ftj_spice.generative.decoder import Decoder
from ftj_spice.generative.decoder_file import FORMAT


def good():
    return {
        "format": np.array(FORMAT),
        "weight_0": np.ones((2, 3), np.float16),
        "bias_0": np.zeros(3, np.float16),
        "weight_1": np.ones((3, 4), np.float32),
        "bias_1": np.zeros(4, np.float32),
        "output_gain": np.array(2.0),
        "image_shape": np.array((2, 2)),
        "record": np.array("{}"),
    }


def blob(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def load(content, tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    return Decoder.load(path)


def test_the_documented_format_loads(tmp_path):
    decoder = load(blob(good()), tmp_path)
    assert (decoder.latent_dim, decoder.image_shape, decoder.output_gain) == (2, (2, 2), 2.0)
    np.testing.assert_allclose(decoder([[1.0, 1.0]]), 1 / (1 + np.exp(-12.0)))


@pytest.mark.parametrize("key", sorted(good()))
def test_a_missing_key_is_named(key, tmp_path):
    arrays = good()
    del arrays[key]
    expected = "'bias_1' is not part" if key == "weight_1" else f"'{key}' is missing"
    if key == "weight_0":
        expected = "'bias_0' is not part"
    with pytest.raises(DataError, match=rf"bad\.npz: {expected}"):
        load(blob(arrays), tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": np.array("ftj-spice decoder 3")}, "'format' is 'ftj-spice decoder 3'; this version reads"),
        ({"format": np.array(1)}, "'format' must be one string"),
        ({"weight_0": np.ones((2, 3))}, "'weight_0' must be float16 or float32, got float64"),
        ({"bias_0": np.ones(3, np.int32)}, "'bias_0' must be float16 or float32, got int32"),
        ({"weight_0": np.array([[object()] * 3] * 2, dtype=object)}, "'weight_0' holds Python objects"),
        ({"weight_1": np.full((3, 4), np.nan, np.float32)}, "'weight_1' holds NaN"),
        ({"bias_1": np.full(4, np.inf, np.float32)}, "'bias_1' holds NaN or infinity"),
        ({"weight_1": np.ones((5, 4), np.float32)}, "'weight_1' takes 5 inputs, but the layer before gives 3"),
        ({"bias_0": np.zeros(2, np.float32)}, "'bias_0' must have the shape"),
        ({"weight_0": np.ones(3, np.float32)}, "'weight_0' must be a matrix"),
        ({"output_gain": np.array([1.0, 2.0])}, "'output_gain' must be one float"),
        ({"output_gain": np.array("2")}, "'output_gain' must be one float"),
        ({"output_gain": np.array(-1.0)}, "'output_gain' must be a finite number above 0"),
        ({"image_shape": np.array((28, 28))}, r"'image_shape' \(28, 28\) does not hold the last layer's 4 outputs"),
        ({"image_shape": np.array((2.0, 2.0))}, "'image_shape' must be two integers"),
        ({"image_shape": np.array((2, 2, 1))}, "'image_shape' must be two integers"),
        ({"record": np.array("{")}, "'record' is not valid JSON"),
        ({"record": np.array("[" * 100_000)}, "'record' is not valid JSON"),
        ({"record": np.array("[]")}, "'record' must be a JSON object, got list"),
        ({"weight_3": np.ones((4, 4), np.float32)}, "'weight_3' is not part of a decoder with 2 layers"),
    ],
)
def test_a_wrong_entry_is_named(change, sentence, tmp_path):
    with pytest.raises(DataError, match=rf"bad\.npz: {sentence}"):
        load(blob(good() | change), tmp_path)


def test_an_entry_that_is_no_array_is_named(tmp_path):
    buffer = io.BytesIO(blob(good()))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(DataError, match=r"bad\.npz: 'notes\.txt' is not an array"):
        load(buffer.getvalue(), tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not a zip", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(content, tmp_path):
    with pytest.raises(DataError, match=r"bad\.npz: is damaged or not a decoder file"):
        load(content, tmp_path)


def test_a_single_array_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with pytest.raises(DataError, match="a single array"):
        load(buffer.getvalue(), tmp_path)


def test_a_pickle_is_not_run(tmp_path):
    with pytest.raises(DataError, match="damaged or not a decoder file"):
        load(b"cos\nsystem\n(S'exit 3'\ntR.", tmp_path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: can't be read: No such file"):
        Decoder.load(tmp_path / "none.npz")
    with pytest.raises(DataError, match="can't be read"):
        Decoder.load(tmp_path)


WHOLE = blob(good())


@settings(deadline=None, max_examples=60)
@given(size=st.integers(0, len(WHOLE) - 1))
def test_a_truncated_file_is_refused(size, tmp_path_factory):
    with pytest.raises(DataError, match="damaged or not a decoder file"):
        load(WHOLE[:size], tmp_path_factory.mktemp("cut"))


@settings(deadline=None, max_examples=300)
@given(place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_harmless(place, value, tmp_path_factory):
    damaged = WHOLE[:place] + bytes((value,)) + WHOLE[place + 1 :]
    try:
        decoder = load(damaged, tmp_path_factory.mktemp("flip"))
    except DataError:
        return
    assert np.array_equal(decoder([[1.0, 1.0]]), load(WHOLE, tmp_path_factory.mktemp("whole"))([[1.0, 1.0]]))
