"""`ftj-spice program` on the command line."""

import json
import tomllib

import numpy as np

from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.studies.program import load_program_settings

QUICK = ("--set", "groups=8")


def test_writes_a_run_and_says_what_next(call, tmp_path):
    np.save("W.npy", np.arange(12).reshape(3, 4))
    done = call("program", "--target", "W.npy", "-o", "run", "--seed", "4", *QUICK)
    assert done.code == 0, done.err
    assert "12 cells to 16 levels (level in)" in done.out
    assert "no cell failed" in done.out
    assert "run/report.html" in done.out
    assert (tmp_path / "run/conductance.npy").exists()
    again = call("program", "--target", "W.npy", "-o", "run")
    assert "exists" in again.sentence()
    quiet = call("program", "--target", "W.npy", "-o", "run", "--force", "--quiet", "--json", "--seed", "4", *QUICK)
    assert quiet.code == 0
    assert json.loads(quiet.out) == json.loads((tmp_path / "run/metrics.json").read_text())


def test_failed_cells_are_told_and_strict_makes_them_an_error(call):
    np.save("W.npy", np.full((4, 5), 7))
    words = ("program", "--target", "W.npy", "--stuck", "0.2", "--force", *QUICK)
    lenient = call(*words)
    assert lenient.code == 0
    assert "4 cells failed (4 stuck): see ftj-program/failed.csv" in lenient.out
    strict = call(*words, "--strict")
    assert strict.code == 1
    assert "4 of 20 cells failed" in strict.err


def test_bad_input_is_one_sentence_and_leaves_nothing(call, tmp_path):
    np.save("nan.npy", np.array([[np.nan, 1e-11]]))
    np.save("far.npy", np.array([[1.0, 1e-11]]))
    np.save("empty.npy", np.zeros((0, 4)))
    np.save("W.npy", np.zeros((6, 6), int))
    for words, part in (
        (("--target", "nan.npy"), "finite"),
        (("--target", "far.npy"), "window"),
        (("--target", "empty.npy"), "shape (rows, columns)"),
        (("--target", "no.npy"), "can't read"),
        (("--target", "W.npy", "--scheme", "v4"), "scheme"),
        (("--target", "W.npy", "--scheme", "inhibit"), "transistors"),
        (("--target", "W.npy", "--engine", "ngspice"), "at most 32"),
        (("--target", "W.npy", "--set", "set.stop=1"), "set.stop"),
        (("--target", "W.npy", "--levels", "1"), "levels"),
        ((), "--target"),
    ):
        told = call("program", *words, "-o", "run")
        assert part in told.sentence(), (words, told.err)
        assert not (tmp_path / "run").exists()


def test_settings_can_be_shown_and_read_again(call, tmp_path):
    shown = call("program", "--show-settings")
    assert shown.code == 0
    assert tomllib.loads(shown.out)["scheme"] == "v3"
    (tmp_path / "p.toml").write_text(shown.out)
    assert load_program_settings(tmp_path / "p.toml") == ProgramSettings()


def test_help_has_examples(call):
    told = call("program", "--help")
    assert told.code == 0
    assert "--engine ngspice" in told.out
