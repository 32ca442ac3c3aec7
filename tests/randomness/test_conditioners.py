"""Conditioners: what they do to bias, correlation and rate, and that pieces make no difference."""

import hashlib
import itertools
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.common.errors import SettingsError
from ftj_spice.randomness.conditioners import (
    CONDITIONERS,
    conditioner,
    hash_bits,
    hash_block,
    hash_output_entropy,
    output_entropy,
    von_neumann,
    von_neumann_rate,
    xor_correlation,
    xor_probability,
    xor_streams,
)


def chain(rng, n, p, rho):
    """A stationary two-state Markov chain: with chance rho the bit stays what it was, else it is drawn anew."""
    fresh = rng.random(n) < p
    renewed = rng.random(n) >= rho
    renewed[0] = True
    return fresh[np.maximum.accumulate(np.where(renewed, np.arange(n), 0))].astype(np.uint8)


def test_von_neumann_by_hand():
    bits = np.array([0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1], np.uint8)
    assert von_neumann(bits).tolist() == [0, 1, 1]


@pytest.mark.parametrize(("p", "rho"), [(0.5, 0.0), (0.8, 0.0), (0.3, 0.4)])
def test_von_neumann_removes_bias_at_the_rate_of_the_closed_form(p, rho):
    n = 1_000_000
    bits = chain(np.random.default_rng(5), n, p, rho)
    out = von_neumann(bits)
    chance = 2 * von_neumann_rate(p, rho)  # of a pair; pairs correlate by less than rho^2
    spread = np.sqrt(chance * (1 - chance) * n / 2 * (1 + rho**2) / (1 - rho**2))
    assert abs(len(out) - n * von_neumann_rate(p, rho)) < 4.5 * spread  # a false alarm in 1e5
    assert abs(out.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(len(out)) * np.sqrt((1 + rho) / (1 - rho))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.65])
def test_xor_bias_is_the_piling_up_lemma_by_enumeration(n, p):
    exact = sum(
        np.prod([p if word >> k & 1 else 1 - p for k in range(n)]) for word in range(2**n) if word.bit_count() % 2
    )
    assert xor_probability(p, n) == pytest.approx(exact, abs=1e-15)
    assert abs(xor_probability(p, n) - 0.5) == pytest.approx(2 ** (n - 1) * abs(p - 0.5) ** n, abs=1e-15)


@pytest.mark.parametrize(("p", "rho", "n"), [(0.5, 0.6, 3), (0.3, 0.5, 2), (0.8, 0.2, 1)])
def test_xor_bias_and_correlation_in_simulated_streams(p, rho, n):
    rng = np.random.default_rng(8)
    bits = 400_000
    out = xor_streams([chain(rng, bits, p, rho) for _ in range(n)]).astype(float)
    r = xor_correlation(p, rho, n)
    q = xor_probability(p, n)
    slack = np.sqrt((1 + r) / (1 - r))
    assert abs(out.mean() - q) < 4.5 * np.sqrt(q * (1 - q) / bits) * slack
    measured = np.corrcoef(out[:-1], out[1:])[0, 1]
    assert abs(measured - r) < 5 * slack / np.sqrt(bits)


def test_a_stream_that_never_changes_stays_so():
    assert xor_correlation(1.0, 0.5, 3) == 0.0
    assert xor_probability(1.0, 3) == 1.0
    assert len(von_neumann(np.ones(1001, np.uint8))) == 0


def test_hash_is_sha256_of_packed_blocks():
    bits = np.random.default_rng(1).integers(0, 2, 1000, dtype=np.uint8)
    assert hash_block(0.5) == 640
    digest = hashlib.sha256(np.packbits(bits[:640]).tobytes()).digest()
    assert np.packbits(hash_bits(bits, 0.5)).tobytes() == digest


