"""Plots of data against fit: file names appear in the legend as they are."""

import numpy as np
import pytest

from ftj_spice.device.fitting.outcome import Outcome, Panel, Series
from ftj_spice.results.plots.fit import fit_figure
from ftj_spice.results.plots.style import figure_png


def legend(*labels):
    x = np.geomspace(1.0, 1e3, 9)
    series = tuple(Series(label, x, 1.0 / x, 1.1 / x) for label in labels)
    panel = Panel("Retention", ("time", "s"), ("polarization / initial", ""), "x", series)
    outcome = Outcome("retention", (), {}, {}, 9, (), (0.1, "polarization"), {}, (), (panel,))
    figure = fit_figure(outcome)
    assert figure_png(figure, 50).startswith(b"\x89PNG")
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize(
    "name", [r"r$\bad$.csv", "_under.csv", "$.csv", r"a\$b$c$.csv", "x^2_i.csv", "{}.csv", "%s.csv", "__", "<b>&.csv"]
)
def test_a_file_name_is_shown_as_it_is(name):
    assert legend(name, "plain.csv") == [name, "plain.csv"]


def test_what_the_font_lacks_is_marked():
    assert legend("a\nb\U0001f9ff\udcff.csv") == ["a\ufffdb\ufffd\ufffd.csv"]


def test_a_long_name_is_shortened():
    (shown,) = legend(f"begin{'x' * 240}end.csv")
    assert shown.startswith("begin")
    assert shown.endswith("\N{HORIZONTAL ELLIPSIS}xxxxxxxxend.csv")
    assert len(shown) == 31
