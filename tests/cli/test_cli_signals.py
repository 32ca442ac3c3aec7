"""Ctrl-C and its relatives: everything ends at once, and nothing half-done is left."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from cli_support import QUICK, Outcome, start

from ftj_spice.cli.app import main

LONG = ("-n", "500", "--set", "sample.rows=64", "-j", "2")


def wait_for(condition, process, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def children(process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def interrupt(process, number: int, group: bool) -> tuple[Outcome, float]:
    begin = time.monotonic()
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return Outcome(process.returncode, out, err), time.monotonic() - begin


def check_end(outcome: Outcome, seconds: float, helpers: list[psutil.Process], number: int) -> None:
    assert outcome.code == 128 + number
    assert outcome.out == ""
    assert outcome.err.splitlines()[-1] == "ftj-spice: interrupted; nothing half-done was left behind"
    assert "Traceback" not in outcome.err
    assert "Exception" not in outcome.err
    assert seconds < 25  # far below the time that the run itself would take
    assert helpers
    alive = psutil.wait_procs(helpers, timeout=5)[1]  # one that was just starting ends when it finds nobody there
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)],
    ids=["ctrl-c", "int", "term"],
)
def test_generate(tmp_path: Path, number: int, group: bool):
    process = start("generate", *LONG, "-o", "made/run", cwd=tmp_path)
    wait_for(lambda: len(children(process)) == 2, process)
    assert list((tmp_path / "made").glob(".run.partial-*"))
    time.sleep(0.5)
    helpers = children(process)
    outcome, seconds = interrupt(process, number, group)
    check_end(outcome, seconds, helpers, number)
    assert list(tmp_path.iterdir()) == []


def test_replay(tmp_path: Path, small_run):
    """A stand-in for ngspice that never ends keeps the replay going until it is interrupted."""
    run, _ = small_run
    sleeper = tmp_path / "ngspice"
    sleeper.write_text("#!/bin/sh\nexec sleep 1000\n")
    sleeper.chmod(0o755)
    process = start("replay", str(run), "-j", "2", cwd=tmp_path, env={**os.environ, "FTJ_SPICE_NGSPICE": str(sleeper)})
    wait_for(lambda: len(children(process)) == 2, process)
    helpers = children(process)
    outcome, seconds = interrupt(process, signal.SIGTERM, False)
    check_end(outcome, seconds, helpers, signal.SIGTERM)


def test_a_second_signal_does_not_disturb_the_cleaning_up(tmp_path: Path):
    process = start("generate", *LONG, "-o", "run", cwd=tmp_path)
    wait_for(lambda: len(children(process)) >= 1, process)
    helpers = children(process)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    outcome, seconds = interrupt(process, signal.SIGINT, False)
    check_end(outcome, seconds, helpers, signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


def test_ignored_signals_stay_ignored(tmp_path: Path):
    """As with nohup: whoever starts the program may ask it to survive the terminal."""
    process = start(
        "generate", *QUICK, "-o", "run", "--quiet", cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    wait_for(lambda: children(process), process)
    outcome, _ = interrupt(process, signal.SIGHUP, False)
    assert (outcome.code, outcome.err) == (0, "")
    assert (tmp_path / "run" / "manifest.json").is_file()


def test_ctrl_c_that_python_wraps_is_still_ctrl_c(monkeypatch, capsys):
    """While a class is made, Python 3.11 turns what comes out of `__set_name__` into a RuntimeError."""

    def wrapped(**_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    monkeypatch.setattr("ftj_spice.cli.app.app", wrapped)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as left:
            main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert left.value.code == 130
    assert capsys.readouterr().err == "ftj-spice: interrupted; nothing half-done was left behind\n"
