import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from ftj_spice.common.errors import OutputError
from ftj_spice.common.rawfile import write_raw
from ftj_spice.results.rundir import RunDirectory, is_run_directory

MANIFEST = {"program": "ftj-spice", "seed": 7}


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def make(path, content="one", **settings):
    with RunDirectory(path, **settings) as run:
        run.write_text("note.txt", content)
        run.write_json("manifest.json", MANIFEST)
    return path


def child(code, *arguments, **settings):
    """Runs Python code in a process of its own; exit status 3 and the sentence mean OutputError."""
    wrapped = (
        "import os, resource, signal, sys, time\nfrom pathlib import Path\n"
        "from ftj_spice.common.errors import OutputError\n"
        "from ftj_spice.results.rundir import RunDirectory\n"
        "from ftj_spice.results.datasets import write_dataset\nimport h5netcdf\nimport numpy as np\n"
        "try:\n" + "".join(f"    {line}\n" for line in code.splitlines()) + "except OutputError as error:\n"
        "    print(error); sys.exit(3)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", wrapped, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def test_a_whole_run_appears_at_once(tmp_path):
    target = tmp_path / "new" / "deeper" / "run"
    with RunDirectory(target) as run:
        assert not target.exists()
        run.write_text("a.txt", "µ\n")
        run.write_npy("latents.npy", np.arange(6.0).reshape(2, 3))
        run.write_bytes("netlists/column.cir", b"* x\n")
        run.write_json("manifest.json", MANIFEST | {"nan": np.float64("nan"), "n": np.int64(3)})
        run.file("sub/b.bin").write_bytes(b"b")
        (hidden,) = target.parent.iterdir()
        assert hidden.name.startswith(".run.partial-")
    assert names(target.parent) == ["run"]
    assert (target / "a.txt").read_bytes() == "µ\n".encode()
    assert np.load(target / "latents.npy", allow_pickle=False).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (target / "netlists/column.cir").exists() and (target / "sub/b.bin").exists()
    assert json.loads((target / "manifest.json").read_text()) == MANIFEST | {"nan": None, "n": 3}
    assert is_run_directory(target)
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o777 & ~umask


def test_an_existing_target_is_refused_before_any_work(tmp_path):
    make(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    for name in ("run", "empty", "file", "dangling"):
        with pytest.raises(OutputError, match=rf"{name} exists; choose another -o or pass --force"):
            RunDirectory(tmp_path / name).__enter__()
    assert names(tmp_path) == ["dangling", "empty", "file", "run"]


def test_force_replaces_a_run_or_an_empty_folder(tmp_path):
    make(tmp_path / "run", "old")
    (tmp_path / "run" / "old-only.txt").touch()
    make(tmp_path / "run", "new", force=True)
    assert names(tmp_path / "run") == ["manifest.json", "note.txt"]
    assert (tmp_path / "run/note.txt").read_text() == "new"
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty", force=True)
    make(tmp_path / "fresh", force=True)
    assert names(tmp_path) == ["empty", "fresh", "run"]


@pytest.mark.parametrize("manifest", [None, "", "{", "[]", '{"name": "some web app"}', '{"program": "other"}'])
def test_force_never_replaces_what_is_not_ours(tmp_path, manifest):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    if manifest is not None:
        (home / "manifest.json").write_text(manifest)
    with pytest.raises(OutputError, match=r"no run directory of ftj-spice, so --force does not replace it"):
        RunDirectory(home, force=True).__enter__()
    assert (home / "thesis.tex").read_text() == "years of work"


def test_force_replaces_no_file_and_follows_no_link(tmp_path):
    (tmp_path / "file").write_text("x")
    make(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for name in ("file", "link"):
        with pytest.raises(OutputError, match="no run directory"):
            RunDirectory(tmp_path / name, force=True).__enter__()
    assert (tmp_path / "run/note.txt").exists() and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), SystemExit(2), MemoryError()])
def test_whatever_is_raised_passes_and_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)) as caught, RunDirectory(tmp_path / "new" / "run") as run:
        run.write_json("manifest.json", MANIFEST)
        raise error
    assert caught.value is error
    assert not list(tmp_path.iterdir())


def test_a_failed_run_leaves_the_earlier_one(tmp_path):
    make(tmp_path / "run", "old")
    with pytest.raises(KeyError), RunDirectory(tmp_path / "run", force=True) as run:
        run.write_json("manifest.json", MANIFEST)
        raise KeyError
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run/note.txt").read_text() == "old"


