"""Products on arrays as a job: files in, budget, audit and run directory out."""

import csv
import json
import math

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.array.coding import make_coding
from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.generative.decoder import shipped
from ftj_spice.studies.settings import load_settings
from ftj_spice.studies.vmm import vmm
from ftj_spice.studies.vmm_problem import ENOUGH, estimate, like, load_problem

CARD = ftj.load_card("hzo_mfis_nominal")
IDEAL = ("read.levels=0", "read.verify_tolerance=0", "read.clip_percentile=100", "read.adc_bits=0", "read.noise=false",
         "read.line_resistance=0", "read.driver_resistance=0", "read.input_bits=8")  # fmt: skip


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"W": rng.normal(size=(9, 5)), "X": rng.normal(size=(12, 9)), "B": rng.normal(size=5)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path, arrays


def _vmm(files, *changes, **options):
    folder, _ = files
    options = {"bias": folder / "B.npy", "budget": False} | options
    return vmm(folder / "W.npy", folder / "X.npy", settings=load_settings(changes=("audit=0", *changes)), **options)


def test_the_ideal_product_is_exact_but_for_the_inputs(files):
    _, a = files
    result = _vmm(files, *IDEAL)
    np.testing.assert_allclose(result.exact, a["X"] @ a["W"] + a["B"], rtol=1e-12)
    read = result.settings.read
    coding = make_coding(read, CARD, True, result.problem.full_scale)
    assert coding.largest * coding.step == pytest.approx(np.abs(a["X"]).max())  # nothing is clipped
    coded = coding.quantise(a["X"]) * coding.step
    np.testing.assert_allclose(result.outputs, coded @ a["W"] + a["B"], atol=1e-9)
    assert result.budget is None and result.audit is None and result.passes and result.path is None
    assert "budget" not in result.metrics and "audit" not in result.metrics


