"""`ftj-spice card`: list, show, diff, validate; and what bad cards say."""

import json

import pytest

from ftj_spice.device.card import available_cards, card_toml, load_card, parse_card


def test_list_names_every_packaged_card(call):
    told = call("card", "list")
    assert told.code == 0
    for name in available_cards():
        assert name in told.out
    entries = json.loads(call("card", "list", "--json").out)
    assert {entry["name"] for entry in entries} == set(available_cards())
    assert all(sum(entry["kinds"].values()) > 50 for entry in entries)


@pytest.mark.parametrize("name", available_cards())
def test_show_and_its_toml_round_trip(call, name, tmp_path):
    told = call("card", "show", name)
    assert told.code == 0
    assert "estimate:" in told.out
    (tmp_path / "own.toml").write_text(call("card", "show", name, "--toml").out)
    assert load_card(tmp_path / "own.toml") == load_card(name)
    assert call("card", "validate", "own.toml").out.startswith("own.toml: ok (")
    assert call("card", "diff", name, "own.toml").code == 0


def test_diff_tells_values_and_exits_1(call):
    told = call("card", "diff", "hzo_mfis_nominal", "high_current")
    assert told.code == 1
    assert told.out.splitlines()[1].split() == ["on_current_density", "1000", "1e+06", "A/m^2"]
    assert len(told.out.splitlines()) == 2


def test_validate_reports_each_bad_card_and_goes_on(call, tmp_path):
    (tmp_path / "typo.toml").write_text('name = "x"\ndescription = "x"\nextends = "linear"\n\n[aera]\nvalue = 1\n')
    told = call("card", "validate", "typo.toml", "linear", "none")
    assert told.code == 2
    assert "linear: ok" in told.out
    assert "typo.toml:5:2: unknown card parameter 'aera'; did you mean 'area'?" in told.err
    assert "no device card named 'none'" in told.err


AREA = '[area]\nvalue = {}\nunit = "{}"\nkind = "{}"\nsource = "x"'
SATURATION = '[saturation_polarization]\nvalue = 0.1\nunit = "C/m^2"\nkind = "estimate"\nsource = "x"'
CHANGES = [
    ("unit", AREA.format("1e-12", "um^2", "estimate"), "'area' must be given in m^2"),
    (
        "range",
        AREA.format("1.0", "m^2", "estimate"),
        "must lie between 1e-18 and 1e-06 m",
    ),
    (
        "kind",
        AREA.format("1e-12", "m^2", "guess"),
        "'measured', 'derived' or 'estimate'",
    ),
    ("text", AREA.format('"big"', "m^2", "estimate"), "valid number"),
    ("nan", AREA.format("nan", "m^2", "estimate"), "finite"),
    ("bare", "area = 1e-12", "needs a table"),
    ("no value", '[area]\nunit = "m^2"', "has no value"),
    ("entry", '[area]\nvalue = 1e-12\nunits = "m^2"', "unknown entry 'units'"),
    ("unused", '[gb2_a]\nvalue = 3\nunit = "1"\nkind = "estimate"\nsource = "x"', "does not use 'gb2_a'"),
    (
        "saturation",
        '[saturation_polarization]\nvalue = 0.1\nunit = "C/m^2"\nkind = "estimate"\nsource = "x"',
        "must exceed",
    ),
    ("choice", 'law = "cubic"', "'sinh', 'linear' or 'physical'"),
    ("parent", 'extends = "../secret"', "extends must name a packaged card"),
    ("syntax", "area = = 3", "not valid TOML"),
]


@pytest.mark.parametrize(("text", "words"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES])
def test_bad_cards_are_one_sentence_with_a_place(call, tmp_path, text, words):
    head = 'name = "own"\ndescription = "x"\n'
    parent = "" if "extends" in text else 'extends = "hzo_mfis_nominal"\n'
    (tmp_path / "own.toml").write_text(head + parent + text + "\n")
    told = call("card", "show", "own.toml")
    assert told.code == 2
    sentence = told.sentence()
    assert words in sentence
    assert sentence.startswith("own.toml")


def test_remarks_name_what_is_strange(call, tmp_path):
    card = load_card("hzo_mfis_nominal").with_values(write_voltage=1.0, rtn_voltage=0.5, name="odd")
    assert parse_card(card_toml(card), "x") == card
    (tmp_path / "odd.toml").write_text(card_toml(card))
    told = call("card", "validate", "odd.toml")
    assert told.code == 0
    assert "switches only" in told.out
    assert "the trap is filled 0.7%" in told.out
