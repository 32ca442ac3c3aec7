"""What the sample phase computes beside ngspice: settings, drawn arrays, closed forms, digitisers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ftj_spice as ftj
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.moments import WindowMoments
from ftj_spice.engines.ngspice import Resolution
from ftj_spice.sampling.array import ColumnMoments, SamplingArray
from ftj_spice.sampling.digitisers import make_digitiser
from ftj_spice.sampling.settings import SampleSettings

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
CARD = ftj.load_card("hzo_mfis_nominal")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": 0}, "'rows': "),
        ({"voltage": 0}, "'voltage': "),
        ({"voltage": 2.6}, "'voltage': "),
        ({"voltage": float("nan")}, "'voltage': "),
        ({"voltage": "1.5\n.control"}, "'voltage': "),
        ({"time": 0}, "'time': "),
        ({"digitiser": "sigma_delta"}, "'digitiser': "),
        ({"adc_bits": 0}, "'adc_bits': "),
        ({"reset_fraction": 0.5}, "'reset_fraction': "),
        ({"driver_resistance": -1}, "'driver_resistance': "),
        ({"bit_line_capacitance": float("inf")}, "'bit_line_capacitance': "),
        ({"samples_per_transient": 0}, "'samples_per_transient': "),
        ({"voltag": 1.5}, "unknown setting 'voltag', did you mean 'voltage'?"),
        (
            {"digitiser": "comparator", "rows": 64},
            "'steps_per_sample' must be at least 64: the rows are read one after",
        ),
    ],
    ids=str,
)
def test_bad_settings_are_one_sentence(change, sentence):
    with pytest.raises(SettingsError) as caught:
        SampleSettings.parse(change, "here")
    assert str(caught.value).startswith("here: " + sentence) and "\n" not in str(caught.value)


def test_columns_are_drawn_independently_of_one_another():
    settings = SampleSettings(rows=5, current_spread=0.3, amplitude_spread=0.6, time_constant_spread=2.0)
    few, many = SamplingArray.draw(CARD, settings, 2, 7), SamplingArray.draw(CARD, settings, 6, 7)
    assert (many.conductance[:, :2] == few.conductance).all() and (many.amplitude[:, :2] == few.amplitude).all()
    assert (many.traps.capture_time[:10] == few.traps.capture_time).all()
    ratio = many.traps.capture_time / many.traps.emission_time
    np.testing.assert_allclose(ratio, CARD.capture_time / CARD.emission_time)  # both times spread together
    assert len(np.unique(many.traps.capture_time)) == 30


def test_spreads_are_lognormal():
    # 20,000 cells. False alarms: two-sided 1e-6 on each of three means and three variances.
    settings = SampleSettings(rows=1000, current_spread=0.3, amplitude_spread=0.2, time_constant_spread=2.0)
    array = SamplingArray.draw(CARD, settings, 20, 1)
    for values, nominal, sigma in (
        (array.conductance, CARD.off_conductance, 0.3 * CARD.off_spread),
        (array.amplitude, CARD.rtn_amplitude_off, 0.2 * CARD.rtn_amplitude_spread),
        (array.traps.capture_time, CARD.capture_time, 2.0 * CARD.time_constant_spread),
    ):
        logs = np.log(values / nominal) / sigma
        n = logs.size
        assert abs(logs.mean()) < 4.9 / np.sqrt(n)
        assert abs(logs.var() - 1) < 4.9 * np.sqrt(2 / n)


def test_a_tail_of_amplitudes_does_not_turn_the_current_round():
    array = SamplingArray.draw(CARD, SampleSettings(amplitude_spread=5.0, rows=1000), 2, 0)
    assert array.amplitude.max() == 0.95


@pytest.mark.parametrize("columns", [0, -1])
def test_no_columns_is_one_sentence(columns):
    with pytest.raises(SettingsError, match=rf"^columns must be at least 1, got {columns}$"):
        SamplingArray.draw(CARD, SampleSettings(), columns, 0)


@PROPERTY
@given(st.integers(1, 6), st.data())
def test_moments_of_a_sum_are_those_of_all_its_combinations(rows, data):
    p = np.array(data.draw(st.lists(st.floats(0.05, 0.95), min_size=rows, max_size=rows)))[:, np.newaxis]
    weight = np.array(data.draw(st.lists(st.floats(0.1, 2.0), min_size=rows, max_size=rows)))[:, np.newaxis]
    v = p * (1 - p)
    cells = WindowMoments(mean=p, variance=v, third=v * (1 - 2 * p), fourth=v * (1 - 3 * v), covariance=0.3 * v)
    got = ColumnMoments.of_sum(np.array([5.0]), -weight, cells)
    states = np.array(np.meshgrid(*[[0, 1]] * rows, indexing="ij")).reshape(rows, -1)
    chance = np.prod(np.where(states, p, 1 - p), axis=0)
    value = 5.0 - (weight * states).sum(axis=0)
    mean = chance @ value
    variance = chance @ (value - mean) ** 2
    assert got.mean[0] == pytest.approx(mean)
    assert got.variance[0] == pytest.approx(variance)
    assert got.skewness[0] == pytest.approx(chance @ (value - mean) ** 3 / variance**1.5, abs=1e-9)
    assert got.kurtosis[0] == pytest.approx(chance @ (value - mean) ** 4 / variance**2 - 3, abs=1e-9)
    assert got.autocorrelation[0] == pytest.approx(0.3)


@pytest.mark.parametrize("voltage", [0.3, 0.5, 1.0, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("digitiser", ["integrator", "comparator"])
def test_digitisers_can_be_made_from_a_trap_that_is_nearly_empty_to_one_that_is_nearly_full(voltage, digitiser):
    settings = SampleSettings(voltage=voltage, digitiser=digitiser)
    array = SamplingArray.draw(CARD, settings, 3, 0)
    d = make_digitiser(settings, array, 0)
    for name in ("mean", "variance", "skewness", "kurtosis", "autocorrelation"):
        assert np.isfinite(getattr(d.moments, name)).all()
    assert (d.moments.variance > 0).all() and 0 < d.edge_time < d.step < d.period
    sign = np.sign(d.moments.skewness[0])
    assert sign == (-1 if voltage < 1.5 else 1) or voltage == 1.5  # current falls where a rare trap is filled


@PROPERTY
@given(st.integers(3, 16), st.floats(0.5, 8), hnp.arrays(float, (5, 2), elements=st.floats(-20, 20)))
def test_the_integrators_converter(bits, sigmas, z):
    settings = SampleSettings(adc_bits=bits, adc_sigmas=sigmas)
    d = make_digitiser(settings, SamplingArray.draw(CARD, settings, 2, 0), 0)
    values = d.moments.mean + z * np.sqrt(d.moments.variance)
    codes = d.codes(values)
    assert codes.min() >= -(2 ** (bits - 1)) and codes.max() < 2 ** (bits - 1)
    step = 2 * sigmas / 2**bits
    latents = d.latents(codes) * np.sqrt(1 + step**2 / 12)  # the step's own variance is standardised away
    top = sigmas - step / 2
    assert (np.abs(latents) <= top * (1 + 1e-9)).all()
    inside = np.abs(z) < sigmas
    assert (np.abs(latents - z)[inside] <= step / 2 * (1 + 1e-6)).all()
    np.testing.assert_allclose(latents[~inside], np.sign(z[~inside]) * top, rtol=1e-9, atol=step * (1 + 1e-6))


def test_each_digitiser_says_how_its_transitions_meet_time_steps():
    for name, resolution in (("integrator", Resolution.AVERAGES), ("comparator", Resolution.EVENTS)):
        settings = SampleSettings(digitiser=name)
        d = make_digitiser(settings, SamplingArray.draw(CARD, settings, 1, 0), 0)
        assert d.resolution is resolution
        pause = settings.reset_fraction * settings.time if name == "integrator" else 0.0
        assert d.period == pytest.approx(settings.time + pause)


def test_a_given_capacitor_only_scales_the_voltage():
    plain, given_ = SampleSettings(), SampleSettings(integration_capacitance=1e-12)
    array = SamplingArray.draw(CARD, plain, 2, 0)
    a, b = make_digitiser(plain, array, 0), make_digitiser(given_, array, 0)
    assert b.capacitance == 1e-12 and (a.lsb == b.lsb).all()
    reach = plain.adc_sigmas * np.sqrt(a.moments.variance.max()) * a.window
    assert reach / a.capacitance == pytest.approx(0.4)
    time, volts = np.array([0.0, a.period]), np.array([[0.0], [0.1]])
    shift = [d.values(time, volts * a.capacitance / d.capacitance, [0], 1)[0, 0] for d in (a, b)]
    assert shift[0] == pytest.approx(shift[1], rel=1e-12)
