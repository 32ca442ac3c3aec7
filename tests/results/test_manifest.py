import getpass
import hashlib
import json
import platform
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.common.errors import DataError
from ftj_spice.results.jsontext import to_json
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_file, sha256_text, versions, without_places


def manifest(**changes):
    fields = {
        "command": ["ftj-spice", "generate", "-o", "/home/ann lee/runs/one", "--card=/srv/cards/mine.toml"],
        "settings": {"card": "/srv/cards/mine.toml", "window": np.float64(5e-3), "rows": np.int64(64)},
        "seed": 7,
        "netlist_hashes": {"netlists/column.cir": sha256_text("x")},
        "durations": {"sample": 1.23456},
        "engine": {"name": "ngspice", "version": "39"},
    }
    return build_manifest(**(fields | changes))


def test_a_manifest_says_what_ran_and_names_no_place():
    data = manifest(extra={"images": 64, "note": "weights from ~ann/w.npz"})
    assert data["program"] == "ftj-spice"
    assert data["command"] == ["ftj-spice", "generate", "-o", ".../one", "--card=.../mine.toml"]
    assert data["settings"] == {"card": ".../mine.toml", "window": 5e-3, "rows": 64}
    assert data["netlists"] == {"netlists/column.cir": sha256_text("x")}
    assert data["seconds"] == {"sample": 1.235}
    assert data["images"] == 64 and data["note"] == "weights from .../w.npz"
    text = to_json(data)
    assert json.loads(text) == data
    assert "/home" not in text and "ann" not in text and str(Path.cwd()) not in text
    if len(platform.node()) > 3:
        assert platform.node() not in text
    if len(getpass.getuser()) > 4:
        assert getpass.getuser() not in text


def test_a_field_cant_be_replaced():
    with pytest.raises(ValueError, match="'seed'"):
        manifest(extra={"seed": 8})


def test_objects_are_refused():
    with pytest.raises(TypeError, match="PosixPath"):
        manifest(settings={"card": Path("x")})


def test_versions():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert {"ftj-spice", "scipy", "numba", "PySpice", "jinja2"} <= found.keys()


def test_versions_of_missing_packages_are_null(monkeypatch):
    monkeypatch.setattr("ftj_spice.results.manifest.PACKAGES", ("surely-no-such-distribution",))
    assert versions()["surely-no-such-distribution"] is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ann/run 1", ".../run 1"),
        ("/home/ann/", ".../ann"),
        ("~/run", ".../run"),
        (r"C:\Users\ann\run", ".../run"),
        ("--output=/home/ann/run", "--output=.../run"),
        ("-o/home/ann/run", "-o.../run"),
        ("read '/home/ann/w.npz' first", "read '.../w.npz' first"),
        ("/home/ann/a /home/ann/b", ".../a .../b"),
        ("A/m^2", "A/m^2"),
        ("1/V", "1/V"),
        ("runs/one", "runs/one"),
        ("a / b", "a / b"),
        ("/", "/"),
        ("https://example.org/x", "https://example.org/x"),
    ],
)
def test_places_are_cut_down(text, shown):
    assert without_places(text) == shown


@given(st.text(max_size=60))
def test_cutting_places_twice_changes_nothing_more(text):
    assert without_places(without_places(text)) == without_places(text)


def test_hashes(tmp_path):
    (tmp_path / "x").write_bytes("µ".encode() * 100_000)
    digest = hashlib.sha256("µ".encode() * 100_000).hexdigest()
    assert sha256_file(tmp_path / "x") == sha256_text("µ" * 100_000) == digest
    with pytest.raises(DataError, match="can't read"):
        sha256_file(tmp_path / "absent")


def test_stopwatch_adds_up_and_counts_failures():
    watch = Stopwatch()
    with watch("sample"):
        time.sleep(0.01)
    with pytest.raises(KeyError), watch("read"):
        raise KeyError
    first = watch.durations["sample"]
    with watch("sample"):
        time.sleep(0.01)
    assert list(watch.durations) == ["sample", "read"]
    assert watch.durations["sample"] >= first + 0.009 >= 0.018
    assert 0 <= watch.durations["read"] < 5


def test_json_knows_numpy_and_has_no_nan():
    text = to_json({"b": np.arange(3), "a": [np.float32(0.5), np.nan, -np.inf, None, True, np.bool_(False)]})
    assert json.loads(text) == {"b": [0, 1, 2], "a": [0.5, None, None, None, True, False]}
    assert list(json.loads(text)) == ["b", "a"]
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [{1: 2}, {"x": object()}, {"x": {1, 2}}, {"x": b"bytes"}, {"x": 1j}])
def test_json_refuses_the_rest(value):
    with pytest.raises(TypeError):
        to_json(value)
