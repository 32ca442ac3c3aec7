"""Piecewise-linear voltages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.device.waveform import LARGEST_RAMP, Waveform


def test_a_pulse_train_has_its_corners():
    wave = Waveform.pulses([3.0, -2.0], width=1e-6, edge=1e-7, gap=5e-7)
    np.testing.assert_allclose(
        wave.times, np.array([0, 5, 6, 16, 17, 22, 23, 33, 34, 39]) * 1e-7, atol=1e-20
    )  # fmt: skip
    assert wave.voltages.tolist() == [0, 0, 3, 3, 0, 0, -2, -2, 0, 0]
    assert wave.duration == pytest.approx(3.9e-6)
    assert wave.at(np.array([5.5e-7]))[0] == pytest.approx(1.5)


@pytest.mark.parametrize("periods", [0.25, 1.0, 2.5])
def test_a_triangle_is_periodic(periods):
    wave = Waveform.triangle(2.0, 1e3, periods)
    assert wave.duration == pytest.approx(periods * 1e-3)
    assert len(wave.times) == round(4 * periods) + 1
    t = np.linspace(0, wave.duration, 101)
    expected = 2.0 * (2 / np.pi) * np.arcsin(np.sin(2 * np.pi * 1e3 * t))
    np.testing.assert_allclose(wave.at(t), expected, atol=1e-9)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=5), st.floats(1e-8, 1e-3), st.floats(1e-9, 1e-4), st.integers(0, 50)
)
def test_the_grid_holds_the_corners_and_resolves_the_ramps(amplitudes, width, edge, points):
    wave = Waveform.pulses(amplitudes, width, edge, width)
    grid = wave.grid(points)
    assert np.all(np.diff(grid) > 0)
    assert np.all(np.isin(wave.times, grid))
    assert (grid[0], grid[-1]) == (0.0, wave.duration)
    assert np.abs(np.diff(wave.at(grid))).max() <= LARGEST_RAMP * (1 + 1e-6)


@pytest.mark.parametrize(("times", "voltages"), [
    ([0.0], [1.0]), ([0.0, 1.0], [1.0]), ([0.1, 1.0], [0.0, 0.0]), ([0.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
])  # fmt: skip
def test_malformed_corners_are_refused(times, voltages):
    with pytest.raises(ValueError, match="waveform"):
        Waveform(np.array(times), np.array(voltages))
