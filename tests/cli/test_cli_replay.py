import json
import re
import shutil
from pathlib import Path

import pytest
from cli_support import QUICK, TINY

from ftj_spice.results.manifest import sha256_text


@pytest.fixture
def copy(small_run, tmp_path) -> Path:
    run, _ = small_run
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


def vouch(run: Path, name: str, text: str) -> None:
    """Writes a netlist and makes the manifest vouch for it."""
    (run / "netlists" / name).write_text(text)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["netlists"][name] = sha256_text(text)
    (run / "manifest.json").write_text(json.dumps(manifest))


def test_every_netlist_reproduces_the_stored_currents(call, copy):
    told = call("replay", "run", "-j", "2", "--json")
    assert told.code == 0, told.err
    rows = json.loads(told.out)
    assert {row["netlist"] for row in rows} == {path.name for path in (copy / "netlists").iterdir()}
    assert all(row["agrees"] and row["points"] for row in rows)
    assert max(row["deviation"] for row in rows if row["netlist"].startswith("read")) < 1e-7
    assert sum(row["points"] for row in rows if row["netlist"].startswith("sample")) == 3 * 4
    assert any(row["netlist"].startswith("read_layer0") for row in rows)
    assert any(row["netlist"].startswith("read_layer1") for row in rows)


def test_fast_and_ngspice_runs_replay_too(call, tmp_path):
    for engine in ("fast", "ngspice"):
        assert call("generate", *QUICK, "--engine", engine, "-o", engine, "--quiet").code == 0
        rows = json.loads(call("replay", engine, "--json").out)
        assert all(row["agrees"] for row in rows)
        assert {row["netlist"][:4] for row in rows} == {"samp", "read"}


def a_read(run: Path) -> Path:
    """Returns the netlist of some read of the second layer."""
    return min((run / "netlists").glob("read_layer1_*.cir"))


def keep_only(run: Path, *names: str) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["netlists"] = {name: manifest["netlists"][name] for name in names}
    (run / "manifest.json").write_text(json.dumps(manifest))


def test_changed_netlist_is_refused(call, copy):
    path = a_read(copy)
    path.write_text(path.read_text() + "* one more line\n")
    assert f"{path.name} was changed since the run" in call("replay", "run", "--quiet").sentence()
    path.write_bytes(b"\xff\xfe")
    assert f"{path.name} was changed since the run" in call("replay", "run", "--quiet").sentence()
    path.unlink()
    assert f"{path.name}: No such file" in call("replay", "run", "--quiet").sentence()


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [("read", r"(?m)^(bc\d+_\d+ \S+ \S+ i=)", r"\g<1>1.01*"), ("sample", r"dc 1\.5\b", "dc 1.49")],
)
def test_another_circuit_differs(call, copy, kind, old, new):
    """The comparison itself, not only the checksum, finds a netlist that is not the run's."""
    name = a_read(copy).name if kind == "read" else "sample_column02_00.cir"
    text = (copy / "netlists" / name).read_text()
    assert re.search(old, text)
    vouch(copy, name, re.sub(old, new, text))
    keep_only(copy, "sample_column01_00.cir", name)
    told = call("replay", "run", "--quiet")
    assert told.code == 1
    assert told.err == ""
    (line,) = told.out.splitlines()
    assert line.startswith(name)
    assert "DIFFERS" in line


@pytest.mark.parametrize("line", [
    ".control\nshell touch oops\n.endc", "  .CONTROL", "*# shell touch oops", ".include /etc/passwd", ".lib x.lib y",
    "a1 in out model", "n1 a b model",
])  # fmt: skip
def test_netlist_that_could_do_more_than_simulate_is_not_run(call, copy, tmp_path, line):
    """A manifest vouches for its own directory only: one that comes from elsewhere may hold anything."""
    name = "sample_column02_00.cir"
    text = (copy / "netlists" / name).read_text()
    vouch(copy, name, text.replace("\n.end", f"\n{line}\n.end"))
    keep_only(copy, name)
    assert "is nothing that a run writes; it is not replayed" in call("replay", "run", "--quiet").sentence()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("title", ["*ng_script", "*ng_script_with_params", "shell touch oops", ""])
