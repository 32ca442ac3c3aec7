"""The programming study: files, metrics, bad input, what is told before it starts."""

import json

import numpy as np
import pytest

from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.studies.program import estimate, load_program_settings, program

LEVELS = np.arange(40).reshape(5, 8) % 16


def test_a_run_leaves_everything(tmp_path):
    np.save(tmp_path / "W.npy", LEVELS)
    seen = []
    stuck = np.zeros(LEVELS.shape, np.int8)
    stuck[1, 2], stuck[4, 0] = -1, 1
    study = program(
        tmp_path / "W.npy", tmp_path / "run", seed=3, jobs=1, stuck=stuck, observer=lambda *told: seen.append(told)
    )
    run = tmp_path / "run"
    assert study.path == run
    names = {p.name for p in run.iterdir()}
    assert {"conductance.npy", "pulses.npy", "energy.npy", "target.npy", "failed.csv", "metrics.json", "manifest.json",
            "report.html", "card.toml"} <= names  # fmt: skip
    np.testing.assert_array_equal(np.load(run / "conductance.npy"), study.result.conductance)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["failed"] == 2
    assert metrics["stuck"] == {
        "devices": 2, "listed": 2, "holding_their_target": 0, "listed_as_stuck_but_not": 0,
    }  # fmt: skip
    assert metrics["within_tolerance"] == pytest.approx(38 / 40)
    assert metrics["verify_against_whole_array"]["largest_steps"] < 1e-3
    lines = (run / "failed.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["1", "2"], ["4", "0"]]
    assert all(line.endswith(",stuck") for line in lines[1:])
    page = (run / "report.html").read_text()
    assert "row 4" in page or "stuck" in page
    assert page.count("<figure>") >= 6
    assert ("program", 5, 5) in seen
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["program"] == "ftj-spice"
    with pytest.raises(OutputError, match="exists"):
        program(tmp_path / "W.npy", run)


def test_threads_do_not_change_the_result():
    a, b = (program(LEVELS, seed=1, jobs=jobs).result for jobs in (1, 2))
    assert a.conductance.tobytes() == b.conductance.tobytes()


def test_ngspice_and_fast_agree_through_the_study():
    settings = ProgramSettings.parse(
        {"groups": 4, "levels": 4, "set": {"start": 2.4, "step": 0.2, "limit": 4.0},
         "reset": {"start": 1.4, "step": 0.1, "limit": 4.0}}, "test",
    )  # fmt: skip
    target = np.array([[3, 1]])
    fast = program(target, settings=settings, seed=2)
    spice = program(target, settings=settings, seed=2, engine="ngspice")
    assert np.array_equal(fast.result.pulses, spice.result.pulses)
    assert spice.metrics["engine"].startswith("ngspice")
    assert "verify_against_whole_array" not in spice.metrics


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not a whole .npy"),
        (b"\x93NUMPY", "not a whole .npy"),
        (b"hello", "not a whole .npy"),
        (None, "can't read"),
    ],
)
def test_damaged_files(tmp_path, content, word):
    path = tmp_path / "W.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=word):
        program(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pickles_and_archives_are_refused(tmp_path):
    np.save(tmp_path / "p.npy", np.array([[{}]], object), allow_pickle=True)
    np.savez(tmp_path / "z.npz", a=LEVELS)
    for name, word in (("p.npy", "must be real numbers"), ("z.npz", "not a whole .npy")):
        with pytest.raises(DataError, match=word):
            program(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"engine": "spectre"}, "unknown engine"),
        ({"unit": "volts"}, "unit must be"),
        ({"seed": -1}, "seed must be a whole number"),
        (
            {"settings": ProgramSettings(card="high_current", line_resistance=1e9)},
            "of a read's voltage for the farthest",
        ),
        ({"settings": ProgramSettings(line_resistance=1e9)}, "nothing can be written"),
        ({"jobs": 5000}, "jobs"),
        ({"settings": ProgramSettings(card="no_such_card")}, "no device card"),
    ],
)
def test_wrong_options(options, word):
    with pytest.raises(SettingsError, match=word):
        program(LEVELS, **options)


def test_out_of_reach_is_told_with_the_estimate():
    big = np.broadcast_to(np.int64(3), (20_000, 20_000))
    with pytest.raises(SettingsError, match=r"GB and .* hours"):
        program(big, unit="level")
    with pytest.raises(SettingsError, match="hours"):
        program(np.zeros((9, 9), int), engine="ngspice")
    memory, seconds = estimate((256, 256), load_card("hzo_mfis_nominal"), ProgramSettings())
    assert 1e7 < memory < 1e9
    assert 3 < seconds < 60


def test_one_value_of_a_staircase_keeps_the_others(tmp_path):
    settings = load_program_settings(changes=["set.step=0.05", "scheme=v2"])
    assert settings.set.step == 0.05
    assert settings.set.limit == ProgramSettings().set.limit
    path = tmp_path / "p.toml"
    path.write_text("tolerance = 0.1\n[reset]\nstart = 1.0\n")
    assert load_program_settings(path).reset.start == 1.0
    with pytest.raises(SettingsError, match="tolerance"):
        load_program_settings(changes=["tolerence=1"])


def test_the_target_is_never_replaced(tmp_path):
    first = program(LEVELS, tmp_path / "run")
    np.save(tmp_path / "run" / "W.npy", LEVELS)
    with pytest.raises(OutputError, match="would be replaced"):
        program(tmp_path / "run" / "W.npy", tmp_path / "run", force=True)
    assert (tmp_path / "run" / "W.npy").exists() and first.path is not None


def test_ragged_targets_are_one_sentence():
    with pytest.raises(DataError, match="matrix of numbers"):
        program([[1, 2], [3]])  # type: ignore[arg-type]
