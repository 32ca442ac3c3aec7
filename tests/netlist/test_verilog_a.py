"""The benches in VACASK's dialect, and whether cards and the Verilog-A module speak of the same parameters."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common import resources
from ftj_spice.device.card import available_cards, load_card
from ftj_spice.device.parameters import CHOICES, SECTIONS
from ftj_spice.device.waveform import Waveform
from ftj_spice.netlist.render import RenderError
from ftj_spice.netlist.verilog_a import GROUPS, LAWS, MIXINGS, SHARED, module_parameters, static_bench, transient_bench

PROPERTY = settings(deadline=None, derandomize=True, max_examples=40)
CARD = load_card("hzo_mfis_nominal")
PULSE = Waveform.pulses([3.5], 1e-6, 1e-9, 1e-7)
SOURCE = (resources.models() / "ftj.va").read_text(encoding="utf-8")
DECLARED = re.compile(
    r"\(\* (?P<attributes>[^*]*) \*\)\s*\\?\s*parameter (?:real|integer) (?P<name>\w+) = (?P<default>[\w.+-]+)"
    r" from (?P<open>[\[(])(?P<low>[^:]+):(?P<high>[^\])]+)(?P<close>[\])]);"
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6)


def declared():
    """The module's parameters by name; those of the domain groups by the names of their macro."""
    return {match["name"]: match for match in DECLARED.finditer(SOURCE)}


def groups():
    rows = re.findall(
        r"`FTJ_GROUP_PARAMETERS\((\w+), ([\d.e+-]+), (\w+), ([\d.e+-]+), (\w+), (\w+)\)\n", SOURCE
    )  # fmt: skip
    values = {}
    for field, field_value, weight, weight_value, offset, _ in rows:
        values |= {field: float(field_value), weight: float(weight_value), offset: 0.0}
    return values, [row[-1] for row in rows]


def numbers_of(netlist, before):
    """The numbers of the bracketed list that follows the text `before`."""
    listed = netlist.split(before, 1)[1].split("]", 1)[0]
    return [float(word) for word in listed.split(",")]


def test_every_parameter_of_the_module_has_a_description_a_unit_and_a_range():
    assert SOURCE.count("parameter ") == len(declared())
    for match in declared().values():
        assert re.search(r'desc = "[^"]+"', match["attributes"]) and re.search(r'units = "[^"]+"', match["attributes"])


@pytest.mark.parametrize("name", available_cards())
def test_a_card_sets_every_parameter_of_the_module_but_the_initial_states(name):
    own, initial = groups()
    module = set(declared()) - {"ea", "weight", "offset", "initial"} | set(own)
    assert set(module_parameters(load_card(name))) == module
    assert initial == [f"initial_{k + 1}" for k in range(GROUPS)]


def test_the_module_s_defaults_are_the_nominal_card():
    defaults = groups()[0] | {name: float(declared()[name]["default"]) for name in (*SHARED, "law", "mixing")}
    assert defaults == pytest.approx(module_parameters(CARD), rel=1e-12)


def test_whatever_a_card_may_hold_is_in_the_module_s_range():
    limits = {name: field for section in SECTIONS for name, field in section.model_fields.items()}
    for name in SHARED:
        match = declared()[name]
        low, high = (float(match[side].replace("inf", "Infinity")) for side in ("low", "high"))
        bounds = {type(entry).__name__.lower(): entry for entry in limits[name].metadata}
        smallest, largest = bounds["ge"].ge, bounds["le"].le
        assert low <= smallest if match["open"] == "[" else low < smallest
        assert largest <= high if match["close"] == "]" else largest < high
    assert set(CHOICES) >= {"law", "mixing"}
    assert sorted(LAWS.values()) == [0, 1, 2] and sorted(MIXINGS.values()) == [0, 1]


@PROPERTY
@given(
    st.lists(NUMBERS, min_size=1, max_size=20), st.lists(st.floats(-1, 1), min_size=1, max_size=4), st.floats(4, 600)
)
def test_static_numbers_are_written_as_ones_that_read_back(volts, states, temperature):
    netlist = static_bench(CARD, volts, states, temperature)
    assert numbers_of(netlist, "values=[") == pytest.approx(volts, rel=1e-11)
    initial = [float(value) for value in re.findall(r"initial_16=(\S+)", netlist)]
    assert initial == pytest.approx([(1 + s) / 2 for s in states], rel=1e-11, abs=1e-300)
    assert float(re.search(r"temp=(\S+)", netlist)[1]) == pytest.approx(temperature - 273.15, rel=1e-11, abs=1e-9)
    assert len(re.findall(r"\) junction \(", netlist)) == len(states)


@PROPERTY
@given(st.lists(st.tuples(st.floats(1e-12, 1e3), NUMBERS), min_size=1, max_size=20), st.floats(0, 1))
def test_transient_numbers_are_written_as_ones_that_read_back(steps, up):
    times = np.concatenate([[0.0], np.cumsum([step for step, _ in steps])])
    if np.any(np.diff(times) <= 0):
        return
    waveform = Waveform(times, np.array([0.0, *(value for _, value in steps)]))
    netlist = transient_bench(CARD, waveform, up)
    corners = numbers_of(netlist, 'vdrive (plus 0) vsource type="pwl" wave=[')
    assert corners[::2] == pytest.approx(times, rel=1e-14) and corners[1::2] == pytest.approx(
        waveform.voltages, rel=1e-14
    )
    assert len(numbers_of(netlist, 'vtrap (trap 0) vsource type="pwl" wave=[')) == 4
    assert float(re.search(r"initial_1=(\S+)", netlist)[1]) == pytest.approx(up, rel=1e-11, abs=1e-300)


def test_frozen_cells_have_no_time_to_switch():
    assert "attempt_time=1e+30" in transient_bench(CARD, PULSE, frozen=True)
    assert "attempt_time=1.9e-08" in transient_bench(CARD, PULSE)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nothing_that_is_no_number_gets_in(bad):
    with pytest.raises(RenderError, match="voltages"):
        static_bench(CARD, [0.0, bad])
    with pytest.raises(RenderError, match="cells"):
        static_bench(CARD, 1.0, bad)
    with pytest.raises(RenderError, match="corners"):
        transient_bench(CARD, Waveform(np.array([0.0, 1.0]), np.array([0.0, bad])))
    with pytest.raises(RenderError, match="trap"):
        transient_bench(CARD, PULSE, trap=[0.0, bad, 1.0, 0.0])


def test_empty_or_odd_lists_are_sentences():
    with pytest.raises(RenderError, match="needs one polarization and one voltage"):
        static_bench(CARD, [])
    with pytest.raises(RenderError, match="times and values in turn, not 3 numbers"):
        transient_bench(CARD, PULSE, trap=[0.0, 0.0, 1.0])
