"""`sample` through read-out circuits: maps, calibrations and draws; what they cost, and what is refused."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.common.errors import SettingsError
from ftj_spice.generative.decoder import Decoder
from ftj_spice.periphery.macromodel import ConvertModel, DecideModel, Macromodel, SenseModel
from ftj_spice.sampling.calibration.draw import sample_calibrated
from ftj_spice.sampling.calibration.state import load_calibration, through_circuits
from ftj_spice.studies.calibration.draw import draw_latents, load_draw_settings
from ftj_spice.studies.calibration.study import calibrate, load_calibrate_settings
from ftj_spice.studies.estimate import estimate
from ftj_spice.studies.sample_map.settings import load_map_settings
from ftj_spice.studies.sample_map.study import sample_map
from ftj_spice.studies.settings import load_settings

BASE = {"title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "hzo_mfis_nominal"}
SENSE = SenseModel(
    integrates=True, time=1e-5, high=1e-9, gain_sigma=0.05, offset_sigma=5e-11, ground=1e-3, ground_sigma=5e-4,
    noise=3e-11, deviation=(0.0, 0.01, -0.01, 0.0), energy={"vdd": 1e-12},
)  # fmt: skip
CONVERT = ConvertModel(bits=6, offset_sigma=0.5, noise=0.3, energy={"vdd": 2e-12})
MAP = ("columns=4", "copies=32", "samples=2000", "transitions=2e6", "sample.rows=4")
CALIBRATION = (
    "latents=4", "spare=2", "arrays=1", "redundancy=[3]", "sample.rows=3", "scan_windows=64", "check_windows=512",
    'scenarios=["none"]', "temperatures=[300.0]", "memories=[0]", 'tools=["range","standardise"]',
    "sample.time_constant_spread=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Macromodels: one with every kind of error, one that is straight, the first with other numbers, a comparator."""
    folder = tmp_path_factory.mktemp("models")
    bad = Macromodel(name="bad", kind="chain", **BASE, sense=SENSE, convert=CONVERT)
    models = {
        "bad": bad,
        "straight": Macromodel(
            name="straight", kind="sense", **BASE, sense=SenseModel(integrates=True, time=1e-5, high=1e-9)
        ),
        "other": bad.model_copy(update={"sense": SENSE.model_copy(update={"noise": 4e-11})}),
        "decides": Macromodel(name="decides", kind="decide", **BASE, decide=DecideModel()),
    }
    for name, model in models.items():
        (folder / f"{name}.json").write_text(model.text())
    return {name: folder / f"{name}.json" for name in models}


