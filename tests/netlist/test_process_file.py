"""Processes as data: the packaged ones, a third in a folder with spaces, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from process_support import MADE_UP, MODELS, made_up

from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.cards import clean_cards
from ftj_spice.netlist.process.models import ProcessError, Size, model_text, place, process_notes
from ftj_spice.netlist.process.process import available_processes, load_process


@pytest.mark.parametrize("name", available_processes())
def test_packaged_processes_are_whole(name):
    process = load_process(name)
    assert process.name == name
    assert list(process.corners) == ["tt", "ss", "ff", "sf", "fs"]
    assert process.typical == "tt"
    assert {"nmos", "pmos", "nmos_hv", "pmos_hv", "nmos_lvt", "pmos_lvt"} <= set(process.devices)
    assert process.supplies == {"core": 1.8, "high": 5.0}
    assert process.passives.source
    assert process.licence


def test_generic_needs_nothing_installed(monkeypatch):
    monkeypatch.delenv("PDK_ROOT", raising=False)
    process = load_process("generic")
    assert place(process).is_dir()
    assert process_notes(process, "ss") == []
    text = model_text(process, "ss", [Size("nmos", 1e-6, 1e-6), Size("pmos", 1e-6, 1e-6), Size("nmos", 2e-6, 1e-6)])
    assert text.count(".subckt") == text.count(".ends") == 2
    assert "generic_nmos_hv" not in text
    assert not re.search(r"(?m)^\*", text)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('core = "1.2 V"', 'core = "1.2 A"', "'supplies.core'"),
        ('core = "1.2 V"', 'high = "1.2 V"', "the supplies must name 'core'"),
        ("[devices.pmos]", "[devices.pnp]", "devices.pnp"),
        ('min_width = "0.2 um"', 'min_width = "0.2"', "the unit is missing"),
        ('kind = "plain"', 'kind = "plane"', "'plain' or 'binned'"),
        ('files = ["{corner}.par", "fab.mod"]', "files = []", "at least 1 item"),
        ('model = "fab_n"', 'model = "fab_n\\n.include x"', "devices.nmos.model"),
        ('places = ["device models"]', 'places = ["$HOME"]', "models.places"),
        ('title = "Made up"', 'titel = "Made up"', "did you mean 'title'?"),
        ("[supplies]", "[supplies", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_process_file_is_named(tmp_path, old, new, sentence):
    assert old in MADE_UP
    file = made_up(tmp_path, toml=MADE_UP.replace(old, new, 1))
    with pytest.raises(SettingsError, match=re.escape(sentence)) as caught:
        load_process(file)
    assert str(file) in str(caught.value)


def test_unknown_names():
    with pytest.raises(SettingsError, match="did you mean 'sky130'"):
        load_process("sky13")
    with pytest.raises(SettingsError, match="has no corner 'xx'; it has tt, ss, ff, sf, fs"):
        model_text(load_process("generic"), "xx", [])
    with pytest.raises(SettingsError, match="has no transistor 'npn'; it has nmos"):
        model_text(load_process("generic"), "tt", [Size("npn", 1e-6, 1e-6)])


def test_no_pdk(monkeypatch, tmp_path):
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    process = load_process("sky130")
    gone = process.model_copy(update={"models": process.models.model_copy(update={"package": "no_such_package"})})
    with pytest.raises(ProcessError, match=r"run 'ftj-spice pdk install sky130', or set PDK_ROOT"):
        model_text(gone, "tt", [Size("nmos", 1e-6, 1e-6)])


VARIANT = """
name = "inverter"
kind = "drive"
title = "Inverter"
description = "Two transistors."
[ports]
a = "in"
q = "out"
vdd = "supply"
[supplies]
vdd = "core"
[parameters.w]
value = "1 um"
unit = "m"
source = "a test"
"""
TEMPLATE = "mn q a 0 0 nmos w={{ w }} l=1.2e-07\nmp q a vdd vdd pmos w={{ 2 * w }} l=1.2e-07 m=2\nc1 q 0 1e-14\n"


def test_a_third_process_end_to_end(tmp_path, plain):
    folder = tmp_path / "my own fab"
    process = load_process(made_up(folder))
    assert process_notes(process, "ss") == []
    (folder / "inverter.toml").write_text(VARIANT)
    (folder / "inverter.cir.j2").write_text(TEMPLATE)
    currents = {}
    for corner, mismatch in (("tt", None), ("ss", None), ("tt", (1, 0)), ("tt", (1, 1))):
        deck = Deck(process, corner, mismatch)
        name = deck.block("dut", load_variant(folder / "inverter.toml"))
        vectors, _ = plain(
            f"* inverter\n{deck.text()}vdd vdd 0 1.2\nva a 0 0.6\nx1 a q vdd {name}\n.op\n.save all\n.end\n"
        )
        currents[corner, mismatch] = -float(vectors["i(vdd)"][0])
        assert deck.area == pytest.approx(2.0 * ((1e-6 + 4e-6) * 0.12e-6 + 10e-12))
    assert currents["ss", None] < currents["tt", None]
    assert len(set(currents.values())) == 4


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (".include other.mod", "name the file in the process's TOML instead"),
        (".lib 'x' tt", "name the file in the process's TOML instead"),
        (".control", "a process file holds"),
        (".exec rm", "a process file holds"),
        (".csparam x=1", "a process file holds"),
        (".option scale=1u", "a process file holds"),
        (".global g", "a process file holds"),
        (".tran 1n 1u", "a process file holds"),
        (".end", "a process file holds"),
        ("pre_osdi x.osdi", "models, subcircuits, parameters and plain elements"),
        ("shell rm x", "models, subcircuits, parameters and plain elements"),
        ("a1 [x] file", "models, subcircuits, parameters and plain elements"),
        (".model x filesource (file=y)", "a process file holds"),
        (".model x d_source (input_file=y)", "a process file holds"),
        ('v1 a 0 pwl file "x"', "models, subcircuits"),
        ("v1 a 0 external", "models, subcircuits"),
        ("r1 a b `x`", "models, subcircuits"),
        (".param x={agauss(0,1,1)}", "mismatch is drawn by ftj-spice"),
        (".param x={LIMIT (0, 1)}", "mismatch is drawn by ftj-spice"),
        (".param x='\u00e4'", "a process file holds"),
    ],
)  # fmt: skip
def test_what_a_model_file_may_not_hold(tmp_path, line, why):
    process = load_process(made_up(tmp_path, models=f"{MODELS}{line}\n"))
    with pytest.raises(ProcessError, match=re.escape(why)) as caught:
        model_text(process, "tt", [Size("nmos", 1e-6, 1e-6)])
    where = MODELS.count("\n") + 1
    assert f"fab.mod: line {where}, {line.strip()[:60]!r}, is not allowed" in str(caught.value)


def test_a_model_file_that_begins_with_a_continuation():
    with pytest.raises(ProcessError, match=r"here: line 2, '\+ x=1', is not allowed"):
        clean_cards("* a\n+ x=1\n", "here")


def test_models_gone_or_unreadable(tmp_path):
    process = load_process(made_up(tmp_path))
    (tmp_path / "device models" / "typ.par").unlink()
    with pytest.raises(ProcessError, match=r"process 'madeup': there is no typ\.par in .*device models"):
        model_text(process, "tt", [Size("nmos", 1e-6, 1e-6)])
    (tmp_path / "device models" / "fab.mod").unlink()
    with pytest.raises(ProcessError, match=r"not here: no fab\.mod in .*device models"):
        place(process)


LINES = st.text(
    st.characters(min_codepoint=9, max_codepoint=126, exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e"), max_size=40
)


@given(st.lists(LINES, max_size=8))
def test_whatever_passes_holds_only_allowed_lines(lines):
    text = "\n".join(lines)
    try:
        clean = clean_cards(text, "here")
    except ProcessError as error:
        assert str(error).startswith("here: line ")
        return
    for line in clean.splitlines():
        word = line.lower().split()[0]
        assert line[0] == "+" or word[0] in "bcdefghijlmqrvx" or word in {
            ".model", ".subckt", ".ends", ".param", ".func", ".if", ".elseif", ".else", ".endif"
        }  # fmt: skip
    assert clean_cards(clean, "here") == clean
