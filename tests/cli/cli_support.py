"""Runs the command line in processes of its own."""

import atexit
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ftj_spice.generative.decoder import Decoder

COMMAND = [sys.executable, "-P", "-c", "from ftj_spice.cli.app import main; main()"]


def _tiny_decoder() -> Path:
    """Writes a decoder of two layers, 4 latents to 6 x 6 pixels, into a folder that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="ftj-spice-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    rng = np.random.default_rng(0)
    layers = ((rng.normal(size=(4, 9)), rng.normal(size=9)), (rng.normal(size=(9, 36)) / 3, rng.normal(size=36)))
    Decoder(layers, (6, 6)).save(folder / "tiny.npz")
    return folder / "tiny.npz"


TINY = f"decoder={_tiny_decoder()}"
TILES = ("--set", "read.tile_rows=8", "--set", "read.tile_columns=16")
QUICK = ("-n", "2", "--set", "sample.rows=2", "--set", TINY, *TILES)
SMALL = ("-n", "3", "--seed", "5", "--set", "sample.rows=3", "--set", TINY, *TILES)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """The one line of an error, without its opening."""
        assert self.code not in (0, None)
        assert self.out == ""
        assert self.err.startswith("ftj-spice: "), self.err
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        return self.err.removeprefix("ftj-spice: ").strip()


def start(*words: str, cwd: Path, **more: Any) -> "subprocess.Popen[str]":
    """Starts the command line in a process and a session of its own."""
    return subprocess.Popen(
        [*COMMAND, *words], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        **more,
    )  # fmt: skip


def spawn(*words: str, cwd: Path, **more: Any) -> Outcome:
    """Runs the command line in a process of its own."""
    process = start(*words, cwd=cwd, **more)
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)
