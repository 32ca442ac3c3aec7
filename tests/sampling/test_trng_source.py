"""The source of bits: reproducible, and with the statistics of its closed forms."""

import os
import re

import numpy as np
import pytest

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.sampling.trng.chain import BitChain, bit_chain
from ftj_spice.sampling.trng.measure import measure
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.source import BitSource
from ftj_spice.sampling.trng.variant import available_variants

SIGMAS = 4.9
"""Two-sided false-alarm rate 1e-6 for one normal figure."""
IDEAL = {"lag": 1e-9, "average": 1e-6}
"""Parameters without which the closed forms hold: no comparator lag, no differentiator."""


def source(**settings):
    return BitSource(TrngSettings(**settings))


def chain_of(design):
    return bit_chain(design.variant.rule, design.numbers(design.cells(0), 0), design.rule_numbers, design.interval)


def ideal(name, **settings):
    variant = BitSource(TrngSettings(digitiser=name)).design.variant
    short = {key: value for key, value in IDEAL.items() if key in variant.parameters}
    if name == "adaptive_reference":
        short["average"] = 1e3
    return source(digitiser=name, parameters=short, **settings)


def test_a_stream_is_the_same_whatever_the_chunks_and_a_longer_one_only_goes_on():
    bits = source(seed=5)
    whole = bits.stream(3, 5000)
    assert whole.dtype == np.uint8 and set(np.unique(whole)) == {0, 1}
    for chunk in (1, 7, 4999, 5000, 10**6):
        pieces = list(bits.chunks(3, 5000 if chunk > 1 else 300, chunk))
        assert max(len(piece) for piece in pieces) <= chunk
        joined = np.concatenate(pieces)
        assert (joined == whole[: len(joined)]).all()
    assert (source(seed=5).stream(3, 1234) == whole[:1234]).all()
    assert len(bits.stream(3, 0)) == 0


def test_streams_seeds_and_restarts_differ():
    bits = source(seed=5)
    found = [bits.stream(0, 400), bits.stream(1, 400), source(seed=6).stream(0, 400), *bits.restart(0, 2, 400)]
    for k, one in enumerate(found):
        for other in found[:k]:
            assert abs(np.mean(one == other) - 0.5) < SIGMAS / 2 / 20
    assert (bits.restart(0, 5, 60)[:3] == bits.restart(0, 3, 60)).all()
    assert bits.restart(0, 0, 60).shape == (0, 60)


@pytest.mark.parametrize("name", ["edge_toggle", "differential"])
def test_combined_digitisers_are_the_xor_of_their_cells(name):
    """A stream of two is the parity of two digitisers, of which the first is that of a stream of one."""
    one, two = source(digitiser=name).stream(4, 3000), source(digitiser=name, combine=2).stream(4, 3000)
    second = one ^ two
    assert source(digitiser=name, combine=2).cells_per_stream == 2 * source(digitiser=name).cells_per_stream
    assert abs(second.mean() - 0.5) < SIGMAS * 0.5 * 1.3 / np.sqrt(3000)
    assert abs(np.mean(second == one) - 0.5) < SIGMAS * 0.5 / np.sqrt(3000)


def test_rates_and_times_are_those_of_the_card():
    card = load_card("hzo_mfis_nominal")
    bits = source()
    assert bits.relaxation_time == pytest.approx(1 / (1 / card.capture_time + 1 / card.emission_time))
    assert bits.interval == pytest.approx(5 * bits.relaxation_time) and bits.rate == pytest.approx(1 / bits.interval)
    assert source(interval=1e-3).rate == pytest.approx(1000)
    assert source(interval_relaxations=2.0).interval == pytest.approx(2 * bits.relaxation_time)
    assert source(voltage=1.6).interval < bits.interval
    assert bits.cells_per_stream == 1 and source(digitiser="differential", combine=3).cells_per_stream == 6


@pytest.mark.parametrize("relaxations", [0.5, 5.0])
@pytest.mark.parametrize("voltage", [1.5, 1.58])
@pytest.mark.parametrize("name", available_variants())
def test_bits_have_the_closed_forms_bias_and_correlation(name, voltage, relaxations):
    """32 cases of 4 figures each: false alarm 1.3e-4 in all."""
    n = 100_000
    bits = ideal(name, seed=11, voltage=voltage, interval_relaxations=relaxations)
    chain = chain_of(bits.design)
    np.testing.assert_allclose((chain.zero + chain.one).sum(axis=1), 1.0, atol=1e-9)
    assert min(chain.zero.min(), chain.one.min()) > -1e-12
    expected = chain.autocorrelation(40)
    figures = measure(bits.stream(0, n)[np.newaxis], 3)
    variance = chain.probability * (1 - chain.probability)
    spread = 1 + 2 * np.sum(expected)
    assert abs(figures.ones - chain.probability) < SIGMAS * np.sqrt(variance * spread / n)
    # Bartlett's formula for a correlation's variance, with room for bits that are not Gaussian.
    error = 1.5 * np.sqrt((1 + 2 * np.sum(expected**2)) / n)
    assert np.abs(figures.correlation - expected[:3]).max() < SIGMAS * error


def test_closed_forms_are_those_of_the_textbook():
    for voltage in (1.45, 1.5):
        design = ideal("mid_level", voltage=voltage).design
        chain = chain_of(design)
        assert chain.probability == pytest.approx(1 - design.occupancy)
        np.testing.assert_allclose(chain.autocorrelation(4), np.exp(-5.0 * np.arange(1, 5)), rtol=1e-9, atol=1e-12)
    # Equal times 1/a: a toggle's signs correlate by exp(-at) cos(at).
    for relaxations in (0.5, 5.0):
        chain = chain_of(ideal("edge_toggle", interval_relaxations=relaxations).design)
        at = relaxations / 2.0 * np.arange(1, 6)
        np.testing.assert_allclose(chain.autocorrelation(5), np.exp(-at) * np.cos(at), atol=1e-12)
        assert chain.probability == pytest.approx(0.5, abs=1e-12)
        parity = chain_of(ideal("edge_train_parity", interval_relaxations=relaxations).design)
        assert parity.probability == pytest.approx(0.5 - 0.5 * np.exp(-at[0]) * np.cos(at[0]))


