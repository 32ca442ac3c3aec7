import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
import spicelib
from cli_support import COMMAND, QUICK, SMALL, spawn
from PIL import Image

from ftj_spice.cli.app import main
from ftj_spice.studies.settings import RunSettings, load_settings

FILES = {
    "columns.h5", "images.npy", "images.png", "latents.npy", "manifest.json", "metrics.json", "netlists", "report.html",
    "waveforms.raw",
}  # fmt: skip


def test_run_directory_is_whole(small_run):
    run, _ = small_run
    assert {path.name for path in run.iterdir()} == FILES
    assert [path.name for path in run.parent.iterdir()] == ["run"]
    images, latents = np.load(run / "images.npy"), np.load(run / "latents.npy")
    assert images.shape == (3, 6, 6)
    assert latents.shape == (3, 4)
    assert 0 <= images.min() < images.max() <= 1
    with Image.open(run / "images.png") as picture:
        assert min(picture.size) >= 18
    manifest = json.loads((run / "manifest.json").read_text())
    assert RunSettings.parse(manifest["settings"], "manifest").samples == 3
    assert manifest["seed"] == 5
    assert set(manifest["netlists"]) == {path.name for path in (run / "netlists").iterdir()}
    assert len(manifest["decoder"]["sha256"]) == 64
    assert manifest["versions"]["numpy"] == np.__version__
    assert {"sample", "read", "audit"} <= set(manifest["seconds"])
    assert manifest["engine"]["sample"].startswith("ngspice")
    assert manifest["engine"]["read"].startswith("fast")
    assert sum(manifest["engine"]["methods"]["layer1"].values()) > 0


def test_nothing_in_a_run_names_the_place_where_it_was_made(small_run):
    run, _ = small_run
    places = [str(run.parent), str(Path.home()) + "/", str(Path(sys.prefix))]
    for path in run.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [place for place in places if place.encode() in content], path


def test_report_is_self_contained(small_run):
    run, _ = small_run
    page = (run / "report.html").read_text()
    assert "data:image/png;base64," in page
    for outside in ('src="http', 'href="http', "src='http", "@import", "<script src", "url(", 'src="/', 'src="file'):
        assert outside not in page


def test_waveforms_open_in_another_reader(small_run):
    run, _ = small_run
    raw = spicelib.RawRead(str(run / "waveforms.raw"), dialect="ngspice", verbose=False)
    time = np.asarray(raw.get_trace("time").get_wave(), float)
    output = np.asarray(raw.get_trace("v(out0)").get_wave(), float)
    assert np.all(np.diff(time) > 0)
    assert time[-1] == pytest.approx(3 * 5e-3 * 1.01)
    assert output.shape == time.shape
    assert np.ptp(output) > 0.01


def test_columns_open_in_another_reader(small_run):
    run, _ = small_run
    with h5py.File(run / "columns.h5") as file:
        assert file["layer0_conductance"].shape == (5, 18)
        assert file["layer1_conductance"].shape == (10, 72)
        names = [name for name in file if name.startswith("read_layer") and name.endswith("_current")]
        assert sum(len(file[name]) for name in names) == 8
        assert {name[:11] for name in names} == {"read_layer0", "read_layer1"}
        for name in names:
            assert file[name].attrs["units"] == "A"
            assert file[name].shape[0] == file[name.replace("_current", "_voltage")].shape[0]
            assert np.any(file[name])
        assert file["sample_code"].shape == (3, 4)
        np.testing.assert_array_equal(file["latent_value"][:], np.load(run / "latents.npy"))


def test_json_is_pure_and_progress_goes_to_standard_error(small_run):
    run, outcome = small_run
    assert json.loads(outcome.out) == json.loads((run / "metrics.json").read_text())
    for name in ("sample phase (ngspice)", "decoder layers (fast)", "audit of reads", "files and report"):
        assert name in outcome.err


def test_two_workers_draw_the_same_bits_and_quiet_prints_nothing(small_run, tmp_path):
    run, _ = small_run
    outcome = spawn("generate", *SMALL, "-o", "two", "-j", "2", "--quiet", cwd=tmp_path)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    for name in ("images.npy", "latents.npy", "columns.h5", "waveforms.raw"):
        assert (tmp_path / "two" / name).read_bytes() == (run / name).read_bytes(), name
    for path in (run / "netlists").iterdir():
        assert (tmp_path / "two" / "netlists" / path.name).read_bytes() == path.read_bytes()


def test_json_and_report_tell_the_audit(small_run):
    run, outcome = small_run
    audit = json.loads(outcome.out)["audits"]["reads"]
    assert audit["passes"] is True
    assert audit["compared"] == 8
    assert 0 < audit["largest_deviation"] < audit["limit"] == 1e-6
    page = (run / "report.html").read_text()
    assert "Audit" in page
    assert f"{audit['largest_deviation']:.2e}" in page
    assert "do not trust" not in page


