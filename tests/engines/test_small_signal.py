"""Small-signal and noise analyses against closed forms."""

import math

import numpy as np
import pytest

from ftj_spice.engines.errors import EngineError
from ftj_spice.engines.protocol import Noise, SmallSignal, Transient

BOLTZMANN = 1.380649e-23
R, C = 10e3, 1e-9
LOW_PASS = f"""* RC low-pass
.temp 26.85
v1 in 0 dc 0 ac 1
r1 in out {R}
c1 out 0 {C}
.save v(out) onoise_spectrum inoise_spectrum
.end
"""


def test_low_pass_is_complex_and_follows_its_law(engine):
    with engine.open(LOW_PASS) as session:
        result = session.run(SmallSignal(10.0, 1e7, 20), ["frequency", "v(out)"])
    f = result["frequency"].real
    assert f[0] == pytest.approx(10.0) and f[-1] >= 1e7 * 10 ** (-1 / 20)
    assert result["v(out)"].dtype == complex
    np.testing.assert_allclose(result["v(out)"], 1.0 / (1.0 + 2j * np.pi * f * R * C), rtol=1e-6)


def test_a_resistors_noise_is_thermal_and_a_capacitor_bounds_it(engine):
    with engine.open(LOW_PASS) as session:
        result = session.run(Noise(1e-1, 1e9, 50, "v(out)", "v1"), ["frequency", "onoise_spectrum", "inoise_spectrum"])
    f, out = result["frequency"], result["onoise_spectrum"]
    white = math.sqrt(4.0 * BOLTZMANN * 300.0 * R)
    np.testing.assert_allclose(result["inoise_spectrum"], white, rtol=1e-4)
    np.testing.assert_allclose(out, white / np.sqrt(1.0 + (2.0 * np.pi * f * R * C) ** 2), rtol=1e-4)
    total = np.trapezoid(out**2, f)
    assert total == pytest.approx(BOLTZMANN * 300.0 / C, rel=2e-3)


def test_analyses_take_turns_on_one_netlist(engine):
    with engine.open(LOW_PASS) as session:
        first = session.run(Noise(1.0, 1e6, 5, "v(out)", "v1"), ["onoise_spectrum"])["onoise_spectrum"]
        ramp = session.run(Transient(1e-6, 1e-4, 1e-6), ["time", "v(out)"])
        gain = session.run(SmallSignal(1.0, 1e6, 5), ["v(out)"])["v(out)"]
        again = session.run(Noise(1.0, 1e6, 5, "v(out)", "v1"), ["onoise_spectrum"])["onoise_spectrum"]
        session.alter(r1=4 * R)
        more = session.run(Noise(1.0, 1e6, 5, "v(out)", "v1"), ["onoise_spectrum"])["onoise_spectrum"]
    assert ramp["time"][-1] == pytest.approx(1e-4)
    assert abs(gain[0]) == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_array_equal(first, again)
    assert more[0] == pytest.approx(2.0 * first[0], rel=1e-3)


def test_many_noise_runs_are_stacked(engine):
    with engine.open(LOW_PASS) as session:
        result = session.run_many(
            Noise(1.0, 10.0, 5, "v(out)", "v1"), ["onoise_spectrum"], ["r1"], np.array([[R], [4 * R]])
        )
    one, four = result["onoise_spectrum"]
    np.testing.assert_allclose(four, 2.0 * one, rtol=1e-3)


@pytest.mark.parametrize("source", ["v1 dec 1 1 1\nquit", "", "1v"])
def test_source_of_noise_is_an_elements_name(engine, source):
    with engine.open(LOW_PASS) as session, pytest.raises(EngineError, match="no element's name"):
        session.run(Noise(1.0, 10.0, 5, "v(out)", source), ["onoise_spectrum"])


@pytest.mark.parametrize("output", ["out", "v(out) v1\nquit", "v()", "i(v1)"])
def test_output_of_noise_is_a_voltage(engine, output):
    with engine.open(LOW_PASS) as session, pytest.raises(EngineError, match="no voltage whose noise"):
        session.run(Noise(1.0, 10.0, 5, output, "v1"), ["onoise_spectrum"])


def test_a_source_that_is_not_there_is_told(engine):
    with engine.open(LOW_PASS) as session, pytest.raises(EngineError):
        session.run(Noise(1.0, 10.0, 5, "v(out)", "v7"), ["onoise_spectrum"])
