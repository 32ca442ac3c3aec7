"""What fingerprints are judged by, against small cases by hand and simulated normal sums."""

import itertools
import math

import numpy as np
import pytest
from scipy import special

from ftj_spice.array.fingerprint.attack import cover_bound, predict
from ftj_spice.array.fingerprint.cells import PRISTINE, Condition
from ftj_spice.array.fingerprint.expected import Expected
from ftj_spice.array.fingerprint.metrics import (
    Distances,
    between_chips,
    bit_aliasing,
    fair_min_entropy,
    identify,
    min_entropy,
    steadiness,
    uniformity,
    within_chip,
)
from ftj_spice.array.fingerprint.readout import Readout, draw_challenges
from ftj_spice.array.fingerprint.settings import FingerprintSettings
from ftj_spice.device.card import load_card


def test_metrics_by_hand():
    chips = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], bool)
    np.testing.assert_allclose(uniformity(chips), [0.5, 0.5, 1.0])
    np.testing.assert_allclose(bit_aliasing(chips), [1, 2 / 3, 2 / 3, 1 / 3])
    np.testing.assert_allclose(between_chips(chips).values, [0.5, 0.5, 0.5])
    assert min_entropy(np.array([1.0, 0.75, 0.5])) == pytest.approx((0 - math.log2(0.75) + 1) / 3)
    answers = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    np.testing.assert_allclose(within_chip(chips[0], answers), [0.0, 0.25])
    assert steadiness(answers) == pytest.approx(1 + math.log2(0.5) / 4)
    assert steadiness(np.stack([chips, chips])) == pytest.approx([1, 1, 1])


def test_fair_bits_of_few_chips_look_poorer_than_they_are():
    assert fair_min_entropy(2) == pytest.approx(0.5)  # 00, 01, 10, 11: max is 1, 1/2, 1/2, 1
    bits = np.random.default_rng(3).random((16, 40_000)) < 0.5
    # The mean over 40,000 bits: its standard error is below 0.001.
    assert min_entropy(bit_aliasing(bits)) == pytest.approx(fair_min_entropy(16), abs=0.005)
    assert fair_min_entropy(2) < fair_min_entropy(16) < fair_min_entropy(1000) < 1


def test_degrees_of_freedom_count_independent_bits():
    rng = np.random.default_rng(1)
    free = rng.random((60, 200)) < 0.5
    found = between_chips(free)
    assert found.mean == pytest.approx(0.5, abs=0.01)
    assert found.freedom == pytest.approx(200, rel=0.15)  # 1770 distances: 5 sigma are 17 %
    assert between_chips(np.repeat(free, 5, axis=1)).freedom == pytest.approx(found.freedom)  # copies add nothing
    assert Distances(np.full(3, 0.2), 50).freedom == 50


def test_identification_errors_are_binomial_tails():
    rng = np.random.default_rng(2)
    within, between = (Distances(rng.binomial(40, p, 200_000) / 40, 40) for p in (0.2, 0.5))
    found = identify(between, within)
    ones = round(found.threshold * 40)
    accept, reject = (between.values <= ones / 40).mean(), (within.values > ones / 40).mean()
    assert accept == pytest.approx(reject, rel=1.0)
    assert 0.3 < found.equal_error / max(accept, reject) < 3  # of numbers of bits between whole ones
    assert found.overlap == pytest.approx((within.values >= between.values.min()).mean())
    far = identify(Distances(rng.binomial(400, 0.5, 1000) / 400, 400), Distances(np.zeros(10), 400))
    assert far.equal_error < 1e-50 and far.overlap == 0


def test_errors_far_below_rounding_are_equal_at_the_threshold():
    scatter = {0.01: 500.0, 0.5: 500.0}  # mean distance: degrees of freedom
    within, between = (
        Distances(p + np.sqrt(p * (1 - p) / n) * np.resize([-1.0, 1.0], 1000), 3072) for p, n in scatter.items()
    )
    found = identify(between, within)
    accept = np.log(special.betainc(500 - found.threshold * 500, found.threshold * 500 + 1, 0.5))
    reject = np.log(special.betainc(found.threshold * 500 + 1, 500 - found.threshold * 500, 0.01))
    assert accept == pytest.approx(reject, rel=0.01)
    assert np.log(found.equal_error) == pytest.approx(accept, rel=0.01)  # about 1e-61


def test_challenges_are_sets_of_rows_without_repeats():
    few, many = (draw_challenges(6, 3, count, 4) for count in (7, 20))
    assert (many.sum(axis=1) == 3).all()
    assert len({tuple(mask) for mask in many}) == 20 == math.comb(6, 3)
    np.testing.assert_array_equal(few, many[:7])
    assert not np.array_equal(draw_challenges(6, 3, 7, 5), few)


