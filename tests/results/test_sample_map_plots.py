"""Plots of maps: every one draws, says what is wrong with its arrays, and gives the same bytes twice."""

import numpy as np
import pytest

from ftj_spice.results.plots import sample_map as plots
from ftj_spice.results.plots.style import figure_png

AXES = plots.MapAxes(np.linspace(1.2, 1.8, 4), np.geomspace(1e-4, 5e-2, 5), (2, 3))
VALUES = 1e-9 * np.arange(1.0, 21.0).reshape(4, 5) ** 3


def law(counts):
    edges = np.linspace(-8, 8, 161)
    x = np.linspace(-6, 6, 301)
    normal = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    return plots.LawPanel("1.5 V", edges, counts, x, 0.6 * normal, np.array([-1.0, 1.0]), np.array([0.2, 0.2]), 0.1)


def lags(title):
    at = np.array([1, 2, 4, 8])
    return plots.LagLine(title, at, 0.5**at, np.full(4, 0.01), 0.5**at)


def drawings():
    missed = {"distance ≤ 0.01": VALUES > 5e-6, "autocorrelation ≤ 0.05": VALUES < 1e-8}
    deviation = np.where(VALUES > 1e-6, np.nan, 1.5)
    x = np.linspace(1.2, 1.8, 5)
    flat = VALUES.ravel()
    yield plots.figure_maps(AXES, VALUES, VALUES, deviation, "mean current", "A")
    yield plots.figure_maps(AXES, VALUES - VALUES, -VALUES, deviation, "skewness", "1")
    yield plots.figure_maps(AXES, 1 + 0 * VALUES, 1 + 0 * VALUES, deviation, "all alike", "1")
    yield plots.figure_lines(x, "read voltage (V)", x, 0.1 * x, x, "bits", "bit", logarithmic=False, mark=1)
    yield plots.figure_lines(AXES.times, "", AXES.times, AXES.times, AXES.times, "time", "s", logarithmic=True)
    yield plots.deviation_map(AXES, np.abs(np.nan_to_num(deviation)), np.random.default_rng(0).normal(size=300))
    yield plots.laws([law(np.arange(160))])
    yield plots.laws([law(np.arange(160)), law(np.zeros(160, int)), law(np.ones(160, int))])
    yield plots.autocorrelations([lags("a"), lags("b")], 0.05)
    yield plots.energy_rate(flat * 1e12, flat, flat > 5e-6, 1.5 + 0 * flat, {"fastest": (1e4, 1e-8)})
    yield plots.limits_map(AXES, missed)


def test_every_plot_draws_the_same_twice():
    first, second = ([figure_png(figure, 40) for figure in drawings()] for _ in range(2))
    assert first == second
    assert len({len(png) for png in first}) == len(first)  # each shows something of its own


def test_recommended_point_is_marked_in_every_panel_and_all_labels_are_there():
    figure = plots.figure_maps(AXES, VALUES, VALUES, 0 * VALUES, "mean current", "A")
    marked = [axes for axes in figure.axes if axes.lines]
    assert len(marked) == 3
    for axes in marked:
        assert axes.lines[0].get_xydata().ravel() == pytest.approx([AXES.times[3], AXES.voltages[2]])
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert {"mean current (µA)", "standard errors", "read voltage (V)"} <= labels


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.figure_maps(AXES, VALUES[:2], VALUES, VALUES, "x", "1"),
        lambda: plots.figure_maps(AXES, VALUES, VALUES * np.nan, VALUES, "x", "1"),
        lambda: plots.deviation_map(AXES, VALUES[:, :2], VALUES),
        lambda: plots.laws([]),
        lambda: plots.autocorrelations([], 0.1),
        lambda: plots.figure_lines(np.ones(3), "x", np.ones(2), np.ones(3), np.ones(3), "y", "1", logarithmic=False),
        lambda: plots.energy_rate(np.ones(3), np.ones(2), np.ones(3, bool), np.ones(3), {}),
    ],
)
def test_what_does_not_fit_is_refused(draw):
    with pytest.raises(ValueError):
        draw()
