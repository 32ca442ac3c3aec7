"""What a user reads when a netlist or an analysis is wrong."""

import pytest

from ftj_spice.engines.errors import (
    ConvergenceError,
    EngineError,
    IterationLimitError,
    NetlistError,
    SingularMatrixError,
    TimestepError,
    UnknownModelError,
)
from ftj_spice.engines.ngspice import messages
from ftj_spice.engines.protocol import OperatingPoint, Transient

HEAD = "t\nv1 a 0 1\nr1 a b 1k\n"
PARSE = [
    ("d1 b 0 nosuch", UnknownModelError, "no such model: 'nosuch', line 4 'd1 b 0 nosuch'"),
    ("m1 a b 0 0 nch w=1u l=1u", UnknownModelError, "no such model: 'nch', line 4 'm1 a b 0 0 nch w=1u l=1u'"),
    ("x1 b 0 nosub", UnknownModelError, "no such subcircuit: 'nosub', line 4 'x1 b 0 nosub'"),
    ("x1 b 0 nosub w=3", UnknownModelError, "no such subcircuit: 'nosub', line 4"),
    ("b1 b 0 i=1*(v(a)", NetlistError, "can't be parsed, line 4 'b1 b 0 i=1*(v(a)': syntax error in an expression"),
    ("b1 b 0 i=foo(v(a))", NetlistError, "can't be parsed, line 4 'b1 b 0 i=foo(v(a))': no such function 'foo'"),
    ("r2 b 0 {zz}", NetlistError, "undefined parameter 'zz', line 4 'r2 b 0 {zz}'"),
    ("r1 b 0 2k", NetlistError, "can't be parsed, line 4 'r1 b 0 2k': "),
    (".foo bar", NetlistError, "can't be parsed, line 4 '.foo bar': unimplemented "),
    (".include /nonexistent/x.lib", NetlistError, "the include file /nonexistent/x.lib does not exist, line 4"),
    (".subckt s a\nr2 a 0 1", NetlistError, "ismatch of .subckt ... .ends statements"),
    ("x1 b s\n.subckt s a b\nr a b 1\n.ends", NetlistError, "oo few parameters for subcircuit type \"s\""),
]  # fmt: skip


@pytest.mark.parametrize(("line", "kind", "sentence"), PARSE, ids=[p[0].split("\n")[0] for p in PARSE])
def test_refused_netlists(engine, line, kind, sentence):
    netlist = f"{HEAD}{line}\n.end\n"
    with pytest.raises(NetlistError) as caught:
        engine.open(netlist).run(OperatingPoint(), ["v(b)"])
    assert type(caught.value) is kind
    text = str(caught.value)
    assert sentence in text
    assert "\n" not in text
    assert text.endswith(f"; netlist and log are kept in {caught.value.kept}")
    assert (caught.value.kept / "netlist.cir").read_text(encoding="utf-8") == netlist
    assert (caught.value.kept / "engine.log").read_text(encoding="utf-8").count("\n") > 1


@pytest.mark.parametrize("netlist", ["", "title", "title\n.end", "title\n* only a comment\n\n.END\n"])
def test_empty_netlists(engine, netlist):
    with pytest.raises(NetlistError, match="the netlist is empty"):
        engine.open(netlist)


def test_missing_end(engine):
    with pytest.raises(NetlistError, match=r"\.end statement is missing"):
        engine.open("t\nv1 a 0 1\nr1 a 0 1k")


def test_engine_goes_on_after_a_refusal(engine):
    with pytest.raises(NetlistError):
        engine.open(f"{HEAD}d1 b 0 nosuch\n.end")
    assert engine.open(f"{HEAD}.end").run(OperatingPoint(), ["v(b)"])["v(b)"] == pytest.approx([1.0])


def test_singular_matrix(engine):
    with pytest.raises(SingularMatrixError, match=r"^singular matrix: check node v\d#branch; netlist"):
        engine.open("t\nv1 a 0 1\nv2 a 0 2\nr1 a 0 1\n.end").run(OperatingPoint(), ["v(a)"])


def test_time_step_too_small(engine):
    netlist = "t\nv1 s 0 pulse(0 1e4 1 1e-9 1 10 20)\nr1 s a 1\nc1 a 0 1e-15\nb1 a 0 i=v(a)^301\n.end"
    with pytest.raises(TimestepError, match=r"^time step too small: time = 1, timestep = "):
        engine.open(netlist).run(Transient(1.0, 5.0, 1.0), ["v(a)"])


def test_no_operating_point(engine):
    netlist = "t\nv1 a 0 1\nb1 b 0 v=5*tanh(30*(v(a)-0.3-v(b)))\nr1 b 0 1k\n.options gminsteps=0 srcsteps=0\n.end"
    with pytest.raises(ConvergenceError, match=r"^no operating point: ") as caught:
        engine.open(netlist).run(OperatingPoint(), ["v(a)"])
    assert type(caught.value) is ConvergenceError
    assert "\n" not in str(caught.value)
    assert "* op" in (caught.value.kept / "engine.log").read_text(encoding="utf-8")


def test_unknown_swept_source_is_no_convergence_matter(engine):
    from ftj_spice.engines.protocol import Sweep

    with pytest.raises(EngineError, match="nosuch") as caught:
        engine.open(f"{HEAD}.end").run(Sweep("vnosuch", 2), ["v(a)"])
    assert not isinstance(caught.value, ConvergenceError)


@pytest.mark.parametrize(("line", "kind", "text"), [
    ("stderr doAnalyses: TRAN:  Timestep too small; time = 1.2e-09, timestep = 1.25e-21: trouble with node \"b\"",
     TimestepError, "time step too small: time = 1.2e-09, timestep = 1.25e-21: trouble with node \"b\""),
    ("stderr Warning: singular matrix:  check node v1#branch", SingularMatrixError,
     "singular matrix: check node v1#branch"),
    ("stderr doAnalyses: iteration limit reached", IterationLimitError, "iteration limit reached"),
    ("stderr Warning: source stepping failed", ConvergenceError, "no convergence"),
    ("stderr Error: too many things", EngineError, "the simulation gave no result, no v(a): too many things"),
    ("stdout hello", EngineError, "the simulation gave no result, no v(a): ngspice does not say why"),
])  # fmt: skip
def test_simulation_messages(line, kind, text):
    error = messages.simulation_error("no v(a)", [line], None)
    assert type(error) is kind
    assert str(error) == text


def test_line_of_an_included_file_is_told_by_its_text():
    output = ["stderr Error on line 2 or its substitute:", "stderr r9 x 0 bad", "stderr unknown parameter (bad)"]
    error = messages.netlist_error(output, "t\nv1 a 0 1\n.include other\n.end", None)
    assert str(error) == "the netlist can't be parsed, line 2 'r9 x 0 bad': unknown parameter (bad)"
