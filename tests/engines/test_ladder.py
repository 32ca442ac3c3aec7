"""The ladder rescues what it can, says so, and leaves nothing behind."""

import numpy as np
import pytest

from ftj_spice.engines.errors import ConvergenceError
from ftj_spice.engines.ngspice.session import LADDER
from ftj_spice.engines.protocol import OperatingPoint, Transient

# A chain of diodes needs more than ngspice's floor of 100 iterations when gmin and source stepping are off.
CHAIN = "\n".join(
    ["chain", "v1 a0 0 200", ".model dm d(is=1e-14 n=0.5)"]
    + [f"d{i} a{i} a{i + 1} dm\nr{i} a{i + 1} 0 1meg" for i in range(60)]
    + [".options gminsteps=0 srcsteps=0 itl1=1", ".end"]
)


def test_a_rung_rescues_and_is_named(engine, tmp_path):
    session = engine.open(CHAIN)
    result = session.run(OperatingPoint(), ["v(a60)"])
    assert result.status in [rung.name for rung in LADDER[1:]]
    assert np.isfinite(result["v(a60)"][0])
    assert not list(tmp_path.glob("ftj-spice-failed-*"))  # a rescued run keeps nothing


def test_its_options_do_not_stay(engine):
    """The next run fails on the first rung again: its status is the rescuing rung's, not 'ok'."""
    session = engine.open(CHAIN)
    first = session.run(OperatingPoint(), ["v(a60)"])
    second = session.run(OperatingPoint(), ["v(a60)"])
    assert first.status == second.status != "ok"
    assert np.array_equal(first["v(a60)"], second["v(a60)"])
    third = engine.open(CHAIN).run(OperatingPoint(), ["v(a60)"])
    assert third.status == first.status


def test_altered_values_survive_the_climb(engine):
    session = engine.open(CHAIN)
    session.alter(r59=1e5)
    altered = session.run(OperatingPoint(), ["v(a60)"])
    assert altered.status != "ok"
    assert altered["v(a60)"][0] != session.run_many(OperatingPoint(), ["v(a60)"], ["r59"], [[1e6]])["v(a60)"][0, 0]


def test_the_last_failure_names_the_first(engine):
    with pytest.raises(ConvergenceError) as caught:
        engine.open("t\nb1 a 0 v=v(a)>0.5 ? 0 : 1\nr1 a 0 1k\n.end").run(OperatingPoint(), ["v(a)"])
    assert "* op" in (caught.value.kept / "engine.log").read_text(encoding="utf-8")


def test_steps_get_smaller_on_the_last_rung():
    finer = Transient(1e-6, 1e-3, 2e-6).finer(LADDER[-1].step_division)
    assert (finer.step, finer.max_step, finer.stop) == (1e-7, 2e-7, 1e-3)
