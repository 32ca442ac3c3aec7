"""Input coding: codes, voltages, and what the reads add up to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ftj_spice as ftj
from ftj_spice.array.coding import Amplitude, BitSerial, PulseWidth, full_scale_of, inverse_levels, make_coding
from ftj_spice.array.layer import read_plan
from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.conduction import LinearLaw

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
CARD = ftj.load_card("hzo_mfis_nominal")

KINDS = st.sampled_from([BitSerial, PulseWidth, Amplitude])
BITS = st.integers(2, 12)


@st.composite
def coded(draw):
    kind = draw(KINDS)
    bits = draw(st.integers(2, 7) if kind is PulseWidth else BITS)
    coding = kind(bits, draw(st.booleans()), draw(st.sampled_from([4.0, 1.0, 0.037, 250.0])))
    low = -coding.largest if coding.signed else 0
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 4)))
    return coding, draw(hnp.arrays(np.int32, shape, elements=st.integers(low, coding.largest)))


@PROPERTY
@given(coded())
def test_the_reads_of_a_code_add_up_to_it(case):
    coding, codes = case
    drive = coding.drive(codes)
    assert drive.shape == (len(codes) * coding.reads, codes.shape[1])
    if isinstance(coding, Amplitude):
        assert np.abs(drive).max() <= 1.0
    else:
        assert set(np.unique(drive)) <= {0.0, 1.0}
    split = drive.reshape(len(codes), len(coding.weights), len(coding.shares), -1)
    values = np.einsum("bcsr,c,s->br", split, coding.weights, coding.shares)
    np.testing.assert_allclose(values, codes * coding.step, rtol=1e-12, atol=1e-12 * coding.full_scale)
    wanted = coding.proportional(codes).reshape(len(codes), len(coding.weights), -1)
    np.testing.assert_allclose(np.einsum("bcr,c->br", wanted, coding.weights), values, atol=1e-12 * coding.full_scale)
    assert coding.shares.sum() == pytest.approx(1.0)


@PROPERTY
@given(coded())
def test_one_phase_or_the_other(case):
    coding, codes = case
    if isinstance(coding, Amplitude) or not coding.signed:
        return
    on = coding.drive(codes).reshape(len(codes), 2, -1, codes.shape[1]).any(axis=2)
    assert not (on[:, 0] & on[:, 1]).any()


@PROPERTY
@given(KINDS, BITS, st.booleans(), hnp.arrays(float, (3, 4), elements=st.floats(-100, 100)))
def test_quantisation_is_to_the_nearest_code_of_the_range(kind, bits, signed, values):
    coding = kind(bits, signed)
    top = 4.0 - coding.step
    quantised = coding.quantise(values) * coding.step
    low = -top if signed else 0.0
    inside = (values <= top) & (values >= low)
    assert quantised.max() <= top and quantised.min() >= low
    assert (np.abs(quantised - values)[inside] <= coding.step / 2).all()
    assert (quantised[~inside] == np.where(values[~inside] > 0, top, low)).all()


@pytest.mark.parametrize("bits", range(2, 13))
@pytest.mark.parametrize("full_scale", [4.0, 0.01, 37.3])
def test_the_constant_of_the_bias_is_a_code(bits, full_scale):
    coding = BitSerial(bits, True, full_scale)
    assert coding.quantise(np.array([[coding.constant]]))[0, 0] * coding.step == coding.constant > 0
    if full_scale == 4.0:
        assert coding.constant == (2.0 if bits == 2 else 1.0)


@PROPERTY
@given(st.sampled_from(["bit-serial", "pulse-width", "amplitude"]), st.integers(2, 8), st.booleans())
def test_the_plan_knows_the_reads(name, bits, signed):
    read = ReadSettings(coding=name, input_bits=bits, tile_rows=4, tile_columns=6)
    coding = make_coding(read, CARD, signed, 4.0)
    plan = read_plan(3, (7, 5), read, signed=signed)
    assert plan == [3 * coding.reads] * (2 * 2)
    assert len(read_plan(3, (8, 5), read, signed=signed, bias=False)) == 2 * 2
    assert coding.drive(np.zeros((1, 2), np.int32)).shape == (coding.reads, 2)


@pytest.mark.parametrize("signed", [True, False])
def test_the_largest_of_the_inputs_is_the_largest_code(signed):
    values = np.array([[0.3, 17.0], [2.0, 5.0]])
    read = ReadSettings(input_bits=5)
    coding = BitSerial(5, signed, full_scale_of(values, read, signed))
    assert coding.quantise(values).max() == coding.largest
    assert coding.largest * coding.step == pytest.approx(17.0)
    assert full_scale_of(np.zeros((2, 2)), read, True) == pytest.approx(16 / 15)


def test_predistortion_makes_the_current_proportional():
    read = ReadSettings(coding="amplitude", predistort=True, input_bits=6)
    coding = make_coding(read, CARD, True, 4.0)
    codes = np.arange(-31, 32, dtype=np.int32)[:, np.newaxis]
    voltages = CARD.vmm_voltage * coding.drive(codes)
    for g in (CARD.off_conductance, CARD.on_conductance):
        current = CARD.conduction.current(g, voltages)
        np.testing.assert_allclose(current, g * CARD.vmm_voltage * codes / 31, rtol=1e-9, atol=1e-22)
    plain = make_coding(ReadSettings(coding="amplitude", input_bits=6), CARD, True, 4.0)
    assert np.max(np.abs(plain.drive(codes) - coding.drive(codes))) > 0.1  # the sinh law is far from a line
    ohmic = make_coding(ReadSettings(coding="amplitude", predistort=True, ohmic=True), CARD, True, 4.0)
    assert ohmic == Amplitude(5, True, 4.0)
    np.testing.assert_allclose(inverse_levels(LinearLaw(), 1e-9, 0.5, 7), np.arange(8) / 7, atol=1e-15)
