import subprocess

import pytest

from ftj_spice.common.rawfile import read_raw
from ftj_spice.engines.ngspice.locate import find_command


@pytest.fixture
def plain(tmp_path):
    """Runs a netlist with the plain `ngspice -b` and returns its vectors and what it printed."""

    def run(netlist):
        path, raw = tmp_path / "bench.cir", tmp_path / "bench.raw"
        path.write_text(netlist, encoding="utf-8")
        done = subprocess.run(
            [find_command(), "-b", "-r", str(raw), str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return dict(read_raw(raw).vectors), done.stdout + done.stderr

    return run
