"""The plot of an error budget."""

import numpy as np
import pytest

from ftj_spice.results.plots.budget import error_budget
from ftj_spice.results.plots.style import figure_svg

LABELS = ["input bits", "levels", "noise"]


def test_bars_are_the_errors_in_percent():
    figure = error_budget(LABELS, [0.01, 0.0, 2e-7], 0.012, 0.0105)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([1.0, 0.0, 2e-5, 1.2])
    assert [label.get_text() for label in axes.get_yticklabels()] == [*LABELS, "all together"]
    notes = [note.get_text() for note in axes.texts]
    assert notes == ["1 %", "0", "2e-05 %", "1.2 %"]
    assert axes.lines[0].get_xdata() == pytest.approx([1.05, 1.05])
    assert figure_svg(figure) == figure_svg(error_budget(LABELS, [0.01, 0.0, 2e-7], 0.012, 0.0105))


def test_nothing_at_all_can_be_drawn():
    error_budget(["a"], [0.0], 0.0, 0.0)


@pytest.mark.parametrize(
    ("labels", "errors", "together"),
    [(LABELS, [0.1, 0.2], 0.1), ([], [], 0.1), (["a"], [-0.1], 0.1), (["a"], [np.nan], 0.1), (["a"], [0.1], np.inf)],
)
def test_what_can_not_be_drawn_is_refused(labels, errors, together):
    with pytest.raises(ValueError, match=r"errors|label"):
        error_budget(labels, errors, together, 0.1)
