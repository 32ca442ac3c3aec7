"""Converters that give no code: told with chain, column and time."""

import numpy as np
import pytest
from rig_support import CARD

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.engines.errors import EngineError
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import load_chain
from ftj_spice.periphery.conversion import ConversionError, check_codes, done_node
from ftj_spice.periphery.power import driven, given
from ftj_spice.periphery.readout import read_columns
from ftj_spice.periphery.rig import Condition

CHAIN = load_chain("integrator_sar")
PERIOD, TOP = CHAIN.period, 1.8


@pytest.fixture
def broken(tmp_path):
    """A copy of the chain whose converter has another template or other settings of its clocks."""

    def make(chain=None, template=None):
        sar = load_variant("sar6")
        toml = (sar.folder / "sar6.toml").read_text().replace('name = "sar6"', 'name = "sar_broken"')
        (tmp_path / "sar_broken.toml").write_text(toml)
        text = sar.text()
        for old, new in (template or {}).items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "sar_broken.cir.j2").write_text(text)
        text = (CHAIN.folder / "integrator_sar.toml").read_text().replace('"sar6"', '"sar_broken"')
        for old, new in (chain or {}).items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "mine.toml").write_text(text.replace('name = "integrator_sar"', 'name = "mine"'))
        return load_chain(tmp_path / "mine.toml")

    return make


@pytest.mark.parametrize(
    ("change", "text"),
    [
        # One clock too few: six bits are not decided.
        ({"chain": {"count = 6": "count = 5"}}, r"'done' is low when the code is read, 26\.25 us into the transient"),
        # Bit 3 hangs on two resistors instead of its latch.
        (
            {
                "template": {
                    "[d5 d4 d3 d2 d1 d0 done]": "[d5 d4 idle d2 d1 d0 done]",
                    "a_out [q5": "r_up d3 vdd 10000\nr_down d3 0 10000\na_out [q5",
                }
            },
            r"bit 'd3' stands at 0\.9 V of 1\.8 V when the code is read, 26\.25 us",
        ),
        # The comparator's decision never reaches the latches: every code is 0 whatever the input.
        (
            {"template": {"a_latch{{ k }} s_keep open": "a_latch{{ k }} zero open"}},
            r"code 0 is read 26\.25 us .* stands for about 6[0-3] of 63: the code sticks",
        ),
    ],
)
def test_a_broken_converter_is_told(ngspice, broken, change, text):
    chain = broken(**change)
    g = np.full((4, 1), CHAIN.full_scale / CARD.vmm_voltage / 4)
    condition = Condition(load_process("generic"), "tt")
    with pytest.raises(ConversionError, match=rf"chain 'mine', column 0: .*{text}") as told:
        read_columns(chain, condition, CARD, g, np.full((1, 4), CARD.vmm_voltage), ngspice)
    assert isinstance(told.value, EngineError) and isinstance(told.value, FtjSpiceError)


def waves(done, bits=0.0):
    """A transient of two reads; the first only stands before the other."""
    time = np.linspace(0.0, 2 * PERIOD, 2001)
    vectors = {"time": time, "v(convert_done)": np.interp(time, *np.array(done).T)}
    vectors |= {f"v(convert_{port})": np.full_like(time, bits) for port in CHAIN.convert.bits}
    return vectors


def check(done, codes=0, volts=0.4, bits=0.0):
    check_codes(CHAIN, waves(done, bits), np.array([PERIOD]), np.array([volts]), np.array([codes]), TOP, "here")


PULSE = [(0.0, TOP), (PERIOD + 11e-6, TOP), (PERIOD + 11.01e-6, 0.0), (PERIOD + 12.98e-6, 0.0), (PERIOD + 13e-6, TOP)]


def test_codes_that_were_made_pass():
    assert done_node(CHAIN) == "convert_done"
    check(PULSE)
    check([*PULSE[:-1], (PERIOD + 13e-6, 0.0)], codes=63, volts=1.39, bits=TOP)  # the largest code may end silently


@pytest.mark.parametrize(
    ("done", "more", "text"),
    [
        ([(0.0, TOP), (1.0, TOP)], {}, "'done' is high all the time .* no conversion has begun"),
        ([(0.0, 0.0), (1.0, 0.0)], {}, "'done' is low when .* has not ended"),
        (PULSE, {"bits": 0.9}, "bit 'd5' stands at 0.9 V of 1.8 V"),
        (PULSE, {"bits": np.nan}, "bit 'd5' stands at nan V"),
        (PULSE, {"volts": 1.39}, "code 0 is read .* stands for about 62 of 63"),
        (PULSE, {"codes": 40, "volts": 0.4}, "code 40 is read"),
    ],
)
def test_every_way_to_stick_is_told(done, more, text):
    with pytest.raises(ConversionError, match=f"^here: {text}"):
        check(done, **more)


def test_supplies_get_back_what_flows_back_and_drivers_do_not():
    time = np.array([0.0, 1.0, 2.0, 3.0])
    current = np.array([-1.0, -1.0, 1.0, 1.0])  # gives for 1.5 s, takes for 1.5 s
    assert given(time, current, 2.0, 0.0, 1.0) == pytest.approx(2.0)
    assert given(time, current, 2.0, 0.0, 3.0) == 0.0
    assert given(time, current, 2.0, 1.0, 3.0) == 0.0
    # The trapezoidal rule sees the clipped current: 1 A until 1 s, then down to 0 within a second.
    assert driven(time, current, 2.0, 0.0, 3.0) == pytest.approx(2.0 * 1.5)
    # A capacitance that is charged and discharged costs C V^2.
    charge_in = np.array([0.0, -1e-3, -1e-3, 0.0, 0.0, 1e-3, 1e-3, 0.0])
    when = np.array([0.0, 1e-9, 1e-6, 1.001e-6, 2e-6, 2.001e-6, 3e-6, 3.001e-6])
    assert driven(when, charge_in, 1.8, 0.0, 3.001e-6) == pytest.approx(1.8 * 1e-9, rel=1e-3)
    assert given(when, charge_in, 1.8, 0.0, 3.001e-6) == pytest.approx(0.0, abs=1e-20)
