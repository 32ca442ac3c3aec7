"""Column converters: codes, noise, ranges, flaws."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import Boltzmann, elementary_charge
from scipy.stats import chi2

from ftj_spice.array import converters
from ftj_spice.array.converters import Converter
from ftj_spice.array.mapping import Layout
from ftj_spice.array.settings import ReadSettings

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
PAIRS = Layout("differential", np.ones(1), 4e-12, 2e-10)
SINGLE = Layout("offset", np.ones(1), 4e-12, 2e-10)
WHOLE = np.ones(1)


def _converter(bits=6, noise=False, outputs=2, layout=PAIRS, **change):
    """Converters of +-1e-10 A for pairs, 0 to 2e-10 A for single columns."""
    columns = outputs * (2 if layout is PAIRS else 1)
    currents = np.zeros((2, 1, columns))
    currents[1, 0, layout.plus(columns)] = 1e-10 if layout is PAIRS else 2e-10
    read = ReadSettings(adc_bits=bits, noise=noise, adc_sigmas=1.0, **change)
    return Converter.ranged(read, layout, currents)


def _codes(converter, currents, rng=None):
    currents = np.asarray(currents, float)
    return converter.convert(currents, WHOLE, converter.draw(len(currents), rng or np.random.default_rng(0)))[0]


@PROPERTY
@given(st.integers(2, 16), st.floats(-2e-10, 2e-10))
def test_a_pair_rounds_to_its_codes(bits, difference):
    converter = _converter(bits, outputs=1)
    common = 3e-10
    code = _codes(converter, [[common + difference, common]])[0, 0]
    assert converter.full_scale[0] == pytest.approx(1e-10)
    assert code == round(code) and abs(code) <= converter.top == 2 ** (bits - 1) - 1
    assert abs(code * converter.step[0] - np.clip(difference, -1e-10, 1e-10)) <= converter.step[0] / 2 * (1 + 1e-6)


@PROPERTY
@given(st.integers(2, 16), st.floats(-1e-10, 4e-10))
def test_a_single_column_uses_all_codes_from_no_current_up(bits, current):
    converter = _converter(bits, outputs=1, layout=SINGLE)
    codes, values = converter.convert(np.array([[current], [0.0]]), WHOLE, converter.draw(2, np.random.default_rng(0)))
    assert values[1, 0] == 0.0 and codes[1, 0] == -converter.top
    assert abs(values[0, 0] - np.clip(current, 0.0, 2e-10)) <= converter.step[0] / 2 * (1 + 1e-6)
    assert converter.step[0] == pytest.approx(2e-10 / (2 * converter.top))


def test_a_silent_read_is_zero():
    assert (_codes(_converter(), np.full((3, 4), 5e-11)) == 0).all()


def test_without_bits_the_current_is_passed_on():
    converter = _converter(0)
    currents = np.random.default_rng(0).normal(size=(5, 4))
    codes, values = converter.convert(currents, WHOLE, converter.draw(5, np.random.default_rng(0)))
    np.testing.assert_array_equal(values, currents[:, ::2] - currents[:, 1::2])
    assert codes is values or (codes == values).all()


def test_slots_are_integrated_with_their_shares():
    converter = _converter(0, outputs=1)
    shares = np.array([0.5, 0.25, 0.25])
    currents = np.random.default_rng(0).normal(size=(6, 2))
    _, values = converter.convert(currents, shares, converter.draw(2, np.random.default_rng(0)))
    split = (currents[:, 0] - currents[:, 1]).reshape(2, 3)
    np.testing.assert_allclose(values[:, 0], split @ shares, rtol=1e-12)


@pytest.mark.parametrize("layout", [PAIRS, SINGLE], ids=["pair", "single"])
def test_the_noise_is_shot_and_thermal(layout):
    # 20,000 reads at 16 bits. False alarm 1e-6 on the variance, two-sided, and 1e-6 on the mean.
    converter = _converter(16, noise=True, outputs=1, layout=layout)
    time, n = 10e-6, 20_000
    currents = np.tile([9e-11, 3e-11] if layout is PAIRS else [9e-11], (n, 1))
    codes = _codes(converter, currents, np.random.default_rng(1))[:, 0]
    charge = (codes * converter.step[0] + converter.zero[0]) * time
    mean = (currents[0, 0] - (currents[0, 1] if layout is PAIRS else 0.0)) * time
    capacitors = 2 if layout is PAIRS else 1
    expected = elementary_charge * currents[0].sum() * time + capacitors * Boltzmann * 300.0 * 100e-15
    low, high = chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
    assert low < charge.var(ddof=1) / expected < high
    assert abs(charge.mean() - mean) < 4.9 * math.sqrt(expected / n)


def test_the_converters_own_noise_is_in_its_steps():
    # 20,000 reads. False alarm 1e-6 on the variance, two-sided; rounding adds 1/12.
    converter = replace(_converter(12, outputs=1), noise=5.0)
    n = 20_000
    codes = _codes(converter, np.zeros((n, 2)), np.random.default_rng(1))[:, 0]
    low, high = chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
    assert low < codes.var(ddof=1) / (25 + 1 / 12) < high


def test_gains_and_offsets_are_the_converters_own():
    # 4,000 converters each. False alarms: 1e-6 on each variance, two-sided.
    n = 4000
    flawed = _converter(12, outputs=n).with_flaws(
        ReadSettings(adc_offset=3.0, adc_gain_spread=0.02), np.random.default_rng(2)
    )
    low, high = chi2.ppf([5e-7, 1 - 5e-7], n - 1) / (n - 1)
    assert low < (flawed.gain - 1).var(ddof=1) / 0.02**2 < high and low < flawed.offset.var(ddof=1) / 9 < high
    currents = np.zeros((1, 2 * n))
    currents[0, ::2] = 5e-11
    expected = np.rint(flawed.gain * 5e-11 / flawed.step + flawed.offset)
    np.testing.assert_array_equal(_codes(flawed, currents)[0], np.clip(expected, -flawed.top, flawed.top))


def test_the_range_covers_the_known_reads():
    rng = np.random.default_rng(2)
    currents = np.zeros((4000, 8, 4))  # one conversion of eight is wide
    currents[:, 3] = rng.normal([3e-10, 1e-10, 1e-10, 1e-10], 1e-11, (4000, 4))
    converter = Converter.ranged(ReadSettings(adc_sigmas=5.0), PAIRS, currents)
    np.testing.assert_allclose(
        converter.full_scale, [2e-10 + 5 * math.sqrt(2) * 1e-11, 5 * math.sqrt(2) * 1e-11], rtol=0.05
    )
    single = Converter.ranged(ReadSettings(adc_sigmas=5.0), SINGLE, currents[..., :1])
    assert 2 * single.full_scale[0] == pytest.approx(3e-10 + 5e-11, rel=0.05)
    assert single.zero[0] == pytest.approx(single.full_scale[0])
    both = Converter.ranged(ReadSettings(adc_sigmas=5.0), SINGLE, currents[..., :1] - 1e-10)
    assert both.zero[0] - both.full_scale[0] < -9.9e-11  # currents of both signs


def test_a_silent_pair_still_has_a_range():
    read = ReadSettings(noise=True)
    converter = Converter.ranged(read, PAIRS, np.full((10, 4, 2), 1e-12))
    assert converter.full_scale[0] == pytest.approx(elementary_charge / read.integration_time)
    codes = _codes(converter, np.full((5, 2), 1e-12))  # no overflow: warnings are errors
    assert (np.abs(codes) <= converter.top).all()
    assert Converter.ranged(read, SINGLE, np.zeros((10, 4, 2))).step.min() > 0


@pytest.mark.parametrize("bits", [0, 6])
def test_sums_are_those_of_the_conversions_whatever_the_threads(bits, monkeypatch):
    rng = np.random.default_rng(0)
    converter = _converter(bits, noise=True, outputs=8).with_flaws(ReadSettings(adc_offset=0.7), rng)
    shares, weights = np.array([0.25, 0.75]), np.array([1.0, 2.0, -1.0])
    batch = 1001
    currents = rng.random((batch * 3 * 2, 16)) * 1e-10
    normals = converter.draw(batch * 3, np.random.default_rng(1))
    _, values = converter.convert(currents, shares, normals)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(converters, "_THREADS", threads)
        monkeypatch.setattr(converters, "_WORTH_A_THREAD", 1)
        sums = np.zeros((batch, 8))
        converter.accumulate(currents, shares, weights, normals, sums)
        found.append(sums)
    np.testing.assert_allclose(found[0], np.einsum("bcu,c->bu", values.reshape(batch, 3, 8), weights), rtol=1e-12,
                               atol=1e-24)  # fmt: skip
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


def test_draws_in_parts_are_the_draws_in_one_go():
    converter = _converter(noise=True)
    whole, parts = np.random.default_rng(5), np.random.default_rng(5)
    together = converter.draw(101, whole)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together, np.concatenate([converter.draw(n, parts) for n in (1, 37, 63)]))
    assert len(_converter(noise=False).draw(10, whole)) == 0
