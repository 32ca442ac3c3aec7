"""Columns read by circuits: a neutral one changes nothing, planted errors have the size they should have."""

import numpy as np
import pytest
from scipy.constants import elementary_charge
from scipy.stats import chi2

from ftj_spice.array.circuits import CircuitReadout, ground_error
from ftj_spice.array.converters import Converter
from ftj_spice.array.layer import forward
from ftj_spice.array.mapping import Layout
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.periphery.macromodel import ConvertModel, Macromodel, SenseModel

CARD = load_card("hzo_mfis_nominal")
BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": "linear"}
WHOLE = np.ones(1)
COLUMNS = 400
SINGLE = Layout("offset", np.ones(1), 4e-12, 2e-10)
OWN = ReadSettings(fitted_range=False)
FALSE_ALARM = 1e-5


def _model(sense=None, convert=None, **parts):
    sense = None if sense is None else SenseModel(**({"integrates": False, "time": 1e-5, "high": 6.3e-9} | sense))
    convert = None if convert is None else ConvertModel(**({"bits": 6} | convert))
    return Macromodel(kind="chain", **BASE, sense=sense, convert=convert, **parts)


def _readout(model, settings=OWN, layout=SINGLE, columns=COLUMNS, seed=0):
    """Circuits of a tile of 32 rows at mid conductance; behind them an exact converter where they have none."""
    circuit = array_circuit(np.full((32, columns), 1e-10), CARD, settings)
    currents = np.full((2, 1, columns), 1.6e-9)
    exact = Converter.ranged(settings.model_copy(update={"adc_bits": 0}), layout, currents)
    return CircuitReadout.make(model, exact, circuit, layout, currents, settings, 0.5, np.random.default_rng(seed))


def _read(readout, currents, seed=1):
    currents = np.asarray(currents, float)
    return readout.convert(currents, WHOLE, readout.draw(len(currents), np.random.default_rng(seed)))


def _product(settings, model, fast, seed=2):
    rng = np.random.default_rng(0)
    weights, inputs = rng.standard_normal((40, 24)), rng.standard_normal((30, 40))
    return forward(inputs, weights, None, CARD, settings, seed=seed, reader=fast, periphery=model)


@pytest.mark.parametrize("change", [{}, {"scheme": "reference"}, {"coding": "amplitude"}, {"slices": 2}])
def test_a_neutral_circuit_changes_no_bit(fast, change):
    settings = ReadSettings(noise=False, **change)
    neutral = _model(sense={"integrates": True, "low": -1.0, "high": 1.0})
    plain = _product(settings, None, fast)
    ours = _product(settings.model_copy(update={"fitted_range": False}), neutral, fast)
    assert np.array_equal(plain.outputs, ours.outputs)
    assert plain.tally is None and ours.tally.reads == ours.tally.conversions * (1 if change.get("scheme") else 2)


def test_noise_of_the_same_size_changes_no_bit(fast):
    from scipy.constants import Boltzmann

    settings = ReadSettings()
    charge = np.sqrt(Boltzmann * settings.temperature * settings.integration_capacitance)
    neutral = _model(
        sense={"integrates": True, "low": -1.0, "high": 1.0, "noise": charge / settings.integration_time,
               "time": settings.integration_time}
    )  # fmt: skip
    plain = _product(settings, None, fast)
    ours = _product(settings.model_copy(update={"fitted_range": False}), neutral, fast)
    assert np.mean(plain.outputs == ours.outputs) > 0.999  # the same numbers, rounded another way


def test_results_depend_on_the_seed_only(fast, monkeypatch):
    model = _model(sense={"gain_sigma": 0.02, "noise": 1e-11, "ground_sigma": 2e-3}, convert={"offset_sigma": 0.4})
    first = _product(ReadSettings(), model, fast)
    monkeypatch.setattr("ftj_spice.array.converters._WORTH_A_THREAD", 1)
    monkeypatch.setattr("ftj_spice.array.layer_run.CHUNK", 5000)
    assert np.array_equal(first.outputs, _product(ReadSettings(), model, fast).outputs)
    assert not np.array_equal(first.outputs, _product(ReadSettings(), model, fast, seed=3).outputs)


def _check_sigma(values, sigma):
    """Chi-squared test of a known standard deviation, with a false alarm once in 1e5 runs."""
    statistic = np.sum((values - values.mean()) ** 2) / sigma**2
    low, high = chi2.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], len(values) - 1)
    assert low < statistic < high


def test_planted_gain_and_offset_have_their_size():
    quiet = OWN.model_copy(update={"noise": False})
    readout = _readout(_model(sense={"gain_sigma": 0.02, "offset_sigma": 3e-11, "low": -1e-9}), quiet)
    _, values = _read(readout, np.stack([np.zeros(COLUMNS), np.full(COLUMNS, 2e-9)]))
    _check_sigma(values[0], 3e-11)
    _check_sigma((values[1] - values[0]) / 2e-9, 0.02)


def test_planted_noise_has_its_size():
    readout = _readout(_model(sense={"noise": 2e-11, "low": -1e-9}))
    values = _read(readout, np.full((50, COLUMNS), 2e-9))[1]
    shot = 1.602176634e-19 / 1e-5 * 2e-9
    _check_sigma(values.ravel(), np.sqrt(4e-22 + shot))


