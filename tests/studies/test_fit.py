"""The fit as a job: options, the card that comes out, and files."""

import numpy as np
import pytest

from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.device.card import card_toml, load_card, parse_card
from ftj_spice.device.fitting import synthetic
from ftj_spice.device.fitting.outcome import Estimate, Outcome
from ftj_spice.studies.fit import FitOrder, FitResult, fit
from ftj_spice.studies.fit_report import fit_data, fit_text

TRUE = load_card("hzo_mfis_nominal")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    texts = {
        "iv": synthetic.iv_table(TRUE, np.linspace(0.2, 1.5, 10), [-1, 1], [300], 0.03, 1),
        "switching": synthetic.switching_table(TRUE, np.linspace(1.5, 5, 8), np.geomspace(1e-8, 1e-2, 9), 0.01, 1),
        "rtn": synthetic.rtn_table(TRUE, 1.5, 1e-4, 5000, 0.1, 1),
        "retention": synthetic.retention_table(TRUE, np.geomspace(1, 1e7, 30), 0.002, 1),
        "endurance": synthetic.endurance_table(TRUE, np.geomspace(1, 1e9, 40), 0.01, 1),
    }
    for kind, text in texts.items():
        (folder / f"{kind}.csv").write_text(text, encoding="utf-8")
    return {kind: [folder / f"{kind}.csv"] for kind in texts}


def test_a_fitted_card_round_trips(files, tmp_path):
    out = tmp_path / "mine.toml"
    result = fit(FitOrder(files, name="my_junction", area="1 um^2"), out, tmp_path / "plots")
    assert load_card(out) == result.card == parse_card(card_toml(result.card), "again")
    assert result.card.name == "my_junction"
    assert [outcome.kind for outcome in result.outcomes] == ["iv", "switching", "rtn", "retention", "endurance"]
    for outcome in result.outcomes:
        for e in outcome.estimates:
            entry = result.card.provenance[e.name]
            assert (entry.kind, entry.interval) == ("measured", (e.low, e.high))
            assert entry.source.startswith(f"fit to {outcome.kind}.csv ({outcome.points} points, ")
            assert getattr(result.card, e.name) == e.value
    assert result.card.provenance["area"].source == "set by hand"
    assert result.card.provenance["vmm_voltage"] == TRUE.provenance["vmm_voltage"]
    again = fit(FitOrder({"iv": files["iv"]}, base=str(out)))
    assert again.card.description == f"{TRUE.description}; fitted to measurements: iv"
    assert again.card.provenance["capture_time"] == result.card.provenance["capture_time"]
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
    assert set(result.written) == {out, *(tmp_path / "plots" / f"fit_{kind}.png" for kind in files)}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in result.written[1:])


def test_text_and_data_hold_every_parameter(files):
    result = fit(FitOrder({kind: files[kind] for kind in ("iv", "retention")}))
    text, data = fit_text(result), fit_data(result)
    for outcome in result.outcomes:
        for e in outcome.estimates:
            assert e.name in text
            assert data["parameters"][e.name]["value"] == e.value
            assert data["parameters"][e.name]["low"] <= e.value <= data["parameters"][e.name]["high"]
    assert data["fits"]["iv"]["points"] == 20
    assert "held: " in text
    assert result.card.name == "fitted"


def test_a_row_shows_the_largest_of_value_and_interval():
    estimate = Estimate("off_activation_energy", 3.596e-33, 0.0, 0.07)
    outcome = Outcome("iv", (estimate,), {}, {}, 9, (), (0.1, "ln(current)"), {}, (), ())
    row = fit_text(FitResult(TRUE, (outcome,))).splitlines()[1]
    assert row.split() == ["off_activation_energy", "3.596e-30", "meV", "95", "%:", "0", "to", "70"]


