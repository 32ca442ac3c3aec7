import io

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from ftj_spice.common.errors import OutputError
from ftj_spice.device.card import load_card
from ftj_spice.device.traps import Traps, draw_candidates, simulate
from ftj_spice.results import plots
from ftj_spice.results.plots.images import GAP_GREY
from ftj_spice.results.plots.noise import _edges

RNG = np.random.default_rng(5)


def texts(figure):
    """All text of a figure as it would be drawn."""
    figure.draw_without_rendering()
    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]


def traces():
    traps = Traps.from_card(load_card("hzo_mfis_nominal"), 2, np.array([0.0, 0.7]))
    history = simulate(
        draw_candidates(traps, 0.4, (1.5, 1.5), 3, [(0, 0), (0, 1)], 1.5), np.array([0.0]), np.array([1.5])
    )
    edges = np.linspace(0.0, 0.4 * (1 - 1e-12), 2001)
    levels = np.array([[2.0e-10, 1.8e-10], [1.5e-10, 1.4e-10]])
    filled = np.stack([history.averages(k, edges) for k in range(2)])
    taus = np.stack([traps.capture_time_at(1.5), traps.emission_time_at(1.5)], axis=1)
    return edges, levels[:, :1] + filled * np.diff(levels, axis=1), levels, taus, filled.mean(axis=1)


def every_figure():
    edges, currents, levels, taus, _ = traces()
    exact = RNG.standard_normal((20, 30))
    time = np.linspace(0, 5e-3, 200)
    return {
        "rtn": plots.rtn_traces(edges, currents, levels, ["cell (0, 0)", "cell (1, 0)"], taus),
        "latents": plots.latent_histogram(RNG.standard_normal((500, 16)), plots.LatentMoments()),
        "product": plots.vmm_error(exact, exact + 0.05 * RNG.standard_normal(exact.shape), 5.5),
        "integrator": plots.integrator_waveform(time, time * 100, [4.9e-3], [0.49], (0.0, 1.0), "column 0"),
        "timing": plots.timing_bar({"sample": 41.0, "read": 0.3}),
        "array": plots.array_map(RNG.random((8, 12)) * 1e-9, "tile (0, 0)"),
    }


def test_every_figure_renders_reproducibly_and_leaves_no_trace_in_matplotlib():
    before = dict(mpl.rcParams)
    for name, figure in every_figure().items():
        assert isinstance(figure, Figure)
        assert figure.get_size_inches()[0] == 7.0
        svg = plots.figure_svg(figure)
        assert svg == plots.figure_svg(figure), name
        assert "<dc:date>" not in svg and "http://matplotlib" not in svg.lower()
        png = plots.figure_png(figure, 50)
        assert png == plots.figure_png(figure, 50)
        assert matplotlib.image.imread(io.BytesIO(png)).shape[1] == 350
    assert dict(mpl.rcParams) == before


def test_the_users_matplotlib_settings_do_not_matter():
    plain = plots.figure_png(plots.timing_bar({"sample": 1.0}), 50)
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "text.color": "red", "savefig.dpi": 17}):
        assert plots.figure_png(plots.timing_bar({"sample": 1.0}), 50) == plain


@pytest.mark.parametrize("name", ["rtn", "latents", "product", "integrator", "timing", "array"])
def test_text_stays_on_the_page_and_apart(name):
    figure = every_figure()[name]
    figure.draw_without_rendering()
    page = figure.bbox.padded(1)
    for axes in figure.axes:
        for label in filter(Text.get_text, (axes.xaxis.label, axes.yaxis.label, axes.title)):
            box = label.get_window_extent()
            assert page.contains(box.x0, box.y0) and page.contains(box.x1, box.y1), label.get_text()
        words = [t for t in axes.texts if t.get_text()]
        boxes = [t.get_window_extent() for t in words]
        for k, box in enumerate(boxes):
            assert page.containsx(box.x0) and page.containsx(box.x1), words[k].get_text()
            assert page.containsy(box.y0) and page.containsy(box.y1), words[k].get_text()
            for other in range(k):
                overlap = box.intersection(box, boxes[other])
                assert overlap is None or overlap.width < 1 or overlap.height < 1, (words[k], words[other])


def test_units_and_prefixes_on_the_axes():
    found = {name: texts(figure) for name, figure in every_figure().items()}
    assert {"cell current (pA)", "time (ms)", "share of time (%)"} <= set(found["rtn"])
    assert {"output (V)", "time (ms)", "column 0", "sampled", "converter range"} <= set(found["integrator"])
    assert {"conductance (pS)", "bit line (column)", "word line (row)"} <= set(found["array"])
    assert {"probability density", "latent z (standard deviations)"} <= set(found["latents"])
    assert {"simulated", "error", "exact pre-activation", "5.50"} <= set(found["product"])
    assert "41.0 s (99 %)" in found["timing"] and "300 ms (below 1 %)" in found["timing"]


def test_rtn_shares_are_the_traps_own():
    edges, currents, levels, taus, filled = traces()
    shown = texts(plots.rtn_traces(edges, currents, levels, ["a", "b"], taus))
    for cell in range(2):
        expected = 100 * taus[cell, 1] / taus[cell].sum()
        assert f"{100 * filled[cell]:.0f} %" in shown and f"({expected:.0f} %)" in shown
    assert any("empty, $\\tau_c$ = 1.00 ms" in text for text in shown)
    assert any("filled, $\\tau_e$ = 2.01 ms" in text for text in shown)


