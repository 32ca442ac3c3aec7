"""Arrays from .npy files, and what is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ftj_spice.common.errors import DataError
from ftj_spice.common.npyfile import open_npy


@given(hnp.arrays(st.sampled_from([np.float64, np.float32, np.int16, np.uint8]), hnp.array_shapes(max_dims=3)))
def test_round_trip(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, array)
    found = open_npy(path, "weights")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_empty_arrays_keep_their_shape(tmp_path):
    np.save(tmp_path / "e.npy", np.zeros((0, 3)))
    assert open_npy(tmp_path / "e.npy", "weights").shape == (0, 3)


@given(st.binary(max_size=200))
def test_any_bytes_are_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("npy") / "b.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match="npy"):
        open_npy(path, "weights")


@pytest.mark.parametrize("array", [np.ones(2, complex), np.ones(2, bool), np.array(["a"]), np.ones(2, np.longdouble)])
def test_other_types_are_refused(tmp_path, array):
    np.save(tmp_path / "t.npy", array)
    with pytest.raises(DataError, match="real numbers"):
        open_npy(tmp_path / "t.npy", "weights")


@pytest.mark.parametrize("shape", ["(1099511627776, 1099511627776)", "(100000, 100000)", "(-1, 2)"])
def test_headers_that_promise_too_much(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    (tmp_path / "h.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    with pytest.raises(DataError):
        open_npy(tmp_path / "h.npy", "weights")


def test_pickles_and_missing_files(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="real numbers"):
        open_npy(tmp_path / "p.npy", "weights")
    with pytest.raises(DataError, match=r"can't read weights from .*none\.npy: No such file"):
        open_npy(tmp_path / "none.npy", "weights")
