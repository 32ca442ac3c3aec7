"""`ftj-spice vmm`: its run replays, its audit is told beforehand and never lost."""

import json

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.studies.settings import load_settings
from ftj_spice.studies.vmm import vmm


@pytest.fixture
def files(call, tmp_path):
    """The tests run in this folder."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "W.npy", rng.normal(size=(6, 4)))
    return tmp_path


WORDS = ("vmm", "--weights", "W.npy", "--vectors", "3", "--no-budget", "--set", "read.tile_rows=4")


@pytest.mark.parametrize("engine", ["fast", "ngspice"])
@pytest.mark.parametrize("topology", ["crossbar", "1t1f"])
def test_a_run_replays(call, files, engine, topology):
    words = ("--engine", engine, "--set", f"read.topology={topology}", "--audit", "5", "-o", "run")
    told = call(*WORDS, *words)
    assert told.code == 0, told.err
    assert told.out.endswith("open run/report.html; check with: ftj-spice replay run\n")
    assert ("audit: largest deviation" in told.out) == (engine == "fast")
    assert ("no audit: ngspice itself read the arrays" in told.out) == (engine == "ngspice")
    rows = json.loads(call("replay", "run", "--json").out)
    assert {row["netlist"] for row in rows} == {"read_tile000.cir", "read_tile001.cir"}
    assert sum(row["points"] for row in rows) == 5 * 8 and all(row["agrees"] for row in rows)
    assert max(row["deviation"] for row in rows) < 1e-6


def test_a_replay_finds_another_current(call, files):
    from ftj_spice.results.datasets import read_dataset, write_dataset

    assert call(*WORDS, "--audit", "2", "-o", "run", "--quiet").code == 0
    stored = read_dataset(files / "run" / "columns.h5")
    variables = {name: (v.dims, v.to_numpy(), v.attrs) for name, v in stored.variables.items()}
    name = next(name for name in variables if name.endswith("_current"))
    dims, values, attributes = variables[name]
    variables[name] = (dims, values * 1.001, attributes)
    write_dataset(files / "run" / "columns.h5", variables, {})
    told = call("replay", "run")
    assert told.code == 1 and "DIFFERS" in told.out


def test_a_run_without_netlists_has_nothing_to_replay(call, files):
    told = call(*WORDS, "--audit", "0", "-o", "run")
    assert "replay" not in told.out and not (files / "run" / "netlists").exists()
    assert call("replay", "run").sentence() == "run: this run has no netlists to replay"


def test_an_audit_out_of_reach_is_refused_before_the_product(files):
    seen = []
    with pytest.raises(SettingsError, match=r"the audit would take ngspice .* 6 x 8 cells, .*--audit 0"):
        vmm("W.npy", settings=load_settings(changes=("engine.time_limit=1e-9",)), out="run",
            observer=lambda *step: seen.append(step))  # fmt: skip
    assert seen == [] and [path.name for path in files.iterdir()] == ["W.npy"]


def test_long_runs_are_announced_once(call, files, monkeypatch):
    monkeypatch.setattr("ftj_spice.studies.vmm_estimate.LONG", 0.001)
    words = (*WORDS, "--vectors", "9", "--engine", "ngspice", "--audit", "0", "-o")
    assert call(*words, "run").err.startswith("ftj-spice: ngspice will take about 0 seconds for ")
    assert call(*words, "quiet", "--quiet").err == ""
    assert call(*WORDS, "--audit", "9", "-o", "fast").err.startswith("ftj-spice: the audit will take ngspice about")


def test_help_gives_defaults(call):
    text = " ".join(call("vmm", "--help").out.split())
    for default in ("(fast)", "(8)", "(0)"):
        assert f"[default: {default}]" in text
    told = call("generate", "--help").out
    assert "transients" in told and "[default: (8)]" in told
