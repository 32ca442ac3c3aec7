"""Runs the command line in processes of its own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-P", "-c", "from ftj_spice.cli.app import main; main()"]
SMALL = ("-n", "3", "--seed", "5", "--set", "sample.rows=3")


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
