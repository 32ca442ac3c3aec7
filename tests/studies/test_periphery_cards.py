"""A macromodel was measured with a column of one card's cells: what it does with others."""

from pathlib import Path

import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.macromodel import ConvertModel, Macromodel, SenseModel, store_macromodel
from ftj_spice.studies.circuits import load_periphery
from ftj_spice.studies.settings import RunSettings

BASE = {"title": "t", "process": "generic", "corner": "tt", "temperature": 300.0, "variants": ("tia_fast",)}


def settings(folder: Path, model: Macromodel, card: str) -> RunSettings:
    path = folder / "own.json"
    store_macromodel(model, path)
    return RunSettings.parse({"card": card, "periphery": str(path)}, "test")


def front_end(integrates: bool, high: float, card: str, bits: int = 6) -> Macromodel:
    sense = SenseModel(integrates=integrates, time=2e-6, high=high)
    return Macromodel(name="own", kind="chain", card=card, sense=sense, convert=ConvertModel(bits=bits), **BASE)


def test_a_front_end_for_microamperes_is_refused_for_nanoamperes(tmp_path):
    model = front_end(False, 6.5e-6, "high_current")
    with pytest.raises(SettingsError, match=r"made for cells of card 'high_current'.* 64 cells of card 'hzo_mfis_nom"):
        load_periphery(settings(tmp_path, model, "hzo_mfis_nominal"))
    assert load_periphery(settings(tmp_path, model, "high_current")) is not None


def test_more_bits_or_a_longer_time_may_do(tmp_path):
    assert load_periphery(settings(tmp_path, front_end(False, 6.5e-6, "high_current", 12), "hzo_mfis_nominal"))
    assert load_periphery(settings(tmp_path, front_end(True, 6.5e-6, "high_current"), "hzo_mfis_nominal"))


def test_a_card_of_similar_currents_is_taken(tmp_path):
    assert load_periphery(settings(tmp_path, front_end(False, 6.5e-9, "hzo_mfis_nominal"), "linear"))
