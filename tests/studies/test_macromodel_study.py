"""Making macromodels: of variants by their benches, of two that are put together, and what is refused."""

import numpy as np
import pytest

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice.locate import find_library
from ftj_spice.netlist.catalogue.variant import Variant, available_variants, load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import Chain
from ftj_spice.periphery.identity import identity_of_variant
from ftj_spice.periphery.macromodel import (
    ConvertModel,
    DecideModel,
    Macromodel,
    SenseModel,
    load_macromodel,
    store_macromodel,
)
from ftj_spice.results.report import Report
from ftj_spice.studies import macromodel
from ftj_spice.studies.macromodel import load_circuit, make_macromodel, with_converter
from ftj_spice.studies.periphery.macromodels import macromodel_section, run_macromodels
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.study import periphery_run
from ftj_spice.studies.variant_macromodel import bench_chain

BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "linear"}
SENSE = SenseModel(integrates=True, time=1.3e-5, averaging=1e-5, high=6.3e-9, gain=1e8)
CONVERT = ConvertModel(bits=6, offset_sigma=0.3, gain_sigma=0.01, noise=0.02, step=1e-2, area=1.5e-9)


def _front(**more):
    return Macromodel(kind="sense", **BASE, sense=SENSE, area=4e-9, **more)


def _converter(**more):
    return Macromodel(kind="convert", **BASE, convert=CONVERT.model_copy(update=more), variants=("sar6",))


def test_a_converters_errors_are_voltages():
    joined = with_converter(_front(), _converter())
    # 630 mV over 63 steps: steps as wide as they were measured.
    assert joined.convert == CONVERT.model_copy(update={"step": joined.convert.step})
    assert joined.convert.step == pytest.approx(1e-2)
    half = with_converter(_front().model_copy(update={"sense": SENSE.model_copy(update={"gain": -5e7})}), _converter())
    assert half.convert.offset_sigma == pytest.approx(0.6) and half.convert.noise == pytest.approx(0.04)
    assert half.convert.step == pytest.approx(5e-3)
    assert half.convert.gain_sigma == CONVERT.gain_sigma  # relative: the same for any width
    unknown = with_converter(_front(), _converter(step=0.0))
    assert unknown.convert.offset_sigma == 0.3 and any("not known" in note for note in unknown.notes)


def test_areas_add_up():
    joined = with_converter(_front(), _converter())
    assert joined.area == pytest.approx(5.5e-9) and joined.convert.area == 1.5e-9
    assert any("area is not known" in note for note in with_converter(_front(), _converter(area=0.0)).notes)
    # The converter of a whole chain brings its own area only.
    chain = Macromodel(kind="chain", **BASE, sense=SENSE, convert=CONVERT, variants=("a", "sar6"), area=9e-9)
    assert with_converter(_front(), chain).area == pytest.approx(5.5e-9)


def test_two_that_were_not_simulated_together_have_no_transistors():
    joined = with_converter(_front(), _converter())
    assert joined.identity is None and joined.variants == ("sar6",) and joined.kind == "chain"