def test_the_toggle_is_unbiased_at_any_voltage_and_the_level_is_not():
    for voltage in (1.3, 1.7):
        assert chain_of(ideal("edge_toggle", voltage=voltage).design).probability == pytest.approx(0.5, abs=1e-12)
        assert chain_of(ideal("differential", voltage=voltage).design).probability == pytest.approx(0.5, abs=1e-9)
        assert abs(chain_of(ideal("mid_level", voltage=voltage).design).probability - 0.5) > 0.2


def test_the_min_entropy_is_the_markov_line():
    chain = chain_of(ideal("mid_level", interval_relaxations=2.0).design)
    assert chain.min_entropy == pytest.approx(-np.log2((1 + np.exp(-2.0)) / 2))
    assert BitChain(np.zeros((1, 1)), np.ones((1, 1))).min_entropy == 0.0
    assert np.isnan(BitChain(np.zeros((1, 1)), np.ones((1, 1))).autocorrelation(2)).all()


def test_power_up_begins_with_empty_traps():
    """Read at once after power-up, the traps are still nearly empty: P(filled) = p (1 - exp(-t/tau_eff)).

    Two figures from 4000 power-ups: false alarm 2e-6.
    """
    for settling, filled in ((0.0, 0.5 * (1 - np.exp(-1.0))), (3.0, 0.5 * (1 - np.exp(-4.0)))):
        bits = source(digitiser="mid_level", interval_relaxations=1.0, settling=settling, parameters={"lag": 1e-9})
        ones = bits.restart(0, 4000, 1).mean()
        start = float(bits.design.cells(0).traps.occupancy(0.0)[0])
        assert start < 1e-3
        assert abs(ones - (1 - filled)) < SIGMAS * np.sqrt(filled * (1 - filled) / 4000) + start


def test_spread_gives_every_cell_times_of_its_own():
    bits = source(digitiser="mid_level", time_constant_spread=1.0, seed=2)
    times = [float(bits.design.cells(k).traps.relaxation_time(1.5)[0]) for k in range(40)]
    assert len(set(times)) == 40 and np.std(np.log(times)) == pytest.approx(2.0, rel=0.4)
    assert float(bits.design.cells(7).traps.relaxation_time(1.5)[0]) == times[7]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"digitiser": "edge_togle"}, "did you mean 'edge_toggle'"),
        ({"digitiser": "../mid_level"}, "no digitiser named"),
        ({"digitiser": "nowhere.toml"}, "can't read"),
        ({"parameters": {"lagg": 1.0}}, "no parameter 'lagg'; it has: lag"),
        ({"parameters": {"lag": -1.0}}, "must be 0 or more, got -1"),
        ({"digitiser": "integrator", "parameters": {"reset": 1.0}}, "takes the whole interval"),
        ({"digitiser": "adaptive_reference", "parameters": {"average": 0.0}}, "must be above 0, got 0"),
        ({"digitiser": "integrator_lsb", "parameters": {"adc_bits": 6.5}}, "whole number from 1 to 16"),
        ({"digitiser": "integrator_lsb", "parameters": {"adc_bits": 17}}, "whole number from 1 to 16"),
        ({"card": "linear_no"}, "no device card"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_in_a_sentence(settings, words):
    with pytest.raises(SettingsError, match=words.replace("(", r"\(")):
        source(**settings)


def test_a_variant_from_elsewhere_is_a_small_file_of_sense(tmp_path):
    folder = resources.netlists() / "digitisers"
    own, template = tmp_path / "mid_level.toml", tmp_path / "mid_level.cir.j2"
    whole = (folder / "mid_level.toml").read_text()
    template.write_text((folder / "mid_level.cir.j2").read_text())
    own.write_text(re.sub(r"(?m)^settling = .*$", "settling = 1e300", whole))
    with pytest.raises(SettingsError, match="'settling': Input should be less than"):
        source(digitiser=str(own))
    own.write_text(whole)
    source(digitiser=str(own))
    os.truncate(template, 2**40)
    with pytest.raises(SettingsError, match=r"can't read .*mid_level\.cir\.j2: it has more than 1,048,576 bytes"):
        source(digitiser=str(own))
    own.unlink()
    os.mkfifo(own)
    with pytest.raises(SettingsError, match="no regular file"):
        source(digitiser=str(own))


def test_a_card_without_noise_is_refused():
    card = load_card("hzo_mfis_nominal").with_values(rtn_amplitude_off=0.0)
    with pytest.raises(SettingsError, match=r"has no noise at 1\.5 V"):
        BitSource(TrngSettings(), card)


@pytest.mark.parametrize("relaxations", [0.03, 0.3, 3.0])
def test_the_error_of_a_share_knows_correlation_of_any_length(relaxations):
    """A comparator's bits correlate by exp(-k x): their mean's variance is (1 + rho) / (1 - rho) that of free bits."""
    bits = source(digitiser="mid_level", interval_relaxations=relaxations, seed=2)
    found = measure(np.stack([bits.stream(k, 40_000) for k in range(4)]))
    rho = np.exp(-relaxations)
    expected = 0.5 / np.sqrt(found.bits) * np.sqrt((1 + rho) / (1 - rho))
    assert found.ones_error == pytest.approx(expected, rel=0.2)  # 4 standard errors of the slowest, 333 lags long
