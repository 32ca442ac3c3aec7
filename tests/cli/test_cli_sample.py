"""`ftj-spice sample` on the command line."""

import json
import tomllib

import numpy as np
import pytest
from cli_support import TILES, TINY

from ftj_spice.studies.sample_map.settings import MapSettings

QUICK = ("--set", "columns=2", "--set", "samples=64", "--set", "transitions=1e5", "--set", "sample.rows=3",
         "--set", "audit_samples=2", "--audit", "1")  # fmt: skip


@pytest.fixture(autouse=True)
def few_plots(monkeypatch):
    """Maps of one figure only: drawing takes longer than everything else here."""
    monkeypatch.setattr("ftj_spice.studies.sample_map.plots.DRAWN", ("distance",))


SWEEPS = ("--sweep-voltage", "1.4:1.6:2", "--sweep-time", "1ms:5ms:2")


def test_maps_and_says_what_came_out(call, tmp_path):
    done = call("sample", *SWEEPS, "-o", "map", "--goal", "fastest", "--seed", "3", *QUICK)
    assert done.code == 0, done.err
    assert "4 operating points" in done.out
    assert "simulation over closed form: largest of 60 deviations" in done.out
    assert "audit: 1 random points against ngspice" in done.out
    assert "\nfastest: " in done.out
    assert "reads go in the direction of the stored polarization" in done.out
    assert "open map/report.html; the figures are in map/map.csv" in done.out
    again = call("sample", "-o", "map", *QUICK)
    assert "map exists" in again.sentence()
    words = ("sample", *SWEEPS, "-o", "map", "--goal", "fastest", "--seed", "3", "--force", "--quiet", "--json")
    quiet = call(*words, *QUICK)
    assert quiet.code == 0 and quiet.err == ""
    assert json.loads(quiet.out) == json.loads((tmp_path / "map/metrics.json").read_text())


def test_one_point_without_sweeps_and_warnings_on_standard_error(call):
    done = call("sample", "--set", "sample.voltage=1.9", *QUICK)
    assert done.code == 0, done.err
    assert "warning: the noise of card 'hzo_mfis_nominal' is given for 1.2 to 1.8 V" in done.err
    assert "effective bits each" in done.out


def test_settings_are_printed_and_read_back(call, tmp_path):
    shown = call("sample", "--show-settings")
    assert shown.code == 0
    MapSettings.parse(tomllib.loads(shown.out), "shown")
    (tmp_path / "m.toml").write_text('sweep_time = "1ms:5ms:2"\ncolumns = 2\nsamples = 64\naudit = 0\n')
    done = call("sample", "--config", "m.toml", "-o", "line", "--json", "--quiet")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["times_s"]) == 2


CALIBRATION = ("--set", "latents=4", "--set", "spare=1", "--set", "arrays=1", "--set", "redundancy=[2]", "--set",
               "sample.rows=2", "--set", 'scenarios=["none"]', "--set", "check_windows=256", "--set", "scan_windows=64",
               "--set", "temperatures=[]", "--set", "memories=[]", "--audit", "0")  # fmt: skip


def test_a_stored_calibration_gives_latents_and_images(call, tmp_path):
    done = call("sample", "--calibrate", "-o", "it's", *CALIBRATION, "--quiet")
    assert done.code == 0, done.err
    file = "it's/calibration.npz"
    done = call("sample", "--calibration", file, "-n", "200", "--seed", "2", "--audit", "1", "-o", "drawn")
    assert done.code == 0, done.err
    assert "200 vectors of 4 latents" in done.out and "audit passes" in done.out
    assert "open drawn/report.html; the latents are in drawn/latents.npy" in done.out
    latents = np.load(tmp_path / "drawn/latents.npy")
    assert latents.shape == (200, 4)
    words = ("--calibration", file, "--seed", "2", "--set", TINY, *TILES, "--audit", "4")
    done = call("generate", "-n", "5", *words, "-o", "images", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["latents"]["source"] == "calibrated array"
    assert "sample phase (calibrated array)" in done.err
    np.testing.assert_array_equal(np.load(tmp_path / "images/latents.npy"), latents[:5])
    rows = json.loads(call("replay", "images", "--json").out)
    assert any(row["netlist"].startswith("column") for row in rows) and all(row["agrees"] for row in rows)
    again = call("sample", "--calibration", file, "-n", "200", "--audit", "0", "--set", "seed=2", "-o", "d2", "--json")
    assert json.loads(again.out)["latents"]["count"] == 800
    assert (tmp_path / "d2/latents.npy").read_bytes() == (tmp_path / "drawn/latents.npy").read_bytes()


def test_settings_of_a_draw_are_printed(call):
    shown = call("sample", "--calibration", "some.npz", "--show-settings")
    assert shown.code == 0 and tomllib.loads(shown.out)["samples"] == 10_000


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--sweep-voltage", "1.8:1.2:3"), "must go upwards, got 1.8 to 1.2 V"),
        (("--sweep-time", "1ms:5ms:1"), "2 points at least"),
        (("--sweep-time", "1ms:5parsec:3"), "unit 'parsec' does not fit"),
        (("--sweep-voltage", "0:1:3"), "above 0 V"),
        (("--sweep-voltage", "1:3:3"), "less than or equal to 2.5"),
        (("--goal", "cheap"), "'lowest-energy'"),
        (("--calibrate", "--goal", "fastest"), "--goal does not go with --calibrate"),
        (("--calibration", "a.npz", "--calibrate"), "--calibrate does not go with --calibration"),
        (("--calibration", "a.npz", "--sweep-time", "1ms:5ms:2"), "--sweep-time does not go with --calibration"),
        (("-n", "5"), "-n goes with --calibration only"),
        (("--set", "limits.distance=0"), "limits.distance"),
        (("-j", "-1"), "jobs must lie between 1"),
        (("--card", "nope"), "no device card named 'nope'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(call, tmp_path, words, reason):
    done = call("sample", "-o", "bad", *words)
    assert done.code == 2
    assert reason in done.sentence()
    assert not list(tmp_path.iterdir())
