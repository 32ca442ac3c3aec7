"""The command line in this process, and one small run that many tests look at."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_support import SMALL, Outcome, spawn

from ftj_spice.cli.app import main


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
        return Outcome(ended.value.code or 0, told.out, told.err)  # type: ignore[arg-type]

    yield run
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A run with one worker, made by the command line in a process of its own, and what was printed."""
    folder = tmp_path_factory.mktemp("cli")
    outcome = spawn("generate", *SMALL, "-o", "run", "--json", cwd=folder)
    assert outcome.code == 0, outcome.err
    return folder / "run", outcome
