"""Plots of random bits: they draw, refuse what does not fit, and mark what fails."""

import numpy as np
import pytest

from ftj_spice.results.plots import randomness as plots
from ftj_spice.results.plots.style import figure_png, figure_svg

RNG = np.random.default_rng(0)
P = {"frequency": RNG.random(100), "universal": np.array([]), "random_excursions_variant": RNG.random(900) ** 3}
SHARES = {"frequency": np.array([0.99]), "universal": np.array([]), "serial": np.array([0.93, 1.0])}
LIMITS = {"frequency": (0.96, 1.02), "serial": (0.96, 1.02)}
CORRELATION = np.concatenate([[0.2, 0.05], RNG.normal(0, 1e-3, 30)])
LAW = 1e4 * 0.5 ** np.arange(1, 20)
ESTIMATES = {"collision": 0.91, "compression": 0.86, "lz78y": None}

DRAWN = {
    "p": lambda: plots.p_value_histograms(P, ["random_excursions_variant"]),
    "shares": lambda: plots.pass_shares(SHARES, LIMITS),
    "correlation": lambda: plots.bit_autocorrelation(CORRELATION, 4e-3, 0.2 ** np.arange(1, 33)),
    "no correlation": lambda: plots.bit_autocorrelation(CORRELATION[2:], 4e-3),
    "runs": lambda: plots.run_lengths(
        {"zeros": np.floor(LAW), "ones": np.zeros(19)}, {"zeros": LAW, "ones": np.zeros(19)}, 0.3
    ),
    "entropy": lambda: plots.entropy_bars(ESTIMATES, {"Markov chain": 0.99, "claimed": 0.9}),
    "no entropy": lambda: plots.entropy_bars({"lag": None}, {}),
}


@pytest.mark.parametrize("name", DRAWN)
def test_draws(name):
    assert figure_png(DRAWN[name](), 60).startswith(b"\x89PNG")


def test_same_numbers_give_the_same_bytes():
    assert figure_svg(DRAWN["shares"]()) == figure_svg(DRAWN["shares"]())


def test_what_fails_is_red():
    figure = DRAWN["p"]()
    assert {patch.get_facecolor()[:3] for patch in figure.axes[2].patches} == {(0xB2 / 255, 0x18 / 255, 0x2B / 255)}
    assert figure.axes[0].patches[0].get_facecolor()[:3] != figure.axes[2].patches[0].get_facecolor()[:3]
    red = [line for line in DRAWN["shares"]().axes[0].get_lines() if line.get_color() == plots.FAILED]
    assert [x for line in red for x in line.get_xdata()] == [0.93]
    beyond = [line for line in DRAWN["correlation"]().axes[0].get_lines() if line.get_label() == "beyond the limit"]
    assert beyond[0].get_xdata().tolist() == [1, 2]
    labels = [text.get_text() for text in DRAWN["no correlation"]().axes[0].get_legend().get_texts()]
    assert "beyond the limit" not in labels


def test_the_histogram_shows_shares():
    heights = [patch.get_height() for patch in DRAWN["p"]().axes[0].patches]
    assert sum(heights) == pytest.approx(1.0)
    assert heights[0] == pytest.approx(np.mean(P["frequency"] < 0.1))


def test_the_smallest_entropy_is_marked():
    bars = DRAWN["entropy"]().axes[0].patches
    assert [bar.get_facecolor()[0] > 0.5 for bar in bars] == [False, True, False]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.p_value_histograms({}),
        lambda: plots.p_value_histograms({"runs": np.array([0.5, 1.5])}),
        lambda: plots.p_value_histograms({"runs": np.array([np.nan])}),
        lambda: plots.pass_shares({}, {}),
        lambda: plots.pass_shares({"runs": np.array([0.5])}, {}),
        lambda: plots.pass_shares({"runs": np.array([1.5])}, {"runs": (0.9, 1.0)}),
        lambda: plots.bit_autocorrelation(CORRELATION, 0.0),
        lambda: plots.bit_autocorrelation(CORRELATION, 0.1, np.zeros(3)),
        lambda: plots.run_lengths({"zeros": LAW}, {"ones": LAW}, None),
        lambda: plots.run_lengths({"zeros": LAW}, {"zeros": LAW[:3]}, None),
        lambda: plots.entropy_bars({}, {}),
        lambda: plots.entropy_bars({"lag": -0.1}, {}),
    ],
)
def test_what_does_not_fit_is_refused(draw):
    with pytest.raises(ValueError, match=r"."):
        draw()
