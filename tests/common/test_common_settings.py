from typing import Annotated

import numpy as np
import pytest
from pydantic import Field, ValidationError

from ftj_spice.common import resources
from ftj_spice.common.errors import DataError, FtjSpiceError, OutputError, SettingsError
from ftj_spice.common.seeds import generator, seed_sequence
from ftj_spice.common.settings import Strict


class Inner(Strict):
    rate: Annotated[float, Field(gt=0)] = 1.0
    on: bool = False
    choice: bool | None = None


class Outer(Strict):
    count: Annotated[int, Field(ge=1)] = 1
    name: str = "a"
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"coun": 1}, "x: unknown setting 'coun', did you mean 'count'?"),
        ({"zzz": 1}, "x: unknown setting 'zzz'; known here: count, name, inner"),
        ({"inner": {"rat": 1}}, "x: unknown setting 'inner.rat', did you mean 'inner.rate'?"),
        ({"count": 0}, "x: 'count': Input should be greater than or equal to 1, got 0"),
        ({"count": True}, "x: 'count': Input should not be true or false, got True"),
        ({"inner": {"rate": False}}, "x: 'inner.rate': Input should not be true or false, got False"),
        ({"inner": {"rate": float("inf")}}, "x: 'inner.rate': Input should be a finite number, got inf"),
        ({"inner": 3}, "x: 'inner' is a group of settings, not a value, got 3"),
        ({"count": {"a": 1}}, "x: 'count' is one value, not a group of settings"),
        ({"count": 0, "name": 3}, "x: 'count': Input should be greater than or equal to 1, got 0 (and 1 more problem)"),
    ],
)
def test_sentences(data, sentence):
    with pytest.raises(SettingsError) as caught:
        Outer.parse(data, "x")
    assert str(caught.value) == sentence
    assert caught.value.exit_code == 2


def test_what_fits_is_taken():
    parsed = Outer.parse({"count": np.int64(3), "inner": {"rate": 2, "on": True, "choice": False}}, "x")
    assert parsed == Outer(count=3, inner=Inner(rate=2.0, on=True, choice=False))


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        Outer().count = 2  # type: ignore[misc]


def test_errors_have_one_base():
    for kind in (SettingsError, DataError, OutputError):
        assert issubclass(kind, FtjSpiceError)
        assert kind.exit_code > 0


def test_seed_streams_depend_on_seed_purpose_and_index_only():
    first = generator(7, "trap", 1, 2).random(4)
    generator(7, "spread").random(100)
    np.testing.assert_array_equal(generator(7, "trap", 1, 2).random(4), first)
    others = [(8, "trap", 1, 2), (7, "trap", 2, 1), (7, "trap", 1), (7, "spread", 1, 2)]
    for seed, purpose, *index in others:
        assert not np.array_equal(generator(seed, purpose, *index).random(4), first)
    assert seed_sequence(2**80, "trap").entropy == 2**80


def test_packaged_folders_are_there():
    assert (resources.models() / "cards" / "hzo_mfis_nominal.toml").is_file()
    assert list(resources.netlists().rglob("*.j2"))


class Loaded(Strict):
    name: str
    folder: str = Field(default="", exclude=True)


def test_what_loaders_fill_in_is_no_setting():
    with pytest.raises(SettingsError, match=r"^a\.toml: unknown setting 'folder'; known here: name$"):
        Loaded.parse({"name": "a", "folder": "/"}, "a.toml")
    with pytest.raises(SettingsError, match=r"unknown setting 'x'; known here: name$"):
        Loaded.parse({"name": "a", "x": 1}, "a.toml")
    assert Loaded.parse({"name": "a"}, "a.toml").model_copy(update={"folder": "/"}).folder == "/"