@pytest.fixture
def ngspice():
    try:
        find_library()
    except EngineNotFoundError:
        pytest.skip("libngspice is not installed")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"circuit": "strongram"}, "did you mean 'strongarm'"),
        ({"circuit": "zzz"}, "chains: .*; variants: "),
        ({"circuit": "word_line"}, "neither reads a column nor converts nor decides"),
        ({"circuit": "integrator_sar", "card": "high_current"}, "names its card"),
        ({"circuit": "strongarm", "draws": 2}, "3 draws at least, not 2"),
        ({"circuit": "strongarm", "corner": "xx"}, "no corner 'xx'"),
        ({"circuit": "strongarm", "out": "m.toml"}, r"stored as \.json"),
        ({"circuit": "tia", "converter": "DECIDER"}, "has no converter"),
        ({"circuit": "integrator_sar", "converter": "CONVERTER"}, "has a converter of its own"),
        ({"circuit": "strongarm", "converter": "CONVERTER"}, "goes behind a front end, which 'strongarm' is not"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_runs(tmp_path, arguments, word):
    decider = Macromodel(kind="decide", **BASE, decide=DecideModel(offset_sigma=1e-3))
    files = {"DECIDER": decider, "CONVERTER": _converter()}
    if arguments.get("converter") in files:
        path = tmp_path / "other.json"
        store_macromodel(files[arguments["converter"]], path)
        arguments = arguments | {"converter": path}
    with pytest.raises(SettingsError, match=word):
        make_macromodel(**arguments)


def test_a_file_is_not_replaced(tmp_path):
    path = tmp_path / "m.json"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        make_macromodel("strongarm", path)
    assert path.read_text() == "mine"


def test_a_place_that_cant_be_written_is_told_before_anything_runs(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(macromodel, "fit_variant", lambda *a, **k: pytest.fail("it ran"))
    with pytest.raises(OutputError, match="can't write"):
        make_macromodel("strongarm", tmp_path / "file" / "m.json")


def test_chains_come_before_variants_of_their_name(tmp_path):
    assert isinstance(load_circuit("conveyor"), Chain)
    assert isinstance(load_circuit("strongarm"), Variant)
    chain = tmp_path / "c.toml"
    chain.write_text("name = 1\n")
    with pytest.raises(SettingsError, match="valid string"):
        load_circuit(chain)


def test_every_front_end_reads_a_column_as_in_its_bench():
    card = load_card("hzo_mfis_nominal")
    found = 0
    for name in available_variants("sense"):
        variant = load_variant(name)
        if variant.bench not in ("transimpedance", "integrator"):
            continue
        chain = bench_chain(variant, card)
        assert chain.variant("sense").name == name
        assert abs(chain.ideal.high - chain.ideal.low) > 0.03 and chain.sense.output_at < chain.period
        found += 1
    assert found >= 5
    with pytest.raises(SettingsError, match="no front end with an output"):
        bench_chain(load_variant("bitline_latch"), card)


def test_a_comparator_is_measured_and_checked_by_fresh_circuits(tmp_path, ngspice):
    path = tmp_path / "new" / "strongarm.json"
    seen = []
    result = make_macromodel("strongarm", path, draws=3, observer=lambda phase, done, total: seen.append((done, total)))
    model = load_macromodel(path)
    assert model == result.model and model.process == "generic" and model.corner == "tt"
    assert model.kind == "decide" and 5e-4 < model.decide.offset_sigma < 2e-2
    assert model.draws == 3 and model.fit.compared == 3 and model.fit.unit == "probability"
    assert any("50%" in note for note in model.notes)  # relative error of three draws' sigma
    assert model.decide.noise > 0 and "input pair" in model.decide.noise_source and model.area > 0
    assert model.drive is not None and model.identity.chain is None
    assert seen[-1] == (8, 8) and np.all(np.diff([done for done, _ in seen]) >= 0)


def test_a_run_makes_the_macromodels_of_its_circuits(tmp_path, ngspice):
    settings = PeripherySettings(variants=("strongarm", "word_line"), mc=2)
    result = periphery_run(tmp_path / "run", settings=settings)
    made, failed = run_macromodels(result)
    assert set(made) == {"generic/strongarm"} and not failed
    model, found = made["generic/strongarm"], result.variants["generic"]["strongarm"]
    assert model.decide.offset_sigma == pytest.approx(np.std(found.draws["offset"], ddof=1))
    assert model.decide.noise == found.figures["noise"] and model.draws == 2 and model.fit is None
    assert any("its error is not known" in note for note in model.notes)
    again = identity_of_variant(load_variant("strongarm"), load_process("generic"), "generic", "tt")
    assert model.identity == again
    assert load_macromodel(tmp_path / "run" / "macromodels" / "generic" / "strongarm.json") == model
    assert not (tmp_path / "run" / "macromodels" / "generic" / "word_line.json").exists()
    page = Report("test")
    macromodel_section(page, result)
    assert "generic/strongarm" in page.html() and "word_line" not in page.html()
