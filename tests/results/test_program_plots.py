"""Plots of programming: they draw, refuse what does not fit, and show what failed."""

import numpy as np
import pytest

from ftj_spice.results.plots import program as plots
from ftj_spice.results.plots.style import figure_png, figure_svg

RNG = np.random.default_rng(0)
LEVEL = RNG.integers(0, 16, (6, 7))
POSITION = LEVEL + RNG.uniform(-0.25, 0.25, (6, 7))
FAILED = np.zeros((6, 7), bool)
FAILED[2, 3] = True


def way():
    volts = np.array([0.0, 1.6, 1.7, 1.8, -1.2])
    return plots.CellWay("row 0, column 1", volts, np.array([False, True, True, False, True]),
                         np.array([1e-12, 2e-12, 9e-12, 9e-12, 8e-12]), 8e-12, 1e-12)  # fmt: skip


DRAWN = {
    "levels": lambda: plots.level_histogram(POSITION, LEVEL, 16, 0.25, FAILED),
    "many levels": lambda: plots.level_histogram(POSITION * 10, LEVEL * 10, 200, 0.25, ~FAILED),
    "pulses": lambda: plots.pulse_counts(LEVEL + 3, 1e-9 * (1.0 + LEVEL), LEVEL),
    "maps": lambda: plots.cell_maps(POSITION - LEVEL, 0.01 * (POSITION - LEVEL), FAILED),
    "flat maps": lambda: plots.cell_maps(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1), bool)),
    "way": lambda: plots.cell_way(way()),
    "half select": lambda: plots.half_select(
        np.array([1, 10]), {"v2": np.array([0.01, 0.1]), "v3": np.array([0.0, 1e-3])}, [("V/2", 0.012)]
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_draws(name):
    assert figure_png(DRAWN[name](), 60).startswith(b"\x89PNG")


def test_same_numbers_give_the_same_bytes():
    assert figure_svg(DRAWN["way"]()) == figure_svg(DRAWN["way"]())


def test_failed_cells_are_marked():
    legend = DRAWN["levels"]().axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["failed (1)"]
    (marks,) = [line for line in DRAWN["maps"]().axes[0].get_lines() if line.get_marker() == "x"]
    assert (marks.get_xdata()[0], marks.get_ydata()[0]) == (3, 2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.level_histogram(POSITION[:2], LEVEL, 16, 0.25, FAILED),
        lambda: plots.level_histogram(POSITION * np.nan, LEVEL, 16, 0.25, FAILED),
        lambda: plots.cell_maps(POSITION, POSITION, FAILED[:2]),
        lambda: plots.cell_maps(POSITION, POSITION[:3], FAILED),
        lambda: plots.pulse_counts(LEVEL, np.ones(3), LEVEL),
        lambda: plots.half_select(np.array([1, 10]), {"v2": np.array([0.01])}),
    ],
)
def test_what_does_not_fit_is_refused(draw):
    with pytest.raises(ValueError, match=r"shape|finite"):
        draw()
