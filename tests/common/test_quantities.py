import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.quantities import Metres, Number, Volts
from ftj_spice.common.settings import Strict


class Model(Strict):
    length: Metres = 0.0
    voltage: Volts = 0.0
    ratio: Number = 0.0


@settings(deadline=None)  # the first one reads the table of units
@given(st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6))
def test_a_length_in_micrometres_is_read_in_metres(value):
    assert math.isclose(Model.parse({"length": f"{value!r} um"}, "x").length, 1e-6 * value, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"length": "8 mV"}, "'length': the unit 'mV' does not fit; it must be convertible to m"),
        ({"length": 8e-6}, "'length': the unit is missing: write it as in '8e-06 m'"),
        ({"length": "wide"}, "'length': write a number with a unit, such as '1 m'"),
        ({"voltage": True}, "'voltage': Input should not be true or false"),
        ({"voltage": ["1 V"]}, "'voltage': write a number with a unit in quotes, such as '1 V'"),
        ({"ratio": "3 V"}, "'ratio': the unit 'V' does not fit; it must be convertible to a pure number"),
        ({"voltage": "__import__('os')"}, "'voltage': write a number with a unit"),
        ({"voltage": "1 9**9**9 V"}, "'voltage': the unit '9**9**9 V' can't be read"),
        ({"voltage": "0{"}, "'voltage': the unit '{' can't be read"),
    ],
)
def test_what_is_no_quantity_of_this_kind_is_told_by_name(data, said):
    with pytest.raises(SettingsError) as error:
        Model.parse(data, "file.toml")
    assert str(error.value).startswith(f"file.toml: {said}")


def test_pure_numbers_may_be_numbers_or_percentages():
    assert Model.parse({"ratio": 0.25}, "x").ratio == Model.parse({"ratio": "25 %"}, "x").ratio == 0.25