@pytest.mark.parametrize("entropy", [1.0, 0.999, 0.7, 0.31, 0.01, 1e-3])
def test_blocks_hold_the_margin_and_no_byte_more(entropy):
    block = hash_block(entropy)
    assert block % 8 == 0
    assert block * entropy >= 320 > (block - 8) * entropy
    assert 1 - 2.0**-32 < hash_output_entropy(entropy) <= 1.0  # SP 800-90C's full entropy


def precise(n_in, n_out, width, h_in):
    """SP 800-90B 3.1.5.1.2, step by step, with 1,000 digits."""
    with localcontext() as context:
        context.prec = 1000
        two = Decimal(2)
        high = two ** -Decimal(h_in)
        low = (1 - high) / (two**n_in - 1)
        n = min(n_out, width, n_in)
        psi = two ** (n_in - n) * low + high
        u = two ** (n_in - n) + (2 * n * two ** (n_in - n) * two.ln()).sqrt()
        return float(-max(psi, u * low).ln() / two.ln())


@pytest.mark.parametrize(
    "numbers",
    [(512, 256, 256, 320.0), (512, 256, 256, 256.0), (1024, 256, 256, 10.5), (300, 256, 256, 299.5), (8, 16, 16, 3.0),
     (2048, 512, 256, 200.0), (20, 19, 19, 19.5)],
)  # fmt: skip
def test_output_entropy_against_the_formula_in_many_digits(numbers):
    assert output_entropy(*numbers) == pytest.approx(precise(*numbers), rel=1e-12, abs=1e-12)


def test_output_entropy_never_exceeds_input_or_width():
    assert output_entropy(512, 256, 256, 100.0) <= 100.0
    assert output_entropy(4096, 512, 256, 4096.0) <= 256.0
    for bad in ((0, 256, 256, 1.0), (8, 256, 256, 9.0), (8, 8, 8, 0.0)):
        with pytest.raises(ValueError, match="no conditioning"):
            output_entropy(*bad)


BITS = st.lists(st.integers(0, 1), max_size=1500)


@given(BITS, st.lists(st.integers(0, 1500), max_size=6), st.sampled_from(sorted(CONDITIONERS)))
def test_pieces_make_no_difference(bits, cuts, name):
    streams = 3 if name == "xor" else 1
    whole = np.array(bits, np.uint8)
    rows = np.stack([np.roll(whole, k) for k in range(streams)])
    at_once = conditioner(name, streams=streams, entropy=0.9).feed(rows)
    one = conditioner(name, streams=streams, entropy=0.9)
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    parts = [one.feed(rows[:, a:b]) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), at_once)
    assert at_once.dtype == np.uint8


@pytest.mark.parametrize("name", sorted(CONDITIONERS))
def test_the_registry_tells_the_rate(name):
    streams = 4 if name == "xor" else 1
    bits = chain(np.random.default_rng(3), 400_000, 0.5, 0.2).reshape(streams, -1)
    out = conditioner(name, streams=streams, entropy=0.7).feed(bits)
    assert len(out) / bits.size == pytest.approx(CONDITIONERS[name].rate(0.5, 0.2, streams, 0.7), rel=0.02)


def test_bad_names_and_parameters_are_sentences():
    for name, more, words in (
        ("vonneumann", {}, "did you mean 'von_neumann'"),
        ("aes", {}, "known: none"),
        ("hash", {"entropy": 0.0}, "between 1e-06 and 1"),
        ("hash", {"entropy": 1.5}, "between 1e-06 and 1"),
        ("xor", {"streams": 0}, "at least one"),
        ("von_neumann", {"streams": 2}, "takes one stream"),
    ):
        with pytest.raises(SettingsError, match=words):
            conditioner(name, **more)
    with pytest.raises(ValueError, match="shape"):
        conditioner("xor", streams=2).feed(np.zeros(4, np.uint8))
    with pytest.raises(ValueError, match="one stream"):
        von_neumann(np.zeros((2, 4), np.uint8))