def test_title_that_makes_a_command_file_is_not_run(call, copy, tmp_path, title):
    name = "sample_column02_00.cir"
    rest = (copy / "netlists" / name).read_text().split("\n", 1)[1]
    vouch(copy, name, f"{title}\nshell touch oops\n{rest}")
    keep_only(copy, name)
    assert "line 1: " in call("replay", "run", "--quiet").sentence()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def change(run: Path, **fields: object) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, **fields}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"netlists": {}}, "run: this run has no netlists to replay"),
        ({"netlists": {"../../x.cir": "0"}}, "names a netlist '../../x.cir' that generate and vmm don't write"),
        ({"netlists": {"sample_x.cir": "0"}}, "names a netlist"),
        ({"netlists": []}, "is not the manifest of a run"),
        ({"settings": {"samples": 0}}, "'samples'"),
        ({"settings": 3}, "manifest.json"),
        ({"card": {}}, "manifest.json: card"),
    ],
)
def test_manifest_that_does_not_fit(call, copy, fields, words):
    change(copy, **fields)
    assert words in call("replay", "run", "--quiet").sentence()


def test_damaged_run(call, copy):
    content = (copy / "columns.h5").read_bytes()
    (copy / "columns.h5").write_bytes(content[:1000])
    assert "columns.h5" in call("replay", "run", "--quiet").sentence()
    (copy / "columns.h5").unlink()
    assert "columns.h5: no such file" in call("replay", "run", "--quiet").sentence()
    (copy / "manifest.json").write_text("{")
    assert "is not the manifest of a run" in call("replay", "run", "--quiet").sentence()


def test_netlist_of_another_run(call, copy):
    """A file that is in order by itself, but gives other vectors than its name says."""
    text = (copy / "netlists" / "sample_column02_00.cir").read_text()
    name = a_read(copy).name
    vouch(copy, name, text)
    keep_only(copy, name)
    assert "does not belong to this run" in call("replay", "run", "--quiet").sentence()


def test_without_the_ngspice_command(call, copy, monkeypatch):
    monkeypatch.setenv("PATH", str(copy))
    assert "the ngspice command is not installed" in call("replay", "run").sentence()
    monkeypatch.setenv("FTJ_SPICE_NGSPICE", "/nonsense/ngspice")
    assert "FTJ_SPICE_NGSPICE names /nonsense/ngspice" in call("replay", "run").sentence()


def test_ngspice_that_fails(call, copy, tmp_path, monkeypatch):
    (tmp_path / "ngspice").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    (tmp_path / "ngspice").chmod(0o755)
    monkeypatch.setenv("FTJ_SPICE_NGSPICE", str(tmp_path / "ngspice"))
    sentence = call("replay", "run", "--quiet").sentence()
    assert sentence.startswith("ngspice -b refuses")
    assert sentence.endswith("(status 3): broken")


def test_run_with_a_card_of_its_own_needs_neither_its_file_nor_its_folder(call, tmp_path):
    from ftj_spice.common import resources

    card = (resources.models() / "cards" / "hzo_mfis_nominal.toml").read_text()
    (tmp_path / "c.toml").write_text(card.replace('name = "hzo_mfis_nominal"', 'name = "own"'))
    words = [
        "--set",
        "sample.rows=2",
        "--set",
        f"card={tmp_path / 'c.toml'}",
        "--set",
        "sample.digitiser=comparator",
        "--set",
        TINY,
    ]
    assert call("generate", "-n", "2", *words, "-o", "run", "--quiet").code == 0
    (tmp_path / "c.toml").unlink()
    (tmp_path / "run").rename(tmp_path / "moved")
    told = call("replay", "moved")
    assert told.code == 0, told.err
    assert "sum" in json.dumps(json.loads(call("replay", "moved", "--json").out))
    assert str(tmp_path) not in (tmp_path / "moved" / "manifest.json").read_text()
