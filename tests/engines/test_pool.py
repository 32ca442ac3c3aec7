"""`map`: order, errors, independence of the number of workers."""

import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest

from ftj_spice.engines.protocol import OperatingPoint, Transient

DIVIDER = "t\nv1 a 0 {}\nr1 a b 1k\nr2 b 0 {}\n.end"


def read(open_netlist, task):
    time.sleep(0.02 * (task % 3))
    session = open_netlist(DIVIDER.format(task, 1000 + task))
    session.alter(r1=500.0 + task)
    return session.run(OperatingPoint(), ["v(b)"])["v(b)"]


def test_answers_come_in_order_whatever_the_number_of_workers(own_engine):
    progress = []
    one = own_engine(jobs=1).map(read, range(12))
    three = own_engine(jobs=3).map(read, range(12), progress.append)
    assert [a.tobytes() for a in one] == [b.tobytes() for b in three]
    assert progress == list(range(1, 13))
    np.testing.assert_allclose([a[0] for a in one], [t * (1000 + t) / (1500 + 2 * t) for t in range(12)], rtol=1e-6)


def test_no_tasks(own_engine):
    assert own_engine(jobs=2).map(read, []) == []


def test_tasks_may_come_from_a_generator(own_engine):
    assert len(own_engine(jobs=2).map(read, (t for t in range(3)))) == 3


def test_one_error_ends_the_rest_at_once(own_engine):
    engine = own_engine(jobs=2)
    engine.map(read, range(2))  # both workers are up
    begun = []

    def job(open_netlist, task):
        begun.append(task)
        if task == 1:
            time.sleep(0.3)
            raise LookupError("task 1")
        session = open_netlist(DIVIDER.format(1, 1000))
        return session.run(Transient(1e-9, 1e-1, 1e-9), ["v(b)"])  # minutes

    begin = time.monotonic()
    with pytest.raises(LookupError, match="task 1"):
        engine.map(job, range(20))
    assert time.monotonic() - begin < 5.0
    assert len(begun) <= 3
    assert not [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE and p.is_running()
                and "ftj_spice.engines.ngspice.worker" in p.cmdline() and p.pid in _pids(engine)]  # fmt: skip
    assert len(engine.map(read, range(3))) == 3  # and the engine goes on


def _pids(engine):
    return [slot._worker.pid for slot in engine._slots if slot._worker is not None]


def test_an_interrupt_ends_all(own_engine):
    engine = own_engine(jobs=2)
    engine.map(read, range(2))
    pids = _pids(engine)
    timer = threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        engine.map(lambda o, t: o(DIVIDER.format(1, 1)).run(Transient(1e-9, 1e-1, 1e-9), ["v(b)"]), range(4))
    timer.join()
    assert time.monotonic() - begin < 5.0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert _pids(engine) == []


def test_a_worker_lost_inside_map_is_replaced(own_engine):
    engine = own_engine(jobs=2)
    lost = []

    def job(open_netlist, task):
        session = open_netlist(DIVIDER.format(task, 1000))
        if task == 2:
            lost.append(session.worker_pid)
            os.kill(session.worker_pid, signal.SIGKILL)
        return session.run(OperatingPoint(), ["v(b)"])["v(b)"][0]

    np.testing.assert_allclose(engine.map(job, range(5)), np.arange(5) / 2, rtol=1e-9)
    assert lost[0] not in _pids(engine)
