"""The sampling array's operating point, against a nodal solution and finite differences."""

import numpy as np
import pytest
from scipy.optimize import fsolve

import ftj_spice as ftj
from ftj_spice.engines.errors import EngineError
from ftj_spice.engines.fast.integrator import operating_point
from ftj_spice.netlist.circuit import Cells

CARD = ftj.load_card("hzo_mfis_nominal")
LINES = {"word_resistance": 3e6, "bit_resistance": 2e6, "driver_resistance": 5e7, "lead": 2}
"""So large that each wire takes some percent of the voltage."""


def cells(rows: int, columns: int) -> Cells:
    rng = np.random.default_rng(rows + columns)
    g = CARD.off_conductance * rng.uniform(0.5, 2.0, (rows, columns))
    return Cells.of(CARD, g, rng.uniform(0.1, 0.6, (rows, columns)))


def nodal(
    cells: Cells,
    states: np.ndarray,
    voltage: float,
    word_resistance: float,
    bit_resistance: float,
    driver_resistance: float,
    lead: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns each cell's bias and current, from Kirchhoff's current law at every node of both lines."""
    rows, columns = cells.shape
    left = np.full((rows, columns), word_resistance)
    left[:, 0] = driver_resistance + (lead + 1) * word_resistance
    quiet = 1.0 - np.asarray(cells.amplitude) * states
    scale = 1.0 / np.mean(cells.current(np.full(cells.shape, voltage)))

    def residual(flat: np.ndarray) -> np.ndarray:
        w, b = flat.reshape(2, rows, columns)
        current = quiet * cells.current(w - b)
        into = (np.concatenate([np.full((rows, 1), voltage), w[:, :-1]], axis=1) - w) / left
        onward = np.concatenate([into[:, 1:], np.zeros((rows, 1))], axis=1)
        down = (b - np.concatenate([b[1:], np.zeros((1, columns))])) / bit_resistance
        from_above = np.concatenate([np.zeros((1, columns)), down[:-1]])
        return scale * np.stack([into - onward - current, from_above + current - down]).ravel()

    start = np.stack([np.full(cells.shape, voltage), np.zeros(cells.shape)]).ravel()
    found = fsolve(residual, start, full_output=True, xtol=1e-13)[0]
    assert np.abs(residual(found)).max() < 1e-10
    w, b = found.reshape(2, rows, columns)
    return w - b, quiet * cells.current(w - b)


@pytest.mark.parametrize("shape", [(3, 2), (1, 4), (5, 1)])
def test_bias_and_currents_are_those_of_the_nodes(shape):
    array = cells(*shape)
    occupancy = np.random.default_rng(0).uniform(0.2, 0.8, shape)
    point = operating_point(array, occupancy, 1.5, **LINES)
    bias, current = nodal(array, occupancy, 1.5, **LINES)
    assert np.min(1.5 - bias) > 0.005  # or the test would show nothing
    np.testing.assert_allclose(point.bias, bias, rtol=0, atol=1e-9)
    np.testing.assert_allclose(point.current, current.sum(axis=0), rtol=1e-9)


def test_slopes_are_derivatives_and_coupled_columns_are_in_them():
    array = cells(3, 2)
    occupancy = np.full((3, 2), 0.5)
    point = operating_point(array, occupancy, 1.5, **LINES)
    for i in range(3):
        for j in range(2):
            moved = []
            for step in (-0.01, 0.01):
                states = occupancy.copy()
                states[i, j] += step
                moved.append(operating_point(array, states, 1.5, **LINES).current)
            np.testing.assert_allclose(point.slope[:, i, j], (moved[1] - moved[0]) / 0.02, rtol=1e-3)
    assert (point.slope[0, :, 0] < 0).all()
    assert (point.slope[0, :, 1] > 0).all()  # a trap that fills leaves the other column more voltage


def test_linearisation_holds_for_all_states():
    array = cells(3, 1)
    light = {**LINES, "word_resistance": 3e4, "bit_resistance": 2e4, "driver_resistance": 5e5}
    point = operating_point(array, np.full((3, 1), 0.5), 1.5, **light)
    states = np.array(np.meshgrid(*[[0.0, 1.0]] * 3, indexing="ij")).reshape(3, -1).T[:, :, np.newaxis]
    exact = [operating_point(array, own, 1.5, **light).current for own in states]
    swing = float(np.ptp(exact))
    assert np.abs(point.columns(states) - exact).max() < 1e-3 * swing


def test_perfect_wires_leave_the_bias_alone():
    point = operating_point(cells(2, 2), np.full((2, 2), 0.3), 1.5)
    assert (point.bias == 1.5).all()


@pytest.mark.parametrize("law", ["linear", "high_current"])
def test_other_cards(law):
    card = ftj.load_card(law)
    array = Cells.of(card, np.full((2, 1), card.off_conductance), np.full((2, 1), 0.2))
    drop = 0.1 / float(array.current(np.full((2, 1), 1.0))[0, 0])
    wires = {"word_resistance": drop / 9, "bit_resistance": drop / 7, "driver_resistance": drop, "lead": 0}
    point = operating_point(array, np.full((2, 1), 0.5), 1.0, **wires)
    bias, _ = nodal(array, np.full((2, 1), 0.5), 1.0, **wires)
    np.testing.assert_allclose(point.bias, bias, atol=1e-8)


def test_what_can_not_be_solved_is_said():
    array = cells(2, 1)
    with pytest.raises(EngineError, match="operating point of a 2 x 1 sampling array"):
        operating_point(array, np.full((2, 1), np.nan), 1.5, **LINES)


def test_steps_that_run_away_are_an_error_without_warnings():
    """The cells' current overflows on the way; warnings are errors in these tests."""
    array = Cells.of(CARD, np.full((256, 1), CARD.off_conductance), np.full((256, 1), 0.2))
    wires = {"word_resistance": 1e9, "bit_resistance": 1e9, "driver_resistance": 1e9}
    with pytest.raises(EngineError, match="operating point of a 256 x 1 sampling array"):
        operating_point(array, np.full((256, 1), 0.5), 2.4, **wires)
