"""Exact min-entropy of trap bits, and SP 800-90B's assessment of them over the sampling interval."""

import csv
import itertools
import json
import math

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.source import BitSource
from ftj_spice.sampling.trng.variant import Rule, load_variant
from ftj_spice.studies.trng.entropy import trng_entropy
from ftj_spice.studies.trng.entropy_law import (
    bit_matrices,
    entropy_per_bit,
    guess_entropy,
    relaxations_for,
    sequence_entropy,
)

LEVEL, TOGGLE = (load_variant(name)[0].rule for name in ("mid_level", "edge_toggle"))


@pytest.mark.parametrize("x", [0.1, 0.7, 3.0, 12.0])
def test_even_odds_read_by_their_level_give_the_markov_line(x):
    exact = entropy_per_bit(LEVEL, 2.0, 2.0, x)  # tau_eff = 1
    line = -math.log2((1 + math.exp(-x)) / 2)
    assert exact.sequence == pytest.approx(line) and exact.guess == pytest.approx(line)


@pytest.mark.parametrize("rule", [LEVEL, TOGGLE])
@pytest.mark.parametrize("times", [(2.0, 2.0), (1.2, 6.0)])
def test_closed_forms_against_all_sequences(rule, times):
    matrices = bit_matrices(rule, *times, 0.8)
    np.testing.assert_allclose(matrices.sum(axis=(0, 2)), 1.0)  # probabilities
    assert (matrices >= -1e-15).all()
    filled = times[1] / sum(times)
    start = np.array([1 - filled, filled])
    chances = {}
    for bits in itertools.product((0, 1), repeat=9):
        forward = start
        for bit in bits:
            forward = forward @ matrices[bit]
        chances[bits] = forward.sum()
    guess = sum(max(chances[(*past, 0)], chances[(*past, 1)]) for past in itertools.product((0, 1), repeat=8))
    assert guess_entropy(matrices, 8) == pytest.approx(-math.log2(guess))
    # No sequence is likelier than the bound allows, but for a factor that does not grow with its length.
    rate = sequence_entropy(matrices)
    assert -math.log2(max(chances.values())) / 9 == pytest.approx(rate, abs=1.5 / 9)


def test_biased_levels_follow_the_likelier_run():
    stay = 1 - (1 - math.exp(-0.5)) * 0.2  # filled for 80 %, tau_eff = 1
    assert entropy_per_bit(LEVEL, 1.25, 5.0, 0.5).sequence == pytest.approx(-math.log2(stay))


def test_edges_of_a_simulated_source_have_the_closed_form_correlation():
    for x in (1.0, 5.0):
        bits = BitSource(TrngSettings(digitiser="edge_toggle", interval_relaxations=x)).stream(0, 200_000)
        signs = 1.0 - 2.0 * bits
        expected = math.exp(-x / 2) * math.cos(x / 2)
        assert np.mean(signs[1:] * signs[:-1]) == pytest.approx(expected, abs=0.02)


def test_intervals_for_an_entropy():
    assert relaxations_for(LEVEL, 2.0, 2.0, 0.99) == pytest.approx(-math.log(2**0.01 - 1), rel=1e-5)
    found = relaxations_for(TOGGLE, 2.0, 2.0, 0.99)
    assert entropy_per_bit(TOGGLE, 2.0, 2.0, found).least == pytest.approx(0.99, abs=1e-6)
    assert all(entropy_per_bit(TOGGLE, 2.0, 2.0, found * k).least > 0.99 for k in (1.05, 1.2, 1.5, 3.0))
    assert relaxations_for(LEVEL, 2.0, 4.0, 0.99) is None  # the trap is filled for two thirds of the time
    assert relaxations_for(LEVEL, 2.0, 2.0, 1e-6) < 0.1
    partner = Rule(read="state", reference="partner", output="level")
    assert entropy_per_bit(partner, 2.0, 2.0, 5.0) is None and relaxations_for(partner, 2.0, 2.0, 0.5) is None


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    seen = []
    found = trng_entropy(
        tmp_path_factory.mktemp("entropy") / "run", settings=TrngSettings(seed=2), intervals=(0.5, 5.0), bits=100_000,
        jobs=2, observer=lambda *told: seen.append(told),
    )  # fmt: skip
    assert seen[-1] == ("points", 5, 5)
    return found


def test_the_assessment_meets_the_line_from_below(study):
    assert [(p.digitiser, p.relaxations) for p in study.points] == [
        ("mid_level", 0.5), ("mid_level", 5.0), ("edge_toggle", 0.5), ("edge_toggle", 5.0)
    ]  # fmt: skip
    assert study.passes and study.metrics["largest_markov_deviation_standard_errors"] < 5
    for point in study.points:
        assert point.result.entropy < point.line  # the least of ten lower bounds
        assert point.result.entropy == min(1.0, *point.entropies.values()) == point.entropies[point.lowest]
        assert point.entropies["multi_mmc"] == pytest.approx(point.line, abs=0.03)  # it learns what the bits remember
    level = study.points[0]
    assert level.line == pytest.approx(-math.log2((1 + math.exp(-0.5)) / 2))
    assert level.correlation == pytest.approx(math.exp(-0.5), abs=0.02)
    assert study.fair.line == 1.0 and study.fair.result.entropy < 1.0


def test_a_run_directory_holds_everything(study):
    run = study.path
    with (run / "entropy.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["digitiser"] for row in rows] == ["mid_level"] * 2 + ["edge_toggle"] * 2 + ["fair bits"]
    assert float(rows[0]["markov"]) == study.points[0].entropies["markov"]
    assert json.loads((run / "metrics.json").read_text())["enough_by_sp800_90b"] is False
    assert "fewer than the 1,000,000" in study.summary[0]
    assert "says nothing about a real device" in (run / "report.html").read_text()
    assert (run / "plots" / "entropy.png").read_bytes().startswith(b"\x89PNG")


def test_the_number_of_jobs_changes_nothing(study):
    again = trng_entropy(settings=TrngSettings(seed=2), intervals=(5.0, 0.5), digitisers=["mid_level"], bits=100_000)
    assert [p.entropies for p in again.points] == [p.entropies for p in study.points[:2]]


def test_what_is_spread_is_not_held_against_the_line():
    spread = TrngSettings(seed=1, time_constant_spread=1.0)
    found = trng_entropy(settings=spread, intervals=(1.0,), digitisers=["mid_level"], bits=20_000)
    assert found.metrics["largest_markov_deviation_standard_errors"] is None and found.passes


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bits": 100}, "bits per point must lie between 10,000"),
        ({"intervals": ()}, "at least one interval"),
        ({"intervals": (0.0,)}, "between 0.001 and 1000 relaxation times"),
        ({"intervals": (float("nan"),)}, "between 0.001 and 1000 relaxation times"),
        ({"digitisers": ["mid_levle"]}, "did you mean 'mid_level'"),
        ({"jobs": 0}, "jobs must lie between 1"),
    ],
)
def test_bad_input_is_one_sentence(options, sentence, tmp_path):
    with pytest.raises(SettingsError, match=sentence):
        trng_entropy(tmp_path / "run", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"conditioner": "hash"}, {"interval": 1e-3}])
def test_settings_that_would_be_ignored_are_refused(change):
    with pytest.raises(SettingsError, match="can't be set here"):
        trng_entropy(settings=TrngSettings(**change), intervals=(1.0,))
