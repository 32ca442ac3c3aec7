import math

import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import Variant, available_variants, load_variant
from ftj_spice.netlist.process.models import ProcessError
from ftj_spice.netlist.process.process import load_process
from ftj_spice.netlist.render import RenderError

INVERTER = """* two transistors and a load
m_n out in 0 0 nmos w={{ w }} l=0.18e-6
m_p out in vdd vdd pmos w={{ 2 * w }} l=0.18e-6 m=2
c_load out 0 1e-14
"""
BUFFER = "xfirst in mid vdd inverter w={{ w }}\nxsecond mid out vdd inverter w={{ 4 * w }}\n"


def variant(folder, name, body, ports=("in", "out", "vdd")):
    (folder / f"{name}.cir.j2").write_text(body)
    (folder / f"{name}.toml").write_text(f"""name = "{name}"
kind = "decide"
title = "{name}"
description = "A test circuit."
[ports]
{chr(10).join(f'{port} = "a port"' for port in ports)}
[supplies]
vdd = "core"
[parameters.w]
value = "1 um"
unit = "m"
source = "test"
""")
    return load_variant(folder / f"{name}.toml")


@pytest.fixture
def generic():
    return load_process("generic")


def test_a_variant_within_a_variant_is_counted_whole(tmp_path, generic):
    variant(tmp_path, "inverter", INVERTER)
    buffer = variant(tmp_path, "buffer", BUFFER)
    deck = Deck(generic, "tt")
    deck.block("dut", buffer)
    assert [part.path for part in deck.parts] == [
        f"dut.{stage}.{element}" for stage in ("xfirst", "xsecond") for element in ("m_n", "m_p", "c_load")
    ]
    gates = (1 + 4 + 4 + 16) * 1e-6 * 0.18e-6  # (w + 2 w m) of both stages
    plates = 2 * 1e-14 / generic.passives.capacitor_density
    assert math.isclose(deck.area, generic.layout_factor * (gates + plates))


def test_mismatch_belongs_to_the_instance_and_not_to_what_else_there_is(tmp_path, generic):
    inverter = variant(tmp_path, "inverter", INVERTER)

    def text(*paths, draw=(1, 0)):
        deck = Deck(generic, "tt", draw)
        names = [deck.block(path, inverter) for path in paths]
        return {
            path: deck.text().split(f".subckt {name}")[1].split(".ends")[0]
            for path, name in zip(paths, names, strict=True)
        }

    alone, together = text("a"), text("b", "a")
    assert alone["a"].split("\n", 1)[1] == together["a"].split("\n", 1)[1]
    assert together["a"].split("\n", 1)[1] != together["b"].split("\n", 1)[1]
    assert text("a", draw=(1, 1)) != alone != text("a", draw=(2, 0))
    assert " z" in alone["a"]


def test_equal_instances_without_mismatch_share_one_definition(tmp_path, generic):
    inverter = variant(tmp_path, "inverter", INVERTER)
    deck = Deck(generic, "tt")
    assert deck.block("a", inverter) == deck.block("b", inverter) != deck.block("c", inverter, w=3e-6)
    assert deck.text().count(".subckt inverter_") == 2


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (INVERTER.replace("out in vdd vdd", "out in vdc vdc"), RenderError, "nothing is connected to the port 'vdd'"),
        (INVERTER.replace("{{ w }}", "{{ width }}"), RenderError, "'width' is undefined"),
        (INVERTER.replace("0.18e-6", "0.05e-6", 1), ProcessError, "'m_n' is W/L = 1/0.05 um a finger"),
        (INVERTER + "xself in out vdd inverter\n", RenderError, "more than 8 deep"),
        (INVERTER + "xcmp in out vdd strongarm\n", RenderError, "gives 3 nodes to 'strongarm', which has 6 ports"),
        (INVERTER + "xcmp in out vdd strongarn\n", SettingsError, "did you mean 'strongarm'?"),
        (INVERTER + "m9 out in 0 0 njfet w=1e-6 l=1e-6\n", RenderError, "the process has no transistor 'njfet'"),
        ("{% for i in range(10**9) %}{% for j in range(10**9) %}x{% endfor %}{% endfor %}", RenderError, "template"),
    ],
)
def test_a_wrong_template_is_told_by_name(tmp_path, generic, body, error, said):
    bad = variant(tmp_path, "inverter", body)
    with pytest.raises(error) as found:
        Deck(generic, "tt").block("dut", bad)
    assert said in str(found.value) and "\n" not in str(found.value)


def test_an_unknown_parameter_is_told_with_those_there_are(tmp_path, generic):
    inverter = variant(tmp_path, "inverter", INVERTER)
    with pytest.raises(SettingsError, match="variant 'inverter' has no parameter 'width'; it has w"):
        Deck(generic, "tt").block("dut", inverter, width=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('value = "1 um"', 'value = "1 V"'), "the unit 'V' does not fit"),
        (('vdd = "core"', 'vcc = "core"'), "the supply 'vcc' is not among the ports"),
        (('kind = "decide"', 'kind = "decides"'), "'kind'"),
        (('title = "inverter"', 'titel = "inverter"'), "did you mean 'title'?"),
        (("[parameters.w]", "[biases]\nin = '3 kg'\n[parameters.w]"), "the unit 'kg' does not fit"),
        (("[parameters.w]", "[biases]\nibias = '3 uA'\n[parameters.w]"), "the bias 'ibias' must be a port"),
    ],
)
def test_a_wrong_toml_file_is_told_by_name(tmp_path, change, said):
    variant(tmp_path, "inverter", INVERTER)
    path = tmp_path / "inverter.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(SettingsError) as found:
        load_variant(path)
    assert str(path) in str(found.value) and said in str(found.value)


def test_a_name_that_is_near_is_suggested():
    with pytest.raises(SettingsError, match="did you mean 'strongarm'"):
        load_variant("strongram")


@pytest.mark.parametrize("name", available_variants())
@pytest.mark.parametrize("process", ["generic", "sky130"])
def test_every_packaged_variant_becomes_transistors(name, process):
    one = load_variant(name)
    assert isinstance(one, Variant) and one.name == name
    deck = Deck(load_process(process), "tt")
    deck.block("dut", one)
    assert deck.area > 0 and all(part.path.startswith("dut.") for part in deck.parts)
