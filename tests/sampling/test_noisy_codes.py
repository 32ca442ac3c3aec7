"""Codes behind read-out circuits: their exact law, what it says about the value, and the thresholds that make them."""

import numpy as np
import pytest
from scipy.stats import norm

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.macromodel import ConvertModel, DecideModel, Macromodel, SenseModel
from ftj_spice.sampling.circuits import ColumnCircuits, Deciders, check_identity, identity
from ftj_spice.sampling.distribution import ColumnLaw, shannon_entropy
from ftj_spice.sampling.noisy_codes import code_law, equivocation

BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "linear"}
STEPS = np.arange(-15, 16) / 4.0


def _law(cells=3, window=2.0):
    ones = np.ones(cells)
    return ColumnLaw.of(ones / np.sqrt(cells), 0.5 * ones, ones, window)


def _model(convert=None, **sense):
    front = SenseModel(**({"integrates": True, "time": 1e-5, "high": 1e-9} | sense))
    return Macromodel(kind="chain", **BASE, sense=front, convert=convert)


def test_without_noise_the_law_is_the_exact_one():
    law = _law()
    np.testing.assert_array_equal(code_law(law, STEPS, 0.0), law.codes(STEPS))
    assert equivocation(law, STEPS, 0.0) == 0.0


def test_little_noise_changes_little_and_much_noise_makes_a_normal():
    law = _law(16, 10.0)
    np.testing.assert_allclose(code_law(law, STEPS, 1e-3), law.codes(STEPS), atol=1e-3)
    much = code_law(law, STEPS, 5.0)
    expected = np.diff(norm.cdf(np.concatenate([[-np.inf], STEPS, [np.inf]]) / np.hypot(law.sigma, 5.0)))
    np.testing.assert_allclose(much, expected, atol=1e-5)
    assert much.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("noise", [0.05, 0.4])
def test_law_and_equivocation_are_those_of_drawn_codes(noise):
    """A window without transitions leaves atoms: the smallest columns have most of them."""
    law, rng, count = _law(2, 1.0), np.random.default_rng(7), 400_000
    mass = law.atoms + law.spread
    value = rng.choice(law.nodes, count, p=mass / mass.sum())
    codes = np.searchsorted(STEPS, value + noise * rng.standard_normal(count), side="right")
    exact = code_law(law, STEPS, noise)
    found = np.bincount(codes, minlength=len(exact)) / count
    # Six standard errors of each of 32 shares: a false alarm once in 1e7 runs.
    assert np.all(np.abs(found - exact) < 6.0 * np.sqrt(exact / count) + 1e-6)
    # The codes' entropy where the value is known, by the same nodes without any shortcut.
    below = norm.cdf((STEPS - law.nodes[:, np.newaxis]) / noise)
    each = np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=(0.0, 1.0)), axis=1)
    own = np.array([shannon_entropy(row) for row in each])
    assert equivocation(law, STEPS, noise) == pytest.approx(float(np.sum(mass * own)), abs=1e-9)
    assert 0.0 < shannon_entropy(exact) - equivocation(law, STEPS, noise) < shannon_entropy(law.codes(STEPS))


def test_thresholds_are_where_codes_change():
    convert = ConvertModel(bits=4, inl=tuple(0.3 * np.sin(np.arange(15.0))), gain_sigma=0.02, offset_sigma=0.7)
    for model, bits in (
        (_model(convert, gain_sigma=0.05, offset_sigma=2e-11, deviation=(0.0, 0.02, -0.01)), 4),
        (_model(None, gain_sigma=0.05, offset_sigma=2e-11, deviation=(0.0, 0.02, -0.01)), 5),
    ):
        circuits = ColumnCircuits.draw(model, 3, 2)
        places = circuits.thresholds(bits)
        assert places.shape == (3, 2**bits - 1) and np.all(np.diff(places, axis=1) > 0)
        for k in range(2**bits - 1):
            assert np.array_equal(circuits.codes(places[:, k][np.newaxis] - 1e-9, bits)[0], [k - 2 ** (bits - 1)] * 3)
            assert np.array_equal(
                circuits.codes(places[:, k][np.newaxis] + 1e-9, bits)[0], [k + 1 - 2 ** (bits - 1)] * 3
            )


def test_trimming_centres_the_mean_code():
    convert = ConvertModel(bits=6, inl=tuple(0.4 * np.cos(np.arange(63.0) / 9.0)), offset_sigma=3.0)
    model = _model(convert, gain_sigma=0.05, offset_sigma=5e-11, noise=1e-11)
    circuits = ColumnCircuits.draw(model, 6, 5)
    middle = circuits.middle(6, np.full(6, 0.125))
    value = middle + 0.125 * np.random.default_rng(1).standard_normal((200_000, 6))
    # Eight steps wide, so 0.018 is one standard error of the mean; five of them: a false alarm once in 3e5 runs.
    assert np.all(np.abs(circuits.codes(value, 6).mean(axis=0) + 0.5) < 5 * 0.018)
    assert np.abs(middle).max() > 0.02


def test_a_column_keeps_its_circuit_whatever_stands_beside_it():
    model = _model(ConvertModel(bits=6, offset_sigma=1.0), gain_sigma=0.05, offset_sigma=5e-11, ground_sigma=1e-3)
    few, many = ColumnCircuits.draw(model, 3, 9), ColumnCircuits.draw(model, 40, 9)
    np.testing.assert_array_equal(few.thresholds(6), many.take(slice(0, 3)).thresholds(6))
    np.testing.assert_array_equal(few.ground, many.ground[:3])


def test_hysteresis_and_edges_change_what_is_misread():
    swing = np.full((16, 2), 2e-11)
    model = Macromodel(kind="decide", **BASE, decide=DecideModel(input="current", noise=5e-12, hysteresis=1e-11))
    level = Deciders.draw(model, 2, 0, 2e-11)
    assert level.misread(swing, 1.0) == pytest.approx(norm.cdf(-1.0))
    edge = Deciders.draw(
        model.model_copy(update={"decide": model.decide.model_copy(update={"sees": "edge"})}), 2, 0, 1.0
    )
    assert edge.misread(swing, -1.0) == pytest.approx(norm.cdf(-3.0))
    dead = Deciders.draw(
        model.model_copy(update={"decide": DecideModel(input="current", hysteresis=3e-11)}), 2, 0, 2e-11
    )
    assert np.all(dead.flips(np.full((4, 2), 16.0), swing) == 0.0)


def test_a_comparator_of_other_currents_is_told():
    model = Macromodel(kind="decide", **BASE, decide=DecideModel(input="current", low=1e-9, high=1e-6))
    with pytest.raises(SettingsError, match=r"decides about currents of 1e-09 to 1e-06 A.*'linear'"):
        Deciders.draw(model, 2, 0, 2e-11, np.full((4, 2), 1e-10))


def test_other_circuits_are_told_by_name_process_and_content():
    model = _model()
    found = identity(model)
    check_identity(found, model, "c.npz")
    check_identity(None, None, "c.npz")
    other = model.model_copy(update={"sense": model.sense.model_copy(update={"noise": 1e-12})})
    for given, words in (
        (None, "made through the circuits of 'generic/m', not through none: pass --periphery generic/m"),
        (model.model_copy(update={"process": "sky130"}), "not through 'sky130/m': pass --periphery generic/m"),
        (other, "its content was another then"),
    ):
        with pytest.raises(SettingsError, match=words):
            check_identity(found, given, "c.npz")
    with pytest.raises(SettingsError, match="made through the ideal read-out, not through 'generic/m'"):
        check_identity(None, model, "c.npz")
