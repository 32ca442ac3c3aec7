"""The calibration study: what it writes, and that its numbers don't depend on how it is run."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.engines.audit import Audit
from ftj_spice.results.plots import calibration as plots
from ftj_spice.sampling.calibration.draw import sample_calibrated
from ftj_spice.sampling.calibration.settings import CalibrateSettings
from ftj_spice.sampling.calibration.state import load_calibration
from ftj_spice.sampling.calibration.statistics import kolmogorov
from ftj_spice.studies.calibration.points import NORMAL_DISTANCE, run_point
from ftj_spice.studies.calibration.study import CALIBRATION_FILE, calibrate, load_calibrate_settings
from ftj_spice.studies.settings import default_toml

SMALL = (
    "latents=4", "spare=2", "arrays=3", "redundancy=[1, 3]", "sample.rows=3", "scan_windows=64", "check_windows=512",
    'scenarios=["none", "range+standardise", "range+standardise+columns+select"]', "audit=2", "audit_windows=3",
    "temperatures=[300.0, 310.0]", "memories=[64, 0]",
)  # fmt: skip


def settings(*changes):
    return load_calibrate_settings(None, (*SMALL, *changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate") / "run"
    seen = []
    result = calibrate(
        folder,
        settings=settings(),
        jobs=2,
        observer=lambda *step: seen.append(step),
        command=["ftj-spice", "sample", "--calibrate"],
    )
    return result, folder, seen


def test_everything_is_written(run):
    result, folder, seen = run
    assert result.passes and result.path == folder
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    plain = {"report.html", "metrics.json", "manifest.json", "settings.toml", "card.toml", CALIBRATION_FILE}
    drawn = {f"plots/{name}.png" for name in ("usable", "distances", "speeds", "trims", "latents", "start_up")}
    assert plain | drawn <= names and sum(name.startswith("netlists/") for name in names) == 2
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [(p["cells"], p["tools"]) for p in metrics["points"]] == [
        (cells, name) for cells in (1, 3) for name in settings().scenarios
    ]
    assert metrics["audit"]["passes"] and metrics["columns_judged"] == 18
    assert json.loads((folder / "manifest.json").read_text())["command"] == ["ftj-spice", "sample", "--calibrate"]
    assert {step[0] for step in seen} == {"calibrate", "audit"}
    page = (folder / "report.html").read_text()
    assert "Usable columns" in page and page.count("data:image/") == 7 and ">nan" not in page


def test_settings_of_a_run_give_it_again(run):
    _, folder, _ = run
    again = load_calibrate_settings(folder / "settings.toml")
    assert again == settings()


def test_numbers_are_those_of_the_points(run):
    result, _, _ = run
    for point, numbers in zip(result.points, result.metrics["points"], strict=True):
        assert numbers["usable"] == point.judgement.usable.mean()
        low, high = numbers["usable_interval"]
        assert 0 <= low <= numbers["usable"] <= high <= 1
        by_array = point.judgement.usable.reshape(3, 6)
        assert numbers["arrays_complete"] == np.mean(by_array.sum(axis=1) >= 4)
        assert numbers["arrays_complete_without_spares"] == np.mean(by_array[:, :4].sum(axis=1) == 4)
    none, ranged, full = result.points[:3]
    assert none.usable <= ranged.usable <= full.usable and full.usable > 0.6
    assert none.calibrated.seconds == 0 < ranged.calibrated.seconds < full.calibrated.seconds
    assert result.metrics["points"][2]["cells_per_column"] == 4


def test_the_stored_calibration_is_that_of_its_point_and_gives_latents(run):
    result, folder, _ = run
    stored = load_calibration(folder / CALIBRATION_FILE)
    np.testing.assert_array_equal(stored.controls.column, result.stored.calibrated.controls.column[:6])
    found = sample_calibrated(stored, 100)
    assert found.latents.shape == (100, 4) and np.isfinite(found.latents).all()


def test_the_calibration_depends_on_neither_workers_nor_arrays_nor_scenarios(run):
    result, _, _ = run
    other = calibrate(settings=settings("arrays=1", 'scenarios=["none"]', "redundancy=[1]", "audit=0"), jobs=1)
    assert other.audit is None and other.passes and other.path is None
    np.testing.assert_array_equal(other.calibration.controls.reference, result.calibration.controls.reference)
    np.testing.assert_array_equal(other.calibration.running.mean, result.calibration.running.mean)
    np.testing.assert_array_equal(other.calibration.latents, result.calibration.latents)
    seeded = run_point(result.card, settings("seed=5"), 3, ("range",), jobs=1, arrays=1)
    assert (seeded.calibrated.controls.reference != result.calibration.controls.reference).any()


def test_warmth_speeds_the_cells_up(run):
    result, _, _ = run
    cold, warm = result.metrics["temperature"]
    assert cold["time_constant_factor"] == 1.0 and warm["time_constant_factor"] == pytest.approx(0.607, rel=0.01)
    assert warm["fixed_statistics"]["sigma_median"] < 0.9 < cold["fixed_statistics"]["sigma_median"]
    assert warm["running_statistics"]["sigma_median"] == pytest.approx(1.0, abs=0.1)


def test_measured_distances_are_explained(run):
    """By the exact law, the converter's steps, and what a sample of 2048 adds: beyond 1.63 / sqrt(n) once in 100."""
    law = run[0].law
    assert (law.measured < law.exact + law.quantisation + 1.9 / np.sqrt(2048)).all()
    assert (law.measured > law.exact - 1.9 / np.sqrt(2048)).all()


