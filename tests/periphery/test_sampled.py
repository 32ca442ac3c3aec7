"""Samples through transistors: a chain that integrates over a window, the states of traps, and a column in ngspice."""

import numpy as np
import pytest

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.traps import TrapHistory
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import load_chain
from ftj_spice.periphery.rig import Condition
from ftj_spice.periphery.sampled import FlickeringColumn, integrates, lengthened, read_samples

CARD = load_card("hzo_mfis_nominal")
CHAIN = load_chain("integrator_sar")
WINDOW, PAUSE, LSB = 1e-3, 1e-5, 2e-12


def _column(**changes):
    rows = 4
    values = {
        "chain": lengthened(CHAIN, "generic", WINDOW, PAUSE, LSB), "number": 0,
        "conductance": np.full(rows, CARD.off_conductance), "amplitude": np.full(rows, 0.1),
        "reference": np.zeros(3), "occupancy": np.full(rows, 0.5),
    }  # fmt: skip
    return FlickeringColumn(**(values | changes))


def test_a_longer_window_moves_the_clocks_and_sizes_the_capacitor():
    chain = lengthened(CHAIN, "generic", WINDOW, PAUSE, LSB)
    sense, convert = chain.sense, chain.convert
    assert chain.period == pytest.approx(WINDOW + PAUSE)
    assert sense.clocks["hold"].begin - sense.clocks["sample"].end == pytest.approx(WINDOW)
    assert sense.clocks["reset"].begin == sense.clocks["sample"].begin == 0.0
    assert sense.clocks["hold"].end == pytest.approx(chain.period)
    before, after = CHAIN.sense.clocks["hold"].begin, sense.clocks["hold"].begin
    for old, new in ((CHAIN.sense.output_at, sense.output_at), (CHAIN.convert.bits_at, convert.bits_at)):
        assert new - after == pytest.approx(old - before)
    assert convert.clocks["clk"].count == 6 and convert.clocks["clk"].every == CHAIN.convert.clocks["clk"].every
    charge = CHAIN.lsb * (CHAIN.sense.clocks["hold"].begin - CHAIN.sense.clocks["sample"].end)
    assert chain.parameters("sense")["c_int"] / CHAIN.parameters("sense")["c_int"] == pytest.approx(
        LSB * WINDOW / charge
    )
    assert CHAIN.period < 2e-5  # the chain itself is as it was


def test_what_does_not_integrate_or_has_no_time_for_it_is_told():
    assert integrates(CHAIN) and not integrates(load_chain("tia"))
    with pytest.raises(SettingsError, match="'tia' does not integrate"):
        lengthened(load_chain("tia"), "generic", WINDOW, PAUSE, LSB)
    for window, pause in ((5e-6, 1e-5), (1e-3, 1e-6)):
        with pytest.raises(SettingsError, match=r"raise sample\.time or sample\.reset_fraction"):
            lengthened(CHAIN, "generic", window, pause, LSB)


def test_states_of_a_stretch_are_those_of_the_history():
    times = np.array([1.0, 2.0, 2.0 + 1e-6, 3.5, 5.0])
    history = TrapHistory(np.array([0, 1]), times, np.array([0, 0, 0, 1, 0]), np.array([1, 0, 1, 0, 0]), 6.0)
    column = _column(history=history, edge=1e-3)
    for trap, begin, end in ((0, 0.5, 4.0), (0, 1.5, 5.5), (1, -1.0, 6.0)):
        corners = np.array(column.corners(trap, begin, end))
        assert np.all(np.diff(corners[:, 0]) > 0) and corners[0, 0] == 0.0
        for moment in np.arange(max(begin, 0.0) + 0.05, end, 0.1):
            if np.min(np.abs(times - moment)) > 0.01:
                found = np.interp(moment - begin, corners[:, 0], corners[:, 1])
                assert found == history.state_at(trap, np.array([moment]))[0]
    still = _column()
    assert still.corners(2, 0.0, 1.0) == [[0.0, 0.5]]


def test_columns_must_have_equally_many_samples():
    with pytest.raises(DataError, match="equally many samples"):
        read_samples(Condition(load_process("generic"), "tt", 300.0), CARD, [], 1.5, None)
    with pytest.raises(DataError, match="equally many samples"):
        columns = [_column(), _column(reference=np.zeros(2))]
        read_samples(Condition(load_process("generic"), "tt", 300.0), CARD, columns, 1.5, None)


def test_transistors_integrate_the_traps_of_their_window():
    """A trap that is filled for a part of each window: codes follow the mean over it, chunks or not."""
    rows, base = 4, CARD.conduction.current(np.array([CARD.off_conductance]), CARD.rtn_voltage)[0]
    period = WINDOW + PAUSE
    # Window n ends at n + 1 periods; the trap is filled over the last 80, 50 and 20 % of them.
    shares = np.array([0.8, 0.5, 0.2])
    ends = period * np.arange(1, 4)
    times = np.sort(np.concatenate([ends - shares * WINDOW, ends]))
    history = TrapHistory(np.zeros(rows, int), times, np.zeros(6, int), np.tile([1, 0], 3), 3 * period)
    amplitude = np.full(rows, 0.25)
    reference = rows * base - 40.0 * LSB * np.ones(3)
    column = _column(history=history, amplitude=amplitude, reference=reference, edge=1e-7)
    with NgspiceEngine(2) as engine:
        condition = Condition(load_process("generic"), "tt", 300.0)
        found = read_samples(condition, CARD, [column], CARD.rtn_voltage, engine, chunk=2)
    lost = shares * 0.25 * base / LSB
    assert lost[0] > 5.0
    # The bit line's error shifts all codes alike; a step of rounding is left on each.
    assert np.ptp(found.codes[:, 0] + lost) <= 1.5
    assert np.all(np.abs(found.codes[:, 0] + lost - 40.0) < 4.0)
    assert np.all(np.abs(found.ground) < 1e-3) and len(found.netlists) == 1
