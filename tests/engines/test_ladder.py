"""The ladder rescues what it can, says so, and leaves nothing behind."""

import numpy as np
import pytest

from ftj_spice.engines.ngspice.session import LADDER
from ftj_spice.engines.protocol import OperatingPoint, Transient


def power(exponent, height):
    """A steep edge into a power law: Newton's error falls by 1 - 1/exponent per iteration only."""
    return (
        f"t\nv1 s 0 pulse(0 {height} 1 1n 1 10 20)\nr1 s a 1\nc1 a 0 1f\nb1 a 0 i=v(a)^{exponent}\n.end",
        Transient(1.0, 5.0, 1.0),
        height ** (1 / exponent),
    )


def inverter():
    """An inverter on itself, with both kinds of stepping switched off: the solution of x = 1 - tanh(30 (x - 0.31))."""
    x = np.float64(0.31)
    for _ in range(100):
        t = np.tanh(30 * (x - 0.31))
        x -= (x - 1 + t) / (1 + 30 * (1 - t * t))
    return (
        "t\nv1 a 0 1\nb1 0 b i=1e-3*v(a)*(1-tanh(30*(v(b)-0.31)))\nr1 b 0 1k\n.options gminsteps=0 srcsteps=0\n.end",
        OperatingPoint(),
        float(x),
    )


CASES = {
    "more iterations": power(31, 1e6),
    "gmin and source stepping": inverter(),
    "smaller step": power(101, 1e4),
}


def node(rung):
    return "v(b)" if rung == "gmin and source stepping" else "v(a)"


@pytest.mark.parametrize("rung", CASES)
def test_each_rung_rescues_and_is_named(engine, tmp_path, rung):
    netlist, analysis, expected = CASES[rung]
    result = engine.open(netlist).run(analysis, [node(rung)])
    assert result.status == rung
    assert result[node(rung)][-1] == pytest.approx(expected, rel=2e-3)
    assert not list(tmp_path.glob("ftj-spice-failed-*"))  # a rescued run keeps nothing


@pytest.mark.parametrize("rung", CASES)
def test_its_options_do_not_stay(engine, rung):
    """The next run fails on the first rung again, in this session and in the next."""
    netlist, analysis, _ = CASES[rung]
    session = engine.open(netlist)
    first, second = (session.run(analysis, [node(rung)]) for _ in range(2))
    third = engine.open(netlist).run(analysis, [node(rung)])
    assert first.status == second.status == third.status == rung
    assert np.array_equal(first[node(rung)], second[node(rung)])
    assert np.array_equal(first[node(rung)], third[node(rung)])


def test_altered_values_survive_the_climb(engine):
    netlist, analysis, plain = CASES["gmin and source stepping"]
    session = engine.open(netlist)
    session.alter(r1=2e3)
    result = session.run(analysis, ["v(b)"])
    assert result.status == "gmin and source stepping"
    assert result["v(b)"][0] > plain + 1e-3
    many = session.run_many(analysis, ["v(b)"], ["r1"], np.array([[1e3], [2e3]]))
    np.testing.assert_allclose(many["v(b)"][:, 0], [plain, result["v(b)"][0]], rtol=1e-4)


def test_rungs_only_add():
    assert LADDER[0].options == () and LADDER[0].name == "ok"
    finer = Transient(1e-6, 1e-3, 2e-6).finer(LADDER[-1].step_division)
    assert (finer.step, finer.max_step, finer.stop) == (1e-7, 2e-7, 1e-3)
