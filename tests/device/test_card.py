"""Cards: what is read, what is refused and where, what follows from the numbers, and the way back to TOML."""

import re
import tomllib

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common import resources
from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.device.card import available_cards, card_toml, load_card, parse_card, write_card
from ftj_spice.device.parameters import CHOICES, DESCRIPTIONS, PARAMETERS, QUANTITIES, SECTIONS, unit_of

NOMINAL = resources.models() / "cards" / "hzo_mfis_nominal.toml"


def nominal():
    return tomllib.loads(NOMINAL.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", available_cards())
def test_every_packaged_card_names_its_sources(name):
    card = load_card(name)
    assert set(card.provenance) == {field for field in QUANTITIES if getattr(card, field) is not None}
    assert all(entry.source and entry.unit == unit_of(field) for field, entry in card.provenance.items())
    assert card.name == name


@pytest.mark.parametrize("name", available_cards())
def test_every_packaged_card_survives_the_way_through_toml(name):
    card = load_card(name)
    assert parse_card(card_toml(card), "x") == card


def test_packaged_cards_are_the_known_ones():
    known = {"hzo_mfis_nominal", "linear", "accelerated", "high_current"} | {f"switching_set_{s}" for s in "abcde"}
    assert known <= set(available_cards())


def test_parameters_are_declared_once_and_described():
    assert len(set(PARAMETERS)) == len(PARAMETERS) == sum(len(section.model_fields) for section in SECTIONS)
    assert set(QUANTITIES) | set(CHOICES) == set(PARAMETERS) == set(DESCRIPTIONS)
    assert all(DESCRIPTIONS[name] for name in PARAMETERS)
    assert unit_of("area") == "m^2"
    assert unit_of("law") is None
    with pytest.raises(KeyError):
        unit_of("nothing")


def test_current_at_the_reference_voltage_is_area_times_density():
    for name in ("hzo_mfis_nominal", "linear", "high_current"):
        card = load_card(name)
        current = card.conduction.current(card.on_conductance, card.reference_voltage)
        assert current == pytest.approx(card.area * card.on_current_density, rel=1e-12)
        assert card.on_conductance / card.off_conductance == pytest.approx(card.on_off_ratio)
    assert load_card("hzo_mfis_nominal").capacitance == pytest.approx(0.0161e-12, rel=5e-3)


def test_spreads_are_scaled_with_the_area():
    assert load_card("hzo_mfis_nominal").with_values(area=25e-12).spread_scale == pytest.approx(0.2)


def test_a_card_is_read_from_a_file_each_time(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(NOMINAL.read_text(encoding="utf-8"), encoding="utf-8")
    first = load_card(path)
    path.write_text(path.read_text(encoding="utf-8").replace("value = 50.0", "value = 70.0"), encoding="utf-8")
    assert (first.on_off_ratio, load_card(str(path)).on_off_ratio) == (50.0, 70.0)
    assert load_card(first) is first


def test_extending_lists_only_what_differs():
    text = (
        'name = "mine"\ndescription = "d"\nextends = "hzo_mfis_nominal"\n'
        '[area]\nvalue = 4e-12\nunit = "m^2"\nkind = "measured"\nsource = "SEM"\ninterval = [3e-12, 5e-12]\n'
    )
    mine, base = parse_card(text, "mine.toml"), load_card("hzo_mfis_nominal")
    assert (mine.name, mine.area, mine.provenance["area"].interval) == ("mine", 4e-12, (3e-12, 5e-12))
    assert all(getattr(mine, name) == getattr(base, name) for name in PARAMETERS if name != "area")
    assert all(mine.provenance[name] == base.provenance[name] for name in base.provenance if name != "area")


def test_extending_with_another_distribution_drops_the_old_ones_parameters():
    card = load_card("switching_set_a")
    assert card.activation_distribution == "gb2"
    assert card.activation_mean is None
    assert "activation_mean" not in card.provenance


def change(**entries):
    data = nominal()
    for name, entry in entries.items():
        if entry is None:
            del data[name]
        elif isinstance(entry, dict) and name in data:
            data[name] = data[name] | entry
        else:
            data[name] = entry
    return tomli_w.dumps({k: v for k, v in data.items() if not isinstance(v, dict)} | data)


@pytest.mark.parametrize(("entries", "sentence"), [
    ({"capture_tim": {"value": 1.0, "unit": "s", "source": "x", "kind": "estimate"}}, "did you mean 'capture_time'"),
    ({"area": {"unit": "um^2"}}, r"'area' must be given in m\^2, not in 'um\^2'"),
    ({"area": {"value": -1.0}}, "'area' must lie between 1e-18 and 1e-06 m"),
    ({"area": {"value": True}}, "'area'.*true or false"),
    ({"area": 1e-12}, "'area' needs a table with value, unit, source and kind"),
    ({"area": {"kind": "guess"}}, "kind"),
    ({"area": {"note": "x"}}, "'area' has an unknown entry 'note'; known here: value"),
    ({"rtn_amplitude_off": {"value": 1.0}}, "rtn_amplitude_off' must lie between 0 and 0.99, got 1.0"),
    ({"capture_time": {"value": float("nan")}}, "capture_time.*finite"),
    ({"voltage_scale": None}, "voltage_scale.*required"),
    ({"capture_time": None}, "capture_time.*required"),
    ({"law": "cubic"}, "'law'"),
    ({"name": "Bad Name"}, "'name'"),
    ({"mystery": "x"}, "unknown card parameter 'mystery'"),
    ({"extends": "nobody"}, r"extends must name a packaged card \(.*linear.*\), got 'nobody'"),
    ({"extends": ["linear"]}, "extends must name a packaged card"),
    ({"activation_distribution": "gb2"}, "'gb2' does not use 'activation_mean'"),
    ({"activation_mean": None}, "'normal' needs 'activation_mean'"),
    ({"saturation_polarization": {"value": 0.1}}, "'saturation_polarization' must exceed 'remanent_polarization'"),
])  # fmt: skip
def test_refusals_are_one_sentence(entries, sentence):
    with pytest.raises(SettingsError, match=sentence) as caught:
        parse_card(change(**entries), "card.toml")
    assert "\n" not in str(caught.value)
    assert re.match(r"card\.toml(:\d+:\d+)?: ", str(caught.value))


@pytest.mark.parametrize(("line", "wrong", "column", "sentence"), [
    ("value = 50.0", "value = -1.0", 9, "on_off_ratio"),
    ("value = 50.0", "value = 'x'", 9, "on_off_ratio"),
    ('law = "sinh"', 'law = "cube"', 1, "law"),
    ("[on_off_ratio]", "[on_of_ratio]", None, "did you mean 'on_off_ratio'"),
    ('unit = "V/m"', 'unit = "V"', None, "must be given in V/m, not in 'V'"),
])  # fmt: skip
def test_errors_point_at_the_place(line, wrong, column, sentence):
    lines = NOMINAL.read_text(encoding="utf-8").splitlines()
    at = lines.index(line)
    lines[at] = wrong
    with pytest.raises(SettingsError, match=sentence) as caught:
        parse_card("\n".join(lines), "card.toml")
    if column is not None:
        assert str(caught.value).startswith(f"card.toml:{at + 1}:{column}: ")
    else:
        assert str(caught.value).startswith("card.toml:")


def test_a_value_is_required():
    data = nominal()
    del data["area"]["value"]
    with pytest.raises(SettingsError, match=r"card.toml:\d+:\d+: 'area' has no value"):
        parse_card(tomli_w.dumps(data), "card.toml")


def test_missing_and_malformed_files(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'hzo_mfis_nominal'"):
        load_card("hzo_mfis_nominl")
    with pytest.raises(SettingsError, match=r"known: .*linear"):
        load_card("zzz")
    with pytest.raises(SettingsError, match="can't read the device card"):
        load_card(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("name = ", encoding="utf-8")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_card(bad)
    bad.write_bytes(b"name = \xff")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_card(bad)


def test_a_card_is_written_whole_and_read_back(tmp_path):
    path = tmp_path / "mine.toml"
    card = load_card("switching_set_d").with_values(name="mine", area=2e-12)
    write_card(card, path)
    assert load_card(path) == card
    assert "extends" not in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match=r"can't write .*mine\.toml"):
        write_card(card, tmp_path / "no" / "mine.toml")


@given(area=st.floats(1e-18, 1e-6), ratio=st.floats(1.001, 1e9), levels=st.integers(2, 4096))
@settings(max_examples=15, deadline=None)
def test_numbers_survive_the_way_through_toml(area, ratio, levels):
    card = load_card("hzo_mfis_nominal").with_values(area=area, on_off_ratio=ratio, levels=levels)
    assert parse_card(card_toml(card), "x") == card


def test_values_set_by_hand_lose_their_source():
    card = load_card("hzo_mfis_nominal").with_values(interlayer_thickness=1e-9, law="linear")
    assert card.provenance["interlayer_thickness"].kind == "estimate"
    assert card.provenance["interlayer_thickness"].source == "set by hand"
    assert card.provenance["area"] == load_card("hzo_mfis_nominal").provenance["area"]
    with pytest.raises(SettingsError, match="unknown setting 'aria'"):
        card.with_values(aria=1.0)
    with pytest.raises(SettingsError, match="'area'"):
        card.with_values(area=-1.0)


def test_a_card_is_frozen():
    card = load_card("linear")
    with pytest.raises(ValueError, match="frozen"):
        card.area = 2.0
    assert np.isfinite(card.on_conductance)


def test_range_of_noise_voltages_is_optional_but_whole():
    card = load_card("hzo_mfis_nominal")
    assert (card.rtn_voltage_low, card.rtn_voltage_high) == (1.2, 1.8)
    assert card.rtn_voltage_low < card.rtn_voltage < card.rtn_voltage_high
    data = nominal()
    del data["rtn_voltage_low"], data["rtn_voltage_high"]
    bare = parse_card(tomli_w.dumps(data), "bare.toml")
    assert bare.rtn_voltage_low is None and bare.rtn_voltage_high is None
    assert parse_card(card_toml(bare), "again.toml") == bare
    with pytest.raises(SettingsError, match="given together, the lower one first"):
        card.with_values(rtn_voltage_low=1.9)
    data["rtn_voltage_low"] = nominal()["rtn_voltage_low"]
    with pytest.raises(SettingsError, match=r"half.toml:\d+:\d+: 'rtn_voltage_low' and 'rtn_voltage_high' are given"):
        parse_card(tomli_w.dumps(data), "half.toml")