def test_rtn_without_times_and_without_a_step():
    figure = plots.rtn_traces(np.arange(10.0), np.full((1, 10), 3e-12), [[3e-12, 3e-12]], ["flat"])
    assert "empty and filled" in texts(figure)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 4), st.integers(0, 3), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_every_pixel_of_a_grid_is_where_it_belongs(count, columns, scale, gap, side):
    images = np.random.default_rng(count).random((count, side, side + 1))
    grid = plots.image_grid(images, columns, scale, gap)
    used = min(columns, count)
    rows = -(-count // used)
    assert grid.shape == (rows * (side * scale + gap) - gap, used * ((side + 1) * scale + gap) - gap)
    assert grid.dtype == np.uint8
    for k in range(count):
        y, x = (k // used) * (side * scale + gap), (k % used) * ((side + 1) * scale + gap)
        tile = grid[y : y + side * scale, x : x + (side + 1) * scale]
        for dy in range(scale):
            for dx in range(scale):
                assert np.array_equal(tile[dy::scale, dx::scale], np.rint(images[k] * 255))


def test_grid_is_white_on_black_with_grey_lines_and_saved_losslessly(tmp_path):
    images = np.zeros((3, 28, 28))
    images[0, 3, 4] = 1.0
    images[1] = 2.0
    images[2] = -1.0
    grid = plots.image_grid(images, columns=2)
    assert grid[9, 12] == 255 and grid[0, 0] == 0
    assert grid[0, 84] == grid[84, 0] == GAP_GREY
    assert grid[10, 100] == 255 and grid[100, 10] == 0
    assert np.all(grid[86:, 84:] == 255)
    plots.save_image_grid(tmp_path / "grid.png", images, columns=2)
    back = matplotlib.image.imread(tmp_path / "grid.png")
    assert np.array_equal(np.rint(back * 255), grid)
    assert (tmp_path / "grid.png").read_bytes() == plots.image_grid_png(images, columns=2)
    with pytest.raises(OutputError, match="can't write"):
        plots.save_image_grid(tmp_path / "nowhere" / "grid.png", images)


def test_digitised_latents_show_no_comb():
    for step in (0.03, 0.05, 0.11, 0.3):
        z = np.sort(np.round(RNG.standard_normal(200_000) / step + 0.3) * step - 0.3 * step)
        density, edges = np.histogram(z, _edges(z, 60, 5.0), density=True)
        centres = (edges[:-1] + edges[1:]) / 2
        assert density == pytest.approx(np.exp(-0.5 * centres**2) / np.sqrt(2 * np.pi), abs=0.025)
        assert edges[0] <= z[0] and edges[-1] >= z[-1]


def test_continuous_latents_get_the_bins_asked_for():
    assert len(_edges(np.sort(RNG.standard_normal(1000)), 37, 4.0)) == 38


def test_latent_table_is_right():
    z = RNG.gamma(4.0, size=(1000, 16))
    shown = texts(plots.latent_histogram(z, plots.LatentMoments(4.0, 4.0, 1.0, -1.5)))
    n = z.size
    assert f"{z.mean():.3f} ± {z.std() / np.sqrt(n):.3f}" in shown
    assert f"{z.var():.3f} ± {z.var() * np.sqrt(2 / n):.3f}" in shown
    assert "\N{MINUS SIGN}1.500" in shown


def test_many_points_are_rasterised():
    exact = RNG.standard_normal(20_000)
    assert len(plots.figure_svg(plots.vmm_error(exact, exact + 0.1))) < 400_000


def test_cells_without_a_value_are_named():
    matrix = np.ones((3, 4)) * 1e-9
    matrix[1, 1] = np.nan
    assert "grey: no value" in texts(plots.array_map(matrix))
    assert "grey: no value" not in texts(plots.array_map(np.ones((1, 1)) * 1e-9))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.image_grid(np.zeros((28, 28))),
        lambda: plots.image_grid(np.zeros((0, 28, 28))),
        lambda: plots.image_grid(np.full((1, 2, 2), np.nan)),
        lambda: plots.image_grid(np.zeros((1, 2, 2)), columns=0),
        lambda: plots.rtn_traces([0.0, 1.0], [[1.0, np.nan]], [[1.0, 0.5]], ["a"]),
        lambda: plots.rtn_traces([0.0, 1.0], [[1.0, 2.0]], [[1.0, 0.5]], ["a", "b"]),
        lambda: plots.rtn_traces([1.0, 0.0], [[1.0, 2.0]], [[1.0, 0.5]], ["a"]),
        lambda: plots.rtn_traces([0.0, 1.0], [[1.0, 2.0]], [[1.0, 0.5]], ["a"], [[0.0, 1.0]]),
        lambda: plots.rtn_traces(np.arange(9.0), [[1.0, 2.0]], [[1.0, 0.5]], ["a"]),
        lambda: plots.latent_histogram(np.zeros(100)),
        lambda: plots.latent_histogram([1.0, 2.0]),
        lambda: plots.vmm_error([1.0, 2.0], [1.0, 2.0, 3.0]),
        lambda: plots.vmm_error([[1.0], [2.0]], [1.0, 2.0]),
        lambda: plots.vmm_error([1.0], [1.0]),
        lambda: plots.integrator_waveform([0.0, 1.0], [0.0], [0.5], [0.5]),
        lambda: plots.integrator_waveform([0.0, 1.0], [0.0, 1.0], [0.5], [0.5, 0.6]),
        lambda: plots.timing_bar({}),
        lambda: plots.timing_bar({"a": -1.0}),
        lambda: plots.array_map([1.0]),
        lambda: plots.array_map([[np.nan]]),
    ],
)
def test_input_that_does_not_fit_is_refused(draw):
    with pytest.raises(ValueError):
        draw()


def test_save_figure(tmp_path):
    figure = plots.timing_bar({"a": 1.0})
    plots.save_figure(tmp_path / "a.svg", figure)
    plots.save_figure(tmp_path / "a.png", figure)
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"\.svg"):
        plots.save_figure(tmp_path / "a.pdf", figure)
