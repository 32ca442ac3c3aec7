import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.results.units import PREFIXES, engineering, grouped, scale_for, takes_prefix


@pytest.mark.parametrize(
    ("value", "unit", "digits", "text"),
    [
        (102e-12, "A", 3, "102 pA"),
        (1.5, "V", 3, "1.50 V"),
        (5e-3, "s", 3, "5.00 ms"),
        (5e-3, "s", 1, "5 ms"),
        (-2.5e-9, "A", 2, "-2.5 nA"),
        (999.96e-6, "s", 3, "1.00 ms"),
        (999.4, "Hz", 3, "999 Hz"),
        (123456.0, "Ω", 2, "120 kΩ"),
        (0.0, "A", 3, "0 A"),
        (-0.0, "A", 3, "0 A"),
        (1e-6, "s", 3, "1.00 µs"),
        (1e-6, "V^2", 3, "1e-06 V^2"),
        (1.234e-6, "m²", 3, "1.23e-06 m²"),
        (2.5e-7, "A/V", 3, "250 nA/V"),
        (0.25, "%", 3, "0.250 %"),
        (12.5, "", 3, "12.5"),
        (0.0123, "1", 3, "0.0123"),
        (math.nan, "A", 3, "nan A"),
        (math.inf, "A", 3, "inf A"),
        (1e40, "A", 3, "1.00e+40 A"),
        (1e-40, "A", 3, "1.00e-40 A"),
    ],
)
def test_engineering(value, unit, digits, text):
    assert engineering(value, unit, digits) == text


@given(st.floats(1e-29, 1e29), st.integers(1, 8), st.sampled_from([1, -1]))
def test_engineering_keeps_the_value_to_its_digits(magnitude, digits, sign):
    value = sign * magnitude
    number, unit = engineering(value, "A", digits).split(" ")
    power = next(power for power, prefix in PREFIXES.items() if prefix + "A" == unit)
    assert float(number) * 10.0**power == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits))
    assert 1 <= abs(float(number)) < 1000


@given(st.lists(st.floats(-1e25, 1e25), min_size=1, max_size=20))
def test_scale_shows_the_largest_between_one_and_a_thousand(values):
    scale = scale_for(values, "A")
    largest = np.max(np.abs(scale(values)))
    if np.max(np.abs(values)) > 1e-30:
        assert 1 - 1e-9 <= largest < 1000
    assert scale(values) * scale.factor == pytest.approx(np.array(values), rel=1e-12)


def test_scale_labels():
    assert scale_for([1e-9, np.nan, np.inf], "A").label("current") == "current (nA)"
    assert scale_for([1e-9], "").label("pre-activation") == "pre-activation"
    assert scale_for([1e-9], "V^2").unit == "V^2"
    assert scale_for([], "V").unit == "V"


def test_prefixes_only_where_they_mean_what_they_say():
    assert all(takes_prefix(unit) for unit in ("A", "V", "Ω", "A/m^2", "V·s", "V/√Hz", "C"))
    assert not any(takes_prefix(unit) for unit in ("V^2", "V²/Hz", "m²", "1/V", "%", "", "1", "dB", "V**2"))


def test_no_digits_is_refused_and_numbers_are_grouped():
    with pytest.raises(ValueError, match="digits"):
        engineering(1.0, "A", 0)
    assert grouped(1234567).split("\u202f") == ["1", "234", "567"]
