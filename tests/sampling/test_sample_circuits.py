"""The sample phase read by circuits: a neutral one changes nothing, planted errors have their size."""

import numpy as np
import pytest
from scipy.stats import chi2, norm

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.periphery.macromodel import ConvertModel, DecideModel, Macromodel, SenseModel
from ftj_spice.sampling.audit import audit_samples, draw_parts
from ftj_spice.sampling.circuits import ColumnCircuits, Deciders
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings

CARD = load_card("hzo_mfis_nominal")
BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "linear"}
UNTRIMMED = SampleSettings(trim_windows=0)


def _model(convert=None, decide=None, **sense):
    front = SenseModel(**({"integrates": True, "time": 1e-5, "high": 6.3e-9} | sense))
    return Macromodel(kind="chain", **BASE, sense=front, convert=convert, decide=decide)


def _sample(settings, periphery=None, count=64, columns=3, seed=5, **more):
    return sample(
        CARD, settings, count=count, columns=columns, seed=seed, engine="fast", periphery=periphery, **more
    )  # fmt: skip


def test_a_neutral_circuit_changes_no_bit():
    plain, ours = _sample(UNTRIMMED), _sample(UNTRIMMED, _model())
    assert np.array_equal(plain.codes, ours.codes) and np.array_equal(plain.latents, ours.latents)


def test_a_neutral_converter_of_the_same_bits_gives_the_same_codes():
    plain = _sample(UNTRIMMED)
    ours = _sample(UNTRIMMED, _model(convert=ConvertModel(bits=8)))
    assert np.array_equal(plain.codes, ours.codes)


def test_an_untrimmed_ground_error_shifts_the_mean_by_the_cards_law():
    error = 2e-3
    plain, ours = _sample(UNTRIMMED), _sample(UNTRIMMED, _model(ground=error))
    array = ours.array
    change = array.card.conduction.current(array.conductance, array.voltage - error) - array.empty_current
    expected = change.sum(axis=0) * (1.0 - 0.5 * array.amplitude.mean())
    # Traps are filled half of the time; their times change with the voltage, too, and so does what they do.
    assert (ours.values - plain.values).mean(axis=0) == pytest.approx(expected, rel=0.2)
    assert np.abs(ours.latents.mean(axis=0)).min() > 1.0


def test_trimming_takes_a_ground_error_and_an_offset_out():
    model = _model(ground_sigma=3e-3, offset_sigma=1e-9)
    untrimmed = _sample(UNTRIMMED, model, count=600)
    trimmed = _sample(SampleSettings(trim_windows=10**6), model, count=600)
    # Six standard errors of a mean of 600 windows: a false alarm once in 1e8 runs.
    rho = trimmed.moments.autocorrelation
    assert (np.abs(trimmed.latents.mean(axis=0)) < 6 * np.sqrt((1 + rho) / (1 - rho) / 600)).all()
    assert np.abs(untrimmed.latents.mean(axis=0)).max() > 1.0


def test_planted_noise_and_gain_have_their_size():
    columns, parts = 400, np.full((50, 400), 0.1)
    fine = 16  # bits: so that codes are values
    noisy = ColumnCircuits.draw(_model(noise=0.02 * 6.3e-9), columns, 1)
    seen = (noisy.codes(parts, fine) + 0.5) / 2**fine
    low, high = chi2.ppf([5e-6, 1 - 5e-6], seen.size)  # a false alarm once in 1e5 runs
    assert low < np.sum(((seen - 0.1) / 0.02) ** 2) < high
    assert np.array_equal(noisy.codes(parts, fine), noisy.codes(parts, fine))
    gained = ColumnCircuits.draw(_model(gain_sigma=0.03), columns, 1)
    found = (gained.codes(parts[:1], fine)[0] + 0.5) / 2**fine / 0.1
    assert found == pytest.approx(gained.gain, abs=1.0 / 2**fine / 0.1)
    low, high = chi2.ppf([5e-6, 1 - 5e-6], columns)
    assert low < np.sum(((gained.gain - 1.0) / 0.03) ** 2) < high


def test_a_front_end_that_does_not_integrate_keeps_a_quarter_of_its_range():
    ours = _sample(UNTRIMMED, _model(integrates=False))
    assert 2**ours.digitiser.adc_bits * ours.digitiser.lsb == pytest.approx(0.25 * 6.3e-9)
    assert np.unique(ours.codes).size < np.unique(_sample(UNTRIMMED).codes).size / 5


def test_ngspice_agrees_on_columns_whose_ground_is_off():
    settings = SampleSettings(samples_per_transient=8)
    keep = draw_parts(settings, 3, 16, 2, 5)
    ours = _sample(settings, _model(ground_sigma=8e-3), count=16, keep=keep)
    with NgspiceEngine() as engine:
        audit = audit_samples(ours, settings, engine)
    assert audit.passes and audit.largest < 1e-4


def test_comparators_lose_bits_by_offset_and_noise():
    swing = np.full((16, 3), 2e-11)
    gain = 0.1 / 2e-11
    model = Macromodel(kind="decide", **BASE, decide=DecideModel(noise=0.5 * 1e-11 * gain))
    deciders = Deciders.draw(model, 3, 0, 2e-11)
    assert deciders.noise == pytest.approx(0.5e-11)
    assert deciders.misread(swing, 1.0) == pytest.approx(norm.cdf(-2.0))
    counts = np.full((5000, 3), 16.0)
    lost = 16.0 - deciders.flips(counts, swing)
    expected = 16 * norm.cdf(-2.0)
    assert abs(lost.mean() - expected) < 5 * np.sqrt(expected / 15000)  # a false alarm once in 2e6 runs


def test_a_comparator_that_is_too_slow_or_missing_is_told():
    settings = SampleSettings(digitiser="comparator")
    slow = Macromodel(kind="decide", **BASE, decide=DecideModel(lag=1.0))
    with pytest.raises(SettingsError, match="half a comparator's slot"):
        _sample(settings, slow)
    with pytest.raises(SettingsError, match="has no comparator"):
        _sample(settings, _model())
