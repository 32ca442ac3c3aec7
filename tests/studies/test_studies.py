"""The jobs from Python: what the command line does not show."""

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ftj_spice.array.settings import ReadSettings
from ftj_spice.cli.progress import progress_bars
from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.common.rawfile import read_raw
from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice.locate import find_command
from ftj_spice.generative.decoder import Decoder
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.studies import doctor
from ftj_spice.studies.generate import generate
from ftj_spice.studies.generate_metrics import latent_statistics
from ftj_spice.studies.netlists import KINDS, NetlistOrder, make_netlist, write_netlist
from ftj_spice.studies.settings import RunSettings, default_toml, load_settings
from ftj_spice.studies.train import train

TILES = ReadSettings(tile_rows=6, tile_columns=10)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> RunSettings:
    """A run of two images, 3 latents to 5 x 4 pixels in two layers."""
    rng = np.random.default_rng(0)
    layers = ((rng.normal(size=(3, 8)), rng.normal(size=8)), (rng.normal(size=(8, 20)) / 3, rng.normal(size=20)))
    path = tmp_path_factory.mktemp("decoder") / "tiny.npz"
    Decoder(layers, (5, 4)).save(path)
    return RunSettings(samples=2, seed=4, decoder=str(path), sample=SampleSettings(rows=2), read=TILES)


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_every_netlist_runs_by_itself(kind, rows, tmp_path):
    text = make_netlist(kind, NetlistOrder(rows=rows, columns=2, samples=3, seed=1))
    assert text == make_netlist(kind, NetlistOrder(rows=rows, columns=2, samples=3, seed=1))
    write_netlist(text, tmp_path / "x.cir")
    done = subprocess.run(
        [find_command(), "-b", "-r", "out.raw", "x.cir"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = (done.stdout + done.stderr).lower()
    assert "error" not in told
    assert "singular" not in told
    vectors = read_raw(tmp_path / "out.raw").vectors
    assert all(np.isfinite(vector).all() for vector in vectors.values())
    assert max(np.abs(vector).max() for name, vector in vectors.items() if name.startswith(("v(out", "i(v"))) > 0


@pytest.mark.parametrize("kind", ["crossbar", "nor"])
def test_netlist_of_given_conductances_gives_their_currents(kind, tmp_path):
    rng = np.random.default_rng(1)
    matrix = rng.uniform(1e-12, 1e-9, (3, 4))
    np.save(tmp_path / "g.npy", matrix)
    order = NetlistOrder(rows=1, columns=1, conductance=tmp_path / "g.npy", card="linear", line_resistance=0.0)
    (tmp_path / "x.cir").write_text(make_netlist(kind, order))
    subprocess.run([find_command(), "-b", "-r", "o.raw", "x.cir"], cwd=tmp_path, capture_output=True, check=True)
    vectors = read_raw(tmp_path / "o.raw").vectors
    currents = [vectors[f"i(vsense{j})"][0] for j in range(4)]
    np.testing.assert_allclose(currents, 0.5 * matrix.sum(axis=0), rtol=1e-5)


def test_seed_changes_levels_and_histories():
    for kind in ("crossbar", "sample", "sample-comparator"):
        texts = {make_netlist(kind, NetlistOrder(rows=4, columns=1, seed=seed)) for seed in (0, 1)}
        assert len(texts) == 2, kind


def test_generate_without_a_directory_tells_its_progress(small):
    seen: list[tuple[str, int, int | None]] = []
    result = generate(small, observer=lambda *step: seen.append(step))
    assert result.path is None
    assert result.images.shape == (2, 5, 4)
    assert result.settings == small
    assert result.passes
    for phase in ("sample", "read", "audit of reads"):
        done = [step[1] for step in seen if step[0] == phase]
        total = {step[2] for step in seen if step[0] == phase}
        assert all(a < b for a, b in pairwise(done))
        assert {done[-1]} == total


def test_observer_that_fails_ends_the_run_and_leaves_nothing(tmp_path, small):
    def fail(phase: str, done: int, total: int | None) -> None:
        if phase == "report":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        generate(small, tmp_path / "run", observer=fail)
    assert list(tmp_path.iterdir()) == []


def test_no_ngspice_ends_the_run_and_leaves_nothing(tmp_path, monkeypatch, small):
    monkeypatch.setenv("FTJ_SPICE_LIBNGSPICE", "/nonsense")
    with pytest.raises(EngineNotFoundError, match="FTJ_SPICE_LIBNGSPICE names /nonsense"):
        generate(small, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_latent_statistics():
    latents = np.random.default_rng(3).standard_normal((4000, 8))
    found = latent_statistics(latents)
    assert found["variance"] == pytest.approx(1.0, abs=0.05)
    assert found["skewness"] == pytest.approx(0.0, abs=0.1)
    assert found["excess_kurtosis"] == pytest.approx(0.0, abs=0.2)
    assert found["lag1_autocorrelation"] == pytest.approx(0.0, abs=0.05)
    still = latent_statistics(np.zeros((1, 3)))
    assert still["variance"] == 0
    assert still["skewness"] is None
    assert still["lag1_autocorrelation"] is None


@pytest.mark.parametrize("change", ["sample.voltage=1.4", "sample.integration_capacitance=1e-13", "read.levels=4"])
def test_settings_without_a_default_value_can_be_set(change):
    group, _, rest = change.partition(".")
    name, _, value = rest.partition("=")
    assert getattr(getattr(load_settings(changes=[change]), group), name) == float(value)


def test_changes_come_after_the_file(tmp_path):
    (tmp_path / "c.toml").write_text("samples = 5\nseed = 2\n[sample]\nrows = 3\n")
    settings = load_settings(str(tmp_path / "c.toml"), ["samples=7", "sample.voltage=1.2", "decoder=own.npz"])
    assert (settings.samples, settings.seed, settings.sample.rows) == (7, 2, 3)
    assert (settings.sample.voltage, settings.decoder) == (1.2, "own.npz")


def test_default_file_names_every_setting(tmp_path):
    text = default_toml()
    for group in ("", "sample", "read", "engine"):
        model = RunSettings() if not group else getattr(RunSettings(), group)
        for name, value in model:
            assert (
                f"[{name}]" in text if hasattr(value, "model_dump") else f"\n{name} = " in text or f"# {name} =" in text
            )
    (tmp_path / "c.toml").write_text(text)
    assert load_settings(tmp_path / "c.toml") == RunSettings()


def test_doctor_is_plain_data():
    findings = doctor.examine()
    assert json.loads(json.dumps(findings)) == findings
    assert findings["ready"] is True
    assert set(findings["extras"]) == {"train"}
    assert all(set(problem) == {"what", "hint"} for problem in findings["problems"])
    assert (findings["extras"]["train"] is None) == any("PyTorch" in p["what"] for p in findings["problems"])


def test_doctor_without_the_packaged_files(monkeypatch, tmp_path):
    monkeypatch.setattr("ftj_spice.common.resources.models", lambda: tmp_path)
    findings = doctor.examine()
    assert findings["ready"] is False
    assert findings["cards"] == []
    assert findings["decoder"] is None
    assert len([p for p in findings["problems"] if p["hint"] == "install ftj-spice again"]) == 2


def test_train_checks_before_it_downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("FTJ_SPICE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SettingsError, match="unknown data set 'x'"):
        train("x", tmp_path / "d.npz")
    (tmp_path / "d.npz").write_text("old")
    with pytest.raises(OutputError, match="exists"):
        train("mnist", tmp_path / "d.npz")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    with pytest.raises(SettingsError, match="needs PyTorch"):
        train("mnist", tmp_path / "e.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["d.npz"]


def write_mnist(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 300), ("t10k", 50)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
            (folder / name).write_bytes(head + array.tobytes())


def test_train_from_a_folder(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    write_mnist(tmp_path)
    short = {"flow_epochs": 1, "distillation_epochs": 1, "hidden": (16,), "encoder_hidden": (16,), "flow_hidden": (16,)}
    from ftj_spice.generative.vae import TrainSettings

    monkeypatch.setattr(
        "ftj_spice.studies.train.TrainSettings.parse",
        lambda data, where: TrainSettings(**short, **data),
    )
    seen: list[tuple[str, int, int | None]] = []
    train("mnist", tmp_path / "d.npz", data=tmp_path, epochs=1, observer=lambda *step: seen.append(step))
    assert seen == [("train", 1, 3), ("train", 2, 3), ("train", 3, 3)]
    decoder = Decoder.load(tmp_path / "d.npz")
    assert decoder.latent_dim == 16
    assert decoder.record["dataset"] == "mnist"
    result = generate(RunSettings(samples=2, decoder=str(tmp_path / "d.npz"), sample=SampleSettings(rows=2)))
    assert result.images.shape == (2, 28, 28)


def test_train_without_data(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: object())
    with pytest.raises(DataError, match="no such folder"):
        train("mnist", tmp_path / "d.npz", data=tmp_path / "nothing")


def test_progress_bars_take_unknown_totals(capfd):
    with progress_bars({"train": "epochs"}, quiet=False) as observe:
        observe("train-images.gz", 65536, None)
        observe("train-images.gz", 9912422, 9912422)
        observe("train", 1, 3)
    told = capfd.readouterr()
    assert told.out == ""
    assert "train-images.gz" in told.err
    assert "epochs" in told.err


def test_progress_bars_without_work_or_quiet_draw_nothing(capfd):
    with progress_bars({}, quiet=False):
        pass
    with progress_bars({}, quiet=True) as observe:
        observe("train", 1, 2)
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")
