"""`ftj-spice characterize`, with coarse settings."""

import json

import pytest
import typer
from typer.testing import CliRunner

from ftj_spice.cli import characterize as verb
from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.studies import characterize as study
from ftj_spice.studies.datasheet.settings import DatasheetSettings

COARSE = DatasheetSettings(
    levels=2, voltages=8, temperatures=(300.0, 350.0), loop_points=80, minor_loops=1, coercive_decades=3, reversals=1,
    amplitudes=2, width_decades=2, widths_per_decade=1, pulses=4, stochastic_cells=1, trace_dwells=4, dwells=100,
    spectrum_segments=8, cells=20, coercive_cells=2,
)  # fmt: skip


@pytest.fixture
def call(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "DatasheetSettings", lambda: COARSE)
    monkeypatch.setattr(study, "figures", lambda sheet: {})  # drawing has tests of its own and takes long
    monkeypatch.setattr(study, "render", lambda sheet, drawn: "")
    app = typer.Typer()
    verb.register(app)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_writes_a_folder_and_says_where(call, tmp_path):
    done = call("accelerated", "-o", "sheet", "--seed", "5")
    assert done.exit_code == 0, done.output
    assert "sheet/datasheet.html" in done.output
    assert json.loads((tmp_path / "sheet/datasheet.json").read_text())["seed"] == 5
    again = call("accelerated", "-o", "sheet")
    assert isinstance(again.exception, OutputError)
    done = call("accelerated", "-o", "sheet", "--force", "--quiet", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == json.loads((tmp_path / "sheet/datasheet.json").read_text())


def test_what_is_wrong_is_told_and_nothing_is_left(call, tmp_path):
    for words in (("no_such_card",), ("accelerated", "--engine", "hspice")):
        assert isinstance(call(*words, "--quiet").exception, SettingsError)
    assert call("--seed", "-1").exit_code == 2
    assert list(tmp_path.iterdir()) == []