def mapped(*changes, **more):
    return sample_map(settings=load_map_settings(None, [*MAP, *changes]), **more)


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("map") / "run"
    settings = load_map_settings(None, [*MAP, f"periphery={files['bad']}", "audit=1", "audit_samples=4"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ftj_spice.studies.sample_map.plots.DRAWN", ())
        return sample_map(folder, settings=settings, jobs=2), folder


def test_a_map_through_circuits_agrees_with_its_exact_law(whole):
    """Entropies, latents' variance and distance of simulated codes against the law through thresholds and noise."""
    result, _ = whole
    point = result.points[0][0]
    assert point.samples * point.units > 9e4
    # Fifteen deviations, of which the largest stays below the limit in all but one of ten thousand right simulations.
    assert result.deviations.passes
    cost = point.circuits
    assert cost.noise == pytest.approx(np.hypot(0.03 * 8.0, 0.3 * 8.0 / 64), rel=0.1)
    assert 6.0 < cost.range < 10.0
    assert cost.bits_lost > 2.0 and cost.information < point.figures["shannon_entropy"].closed
    assert point.figures["latent_distance"].closed > cost.ideal_latent_distance


def test_a_map_through_circuits_is_written_whole(whole, files):
    result, folder = whole
    m = json.loads((folder / "metrics.json").read_text())
    assert m["periphery"]["name"] == "bad" and len(m["periphery"]["sha256"]) == 64
    assert m["periphery"]["bits_lost"][0][0] == pytest.approx(result.points[0][0].circuits.bits_lost)
    rows = list(csv.DictReader((folder / "map.csv").open()))
    assert float(rows[0]["circuits_bits_lost_bit"]) > 2.0
    page = (folder / "report.html").read_text()
    assert "What the read-out circuits cost" in page and "generic/bad" in page
    assert json.loads((folder / "manifest.json").read_text())["periphery"]["name"] == "bad"
    assert any("fewer than of the ideal read-out" in line for line in result.summary)


def test_a_map_does_not_depend_on_workers_and_a_straight_circuit_costs_nothing(files):
    one, two = (mapped(f"periphery={files['bad']}", "audit=0", "samples=200", jobs=jobs) for jobs in (1, 2))
    assert one.points[0][0].figures == two.points[0][0].figures
    quiet = ("audit=0", "samples=200", "sample.trim_windows=0", "sample.driver_resistance=0")
    plain = mapped(*quiet).points[0][0]
    straight = mapped(f"periphery={files['straight']}", *quiet).points[0][0]
    assert straight.figures == plain.figures and straight.circuits.bits_lost == pytest.approx(0.0, abs=1e-12)


@pytest.fixture(scope="module")
def stored(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    settings = load_calibrate_settings(None, (*CALIBRATION, f"periphery={files['bad']}", "audit=1", "audit_windows=4"))
    return calibrate(folder, settings=settings), folder / "calibration.npz"


def test_a_calibration_through_circuits_finds_each_columns_range_and_mean(stored):
    result, path = stored
    calibration = result.calibration
    assert calibration.design.adc_bits == 6 and through_circuits(path)
    assert result.audit.passes and result.metrics["periphery"]["name"] == "bad"
    chip = calibration.chip("test")
    codes = chip.read(calibration.controls, 4000)
    # The reference is trimmed to the mean code within half its own step and what 64 windows tell, five standard errors.
    lsb, design = calibration.controls.lsb(6), calibration.design
    half = 0.5 * 16.0 / 2**10 * design.mean / lsb
    assert np.all(np.abs(codes.mean(axis=1) + 0.5) < half + 5.0 * codes.std(axis=1) / 8.0 + 0.5)
    assert np.all(codes.std(axis=1) > 3.0)
    assert np.mean(np.abs(codes + 0.5) > 31.0) < 0.01
    gain, _ = chip.straight(calibration.controls)
    assert np.std(gain) > 0.01
    assert np.all(chip.noise(calibration.controls, calibration.controls.reference) > 0)
    cost = result.metrics["periphery"]
    assert cost["bits_lost"] > 1.0 and cost["ideal"]["bits_median"] > cost["circuits"]["bits_median"]


def test_circuits_of_the_stored_array_are_those_it_was_calibrated_through(stored, files):
    result, path = stored
    model = result.calibration.periphery
    again = load_calibration(path, periphery=model)
    ours, theirs = again.circuits, result.calibration.circuits
    np.testing.assert_array_equal(ours.thresholds(6), theirs.thresholds(6))
    np.testing.assert_array_equal(
        sample_calibrated(again, 200).codes, sample_calibrated(result.calibration, 200, jobs=2).codes
    )
    straight = replace(again, periphery=None)
    assert (sample_calibrated(straight, 200).codes != sample_calibrated(again, 200).codes).any()


def test_latents_come_from_the_same_circuits_only(stored, files, tmp_path):
    _, path = stored
    base = [f"calibration={path}", "samples=3000", "audit=0"]
    settings = load_draw_settings(None, [*base, f"periphery={files['bad']}"])
    result = draw_latents(tmp_path / "run", settings=settings)
    m = result.metrics
    assert m["periphery"]["name"] == "bad"
    # 12,000 latents of a correlation of 0.05: the variance's standard error is some 0.015; six of them.
    assert m["latents"]["simulated"]["variance"] == pytest.approx(1.0, abs=0.1)
    assert m["converter_J_per_latent"] == pytest.approx(3e-12 * 6 / 4)
    for words, sentence in (
        ([], "made through the circuits of 'generic/bad', not through none"),
        ([f"periphery={files['straight']}"], "not through 'generic/straight'"),
        ([f"periphery={files['other']}"], "its content was another then"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            draw_latents(settings=load_draw_settings(None, [*base, *words]))


def test_images_take_the_calibrated_circuits_along(stored, files, tmp_path):
    _, path = stored
    rng = np.random.default_rng(0)
    Decoder(((rng.normal(size=(4, 36)), rng.normal(size=36)),), (6, 6)).save(tmp_path / "tiny.npz")
    words = [f"decoder={tmp_path / 'tiny.npz'}", "samples=4", "audit=0", "engine.sample=fast", f"calibration={path}"]
    run = ftj.generate(load_settings(None, [*words, f"periphery={files['bad']}"]))
    expected = sample_calibrated(load_calibration(path, periphery=run.periphery), 4).latents
    np.testing.assert_array_equal(run.latents, expected)
    with pytest.raises(SettingsError, match="not through none"):
        ftj.generate(load_settings(None, words))


def test_settings_that_the_circuit_has_of_its_own_are_refused(files):
    with pytest.raises(SettingsError, match=r"'bad' has its own sample\.adc_bits: leave it out"):
        mapped(f"periphery={files['bad']}", "sample.adc_bits=6", "audit=0")
    with pytest.raises(SettingsError, match="has its own adc_offset"):
        calibrate(settings=load_calibrate_settings(None, (*CALIBRATION, f"periphery={files['bad']}", "adc_offset=0")))
    with pytest.raises(SettingsError, match=r"'decides' only decides bits.*sample\.digitiser='comparator'"):
        mapped(f"periphery={files['decides']}", "audit=0")


def test_transistors_in_the_sample_phase_are_refused_where_they_can_not_be(files, tmp_path):
    rng = np.random.default_rng(0)
    Decoder(((rng.normal(size=(4, 36)), rng.normal(size=36)),), (6, 6)).save(tmp_path / "tiny.npz")
    words = [f"decoder={tmp_path / 'tiny.npz'}", "samples=4", "audit=0", "engine.sample=transistors"]
    with pytest.raises(SettingsError, match="needs circuits to read by: pass --periphery"):
        ftj.generate(load_settings(None, words))
    with pytest.raises(SettingsError, match="'bad' has no chain of transistors"):
        ftj.generate(load_settings(None, [*words, f"periphery={files['bad']}"]))
    assert estimate(load_settings(None, [*words, "samples=1000"])).seconds > 4000.0
