"""The three witnesses of one device held to each other: static currents, write transients, trap noise."""

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.traps import Traps, draw_candidates, simulate
from ftj_spice.device.waveform import Waveform
from ftj_spice.engines.errors import EngineError, EngineNotFoundError
from ftj_spice.engines.witness import NumpyWitness, open_witness

NOMINAL = load_card("hzo_mfis_nominal")
VOLTAGES = np.array([-4.0, -2.5, -1.0, -0.5, -0.05, -1e-3, 1e-3, 0.05, 0.5, 1.0, 1.5, 3.0, 4.0])
STATIC_TOLERANCE = 1e-6
"""Relative; the benches ask ngspice for reltol 1e-9 and VACASK for as much, and no gmin."""
ABSTOL = 1e-21
"""What the benches ask of both simulators in A; it shows below 1 fA only."""
WRITE_TOLERANCE = 0.01
"""In parts of P_r; both benches ask for a relative tolerance of 1e-4 and 400 steps or more."""


@pytest.fixture(scope="module", params=["ngspice", "vacask", "ngspice verilog-a"])
def witness(request):
    name, _, model = request.param.partition(" ")
    try:
        opened = open_witness(name, model or "subcircuit")
    except EngineNotFoundError as error:
        pytest.skip(str(error))
    with opened:
        try:
            opened.static(NOMINAL, np.array([1.0]), 0.0)
        except EngineError as error:
            if "built without OSDI" not in str(error):
                raise
            pytest.skip(str(error))
        yield opened


@pytest.mark.parametrize("law", ["sinh", "linear", "physical"])
@pytest.mark.parametrize("mixing", ["logarithmic", "parallel"])
@pytest.mark.parametrize("temperature", [250.0, 300.0, 400.0])
def test_static_currents_agree(witness, law, mixing, temperature):
    for area in (1e-14, 1e-12, 1e-10):
        card = NOMINAL.with_values(law=law, mixing=mixing, area=area, off_activation_energy=0.03)
        for s in (-1.0, -0.3, 0.5, 1.0):
            expected = NumpyWitness().static(card, VOLTAGES, s, temperature)
            found = witness.static(card, VOLTAGES, s, temperature)
            np.testing.assert_allclose(found, expected, rtol=STATIC_TOLERANCE, atol=ABSTOL)


def test_static_currents_hold_the_polarization_of_the_weakest_domains(witness):
    """A broad distribution reaches down to fields at which a domain would switch at once if it were let."""
    card = NOMINAL.with_values(activation_sigma=1.6e8)
    for s in (-1.0, 1.0):
        found = witness.static(card, VOLTAGES, s)
        np.testing.assert_allclose(found, NumpyWitness().static(card, VOLTAGES, s), rtol=STATIC_TOLERANCE, atol=ABSTOL)


def test_nothing_switches_without_a_field(witness):
    rest = Waveform(np.array([0.0, 1e-6]), np.zeros(2))
    run = witness.transient(NOMINAL.with_values(activation_sigma=1.2e8), rest, np.linspace(0.0, 1e-6, 11), 1.0)
    np.testing.assert_allclose(run.polarization, 1.0, atol=1e-6)


def test_a_card_without_rates_is_refused(witness):
    card = NOMINAL.with_values(switching="preisach")
    with pytest.raises(SettingsError, match="has no transient model"):
        witness.transient(card, Waveform.triangle(4.0, 1e4), np.array([0.0, 1e-5]))


def test_nothing_flows_at_0_volts(witness):
    for law in ("sinh", "physical"):
        current = witness.static(NOMINAL.with_values(law=law), np.array([0.0, 1.0]), 0.2)
        assert abs(current[0]) < 1e-20


CARDS = {
    "nominal": NOMINAL,
    "physical": NOMINAL.with_values(law="physical"),
    "depolarization": NOMINAL.with_values(interface_compensation=0.97),
    "imprint": NOMINAL.with_values(imprint_field=2e7),
    "broad": NOMINAL.with_values(activation_sigma=1.2e8),
    **{f"set {k}": load_card(f"switching_set_{k}") for k in "abcde"},
}


@pytest.mark.parametrize("name", CARDS)
def test_write_transients_agree(witness, name):
    card = CARDS[name]
    v = card.write_voltage
    waveform = Waveform.pulses([0.9 * v, -0.95 * v, v, -v, 0.7 * v], 1e-7 if v > 3.5 else 1e-6, 1e-9, 1e-7)
    times = np.linspace(0.0, waveform.duration, 700)
    for up in (0.0, 0.4):
        expected = NumpyWitness().transient(card, waveform, times, up)
        found = witness.transient(card, waveform, times, up)
        # s is 2 P_r wide for the whole loop: 0.01 in s is 1 % of P_r.
        np.testing.assert_allclose(found.polarization, expected.polarization, rtol=0, atol=WRITE_TOLERANCE)
        np.testing.assert_allclose(found.voltage, expected.voltage, rtol=0, atol=2e-3 * v)


def test_triangular_loops_agree(witness):
    waveform = Waveform.triangle(4.0, 1e4, 2)
    times = np.linspace(0.0, waveform.duration, 400)
    expected = NumpyWitness().transient(NOMINAL, waveform, times)
    found = witness.transient(NOMINAL, waveform, times)
    np.testing.assert_allclose(found.polarization, expected.polarization, rtol=0, atol=WRITE_TOLERANCE)


def test_switching_current_carries_the_polarization(witness):
    """The charge that flows in a switching pulse and not in the one after it is 2 A P_r times the switched part."""
    waveform = Waveform.pulses([3.5, 3.5], 1e-6, 1e-8, 5e-7)
    times = np.linspace(0.0, waveform.duration, 20001)
    card = NOMINAL.with_values(on_current_density=1e-3)
    run = witness.transient(card, waveform, times)
    half = len(times) // 2
    charges = [np.trapezoid(run.current[part], times[part]) for part in (slice(0, half), slice(half, None))]
    switched = [0.5 * np.ptp(run.polarization[part]) for part in (slice(0, half), slice(half, None))]
    for charge, part in zip(charges, switched, strict=True):
        assert charge == pytest.approx(2 * card.area * card.remanent_polarization * part, rel=0.02)


def test_noise_agrees(witness):
    traps = Traps.from_card(NOMINAL, 1)
    candidates = draw_candidates(traps, 0.05, (0.0, 2.0), 3, [(0,)], initial_voltage=1.5)
    history = simulate(candidates, np.array([0.0]), np.array([1.5]))
    times = np.linspace(0.0, 0.05, 2001)
    for s, tolerance in ((1.0, 1e-6), (-1.0, 5e-3)):  # in the OFF state the read itself moves the polarization
        expected = NumpyWitness().noise(NOMINAL, 1.5, s, history, times)
        found = witness.noise(NOMINAL, 1.5, s, history, times)
        late = times > 1e-3
        assert np.quantile(np.abs(found / expected - 1.0)[late], 0.97) < tolerance


def test_unknown_witness():
    with pytest.raises(SettingsError, match="unknown engine 'spice'; known: numpy, ngspice, vacask"):
        open_witness("spice")
