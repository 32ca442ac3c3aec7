"""Conduction laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.device.conduction import LinearLaw, SinhLaw

LAWS = [LinearLaw(), SinhLaw(0.22, 0.5), SinhLaw(0.05, 0.3)]


@pytest.mark.parametrize("law", LAWS)
def test_conductance_is_defined_at_the_read_voltage(law):
    v = getattr(law, "read_voltage", 0.5)
    assert law.current(3e-9, v) == pytest.approx(3e-9 * v, rel=1e-12)


def test_nominal_nonlinearity():
    law = SinhLaw(0.22, 0.5)
    assert law.current(1.0, 1.0) / law.current(1.0, 0.5) == pytest.approx(9.81, abs=0.01)


@pytest.mark.parametrize("law", LAWS)
@given(v=st.floats(-2.0, 2.0), g=st.floats(1e-12, 1e-3))
def test_odd_monotone_and_its_slope(law, v, g):
    assert law.current(g, -v) == pytest.approx(-law.current(g, v), rel=1e-12)
    h = 1e-6
    numeric = (law.current(g, v + h) - law.current(g, v - h)) / (2 * h)
    assert law.slope(g, v) == pytest.approx(numeric, rel=1e-5)
    assert law.slope(g, v) > 0


@pytest.mark.parametrize("law", LAWS)
def test_broadcasting(law):
    g, v = np.full((3, 1), 1e-9), np.linspace(0, 1, 4)
    assert law.current(g, v).shape == law.slope(g, v).shape == (3, 4)
    law.slope(g, v)[0, 0] = 1.0  # an array of its own
    assert np.all(g == 1e-9)
