"""Every mistake: one sentence that names it, a status that is not 0, and nothing left behind."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_support import COMMAND, SMALL, Outcome, spawn

from ftj_spice.common import resources
from ftj_spice.studies.generate import load_decoder

CARD = (resources.models() / "cards" / "hzo_mfis_nominal.toml").read_text()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sample.volage=1.4", "unknown setting 'sample.volage', did you mean 'sample.voltage'?"),
        ("nonsense=1", "unknown setting 'nonsense'; known here: samples, seed"),
        ("nonsense.deep.er=1", "unknown setting 'nonsense'"),
        ("sample.voltage=9", "'sample.voltage'"),
        ("sample.voltage=nan", "'sample.voltage': Input should be a finite number"),
        ("sample.voltage=", "'sample.voltage'"),
        ("sample.voltage=1.4 V", "'sample.voltage'"),
        ("sample.rows=0", "'sample.rows': Input should be greater than or equal to 1, got 0"),
        ("samples=0", "'samples'"),
        ("samples=2.5", "'samples'"),
        ("samples=true", "'samples': Input should not be true or false"),
        ("samples.x=3", "'samples' is one value, not a group"),
        ("sample=3", "'sample' is a group of settings, not a value, got 3"),
        ("seed=-1", "'seed'"),
        ("seed=1979-05-27", "'seed'"),
        ("read.tile_columns=0", "'read.tile_columns': Input should be greater than or equal to 1, got 0"),
        ("read.tile_columns=1", "'read': a tile of 1 columns holds no output"),
        ("sample.digitiser=integrator\n.control", "'sample.digitiser'"),
        ("sample.voltage", "write key=value"),
        ("=3", "write key=value"),
        (".=3", "write key=value"),
        ("seed=1\nsample.rows=3", "one value, please"),
        ("seed=" + "[" * 5000, "'seed'"),
        ("card=a\n.control\nshell touch oops", r"no device card named 'a\n.control"),
        ("card=hzo", "no device card named 'hzo'; known: accelerated, high_current, hzo_mfis_nominal"),
        ("card=missing.toml", "can't read the device card missing.toml: No such file"),
        ("decoder=../x.npz", "../x.npz: can't be read: No such file"),
        ("decoder=a\n.control.npz", r"a\n.control.npz: can't be read"),
        ("decoder=other", "no shipped decoder is called 'other'; there are: mnist"),
    ],
)
def test_settings(call, tmp_path, change, words):
    assert words in call("generate", "-o", "run", "--set", change).sentence()
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"samples = [", "c.toml: not valid TOML"),
        (b"\xff\xfe", "c.toml: not valid TOML"),
        (b"x = " + b"[" * 100_000, "c.toml: not valid TOML"),
        (b"[sample]\nrow = 3", "c.toml: unknown setting 'sample.row', did you mean 'sample.rows'?"),
        (b"[sample]\ndigitiser = 'comparator'\nsteps_per_sample = 3", "c.toml: 'sample': 'steps_per_sample' must be"),
        (b'card = "a\\n.control"', r"'a\n.control'"),
        (b"samples = 3\nsamples = 4", "c.toml: not valid TOML"),
    ],
)
def test_settings_file(call, tmp_path, content, words):
    (tmp_path / "c.toml").write_bytes(content)
    outcome = call("generate", "-o", "run", "--config", "c.toml")
    assert words in outcome.sentence()
    assert outcome.code == 2
    assert left(tmp_path) == ["c.toml"]


def test_settings_file_missing(call):
    assert (
        "can't read the settings file c.toml: no such file or directory"
        in call("generate", "--config", "c.toml").sentence()
    )
    assert "can't read the settings file .: is a directory" in call("generate", "--config", ".").sentence()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["generate", "-j", "-1"], "jobs must lie between 1 and 1024, got -1"),
        (["generate", "-j", "99999999"], "jobs must lie between"),
        (["generate", "-n", "0"], "'samples'"),
        (["generate", "-n", "99999999999"], "'samples': Input should be less than or equal to 1000000"),
        (["generate", "-n", "three"], "'-n'"),
        (["generate", "-n"], "requires an argument"),
        (["generate", "--seed", "-5"], "'seed'"),
        (["generate", "--audit", "-1"], "'audit': Input should be greater than or equal to 0, got -1"),
        (["generate", "--audit", "many"], "'--audit'"),
        (["generate", "--engine", "spectre"], "unknown engine 'spectre'; known: fast, ngspice, vacask"),
        (["generate", "--engine", "fast\n.control"], r"unknown engine 'fast\n.control'"),
        (["generate", "--sed", "5"], "no such option: --sed"),
        (["generate", "more"], "unexpected extra argument"),
        (["generat"], "no such command 'generat'"),
        (["--nonsense"], "no such option: --nonsense"),
        (["netlist"], "missing argument"),
        (["netlist", "crosbar"], "unknown kind of netlist 'crosbar'; known: cell, crossbar"),
        (["netlist", "crossbar\n.control"], r"'crossbar\n.control'"),
        (["netlist", "crossbar", "--rows", "0"], "rows must lie between 1 and 4096, got 0"),
        (["netlist", "crossbar", "--columns", "-3"], "columns must lie between"),
        (["netlist", "crossbar", "--rows", "4096", "--columns", "4096"], "cells"),
        (["netlist", "sample", "--samples", "0"], "samples must lie between"),
        (["netlist", "crossbar", "--line-resistance", "nan"], "line_resistance"),
        (["netlist", "read", "--line-resistance", "-1"], "line_resistance"),
        (["netlist", "crossbar", "--seed", "-1"], "seed must not be negative"),
        (["netlist", "cell", "--card", "c\n.toml"], r"can't read the device card c\n.toml"),
        (["netlist", "cell", "-o", "no/such/x.cir"], "can't write no/such/x.cir"),
        (["netlist", "cell", "-o", ".", "--force"], "not a file"),
        (["replay", "nothing"], "nothing is not a run directory"),
        (["replay", "."], "is not a run directory"),
        (["replay", ".", "-j", "-2"], "jobs must lie between"),
        (["train", "--dataset", "letters"], "unknown data set 'letters'; known: mnist"),
        (["train", "--epochs", "0"], "'epochs'"),
        (["train", "-o", "no/such/d.npz"], "there is no folder no/such"),
    ],
)
def test_command_line(call, tmp_path, words, expected):
    assert expected in call(*words).sentence()
    assert left(tmp_path) == []


def test_no_words_print_the_help(call):
    outcome = call()
    assert outcome.code == 2
    assert "generate" in outcome.out


def decoder_bytes(folder: Path, **changes: np.ndarray) -> Path:
    with np.load(resources.models() / "decoders" / "mnist.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(folder / "d.npz", **{**arrays, **changes})
    return folder / "d.npz"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "d.npz: is damaged or not a decoder file"),
        (lambda path: path.write_bytes(b""), "d.npz: is damaged or not a decoder file"),
        (
            lambda path: decoder_bytes(path.parent, bias_0=np.zeros(3, np.float32)),
            "'bias_0' must have the shape (256,)",
        ),
        (lambda path: decoder_bytes(path.parent, weight_1=np.zeros((9, 512), np.float32)), "'weight_1' takes 9 inputs"),
        (lambda path: decoder_bytes(path.parent, image_shape=np.array([9, 9])), "'image_shape'"),
        (lambda path: decoder_bytes(path.parent, bias_0=np.full(256, np.nan, np.float32)), "'bias_0' holds NaN"),
    ],
)
def test_decoder_file(call, tmp_path, damage, words):
    decoder_bytes(tmp_path)
    load_decoder(str(tmp_path / "d.npz"))
    damage(tmp_path / "d.npz")
    assert words in call("generate", "-o", "run", "--set", "decoder=d.npz").sentence()
    assert left(tmp_path) == ["d.npz"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('unit = "V"', 'unit = "mV"', "must be given in V, not in 'mV'"),
        ('name = "hzo_mfis_nominal"', 'name = "a\\n.control"', "'name'"),
        ('law = "sinh"', 'law = "sinh\\n.control"', "'law'"),
        ("[area]", "[areas]", "unknown card parameter 'areas'; did you mean 'area'?"),
        ("value = 1e-12", "value = -1.0e-12", "'area' must lie between 1e-18 and 1e-06 m^2"),
        ("value = 1e-12", 'value = "1p"', "'area'"),
        ("value = 1e-12", "value = inf", "'area'"),
        ("value = 1e-12", "", "'area' has no value"),
        ("value = 1e-12", "value = {", "c.toml: not valid TOML"),
        ('kind = "estimate"', 'kind = "guess"', "kind"),
    ],
)
def test_card_file(call, tmp_path, old, new, words):
    assert old in CARD
    (tmp_path / "c.toml").write_text(CARD.replace(old, new, 1))
    sentence = call("generate", "-o", "run", "--set", "card=c.toml").sentence()
    assert sentence.startswith("c.toml:")
    assert words in sentence
    assert left(tmp_path) == ["c.toml"]


@pytest.mark.parametrize("kind", ["crossbar", "nor", "read"])
@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.full((2, 2), np.nan), "finite"),
        (np.full((2, 2), np.inf), "finite"),
        (-np.ones((2, 2)), "from 0 to 1, in siemens"),
        (np.full((2, 2), 1e3), "from 0 to 1, in siemens"),
        (np.array([[1, "x"]], dtype=object), "not a whole .npy file with a matrix of numbers"),
        (np.array([["1"]]), "one matrix of numbers"),
        (np.ones((2, 2), complex), "one matrix of numbers"),
        (np.ones(3), "one matrix of numbers"),
        (np.ones((0, 3)), "one matrix of numbers"),
        (np.zeros((1, 5000)), "at most 4096"),
    ],
)
def test_conductance_matrix(call, tmp_path, kind, matrix, words):
    np.save(tmp_path / "g.npy", matrix, allow_pickle=True)
    sentence = call("netlist", kind, "--conductance", "g.npy", "-o", "x.cir").sentence()
    assert sentence.startswith("g.npy")
    assert words in sentence
    assert left(tmp_path) == ["g.npy"]


def test_conductance_file(call, tmp_path):
    assert "g.npy: No such file" in call("netlist", "nor", "--conductance", "g.npy").sentence()
    np.save(tmp_path / "g.npy", np.ones((4, 4)))
    whole = (tmp_path / "g.npy").read_bytes()
    for content in (whole[:-3], b"", b"hello", whole[:20]):
        (tmp_path / "g.npy").write_bytes(content)
        assert "not a whole .npy file" in call("netlist", "nor", "--conductance", "g.npy").sentence()
    np.savez(tmp_path / "g.npz", np.ones((2, 2)))
    assert "g.npz is not a whole .npy file" in call("netlist", "nor", "--conductance", "g.npz").sentence()
    assert "Is a directory" in call("netlist", "nor", "--conductance", ".").sentence()


@pytest.mark.parametrize("library", ["/nonsense/libngspice.so", __file__])
def test_no_ngspice(call, monkeypatch, tmp_path, library):
    monkeypatch.setenv("FTJ_SPICE_LIBNGSPICE", library)
    assert library in call("generate", "-o", "run", "--quiet").sentence()
    assert left(tmp_path) == []


def test_read_only_folder(call, tmp_path):
    if os.geteuid() == 0:  # nothing is read-only for root; but nothing can be made here
        target = Path("/proc/ftj-run") if sys.platform == "linux" else Path("/dev/ftj-run")
    else:
        (tmp_path / "locked").mkdir(mode=0o555)
        target = tmp_path / "locked" / "ftj-run"
    assert f"can't make the run directory {target}" in call("generate", *SMALL, "-o", str(target)).sentence()


def limited(size: int):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_full_disk(small_run, tmp_path):
    """The limit lets the images through and stops the column currents; numba's cache is filled by the run before."""
    run, _ = small_run
    size = (run / "columns.h5").stat().st_size - 1000
    assert all((run / name).stat().st_size < size for name in ("images.npy", "latents.npy", "waveforms.raw"))
    outcome = spawn("generate", *SMALL, "-o", "run", "--quiet", cwd=tmp_path, preexec_fn=limited(size))
    assert outcome.sentence() == (
        f"can't write the run directory {tmp_path / 'run'}: nothing more fits on the disk (file too large); "
        "nothing was kept"
    )
    assert left(tmp_path) == []


