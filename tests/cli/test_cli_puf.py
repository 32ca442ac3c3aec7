"""`ftj-spice puf`."""

import json

import pytest

from ftj_spice.studies.fingerprint import study

QUICK = ("--chips", "3", "--challenges", "8", "--set", "rows=8", "--set", "columns=6", "--set", "temperatures=[253]",
         "--set", "cycles=[10]", "--set", "attacked=0", "--set", "repeats=2")  # fmt: skip


def test_a_fingerprint(call, tmp_path):
    outcome = call("puf", *QUICK, "--audit", "1", "-o", "run")
    assert outcome.code == 0
    assert "3 chips of 8 x 6 pristine cells, 24 bits each" in outcome.out
    assert "uniqueness" in outcome.out and "audit: largest deviation" in outcome.out
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["command"][:2] == ["ftj-spice", "puf"]
    assert "exists" in call("puf", *QUICK, "-o", "run", "--quiet").sentence()


def test_json_settings_files_and_seeds(call, tmp_path):
    shown = call("puf", "--show-settings")
    (tmp_path / "mine.toml").write_text(shown.out)
    words = ("puf", *QUICK, "--audit", "0", "--quiet", "--config", "mine.toml")
    one, two = call(*words, "--json", "--seed", "1", "-o", "a"), call(*words, "--seed", "2", "-o", "b")
    assert one.code == 0 and one.err == "" and (two.out, two.err, two.code) == ("", "", 0)
    first, second = json.loads(one.out), json.loads((tmp_path / "b" / "metrics.json").read_text())
    assert first["array"]["bits"] == 24 and "audit" not in first
    assert first["uniformity"]["mean"] != second["uniformity"]["mean"]


def test_an_audit_beyond_its_limit_is_in_the_exit_status(call, tmp_path, monkeypatch):
    strict = study.audit_reads
    monkeypatch.setattr(study, "audit_reads", lambda kept, reader, progress=None: strict(kept, reader, -1.0, progress))
    outcome = call("puf", *QUICK, "--audit", "1", "-o", "run")
    assert outcome.code == 1 and "the audit found a deviation beyond its limit" in outcome.err
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["passes"] is False


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--chips", "1"), "'chips'"),
        (("--set", "columns=7"), "'columns' must be an even number"),
        (("--challenges", "1000000"), "'challenges'"),
        (("--card", "hzo_mfis_nominl"), "did you mean 'hzo_mfis_nominal'"),
        (("--set", "spread=0"), "pristine cells carry no fingerprint"),
        (("-j", "-1"), "jobs must lie between 1 and"),
        (("--config", "missing.toml"), "can't read the settings file missing.toml"),
        (("--set", "line_resistance=-1"), "'line_resistance'"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(call, tmp_path, words, sentence):
    assert sentence in call("puf", *words, "-o", "run", "--quiet").sentence()
    assert list(tmp_path.iterdir()) == []
