"""`vmm --engine ngspice --periphery`: columns read through transistors, beside their macromodel and its budget."""

import json

import numpy as np
import pytest

from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice.locate import find_library
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import load_chain
from ftj_spice.periphery.identity import identity_of_chain
from ftj_spice.periphery.macromodel import ConvertModel, Macromodel, SenseModel
from ftj_spice.studies.settings import RunSettings
from ftj_spice.studies.vmm import vmm


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A product of one column pair, and what was told before it began."""
    try:
        find_library()
    except EngineNotFoundError:
        pytest.skip("libngspice is not installed")
    folder = tmp_path_factory.mktemp("vmm")
    chain, process = load_chain("integrator_sar"), load_process("generic")
    model = Macromodel(
        name=chain.name, title=chain.title, kind="chain", process=process.name, corner="tt", temperature=300.0,
        card=chain.card, variants=("integrator_cds", "sar6"),
        sense=SenseModel(integrates=True, time=chain.period, high=chain.full_scale, energy={"vdd": 3e-10}),
        convert=ConvertModel(bits=chain.bits, energy={"vdd": 3e-12}),
        identity=identity_of_chain(chain, "integrator_sar", process, "generic", "tt"),
    )  # fmt: skip
    (folder / "mine.json").write_text(model.text())
    np.save(folder / "w.npy", np.array([[1.0], [-0.5], [0.8], [0.2]]))
    np.save(folder / "x.npy", np.array([[1.0, 0.3, 0.7, 0.5]]))
    settings = RunSettings.parse(
        {
            "audit": 0, "engine": {"sample": "fast", "read": "ngspice"}, "periphery": str(folder / "mine.json"),
            "read": {"input_bits": 2, "tile_rows": 4, "tile_columns": 4, "calibration": "none"},
        },
        "test",
    )  # fmt: skip
    told = []
    result = vmm(folder / "w.npy", folder / "x.npy", folder / "run", settings=settings, notice=told.append)
    return result, folder / "run", told


def test_the_budget_is_the_macromodels_and_says_so(run):
    result, path, _ = run
    found = result.metrics["transistors"]
    assert result.budget is not None and result.budget.together.error == found["rms_error_by_macromodel"]
    assert [entry.name for entry in result.budget.contributions][-1] == "periphery"
    assert "the budget is the macromodel's" in found["note"]
    stored = json.loads((path / "metrics.json").read_text())
    assert stored["budget"]["together"]["rms_error"] == found["rms_error_by_macromodel"]
    page = (path / "report.html").read_text()
    assert (
        "Transistors and their macromodel" in page and "this is the budget of the product by their macromodel" in page
    )
    assert (path / "budget.csv").is_file()


def test_transistors_and_macromodel_agree_within_steps(run):
    result, _, _ = run
    found = result.metrics["transistors"]
    assert result.layer.engine == "ngspice, generic transistors"
    # Two bits in, six bits out: some percent of the full scale.
    assert found["rms_difference_relative_to_full_scale"] < 0.1


def test_the_estimate_is_that_of_transistors(run):
    _, _, (told,) = run
    assert told.things == "columns" and "by transistors" in told.engine
    assert not told.audit.seconds and "--no-budget" not in told.sentence
