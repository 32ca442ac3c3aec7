import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ftj_spice.common.errors import DataError
from ftj_spice.generative.idx import read_idx


def idx(array, magic=None):
    header = magic or bytes((0, 0, 8, array.ndim))
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def read(content, ndim, folder):
    path = folder / "file-idx"
    path.write_bytes(content)
    return read_idx(path, ndim)


arrays = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6))


@settings(deadline=None, max_examples=50)
@given(array=arrays, zipped=st.booleans())
def test_what_is_written_is_read(array, zipped, tmp_path_factory):
    content = gzip.compress(idx(array)) if zipped else idx(array)
    loaded = read(content, array.ndim, tmp_path_factory.mktemp("idx"))
    assert loaded.dtype == np.uint8
    assert loaded.shape == array.shape
    assert np.array_equal(loaded, array)
    assert not loaded.flags.writeable


@settings(deadline=None, max_examples=60)
@given(array=arrays, data=st.data(), zipped=st.booleans())
def test_a_truncated_file_is_refused(array, data, zipped, tmp_path_factory):
    content = gzip.compress(idx(array)) if zipped else idx(array)
    size = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DataError, match="file-idx: "):
        read(content[:size], array.ndim, tmp_path_factory.mktemp("idx"))


@settings(deadline=None, max_examples=40)
@given(array=arrays, extra=st.binary(min_size=1, max_size=9))
def test_a_file_that_goes_on_is_refused(array, extra, tmp_path_factory):
    with pytest.raises(DataError, match=r"header promises \d+ bytes"):
        read(idx(array) + extra, array.ndim, tmp_path_factory.mktemp("idx"))


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_changed_byte_of_a_gzip_file_is_refused_or_harmless(data, tmp_path_factory):
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    content = bytearray(gzip.compress(idx(array)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        loaded = read(bytes(content), 3, tmp_path_factory.mktemp("idx"))
    except DataError:
        return
    assert np.array_equal(loaded, array)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "starts with nothing instead of 00000803"),
        (b"\x00\x00\x08\x01" + b"\x00" * 12, "3 dimensions: it starts with 00000801"),
        (b"\x00\x00\x0d\x03" + b"\x00" * 12, "starts with 00000d03"),
        (b"<html>404</html>", "starts with 3c68746d"),
        (b"\x00\x00\x08\x03" + b"\x00" * 11, "truncated inside its header, 15 bytes instead of 16"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "the file holds 0"),
        (b"\x1f\x8b" + b"\x00" * 20, "gzip data is damaged"),
    ],
)
def test_other_content_is_named(content, sentence, tmp_path):
    with pytest.raises(DataError, match=sentence):
        read(content, 3, tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing-here: can't be read: No such file"):
        read_idx(tmp_path / "nothing-here", 1)