def test_a_failed_move_puts_the_earlier_run_back(tmp_path, monkeypatch):
    make(tmp_path / "run", "old")
    rename = Path.rename

    def refuse(self, target):
        if ".partial-" in self.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match=r"can't write the run directory .*run: input/output error; nothing was kept"):
        make(tmp_path / "run", "new", force=True)
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run/note.txt").read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_one_sentence_that_names_the_run(tmp_path, number, wrapped):
    full = OSError(number, os.strerror(number))
    with pytest.raises(OutputError) as caught, RunDirectory(tmp_path / "run"):
        if wrapped:
            raise OutputError("can't write x") from full
        raise full
    assert f"can't write the run directory {tmp_path / 'run'}: nothing more fits on the disk" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_really_full_device(tmp_path):
    with pytest.raises(OutputError, match="nothing more fits"), RunDirectory(tmp_path / "run") as run:
        run.file("wave.raw").symlink_to("/dev/full")
        write_raw(run.file("wave.raw"), "x", "Transient Analysis", {"time": ("time", np.arange(1e4))})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "work",
    [
        "run.write_npy('big.npy', np.zeros(100000))",
        "run.file('big.bin').write_bytes(bytes(1000000))",
        "write_dataset(run.file('x.h5'), {'x': ('t', np.zeros(100000), {'units': 'A', 'long_name': 'x'})}, {})",
    ],
)
def test_a_file_size_limit_is_met_for_real(tmp_path, work):
    code = (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        f"with RunDirectory(Path(sys.argv[1])) as run:\n    run.write_json('manifest.json', {MANIFEST})\n    {work}"
    )
    process = child(code, tmp_path / "run")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (3, "")
    assert out.startswith(f"can't write the run directory {tmp_path / 'run'}: nothing more fits on the disk")
    assert not list(tmp_path.iterdir())


def test_errors_of_other_files_are_left_alone(tmp_path):
    with pytest.raises(FileNotFoundError), RunDirectory(tmp_path / "run"):
        Path(tmp_path / "weights.npz").read_bytes()
    with pytest.raises(OutputError, match=r"elsewhere"), RunDirectory(tmp_path / "run"):
        raise OutputError("elsewhere") from PermissionError(errno.EACCES, "no", "/somewhere/else")
    assert not list(tmp_path.iterdir())


def test_errors_of_the_runs_own_files_name_the_run_not_the_hidden_folder(tmp_path):
    with pytest.raises(OutputError) as caught, RunDirectory(tmp_path / "run") as run:
        run.file("a").mkdir()
        run.write_text("a", "x")
    assert str(tmp_path / "run") in str(caught.value) and ".partial-" not in str(caught.value)


def test_ctrl_c_leaves_nothing(tmp_path):
    code = (
        "with RunDirectory(Path(sys.argv[1])) as run:\n"
        f"    run.write_json('manifest.json', {MANIFEST})\n"
        "    print('at work', flush=True)\n    time.sleep(60)"
    )
    process = child(code, tmp_path / "run")
    assert process.stdout.readline() == "at work\n"
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0 and "KeyboardInterrupt" in err
    assert not list(tmp_path.iterdir())


def test_a_parent_that_cant_be_written():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        drop = "os.seteuid(65534)\n" if os.geteuid() == 0 else ""
        process = child(f"{drop}with RunDirectory(Path(sys.argv[1])):\n    print('at work')", Path(folder) / "run")
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (3, "")
        assert out == f"can't make the run directory {folder}/run: permission denied\n"
        Path(folder).chmod(0o755)


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    for target in (tmp_path / "file/run", tmp_path / "file/deep/run"):
        with pytest.raises(OutputError, match=r"run directory .*run: (not a directory|file exists)"):
            RunDirectory(target).__enter__()


def test_the_root_folder_and_overlong_names(tmp_path):
    with pytest.raises(OutputError, match="can't be a run directory"):
        RunDirectory(Path("/"), force=True).__enter__()
    with pytest.raises(OutputError, match="file name too long"):
        RunDirectory(tmp_path / ("x" * 250)).__enter__()


def test_someone_else_takes_the_place_meanwhile(tmp_path):
    with pytest.raises(OutputError, match="run exists"), RunDirectory(tmp_path / "run") as run:
        run.write_json("manifest.json", MANIFEST)
        (tmp_path / "run").mkdir()
    assert names(tmp_path) == ["run"]


def test_a_run_without_manifest_is_no_run(tmp_path):
    with pytest.raises(RuntimeError, match=r"manifest\.json"), RunDirectory(tmp_path / "run") as run:
        run.write_text("a.txt", "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "/etc/x", "../x", "a/../../x", "a\\b", "a\0b"])
def test_names_stay_inside(tmp_path, name):
    with pytest.raises(ValueError, match="inside the run directory"), RunDirectory(tmp_path / "run") as run:
        run.file(name)


def test_writing_outside_the_block_and_pickles_are_refused(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(RuntimeError, match="inside its 'with' block"):
        run.file("x")
    with pytest.raises(ValueError, match="pickle"), run:
        run.write_npy("x.npy", np.array([object()]))
    with pytest.raises(RuntimeError, match="inside its 'with' block"):
        run.file("x")