def test_the_distance_of_a_normal_sample_is_to_its_own_mean_and_variance():
    draws = np.random.default_rng(1).standard_normal((600, 1024))
    draws = (draws - draws.mean(axis=1, keepdims=True)) / draws.std(axis=1, keepdims=True)
    assert 32 * kolmogorov(draws).mean() == pytest.approx(NORMAL_DISTANCE, abs=0.03)  # 4 standard errors


def test_a_failed_audit_fails_the_run_and_is_told(run):
    from ftj_spice.studies.calibration.metrics import summarise

    result, _, _ = run
    bad = replace(result, audit=replace(result.audit, largest=0.5))
    assert not bad.passes and isinstance(bad.audit, Audit)
    assert any("audit FAILS" in line for line in summarise(bad, bad.metrics))
    assert any(line.startswith("audit passes") for line in result.summary)
    assert any(line.startswith("3 cells per latent: none") for line in result.summary)


def test_voltages_beyond_the_cards_are_told():
    wide = settings("sample.voltage=1.75", "arrays=1", "audit=0", "redundancy=[1]", 'scenarios=["range"]')
    result = calibrate(settings=wide)
    low, high = result.metrics["stored"]["bias_V"]
    assert low >= 1.45 and high > 1.8
    assert any("are meant for" in line and f"{high:.2f} V" in line for line in result.summary)


def test_bad_input_leaves_nothing(tmp_path):
    with pytest.raises(SettingsError, match="no device card named 'nothing'"):
        calibrate(tmp_path / "a", settings=settings("card=nothing"))
    with pytest.raises(SettingsError, match="jobs must lie between"):
        calibrate(tmp_path / "a", settings=settings(), jobs=0)
    with pytest.raises(SettingsError, match=r"would need some .* GB"):
        calibrate(tmp_path / "a", settings=settings("arrays=1000", "check_windows=1000000"))
    with pytest.raises(SettingsError, match=r"would leave -0\.1 V of the read voltage of 0\.5 V"):
        calibrate(tmp_path / "a", settings=settings("sample.voltage=0.5"))
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match="exists"):
        calibrate(tmp_path / "b", settings=settings())
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_the_default_settings_file_is_the_defaults(tmp_path):
    (tmp_path / "a.toml").write_text(default_toml(CalibrateSettings, "sample --calibrate"))
    assert load_calibrate_settings(tmp_path / "a.toml") == CalibrateSettings()


def test_one_value_of_the_sample_group_leaves_the_spread():
    assert settings("sample.time=0.01").sample.time_constant_spread == 1.0


def test_plots_refuse_what_they_cannot_show():
    for draw in (lambda: plots.usable_bars({}), lambda: plots.distances({}, 0.1, 0.1), lambda: plots.trims({}, 0.1, 1)):
        with pytest.raises(ValueError, match="nothing to draw"):
            draw()
    with pytest.raises(ValueError, match="finite"):
        plots.latents({"a": np.array([np.nan])})
    assert isinstance(plots.latents({"a": np.zeros(9), "b": np.full(9, 9.0)}), Figure)
