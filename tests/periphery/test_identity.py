"""What a macromodel was made from: found again, and refused where it says something else by now."""

import shutil
from pathlib import Path

import pytest

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import load_chain
from ftj_spice.periphery.identity import identity_of_chain, identity_of_variant, transistors_of
from ftj_spice.periphery.macromodel import ConvertModel, Macromodel, SenseModel, load_macromodel, store_macromodel

GENERIC = load_process("generic")
BASE = {"title": "m", "kind": "chain", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "linear"}


@pytest.fixture
def own(tmp_path):
    """A chain of one's own, named like the packaged one, with its integrator beside it."""
    for name in ("integrator_cds.toml", "integrator_cds.cir.j2"):
        shutil.copy(resources.netlists() / "periphery" / "sense" / name, tmp_path)
    return Path(shutil.copy(resources.netlists() / "periphery" / "chains" / "integrator_sar.toml", tmp_path))


@pytest.fixture
def process(tmp_path):
    """A process of one's own, named like a packaged one."""
    file = shutil.copytree(resources.models() / "processes", tmp_path / "process") / "generic.toml"
    return file.rename(file.with_name("mine.toml"))


def _model(identity, **more):
    parts = {"sense": SenseModel(integrates=True, time=1e-5, high=6e-9), "convert": ConvertModel(bits=6)}
    return Macromodel(**({"name": "integrator_sar"} | BASE | parts | {"identity": identity} | more))


def _identity(chain="integrator_sar", process="generic"):
    return identity_of_chain(load_chain(chain), chain, load_process(process), process, "tt")


def _change(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_words_are_no_content(own):
    packaged = _identity()
    _change(own, 'title = "charge integrator', 'title = "my charge integrator')
    mine = _identity(str(own))
    assert mine.process_sha256 == packaged.process_sha256 and mine.circuits_sha256 == packaged.circuits_sha256


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("integrator_sar.toml", 'end = "12.8 us"', 'end = "12.7 us"'),
        ("integrator_sar.toml", "131 fF", "132 fF"),
        ("integrator_sar.toml", "407.8 mV", "400 mV"),
        ("integrator_cds.toml", 'ibias = "2 uA"', 'ibias = "3 uA"'),
        ("integrator_cds.cir.j2", "\n", "\nc_more out 0 1e-14\n"),
    ],
)
def test_another_circuit_is_refused(own, file, before, after):
    model = _model(_identity(str(own)))
    chain, process = transistors_of(model)
    assert chain.folder == own.parent and process.name == "generic"
    _change(own.parent / file, before, after)
    with pytest.raises(SettingsError, match=r"chain 'integrator_sar' has another content .* make it anew"):
        transistors_of(model)


def test_a_namesake_of_a_packaged_chain_is_not_taken_for_it(own):
    _change(own, "131 fF", "140 fF")
    assert transistors_of(_model(_identity(str(own))))[0].parameters("sense")["c_int"] == pytest.approx(140e-15)
    assert transistors_of(_model(_identity()))[0].parameters("sense")["c_int"] == pytest.approx(131e-15)
    swapped = _identity(str(own)).model_copy(update={"chain": "integrator_sar"})
    with pytest.raises(SettingsError, match="another content"):
        transistors_of(_model(swapped))


def test_another_process_is_refused(process):
    model = _model(_identity(process=str(process)))
    assert transistors_of(model)[1].folder == process.parent
    text = process.read_text()
    _change(process, "layout_factor = ", "layout_factor = 1")
    with pytest.raises(SettingsError, match="process 'generic' has another content"):
        transistors_of(model)
    process.write_text(text)
    process.unlink()
    with pytest.raises(
        SettingsError, match=r"transistors of periphery 'integrator_sar' are not where they were: .*mine"
    ):
        transistors_of(model)


def test_another_model_file_is_refused(process):
    model = _model(_identity(process=str(process)))
    loaded = load_process(process)
    from ftj_spice.netlist.process.places import model_files

    file = model_files(loaded, loaded.device("nmos"), "tt")[-1]
    assert file.is_relative_to(process.parent)
    file.write_text(file.read_text() + "\n* changed\n.param changed=1\n")
    with pytest.raises(SettingsError, match="process 'generic' has another content"):
        transistors_of(model)


def test_a_model_of_nowhere_has_no_transistors():
    for identity in (None, identity_of_variant(load_variant("strongarm"), GENERIC, "generic", "tt")):
        with pytest.raises(SettingsError, match="has no chain of transistors that it was made from"):
            transistors_of(_model(identity))


def test_files_are_stored_beside_the_macromodel(own, process, tmp_path, monkeypatch):
    model = _model(_identity(str(own), str(process)))
    out = tmp_path / "models" / "mine.json"
    monkeypatch.chdir(tmp_path)
    store_macromodel(model, Path("models/mine.json"))
    assert str(tmp_path) not in out.read_text()
    assert '"chain": "../integrator_sar.toml"' in out.read_text()
    monkeypatch.chdir("/")
    chain, found = transistors_of(load_macromodel(out))
    assert chain.name == "integrator_sar" and found.folder.samefile(process.parent)
    # The folder moves as a whole.
    moved = tmp_path.with_name(tmp_path.name + "_moved")
    tmp_path.rename(moved)
    assert transistors_of(load_macromodel(moved / "models" / "mine.json"))[0].name == "integrator_sar"
    packaged = _model(_identity())
    store_macromodel(packaged, moved / "packaged.json")
    assert load_macromodel(moved / "packaged.json") == packaged


def test_corners_are_other_circuits():
    chain = load_chain("integrator_sar")
    prints = {identity_of_chain(chain, "integrator_sar", GENERIC, "generic", c).process_sha256 for c in GENERIC.corners}
    assert len(prints) == len(GENERIC.corners)