def test_closed_forms_against_normal_sums():
    settings = FingerprintSettings(rows=10, columns=20, challenges=20, attacked=0, comparator_offset=0.02, spread=0.25)
    card = load_card("hzo_mfis_nominal").with_values(off_spread=0.05)
    readout = Readout.of(card, settings)
    expected = Expected(readout)
    challenges = draw_challenges(10, settings.on, 20, 0)
    correlation = expected.challenge_correlation(challenges)
    np.testing.assert_allclose(np.diag(correlation), 1.0)
    # The same sums drawn as normal variables.
    rng, chips = np.random.default_rng(5), 4000
    current = expected.current(PRISTINE)
    sigma = current * math.sqrt(2 * math.exp(0.05**2) * math.expm1(0.05**2))
    pairs = rng.normal(0, sigma, (chips, 10, settings.pairs))
    offset = rng.normal(0, math.sqrt(expected.offset_variance), (chips, 1, settings.pairs))
    sums = np.einsum("lr,crp->clp", challenges.astype(float), pairs) + offset
    signs = np.sign(sums)
    measured = np.einsum("clp,cmp->lm", signs, signs) / (chips * settings.pairs)
    np.testing.assert_allclose(measured, correlation, atol=5 / math.sqrt(chips * settings.pairs))
    bits = (sums > 0).reshape(chips, -1)
    assert uniformity(bits).std() == pytest.approx(expected.uniformity_sigma(correlation), rel=0.06)
    assert between_chips(bits).freedom == pytest.approx(expected.freedom(correlation), rel=0.1)
    noise = readout.noise(np.full((1, 2), 5 * current * math.exp(0.5 * 0.05**2)), 300.0)[0, 0]
    one, other = (sums + rng.normal(0, noise, sums.shape) for _ in range(2))
    assert expected.flips(PRISTINE) == pytest.approx(((one > 0) != (other > 0)).mean(), rel=0.05)


def test_expected_flips_grow_with_what_acts():
    card = load_card("hzo_mfis_nominal")
    settings = FingerprintSettings(activation_spread=0.01)
    readout = Readout.of(card, settings)
    quiet, noisy = Expected(readout), Expected(readout, 1e-3, 1e-6)
    hot = Condition(temperature=353.0)
    assert quiet.flips(PRISTINE) < noisy.flips(PRISTINE)
    assert quiet.flips(hot) == pytest.approx(quiet.flips(PRISTINE), rel=0.01)  # no activation energy: the noise only
    assert quiet.flips(Condition(temperature=353.0, activation=True)) > 2 * quiet.flips(hot)
    # Many small steps are as normal noise of their variance; the same variance in few large ones flips fewer bits.
    steps = [Expected(readout, 1e-4, fourth).flips(PRISTINE) for fourth in (1e-12, 1e-6, 1e-5)]
    assert steps[0] > steps[1] > steps[2] > quiet.flips(PRISTINE) and steps[0] > 1.05 * steps[2]
    silent = Expected(Readout.of(card, FingerprintSettings(noise=False)))
    assert silent.flips(hot) == pytest.approx(0.0, abs=1e-7)


def test_the_attack_learns_a_threshold_function():
    rng = np.random.default_rng(7)
    masks = draw_challenges(12, 6, 900, 0)
    weights, offset = rng.normal(size=(12, 3)), np.array([0.0, 0.3, 50.0])
    bits = masks.astype(float) @ weights + offset > 0
    found = predict(masks[:600], bits[:600], masks[600:])
    assert (found == bits[600:]).mean() > 0.97 > max(bits.mean(axis=0)[:2])
    coins = rng.random(bits.shape) < 0.5
    chance = (predict(masks[:600], coins[:600], masks[600:]) == coins[600:]).mean()
    assert abs(chance - 0.5) < 5 * 0.5 / math.sqrt(900)  # nothing to learn of fair coins: 5 sigma
    assert found[:, 2].all()  # a constant bit


def test_covers_bound_counts_dichotomies():
    # In the plane, L points in general position and lines through the origin: 2 L ways.
    assert 2 ** cover_bound(7, 2) == pytest.approx(14)
    assert cover_bound(5, 9) == 5  # fewer points than weights: every labelling
    assert cover_bound(2048, 49) < 400
    # By brute force in three dimensions: signs of random planes on 5 points.
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 3))
    seen = {tuple(row) for row in (rng.normal(size=(20_000, 3)) @ points.T > 0)}
    assert len(seen) == round(2 ** cover_bound(5, 3)) == 2 * sum(math.comb(4, k) for k in range(3))
    assert len(seen) < len(list(itertools.product((0, 1), repeat=5)))
