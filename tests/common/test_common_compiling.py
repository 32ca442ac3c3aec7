import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftj_spice.common import compiling

PROGRAM = "import sys; sys.path.insert(0, {folder!r}); import compiling; print(compiling.CACHE)"


def test_compiled_code_is_kept_here():
    assert compiling.CACHE is True


@pytest.mark.parametrize("home", ["writable", "missing"])
def test_read_only_installation(tmp_path, home):
    """A plain file in the place of `__pycache__` keeps everyone, root too, from writing there."""
    shutil.copy(compiling.__file__, tmp_path / "compiling.py")
    (tmp_path / "__pycache__").write_text("")
    (tmp_path / "file").write_text("")
    place = tmp_path / "home" if home == "writable" else tmp_path / "file" / "home"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM.format(folder=str(tmp_path))],
        env={**kept, "HOME": str(place)}, capture_output=True, text=True, check=True, cwd=Path(tmp_path),
    )  # fmt: skip
    assert done.stdout.strip() == str(home == "writable")
