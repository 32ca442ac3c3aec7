import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.netlist.catalogue.body import Body, Ideal, Instance, Passive, Transistor, parse_body
from ftj_spice.netlist.render import RenderError

ROLES = ["nmos", "pmos"]
names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
nodes = st.one_of(st.just("0"), names)
sizes = st.floats(1e-8, 1e-3)


@given(names, st.tuples(nodes, nodes, nodes, nodes), st.sampled_from(ROLES), sizes, sizes, st.integers(1, 9))
def test_a_transistor_comes_back_as_written(name, terminals, role, width, length, multiplier):
    line = f"m{name[:20]} {' '.join(terminals)} {role} w={width!r} l={length!r} m={multiplier}"
    expected = Transistor(f"m{name[:20]}", terminals, role, width, length, 1, multiplier)
    assert parse_body(line, "t", ROLES) == Body((expected,))


@given(st.text(max_size=200))
def test_any_text_is_taken_apart_or_refused_in_one_sentence(text):
    try:
        body = parse_body(text, "t", ROLES)
    except RenderError as error:
        assert str(error).startswith("t: line ") and "\n" not in str(error)
    else:
        assert all(isinstance(line, Transistor | Passive | Instance | Ideal) for line in body.lines)


def test_every_kind_of_line():
    text = """* a comment
m1 out in 0 0 nmos w=1e-6
+ l=0.15e-6 nf=2
c1 out 0 1e-15 ic=0.9
r1 out vdd 1e4

xbuf in out vdd buffer w_n=2e-6
e1 a 0 in out 10
.model sw1 sw(vt=0.5)
"""
    body = parse_body(text, "t", ROLES)
    assert body.lines == (
        Transistor("m1", ("out", "in", "0", "0"), "nmos", 1e-6, 0.15e-6, 2, 1),
        Passive("c1", "c", ("out", "0"), 1e-15, 0.9),
        Passive("r1", "r", ("out", "vdd"), 1e4, None),
        Instance("xbuf", ("in", "out", "vdd"), "buffer", {"w_n": 2e-6}),
        Ideal("e1", "e1 a 0 in out 10"),
        Ideal(".model", ".model sw1 sw(vt=0.5)"),
    )


@pytest.mark.parametrize(
    "line",
    [
        ".control",
        ".include /etc/passwd",
        ".lib x tt",
        "shell ls",
        "b1 a 0 v=1;quit",
        'a1 a b "x"',
        ".model f filesource (file=x)",
        "v1 a 0 external",
        "m1 d g s b nmos w=1u l=1e-6",
        "m1 d g s b other w=1e-6 l=1e-6",
        "m1 d g s b nmos w=-1e-6 l=1e-6",
        "m1 d g s b nmos w=1e-6 l=1e-6 nf=1.5",
        "m1 d g s b nmos l=1e-6",
        "m1 d g s b nmos w=1e-6 l=1e-6 delvto=1",
        "c1 a 0 0",
        "r1 a 0 {x}",
        "x1 a",
        "r1 a 0 1e3\nr1 a 0 1e3",
        "l1 a 0 1e-9",
        "q1 a b c d",
        "+ continued",
    ],
)
def test_what_is_not_allowed_is_refused_by_its_line(line):
    with pytest.raises(RenderError, match=r"^t: line \d+ of what it renders"):
        parse_body(line, "t", ROLES)
