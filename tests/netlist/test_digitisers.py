"""What a digitiser's template may write, and what not: it may come from a stranger."""

import numpy as np
import pytest

from ftj_spice.device.card import load_card
from ftj_spice.netlist.benches import SampleArray, TrapSource
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.digitisers import digitiser_bench
from ftj_spice.netlist.render import RenderError, render_text

GOOD = "vsense0 sense0 0 dc 0\nbbit bit 0 v=i(vsense0)>{{ level }} ? 1 : 0\n"


@pytest.fixture
def in_process(monkeypatch):
    """Spares the process of its own where a template is known to end."""
    monkeypatch.setattr("ftj_spice.netlist.digitisers.render_apart", render_text)


def bench(template, columns=1, traps=None, bits=3, **values):
    full = np.full((1, columns), 4e-12)
    return digitiser_bench(
        SampleArray(Cells.of(load_card("hzo_mfis_nominal"), full, np.full((1, columns), 0.1))),
        template, "mine.cir.j2", name="mine", ports=["bit"], values={"level": 1.8e-10} | values,
        traps=traps or TrapSource("frozen", states=[0] * columns), voltage=1.5, interval=1e-3, settling=2e-3,
        bits=bits, step=1e-4,
    )  # fmt: skip


@pytest.mark.usefixtures("in_process")
def test_it_holds_cells_digitiser_and_measurements(plain):
    text = bench(GOOD)
    assert text.startswith("* ftj-spice: random bits, digitiser mine\n") and text.endswith("\n.end\n")
    assert "bbit bit 0 v=i(vsense0)>1.8e-10 ? 1 : 0" in text
    assert ".meas tran bit2 find v(bit) at=0.005" in text
    vectors, _ = plain(text)
    assert vectors["v(bit)"][-1] == 1 and vectors["i(vsense0)"][-1] > 1.9e-10
    filled, _ = plain(bench(GOOD, traps=TrapSource("frozen", states=[1])))
    assert filled["v(bit)"][-1] == 0
    assert vectors["i(vrow0)"][-1] == pytest.approx(-vectors["i(vsense0)"][-1], rel=1e-6)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "line",
    [
        ".control\nshell ls\n.endc",
        ".include /etc/passwd",
        ".lib somewhere tt",
        ".option interp",
        ".options klu",
        ".tran 1 2",
        ".save all",
        ".meas tran x find v(bit) at=1",
        ".end",
        ".param x=1",
        "+ at=5",
        "* fine\n+ at=5",
        "*ng_script",
        "*#shell ls",
        "abridge [x] [y] bridge",
        "nosdi a b model",
        "vtrap9 t9 0 external",
        "v9 x 0 dc 0 $ remark",
        "v9 x 0 dc 0 ; remark",
        "b9 x 0 v=`ls`",
        'v9 x 0 pwl file="/etc/passwd"',
        "b9 x 0 v={x}",
        "b9 x 0 v=1\\",
        "b9 x 0 v=1\x00",
        "b9 x 0 v=\u00e9",
        "* caf\u00e9",
        "vrow0 row0 0 dc 5",
        "VTRAP0 t0 0 dc 1",
        "quit",
    ],
    ids=repr,
)
def test_nothing_but_a_circuit_gets_in(line):
    with pytest.raises(RenderError, match=r"mine.cir.j2: line \d+ of what it renders"):
        bench(f"{line}\n{GOOD}" if line.startswith(("+", "* fine")) else f"{GOOD}{line}\n")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ level.__class__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ missing }}",
        "{% for k in range(10**9) %}{% endfor %}",
        "{% include '../pyproject.toml' %}",
        "{% include '/etc/passwd' %}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ 1e308 * 10 }}",
        "{{ [1] }}",
        "{{ 1 + 'a' }}",
        "{{ {}[1] }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_template_stays_in_its_sandbox(template):
    with pytest.raises(RenderError):
        bench(GOOD + template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "does it ever end"),
        ("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(99) }}", "ever end"),
        ("{% set n = 9 %}{% if n ** (n ** n) %}{% endif %}", "does it ever end"),
        ("{% set n = 10 %}{% if 'a' * n ** 11 %}{% endif %}", "MemoryError"),
        ("{% if 'a' | center(10 ** 10) %}{% endif %}", "MemoryError"),
    ],
)
def test_a_template_that_never_ends_or_fills_the_memory_is_a_sentence(monkeypatch, template, words):
    monkeypatch.setattr("ftj_spice.netlist.stranger.SECONDS", 2)
    with pytest.raises(RenderError, match=words):
        bench(GOOD + template)


@pytest.mark.usefixtures("in_process")
def test_values_pass_the_same_gate_as_everywhere():
    for value in ("1\n.control", float("nan"), object()):
        with pytest.raises(RenderError):
            bench(GOOD, level=value)


def test_cells_sit_in_one_row():
    cells = Cells.of(load_card("hzo_mfis_nominal"), np.full((2, 1), 4e-12), np.full((2, 1), 0.1))
    with pytest.raises(RenderError, match="in one row, not in 2"):
        digitiser_bench(
            SampleArray(cells), GOOD, "mine", name="mine", ports=["bit"], values={"level": 1.0}, traps=TrapSource(),
            voltage=1.5, interval=1e-3, settling=0.0, bits=1, step=1e-4,
        )  # fmt: skip
