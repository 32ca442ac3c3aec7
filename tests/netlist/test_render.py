"""The gate that every value of a netlist passes, and the strictness of the templates behind it."""

import enum
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from ftj_spice.common import resources
from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import load_card
from ftj_spice.netlist import benches
from ftj_spice.netlist.benches import SampleArray, TrapSource
from ftj_spice.netlist.circuit import TOPOLOGIES, ArrayCircuit, Cells, Line
from ftj_spice.netlist.render import RenderError, check, render

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
TEMPLATES = sorted(resources.netlists().rglob("*.j2"))


class Sly(str):
    """Shows other characters than it has."""

    def __str__(self):
        return "a\n.control"

    __repr__ = __format__ = __str__


class Colour(enum.StrEnum):
    RED = "red"
    EVIL = "red\n.end"


class Shown:
    def __str__(self):
        return "r1"


class NotANumber(float):
    def __float__(self):
        return math.nan


SMUGGLERS = [
    "", " ", "a\nb", "a\n", "\na", "a\r", "a\u2028b", "a\x00", "a\x0bb", "a b", "a\tb", "{a}", "a}", "{{a}}",
    "{%a%}", "{#", ".control", ".endc", "a;b", "a$b", "a\\b", "a+b", "+a", "*a", "a'b", 'a"b', "a=b", "a,b", "a(b)",
    "a.b", "a/b", "../a", "1a", "_a", "\xe9", "\uff41", "a\uff11", "a\u0663", "\xb2", "\xdf", "\u017f", "\u212a",
    "a" * 65, "a" * 100_000, "`id`", "%s", "a-b", "a:b", "@a[b]",
    Markup("<b>"), Markup("a\n"), np.str_("a\n"), Colour.EVIL, Sly("a b"),
]  # fmt: skip


@pytest.mark.parametrize("value", SMUGGLERS, ids=lambda value: ascii(str.__str__(value))[:24])
@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: [v], lambda v: ("a", [v]), lambda v: {"k": v}, lambda v: {v: 1}]
)
def test_no_text_but_an_identifier_gets_in(value, wrap):
    with pytest.raises(RenderError, match=r"^'node' is .*|^'node\.k' is .*") as caught:
        check(wrap(value), "node")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "value",
    [
        math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf"), np.longdouble("1e4000"), NotANumber(1.0),
        np.array([1.0, math.nan]), np.array([[math.inf]]), np.array([np.longdouble("1e4000")]), [1.0, [math.nan]],
        {"k": math.inf},
    ],
    ids=repr,
)  # fmt: skip
def test_only_finite_numbers_get_in(value):
    with pytest.raises(RenderError, match="only finite numbers may enter a netlist"):
        check(value, "voltage")


@pytest.mark.parametrize(
    "value",
    [
        b"a", bytearray(b"a"), memoryview(b"a"), Shown(), object(), 1j, np.complex128(1), {1, 2}, iter([1]), len,
        np.array(["a"]), np.array(["a\nb"]), np.array([b"a"]), np.array([Shown()]), np.array([1j]), np.array([None]),
        np.datetime64("2020-01-01"), np.array(["2020"], "M8[Y]"), [b"a"], {"k": Shown()}, np.zeros(1, [("a", float)]),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_nothing_else_gets_in(value):
    with pytest.raises(RenderError, match="may enter a netlist"):
        check(value, "value")


@pytest.mark.parametrize("value", ["a", "A1", "hzo_mfis_nominal", "a" * 64, Markup("a"), np.str_("a"), Colour.RED])
def test_identifiers_get_in_as_plain_text(value):
    assert type(check(value, "name")) is str
    assert check(value, "name") == str.__str__(value)


def test_what_a_string_says_it_is_does_not_count():
    assert check(Sly("a"), "name") == "a"
    assert type(check(Sly("a"), "name")) is str


NUMBERS = st.one_of(st.integers(-(10**20), 10**20), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    NUMBERS | st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,63}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner),
    max_leaves=8,
)


@PROPERTY
@given(VALUES)
def test_fit_values_pass_unchanged(value):
    assert check(value, "value") == value
    assert check(check(value, "value"), "value") == value


@PROPERTY
@given(st.text(max_size=80))
def test_text_passes_only_as_an_identifier(text):
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", text, re.ASCII):
        assert check(text, "name") == text
    else:
        with pytest.raises(RenderError):
            check(text, "name")


@PROPERTY
@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_arrays_pass_as_lists_of_python_numbers(numbers):
    array = np.array(numbers, float)
    passed = check(array.reshape(1, -1), "array")
    assert passed == [array.tolist()]
    assert {type(number) for number in passed[0]} == {float}
    assert check(np.float32(1.5), "x") == 1.5
    assert check(np.array(5.0), "x") == 5.0
    assert check(np.ma.masked_array([1.0, 2.0], [True, False]), "x") == [1.0, 2.0]


def test_the_error_names_the_value():
    with pytest.raises(RenderError, match=r"^'word\.resistance' is nan: only finite numbers may enter a netlist$"):
        check({"resistance": math.nan}, "word")
    assert issubclass(RenderError, FtjSpiceError)


# The templates, through one context for each bench that is complete.