def test_full_disk_for_a_netlist(tmp_path):
    (tmp_path / "x.cir").write_text("* of yesterday\n")
    words = ("netlist", "crossbar", "--rows", "32", "-o", "x.cir", "--force")
    outcome = spawn(*words, cwd=tmp_path, preexec_fn=limited(4096))
    assert outcome.sentence() == "can't write x.cir: nothing more fits on the disk (file too large)"
    assert left(tmp_path) == ["x.cir"]
    assert (tmp_path / "x.cir").read_text() == "* of yesterday\n"


def test_netlist_is_not_overwritten(call, tmp_path):
    assert call("netlist", "cell", "-o", "x.cir").code == 0
    before = (tmp_path / "x.cir").read_bytes()
    assert "x.cir exists; choose another -o or pass --force" in call("netlist", "nor", "-o", "x.cir").sentence()
    assert (tmp_path / "x.cir").read_bytes() == before
    assert call("netlist", "nor", "-o", "x.cir", "--force").code == 0
    assert (tmp_path / "x.cir").read_bytes() != before


def test_programming_errors_keep_their_traceback(tmp_path):
    program = (
        "import ftj_spice.studies.settings as s\n"
        "s.default_toml = lambda: 1 / 0\n"
        "from ftj_spice.cli.app import main\n"
        "import sys; sys.argv = ['ftj-spice', 'config']; main()\n"
    )
    done = subprocess.run([*COMMAND[:3], program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_the_sentence_helper_refuses_tracebacks():
    with pytest.raises(AssertionError):
        Outcome(1, "", "Traceback (most recent call last):\nZeroDivisionError\n").sentence()
