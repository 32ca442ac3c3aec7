"""A layer on arrays: all parts together against the exact product."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import Boltzmann, elementary_charge

import ftj_spice as ftj
from ftj_spice.array import layer_run
from ftj_spice.array.coding import make_coding
from ftj_spice.array.layer import effective_bits, forward, read_plan
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.engines.ngspice.arrays import NgspiceReader

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)

CARD = ftj.load_card("hzo_mfis_nominal")
LINEAR = ftj.load_card("linear")
IDEAL = {
    "levels": 0, "verify_tolerance": "none", "spread": 0.0, "cycle_spread": 0.0, "clip_percentile": 100.0,
    "line_resistance": 0.0, "driver_resistance": 0.0, "input_bits": 5, "adc_bits": 0, "noise": False,
}  # fmt: skip


def _problem(inputs=6, outputs=4, batch=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, inputs)), rng.normal(size=(inputs, outputs)) / 2, rng.normal(size=outputs) / 2


def _quantised(x, read, signed=True, card=CARD, full_scale=4.0):
    coding = make_coding(read, card, signed, full_scale)
    return coding.quantise(x) * coding.step


@PROPERTY
@given(
    st.fixed_dictionaries(
        {
            "scheme": st.sampled_from(["differential", "reference", "offset"]),
            "coding": st.sampled_from(["bit-serial", "pulse-width", "amplitude"]),
            "slices": st.integers(1, 2),
            "tile_rows": st.integers(1, 9),
            "tile_columns": st.integers(4, 9),
        }
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from([CARD, LINEAR]),
    st.integers(0, 1000),
)
def test_the_ideal_layer_is_the_exact_product_of_the_coded_inputs(perfect, layout, signed, biased, card, seed):
    x, w, b = _problem(seed=seed)
    x, b = x if signed else np.abs(x), b if biased else None
    read = ReadSettings(**IDEAL | layout, predistort=True)
    result = forward(x, w, b, card, read, seed=0, reader=perfect, signed=signed)
    expected = _quantised(x, read, signed, card) @ w + (0.0 if b is None else b)
    np.testing.assert_allclose(result.outputs, expected, atol=1e-11)
    np.testing.assert_allclose(result.exact, x @ w + (0.0 if b is None else b), rtol=1e-12, atol=1e-12)
    plan = read_plan(8, (6, 4), read, signed=signed, bias=biased)
    assert len(plan) == len(result.layer.tiles) and sum(plan) == result.reads
    assert result.reach == pytest.approx(1.0) and result.methods == {"product": result.reads}


def test_amplitude_coding_without_predistortion_is_bent_by_the_law(perfect):
    x, w, _ = _problem()
    errors = {}
    for name, change in {"bent": {}, "straight": {"predistort": True}, "ohmic": {"ohmic": True}}.items():
        read = ReadSettings(**IDEAL | {"coding": "amplitude"} | change)
        outputs = forward(x, w, None, CARD, read, seed=0, reader=perfect).outputs
        errors[name] = np.abs(outputs - _quantised(x, read) @ w).max()
    assert errors["bent"] > 0.5 and errors["straight"] < 1e-9 and errors["ohmic"] < 1e-9
    bent = ReadSettings(**IDEAL | {"coding": "amplitude"})
    linear = forward(x, w, None, LINEAR, bent, seed=0, reader=perfect).outputs
    np.testing.assert_allclose(linear, _quantised(x, bent) @ w, atol=1e-11)


@pytest.mark.parametrize(("shape", "batch"), [((1, 1), 1), ((1, 3), 2), ((5, 1), 1)], ids=str)
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_small_layers(shape, batch, bits, perfect):
    rng = np.random.default_rng(1)
    step = 2.0 ** (3 - bits)
    x = step * rng.integers(-1, 2, (batch, shape[0]))  # on the grid of even the coarsest inputs
    w, b = rng.normal(size=shape), rng.normal(size=shape[1])
    result = forward(x, w, b, CARD, ReadSettings(**IDEAL | {"input_bits": bits}), seed=0, reader=perfect)
    np.testing.assert_allclose(result.outputs, x @ w + b, atol=1e-11)
    assert result.full_scale == pytest.approx(8 * np.sqrt(np.mean(np.sum(w**2, axis=0))))
    assert result.effective_bits > 30


@pytest.mark.parametrize("scheme", ["differential", "reference", "offset"])
def test_columns_without_weights_give_nothing(scheme, perfect):
    x, w, b = _problem()
    w[:, 1], b[1] = 0.0, 0.0
    ideal = IDEAL | {"scheme": scheme, "adc_bits": 6}
    result = forward(x, w, b, CARD, ReadSettings(**ideal), seed=0, reader=perfect)
    # Differential pairs are silent; the columns of the other schemes carry mid conductance, to rounding.
    limit = 1e-12 if scheme == "differential" else 0.3
    assert np.abs(result.outputs[:, 1]).max() <= limit
    noisy = forward(x, w, b, CARD, ReadSettings(**ideal | {"noise": True}), seed=0, reader=perfect)
    assert np.isfinite(noisy.outputs).all()
    if scheme == "differential":
        assert np.abs(noisy.outputs[:, 1]).max() < 1e-9
    # A tile without weights beside one that has some: its noise is below one step of the other's.
    w[:3] = 0.0
    mixed = forward(x, w, b, CARD, ReadSettings(tile_rows=3, line_resistance=0, driver_resistance=0), seed=0,
                    reader=perfect)  # fmt: skip
    assert np.abs(mixed.outputs - mixed.exact).max() < 1.5


def test_an_input_beyond_the_range_is_clipped_and_the_range_can_be_set(perfect):
    x = np.array([[100.0, -100.0], [1.0, -1.0]])
    read = ReadSettings(**IDEAL)
    clipped = forward(x, np.eye(2), np.zeros(2), CARD, read, seed=0, reader=perfect)
    np.testing.assert_allclose(clipped.outputs, [[3.75, -3.75], [1, -1]], atol=1e-12)
    wide = forward(x, np.eye(2), np.zeros(2), CARD, read, seed=0, reader=perfect, full_scale=160.0)
    np.testing.assert_allclose(wide.outputs, [[100, -100], [0, 0]], atol=1e-12)
    own = forward(x, np.eye(2), None, CARD, read, seed=0, reader=perfect, probes=x)
    np.testing.assert_allclose(own.outputs[0], [100, -100], rtol=1e-12)


def test_probes_set_the_converters_ranges(perfect):
    x, w, b = _problem(batch=50)
    read = ReadSettings(**IDEAL | {"adc_bits": 5})
    small = forward(x, w, b, CARD, read, seed=0, reader=perfect, full_scale=4.0, probes=0.1 * x)
    fitting = forward(x, w, b, CARD, read, seed=0, reader=perfect, full_scale=4.0, probes=x)
    assert small.converters[0].full_scale.max() < fitting.converters[0].full_scale.max()
    assert fitting.full_scale == pytest.approx(8 * np.sqrt(np.mean(np.var(x @ w, axis=0))))
    read_range = forward(x, w, b, CARD, ReadSettings(**read.model_dump() | {"adc_range": "read"}), seed=0,
                         reader=perfect, full_scale=4.0, probes=x)  # fmt: skip
    np.testing.assert_allclose(read_range.outputs, fitting.outputs, atol=1e-12)  # perfect wires: the same


def test_each_imperfection_costs_what_it_should(perfect, fast):
    x, w, b = _problem(inputs=15, outputs=16, batch=30)
    results = {}

    def run(name, **change):
        reader = fast if name.startswith("line") else perfect
        results[name] = forward(x, w, b, CARD, ReadSettings(**IDEAL | change), seed=0, reader=reader)
        return results[name]

    base = run("base")
    errors = {}
    for name, change in {
        "levels 16": {"levels": 16}, "levels 4": {"levels": 4}, "verify": {"verify_tolerance": 0.25},
        "spread 1": {"spread": 1.0}, "spread 2": {"spread": 2.0}, "adc 8": {"adc_bits": 8}, "adc 6": {"adc_bits": 6},
        "noise": {"noise": True}, "clip": {"clip_percentile": 80.0},
        "line": {"line_resistance": 1e5}, "line 3": {"line_resistance": 3e5},
    }.items():  # fmt: skip
        errors[name] = math.sqrt(np.mean((run(name, **change).outputs - base.outputs) ** 2))
    coding = make_coding(ReadSettings(**IDEAL), CARD, True, 4.0)
    scale, counts = base.layer.scale, np.sum(coding.weights**2)

    # Converter: each plane adds step^2/12 (silent ones none, so this is an upper estimate), times its weight squared.
    for name in ("adc 8", "adc 6"):
        unit = scale / (base.layer.swing * CARD.vmm_voltage)
        model = math.sqrt(np.mean(counts * (results[name].converters[0].step * unit) ** 2 / 12))
        assert 0.4 * model < errors[name] < 1.1 * model
    assert 3.3 < errors["adc 6"] / errors["adc 8"] < 5.0  # (2^7 - 1) / (2^5 - 1) = 4.1

    # Levels: a weight is off by a uniform +/- half a level; inputs have about unit variance, the bias 1.
    for name, levels in (("levels 16", 16), ("levels 4", 4)):
        model = math.sqrt(np.mean((len(w) + 1) * (scale / (levels - 1)) ** 2 / 12))
        assert errors[name] == pytest.approx(model, rel=0.25)
    # Errors of cells: what the changed conductances give for the coded inputs.
    codes = np.concatenate([_quantised(x, ReadSettings(**IDEAL)), np.ones((30, 1))], axis=1)
    for name in ("spread 1", "spread 2", "verify"):
        off = results[name].layer.weights() - base.layer.weights()
        assert errors[name] == pytest.approx(math.sqrt(np.mean((codes @ off) ** 2)), rel=1e-6)
    assert 1.7 < errors["spread 2"] / errors["spread 1"] < 2.5
    tile = results["verify"].layer.tiles[0]
    assert np.abs(tile.conductance - tile.target).max() <= 0.25 * base.layer.swing / (CARD.levels - 1)

    # Noise: shot and kT/C of every plane, also of the silent ones.
    on = coding.drive(coding.quantise(np.concatenate([x, np.ones((30, 1))], axis=1)))
    currents = CARD.vmm_voltage * on @ base.layer.tiles[0].conductance
    charge = elementary_charge * (currents[:, 0::2] + currents[:, 1::2]) * 10e-6 + 2 * Boltzmann * 300 * 100e-15
    unit = scale / (base.layer.swing * CARD.vmm_voltage * 10e-6)
    model = math.sqrt(np.mean(np.tensordot(coding.weights**2, charge.reshape(30, 8, 16), axes=(0, 1)) * unit**2))
    # 480 outputs: relative deviation of the rms 1 / sqrt(960) = 0.032; five of them, false alarm 6e-7.
    assert errors["noise"] == pytest.approx(model, rel=0.16)

    # Clipping a fifth of the weights, and wires that take a part of the voltage, cost something.
    assert errors["clip"] > 0.05
    assert 2.0 < errors["line 3"] / errors["line"] < 3.5  # three times the resistance
    assert 0.9 < results["line"].reach < 0.999


def test_results_do_not_depend_on_the_size_of_batches_nor_on_readers_that_take_several_tiles(perfect, monkeypatch):
    x, w, b = _problem(batch=23)
    wires = {"line_resistance": 0.0, "driver_resistance": 0.0}
    read = ReadSettings(tile_rows=4, tile_columns=4, input_bits=4, adc_noise=0.5, **wires)
    keep = [(0, 3), (1, 60), (3, 137)]
    one = forward(x, w, b, CARD, read, seed=5, reader=perfect, keep=keep)

    class Many(type(perfect)):
        calls = ()

        def read_many(self, tasks, progress=None):
            self.calls = (*self.calls, len(tasks))
            return [self.read(*task) for task in tasks]

    many = Many()
    for chunk in (1, 100, 500):
        monkeypatch.setattr(layer_run, "CHUNK", chunk)
        progress = []

        def note(done, total, progress=progress):
            progress.append((done, total))

        for reader in (perfect, many):
            other = forward(x, w, b, CARD, read, seed=5, reader=reader, keep=keep, progress=note)
            assert other.outputs.tobytes() == one.outputs.tobytes()
            assert other.reads == one.reads == 23 * 6 * 4
            for mine, theirs in zip(one.kept, other.kept, strict=True):
                assert (mine.tile, mine.read) == (theirs.tile, theirs.read)
                assert (mine.codes == theirs.codes).all() and (mine.drive.lines == theirs.drive.lines).all()
        assert progress[-1] == (4, 4) and len(progress) <= 8
    assert max(many.calls) > 1
    assert (forward(x, w, b, CARD, read, seed=6, reader=perfect).outputs != one.outputs).any()
    assert (forward(x, w, b, CARD, read, seed=5, reader=perfect, number=1).outputs != one.outputs).any()


@pytest.mark.parametrize("coding", ["bit-serial", "pulse-width"])
def test_kept_reads_are_whole(coding, perfect):
    x, w, b = _problem(batch=3)
    read = ReadSettings(line_resistance=0, driver_resistance=0, tile_rows=4, coding=coding, input_bits=3)
    plan = read_plan(3, (6, 4), read)
    everything = [(t, k) for t, count in enumerate(plan) for k in range(count)]
    result = forward(x, w, b, CARD, read, seed=5, reader=perfect, keep=reversed(everything))
    assert [(kept.tile, kept.read) for kept in result.kept] == everything
    coder = make_coding(read, CARD, True, 4.0)
    outputs = np.zeros((3, 4))
    for t, tile in enumerate(result.layer.tiles):
        own = [kept for kept in result.kept if kept.tile == t]
        for kept in own:
            assert len(kept.drive) == 1 and kept.circuit is own[0].circuit
            np.testing.assert_allclose(kept.currents, perfect.read(kept.circuit, kept.drive).currents[0], rtol=1e-12)
        slots = len(coder.shares)
        codes = np.array([kept.codes for kept in own[::slots]]).reshape(3, len(coder.weights), -1)
        values = np.einsum("bcu,c->bu", codes * result.converters[t].step, coder.weights)
        outputs += values / (CARD.vmm_voltage * result.layer.swing) * result.layer.scale
        assert tile.outputs == slice(0, 4)
    np.testing.assert_allclose(outputs, result.outputs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("pair", [(4, 0), (0, 64), (-1, 0), (0, -1)], ids=str)
def test_a_read_that_does_not_exist_is_one_sentence(pair, perfect):
    x, w, b = _problem()
    with pytest.raises(DataError, match=r"^there is no read -?\d+ of tile -?\d+: 1 tiles of 64 reads each$"):
        forward(x, w, b, CARD, ReadSettings(**IDEAL), seed=0, reader=perfect, keep=[pair])


@pytest.mark.parametrize("topology", ["crossbar", "nor", "1t1f", "nor1t", "and"])
def test_ngspice_and_fast_give_the_same_layer(topology, engine, fast):
    x, w, b = _problem(batch=2, inputs=5, outputs=3)
    read = ReadSettings(topology=topology, drive="both", line_resistance=1e4, sense_resistance=1e5, tile_rows=4,
                        tile_columns=4, input_bits=4, adc_bits=10)  # fmt: skip
    one = forward(x, w, b, CARD, read, seed=5, reader=fast)
    two = forward(x, w, b, CARD, read, seed=5, reader=NgspiceReader(engine))
    assert one.engine.startswith("fast-") and two.engine.startswith("ngspice-")
    step = max(converter.step.max() for converter in one.converters) * 8 * one.layer.scale.max()
    step /= one.layer.swing * CARD.vmm_voltage * 4
    # The same noise: but for a rare code on the edge between two, the same bits.
    assert np.abs(one.outputs - two.outputs).max() <= 8 * step
    assert (one.outputs == two.outputs).mean() > 0.8


@pytest.mark.parametrize("topology", ["nor1t", "and"])
def test_gates_carry_pulses_too(topology, fast):
    x, w, _ = _problem(batch=2, inputs=4, outputs=2)
    read = ReadSettings(**IDEAL | {"topology": topology, "coding": "pulse-width", "input_bits": 3, "ohmic": True})
    result = forward(x, w, None, CARD, read, seed=0, reader=fast)
    np.testing.assert_allclose(result.outputs, _quantised(x, read) @ w, atol=1e-3)


def test_wires_that_let_nothing_through_are_said_to(fast):
    x, w, b = _problem()
    read = ReadSettings(driver_resistance=1e9, line_resistance=1e6)
    with pytest.raises(SettingsError, match=r"^next to nothing reaches the far end of the lines: a column delivers "):
        forward(x, w, b, ftj.load_card("high_current"), read, seed=0, reader=fast)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weights": np.ones(3)}, "weights must be a matrix with at least one element, not of shape (3,)"),
        ({"weights": np.ones((3, 0))}, "weights must be a matrix with at least one element, not of shape (3, 0)"),
        ({"bias": np.ones(3)}, "weights (3, 2) and bias (3,) are not (inputs, outputs) and (outputs,)"),
        ({"inputs": np.ones((4, 2))}, "inputs must have shape (batch, 3), not (4, 2)"),
        ({"inputs": np.ones(3)}, "inputs must have shape (batch, 3), not (3,)"),
        ({"inputs": np.ones((0, 3))}, "inputs must have shape (batch, 3), not (0, 3)"),
        ({"inputs": np.full((4, 3), np.nan)}, "inputs, weights and bias of a layer must be finite"),
        ({"bias": np.array([0, np.inf])}, "inputs, weights and bias of a layer must be finite"),
        ({"inputs": -np.ones((4, 3)), "signed": False},
         "inputs that are said to be never negative hold negative values"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence(change, sentence, perfect):
    given = {"inputs": np.ones((4, 3)), "weights": np.ones((3, 2)), "bias": np.ones(2)} | change
    with pytest.raises(DataError) as caught:
        forward(**given, card=CARD, settings=ReadSettings(), seed=0, reader=perfect)
    assert str(caught.value) == sentence


def test_effective_bits():
    uniform = (np.arange(257) % 16 - 7.5) / 16 / 2**6  # the error of an ideal 6-bit converter, nearly
    assert effective_bits(1.0, float(np.sqrt(np.mean(uniform**2)))) == pytest.approx(6.0, abs=0.02)
    assert effective_bits(1.0, 0.0) == math.inf
    assert math.isnan(effective_bits(0.0, 1.0))


def test_every_tile_has_its_own_noise(perfect):
    x, w, b = _problem(outputs=1)
    read = ReadSettings(**IDEAL | {"noise": True, "tile_columns": 2, "adc_bits": 12})
    pairs = itertools.product((0, 1), range(64))
    twice = forward(x, np.repeat(w, 2, axis=1), np.repeat(b, 2), CARD, read, seed=0, reader=perfect, keep=pairs)
    first, second = (np.array([kept.codes for kept in twice.kept if kept.tile == t]) for t in (0, 1))
    assert (twice.converters[0].full_scale == twice.converters[1].full_scale).all()
    assert (first != second).mean() > 0.5