def test_a_table_counts_once(files, tmp_path):
    path = files["retention"][0]
    copy = tmp_path / "copy.csv"
    copy.write_text(f"# a copy\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    for again in (path, path.parent / "." / ".." / path.parent.name / path.name, copy):
        with pytest.raises(DataError, match=r"\.csv: the same table as .*retention\.csv; give it once"):
            fit(FitOrder({"retention": [path, again]}))


def test_a_file_name_that_is_no_text_comes_out_as_question_marks(files, tmp_path):
    odd = tmp_path / "r\udcff.csv"
    odd.write_bytes(files["retention"][0].read_bytes())
    result = fit(FitOrder({"retention": [odd]}), tmp_path / "x.toml", tmp_path / "plots")
    assert load_card(tmp_path / "x.toml").provenance["retention_time"].source.startswith("fit to r?.csv (30 points")
    assert "30 points of r?.csv" in fit_text(result)


def test_held_values_are_used(files):
    order = FitOrder(
        {"switching": files["switching"]}, fixed=["weibull_exponent=2", "attempt_time = 19 ns"], changes=["levels=8"]
    )
    result = fit(order)
    names = {e.name for e in result.outcomes[0].estimates}
    assert names == {"activation_exponent", "activation_mean", "activation_sigma"}
    assert result.outcomes[0].held == {"attempt_time": pytest.approx(19e-9), "weibull_exponent": 2.0}
    assert (result.card.attempt_time, result.card.levels) == (pytest.approx(19e-9), 8)
    assert result.card.provenance["attempt_time"].source == "set by hand"


def test_another_distribution_by_hand(files):
    changes = ["activation_distribution=gb2", "activation_scale=2.9 MV/cm", "gb2_a=10", "gb2_p=1", "gb2_q=1"]
    result = fit(FitOrder({"switching": files["switching"]}, changes=changes))
    assert result.card.activation_mean is None
    assert "activation_sigma" not in result.card.provenance
    assert result.card.provenance["activation_scale"].kind == "measured"
    assert parse_card(card_toml(result.card), "x") == result.card


def test_bias_of_traces_from_the_command_line(files, tmp_path):
    text = files["rtn"][0].read_text(encoding="utf-8").splitlines()[2:]
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("\n".join(text) + "\n", encoding="utf-8")
    two = [tmp_path / "a.csv", tmp_path / "b.csv"]
    result = fit(FitOrder({"rtn": two[:1]}, rtn_voltages=["1500 mV"]))
    assert result.outcomes[0].derived == {}
    with pytest.raises(SettingsError, match=r"once or once per --rtn file \(2\), not 3"):
        fit(FitOrder({"rtn": two}, rtn_voltages=["1 V"] * 3))
    with pytest.raises(SettingsError, match=r"rtn\.csv:1:13: the file gives the voltage itself"):
        fit(FitOrder({"rtn": files["rtn"]}, rtn_voltages=["1 V"]))
    with pytest.raises(DataError, match=r"a.csv:2:1: no voltage for this trace"):
        fit(FitOrder({"rtn": two[:1]}))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"files": {}}, "nothing to fit: give at least one of --iv, --switching, --rtn, --retention, --endurance"),
        ({"name": "My Card"}, "'name'"),
        ({"base": "hzo"}, "no device card named 'hzo'"),
        ({"area": "1 um"}, "--area: the unit 'um' does not fit"),
        ({"area": "big"}, "--area: 'big' is not a number"),
        ({"changes": ["levels"]}, "--set 'levels': write KEY=VALUE"),
        ({"changes": ["nonsense=1"]}, "a card has no parameter 'nonsense'"),
        ({"changes": ["area=-1"]}, "'area' must lie between 1e-18 and 1e-06 m^2, got -1"),
        ({"area": "-1 um^2"}, "'area' must lie between 1e-18 and 1e-06 m^2, got -1e-12"),
        ({"fixed": ["on_off_ratio=0.5"]}, "'on_off_ratio' must lie between 1 and 1e+09, got 0.5"),
        ({"fixed": ["capture_time"]}, "--fix capture_time: these data don't fit it; they may give"),
        ({"fixed": ["on_off_ratio=x"]}, "--fix 'on_off_ratio=x': 'x' is not a number"),
        ({"varied": ["gb2_a"]}, "--vary gb2_a: these data don't fit it"),
        ({"fixed": ["on_off_ratio"], "varied": ["on_off_ratio"]}, "can't be both held"),
        ({"columns": ["x=y"]}, "--column 'x=y': no column can be a 'x'"),
        ({"fixed": ["on_current_density", "on_off_ratio", "voltage_scale"]}, "nothing is left to fit"),
    ],
)
def test_orders_that_make_no_sense(files, more, words):
    with pytest.raises(SettingsError) as caught:
        fit(FitOrder(**({"files": {"iv": files["iv"]}} | more)))
    assert words in str(caught.value)


def test_existing_files_stay(files, tmp_path):
    out = tmp_path / "mine.toml"
    out.write_text("mine", encoding="utf-8")
    order = FitOrder({"retention": files["retention"]})
    with pytest.raises(OutputError, match=r"mine\.toml exists; choose another name or pass --force"):
        fit(order, out)
    assert out.read_text(encoding="utf-8") == "mine"
    assert fit(order, out, force=True).card.name == "mine"
    with pytest.raises(SettingsError, match=r"must end in \.toml"):
        fit(order, tmp_path / "mine.txt")
    with pytest.raises(OutputError, match="there is no folder"):
        fit(order, tmp_path / "none" / "mine.toml")
    (tmp_path / "dir.toml").mkdir()
    with pytest.raises(OutputError, match="it is not a file"):
        fit(order, tmp_path / "dir.toml", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dir.toml", "mine.toml"]


def test_outputs_are_checked_before_anything_is_fitted(files, tmp_path):
    order = FitOrder({"retention": [tmp_path / "never read.csv"]})
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"can't write .*sub: .*file is not a folder"):
        fit(order, tmp_path / "x.toml", tmp_path / "file" / "deep" / "sub")
    with pytest.raises(OutputError, match=r"can't write .*file: .*file is not a folder"):
        fit(order, None, tmp_path / "file")
    with pytest.raises(OutputError, match=r"can't write .*a\.toml: file name too long"):
        fit(order, tmp_path / f"{'a' * 300}.toml")
    with pytest.raises(OutputError, match=r"can't write .*fit_retention\.png: file name too long"):
        fit(order, None, tmp_path / ("a" * 300))
    for plots in (tmp_path / "p.toml", tmp_path / "p.toml" / "sub"):
        with pytest.raises(OutputError, match=r"can't write plots into .*p\.toml is to be the card's file"):
            fit(order, tmp_path / "p.toml", plots)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_no_card(files, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match=r"can't write .*plots: nothing more fits on the disk"):
        fit(FitOrder({"retention": files["retention"]}), tmp_path / "x.toml", tmp_path / "plots")
    assert [path.name for path in tmp_path.rglob("*")] == ["plots"]
