"""The same sequence in ngspice transients: pulse counts and final levels agree with the vectorised array."""

import numpy as np
import pytest
from writing_support import COARSE, problem

from ftj_spice.array.writing.sequence import program
from ftj_spice.array.writing.spice import NgspiceChip
from ftj_spice.array.writing.vector import VectorChip
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.switching import MeanState, MeanSwitching
from ftj_spice.netlist.dynamic import dynamic_cell
from ftj_spice.netlist.writing import WritePulse, write_bench


def both(shape, seed, **changes):
    card, settings, targets, devices = problem(shape, seed, **changes)
    fast = program(VectorChip(card, devices, settings, seed), targets, settings, seed)
    with NgspiceChip(card, devices, settings) as chip:
        return fast, program(chip, targets, settings, seed), chip


def test_one_cell_takes_the_same_pulses_to_the_same_level():
    fast, spice, chip = both((1, 1), 2)
    assert fast.status == spice.status == "ok"
    assert fast.pulses[0, 0] > 10
    assert np.array_equal(fast.pulses, spice.pulses)
    assert abs(fast.conductance - spice.conductance).max() / fast.step < 5e-3
    np.testing.assert_allclose(fast.energy, spice.energy, rtol=2e-3)
    assert chip.transients >= fast.pulses[0, 0] + 2
    assert spice.engine.startswith("ngspice")


def test_rows_of_four_take_the_same_pulses_to_the_same_levels():
    fast, spice, _ = both((2, 4), 1, **COARSE)
    assert fast.status == spice.status == "ok"
    assert fast.pulses.sum() > 30
    assert np.array_equal(fast.pulses, spice.pulses)
    assert np.abs(fast.conductance - spice.conductance).max() / fast.step < 0.02
    np.testing.assert_allclose(fast.read, spice.read, atol=0.02 * fast.step)
    np.testing.assert_allclose(fast.energy, spice.energy, rtol=0.01)


def test_half_selected_cells_move_as_in_the_vectorised_array():
    card, settings, _, devices = problem((2, 2), scheme="v2", groups=6, initial=0.0, spread=0.0)
    fast = VectorChip(card, devices, settings)
    written = np.array([True, False])
    with NgspiceChip(card, devices, settings) as spice:
        for chip in (fast, spice):
            for amplitude in (3.8, 4.2, -3.0):
                chip.pulse(0, amplitude, written, np.ones(2))
                if amplitude != 3.8:
                    chip.end_phase()
            chip.end_row()
        a, b = fast.polarization, spice.polarization
    assert a[1, 0] > -0.97  # the column's neighbour was disturbed
    assert a[1, 1] < -0.9999  # the cell elsewhere was not
    np.testing.assert_allclose(a, b, atol=8e-3)


def test_states_with_histories_are_carried_into_a_netlist():
    card, settings, _, devices = problem((1, 1), spread=0.0, initial=0.0, groups=4)
    model = MeanSwitching(card, groups=4)
    with NgspiceChip(card, devices, settings) as chip:
        for volts in (2.2, -1.9, 2.6):
            chip.pulse(0, volts, np.ones(1, bool), np.ones(1))
            for duration, begin, end in ((1e-8, 0.0, 1.0), (1e-6, 1.0, 1.0), (1e-8, 1.0, 0.0)):
                model.step(duration, begin * volts, end * volts)
        state: MeanState = model.state
        found = chip.states[0]
    np.testing.assert_allclose(found[0], state.up[0], atol=2e-3)
    np.testing.assert_allclose(found[1], state.towards_up[0], atol=2e-3)
    np.testing.assert_allclose(found[2], state.towards_down[0], atol=2e-3)
    assert found[1].max() > 0.02


@pytest.mark.parametrize(
    ("shape", "changes", "word"),
    [
        ((4, 9), {}, "hours"),
        ((1, 1), {"topology": "1t1f", "scheme": "inhibit"}, "passive"),
        ((1, 1), {"model": "domains"}, "mean"),
    ],
)
def test_what_ngspice_does_not_write_here_is_refused_before_it_starts(shape, changes, word):
    card, settings, _, devices = problem(shape, **changes)
    with pytest.raises(SettingsError, match=word):
        NgspiceChip(card, devices, settings)


def test_a_bench_without_line_resistance_has_one_node_per_line():
    card, settings, *_ = problem((1, 1))
    cells = [dynamic_cell(card, groups=2) for _ in range(6)]
    pulse = WritePulse(np.array([3.0, 1.0]), np.array([0.0, 2.0, 2.0]), 1e-6, 1e-8, 0, 0.5, settings.read_time)
    terms = {"driver": 0.0, "sense": 0.0, "drive": "first", "sense_end": "last", "capacitance": 0.0}
    text, step, stop = write_bench(cells, pulse, line=0.0, **terms)
    lines = text.splitlines()
    assert "xcell5 row1 col2 trap polarization5 ftj5" in lines
    assert sum(line.startswith(("rw", "rb", "rrow", "rcol")) for line in lines) == 0
    assert len(pulse.times) == len(pulse.voltages()[0][0])
    assert stop == pytest.approx(1e-6 + 1e-7 + 14e-8)
    assert step < stop / 100
    resistive, *_ = write_bench(cells, pulse, line=2.0, **(terms | {"drive": "both", "driver": 50.0}))
    assert "rrowf0 row0 w0_0 52" in resistive
    assert "rrowl1 row1 w1_2 52" in resistive
