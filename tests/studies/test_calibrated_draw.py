"""Latents and images from a stored calibration."""

import json
from dataclasses import replace

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.generative.decoder import Decoder
from ftj_spice.sampling.calibration.audit import draw_columns
from ftj_spice.sampling.calibration.draw import CalibratedSamples, sample_calibrated
from ftj_spice.sampling.calibration.state import load_calibration, save_calibration
from ftj_spice.studies.calibration.draw import DrawSettings, draw_latents, load_draw_settings
from ftj_spice.studies.calibration.study import CALIBRATION_FILE, calibrate, load_calibrate_settings
from ftj_spice.studies.estimate import estimate
from ftj_spice.studies.generate_metrics import expected_statistics, latent_statistics
from ftj_spice.studies.replay import replay
from ftj_spice.studies.settings import RunSettings, default_toml, load_settings

SMALL = (
    "latents=4", "spare=2", "arrays=1", "redundancy=[3]", "sample.rows=3", "scan_windows=64", "check_windows=512",
    'scenarios=["none"]', "audit=0", "temperatures=[300.0]", "memories=[0]",
)  # fmt: skip


def calibrated(*changes):
    return calibrate(settings=load_calibrate_settings(None, (*SMALL, *changes)))


@pytest.fixture(scope="module")
def whole():
    return calibrated()


