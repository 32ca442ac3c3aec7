"""`ftj-spice periphery macromodel`: what it refuses, and what stays on the screen."""

import pytest
from cli_support import spawn

from ftj_spice.cli.progress import progress_bars
from ftj_spice.common.errors import SettingsError


@pytest.mark.parametrize(
    ("circuit", "more", "sentence"),
    [
        ("tia_fast", (), "take a card whose cells carry such currents"),
        ("integratr_sar", (), "did you mean 'integrator_sar'"),
        ("r2r_dac", (), "neither reads a column nor converts nor decides"),
        ("strongarm", ("--draws", "1"), "3 draws at least"),
    ],
)
def test_refusals_are_one_sentence(tmp_path, circuit, more, sentence):
    out = tmp_path / "m.json"
    outcome = spawn("periphery", "macromodel", circuit, "-o", str(out), *more, cwd=tmp_path)
    assert outcome.code == 2 and sentence in outcome.err
    assert "Traceback" not in outcome.err and not out.exists() and list(tmp_path.iterdir()) == []


def test_a_bar_that_will_not_be_finished_goes(capfd):
    with pytest.raises(SettingsError), progress_bars({}, quiet=False) as observer:
        observer("whole", 3, 3)
        observer("begun", 1, 4)
        raise SettingsError("no")
    left = capfd.readouterr().err
    assert "whole" in left and "begun" not in left.splitlines()[-1]
