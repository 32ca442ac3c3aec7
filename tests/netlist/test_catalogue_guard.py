"""What a stranger's variant or model file may not do, and what it may not cost."""

import subprocess

import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue import deck as decks
from ftj_spice.netlist.catalogue.body import MOST_LINES, parse_body
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.cards import clean_cards
from ftj_spice.netlist.process.places import ProcessError
from ftj_spice.netlist.process.process import load_process
from ftj_spice.netlist.render import RenderError
from ftj_spice.studies.periphery.catalogue import expanded

TOML = """name = "{name}"
kind = "decide"
title = "{title}"
description = "A test circuit."
[ports]
a = "a port"
b = "another"
"""


def written(folder, name, body, title="a circuit"):
    (folder / f"{name}.cir.j2").write_text(body)
    (folder / f"{name}.toml").write_text(TOML.format(name=name, title=title))
    return folder / f"{name}.toml"


@pytest.mark.parametrize(
    "line",
    [
        "m1 a b 0 0 nmos w=1e-6 l=1e-6 nf=inf",
        "m1 a b 0 0 nmos w=1e-6 l=1e-6 m=1e300",
        "m1 a b 0 0 nmos w=nan l=1e-6",
        "c1 a b inf",
        "c1 a b nan",
        "c1 a b 1e300",
        "r1 a b 5e-324",
        "c1 a b 1e-15 ic=nan",
        "xn a b other w=inf",
        "v1 a 0 trnoise(1m 1n 0 0)",
        "v1 a 0 TRRANDOM(2 10n 0 1)",
        ".model foo,d_cosim gain (simulation=./other.so)",
        ".model foo=d_cosim gain (simulation=./other.so)",
        "b1 a 0 v=" + "+".join(["1"] * 10_000),
        "*a comment\x0c.control",
        "b1 a 0 v=1 \u2028.include x",
    ],
)
def test_a_line_that_no_circuit_needs_is_refused_in_one_sentence(line):
    with pytest.raises(RenderError, match=r"^t: line \d"):
        parse_body(line, "t", ["nmos"])


def test_comments_that_ngspice_would_run_are_dropped(tmp_path):
    path = written(tmp_path, "hash", "*# shell touch started\n*#shell touch started\nr1 a b 1e3\n")
    text = expanded(load_variant(path), "generic")
    assert "shell" not in text
    file = tmp_path / "hash.cir"
    file.write_text(text + ".end\n")
    subprocess.run(["ngspice", "-b", file.name], cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("title", ["x\\n.control\\nshell touch started\\n.endc\\n*", "x\\u001b[2J", "x\\u2028y"])
def test_a_title_stays_on_its_line(tmp_path, title):
    path = written(tmp_path, "titled", "r1 a b 1e3\n", title)
    with pytest.raises(SettingsError, match="'title': Input should be one line of printable characters"):
        load_variant(path)


def test_a_body_without_end_is_refused():
    with pytest.raises(RenderError, match=f"variant has {MOST_LINES} at most"):
        parse_body("\n".join(f"r{k} a b 1e3" for k in range(MOST_LINES + 1)), "t", [])


def test_variants_that_multiply_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(decks, "MOST_BLOCKS", 20)
    for level in range(3):
        written(tmp_path, f"fan{level}", "".join(f"x{k} a b fan{level + 1}\n" for k in range(4)))
    written(tmp_path, "fan3", "r1 a b 1e3\n")
    with pytest.raises(RenderError, match="more than 20 variants"):
        Deck(load_process("generic"), "tt").block("dut", load_variant(tmp_path / "fan0.toml"))


@pytest.mark.parametrize("line", [".model x,d_cosim nmos (a=1)", ".model x=d_cosim nmos (a=1)"])
def test_a_model_of_a_process_has_a_plain_name(line):
    assert clean_cards(".model nch.0-a nmos (level=1)", "t")
    with pytest.raises(ProcessError, match="line 1"):
        clean_cards(line, "t")