def test_a_run_directory_holds_everything(files, tmp_path):
    _, a = files
    result = _vmm(files, "audit=3", "seed=7", "read.tile_rows=4", out=tmp_path / "run", budget=True,
                  command=["ftj-spice", "vmm"])  # fmt: skip
    run = tmp_path / "run"
    np.testing.assert_array_equal(np.load(run / "outputs.npy"), result.outputs)
    np.testing.assert_array_equal(np.load(run / "exact.npy"), result.exact)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["product"]["tiles"] == 3 and metrics["product"]["reads"] == 3 * 12 * 8
    assert metrics["product"]["engine"].startswith("fast-")
    error = np.sqrt(np.mean((result.outputs - a["X"] @ a["W"] - a["B"]) ** 2))
    assert metrics["error_against_ideal_weights"]["rms"] == pytest.approx(error)
    sums = metrics["sum_error_of_first_tile"]
    assert sums["rows"] == 4 and sums["columns"] == 10
    assert 0 < sums["circuit"]["rms"] < 1e-4 < sums["with_noise"]["rms"]
    # The budget: table, JSON and metrics are one.
    with (run / "budget.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in table][-1] == "together" and len(table) == 9
    budget = json.loads((run / "budget.json").read_text())
    assert budget == metrics["budget"]
    for row, entry in zip(table, [*budget["contributions"], budget["together"]], strict=True):
        assert float(row["rms_error"]) == entry["rms_error"]
        assert float(row["relative_to_full_scale"]) == pytest.approx(entry["rms_error"] / budget["full_scale"])
    assert budget["together"]["rms_error"] == pytest.approx(error)
    square = math.sqrt(sum(entry["rms_error"] ** 2 for entry in budget["contributions"]))
    assert budget["root_sum_square"] == pytest.approx(square)
    # The audit, in ngspice.
    assert metrics["audit"]["reads"] == 3 and metrics["audit"]["passes"] is True and result.passes
    assert 0 <= metrics["audit"]["largest_deviation"] < 1e-6 and metrics["audit"]["engine"].startswith("ngspice-")
    manifest = json.loads((run / "manifest.json").read_text())
    names = {f"netlists/{name}" for name in manifest["netlists"]}
    assert names and names == {f"netlists/{path.name}" for path in (run / "netlists").iterdir()}
    assert manifest["seed"] == 7 and manifest["settings"]["read"]["tile_rows"] == 4
    page = (run / "report.html").read_text()
    for text in ("Error budget", "all together", "Sums of the first tile", "were repeated by ngspice", "W.npy"):
        assert text in page
    assert (run / "budget.svg").read_text().startswith("<?xml")
    with pytest.raises(OutputError, match="exists"):
        _vmm(files, out=run)


def test_engines_and_runs_agree(files):
    one = _vmm(files, "read.adc_bits=0", "read.input_bits=3")
    again = _vmm(files, "read.adc_bits=0", "read.input_bits=3")
    other = _vmm(files, "read.adc_bits=0", "read.input_bits=3", "engine.read=ngspice")
    assert one.outputs.tobytes() == again.outputs.tobytes()
    np.testing.assert_allclose(other.outputs, one.outputs, atol=1e-5 * one.layer.full_scale)
    assert other.layer.engine.startswith("ngspice-")
    assert (_vmm(files, "read.adc_bits=0", "read.input_bits=3", "seed=1").outputs != one.outputs).any()


def test_a_decoders_layer_brings_inputs_and_bias():
    settings = load_settings(changes=("audit=0", *IDEAL))
    decoder = shipped("mnist")
    result = vmm("mnist:2", settings=settings, vectors=3, budget=False)
    layer = decoder.layers[1]
    assert result.problem.weights.shape == layer.matrix.shape and not result.problem.signed
    assert result.problem.inputs.min() == 0.0 and result.problem.source == "mnist, layer 2"
    np.testing.assert_allclose(result.exact, layer(result.problem.inputs), rtol=1e-9)
    assert result.layer.effective_bits > 6
    first = vmm("mnist:1", settings=settings, vectors=3, budget=False)
    assert first.problem.signed and first.problem.full_scale == 4.0
    # The second layer's inputs are what the first one's outputs become.
    np.testing.assert_allclose(np.maximum(first.exact, 0.0), result.problem.inputs, rtol=1e-9, atol=1e-12)


def test_published_figure_of_merit_24_by_12(tmp_path):
    """A column's sum against its cells read one by one, at nominal spread without an error of programming."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "W.npy", rng.uniform(-1, 1, (24, 12)))
    sums = {}
    for time in (1e-5, 1e-4):
        settings = load_settings(
            changes=("audit=0", "read.scheme=offset", "read.verify_tolerance=none", "read.cycle_spread=0",
                     f"read.integration_time={time}")
        )  # fmt: skip
        result = vmm(tmp_path / "W.npy", settings=settings, vectors=4, budget=False)
        sums[time] = result.metrics["sum_error_of_first_tile"]
        assert (sums[time]["rows"], sums[time]["columns"]) == (24, 12)
        assert sums[time]["circuit"]["largest"] < 1e-6
        assert sums[time]["with_noise"]["rms"] < 0.01
    assert sums[1e-4]["with_noise"]["largest"] < 0.01  # 12,000 sums; five deviations of the noise


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (np.array([[1.0, np.nan]]), "every value must be finite, but the one at (0, 1) is nan"),
        (np.array([[np.inf, 1.0]]), "every value must be finite, but the one at (0, 0) is inf"),
        (np.ones((0, 3)), "weights must have shape (inputs, outputs), none of them 0, not (0, 3)"),
        (np.ones((3, 0)), "weights must have shape (inputs, outputs), none of them 0, not (3, 0)"),
        (np.ones(3), "weights must have shape (inputs, outputs), none of them 0, not (3,)"),
        (np.ones((3, 2), complex), "weights must be real numbers, not of type"),
        (np.array([["a", "b"]]), "weights must be real numbers, not of type"),
        (np.array([[{}]], object), "weights must be real numbers"),
        (np.full((2, 2), 1e200), "values beyond 1e+100 can't be multiplied"),
        (b"rubbish", "not a whole .npy file with numbers"),
        (b"", "not a whole .npy file with numbers"),
    ],
    ids=str,
)
def test_bad_weights_are_one_sentence(content, sentence, tmp_path):
    path = tmp_path / "W.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(DataError) as caught:
        vmm(path, settings=load_settings())
    assert str(caught.value).startswith(str(path)) and sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("X", np.ones((4, 8)), "inputs must have shape (batch, 9) to fit the weights, not (4, 8)"),
        ("X", np.ones((0, 9)), "inputs must have shape (batch, inputs), none of them 0, not (0, 9)"),
        ("X", np.full((1, 9), np.inf), "every value must be finite, but the one at (0, 0) is inf"),
        ("B", np.ones(4), "the bias must have shape (5,) to fit the weights, not (4,)"),
        ("B", np.ones((5, 1)), "bias must have shape (outputs,), none of them 0, not (5, 1)"),
    ],
    ids=str,
)
def test_inputs_and_bias_that_do_not_fit_are_one_sentence(name, array, sentence, files):
    folder, _ = files
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(DataError) as caught:
        _vmm(files)
    assert str(caught.value) == f"{folder / name}.npy: {sentence}"


@pytest.mark.parametrize(
    ("weights", "options", "sentence"),
    [
        ("mnist:4", {}, "--weights mnist:4: layers of mnist are numbered 1 to 3"),
        ("mnist:x", {}, "--weights mnist:x: layers of mnist are numbered 1 to 3"),
        ("mnist:2", {"bias": "B.npy"}, "mnist:2 has a bias of its own; leave --bias out"),
        ("mnist:2", {"vectors": 0}, "the number of random input vectors must be at least 1, got 0"),
        ("mnist:2", {"vectors": 10**12}, "the product 1000000000000 x 256 by 256 x 512 would take about "),
    ],
    ids=str,
)
def test_bad_orders_are_one_sentence(weights, options, sentence):
    with pytest.raises(SettingsError) as caught:
        vmm(weights, settings=load_settings(), **options)
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


def test_what_takes_too_long_is_told_before_it_starts(files):
    folder, _ = files
    with pytest.raises(SettingsError, match=r"would take about .* hours with engine 'ngspice'; take fewer inputs"):
        vmm(folder / "W.npy", settings=load_settings(changes=("engine.read=ngspice",)), vectors=10_000_000)
    read = load_settings().read
    few, many = (estimate((256, 512), n, read, "ngspice")[0] for n in (1, 1000))
    assert many == pytest.approx(1000 * few) and few > 100 * estimate((256, 512), 1, read, "fast")[0]


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"^can't read weights from .*W.npy: No such file or directory$"):
        vmm(tmp_path / "W.npy", settings=load_settings())
    with pytest.raises(DataError, match="no shipped decoder is called"):
        vmm("nothing:1", settings=load_settings())


@pytest.mark.parametrize("fill", [0.0, 1e-100, 1e99])
def test_weights_of_any_size_are_multiplied(fill, tmp_path):
    """No overflow: warnings are errors."""
    np.save(tmp_path / "W.npy", np.full((3, 2), fill))
    result = vmm(tmp_path / "W.npy", out=tmp_path / "run", vectors=4, settings=load_settings(changes=("audit=0",)))
    assert np.isfinite(result.outputs).all()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    relative = metrics["error_against_ideal_weights"]["rms_relative_to_full_scale"]
    assert (relative is None) if fill == 0.0 else 0 < relative < 0.1


def test_inputs_that_are_never_negative_take_one_phase(files):
    folder, arrays = files
    problem = load_problem(str(folder / "W.npy"), folder / "X.npy", None, 1, 0, load_settings().read, "fast")
    assert problem.signed
    np.save(folder / "X.npy", np.abs(arrays["X"]))
    one = _vmm(files, "read.input_bits=4")
    assert not one.problem.signed and one.layer.reads == 12 * 4


@pytest.mark.parametrize("vectors", [1, 40])
def test_probes_are_none_of_the_inputs_but_like_them(vectors):
    rng = np.random.default_rng(0)
    x = 3.0 + 0.5 * rng.normal(size=(vectors, 200)) * np.linspace(0.5, 1.5, 200)
    probes = like(x, False, 0)
    assert not np.isin(x, probes).any() and (like(x, False, 0) == probes).all() and (like(x, False, 1) != probes).any()
    assert probes.min() >= 0.0 and probes.mean() == pytest.approx(3.0, abs=0.15)  # over 200 inputs: four deviations
    assert probes.std() == pytest.approx(x.std(), rel=0.1)
    # With enough vectors each input has a scale of its own.
    spread = probes.std(axis=0)
    assert (spread[100:].mean() > 1.4 * spread[:100].mean()) == (vectors >= ENOUGH)
    assert (like(x - 3.0, True, 0) < 0).any() and (like(np.abs(x - 3.0), False, 0) == 0).any()


@pytest.mark.parametrize("value", [0.0, 1e-3, -2.0])
def test_inputs_that_are_all_the_same_have_probes_that_differ(value):
    for vectors in (1, 40):
        probes = like(np.full((vectors, 3), value), value < 0, 0)
        assert probes.std() == pytest.approx(abs(value) or 0.6, rel=0.5)


@pytest.mark.parametrize("x", [np.random.default_rng(3).normal(size=(1, 9)), np.ones((1, 9))], ids=["random", "ones"])
def test_one_vector_has_relative_errors(x, files):
    folder, _ = files
    np.save(folder / "X.npy", x)
    result = _vmm(files, budget=True)
    assert 1 < result.layer.effective_bits < 8 and result.layer.full_scale > 0
    assert all(np.isfinite(row["relative_to_full_scale"]) for row in result.budget.rows())
    # The converters' steps are not fitted to this one vector: the error is as large as that of other vectors.
    converter = {entry.name: entry.error for entry in result.budget.contributions}["converter"]
    np.save(folder / "X.npy", like(x, bool((x < 0).any()), 8))
    many = {entry.name: entry.error for entry in _vmm(files, budget=True).budget.contributions}["converter"]
    assert 0.3 < converter / many < 3


def test_a_hidden_layers_own_inputs_can_be_negative(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, shipped("mnist").layers[1].matrix.shape[0]))
    for name, inputs in (("both", x), ("positive", np.abs(x))):
        np.save(tmp_path / f"{name}.npy", inputs)
        read = load_settings().read
        problem = load_problem("mnist:2", tmp_path / f"{name}.npy", None, 1, 0, read, "fast")
        assert problem.signed == (name == "both")
        # The largest activation is the largest code, whether or not a bit goes to the sign.
        coding = make_coding(read, CARD, problem.signed, problem.full_scale)
        assert coding.largest * coding.step == pytest.approx(problem.probes.max())


def test_a_folder_that_holds_the_weights_is_not_replaced(tmp_path):
    np.save(tmp_path / "W.npy", np.eye(3))
    vmm(tmp_path / "W.npy", out=tmp_path / "run", vectors=2, budget=False)
    (tmp_path / "W.npy").rename(tmp_path / "run" / "W.npy")
    with pytest.raises(OutputError, match="would be replaced"):
        vmm(tmp_path / "run" / "W.npy", out=tmp_path / "run", vectors=2, budget=False, force=True)
    assert (tmp_path / "run" / "W.npy").exists()
