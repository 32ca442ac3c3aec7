"""The command line in this process and in one of its own, and one small run that many tests look at."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ftj_spice.cli.app import main

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
        assert self.err.startswith("ftj-spice: ")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        return self.err.removeprefix("ftj-spice: ").strip()


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[..., Outcome]]:
    """Runs the command line in this process, in an empty folder."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["ftj-spice", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return Outcome(ended.value.code, told.out, told.err)  # type: ignore[arg-type]

    yield run
    for number, handler in kept.items():
        signal.signal(number, handler)


def start(*words: str, cwd: Path, **more: object) -> "subprocess.Popen[str]":
    """Starts the command line in a process and a session of its own."""
    return subprocess.Popen(
        [*COMMAND, *words], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        **more,  # type: ignore[call-overload]
    )  # fmt: skip


def spawn(*words: str, cwd: Path, **more: object) -> Outcome:
    """Runs the command line in a process of its own."""
    process = start(*words, cwd=cwd, **more)
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes."""
    return {**os.environ, **changes}


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A run with one worker, made by the command line in a process of its own, and what was printed."""
    folder = tmp_path_factory.mktemp("cli")
    outcome = spawn("generate", *SMALL, "-o", "run", "--json", cwd=folder)
    assert outcome.code == 0, outcome.err
    return folder / "run", outcome
