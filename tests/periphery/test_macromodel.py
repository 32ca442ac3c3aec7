"""Macromodels as files and as numbers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.chain import load_chain
from ftj_spice.periphery.energy import CLAIMS, EnergyAccount, EnergyItem
from ftj_spice.periphery.macromodel import (
    ConvertModel,
    Macromodel,
    SenseModel,
    available_macromodels,
    chain_transitions,
    load_macromodel,
)
from ftj_spice.periphery.own_benches import converter_logic

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "linear"}
SENSE = SenseModel(integrates=True, time=1e-5, high=6.3e-9)
numbers = st.floats(0.0, 1.0, allow_subnormal=False)


def _model(**parts):
    return Macromodel(kind="chain", **BASE, **parts)


@PROPERTY
@given(numbers, numbers, st.integers(2, 8), st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=1))
def test_a_macromodel_survives_its_file(tmp_path_factory, gain, noise, bits, inl):
    model = _model(
        sense=SenseModel(integrates=False, time=1e-6, high=1e-9, gain_sigma=gain, noise=noise),
        convert=ConvertModel(bits=bits, inl=tuple(inl * (2**bits - 1))),
        notes=("µ",),
    )
    path = tmp_path_factory.mktemp("macromodel") / "m.json"
    path.write_text(model.text(), encoding="utf-8")
    assert load_macromodel(path) == model


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "not valid JSON"),
        ("[1]", "JSON object"),
        ('{"name": NaN}', "NaN"),
        ('{"name": "a", "name": "b"}', "twice"),
        ("[" * 100000, "not valid JSON"),
        (json.dumps(BASE | {"kind": "chain"}), "needs 'sense'"),
        (json.dumps(BASE | {"kind": "chain", "sense": {"integrates": True, "time": 1, "high": 1e400}}), "Infinity"),
        (json.dumps(BASE | {"kind": "chain", "sens": {}}), "did you mean 'sense'"),
        (json.dumps(BASE | {"kind": "chain", "convert": {"bits": 6, "inl": [0.1]}}), "63"),
        (
            json.dumps(
                BASE
                | {"kind": "sense", "sense": {"integrates": True, "time": 1, "high": 1, "deviation": [0, 0.9, -0.9]}}
            ),
            "bends",
        ),
    ],
)
def test_malformed_files_are_told(tmp_path, text, word):
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=word) as error:
        load_macromodel(path)
    assert str(path) in str(error.value)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match="no macromodel of a periphery named 'nonsense'"):
        load_macromodel("nonsense")
    with pytest.raises(SettingsError, match="did you mean 'generic/strongarm'"):
        load_macromodel("strongram")
    with pytest.raises(SettingsError, match="can't read"):
        load_macromodel(tmp_path / "none.json")


def test_the_packaged_ones_load_and_state_their_error():
    names = available_macromodels()
    assert names
    for name in names:
        model = load_macromodel(name)
        assert name == f"{model.process}/{model.name}"
        assert model.fit is not None and model.fit.compared > 0
        assert model.draws > 1 and model.energy > 0 and model.area > 0
        if model.sense is None:
            continue
        # Every front end goes on to take power while it reads for longer, bias currents included.
        assert model.sense.static_power == pytest.approx(sum(model.sense.energy.values()) / model.sense.time)
        assert model.sense.energy["ibias"] > 0


def test_logic_without_transistors_is_estimated():
    settings = converter_logic(load_chain("integrator_sar"))
    assert settings is not None
    assert settings.logic_energy(1.8) == pytest.approx(170 * 3e-15 * 1.8**2)
    assert converter_logic(load_chain("tia")) is None
    for name in available_macromodels():
        model = load_macromodel(name)
        if {"sar6", "single_slope"} & set(model.variants) and model.convert is not None:
            assert model.convert.energy["logic"] > 1e-12


@PROPERTY
@given(st.floats(-1e-9, 8e-9))
def test_a_straight_chain_rounds_and_clips(current):
    code = int(_model(sense=SENSE, convert=ConvertModel(bits=6)).codes(np.array(current)))
    assert 0 <= code <= 63
    assert abs(np.clip(current, 0, 6.3e-9) - code * 1e-10) <= 0.5e-10 * (1 + 1e-9)


def test_a_bent_front_end_moves_the_transitions():
    bent = SenseModel(integrates=True, time=1e-5, high=6.3e-9, deviation=(0.0, 0.05, 0.0))
    convert = ConvertModel(bits=6)
    places = chain_transitions(bent, convert)
    grid = np.linspace(0, 63, 3)
    assert np.interp(places, grid, grid + 63 * np.array(bent.deviation)) == pytest.approx(convert.transitions)
    assert places[31] < convert.transitions[31] - 2.5


def test_an_account_adds_up_and_tells_estimates_from_measurements():
    items = (
        EnergyItem("read", "array", 1e-12, "computed", "c"),
        EnergyItem("read", "sense", 6e-12, "transients", "t"),
        EnergyItem("sample", "drivers", 3e-12, "estimate", "e"),
    )
    account = EnergyAccount(items, samples=2, reads=7, operations=14, images=5, parameters=3, seconds={"read": 1.0})
    figures = account.figures()
    assert account.measured_share == pytest.approx(0.6)
    assert figures["per_image"] == pytest.approx(2e-12)
    assert figures["per_mac"] == pytest.approx(0.5e-12)
    assert figures["tops_per_watt"] == pytest.approx(2 * 14 / 7e-12 / 1e12)
    assert figures["per_parameter_and_image"] == pytest.approx(7e-12 / 15)
    assert {item["basis"] for item in figures["items"]} == {"transients", "computed", "estimate"}
    assert all(claim.source and claim.comparable for claim in CLAIMS)
