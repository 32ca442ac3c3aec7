import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ftj_spice.common.errors import DataError, OutputError
from ftj_spice.results.datasets import read_dataset, write_dataset

AMPERE = {"units": "A", "long_name": "column current"}
TYPES = st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.int32, np.bool_])


def example():
    return {
        "time": ("time", np.arange(4) * 5e-3, {"units": "s", "long_name": "begin of the window"}),
        "current": (("time", "column"), np.arange(12.0).reshape(4, 3) * 1e-9, AMPERE),
        "saturated": (("column",), np.array([True, False, True]), {"units": "1", "long_name": "ADC at its end"}),
        "name": (("column",), np.array(["bl0", "bl1", "µ"]), {"units": "1", "long_name": "bit line"}),
        "total": ((), 2.5, {"units": "A", "long_name": "sum"}),
    }


def test_names_units_types_and_values_come_back(tmp_path):
    write_dataset(tmp_path / "x.h5", example(), {"engine": "ngspice", "seed": 7})
    data = read_dataset(tmp_path / "x.h5")
    assert data.attrs == {"engine": "ngspice", "seed": 7}
    assert data["current"].dims == ("time", "column")
    assert data["current"].attrs == AMPERE
    assert np.array_equal(data["current"].values, example()["current"][1])
    assert data["current"].sel(time=5e-3).values.tolist() == pytest.approx([3e-9, 4e-9, 5e-9])
    assert data["saturated"].dtype == bool and data["saturated"].values.tolist() == [True, False, True]
    assert data["name"].values.tolist() == ["bl0", "bl1", "µ"]
    assert float(data["total"]) == 2.5


@settings(max_examples=25, deadline=None)
@given(st.data(), TYPES)
def test_numbers_round_trip_exactly(tmp_path_factory, data, dtype):
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=3, max_side=4)))
    names = tuple(f"d{k}" for k in range(array.ndim))
    path = tmp_path_factory.mktemp("h5") / "x.h5"
    write_dataset(path, {"x": (names, array, AMPERE)}, {})
    back = read_dataset(path)["x"].values
    assert back.dtype == array.dtype and np.array_equal(back, array, equal_nan=array.dtype.kind == "f")


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_dataset(tmp_path / name, example(), {"seed": 7})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_plain_h5py_reads_it(tmp_path):
    h5py = pytest.importorskip("h5py")
    write_dataset(tmp_path / "x.h5", example(), {})
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["current"].shape == (4, 3)
        assert file["current"].attrs["units"] == "A"


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ((("t",), [1.0], {"units": "A"}), "long_name"),
        ((("t",), [1.0], {"long_name": "x"}), "units"),
        ((("t", "c"), [1.0], AMPERE), "does not fit the dimensions"),
        ((("t", "t"), [[1.0]], AMPERE), "does not fit the dimensions"),
        ((("t",), [1j], AMPERE), "can't be stored"),
        ((("t",), [None], AMPERE), "can't be stored"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, variable, words):
    with pytest.raises(ValueError, match=words):
        write_dataset(tmp_path / "x.h5", {"x": variable}, {})
    assert not list(tmp_path.iterdir())


def test_lengths_of_a_dimension_must_agree(tmp_path):
    with pytest.raises(ValueError, match="dimension 't' is 3 here and 2 elsewhere"):
        write_dataset(tmp_path / "x.h5", {"a": ("t", [1, 2], AMPERE), "b": ("t", [1, 2, 3], AMPERE)}, {})


@pytest.mark.parametrize("keep", [0, 10, 600, -1])
def test_damaged_files_are_one_clear_error(tmp_path, keep):
    path = tmp_path / "x.h5"
    write_dataset(path, example(), {})
    content = path.read_bytes()
    path.write_bytes(content[:keep] if keep >= 0 else b"no HDF5 at all" * 50)
    with pytest.raises(DataError, match="not a readable HDF5 file"):
        read_dataset(path)


def test_missing_places(tmp_path):
    with pytest.raises(OutputError, match="can't write"):
        write_dataset(tmp_path / "nowhere" / "x.h5", example(), {})
    with pytest.raises(DataError, match="can't read"):
        read_dataset(tmp_path / "absent.h5")


def test_only_coordinates_are_named_like_a_dimension(tmp_path):
    with pytest.raises(ValueError, match="named like a dimension"):
        write_dataset(tmp_path / "x.h5", {"x": (("x", "y"), np.ones((2, 3)), AMPERE)}, {})
