"""`ftj-spice vmm`."""

import json

import numpy as np
import pytest

from ftj_spice.studies import vmm_product as study


@pytest.fixture
def files(call, tmp_path):
    """The tests run in this folder."""
    rng = np.random.default_rng(0)
    for name, shape in (("W", (6, 4)), ("X", (5, 6)), ("B", (4,))):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=shape))
    return tmp_path


def test_a_product(call, files):
    outcome = call("vmm", "--weights", "W.npy", "--inputs", "X.npy", "--bias", "B.npy", "-o", "run", "--audit", "2")
    assert outcome.code == 0
    assert "20 products in run/outputs.npy; rms error " in outcome.out and "audit: largest deviation" in outcome.out
    assert np.load(files / "run" / "outputs.npy").shape == (5, 4)
    manifest = json.loads((files / "run" / "manifest.json").read_text())
    assert manifest["command"][:2] == ["ftj-spice", "vmm"] and manifest["settings"]["audit"] == 2


def test_json_on_standard_output_and_nothing_else(call, files):
    words = ("vmm", "--weights", "W.npy", "--vectors", "3", "--no-budget", "--audit", "0", "--quiet", "--json")
    outcome = call(*words, "-o", "a", "--seed", "4")
    metrics = json.loads(outcome.out)
    assert outcome.code == 0 and outcome.err == ""
    assert metrics["product"]["vectors"] == 3 and "budget" not in metrics
    silent = call(*words[:-1], "-o", "b", "--seed", "4", "--engine", "ngspice", "--set", "read.adc_bits=0")
    assert (silent.out, silent.err, silent.code) == ("", "", 0)
    one, two = (np.load(files / name / "exact.npy") for name in "ab")
    np.testing.assert_array_equal(one, two)


def test_an_audit_beyond_its_limit_is_in_the_exit_status(call, files, monkeypatch):
    monkeypatch.setattr(study, "audit_reads", _strict(study.audit_reads))
    outcome = call("vmm", "--weights", "W.npy", "--inputs", "X.npy", "--no-budget", "-o", "run")
    assert outcome.code == 1
    assert "the audit found a deviation beyond its limit" in outcome.err
    assert json.loads((files / "run" / "metrics.json").read_text())["audit"]["passes"] is False
    assert "BEYOND" in (files / "run" / "report.html").read_text()


def _strict(audit_reads):
    def audit(kept, reader, progress=None):
        return audit_reads(kept, reader, -1.0, progress)

    return audit


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--weights", "missing.npy"), "can't read weights from missing.npy: No such file or directory"),
        (("--weights", "X.npy", "--inputs", "X.npy"), "X.npy: inputs must have shape (batch, 5) to fit the weights"),
        (("--weights", "W.npy", "--set", "read.tile_rows=0"), "'read.tile_rows'"),
        (("--weights", "W.npy", "--set", "read.line_resistance=-1"), "'read.line_resistance'"),
        (("--weights", "W.npy", "--set", "read.line_resistance=1e9"), "'read.line_resistance'"),
        (("--weights", "W.npy", "--set", "read.high=1.5"), "'read.high'"),
        (("--weights", "W.npy", "--engine", "spectre"), "'engine.read'"),
        (("--weights", "W.npy", "--vectors", "0"), "the number of random input vectors must be at least 1, got 0"),
        (("--weights", "W.npy", "-j", "-1"), "jobs must lie between 1 and"),
        (("--weights", "mnist"), "--weights mnist: give a .npy file, or a decoder's layer, such as mnist:2"),
        (("--weights", "mnist:9"), "layers of mnist are numbered 1 to 3"),
        (("--weights", "other:1"), "no shipped decoder is called 'other'"),
        ((), "missing option '--weights'"),
        (
            ("--weights", "W.npy", "--set", "card=high_current", "--set", "read.driver_resistance=1e9"),
            "next to nothing reaches the far end of the lines",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(call, files, words, sentence):
    before = sorted(files.iterdir())
    outcome = call("vmm", *words, "-o", "run", "--quiet")
    assert sentence in outcome.sentence()
    assert sorted(files.iterdir()) == before
