"""A layer on the array: coding, mapping and converters by themselves, then all of it against the exact product."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.constants import Boltzmann, elementary_charge
from scipy.stats import chi2

import ftj_spice as ftj
from ftj_spice.array.array import ReadResult, overall_status
from ftj_spice.array.coding import BitSerial
from ftj_spice.array.converters import TEMPERATURE, PairConverter
from ftj_spice.array.layer import LayerResult, forward
from ftj_spice.array.mapping import program
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.engines.ngspice import NgspiceEngine

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)


CARD = ftj.load_card("hzo_mfis_nominal")
LINEAR = ftj.load_card("linear")
IDEAL = {
    "levels": 4096, "spread": 0.0, "clip_percentile": 100.0, "line_resistance": 0.0, "driver_resistance": 0.0,
    "input_bits": 12, "adc_bits": 16, "noise": False,
}  # fmt: skip

# Coding.

BITS = st.integers(2, 12)


@PROPERTY
@given(BITS, st.data())
def test_digits_of_a_code_add_up_to_it(bits, data):
    coding = BitSerial(bits)
    largest = 2 ** (bits - 1) - 1
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    codes = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-largest, largest)))
    on = coding.encode(codes)
    assert on.shape == (shape[0], coding.planes, shape[1]) and on.dtype == bool
    assert (coding.combine(on.astype(float)) == codes * coding.step).all()
    positive = on[:, : bits - 1].any(axis=(1))
    assert not (positive & on[:, bits - 1 :].any(axis=1)).any()  # one phase or the other


@PROPERTY
@given(BITS, hnp.arrays(float, (3, 4), elements=st.floats(-100, 100)))
def test_quantisation_is_to_the_nearest_code_of_the_range(bits, values):
    coding = BitSerial(bits)
    top = 4.0 - coding.step
    quantised = coding.quantise(values) * coding.step
    assert np.abs(quantised).max() <= top
    inside = np.abs(values) <= top
    assert (np.abs(quantised - values)[inside] <= coding.step / 2).all()
    assert (quantised[~inside] == np.sign(values[~inside]) * top).all()


@pytest.mark.parametrize("bits", range(2, 13))
def test_the_constant_of_the_bias_is_exact(bits):
    coding = BitSerial(bits)
    assert coding.quantise(np.array([[coding.constant]]))[0, 0] * coding.step == coding.constant
    assert coding.constant == (2.0 if bits == 2 else 1.0)


# Mapping.

WEIGHTS = hnp.arrays(
    float, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(-1e3, 1e3).map(lambda w: round(w, 6))
)


@PROPERTY
@given(WEIGHTS, st.integers(2, 64), st.integers(1, 5), st.sampled_from([2, 4, 6]), st.sampled_from([CARD, LINEAR]))
def test_conductances_stand_for_the_weights_to_half_a_level(weights, levels, tile_rows, tile_columns, card):
    read = ReadSettings(
        levels=levels, spread=0.0, clip_percentile=100.0, tile_rows=tile_rows, tile_columns=tile_columns
    )
    layer = program(weights, card, read, seed=0)
    largest = np.abs(weights).max(axis=0)
    half = largest / (levels - 1) / 2
    assert (np.abs(layer.weights() - weights) <= half * (1 + 1e-9) + 1e-300).all()
    covered = np.zeros(weights.shape, int)
    for tile in layer.tiles:
        rows, columns = tile.conductance.shape
        assert rows <= tile_rows and columns <= tile_columns
        assert (rows, columns) == (tile.rows.stop - tile.rows.start, 2 * (tile.outputs.stop - tile.outputs.start))
        covered[tile.rows, tile.outputs] += 1
        assert tile.conductance.min() >= card.off_conductance * (1 - 1e-12)
        assert tile.conductance.max() <= card.on_conductance * (1 + 1e-12)
        assert np.isclose(np.minimum(tile.conductance[:, 0::2], tile.conductance[:, 1::2]), card.off_conductance).all()
    assert (covered == 1).all()


def test_weights_beyond_the_percentile_are_clipped_and_the_rest_keep_their_scale():
    weights = np.linspace(-1, 1, 101)[:, np.newaxis]
    layer = program(weights, CARD, ReadSettings(spread=0.0, clip_percentile=90.0, levels=4096), seed=0)
    assert layer.scale[0] == pytest.approx(0.9)
    np.testing.assert_allclose(layer.weights(), np.clip(weights, -0.9, 0.9), atol=0.9 / 4095)


def test_a_column_of_mostly_zeros_is_scaled_by_its_largest_weight():
    weights = np.zeros((10, 2))
    weights[3, 0] = -0.25
    layer = program(weights, CARD, ReadSettings(spread=0.0, clip_percentile=51.0), seed=0)
    np.testing.assert_allclose(layer.weights(), weights, atol=1e-12)


def test_the_spread_is_lognormal_and_larger_for_the_high_resistance_state():
    # 40,000 cells per state. False alarms: two-sided 1e-6 on each of two means and two variances.
    shape = (200, 200)
    layer = program(np.ones(shape), CARD, ReadSettings(levels=2), seed=3)
    cells = np.concatenate([tile.conductance.reshape(-1, 2) for tile in layer.tiles])
    for column, ideal, sigma in ((0, CARD.on_conductance, CARD.on_spread), (1, CARD.off_conductance, CARD.off_spread)):
        logs = np.log(cells[:, column] / ideal)
        n = len(logs)
        assert n == 40_000
        assert abs(logs.mean()) < 4.9 * sigma / math.sqrt(n)
        low, high = chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
        assert low < logs.var(ddof=1) / sigma**2 < high
    assert (program(np.ones(shape), CARD, ReadSettings(levels=2), seed=3).tiles[0].conductance
            == layer.tiles[0].conductance).all()  # fmt: skip
    other = program(np.ones(shape), CARD, ReadSettings(levels=2), seed=3, layer=1)
    assert (other.tiles[0].conductance != layer.tiles[0].conductance).all()


def test_tiles_do_not_change_the_spread():
    weights = np.random.default_rng(0).normal(size=(10, 7))
    whole = program(weights, CARD, ReadSettings(), seed=1).weights()
    parts = program(weights, CARD, ReadSettings(tile_rows=3, tile_columns=4), seed=1).weights()
    assert (whole == parts).all()


@pytest.mark.parametrize("weights", [np.ones(3), np.ones((0, 2)), np.ones((2, 0)), [[np.nan]], [[np.inf]]], ids=str)
def test_bad_weights_are_one_sentence(weights):
    with pytest.raises(DataError, match=r"^weights must be a finite matrix, got shape "):
        program(np.asarray(weights), CARD, ReadSettings(), seed=0)


# Converters.


def _converter(bits=6, noise=False, outputs=2):
    return PairConverter(np.full(outputs, 1e-10), bits, 10e-6, 100e-15, noise)


@PROPERTY
@given(st.integers(2, 16), st.floats(-2e-10, 2e-10))
def test_a_converter_rounds_to_its_codes(bits, difference):
    converter = _converter(bits, outputs=1)
    common = 3e-10
    code = converter.convert(np.array([[common + difference, common]]), np.random.default_rng(0))[0, 0]
    assert abs(code) <= converter.top == 2 ** (bits - 1) - 1
    assert abs(code * converter.lsb[0] - np.clip(difference, -1e-10, 1e-10)) <= converter.lsb[0] / 2 * (1 + 1e-6)


def test_a_silent_read_is_zero():
    assert (_converter().convert(np.full((3, 4), 5e-11), np.random.default_rng(0)) == 0).all()


def test_the_converters_noise_is_shot_and_thermal():
    # 20,000 reads at 16 bits. False alarm 1e-6 on the variance, two-sided, and 1e-6 on the mean.
    converter = PairConverter(np.array([1e-9]), 16, 10e-6, 100e-15, noise=True)
    plus, minus, n = 4e-10, 1e-10, 20_000
    codes = converter.convert(np.tile([plus, minus], (n, 1)), np.random.default_rng(1))[:, 0]
    charge = codes * converter.lsb[0] * converter.time
    expected = elementary_charge * (plus + minus) * converter.time + 2 * Boltzmann * TEMPERATURE * converter.capacitance
    low, high = chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
    assert low < charge.var(ddof=1) / expected < high
    assert abs(charge.mean() - (plus - minus) * converter.time) < 4.9 * math.sqrt(expected / n)


def test_the_range_covers_the_calibration_reads():
    rng = np.random.default_rng(2)
    currents = np.zeros((4000, 8, 4))  # one plane of eight is wide
    currents[:, 3] = rng.normal([3e-10, 1e-10, 1e-10, 1e-10], 1e-11, (4000, 4))
    converter = PairConverter.calibrate(ReadSettings(adc_sigmas=5.0), currents)
    np.testing.assert_allclose(
        converter.full_scale, [2e-10 + 5 * math.sqrt(2) * 1e-11, 5 * math.sqrt(2) * 1e-11], rtol=0.05
    )


def test_a_silent_pair_still_has_a_range():
    read = ReadSettings(noise=True)
    converter = PairConverter.calibrate(read, np.full((10, 4, 2), 1e-12))
    assert converter.full_scale[0] == elementary_charge / read.integration_time
    codes = converter.convert(np.full((5, 2), 1e-12), np.random.default_rng(0))  # no overflow: warnings are errors
    assert (np.abs(codes) <= converter.top).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"adc_bits": 1}, "'adc_bits'"),
        ({"input_bits": 1}, "'input_bits'"),
        ({"tile_columns": 3}, "'tile_columns'"),
        ({"tile_rows": 65}, "'tile_rows'"),
        ({"clip_percentile": 50}, "'clip_percentile'"),
        ({"line_resistance": math.nan}, "'line_resistance'"),
        ({"levels": 1}, "'levels'"),
        ({"reads_per_netlist": 1}, "'reads_per_netlist'"),
        ({"adc_bit": 6}, "unknown setting 'adc_bit', did you mean 'adc_bits'?"),
    ],
    ids=str,
)
def test_bad_read_settings_are_one_sentence(change, sentence):
    with pytest.raises(SettingsError) as caught:
        ReadSettings.parse(change, "here")
    assert str(caught.value).startswith("here: " + sentence) and "\n" not in str(caught.value)


# The layer.


def _problem(inputs=6, outputs=4, batch=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, inputs)), rng.normal(size=(inputs, outputs)) / 2, rng.normal(size=outputs) / 2


def _error(result):
    return math.sqrt(np.mean((result.outputs - result.exact) ** 2))


@pytest.mark.parametrize("card", [CARD, LINEAR], ids=["sinh", "linear"])
@pytest.mark.parametrize(("tile_rows", "tile_columns"), [(64, 64), (3, 2), (6, 6), (1, 4), (7, 8)])
def test_the_ideal_layer_is_the_exact_product(card, tile_rows, tile_columns, engine):
    x, w, b = _problem()
    read = ReadSettings(**IDEAL, tile_rows=tile_rows, tile_columns=tile_columns)
    result = forward(x, w, b, card, read, seed=0, engine=engine)
    np.testing.assert_allclose(result.exact, x @ w + b, rtol=1e-12)
    # Inputs to half of 2^-9, weights to half of 1/4095, pairs to half a converter step on each of the 22 planes.
    step, full = 2.0**-9, np.abs(np.vstack([w, b])).max(axis=0)
    tolerance = np.abs(w).sum(axis=0) * step / 2 + 4 * (len(w) + 1) * full / 4095 / 2 + 1e-3
    assert (np.abs(result.outputs - result.exact) <= tolerance).all()
    assert result.effective_bits > 8
    assert result.status == "ok" and result.engine.startswith("ngspice-")
    rows, outputs = math.ceil(7 / tile_rows), math.ceil(4 / (tile_columns // 2))
    assert len(result.tiles) == rows * outputs
    chunks = math.ceil(8 * 22 / read.reads_per_netlist)
    assert len(result.netlists) == rows * outputs * chunks


@pytest.mark.parametrize(("shape", "batch"), [((1, 1), 1), ((1, 3), 2), ((5, 1), 1)], ids=str)
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_small_layers(shape, batch, bits, engine):
    coding = BitSerial(bits)
    rng = np.random.default_rng(1)
    x = coding.step * rng.integers(-1, 2, (batch, shape[0]))  # on the grid of even the coarsest inputs
    w, b = rng.normal(size=shape), rng.normal(size=shape[1])
    result = forward(x, w, b, CARD, ReadSettings(**IDEAL | {"input_bits": bits}), seed=0, engine=engine)
    np.testing.assert_allclose(result.outputs, x @ w + b, atol=2e-3 * np.abs(w).max() * shape[0] + 2e-3)
    assert result.full_scale == pytest.approx(8 * np.sqrt(np.mean(np.sum(w**2, axis=0))))
    assert result.effective_bits > 8


def test_columns_without_weights_give_nothing(engine):
    x, w, b = _problem()
    w[:, 1], b[1] = 0.0, 0.0
    for noise in (False, True):
        result = forward(x, w, b, CARD, ReadSettings(spread=0.0, noise=noise), seed=0, engine=engine)
        assert np.abs(result.outputs[:, 1]).max() < 1e-9
        assert np.isfinite(result.outputs).all()
    # A tile without weights beside one that has some: its noise is below one step of the other's.
    w[:3] = 0.0
    result = forward(x, w, b, CARD, ReadSettings(spread=0.0, tile_rows=3, noise=True), seed=0, engine=engine)
    assert np.abs(result.outputs - result.exact).max() < 1.0


def test_an_input_beyond_the_range_is_clipped(engine):
    x = np.array([[100.0, -100.0], [1.0, -1.0]])
    result = forward(x, np.eye(2), np.zeros(2), CARD, ReadSettings(**IDEAL), seed=0, engine=engine)
    top = 4.0 - 2.0**-9
    np.testing.assert_allclose(result.outputs, [[top, -top], [1, -1]], atol=2e-3)


def test_reads_are_the_currents_of_binary_inputs(engine):
    x, w, b = _problem(batch=3)
    result = forward(
        x, w, b, CARD, ReadSettings(**IDEAL | {"input_bits": 4, "reads_per_netlist": 5}), seed=0, engine=engine
    )
    (tile,), (reads,) = result.layer.tiles, result.tiles
    assert set(np.unique(reads.voltages)) == {0.0, CARD.vmm_voltage}
    assert reads.voltages.shape == (3 * 6, 7)
    np.testing.assert_allclose(reads.currents, reads.voltages @ tile.conductance, rtol=1e-6)
    assert len(result.netlists) == 4  # 18 reads, 5 at a time: the last netlist has 3


def test_each_nonideality_costs_what_it_should(engine):
    x, w, b = _problem(inputs=15, outputs=16, batch=30)
    results = {}

    def run(name, **change):
        results[name] = forward(
            x, w, b, CARD, ReadSettings(**IDEAL | {"input_bits": 5} | change), seed=0, engine=engine
        )
        return results[name]

    base = run("base")
    errors = {}
    for name, change in {
        "levels 16": {"levels": 16}, "levels 4": {"levels": 4},
        "spread 1": {"spread": 1.0}, "spread 2": {"spread": 2.0}, "adc 8": {"adc_bits": 8}, "adc 6": {"adc_bits": 6},
        "noise": {"noise": True}, "clip": {"clip_percentile": 80.0},
        "line": {"line_resistance": 1e5}, "line 3": {"line_resistance": 3e5},
    }.items():  # fmt: skip
        errors[name] = math.sqrt(np.mean((run(name, **change).outputs - base.outputs) ** 2))
    scale = base.layer.scale
    counts = np.sum(BitSerial(5).plane_weights ** 2)

    # Converter: each plane adds lsb^2/12 (silent ones none, so this is an upper estimate), times its weight squared.
    for name in ("adc 8", "adc 6"):
        lsb = results[name].tiles[0].full_scale / (2 ** (int(name[-1]) - 1) - 1)
        unit = scale / (base.layer.swing * CARD.vmm_voltage)
        model = math.sqrt(np.mean(counts * (lsb * unit) ** 2 / 12))
        assert 0.4 * model < errors[name] < 1.1 * model
    assert 3.3 < errors["adc 6"] / errors["adc 8"] < 5.0  # (2^7 - 1) / (2^5 - 1) = 4.1

    # Levels: a weight is off by a uniform +/- half a level; inputs have about unit variance, the bias 1.
    for name, levels in (("levels 16", 16), ("levels 4", 4)):
        model = math.sqrt(np.mean((scale / (levels - 1)) ** 2 / 12) * (15 + 1))
        assert 0.6 * model < errors[name] < 1.6 * model

    # Spread: lognormal, independent; half as much is half the error, nearly.
    assert 1.6 < errors["spread 2"] / errors["spread 1"] < 3.0
    off = base.layer.weights()
    spread = results["spread 1"].layer.weights() - off
    codes = np.concatenate([BitSerial(5).quantise(x) * BitSerial(5).step, np.ones((30, 1))], axis=1)
    assert errors["spread 1"] == pytest.approx(math.sqrt(np.mean((codes @ spread) ** 2)), rel=0.01)

    # Noise: shot and kT/C of every plane, also of the silent ones.
    currents = results["noise"].tiles[0].currents
    charge = elementary_charge * (currents[:, 0::2] + currents[:, 1::2]) * 10e-6 + 2 * Boltzmann * 300 * 100e-15
    planes = charge.reshape(30, 8, 16)
    unit = scale / (base.layer.swing * CARD.vmm_voltage * 10e-6)
    model = math.sqrt(np.mean(np.tensordot(BitSerial(5).plane_weights ** 2, planes, axes=(0, 1)) * unit**2))
    # 480 outputs: relative deviation of the rms 1 / sqrt(960) = 0.032; five of them, false alarm 6e-7.
    assert errors["noise"] == pytest.approx(model, rel=0.16)

    # Clipping a fifth of the weights, and wires that take a part of the voltage, cost something.
    assert errors["clip"] > 0.05
    assert 2.0 < errors["line 3"] / errors["line"] < 3.5  # three times the resistance
    shrink = np.sum(results["line"].tiles[0].currents) / np.sum(base.tiles[0].currents)
    assert 0.5 < shrink < 0.999


def test_results_do_not_depend_on_the_workers_nor_on_the_netlists_length(engine):
    x, w, b = _problem(batch=5)
    read = ReadSettings(tile_rows=4, tile_columns=4, reads_per_netlist=16, input_bits=4)
    one = forward(x, w, b, CARD, read, seed=5, engine=engine)
    progress = []
    with NgspiceEngine(2) as two_workers:
        two = forward(
            x, w, b, CARD, read, seed=5, engine=two_workers, progress=lambda done, total: progress.append((done, total))
        )
    assert one.outputs.tobytes() == two.outputs.tobytes()
    assert one.netlists == two.netlists and list(one.netlists) == list(two.netlists)
    for a, c in zip(one.tiles, two.tiles, strict=True):
        assert a.currents.tobytes() == c.currents.tobytes() and a.codes.tobytes() == c.codes.tobytes()
    assert progress == [(k + 1, 8) for k in range(8)]
    longer = forward(
        x, w, b, CARD, ReadSettings(**read.model_dump() | {"reads_per_netlist": 64}), seed=5, engine=engine
    )
    assert (longer.outputs == one.outputs).mean() > 0.9  # a code on the edge between two may differ
    np.testing.assert_allclose(longer.tiles[0].currents, one.tiles[0].currents, rtol=1e-6)
    assert (forward(x, w, b, CARD, read, seed=6, engine=engine).outputs != one.outputs).any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weights": np.ones(3)}, "weights (3,) and bias (2,) are not (inputs, outputs) and (outputs,)"),
        ({"bias": np.ones(3)}, "weights (3, 2) and bias (3,) are not (inputs, outputs) and (outputs,)"),
        ({"inputs": np.ones((4, 2))}, "inputs must have shape (batch, 3), not (4, 2)"),
        ({"inputs": np.ones(3)}, "inputs must have shape (batch, 3), not (3,)"),
        ({"inputs": np.ones((0, 3))}, "inputs must have shape (batch, 3), not (0, 3)"),
        ({"inputs": np.full((4, 3), np.nan)}, "inputs, weights and bias of a layer must be finite"),
        ({"bias": np.array([0, np.inf])}, "inputs, weights and bias of a layer must be finite"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_sentence(change, sentence, engine):
    given = {"inputs": np.ones((4, 3)), "weights": np.ones((3, 2)), "bias": np.ones(2)} | change
    with pytest.raises(DataError) as caught:
        forward(**given, card=CARD, settings=ReadSettings(), seed=0, engine=engine)
    assert str(caught.value) == sentence


def test_effective_bits():
    exact = np.linspace(0, 1, 257).reshape(-1, 1)
    layer = program(np.ones((1, 1)), CARD, ReadSettings(), seed=0)

    def bits(outputs, exact=exact, span=1.0):
        return LayerResult(outputs, exact, span, layer, (), {}, "", "ok").effective_bits

    uniform = (np.arange(257) % 16 - 7.5).reshape(-1, 1) / 16 / 2**6  # the error of an ideal 6-bit converter, nearly
    assert bits(exact + uniform) == pytest.approx(6.0, abs=0.02)
    assert bits(exact) == math.inf
    assert math.isnan(bits(np.ones((3, 1)), np.zeros((3, 1)), 0.0))


def test_the_status_names_every_rung():
    reads = [ReadResult(np.zeros(1), "", (), status) for status in ("ok", "b", "a", "b", "ok")]
    assert overall_status(reads) == "a, b"
    assert overall_status(reads[:1]) == "ok"


def test_every_tile_has_its_own_noise(engine):
    x, w, b = _problem(outputs=1)
    twice = forward(
        x, np.repeat(w, 2, axis=1), np.repeat(b, 2), CARD, ReadSettings(spread=0.0, tile_columns=2, adc_bits=12),
        seed=0, engine=engine,
    )  # fmt: skip
    first, second = twice.tiles
    assert (first.currents == second.currents).all() and (first.full_scale == second.full_scale).all()
    assert (first.codes != second.codes).mean() > 0.5
