"""Every packaged chain of transistors from the bit line to the code, in both processes."""

import numpy as np
import pytest
from rig_support import PROCESSES, condition_of

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.periphery.chain import Convert, available_chains, load_chain
from ftj_spice.periphery.own_benches import integrator_settings
from ftj_spice.periphery.readout import read_columns

CHAINS = [name for name in available_chains() if load_chain(name).convert is not None]
PARTS = np.array([0.43, 0.92, 0.0])
"""Currents of the reads, in parts of full scale: up and down, so that what a read leaves behind would show."""
ROWS = 8


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_counts_its_currents(ngspice, name, process):
    chain = load_chain(name)
    card = load_card(chain.card)
    # Rows whose currents are 1, 2, 4 ... parts: each read's sum is the nearest whole number of parts.
    weights = 2.0 ** np.arange(ROWS)
    g = (chain.full_scale / card.vmm_voltage * weights / weights.sum())[:, np.newaxis]
    rows = (np.rint(PARTS * weights.sum()).astype(int)[:, np.newaxis] >> np.arange(ROWS)) & 1
    v = card.vmm_voltage * rows
    reads = read_columns(chain, condition_of(process), card, g, v, ngspice)
    steps = (v @ g)[:, 0] / chain.lsb
    codes = reads.codes[:, 0]
    assert np.all(np.abs(codes - chain.ideal_code(chain.lsb * steps)) <= 2)  # as it was designed
    slope, zero = np.polyfit(steps, codes, 1)
    assert abs(slope - 1.0) < 0.05
    assert np.all(np.abs(np.polyval([slope, zero], steps) - codes) <= 1.0)  # calibrated
    assert len(reads.codes) == len(PARTS)
    assert all(values.sum() >= 0.0 for values in reads.energies.values())


def convert(**changes):
    base = {"variant": "flash4", "input": "vin", "bits": [f"t{k}" for k in range(1, 16)], "bits_at": "1 us"}
    return Convert.parse(base | changes, "test")


def test_a_thermometers_code_is_the_number_of_ports_that_are_high():
    block = convert(code="thermometer")
    assert block.resolution == 4
    levels = np.arange(15)[:, np.newaxis] < np.array([0, 1, 7, 15])
    assert block.codes(levels).tolist() == [0, 1, 7, 15]
    bubble = levels.copy()
    bubble[[6, 7], 2] = [False, True]  # a comparator off by more than a step
    assert block.codes(bubble).tolist() == [0, 1, 7, 15]
    assert convert(code="thermometer", falls=True).codes(levels).tolist() == [15, 14, 8, 0]


def test_a_binary_code_has_its_most_significant_bit_first():
    block = convert(bits=["d2", "d1", "d0"])
    levels = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0]], bool)
    assert block.resolution == 3
    assert block.codes(levels).tolist() == [6, 1, 4]
    assert convert(bits=["d2", "d1", "d0"], falls=True).codes(levels).tolist() == [1, 6, 3]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"code": "thermometer", "bits": ["t1", "t2"]}, "3, 7, 15 ... ports, not 2"),
        ({"code": "thermometer", "bits": ["t1", "t2", "t3", "t4"]}, "not 4"),
        ({"bits": [f"d{k}" for k in range(17)]}, "16 ports at most, not 17"),
        ({"code": "gray"}, "code"),
        ({"load": "5 V"}, "load"),
    ],
)
def test_ports_that_make_no_code_are_refused(changes, text):
    with pytest.raises(SettingsError, match=text):
        convert(**changes)


def test_a_longer_window_reads_smaller_currents(ngspice, tmp_path):
    """What a macromodel's range rests on: its errors are charges, and keep their part of it as the window grows."""
    chain = load_chain("integrator_sar")
    card = load_card(chain.card)
    factor, more = 30.0, 290e-6
    late = {"begin", "end"}

    def moved(clock):
        own = clock.model_dump()
        return clock.model_copy(update={k: own[k] + more for k in late if own[k] > 5e-6})

    longer = {
        kind: block.model_copy(update={"clocks": {port: moved(clock) for port, clock in block.clocks.items()}})
        for kind, block in chain.blocks.items()
    }
    slow = chain.model_copy(
        update={
            "full_scale": chain.full_scale / factor,
            "period": chain.period + more,
            "step": 10.0 * chain.step,
            "sense": longer["sense"].model_copy(update={"output_at": chain.sense.output_at + more}),
            "convert": longer["convert"].model_copy(update={"bits_at": chain.convert.bits_at + more}),
        }
    )
    g = np.full((ROWS, 1), chain.full_scale / card.vmm_voltage / ROWS)
    v = card.vmm_voltage * (np.arange(ROWS) < np.array([[0], [7]]))
    condition = condition_of(mismatch=(0, 0))
    fast = read_columns(chain, condition, card, g, v, ngspice)
    found = read_columns(slow, condition, card, g / factor, v, ngspice)
    swing = np.ptp(fast.outputs)
    assert swing > 0.7
    assert np.allclose(found.outputs, fast.outputs, atol=0.015 * swing)  # it settles better, too
    assert np.all(np.abs(found.codes - fast.codes) <= 1)


@pytest.mark.parametrize(("name", "collects"), [("integrator_sar", True), ("tia_reset_sar", False), ("tia_sar", None)])
def test_an_amplifier_that_is_clocked_like_an_integrator_is_none(name, collects):
    settings = integrator_settings(load_chain(name))
    assert (settings is None) == (collects is None)
    if settings is not None:
        assert (settings.time_constant is None) == collects
        assert settings.averaging < settings.window or collects