def _context(name, monkeypatch):
    """Returns what a bench gives to its template."""
    seen = {}
    monkeypatch.setattr(benches, "render", lambda template, **context: seen.update(context, template=template) or "")
    cells = Cells.of(load_card("linear" if name == "linear" else "hzo_mfis_nominal"), np.full((2, 2), 1e-10))
    noisy = Cells(cells.law, cells.scale, cells.strength, 1e-15, np.full((2, 2), 0.1))
    array = SampleArray(noisy, 1, Line(1.0, 1e-16), Line(1.0, 1e-16), 10.0)
    replay = TrapSource("replay", histories=[[0.0, 1.0]] * 4)
    match name:
        case "integrator":
            benches.integrator_bench(
                array, traps=replay, voltage=1.5, reference=np.ones(2), capacitance=1e-12, window=1e-3, reset_time=1e-5,
                samples=2, step=1e-5,
            )  # fmt: skip
        case "comparator":
            benches.comparator_bench(
                array, traps=TrapSource("frozen", states=[0, 1, 0, 1]), voltage=1.5, threshold=np.ones((2, 2)),
                sensitivity=1e-12, offset=np.zeros(2), slot=1e-3, samples=2, step=1e-5,
            )  # fmt: skip
        case _ if name in TOPOLOGIES:
            line = Line(1.0, 1e-16)
            circuit = ArrayCircuit(cells, name, line, line, "both", "both", 1.0, 1.0)
            benches.read_bench(circuit, circuit.drive_rows(np.ones((3, 2))))
        case "cell" | "linear":
            benches.cell_bench(cells)
        case "read":
            benches.integrate_bench(cells, np.ones(2), line_resistance=1.0)
    return seen.pop("template"), seen


# What a bench of this kind hands over but its wiring does not need.
UNUSED = {
    "integrator": {"states"},
    "comparator": {"histories"},
    "crossbar": {"gates"},
    "nor": {"gates"},
}


@pytest.mark.parametrize("name", ["integrator", "comparator", *TOPOLOGIES, "cell", "linear", "read"])
def test_a_missing_variable_is_an_error(name, monkeypatch):
    template, context = _context(name, monkeypatch)
    assert render(template, **context).endswith(".end\n")
    for missing in context:
        rest = {key: value for key, value in context.items() if key != missing}
        if missing in UNUSED.get(name, ()):
            continue
        with pytest.raises(RenderError, match=template):
            render(template, **rest)


def test_a_matrix_that_is_too_small_is_an_error(monkeypatch):
    template, context = _context("nor", monkeypatch)
    with pytest.raises(RenderError, match=template):
        render(template, **context | {"rows": 3})


@pytest.mark.parametrize("strength", [1e-320, 5e-324])
def test_a_number_that_a_template_computes_must_be_finite_too(strength, monkeypatch):
    template, context = _context("linear", monkeypatch)
    with pytest.raises(RenderError, match="a template computed inf"):
        render(template, **context | {"cells": context["cells"] | {"strength": [[strength], [1.0]]}})


def test_a_division_by_zero_in_a_template_is_a_sentence(monkeypatch):
    template, context = _context("cell", monkeypatch)
    with pytest.raises(RenderError, match=r"template benches/cell\.cir\.j2: .*division by zero"):
        render(template, **context | {"cells": context["cells"] | {"scale": 0.0}})


@pytest.mark.parametrize("value", [None, [1.0], {"a": 1.0}])
def test_only_numbers_and_identifiers_are_written(value, monkeypatch):
    template, context = _context("integrator", monkeypatch)
    with pytest.raises(RenderError, match="a template writes a"):
        render(template, **context | {"voltage": [value, value]})


def test_booleans_are_written_as_numbers(monkeypatch):
    template, context = _context("integrator", monkeypatch)
    assert "vrow0 drive0 0 dc 1\n" in render(template, **context | {"voltage": [True, True]})


@pytest.mark.parametrize("name", ["benches/none.cir.j2", "../pyproject.toml", "/etc/passwd", "benches"])
def test_an_unknown_template_is_a_sentence(name):
    with pytest.raises(RenderError, match="there is no netlist template"):
        render(name)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_control_block_and_include_no_file(path):
    text = path.read_text(encoding="utf-8").lower()
    for word in (".control", ".endc", ".inc", ".lib", ".exec", ".csparam", "shell", "codemodel", "pre_"):
        assert word not in text
    assert "| safe" not in text and "ignore missing" not in text


@PROPERTY
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=4),
    st.floats(1e-3, 1e3),
)
def test_every_number_is_written_as_one_that_reads_back(strengths, scale):
    cells = {"law": "sinh", "scale": scale, "strength": [[value] for value in strengths], "share": None}
    text = render("benches/cell.cir.j2", cells=cells)
    lines = text.splitlines()
    cells = [line for line in lines if line.startswith("bc")]
    kept = [value for value in strengths if value != 0]
    assert len(lines) == 8 + len(strengths) + len(kept) and len(cells) == len(kept)
    for cell, value in zip(cells, kept, strict=True):
        written = float(cell.split("i=")[1].split("*")[0])
        assert written == pytest.approx(value, rel=1e-11, abs=0)
