import os
from pathlib import Path

import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.packaged import LARGEST_FILE, Packaged, read_json, read_text, read_toml


@pytest.fixture
def packaged(tmp_path):
    for name in ("late/alpha", "early/beta", "late/aleph"):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'name = "{path.stem}"\n', encoding="utf-8")
    return Packaged("circuit", lambda: [tmp_path / "late", tmp_path / "early"])


def test_names_stand_folder_by_folder(packaged):
    assert packaged.names() == ["aleph", "alpha", "beta"]


def test_a_name_is_a_packaged_file_and_a_toml_file_is_itself(packaged):
    path, ours = packaged.find("beta")
    assert ours and read_toml(path) == {"name": "beta"}
    assert packaged.find("elsewhere/beta.toml") == (Path("elsewhere/beta.toml"), False)
    assert packaged.find(path) == (path, False)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("alpa", "no circuit named 'alpa'; did you mean 'alpha'?"),
        ("../late/alpha", "no circuit named '../late/alpha'; known: aleph, alpha, beta; or a .toml file"),
        ("x" * 90, f"no circuit named '{'x' * 60}'; known: aleph, alpha, beta; or a .toml file"),
        ("a\n.control", r"no circuit named 'a\n.control'; known: aleph, alpha, beta; or a .toml file"),
    ],
)
def test_an_unknown_name_is_one_sentence(packaged, name, sentence):
    with pytest.raises(SettingsError) as told:
        packaged.find(name)
    assert str(told.value) == sentence


def test_files_that_cannot_be_taken_are_told(tmp_path):
    path = tmp_path / "one.toml"
    for content, sentence in (
        (b"\xff", f"{path}: not valid TOML: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"x" * (LARGEST_FILE + 1), f"can't read {path}: it has more than 1,048,576 bytes"),
        (b"a = 1\na = 2", f"{path}: not valid TOML: Cannot overwrite a value (at end of document)"),
    ):
        path.write_bytes(content)
        with pytest.raises(SettingsError) as told:
            read_toml(path)
        assert str(told.value) == sentence
    path.write_bytes(b"x = " + b"[" * 100_000)
    with pytest.raises(SettingsError, match="not valid TOML"):
        read_toml(path)
    with pytest.raises(SettingsError, match=r"one\.toml is not UTF-8 text"):
        path.write_bytes(b"\xff")
        read_text(path)
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(SettingsError, match="it is no regular file"):
        read_text(tmp_path / "pipe.toml")
    with pytest.raises(SettingsError, match=r"none\.toml: no such file"):
        read_text(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": [{"b": NaN}]}', "NaN is not a number that JSON knows"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_json_is_read_strictly(tmp_path, text, reason):
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=rf"one\.json: not valid JSON: .*{reason}"):
        read_json(path)


def test_a_file_is_called_what_it_is_and_has_a_size_of_its_own(tmp_path):
    path = tmp_path / "one.json"
    path.write_text('{"a": 1}')
    with pytest.raises(SettingsError, match=r"can't read the macromodel .*one\.json: it has more than 7 bytes"):
        read_json(path, "the macromodel ", 7)
    assert read_json(path, "the macromodel ", 8) == {"a": 1}
