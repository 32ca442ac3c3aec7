"""Plots of the read phase: the vector-matrix product and the programmed array."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ftj_spice.results.plots.style import CLOSED_FORM, DPI, MANY, NOTE, SIMULATED, WIDTH, finite, remark, styled
from ftj_spice.results.units import engineering, grouped, scale_for


@styled
def vmm_error(
    expected: ArrayLike,
    measured: ArrayLike,
    effective_bits: float | None = None,
    unit: str = "",
    quantity: str = "pre-activation",
) -> Figure:
    """Draws the array's result against the exact one, the error along it, and the error's histogram.

    Args:
        expected: Exact result, any shape, at least 2 values.
        measured: The array's result, same shape.
        effective_bits: As the caller defines them; shown as a note.
        unit: SI unit of both; empty for numbers.
        quantity: What they are, for the axis labels.

    Raises:
        ValueError: Shapes differ, fewer than 2 values, or values are not finite.
    """
    exact = finite(np.ravel(expected), "expected", (None,))
    got = finite(np.ravel(measured), "measured", (len(exact),))
    if np.shape(expected) != np.shape(measured) or len(exact) < 2:
        raise ValueError("expected and measured must have the same shape, with at least 2 values")
    error = got - exact
    scale, error_scale = scale_for(np.concatenate([exact, got]), unit), scale_for(error, unit)
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    axes = figure.subplot_mosaic(
        [["s", "n"], ["e", "h"]],
        width_ratios=[2.2, 1],
        height_ratios=[1.7, 1],
        gridspec_kw={"wspace": 0.0, "hspace": 0.0},
    )
    dots = {"color": SIMULATED, "alpha": float(np.clip(300 / len(exact), 0.25, 0.7)), "markeredgewidth": 0}
    for ax, values in ((axes["s"], scale(got)), (axes["e"], error_scale(error))):
        ax.plot(
            scale(exact), values, "o", markersize=2.4 if len(exact) > 500 else 4.5, rasterized=len(exact) > MANY, **dots
        )
    ends = np.array([min(exact.min(), got.min()), max(exact.max(), got.max())])
    axes["s"].plot(scale(ends), scale(ends), color=CLOSED_FORM, linewidth=1.0, label="simulated = exact")
    axes["s"].set_ylabel(scale.label("simulated"))
    axes["s"].legend(loc="upper left")
    axes["s"].tick_params(axis="x", labelbottom=False)
    axes["e"].sharex(axes["s"])
    axes["e"].axhline(0.0, color=CLOSED_FORM, linewidth=1.0)
    axes["e"].set_ylabel(error_scale.label("error"))
    axes["e"].set_xlabel(scale.label(f"exact {quantity}"))
    reach = 1.05 * float(np.max(np.abs(error_scale(error)))) or 1.0
    axes["e"].set_ylim(-reach, reach)
    axes["h"].sharey(axes["e"])
    axes["h"].hist(
        error_scale(error),
        np.linspace(-reach, reach, 42).tolist(),
        orientation="horizontal",
        color=SIMULATED,
        alpha=0.6,
        weights=np.full(len(error), 100.0 / len(error)),
    )
    axes["h"].axhline(0.0, color=CLOSED_FORM, linewidth=1.0)
    axes["h"].tick_params(axis="y", labelleft=False)
    axes["h"].set_xlabel("share (%)")
    for name in ("e", "h"):
        axes[name].yaxis.set_major_locator(MaxNLocator(5))
    axes["n"].set_axis_off()
    rms, span = float(np.sqrt(np.mean(error**2))), float(np.ptp(exact))
    facts = [
        ("products", grouped(len(exact))),
        ("exact range", engineering(span, unit)),
        ("error, mean", engineering(float(np.mean(error)), unit)),
        ("error, rms", engineering(rms, unit)),
        ("error, largest", engineering(float(np.max(np.abs(error))), unit)),
    ]
    if span > 0:
        facts.append(("rms / range", f"{100 * rms / span:.2g} %"))
    if effective_bits is not None:
        facts.append(("effective bits", f"{effective_bits:.2f}"))
    for number, (name, value) in enumerate(facts):
        y = 0.93 - 0.105 * number
        remark(axes["n"], 0.06, y, name)
        remark(axes["n"], 1.0, y, value.replace("-", "\N{MINUS SIGN}"), "right")
    return figure


@styled
def array_map(conductances: ArrayLike, title: str = "") -> Figure:
    """Draws the programmed conductances of a tile.

    Args:
        conductances: In S, shape `(rows, columns)` = (word lines, bit lines); NaN marks a cell without a value.
        title: For example the tile and its sign.

    Raises:
        ValueError: Not a matrix, or no finite value in it.
    """
    matrix = np.asarray(conductances, float)
    if matrix.ndim != 2 or not np.isfinite(matrix).any():
        raise ValueError(f"conductances must be a matrix with finite values, not of shape {matrix.shape}")
    rows, columns = matrix.shape
    scale = scale_for(matrix, "S")
    height = float(np.clip(0.78 * WIDTH * rows / columns, 1.2, 6.0)) + 0.8
    figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=DPI)
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    image = axes.imshow(
        np.ma.masked_invalid(scale(matrix)),
        cmap=colormaps["viridis"].with_extremes(bad="#cccccc"),
        interpolation="nearest",
        vmin=min(0.0, float(np.nanmin(scale(matrix)))),
        aspect="equal",
    )
    bar = figure.colorbar(image, ax=axes, pad=0.015, aspect=max(8.0, 5.0 * (height - 0.8)))
    bar.set_label(scale.label("conductance"))
    bar.outline.set_visible(False)
    axes.set_xlabel("bit line (column)")
    axes.set_ylabel("word line (row)")
    axes.set_title(title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(9, integer=True, min_n_ticks=1))
    if not np.isfinite(matrix).all():
        axes.text(
            1.0, 1.01, "grey: no value", transform=axes.transAxes, ha="right", va="bottom", fontsize=8.5, color=NOTE
        )
    return figure
