"""Cards: what is read, what is refused, and what follows from the numbers."""

import tomllib

import numpy as np
import pytest

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import UNITS, available_cards, load_card, parse_card

NOMINAL = resources.models() / "cards" / "hzo_mfis_nominal.toml"


def nominal():
    return tomllib.loads(NOMINAL.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", available_cards())
def test_every_packaged_card_names_its_sources(name):
    card = load_card(name)
    given = {field for field in UNITS if getattr(card, field) is not None}
    assert set(card.provenance) == given
    assert all(entry.source and entry.unit == UNITS[field] for field, entry in card.provenance.items())
    assert card.name == name


def test_packaged_cards_are_the_known_ones():
    assert {"hzo_mfis_nominal", "linear"} <= set(available_cards())


def test_current_at_the_reference_voltage_is_area_times_density():
    for name in ("hzo_mfis_nominal", "linear"):
        card = load_card(name)
        current = card.conduction.current(card.on_conductance, card.reference_voltage)
        assert current == pytest.approx(card.area * card.on_current_density, rel=1e-12)
        assert card.on_conductance / card.off_conductance == pytest.approx(card.on_off_ratio)
    assert card.capacitance == pytest.approx(0.0161e-12)


def test_a_card_is_read_from_a_file_each_time(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(NOMINAL.read_text(encoding="utf-8"), encoding="utf-8")
    first = load_card(path)
    path.write_text(path.read_text(encoding="utf-8").replace("value = 50.0", "value = 70.0"), encoding="utf-8")
    assert (first.on_off_ratio, load_card(str(path)).on_off_ratio) == (50.0, 70.0)
    assert load_card(first) is first


def change(**entries):
    data = nominal()
    for name, entry in entries.items():
        if entry is None:
            del data[name]
        elif isinstance(entry, dict) and name in data:
            data[name] = data[name] | entry
        else:
            data[name] = entry
    return data


@pytest.mark.parametrize(("entries", "sentence"), [
    ({"capture_tim": {"value": 1.0, "unit": "s", "source": "x", "kind": "estimate"}}, "did you mean 'capture_time'"),
    ({"area": {"unit": "um^2"}}, r"'area' must be given in m\^2, not in 'um\^2'"),
    ({"area": {"value": -1.0}}, "'area'.*greater than 0"),
    ({"area": 1e-12}, "'area' needs a table with value, unit, source and kind"),
    ({"area": {"kind": "guess"}}, "kind"),
    ({"rtn_amplitude_off": {"value": 1.0}}, "rtn_amplitude_off.*less than 1"),
    ({"capture_time": {"value": float("nan")}}, "capture_time.*finite"),
    ({"voltage_scale": None}, "the sinh law needs 'voltage_scale'"),
    ({"capture_time": None}, "capture_time.*required"),
    ({"law": "cubic"}, "'law'"),
    ({"name": "Bad Name"}, "'name'"),
    ({"mystery": "x"}, "unknown setting 'mystery'"),
    ({"area": {"note": "x"}}, "note"),
])  # fmt: skip
def test_refusals_are_one_sentence(entries, sentence):
    with pytest.raises(SettingsError, match=sentence) as caught:
        parse_card(change(**entries), "card.toml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("card.toml: ")


def test_a_value_is_required():
    data = nominal()
    del data["area"]["value"]
    with pytest.raises(SettingsError, match="'area' has no value"):
        parse_card(data, "card.toml")


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


def test_a_card_is_frozen():
    card = load_card("linear")
    with pytest.raises(ValueError, match="frozen"):
        card.area = 2.0
    assert np.isfinite(card.on_conductance)
