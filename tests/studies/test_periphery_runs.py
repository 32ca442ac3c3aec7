"""`generate` and `vmm` with a periphery: files, conflicts, energy, same result for any number of workers."""

import json

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.generative.decoder import Decoder
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import load_chain
from ftj_spice.periphery.identity import identity_of_chain
from ftj_spice.periphery.macromodel import ConvertModel, DecideModel, Macromodel, SenseModel
from ftj_spice.studies.generate import generate
from ftj_spice.studies.macromodel import with_converter
from ftj_spice.studies.settings import RunSettings
from ftj_spice.studies.transistors import check_time, transistor_chain
from ftj_spice.studies.vmm import vmm

BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "linear"}
FAST = {"sample": "fast", "read": "fast"}
SENSE = SenseModel(
    integrates=True, time=1.3e-5, high=6.5e-9, gain_sigma=0.01, ground_sigma=1e-3, noise=1e-11,
    energy={"vdd": 3e-10}, static_power=2e-5,
)  # fmt: skip


@pytest.fixture
def stored(tmp_path):
    def store(**parts):
        path = tmp_path / "m.json"
        path.write_text(Macromodel(kind="chain", **BASE, **parts).text())
        return str(path)

    return store


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A decoder of few weights."""
    rng = np.random.default_rng(8)
    layers = (
        (rng.standard_normal((4, 6)), rng.standard_normal(6)),
        (rng.standard_normal((6, 9)), rng.standard_normal(9)),
    )
    path = tmp_path_factory.mktemp("decoder") / "tiny.npz"
    Decoder(layers, (3, 3)).save(path)
    return str(path)


def _settings(periphery, **more):
    return RunSettings.parse({"samples": 3, "audit": 0, "engine": FAST, "periphery": periphery} | more, "test")


def test_generate_says_what_read_it_and_what_it_took(tmp_path, stored, tiny):
    chain = stored(sense=SENSE, convert=ConvertModel(bits=6, energy={"vdd": 3e-12}))
    result = generate(_settings(chain, decoder=tiny), tmp_path / "run")
    again = generate(_settings(chain, decoder=tiny), jobs=2)
    assert np.array_equal(result.images, again.images)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    energy = metrics["energy"]
    assert energy["per_image"] == pytest.approx(sum(i["per_image"] for i in energy["items"]))
    reads = sum(layer.tally.reads for layer in result.layers)
    assert energy["reads"] == reads
    sense = next(i for i in energy["items"] if i["phase"] == "read" and i["block"] == "sense")
    # Each read takes its own energy, and its static power as long as it lasts longer than it was measured.
    time = sum(layer.tally.sense_time for layer in result.layers)
    assert sense["joules"] == pytest.approx(reads * 3e-10 + 2e-5 * (time - reads * 1.3e-5))
    assert {i["basis"] for i in energy["items"]} == {"computed", "estimate", "transients"}
    assert metrics["periphery"]["bits_lost_per_sample"] > 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Read-out circuits" in page and "885 TOPS/W" in page and "states no fit error" in page


def test_conflicts_are_told_by_name(stored):
    chain = stored(sense=SENSE, convert=ConvertModel(bits=6))
    with pytest.raises(SettingsError, match=r"its own read\.integration_time, read\.adc_bits: leave them out"):
        generate(_settings(chain, read={"adc_bits": 7, "integration_time": 1e-6}))
    with pytest.raises(SettingsError, match="no macromodel of a periphery named 'nonsense'"):
        generate(_settings("nonsense"))
    with pytest.raises(SettingsError, match="only decides bits"):  # by its parts: the file says that it is a chain
        generate(_settings(stored(decide=DecideModel(offset_sigma=1e-3))))
    with pytest.raises(SettingsError, match=r"read\.coding='bit-serial'"):
        generate(_settings(stored(sense=SENSE), read={"coding": "amplitude"}))


def test_a_decoder_is_not_read_through_transistors(stored):
    name, slow = "integrator_sar", {"sample": "fast", "read": "ngspice"}
    made_from = identity_of_chain(load_chain(name), name, load_process("generic"), "generic", "tt")
    chain = {"sense": SENSE, "convert": ConvertModel(bits=6)}
    with pytest.raises(
        SettingsError, match=r"through transistors would take ngspice about \d+ days: take --engine fast"
    ):
        generate(_settings(stored(**chain, identity=made_from), engine=slow))
    changed = made_from.model_copy(update={"circuits_sha256": 64 * "0"})
    with pytest.raises(SettingsError, match=r"chain 'integrator_sar' has another content than when .* make it anew"):
        generate(_settings(stored(**chain, identity=changed), engine=slow))
    with pytest.raises(SettingsError, match="has no chain of transistors"):
        transistor_chain(Macromodel(kind="chain", **BASE, sense=SENSE))
    check_time(7000, 1)
    with pytest.raises(SettingsError, match="fewer and smaller products"):
        check_time(8000, 1)


def test_vmm_has_a_line_of_its_budget_for_the_circuits(tmp_path, stored):
    weights, inputs = tmp_path / "w.npy", tmp_path / "x.npy"
    rng = np.random.default_rng(0)
    np.save(weights, rng.standard_normal((20, 8)))
    np.save(inputs, rng.standard_normal((30, 20)))
    chain = stored(sense=SENSE, convert=ConvertModel(bits=6))
    result = vmm(weights, inputs, settings=_settings(chain), out=tmp_path / "run")
    names = [entry["name"] for entry in result.metrics["budget"]["contributions"]]
    assert names[-1] == "periphery" and "converter" not in names and "noise" not in names
    assert result.metrics["energy"]["per_mac"] > 0
    plain = vmm(weights, inputs, settings=_settings(None))
    assert "energy" not in plain.metrics and plain.layer.error != result.layer.error


def test_a_converter_goes_behind_a_front_end_only():
    front = Macromodel(kind="sense", **BASE, sense=SENSE)
    whole = Macromodel(kind="chain", **BASE, sense=SENSE, convert=ConvertModel(bits=5), variants=("a", "sar6"))
    joined = with_converter(front, whole)
    assert joined.name == "m_sar6" and joined.convert == whole.convert and joined.sense == SENSE
    with pytest.raises(SettingsError, match="no front end"):
        with_converter(whole, whole)
    with pytest.raises(SettingsError, match="has no converter"):
        with_converter(front, front)