@pytest.fixture(scope="module")
def fast_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fast")
    outcome = spawn("generate", *SMALL, "--engine", "fast", "--audit", "5", "-o", "run", cwd=folder)
    assert outcome.code == 0, outcome.err
    return folder / "run", outcome


def test_fast_engine_draws_what_the_mixed_run_draws(small_run, fast_run):
    """The sample phase by events gives the same codes, so that images are equal."""
    metrics = json.loads((fast_run[0] / "metrics.json").read_text())
    assert set(metrics["audits"]) == {"samples", "reads"}
    assert metrics["audits"]["samples"]["compared"] == 2 * 3  # two transients of three samples
    assert metrics["audits"]["reads"]["compared"] == 5
    for name in ("latents.npy", "images.npy"):
        np.testing.assert_allclose(np.load(fast_run[0] / name), np.load(small_run[0] / name), atol=1e-12)
    assert "audit of samples: largest deviation" in fast_run[1].out
    assert "audit of reads: largest deviation" in fast_run[1].out
    names = {path.name for path in (fast_run[0] / "netlists").iterdir()}
    assert sum(name.startswith("sample_column") for name in names) == 2


def test_ngspice_draws_the_same_images(small_run, tmp_path):
    """All of it in ngspice: currents agree to 1e-7, so that at most a code on its edge differs by one."""
    outcome = spawn("generate", *SMALL, "--engine", "ngspice", "-j", "2", "-o", "run", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert "audit" not in outcome.out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["audits"] == {}
    assert metrics["layers"][0]["engine"].startswith("ngspice")
    difference = np.load(tmp_path / "run" / "images.npy") - np.load(small_run[0] / "images.npy")
    assert np.abs(difference).max() < 0.02
    assert np.mean(difference**2) < 1e-6
    assert any(path.name.startswith("read_layer1") for path in (tmp_path / "run" / "netlists").iterdir())


def test_no_audit_leaves_no_reads_and_needs_no_ngspice(call, monkeypatch, tmp_path):
    monkeypatch.setenv("FTJ_SPICE_LIBNGSPICE", "/nonsense")
    assert call("generate", *QUICK, "--engine", "fast", "--audit", "0", "-o", "run", "--quiet").code == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES - {"netlists"}
    assert "it was switched off" in (tmp_path / "run" / "report.html").read_text()


def test_audit_beyond_its_limit_keeps_the_run_and_says_so(call, monkeypatch, tmp_path):
    monkeypatch.setattr("ftj_spice.studies.generate.READ_LIMIT", 1e-300)
    outcome = call("generate", *QUICK, "-o", "run")
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("ftj-spice: the audit of reads is beyond its limit: largest deviation")
    assert last.endswith("; the run is in run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["audits"]["reads"]["passes"] is False
    assert "do not trust this run" in (tmp_path / "run" / "report.html").read_text()


def test_long_runs_are_announced(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "generate", "-n", "64", "--engine", "ngspice", "-o", "run"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert said.startswith("ftj-spice: ngspice will take about")
    assert "reads of" in said
    assert list(tmp_path.iterdir()) == []


def test_existing_directory_is_refused_and_kept(call, small_run, tmp_path):
    run, _ = small_run
    shutil.copytree(run, tmp_path / "old")
    before = (tmp_path / "old" / "manifest.json").read_bytes()
    assert "old exists; choose another -o or pass --force" in call("generate", *SMALL, "-o", "old").sentence()
    assert (tmp_path / "old" / "manifest.json").read_bytes() == before


def test_force_replaces_a_run_and_nothing_else(call, small_run, tmp_path):
    run, _ = small_run
    shutil.copytree(run, tmp_path / "old")
    (tmp_path / "old" / "note.txt").write_text("of the old run")
    words = ("generate", *QUICK, "--force", "--quiet")
    assert call(*words, "-o", "old").code == 0
    assert {path.name for path in (tmp_path / "old").iterdir()} == FILES
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "no run directory" in call(*words, "-o", "mine").sentence()
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "old"]


def test_closing_lines_quote_strange_names(call, tmp_path):
    name = "$(touch oops) 'x'"
    outcome = call("generate", *QUICK, "-o", name)
    assert outcome.code == 0
    assert "'$(touch oops) '\"'\"'x'\"'\"''" in outcome.out
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_calibrations_that_do_not_fit_are_one_sentence(call, tmp_path):
    words = ("generate", *QUICK, "-o", "run", "--calibration", "none.npz")
    assert "'sample' must stay as it is with 'calibration'" in call(*words).sentence()
    assert "can't read the calibration none.npz" in call("generate", "--calibration", "none.npz").sentence()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are always UTF-8")
def test_directory_name_need_not_be_text(tmp_path):
    outcome = spawn("generate", *QUICK, "-o", "r\udcff", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"r\xff"]


def test_files_in_the_current_folder_are_not_imported(tmp_path):
    trap = "import sys\nsys.stderr.write('SHADOWED ' + __name__)\nraise SystemExit(99)\n"
    for name in ("numpy.py", "numba.py", "PySpice.py", "cffi.py", "json.py"):
        (tmp_path / name).write_text(trap)
    (tmp_path / "ftj_spice").mkdir()
    (tmp_path / "ftj_spice" / "__init__.py").write_text(trap)
    outcome = spawn("generate", *QUICK, "-o", "run", "--quiet", cwd=tmp_path)
    assert (outcome.code, outcome.err) == (0, "")


def test_python_interface_of_the_readme(tmp_path):
    program = (
        "import ftj_spice as ftj\n"
        "settings = ftj.RunSettings(samples=2, seed=1, sample=ftj.SampleSettings(rows=2))\n"
        "result = ftj.generate(settings, out='run1', jobs=2)\n"
        "print(result.metrics['layers'][0]['effective_bits'], result.images.shape, result.path, result.passes)\n"
        "print(all(r.agrees for r in ftj.replay('run1')), ftj.load_settings('c.toml').seed)\n"
    )
    (tmp_path / "c.toml").write_text("seed = 3\n")
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.endswith("(2, 28, 28) run1 True")
    assert second == "True 3"


def test_import_is_lazy():
    program = (
        "import sys, ftj_spice\n"
        "heavy = {'numpy', 'scipy', 'numba', 'matplotlib', 'h5py', 'h5netcdf', 'xarray', 'pydantic', 'typer', 'cffi'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "for name in ftj_spice.__all__: getattr(ftj_spice, name)\n"
        "print(set(ftj_spice.__all__) <= set(dir(ftj_spice)))\n"
        "import ftj_spice.cli.app\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]


def test_command_line_comes_up_without_the_heavy_parts():
    program = (
        "import sys, ftj_spice.cli.app\n"
        "print(sorted({'numpy', 'scipy', 'numba', 'matplotlib', 'h5py', 'xarray', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_and_help(call):
    from importlib.metadata import version

    assert call("--version").out == f"ftj-spice {version('ftj-spice')}\n"
    for verb in ("generate", "netlist", "train", "replay", "doctor", "config"):
        told = call(verb, "--help")
        assert told.code == 0
        assert "Example" in told.out, verb
        assert "ftj-spice" in told.out


def test_config_prints_the_defaults(call, tmp_path):
    told = call("config")
    assert told.code == 0
    (tmp_path / "mine.toml").write_text(told.out)
    assert load_settings(tmp_path / "mine.toml") == RunSettings()
    data = tomllib.loads(told.out)
    assert data["sample"]["rows"] == 16
    for name in ("voltage", "integration_capacitance"):
        assert f"# {name} =" in told.out
    bare = [line for line in told.out.splitlines() if line and not line.startswith("[") and "=" not in line]
    assert all(line.startswith("# ") for line in bare)


def test_config_into_a_pipe_that_closes_is_quiet(tmp_path):
    reader, writer = os.pipe()
    process = subprocess.Popen([*COMMAND, "config"], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    os.close(writer)
    os.close(reader)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_full_standard_output_is_one_sentence(tmp_path):
    with Path("/dev/full").open("w") as full:
        process = subprocess.Popen([*COMMAND, "config"], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert err == "ftj-spice: can't write to standard output: No space left on device\n"


def test_doctor_finds_what_generate_needs(call):
    told = call("doctor", "--json")
    findings = json.loads(told.out)
    assert told.code == 0
    assert findings["ready"] is True
    assert findings["library"]["version"] >= 36
    assert findings["decoder"].startswith("mnist: 16 latents")
    assert "hzo_mfis_nominal" in findings["cards"]
    text = call("doctor").out
    assert "library version" in text
    assert text.endswith("ready: ftj-spice generate can run\n")


def test_doctor_says_what_to_do(call, monkeypatch):
    monkeypatch.setenv("FTJ_SPICE_LIBNGSPICE", "/nonsense")
    told = call("doctor")
    assert told.code == 1
    assert "missing: FTJ_SPICE_LIBNGSPICE names /nonsense" in told.out
    assert "     do: " in told.out
    assert "not ready" in told.out


def test_entry_point_is_declared():
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="ftj-spice")
    assert script.load() is main
