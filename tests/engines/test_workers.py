"""Workers that crash, hang, leave, are launched otherwise, or lose their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from ftj_spice.engines.errors import EngineNotFoundError, NetlistError, WorkerCrashError, WorkerTimeoutError
from ftj_spice.engines.ngspice import process
from ftj_spice.engines.ngspice.locate import COMMAND_VARIABLE, LIBRARY_VARIABLE, find_command, find_library
from ftj_spice.engines.ngspice.process import LAUNCHER_VARIABLE
from ftj_spice.engines.protocol import OperatingPoint, Transient

DIVIDER = "t\nv1 a 0 1\nr1 a b 1k\nr2 b 0 1k\n.end"
LONG = Transient(1e-9, 1e-1, 1e-9)  # minutes
OP = OperatingPoint()


def later(seconds, action):
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_a_killed_worker_is_replaced(own_engine):
    session = own_engine().open(DIVIDER)
    session.alter(v1=4.0)
    assert session.run(OP, ["v(b)"])["v(b)"] == pytest.approx([2.0])
    first = session.worker_pid
    os.kill(first, signal.SIGKILL)
    assert session.run(OP, ["v(b)"])["v(b)"] == pytest.approx([2.0])
    assert session.worker_pid != first


def test_a_worker_killed_in_the_middle_is_asked_once_more(own_engine):
    session = own_engine().open(DIVIDER)
    first = session.worker_pid
    timer = later(0.3, lambda: os.kill(first, signal.SIGSEGV))
    result = session.run(Transient(1e-9, 8e-4, 1e-9), ["time"])
    timer.join()
    assert session.worker_pid != first
    assert result["time"][-1] == pytest.approx(8e-4)


def test_a_second_death_is_an_error_that_names_netlist_and_log(own_engine):
    session = own_engine().open(DIVIDER)
    killed = []

    def kill_each():
        while len(killed) < 2:
            time.sleep(0.05)
            worker = session._slot._worker
            if worker is not None and worker.pid not in killed and session._slot.holder is session:
                killed.append(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_each)
    killer.start()
    with pytest.raises(WorkerCrashError, match=r"died twice on the same task \(tran ") as caught:
        session.run(LONG, ["v(b)"])
    killer.join()
    assert str(caught.value.kept) in str(caught.value)
    assert (caught.value.kept / "netlist.cir").read_text(encoding="utf-8") == DIVIDER
    assert "* tran" in (caught.value.kept / "engine.log").read_text(encoding="utf-8")
    assert session.run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])  # and the session goes on


def test_a_hanging_worker_is_ended(own_engine):
    session = own_engine(time_limit=0.5).open(DIVIDER)
    pid = session.worker_pid
    begin = time.monotonic()
    with pytest.raises(
        WorkerTimeoutError, match=r"longer than 0.5 s, twice \(tran .*netlist and log are kept"
    ) as caught:
        session.run(LONG, ["v(b)"])
    assert time.monotonic() - begin < 8.0
    assert not psutil.pid_exists(pid)
    assert "Doing analysis" in (caught.value.kept / "engine.log").read_text(encoding="utf-8")
    assert session.run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])


def test_a_stopped_worker_does_not_block_a_large_request(own_engine):
    session = own_engine(time_limit=0.5).open(DIVIDER)
    first = session.worker_pid
    os.kill(first, signal.SIGSTOP)
    assert session.run_many(OP, ["v(a)"], ["v1"], np.ones((200, 1)))["v(a)"].shape == (200, 1)
    assert session.worker_pid != first
    os.kill(session.worker_pid, signal.SIGSTOP)
    with pytest.raises(WorkerTimeoutError):
        session.run_many(OP, ["v(a)"], ["v1"], np.ones((200_000, 1)))  # more than a pipe holds; more than the limit


def test_ngspice_that_leaves_while_loading(own_engine):
    engine = own_engine()
    with pytest.raises(NetlistError, match=r"ismatch of \.subckt"):
        engine.open("t\nv1 a 0 1\n.subckt s a\nr2 a 0 1\n.end")
    assert engine.open(DIVIDER).run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])


def test_ngspice_that_quits_on_its_own_command(own_engine):
    engine = own_engine()
    with pytest.raises(NetlistError):
        engine.open("t\nv1 a 0 1\nr1 a 0 1\n.control\nquit\n.endc\n.end")
    assert engine.open(DIVIDER).run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])


def test_an_interrupt_ends_the_worker_and_the_session_goes_on(own_engine):
    session = own_engine().open(DIVIDER)
    pid = session.worker_pid
    timer = later(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        session.run(LONG, ["v(b)"])
    timer.join()
    assert not psutil.pid_exists(pid)
    assert session.run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])


def test_workers_go_with_their_parent():
    code = (
        "import sys, threading\n"
        "from ftj_spice.engines.ngspice import NgspiceEngine\n"
        "from ftj_spice.engines.protocol import Transient\n"
        f"s = NgspiceEngine().open({DIVIDER!r})\n"
        "print(s.worker_pid, flush=True)\n"
        "s.run(Transient(1e-9, 1e-1, 1e-9), ['v(b)'])\n"
    )
    home = Path(process.__file__).parents[3]
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(home)), text=True
    )
    worker = int(parent.stdout.readline())
    time.sleep(0.3)
    assert psutil.Process(worker).is_running()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(50):
        if not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its parent")


def test_closing_ends_the_worker(own_engine):
    engine = own_engine()
    pid = engine.open(DIVIDER).worker_pid
    engine.close()
    assert not psutil.pid_exists(pid)
    assert engine.open(DIVIDER).run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])  # it starts again when used


def test_descriptors_are_given_back(own_engine):
    engine = own_engine()
    engine.features()
    me = psutil.Process()
    before = me.num_fds()
    for _ in range(3):
        engine.close()
        engine.features()
    assert me.num_fds() == before


def test_workers_are_single_threaded(own_engine):
    pid = own_engine().open(DIVIDER).worker_pid
    environment = psutil.Process(pid).environ()
    assert environment["OMP_THREAD_LIMIT"] == environment["OMP_NUM_THREADS"] == "1"


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_launcher(own_engine, monkeypatch, tmp_path):
    record = tmp_path / "argv"
    launcher = script(tmp_path / "launch", f'echo "$@" > {record}\necho noise on standard output\nexec "$@"')
    monkeypatch.setenv(LAUNCHER_VARIABLE, f"{launcher} env 'FTJ TEST=a b'")
    session = own_engine().open(DIVIDER)
    assert session.run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])
    assert "-m ftj_spice.engines.ngspice.worker" in record.read_text(encoding="utf-8")
    assert psutil.Process(session.worker_pid).environ()["FTJ TEST"] == "a b"


def test_a_launcher_that_stays_in_between_is_ended_too(own_engine, monkeypatch, tmp_path):
    launcher = script(tmp_path / "launch", '"$@"')
    monkeypatch.setenv(LAUNCHER_VARIABLE, str(launcher))
    session = own_engine(time_limit=0.5).open(DIVIDER)
    family = [psutil.Process(session.worker_pid), *psutil.Process(session.worker_pid).children(recursive=True)]
    assert len(family) == 2
    with pytest.raises(WorkerTimeoutError):
        session.run(LONG, ["v(b)"])
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive


@pytest.mark.parametrize(("launcher", "sentence"), [
    ("/nonexistent/launcher", "can't start a worker by FTJ_SPICE_LAUNCHER='/nonexistent/launcher': No such file"),
    ("'unbalanced", "can't start a worker by FTJ_SPICE_LAUNCHER=''unbalanced': No closing quotation"),
    ("sh -c 'echo no node free >&2; exit 3'", "did not come up: no node free"),
])  # fmt: skip
def test_launchers_that_fail(own_engine, monkeypatch, launcher, sentence):
    monkeypatch.setenv(LAUNCHER_VARIABLE, launcher)
    with pytest.raises(EngineNotFoundError) as caught:
        own_engine().features()
    assert sentence in str(caught.value)


def test_library_that_does_not_exist(own_engine, monkeypatch):
    monkeypatch.setenv(LIBRARY_VARIABLE, "/nonexistent/libngspice.so")
    with pytest.raises(
        EngineNotFoundError, match=r"FTJ_SPICE_LIBNGSPICE names /nonexistent/libngspice\.so, which is not"
    ):
        own_engine().features()


def test_library_that_is_none(own_engine, monkeypatch, tmp_path):
    for name in ("libtext.so", "lib{braces}.so"):
        path = tmp_path / name
        path.write_text("not a library", encoding="utf-8")
        monkeypatch.setenv(LIBRARY_VARIABLE, str(path))
        with pytest.raises(EngineNotFoundError) as caught:
            own_engine().open(DIVIDER)
        assert str(caught.value).startswith(f"{path} can't be loaded: ")
        assert "\n" not in str(caught.value)


def test_library_override_is_used(own_engine, monkeypatch, tmp_path):
    link = tmp_path / "my{ngspice}.so"
    link.symlink_to(find_library())
    monkeypatch.setenv(LIBRARY_VARIABLE, str(link))
    assert own_engine().open(DIVIDER).run(OP, ["v(b)"])["v(b)"] == pytest.approx([0.5])


def test_command_override(monkeypatch, tmp_path):
    mine = script(tmp_path / "ngspice", "echo mine")
    monkeypatch.setenv(COMMAND_VARIABLE, str(mine))
    assert find_command() == str(mine)
    monkeypatch.setenv(COMMAND_VARIABLE, "/nonexistent/ngspice")
    with pytest.raises(EngineNotFoundError, match="FTJ_SPICE_NGSPICE names /nonexistent/ngspice, which can't be run"):
        find_command()
    monkeypatch.delenv(COMMAND_VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(EngineNotFoundError, match=f"install.*or set {COMMAND_VARIABLE}"):
        find_command()


def test_no_library_anywhere(monkeypatch):
    from ftj_spice.engines.ngspice import locate

    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    monkeypatch.setattr(locate, "_FOLDERS", ())
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(EngineNotFoundError, match=f"not installed: run '.*', or set {LIBRARY_VARIABLE}"):
        find_library()