@pytest.fixture(scope="module")
def calibration(whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "calibration.npz"
    save_calibration(path, whole.calibration)
    return path


@pytest.fixture(scope="module")
def drawn(calibration, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "run"
    settings = load_draw_settings(None, [f"calibration={calibration}", "samples=3000", "audit=2", "audit_windows=3"])
    seen = []
    result = draw_latents(folder, settings=settings, jobs=2, observer=lambda *step: seen.append(step), command=["x"])
    return result, folder, seen


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A decoder of two layers, 4 latents to 6 x 6 pixels."""
    rng = np.random.default_rng(0)
    layers = ((rng.normal(size=(4, 9)), rng.normal(size=9)), (rng.normal(size=(9, 36)) / 3, rng.normal(size=36)))
    path = tmp_path_factory.mktemp("decoder") / "tiny.npz"
    Decoder(layers, (6, 6)).save(path)
    return path


@pytest.fixture(scope="module")
def images(calibration, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "run"
    result = ftj.generate(run_settings(tiny, "samples=12", "audit=5"), folder, calibration=calibration)
    return result, folder


def run_settings(tiny, *changes):
    return load_settings(None, (f"decoder={tiny}", "read.tile_rows=8", "read.tile_columns=16", *changes))


def test_latents_are_those_of_the_stored_array(drawn, calibration):
    result, folder, _ = drawn
    found = sample_calibrated(load_calibration(calibration), 3000)
    np.testing.assert_array_equal(np.load(folder / "latents.npy"), found.latents)
    np.testing.assert_array_equal(np.load(folder / "codes.npy"), found.codes)
    other = draw_latents(settings=result.settings.model_copy(update={"seed": 1, "audit": 0}))
    assert other.audit is None and other.passes and other.path is None
    assert (other.samples.codes != found.codes).any()


def test_everything_of_a_draw_is_written(drawn):
    result, folder, seen = drawn
    assert result.passes and result.path == folder and {step[0] for step in seen} == {"draw", "audit"}
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    plain = {"latents.npy", "codes.npy", "report.html", "metrics.json", "manifest.json", "settings.toml"}
    assert plain | {CALIBRATION_FILE, "plots/histogram.png", "plots/traces.png"} <= names
    assert sum(name.startswith("netlists/column") for name in names) == 2
    page = (folder / "report.html").read_text()
    assert page.count("data:image/") == 3 and ">nan" not in page and "do not trust" not in page
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["command"] == ["x"] and len(manifest["calibration"]["sha256"]) == 64
    assert load_draw_settings(folder / "settings.toml") == result.settings
    assert any(line.startswith("audit passes") for line in result.summary)


def test_numbers_of_a_draw(drawn, whole):
    result, folder, _ = drawn
    m, latents = result.metrics, result.samples.latents
    assert json.loads((folder / "metrics.json").read_text()) == m
    assert m["latents"]["simulated"]["variance"] == pytest.approx(latents.var())
    assert m["period_s"] == pytest.approx(5.05e-3) and m["device_time_s"] == pytest.approx(3000 * 5.05e-3)
    assert m["rate_latents_per_s"] == pytest.approx(4 / 5.05e-3)
    # The calibration's own check counts per column, of which there are six for four latents.
    assert m["cells_J_per_latent"] == pytest.approx(whole.stored.energy * 6 / 4)
    for own, values in zip(m["columns"], latents.T, strict=True):
        ordered = np.sort(values)
        assert 0.5 * m["distance_of_a_normal_source"] < own["kolmogorov_distance"] < 0.1
        assert own["simulated"]["mean"] == pytest.approx(ordered.mean())
    assert m["audit"]["passes"] and m["audit"]["compared"] == 6


def test_the_statistics_afterwards_are_stored(drawn, calibration):
    before, after = load_calibration(calibration), load_calibration(drawn[1] / CALIBRATION_FILE)
    assert after.running.count == before.running.count + 3000
    np.testing.assert_array_equal(after.controls.column, before.controls.column)


@pytest.mark.parametrize("tools", ['["range", "standardise", "select"]', '["range"]'])
def test_closed_forms_are_those_of_the_latents(tools):
    """With 60000 samples of nearly independent latents; slow cells without selection get wider limits.

    Limits are six standard errors and more of independent normal values; the seed is fixed.
    """
    found = sample_calibrated(calibrated(f"tools={tools}").calibration, 60_000)
    slow = 1.0 if "select" in tools else 6.0
    for k in range(4):
        measured, law = latent_statistics(found.latents[:, [k]]), expected_statistics(found.moments.take([k]))
        sigma = np.sqrt(law["variance"])
        assert abs(measured["mean"] - law["mean"]) < 0.025 * slow * sigma
        assert measured["variance"] == pytest.approx(law["variance"], rel=0.035 * slow)
        assert measured["skewness"] == pytest.approx(law["skewness"], abs=0.06 * slow)
        assert measured["lag1_autocorrelation"] == pytest.approx(law["lag1_autocorrelation"], abs=0.025)


def test_moments_of_a_mixture_are_those_of_its_sample():
    """Three columns of gamma values, shifted: closed forms of each give those of all together."""
    rng, shape = np.random.default_rng(1), np.array([4.0, 9.0, 16.0])
    shift = np.array([-3.0, 0.0, 5.0])
    values = rng.gamma(shape, size=(400_000, 3)) + shift
    moments = ftj.sampling.array.ColumnMoments(shape + shift, shape, 2 / np.sqrt(shape), 6 / shape, np.zeros(3))
    law, found = expected_statistics(moments), latent_statistics(values)
    for name in law:
        assert found[name] == pytest.approx(law[name], rel=0.01, abs=0.01), name


def test_images_come_from_the_calibrated_array(images, calibration):
    result, folder = images
    assert isinstance(result.sampling, CalibratedSamples) and result.passes
    expected = sample_calibrated(load_calibration(calibration), 12).latents
    np.testing.assert_array_equal(result.latents, expected)
    np.testing.assert_array_equal(np.load(folder / "latents.npy"), expected)
    assert result.metrics["latents"]["source"] == "calibrated array"
    assert set(result.audits) == {"samples", "reads"} and result.engines["sample"] == "fast"
    assert result.audits["samples"].reads == 2 * 8
    assert not (folder / "waveforms.raw").exists()
    page = (folder / "report.html").read_text()
    assert "but not those that gave the latents" in page
    assert "a calibrated array" in page and "sample.rows" not in page and "closed-form mean" not in page
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["calibration"]["seed"] == 0 and manifest["settings"]["calibration"].endswith("/calibration.npz")
    assert str(calibration) not in (folder / "manifest.json").read_text()


def test_a_calibrated_run_replays(images):
    rows = replay(images[1])
    assert all(row.agrees for row in rows)
    columns = [row for row in rows if row.netlist.startswith("column")]
    assert len(columns) == 2 and all(row.points == 8 and 0 < row.deviation < row.limit for row in columns)


def test_another_column_does_not_replay(images, tmp_path):
    """The comparison finds that two netlists changed places, though their checksums are right."""
    import shutil

    shutil.copytree(images[1], tmp_path / "run")
    one, two = sorted((tmp_path / "run" / "netlists").glob("column*.cir"))
    first, second = one.read_text(), two.read_text()
    one.write_text(second)
    two.write_text(first)
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    names = manifest["netlists"]
    manifest["netlists"] = {one.name: names[two.name], two.name: names[one.name]}
    path.write_text(json.dumps(manifest))
    assert not any(row.agrees for row in replay(tmp_path / "run"))


def test_seeds_tell_runs_apart_and_no_audit_needs_no_ngspice(images, calibration, tiny, monkeypatch):
    monkeypatch.setenv("FTJ_SPICE_LIBNGSPICE", "/nonsense")
    settings = run_settings(tiny, "samples=3", "audit=0", f"calibration={calibration}", "seed=4")
    result = ftj.generate(settings)
    assert not result.audits and not result.netlists
    np.testing.assert_array_equal(result.latents, sample_calibrated(load_calibration(calibration), 3, stream=4).latents)
    assert estimate(settings).seconds == 0.0 < estimate(run_settings(tiny)).seconds


def test_what_does_not_fit_is_refused_and_leaves_nothing(calibration, tiny, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"gives 4 latents, but decoder 'mnist' takes 16: calibrate an array with"):
        ftj.generate(RunSettings(calibration=str(calibration)), out)
    with pytest.raises(DataError, match="belongs to card 'hzo_mfis_nominal', not to 'linear'"):
        ftj.generate(run_settings(tiny, "card=linear"), out, calibration=calibration)
    with pytest.raises(SettingsError, match="'sample' must stay as it is with 'calibration'"):
        ftj.generate(run_settings(tiny, "sample.rows=2"), out, calibration=calibration)
    own = {"calibration": str(calibration)}
    with pytest.raises(DataError, match="belongs to card 'hzo_mfis_nominal', not to 'linear'"):
        draw_latents(out, settings=DrawSettings(**own, card="linear"))
    with pytest.raises(SettingsError, match=r"30000000 samples of 6 columns would need some .* GB"):
        draw_latents(out, settings=DrawSettings(**own, samples=30_000_000))
    with pytest.raises(DataError, match="can't read the calibration"):
        draw_latents(out, settings=DrawSettings(calibration=str(tmp_path / "none.npz")))
    with pytest.raises(SettingsError, match="jobs must lie between"):
        draw_latents(out, settings=DrawSettings(**own), jobs=0)
    assert not list(tmp_path.iterdir())


def test_columns_of_an_audit_are_those_that_deliver(calibration):
    found = load_calibration(calibration)
    assert draw_columns(found, 99, 0) == sorted(found.latents.tolist())
    assert draw_columns(found, 0, 0) == []
    assert {tuple(draw_columns(found, 2, seed)) for seed in range(30)} == {
        (a, b) for a in found.latents for b in found.latents if a < b
    }


def test_a_failed_audit_fails_the_draw(drawn):
    bad = replace(drawn[0], audit=replace(drawn[0].audit, largest=0.5))
    assert not bad.passes and any(line.startswith("audit FAILS") for line in bad.summary)


def test_few_samples_have_no_histogram(calibration, tmp_path):
    draw_latents(tmp_path / "run", settings=DrawSettings(calibration=str(calibration), samples=1, audit=0))
    assert {path.name for path in (tmp_path / "run" / "plots").iterdir()} == {"traces.png"}
    assert ">nan" not in (tmp_path / "run" / "report.html").read_text()


def test_the_default_draw_settings_are_the_defaults(tmp_path):
    (tmp_path / "a.toml").write_text(default_toml(DrawSettings, "sample --calibration"))
    assert load_draw_settings(tmp_path / "a.toml") == DrawSettings()
