"""The wheel by itself, in an environment that knows nothing of the checkout, does the main job."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FTJ_SPICE", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; the packages it needs come from the environment of the tests."""
    home = tmp_path_factory.mktemp("empty") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home.parent)
    run(
        sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--no-deps", "--no-index", wheel,
        cwd=home.parent,
    )  # fmt: skip
    (packages,) = home.glob("lib/python*/site-packages")
    # A folder named in a .pth file is searched, but its own .pth files (the editable install) are not followed.
    (packages / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n" + sysconfig.get_path("platlib") + "\n")
    return home


def test_wheel_holds_everything_it_needs_and_no_more(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("models", "netlists"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                assert f"ftj_spice/_resources/{path.relative_to(ROOT).as_posix()}" in names
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ftj_spice").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    strangers = {name for name in names if not name.startswith(("ftj_spice/", "ftj_spice-"))}
    assert strangers == set()
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbi", ".nbc"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    assert "License-Expression: GPL-3.0-or-later" in text
    assert "Requires-Python: >=3.11" in text
    assert "Requires-Dist: torch>=2.2; extra == 'train'" in text.replace('"', "'")


def test_everything_comes_from_the_wheel(installed, tmp_path):
    program = (
        "import json, ftj_spice\n"
        "from ftj_spice.common import resources\n"
        "print(json.dumps([ftj_spice.__file__, str(resources.models()), str(resources.netlists())]))"
    )
    done = run(installed / "bin" / "python", "-c", program, cwd=tmp_path)
    for place in json.loads(done.stdout):
        assert Path(place).resolve().is_relative_to(installed.resolve()), place
        assert not Path(place).resolve().is_relative_to(ROOT)


def test_main_job(installed, tmp_path):
    command = installed / "bin" / "ftj-spice"
    done = run(
        command, "generate", "-n", "2", "--set", "sample.rows=3", "-o", "run", "-j", "2", "--json", cwd=tmp_path
    )  # fmt: skip
    assert json.loads(done.stdout)["images"]["count"] == 2
    assert (tmp_path / "run" / "images.png").stat().st_size > 0
    done = run(command, "replay", "run", "--json", "--quiet", cwd=tmp_path)
    assert all(row["agrees"] for row in json.loads(done.stdout))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_doctor(installed, tmp_path):
    done = run(installed / "bin" / "ftj-spice", "doctor", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["ready"] is True