def test_planted_converter_errors_have_their_size():
    quiet = OWN.model_copy(update={"noise": False})
    sweep = np.repeat(np.linspace(1e-9, 5e-9, 801)[:, None], COLUMNS, axis=1)
    codes, values = _read(_readout(_model(sense={}, convert={"offset_sigma": 0.7}), quiet), sweep)
    # The mean over a sweep of many whole steps takes rounding out.
    _check_sigma((values - sweep).mean(axis=0) / 1e-10, 0.7)
    assert codes.min() >= 0 and codes.max() <= 63


def test_integral_nonlinearity_moves_one_transition():
    inl = np.zeros(63)
    inl[20] = 0.4
    quiet = OWN.model_copy(update={"noise": False})
    readout = _readout(_model(sense={}, convert={"inl": tuple(inl)}), quiet, columns=2)
    codes, _ = _read(readout, [[20.45e-10, 20.55e-10], [20.85e-10, 20.95e-10]])
    assert codes.tolist() == [[20, 20], [20, 21]]


def test_the_range_clips_and_the_static_curve_bends():
    quiet = OWN.model_copy(update={"noise": False})
    readout = _readout(_model(sense={"deviation": (0.0, 0.1, 0.0)}), quiet, columns=4)
    _, values = _read(readout, [[-1e-9, 1.575e-9, 3.15e-9, 9e-9]])
    assert values[0] == pytest.approx([0.0, 1.575e-9 + 0.315e-9, 3.15e-9 + 0.63e-9, 6.3e-9])


def test_pairs_are_converted_apart_and_subtracted():
    quiet = OWN.model_copy(update={"noise": False})
    layout = Layout("differential", np.ones(1), 4e-12, 2e-10)
    readout = _readout(_model(sense={}, convert={}), quiet, layout, columns=2)
    codes, values = _read(readout, [[20.4e-10, 10.4e-10], [9e-9, 0.0]])
    assert codes[:, 0].tolist() == [10, 63]
    assert values[:, 0] == pytest.approx([10e-10, 63e-10])


def test_integrators_are_fitted_by_time_and_others_by_four_times_their_gain():
    fitted = ReadSettings()
    slow = _readout(_model(sense={"integrates": True, "high": 64e-9}), fitted)
    assert slow.scale == pytest.approx(1.6e-9 / 64e-9) and slow.time == pytest.approx(1e-5 / slow.scale)
    other = _readout(_model(sense={"high": 64e-9}), fitted)
    assert other.scale == 0.25 and other.time == 1e-5 and other.high == 16e-9
    with pytest.raises(SettingsError, match=r"measured with currents up to 1e-10 A; the columns carry up to 1\.6e-09"):
        _readout(_model(sense={"high": 1e-10}), fitted)


@pytest.mark.parametrize("topology", ["crossbar", "nor1t"])
def test_an_error_of_the_virtual_ground_is_that_of_a_read_at_that_voltage(fast, topology):
    """The affine form against the engine with its columns held at the error, through the default wires."""
    from dataclasses import replace

    rng = np.random.default_rng(4)
    conductance = rng.uniform(4e-12, 1.4e-10, (32, 16))
    circuit = array_circuit(conductance, CARD, ReadSettings(topology=topology))
    error = 5e-3 * rng.standard_normal(16)
    drive = circuit.drive_rows(CARD.vmm_voltage * (rng.random((20, 32)) < 0.4))
    ideal = fast.read(circuit, drive).currents
    moved = fast.read(circuit, replace(drive, sense=error)).currents
    slope, leak = ground_error(circuit, CARD.vmm_voltage, error)
    assert np.max(np.abs(moved - ideal)) > 1e-2 * ideal.max()
    assert np.max(np.abs(slope * ideal + leak - moved)) < 2e-4 * ideal.max()


def test_calibration_takes_gain_and_ground_out(fast):
    model = _model(sense={"gain_sigma": 0.05, "ground_sigma": 5e-3, "integrates": True}, convert={"bits": 8})
    single = ReadSettings(noise=False, scheme="offset", verify_tolerance=0.0, rounded=False)
    plain = _product(single, model, fast)
    known = _product(single.model_copy(update={"calibration": "linear"}), model, fast)
    assert known.error < 0.6 * plain.error


@pytest.mark.parametrize(("integrates", "window"), [(False, 2e-6), (True, 2e-6 * 6.3 / 1.6)])
def test_shot_noise_is_averaged_over_the_circuits_own_window(integrates, window):
    """A TIA's by its bandwidth, however small the currents; an integrator's window grows as its range shrinks."""
    model = _model(sense={"integrates": integrates, "averaging": 2e-6, "time": 1e-5})
    readout = _readout(model, ReadSettings())
    assert readout.behaviour.shot == pytest.approx(elementary_charge / window)
    assert readout.time == pytest.approx(window + 8e-6 if integrates else 1e-5)
    plain = _readout(_model(sense={"time": 1e-5}))
    assert plain.behaviour.shot == pytest.approx(elementary_charge / 1e-5)
