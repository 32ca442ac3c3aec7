import numpy as np
import pytest

from ftj_spice.results.plots.periphery import (
    Axis,
    Draws,
    monte_carlo,
    operation_waveforms,
    trade_offs,
    transfer_curves,
)
from ftj_spice.results.plots.style import figure_png


def labels(figure):
    return [(ax.get_xlabel(), ax.get_ylabel()) for ax in figure.axes if ax.get_visible()]


def test_trade_offs_draw_every_circuit_and_the_front():
    x = Axis("time", "s", [1e-9, 2e-9, np.nan])
    y = Axis("energy", "J", [2e-12, 1e-12, 1e-12])
    figure = trade_offs(["a", "b", "c"], [(x, y, [0, 1])])
    ax = figure.axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    front = ax.lines[0]
    np.testing.assert_allclose(front.get_xdata(), [1e-9, 2e-9, 2e-9])
    np.testing.assert_allclose(front.get_ydata(), [2e-12, 2e-12, 1e-12])
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines[1:] if len(line.get_xdata()) == 1]
    assert points == [(1e-9, 2e-12), (2e-9, 1e-12)]  # c was not measured
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]
    assert figure_png(figure) == figure_png(trade_offs(["a", "b", "c"], [(x, y, [0, 1])]))
    with pytest.raises(ValueError, match="3 values"):
        trade_offs(["a", "b", "c"], [(x, Axis("energy", "J", [1.0]), [])])


def test_waveforms_get_a_panel_each_and_a_time_prefix():
    time = np.linspace(1e-6, 3e-6, 50)
    figure = operation_waveforms(time, {"out (V)": {"outp": time, "outn": -time}, "clock (V)": {"clk": time}})
    assert labels(figure) == [("", "out (V)"), ("time (µs)", "clock (V)")]
    with pytest.raises(ValueError, match="out"):
        operation_waveforms(time, {"out (V)": {"outp": time[:-1]}})


def test_curves_take_prefixes_from_their_labels():
    x = np.linspace(0, 5e-9, 10)
    figure = transfer_curves(
        [("transfer", x, "input (A)", 1e8 * x, "output (V)"), ("codes", x, "input (A)", x, "code")]
    )
    assert labels(figure) == [("input (nA)", "output (mV)"), ("input (nA)", "code")]
    with pytest.raises(ValueError, match="transfer"):
        transfer_curves([("transfer", x, "", x[1:], "")])


def test_histograms_show_limits_that_are_near():
    rng = np.random.default_rng(3)
    draws = rng.normal(0, 2e-3, 100)
    figure = monte_carlo([Draws("offset", "V", draws, -8e-3, 8e-3), Draws("energy", "J", 1e-13 + 0 * draws)])
    near, far = figure.axes[:2]
    assert sum(patch.get_height() for patch in near.patches) == 100
    assert sorted(line.get_xdata()[0] for line in near.lines if line.get_linestyle() == "--") == [-8.0, 8.0]
    assert labels(figure)[0] == ("offset (mV)", "draws")
    assert not [line for line in far.lines if line.get_linestyle() == "--"]
    with pytest.raises(ValueError, match="two draws"):
        monte_carlo([Draws("offset", "V", draws[:1])])


def test_failing_circuits_are_hollow_and_the_front_is_that_of_the_rest():
    x, y = Axis("time", "s", [1e-9, 2e-9]), Axis("energy", "J", [1e-12, 2e-12])
    ax = trade_offs(["bad", "good"], [(x, y, [1])], {0}).axes[0]
    marked = [line for line in ax.lines if line.get_marker() not in ("None", "") and len(line.get_xdata())]
    faces = [line.get_markerfacecolor() for line in marked]
    assert faces[0] == "white" and faces[1] != "white"


def test_labels_are_written_alike():
    time = np.linspace(0, 1e-6, 5)
    figure = operation_waveforms(time, {"Supply (uA)": {"vdd": time}, "INL (LSB)": {"d": time}, "V": {"x": time}})
    assert [up for _, up in labels(figure)] == ["supply (µA)", "INL (LSB)", "v"]
    figure = transfer_curves([("transfer", time, "Input current (uA)", time, "Output (V)")])
    assert labels(figure) == [("input current (µA)", "output (µV)")]
    assert figure.axes[0].get_title(loc="left") == "Transfer"


def test_steps_take_no_prefix_and_equal_draws_have_one_bar_each():
    figure = monte_carlo([Draws("INL", "LSB", [0.0625] * 5, None, 0.5), Draws("offset", "V", [-1e-3, 1.1e-3])])
    inl, offset = figure.axes[:2]
    assert labels(figure)[0] == ("INL (LSB)", "draws")
    assert inl.get_title(loc="left") == "0.0625 LSB, all alike"
    (bar,) = inl.patches
    assert bar.get_x() < 0.0625 < bar.get_x() + bar.get_width() and bar.get_height() == 5
    assert offset.get_title(loc="left") == "0.1 ± 1.5 mV"
    rounded = [0.1] * 7
    assert np.std(rounded) > 0
    assert monte_carlo([Draws("INL", "LSB", rounded)]).axes[0].get_title(loc="left") == "0.1 LSB, all alike"
    both = monte_carlo([Draws("offset", "V", [-1e-3, 1e-3], -2e-3, 2e-3)])
    assert [text.get_text() for text in both.legends[0].get_texts()].count("limit") == 1
