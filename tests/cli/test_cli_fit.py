"""`ftj-spice fit` as a user calls it."""

import json

import numpy as np
import pytest

from ftj_spice.device.card import load_card
from ftj_spice.device.fitting import synthetic

TRUE = load_card("hzo_mfis_nominal")
IV = synthetic.iv_table(TRUE, np.linspace(0.2, 1.5, 10), [-1, 1], [300], 0.03, 1)


@pytest.fixture
def iv(tmp_path):
    (tmp_path / "iv.csv").write_text(IV, encoding="utf-8")
    return tmp_path / "iv.csv"


def test_a_card_and_plots_come_out(call, tmp_path, iv):
    outcome = call("fit", "--iv", "iv.csv", "--name", "my_junction", "--area", "1 um^2", "-o", "my.toml", "--plot", "p")
    assert outcome.code == 0, outcome.err
    assert "iv: 20 points of iv.csv" in outcome.out
    assert "on_off_ratio" in outcome.out
    assert "my.toml: written" in outcome.out
    assert load_card(tmp_path / "my.toml").name == "my_junction"
    assert (tmp_path / "p" / "fit_iv.png").is_file()
    assert "exists" in call("fit", "--iv", "iv.csv", "-o", "my.toml").sentence()
    assert call("fit", "--iv", "iv.csv", "-o", "my.toml", "--force", "--quiet").out == ""


def test_a_file_name_is_no_formula(call, tmp_path):
    name = r"r$\bad$.csv"
    content = synthetic.retention_table(TRUE, np.geomspace(1, 1e7, 30), 0.002, 1)
    (tmp_path / name).write_text(content, encoding="utf-8")
    outcome = call("fit", "--retention", name, "--plot", "p", "-o", "x.toml")
    assert outcome.code == 0, outcome.err
    assert f"30 points of {name}" in outcome.out
    assert (tmp_path / "p" / "fit_retention.png").is_file()


def test_json(call, iv):
    outcome = call("fit", "--iv", "iv.csv", "--json")
    assert outcome.code == 0, outcome.err
    data = json.loads(outcome.out)
    entry = data["parameters"]["on_off_ratio"]
    assert entry["low"] < entry["value"] < entry["high"]
    assert data["fits"]["iv"]["points"] == 20


def test_columns_and_units_by_option(call, tmp_path):
    text = IV.replace("voltage [V],current [nA]", '"Vg [mine]",Id')
    (tmp_path / "odd.csv").write_text(text, encoding="utf-8")
    words = [
        "--column",
        "voltage=Vg [mine]",
        "--unit",
        "voltage=V",
        "--column",
        "iv.current=Id",
        "--unit",
        "current=nA",
    ]
    outcome = call("fit", "--iv", "odd.csv", *words, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["parameters"]["on_current_density"]["value"] == pytest.approx(1e3, rel=0.1)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, "nothing to fit: give at least one of --iv"),
        (["--iv", "none.csv"], 1, "can't read none.csv: no such file or directory"),
        (["--iv", "iv.csv", "--fix", "capture_time"], 2, "--fix capture_time"),
        (["--iv", "bad.csv"], 1, "bad.csv:3:5: column 'current': 'oops' is not a finite number"),
        (["--iv", "iv.csv", "--name", "Bad Name"], 2, "'name'"),
        (["--iv", "iv.csv", "--iv", "./iv.csv"], 1, "iv.csv: the same table as iv.csv; give it once"),
        (["--iv", "iv.csv", "--plot", "iv.csv/sub", "-o", "x.toml"], 1, "can't write iv.csv/sub: iv.csv is not a fol"),
        (["--iv", "iv.csv", "-o", f"{'a' * 300}.toml"], 1, "a.toml: file name too long"),
        (["--iv"], 2, "requires an argument"),
    ],
)
def test_mistakes(call, tmp_path, iv, words, code, sentence):
    (tmp_path / "bad.csv").write_text("voltage [V],current [A],s\n1,2,1\n1.5,oops,1\n", encoding="utf-8")
    outcome = call("fit", *words)
    assert outcome.code == code
    assert sentence in outcome.sentence()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "iv.csv"]


def test_help_shows_the_columns(call):
    text = " ".join(call("fit", "--help").out.split())
    for word in ("width, amplitude", "--rtn-voltage", "# voltage = 1.5 V"):
        assert word in text
